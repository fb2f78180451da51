/* concatenate.c - see concatenate.h. */
#include "nn/concatenate.h"

#include "core/memory.h"
#include "core/upsample.h"

#include <string.h>

size_t concatenate_finest(const unet_features *parts, size_t count) {
    size_t finest = 0;
    for (size_t i = 1; i < count; i++) {
        if ((uint64_t)parts[i].h * parts[i].w > (uint64_t)parts[finest].h * parts[finest].w) {
            finest = i;
        }
    }
    return finest;
}

/* to[p * stride ...] = part at p, for a part of the result's grid. */
static void copy_part(const unet_features *part, float *to, size_t stride) {
    size_t positions = (size_t)part->h * part->w;
    for (size_t p = 0; p < positions; p++) {
        memcpy(to + p * stride, part->data + p * part->c, part->c * sizeof *to);
    }
}

static void mix_row(const unet_features *part, const upsample_tap *row, const upsample_tap *columns, uint32_t w,
                    float *to, size_t stride) {
    const float *top = part->data + (size_t)row->low * part->w * part->c;
    const float *bottom = part->data + (size_t)row->high * part->w * part->c;
    for (uint32_t x = 0; x < w; x++) {
        size_t left = (size_t)columns[x].low * part->c;
        size_t right = (size_t)columns[x].high * part->c;
        float across = columns[x].fraction;
        for (uint32_t c = 0; c < part->c; c++) {
            float above = (1.0F - across) * top[left + c] + across * top[right + c];
            float below = (1.0F - across) * bottom[left + c] + across * bottom[right + c];
            to[x * stride + c] = (1.0F - row->fraction) * above + row->fraction * below;
        }
    }
}

static diffcut_status place_part(const unet_features *part, uint32_t h, uint32_t w, float *to, size_t stride,
                                 diffcut_diagnostics *diag) {
    if (part->h == h && part->w == w) {
        copy_part(part, to, stride);
        return DIFFCUT_OK;
    }
    size_t count = (size_t)h + w;
    upsample_tap *taps = mem_array(count, sizeof *taps);
    if (taps == NULL) {
        return diag_no_memory(diag, count * sizeof *taps, "the features' upsampling");
    }
    upsample_half_pixel(part->h, h, taps);
    upsample_half_pixel(part->w, w, taps + h);
    for (uint32_t y = 0; y < h; y++) {
        mix_row(part, &taps[y], taps + h, w, to + (size_t)y * w * stride, stride);
    }
    mem_free(taps);
    return DIFFCUT_OK;
}

diffcut_status concatenate_features(const unet_features *parts, size_t count, unet_features *out,
                                    diffcut_diagnostics *diag) {
    const unet_features *finest = &parts[concatenate_finest(parts, count)];
    size_t positions = (size_t)finest->h * finest->w;
    uint64_t channels = 0;
    for (size_t i = 0; i < count; i++) {
        channels += parts[i].c;
    }
    size_t elements;
    if (channels > UINT32_MAX || !mem_mul(positions, (size_t)channels, &elements)) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "features of %llu channels are too large",
                         (unsigned long long)channels);
    }
    float *data = mem_array(elements, sizeof *data);
    if (data == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_MEMORY, "no memory for features of %zu values", elements);
    }
    diffcut_status status = DIFFCUT_OK;
    size_t first = 0;
    for (size_t i = 0; i < count && status == DIFFCUT_OK; i++) {
        status = place_part(&parts[i], finest->h, finest->w, data + first, (size_t)channels, diag);
        first += parts[i].c;
    }
    if (status != DIFFCUT_OK) {
        mem_free(data);
        return status;
    }
    *out = (unet_features){data, finest->h, finest->w, (uint32_t)channels};
    return DIFFCUT_OK;
}

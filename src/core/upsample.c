/* upsample.c - see upsample.h. Positions are computed in float32 in torch's order, so that its taps are met. */
#include "core/upsample.h"

#include "core/memory.h"

static upsample_tap tap_at(float position, uint32_t in) {
    position = position > 0.0F ? position : 0.0F;
    uint32_t low = (uint32_t)position;
    low = low < in - 1 ? low : in - 1;
    float fraction = position - (float)low;
    fraction = fraction < 1.0F ? fraction : 1.0F;
    return (upsample_tap){low, low < in - 1 ? low + 1 : low, fraction};
}

void upsample_half_pixel(uint32_t in, uint32_t out, upsample_tap *taps) {
    float scale = (float)in / (float)out;
    for (uint32_t i = 0; i < out; i++) {
        taps[i] = tap_at(scale * ((float)i + 0.5F) - 0.5F, in);
    }
}

void upsample_corners(uint32_t in, uint32_t out, upsample_tap *taps) {
    float scale = out > 1 ? (float)(in - 1) / (float)(out - 1) : 0.0F;
    for (uint32_t i = 0; i < out; i++) {
        taps[i] = tap_at(scale * (float)i, in);
    }
}

/* floor((i + 1/2) * in / out) in whole numbers. */
static uint32_t nearest(uint32_t in, uint32_t out, uint32_t i) {
    return (uint32_t)((2 * (uint64_t)i + 1) * in / (2 * (uint64_t)out));
}

diffcut_status upsample_labels(uint32_t width, uint32_t height, const uint32_t *labels, uint32_t out_width,
                               uint32_t out_height, uint32_t *out, diffcut_diagnostics *diag) {
    uint32_t *columns = mem_array(out_width, sizeof *columns);
    if (columns == NULL) {
        return diag_no_memory(diag, out_width * sizeof *columns, "the columns of a label map");
    }
    for (uint32_t x = 0; x < out_width; x++) {
        columns[x] = nearest(width, out_width, x);
    }
    for (uint32_t y = 0; y < out_height; y++) {
        const uint32_t *row = labels + (size_t)nearest(height, out_height, y) * width;
        uint32_t *to = out + (size_t)y * out_width;
        for (uint32_t x = 0; x < out_width; x++) {
            to[x] = row[columns[x]];
        }
    }
    mem_free(columns);
    return DIFFCUT_OK;
}

/*
 * prepare.c - a photo and its labels as the paper's evaluation takes them: diffcut_eval_prepare.
 *
 *   photo  --centre square--> image (features are computed from it) --bilinear--> input_size --bilinear--> small
 *   labels --centre square--> truth_full --nearest, half-pixel centres--> input_size --nearest--> truth
 *
 * Labels at the network's size are never made: two tables of indices are put one after the other.
 * Called through the public interface.
 */
#include <inttypes.h>
#include <string.h>

#include "core/memory.h"
#include "core/upsample.h"
#include "eval/resample.h"
#include "io/entry.h"
#include "io/image.h"
#include "io/resize.h"
#include "segment/labels.h"

#define MAX_INPUT_SIZE 16384
#define CHANNELS 3

void diffcut_eval_settings_init(diffcut_eval_settings *settings) {
    if (settings != NULL) {
        *settings = (diffcut_eval_settings){.input_size = 1024, .size = 128};
    }
}

void diffcut_eval_photo_free(diffcut_eval_photo *photo) {
    if (photo != NULL) {
        diffcut_image_free(&photo->image);
        diffcut_labels_free(&photo->truth);
        diffcut_labels_free(&photo->truth_full);
        mem_free(photo->small);
        *photo = (diffcut_eval_photo){0};
    }
}

/* The centre square; a half pixel goes to the even side, as Python rounds. */
typedef struct square {
    uint32_t side, left, top;
} square;

static uint32_t half_to_even(uint32_t margin) {
    uint32_t half = margin / 2;
    return margin % 2 == 1 && half % 2 == 1 ? half + 1 : half;
}

static square centre_square(uint32_t width, uint32_t height) {
    uint32_t side = (width < height ? width : height) - 1;
    return (square){side, half_to_even(width - side), half_to_even(height - side)};
}

static diffcut_status crop_image(const diffcut_image *image, square part, diffcut_image *out,
                                 diffcut_diagnostics *diag) {
    diffcut_status status = image_allocate(part.side, part.side, out, diag);
    for (uint32_t y = 0; status == DIFFCUT_OK && y < part.side; y++) {
        size_t from = ((size_t)(part.top + y) * image->width + part.left) * CHANNELS;
        memcpy(out->rgb + (size_t)y * part.side * CHANNELS, image->rgb + from, (size_t)part.side * CHANNELS);
    }
    return status;
}

static diffcut_status crop_labels(const diffcut_labels *labels, square part, diffcut_labels *out,
                                  diffcut_diagnostics *diag) {
    size_t row = (size_t)part.side * sizeof *out->data;
    uint32_t *data = mem_array(part.side, row);
    if (data == NULL) {
        return diag_no_memory(diag, part.side * row, "the centre of a label map");
    }
    for (uint32_t y = 0; y < part.side; y++) {
        memcpy(data + (size_t)y * part.side, labels->data + (size_t)(part.top + y) * labels->width + part.left, row);
    }
    *out = (diffcut_labels){part.side, part.side, labels->count, data};
    return DIFFCUT_OK;
}

/* full (side, side) to the network's size and from there to the size that is compared at. */
static diffcut_status shrink_labels(const diffcut_labels *full, const diffcut_eval_settings *settings,
                                    diffcut_labels *out, diffcut_diagnostics *diag) {
    uint32_t *at_input = mem_array(settings->input_size, sizeof *at_input);
    uint32_t *index = mem_array(settings->size, sizeof *index);
    diffcut_status status = DIFFCUT_OK;
    if (at_input == NULL || index == NULL) {
        status = diag_no_memory(diag, settings->input_size * sizeof *at_input, "shrinking a label map");
    } else {
        resample_index(full->width, settings->input_size, true, at_input);
        resample_index(settings->input_size, settings->size, false, index);
        for (uint32_t i = 0; i < settings->size; i++) {
            index[i] = at_input[index[i]];
        }
        status = resample_labels(full, index, settings->size, index, settings->size, out, diag);
    }
    mem_free(index);
    mem_free(at_input);
    return status;
}

/* from (in, in, 3) to to (out, out, 3). */
static void shrink_pixels(const float *from, uint32_t in, const upsample_tap *taps, uint32_t out, float *to) {
    const size_t row = (size_t)in * CHANNELS;
    for (uint32_t y = 0; y < out; y++) {
        const float *low = from + taps[y].low * row;
        const float *high = from + taps[y].high * row;
        const float down = taps[y].fraction;
        for (uint32_t x = 0; x < out; x++) {
            const size_t left = (size_t)taps[x].low * CHANNELS, right = (size_t)taps[x].high * CHANNELS;
            const float across = taps[x].fraction;
            for (size_t c = 0; c < CHANNELS; c++) {
                float above = (1.0F - across) * low[left + c] + across * low[right + c];
                float below = (1.0F - across) * high[left + c] + across * high[right + c];
                *to++ = (1.0F - down) * above + down * below;
            }
        }
    }
}

static diffcut_status shrink_image(const diffcut_image *image, const diffcut_eval_settings *settings, float **out,
                                   diffcut_diagnostics *diag) {
    const uint32_t in = settings->input_size, size = settings->size;
    float *whole = mem_array(in, (size_t)in * CHANNELS * sizeof *whole);
    float *small = mem_array(size, (size_t)size * CHANNELS * sizeof *small);
    upsample_tap *taps = mem_array(size, sizeof *taps);
    diffcut_status status = DIFFCUT_OK;
    if (whole == NULL || small == NULL || taps == NULL) {
        status = diag_no_memory(diag, (size_t)in * in * CHANNELS * sizeof *whole, "resizing a photo");
    } else {
        const work w = {.threads = 1, .diag = diag};
        status = resize_image(&w, image, in, in, DIFFCUT_RESAMPLE_BILINEAR, whole);
    }
    if (status == DIFFCUT_OK) {
        upsample_half_pixel(in, size, taps);
        shrink_pixels(whole, in, taps, size, small);
        *out = small;
        small = NULL;
    }
    mem_free(taps);
    mem_free(small);
    mem_free(whole);
    return status;
}

static diffcut_status check_input(const diffcut_image *image, const diffcut_labels *labels,
                                  const diffcut_eval_settings *settings, diffcut_diagnostics *diag) {
    if (settings->input_size < 1 || settings->input_size > MAX_INPUT_SIZE) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "input_size is %" PRIu32 ", not 1 .. %d", settings->input_size,
                         MAX_INPUT_SIZE);
    }
    if (settings->size < 1 || settings->size > settings->input_size) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "size is %" PRIu32 ", not 1 .. %" PRIu32, settings->size,
                         settings->input_size);
    }
    if (image == NULL || image->rgb == NULL || image->width < 2 || image->height < 2) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_eval_prepare: no image, or one below 2x2");
    }
    if (labels == NULL) {
        return DIFFCUT_OK;
    }
    diffcut_status status = labels_check(labels, "diffcut_eval_prepare", diag);
    if (status == DIFFCUT_OK && (labels->width != image->width || labels->height != image->height)) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT,
                         "the labels are %" PRIu32 "x%" PRIu32 ", the photo is %" PRIu32 "x%" PRIu32, labels->width,
                         labels->height, image->width, image->height);
    }
    return status;
}

diffcut_status diffcut_eval_prepare(const diffcut_image *image, const diffcut_labels *labels,
                                    const diffcut_eval_settings *settings, diffcut_eval_photo *out,
                                    diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    diffcut_eval_settings defaults;
    diffcut_eval_settings_init(&defaults);
    settings = settings != NULL ? settings : &defaults;
    if (out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_eval_prepare: out is NULL");
    }
    diffcut_status status = check_input(image, labels, settings, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    const square part = centre_square(image->width, image->height);
    diffcut_eval_photo photo = {.size = settings->size};
    status = crop_image(image, part, &photo.image, diag);
    if (status == DIFFCUT_OK) {
        status = shrink_image(&photo.image, settings, &photo.small, diag);
    }
    if (status == DIFFCUT_OK && labels != NULL) {
        status = crop_labels(labels, part, &photo.truth_full, diag);
    }
    if (status == DIFFCUT_OK && labels != NULL) {
        status = shrink_labels(&photo.truth_full, settings, &photo.truth, diag);
    }
    if (status != DIFFCUT_OK) {
        diffcut_eval_photo_free(&photo);
        return status;
    }
    *out = photo;
    return DIFFCUT_OK;
}

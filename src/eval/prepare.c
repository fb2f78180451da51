/*
 * prepare.c - a photo and its labels as the paper's evaluation takes them: diffcut_eval_prepare.
 *
 *   photo  --centre square--> image (features are computed from it) --bilinear--> input_size --bilinear--> small
 *   labels --centre square--> truth_full --nearest, half-pixel centres--> input_size --nearest--> truth
 *
 * Nothing is made at the network's size: two tables of places are put one after the other.
 * Called through the public interface.
 */
#include <inttypes.h>
#include <string.h>

#include "core/memory.h"
#include "core/upsample.h"
#include "eval/resample.h"
#include "io/entry.h"
#include "io/image.h"
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

/* The taps of one axis of the network's input, and of the small photo in it; photos are squares, so both axes'. */
typedef struct shrinking {
    const diffcut_image *image;
    upsample_tap *input; /* (input_size) into the photo */
    upsample_tap *small; /* (size) into the input */
} shrinking;

/* A pixel of the network's input, between four of the photo's; 0 .. 1. */
static void input_pixel(const shrinking *s, upsample_tap y, upsample_tap x, float rgb[CHANNELS]) {
    const size_t row = (size_t)s->image->width * CHANNELS;
    const uint8_t *low = s->image->rgb + y.low * row, *high = s->image->rgb + y.high * row;
    const size_t left = (size_t)x.low * CHANNELS, right = (size_t)x.high * CHANNELS;
    for (size_t c = 0; c < CHANNELS; c++) {
        float above = (1.0F - x.fraction) * (float)low[left + c] + x.fraction * (float)low[right + c];
        float below = (1.0F - x.fraction) * (float)high[left + c] + x.fraction * (float)high[right + c];
        rgb[c] = ((1.0F - y.fraction) * above + y.fraction * below) / 255.0F;
    }
}

static void small_pixel(const shrinking *s, uint32_t y, uint32_t x, float rgb[CHANNELS]) {
    const upsample_tap down = s->small[y], across = s->small[x];
    float corner[4][CHANNELS];
    input_pixel(s, s->input[down.low], s->input[across.low], corner[0]);
    input_pixel(s, s->input[down.low], s->input[across.high], corner[1]);
    input_pixel(s, s->input[down.high], s->input[across.low], corner[2]);
    input_pixel(s, s->input[down.high], s->input[across.high], corner[3]);
    for (size_t c = 0; c < CHANNELS; c++) {
        float above = (1.0F - across.fraction) * corner[0][c] + across.fraction * corner[1][c];
        float below = (1.0F - across.fraction) * corner[2][c] + across.fraction * corner[3][c];
        rgb[c] = (1.0F - down.fraction) * above + down.fraction * below;
    }
}

static diffcut_status shrink_image(const diffcut_image *image, const diffcut_eval_settings *settings, float **out,
                                   diffcut_diagnostics *diag) {
    const uint32_t size = settings->size;
    shrinking s = {.image = image,
                   .input = mem_array(settings->input_size, sizeof *s.input),
                   .small = mem_array(size, sizeof *s.small)};
    float *small = mem_array(size, (size_t)size * CHANNELS * sizeof *small);
    diffcut_status status = DIFFCUT_OK;
    if (s.input == NULL || s.small == NULL || small == NULL) {
        mem_free(small);
        status = diag_no_memory(diag, (size_t)size * size * CHANNELS * sizeof *small, "resizing a photo");
    } else {
        upsample_half_pixel(image->width, settings->input_size, s.input);
        upsample_half_pixel(settings->input_size, size, s.small);
        for (uint32_t y = 0; y < size; y++) {
            for (uint32_t x = 0; x < size; x++) {
                small_pixel(&s, y, x, small + ((size_t)y * size + x) * CHANNELS);
            }
        }
        *out = small;
    }
    mem_free(s.small);
    mem_free(s.input);
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

/*
 * pamr.c - see pamr.h. Pixel-adaptive mask refinement (formula in pamr_ref.c) as it is run:
 *
 *   photo  --antialiased-->  working image (long side refine_size)
 *   labels --------------->  one mask a label at the working size
 *   masks  --iterations--->  refined masks (pamr_tiles.c), in batches where there are many
 *   refined masks --bilinear, largest one--> labels at the photo's size (pamr_vote.c) --median--> result
 *
 * Where a label map is smaller than the working image its masks are interpolated as in the published code: bilinear,
 * the corner pixels of both grids coinciding. A map of at least the working size is sampled at pixel centres
 * (half-pixel convention), which is what people's maps, drawn on the photo's own pixels, mean. Each axis decides for
 * itself.
 *
 * Masks do not see each other, so a batch of them can be refined alone. A value nearer to 0 or 1 than TOLERANCE over
 * the number of iterations becomes it: as every step is a weighted mean, what is lost adds up to at most TOLERANCE,
 * a fifth of what single precision itself costs in 30 iterations.
 */
#include "segment/pamr.h"

#include "core/memory.h"
#include "io/resize.h"
#include "segment/label_set.h"
#include "segment/labels.h"
#include "segment/median.h"
#include "segment/pamr_tiles.h"
#include "segment/pamr_vote.h"
#include "core/upsample.h"

#include <string.h>

#define TOLERANCE 2e-6F
#define MOST_ITERATIONS 1000
#define MOST_DILATION 1024

typedef struct refinement {
    const diffcut_image *image;
    const float *given; /* (image->height, image->width, 3) in place of the image's pixels, or NULL */
    const diffcut_labels *labels;
    const diffcut_settings *settings;
    uint32_t width, height; /* the working size */
    float *pixels;          /* (height, width, 3) */
    label_set set;
    uint32_t *indices;   /* the source's labels */
    upsample_tap *x, *y; /* the source's taps */
    pamr_source source;
    pamr_tiles tiles;
    pamr_vote vote;
    float *dumped; /* (set.count, height, width), only where a dump is wanted */
    uint32_t *out; /* (image->height, image->width) */
} refinement;

static diffcut_status check_input(const work *w, const diffcut_image *image, const float *given,
                                  const diffcut_labels *labels, const diffcut_settings *settings) {
    if (image->width == 0 || image->height == 0 || (image->rgb == NULL && given == NULL)) {
        return diag_fail(w->diag, DIFFCUT_ERROR_ARGUMENT, "refine: an image of %ux%u pixels", image->width,
                         image->height);
    }
    if (settings->iterations > MOST_ITERATIONS) {
        return diag_fail(w->diag, DIFFCUT_ERROR_ARGUMENT, "iterations is %u, not 0 .. %d", settings->iterations,
                         MOST_ITERATIONS);
    }
    if (settings->dilation_count < 1 || settings->dilation_count > DIFFCUT_MAX_DILATIONS) {
        return diag_fail(w->diag, DIFFCUT_ERROR_ARGUMENT, "dilation_count is %u, not 1 .. %d",
                         settings->dilation_count, DIFFCUT_MAX_DILATIONS);
    }
    for (uint32_t i = 0; i < settings->dilation_count; i++) {
        if (settings->dilations[i] < 1 || settings->dilations[i] > MOST_DILATION) {
            return diag_fail(w->diag, DIFFCUT_ERROR_ARGUMENT, "dilations[%u] is %u, not 1 .. %d", i,
                             settings->dilations[i], MOST_DILATION);
        }
    }
    return labels_check(labels, "refine", w->diag);
}

/* The shape is kept to the nearest pixel. */
void pamr_working_size(const diffcut_settings *settings, uint32_t width, uint32_t height, uint32_t *working_width,
                       uint32_t *working_height) {
    uint64_t longer = width > height ? width : height, size = settings->refine_size;
    *working_width = width;
    *working_height = height;
    if (size != 0 && size < longer && settings->iterations != 0) {
        uint64_t scaled_width = (width * size * 2 + longer) / (2 * longer);
        uint64_t scaled_height = (height * size * 2 + longer) / (2 * longer);
        *working_width = scaled_width > 0 ? (uint32_t)scaled_width : 1;
        *working_height = scaled_height > 0 ? (uint32_t)scaled_height : 1;
    }
}

/* Taps of one axis of the label map, already sampled down to at most `to`. */
static upsample_tap *source_taps(uint32_t from, uint32_t to) {
    upsample_tap *taps = mem_array(to, sizeof *taps);
    if (taps != NULL) {
        upsample_corners(from, to, taps);
    }
    return taps;
}

/* The label map as indices into the set of its labels, no larger than the working image in either direction. */
static diffcut_status prepare_source(work *w, refinement *r) {
    const diffcut_labels *labels = r->labels;
    uint32_t width = labels->width < r->width ? labels->width : r->width;
    uint32_t height = labels->height < r->height ? labels->height : r->height;
    r->indices = mem_array(height, (size_t)width * sizeof *r->indices);
    r->x = source_taps(width, r->width);
    r->y = source_taps(height, r->height);
    if (r->indices == NULL || r->x == NULL || r->y == NULL) {
        return diag_no_memory(w->diag, (size_t)width * height * sizeof *r->indices, "the labels to refine");
    }
    diffcut_status status =
        upsample_labels(labels->width, labels->height, labels->data, width, height, r->indices, w->diag);
    if (status == DIFFCUT_OK) {
        status = label_set_create(r->indices, (size_t)width * height, &r->set, w->diag);
    }
    if (status == DIFFCUT_OK) {
        label_set_indices(&r->set, (size_t)width * height, r->indices);
        r->source = (pamr_source){r->indices, width, height, r->x, r->y};
    }
    return status;
}

static diffcut_status prepare_image(work *w, refinement *r) {
    r->pixels = mem_array(r->height, (size_t)r->width * IMAGE_CHANNELS * sizeof *r->pixels);
    if (r->pixels == NULL) {
        return diag_no_memory(w->diag, (size_t)r->height * r->width * IMAGE_CHANNELS * sizeof *r->pixels,
                              "the image to refine on (a smaller refine_size needs less)");
    }
    if (r->given != NULL) {
        memcpy(r->pixels, r->given, (size_t)r->height * r->width * IMAGE_CHANNELS * sizeof *r->pixels);
        return DIFFCUT_OK;
    }
    return resize_image(w, r->image, r->width, r->height, DIFFCUT_RESAMPLE_ANTIALIAS, r->pixels);
}

/* What stands where no mask does: the label that was there. */
static diffcut_status prepare_result(work *w, refinement *r) {
    uint32_t width = r->image->width, height = r->image->height;
    r->out = mem_array(height, (size_t)width * sizeof *r->out);
    if (r->out == NULL) {
        return diag_no_memory(w->diag, (size_t)height * width * sizeof *r->out, "a label map");
    }
    return upsample_labels(r->labels->width, r->labels->height, r->labels->data, width, height, r->out, w->diag);
}

/* Refines the masks of labels first .. first + count - 1 and lets them vote. */
static diffcut_status refine_batch(work *w, refinement *r, size_t first, size_t count) {
    uint32_t iterations = r->settings->iterations;
    size_t pixels = (size_t)r->width * r->height;
    pamr_tiles_set(&r->tiles, w->threads, &r->source, first, count);
    for (uint32_t i = 0; i < iterations; i++) {
        double done = (double)first + (double)count * i / iterations;
        diffcut_status status = work_progress(w, done / (double)r->set.count);
        if (status != DIFFCUT_OK) {
            return status;
        }
        pamr_tiles_step(&r->tiles, w->threads);
    }
    for (size_t m = 0; r->dumped != NULL && m < count; m++) {
        pamr_tiles_read(&r->tiles, m, 0, 0, r->height, r->width, r->dumped + (first + m) * pixels, r->width);
    }
    pamr_vote_count(&r->vote, &r->tiles, w->threads, r->set.labels + first);
    return DIFFCUT_OK;
}

static diffcut_status refine_masks(work *w, refinement *r) {
    const diffcut_settings *settings = r->settings;
    float threshold = TOLERANCE / (float)(settings->iterations > 0 ? settings->iterations : 1);
    diffcut_status status = pamr_tiles_create(w, r->pixels, r->width, r->height, settings->dilations,
                                              settings->dilation_count, r->set.count, threshold, &r->tiles);
    if (status != DIFFCUT_OK) {
        return status;
    }
    size_t batches = (r->set.count + r->tiles.batch - 1) / r->tiles.batch;
    status = pamr_vote_create(w, &r->tiles, r->image->width, r->image->height, batches, r->out, &r->vote);
    if (status == DIFFCUT_OK && work_dumps(w)) {
        size_t mask = (size_t)r->width * r->height * sizeof *r->dumped;
        r->dumped = mem_array(r->set.count, mask);
        status = r->dumped != NULL ? DIFFCUT_OK : diag_no_memory(w->diag, r->set.count * mask, "dumping the masks");
    }
    for (size_t first = 0; status == DIFFCUT_OK && first < r->set.count; first += r->tiles.batch) {
        size_t left = r->set.count - first;
        status = refine_batch(w, r, first, left < r->tiles.batch ? left : r->tiles.batch);
    }
    if (status == DIFFCUT_OK && r->dumped != NULL) {
        work_dump(w, "refined_masks", r->dumped, (const size_t[]){r->set.count, r->height, r->width}, 3);
    }
    return status;
}

static void refinement_free(refinement *r) {
    mem_free(r->pixels);
    label_set_free(&r->set);
    mem_free(r->indices);
    mem_free(r->x);
    mem_free(r->y);
    pamr_vote_free(&r->vote);
    pamr_tiles_free(&r->tiles);
    mem_free(r->dumped);
}

/* With given pixels the working size is theirs. */
static diffcut_status refine(work *w, const diffcut_image *image, const float *given, const diffcut_labels *labels,
                             const diffcut_settings *settings, diffcut_labels *out) {
    refinement r = {.image = image, .given = given, .labels = labels, .settings = settings};
    r.width = image->width;
    r.height = image->height;
    diffcut_status status = check_input(w, image, given, labels, settings);
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (given == NULL) {
        pamr_working_size(settings, image->width, image->height, &r.width, &r.height);
    }
    status = prepare_source(w, &r);
    if (status == DIFFCUT_OK) {
        status = prepare_result(w, &r);
    }
    if (status == DIFFCUT_OK) {
        status = prepare_image(w, &r);
    }
    if (status == DIFFCUT_OK) {
        status = refine_masks(w, &r);
    }
    refinement_free(&r);
    if (status == DIFFCUT_OK) {
        status = median_filter(w, image->width, image->height, settings->median, r.out);
    }
    if (status == DIFFCUT_OK) {
        status = work_progress(w, 1.0);
    }
    if (status != DIFFCUT_OK) {
        mem_free(r.out);
        return status;
    }
    *out = (diffcut_labels){image->width, image->height, labels->count, r.out};
    return DIFFCUT_OK;
}

diffcut_status pamr_refine(work *w, const diffcut_image *image, const diffcut_labels *labels,
                           const diffcut_settings *settings, diffcut_labels *out) {
    return refine(w, image, NULL, labels, settings, out);
}

diffcut_status pamr_refine_pixels(work *w, const float *pixels, uint32_t width, uint32_t height,
                                  const diffcut_labels *labels, const diffcut_settings *settings,
                                  diffcut_labels *out) {
    const diffcut_image size_only = {.width = width, .height = height};
    return refine(w, &size_only, pixels, labels, settings, out);
}

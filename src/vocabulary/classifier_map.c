/*
 * classifier_map.c - a class for every pixel from a map of embeddings, as MaskCLIP does it (Zhou et al., "Extract
 * Free Dense Labels from CLIP", ECCV 2022): diffcut_classifier_map.
 *
 * Cosines at the map's positions first, then their bilinear interpolation pixel by pixel: no map of all classes at
 * full size is ever in memory.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "core/parallel.h"
#include "core/upsample.h"
#include "io/entry.h"
#include "segment/features.h"
#include "vocabulary/classifier.h"

typedef struct map_job {
    const diffcut_classifier *classifier;
    const diffcut_features *embeddings;
    float *units;   /* (positions, width) */
    float *cosines; /* (positions, classes) */
    const upsample_tap *columns, *rows;
    diffcut_labels *labels;
} map_job;

static void score_position(void *context, size_t p) {
    const map_job *job = context;
    const diffcut_classifier *c = job->classifier;
    float *unit = job->units + p * c->width;
    memcpy(unit, job->embeddings->data + p * c->width, c->width * sizeof *unit);
    (void)classifier_normalise(unit, c->width);
    classifier_score(c, unit, job->cosines + p * c->classes, NULL);
}

/* One row of pixels: the four positions around each, class by class. */
static void label_row(void *context, size_t y) {
    const map_job *job = context;
    const diffcut_classifier *c = job->classifier;
    const size_t stride = c->classes;
    const upsample_tap row = job->rows[y];
    const float *top = job->cosines + (size_t)row.low * job->embeddings->width * stride;
    const float *bottom = job->cosines + (size_t)row.high * job->embeddings->width * stride;
    uint32_t *out = job->labels->data + y * job->labels->width;
    for (uint32_t x = 0; x < job->labels->width; x++) {
        const upsample_tap column = job->columns[x];
        const size_t left = column.low * stride;
        const size_t right = column.high * stride;
        float best = -INFINITY;
        uint32_t label = 0;
        for (uint32_t class = 0; class < c->classes; class ++) {
            const float above = top[left + class] + (top[right + class] - top[left + class]) * column.fraction;
            const float below =
                bottom[left + class] + (bottom[right + class] - bottom[left + class]) * column.fraction;
            const float cosine = above + (below - above) * row.fraction;
            if (cosine > best && (int64_t) class != c->unnamed) {
                best = cosine;
                label = class;
            }
        }
        out[x] = label;
    }
}

static diffcut_status check(const diffcut_classifier *classifier, const diffcut_features *embeddings, uint32_t width,
                            uint32_t height, const diffcut_labels *out, diffcut_diagnostics *diag) {
    if (classifier == NULL || embeddings == NULL || out == NULL || width == 0 || height == 0) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_classifier_map: an argument is NULL or a side 0");
    }
    if (embeddings->channels != classifier->width) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "embeddings of %" PRIu32 " channels; the classifier's have %" PRIu32, embeddings->channels,
                         classifier->width);
    }
    return DIFFCUT_OK;
}

diffcut_status diffcut_classifier_map(const diffcut_classifier *classifier, const diffcut_features *embeddings,
                                      uint32_t width, uint32_t height, uint32_t threads, diffcut_labels *out,
                                      diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    diffcut_status status = check(classifier, embeddings, width, height, out, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    const size_t positions = (size_t)embeddings->height * embeddings->width;
    upsample_tap *taps = mem_array((size_t)width + height, sizeof *taps);
    float *units = mem_array(positions, classifier->width * sizeof *units);
    float *cosines = mem_array(positions, classifier->classes * sizeof *cosines);
    diffcut_labels labels = {0};
    if (taps == NULL || units == NULL || cosines == NULL) {
        status = diag_no_memory(diag, positions * (classifier->width + classifier->classes) * sizeof *units,
                                "a map of classes");
        goto cleanup;
    }
    status = diffcut_labels_create(width, height, NULL, &labels, diag);
    if (status != DIFFCUT_OK) {
        goto cleanup;
    }
    upsample_half_pixel(embeddings->width, width, taps);
    upsample_half_pixel(embeddings->height, height, taps + width);
    map_job job = {classifier, embeddings, units, cosines, taps, taps + width, &labels};
    threads = threads > 0 ? threads : parallel_default_threads();
    parallel_for(threads, positions, score_position, &job);
    parallel_for(threads, height, label_row, &job);
    labels.count = classifier->classes;
    *out = labels;
cleanup:
    mem_free(taps);
    mem_free(units);
    mem_free(cosines);
    return status;
}

/*
 * classifier_map.c - a class for every pixel from a map of embeddings, as MaskCLIP does it (Zhou et al., "Extract Free
 * Dense Labels from CLIP", ECCV 2022): diffcut_classifier_map.
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
    float *units;  /* (positions, width) */
    float *cosines; /* (positions, classes) */
    const upsample_tap *columns, *rows;
    diffcut_labels *labels;
} map_job;

static void score_positions(void *context, size_t begin, size_t end) {
    const map_job *job = context;
    const diffcut_classifier *c = job->classifier;
    for (size_t p = begin; p < end; p++) {
        float *unit = job->units + p * c->width;
        float *scores = job->cosines + p * c->classes;
        memcpy(unit, job->embeddings->data + p * c->width, c->width * sizeof *unit);
        (void)classifier_normalise(unit, c->width);
        for (size_t n = 0; n < c->names; n++) {
            const uint32_t class = c->class_of[n];
            const float cosine = classifier_dot(c->embeddings + n * c->width, unit, c->width);
            if (n == 0 || class != c->class_of[n - 1] || cosine > scores[class]) {
                scores[class] = cosine;
            }
        }
    }
}


/*
 * overlap.h - how many pixels each segment shares with each class: all that matching and counting need of two maps.
 * Called by measure.c and matching.c.
 */
#ifndef DIFFCUT_EVAL_OVERLAP_H
#define DIFFCUT_EVAL_OVERLAP_H

#include "core/status.h"

#define OVERLAP_MAX_LABELS ((size_t)1 << 24) /* a table by label is made; beyond it labels are to be compacted */
#define OVERLAP_MAX_CELLS ((size_t)1 << 24)  /* classes * segments: 128 MB */

/* Segments are numbered by their first pixel, row by row, so that what is done with them does not depend on how the
 * labels are numbered. */
typedef struct overlap {
    size_t classes, segments, labels;
    uint32_t *label_of;      /* (segments) */
    int32_t *segment_of;     /* (labels), -1: does not occur */
    int64_t *counts;         /* (classes, segments) pixels, without those that are left out */
    int64_t *class_pixels;   /* (classes) */
    int64_t *segment_pixels; /* (segments) */
    int64_t pixels;          /* all of them */
    uint32_t largest;        /* label that occurs */
} overlap;

/* prediction and truth have the same size; truth's count is classes + 1, whose last value is left out. */
diffcut_status overlap_create(const diffcut_labels *prediction, const diffcut_labels *truth, overlap *out,
                              diffcut_diagnostics *diag);
void overlap_free(overlap *o);

/* The same after the segments that are not kept have become one, which takes the place of its first and the label
 * largest + 1. keep: (segments). merged_into: (segments) index in *out of each old segment. */
diffcut_status overlap_merge(const overlap *o, const bool *keep, overlap *out, int32_t *merged_into,
                             diffcut_diagnostics *diag);

/* Adjusted Rand index (Hubert and Arabie, 1985) of the segments and the classes: 1 where both agree up to names. NaN
 * without pixels. */
double overlap_rand_index(const overlap *o);

#endif

/*
 * resample.h - label maps at another size by nearest. Called by the measuring and the preparation.
 */
#ifndef DIFFCUT_EVAL_RESAMPLE_H
#define DIFFCUT_EVAL_RESAMPLE_H

#include "core/status.h"

/* index[i], 0 .. from-1, for i in 0 .. to-1, in single precision as torch computes it: "nearest" (floor(i * scale)),
 * or with centres "nearest-exact" (floor((i + 0.5) * scale)). */
void resample_index(uint32_t from, uint32_t to, bool centres, uint32_t *index);

/* The map read at columns x (width) and rows y (height). */
diffcut_status resample_labels(const diffcut_labels *labels, const uint32_t *x, uint32_t width, const uint32_t *y,
                               uint32_t height, diffcut_labels *out, diffcut_diagnostics *diag);

#endif

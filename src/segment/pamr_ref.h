/*
 * pamr_ref.h - the refinement as its formula reads: the truth that the fast one is compared with.
 * Called by tests and benchmarks only.
 */
#ifndef DIFFCUT_SEGMENT_PAMR_REF_H
#define DIFFCUT_SEGMENT_PAMR_REF_H

#include "core/work.h"

/* image (height, width, 3) in 0 .. 1; masks (count, height, width), refined in place. */
diffcut_status pamr_reference(uint32_t width, uint32_t height, const float *image, const uint32_t *dilations,
                              uint32_t dilation_count, uint32_t iterations, size_t count, float *masks,
                              diffcut_diagnostics *diag);

#endif

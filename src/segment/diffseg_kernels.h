/* diffseg_kernels.h - DiffSeg's divergence in half precision, one table an instruction set. Called by diffseg.c. */
#ifndef DIFFCUT_SEGMENT_DIFFSEG_KERNELS_H
#define DIFFCUT_SEGMENT_DIFFSEG_KERNELS_H

#include "core/cpu.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct diffseg_kernels {
    /* A row and its logarithms as half precision holds them; false when an entry is 0 in it. */
    bool (*halve)(size_t count, const float *row, float *value, float *logarithm);
    /* (sum of x (lx - ly) - sum of y (lx - ly)) / 2, each difference and product rounded to half precision, the sums
     * in float and rounded once: in which order the published code's library sums is its own affair. */
    float (*half_divergence)(size_t count, const float *x, const float *lx, const float *y, const float *ly);
} diffseg_kernels;

SIMD_DECLARE(diffseg_kernels, diffseg_kernels);

#endif

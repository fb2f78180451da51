/* affinity_kernels.h - the element-wise loops of the affinity, one table an instruction set. Called by affinity.c. */
#ifndef DIFFCUT_SEGMENT_AFFINITY_KERNELS_H
#define DIFFCUT_SEGMENT_AFFINITY_KERNELS_H

#include "core/cpu.h"

#include <stddef.h>

typedef struct affinity_kernels {
    /* Widens *low and *high to hold every value. */
    void (*range)(const float *values, size_t count, float *low, float *high);
    /* value = ((value - low) / width) ^ exponent, by repeated squaring in double. exponent at least 1. */
    void (*whole_power)(float *values, size_t count, float low, float width, unsigned exponent);
    /* The same for any exponent. */
    void (*real_power)(float *values, size_t count, float low, float width, float exponent);
} affinity_kernels;

SIMD_DECLARE(affinity_kernels, affinity_kernels);

#endif

/*
 * depthwise_kernels.h - the innermost loop of the depthwise convolution, one table for each instruction set.
 *
 * Channels are innermost, so a vector holds neighbouring channels and a tap is one multiply-add of it. A run of
 * neighbouring outputs shares its weights' loads. Called by depthwise.c.
 */
#ifndef DIFFCUT_BACKEND_CPU_DEPTHWISE_KERNELS_H
#define DIFFCUT_BACKEND_CPU_DEPTHWISE_KERNELS_H

#include "core/cpu.h"

#include <stddef.h>

/* Taps of a kernel that lie inside of the image for every output of a run. */
typedef struct depthwise_taps {
    size_t rows, columns;
    const float *x; /* the first output's first tap, channel 0 */
    size_t x_row;   /* from one row of x to the next */
    size_t x_step;  /* from one position to the next */
    const float *weights;
    size_t weight_row; /* from one row of taps to the next; taps are `channels` apart */
} depthwise_taps;

typedef struct depthwise_kernels {
    /* `outputs` neighbouring outputs, y_step apart, all their channels; bias may be NULL. */
    void (*run)(const depthwise_taps *taps, size_t channels, const float *bias, size_t outputs, float *y,
                size_t y_step);
} depthwise_kernels;

SIMD_DECLARE(depthwise_kernels, depthwise_kernels_table);

#endif

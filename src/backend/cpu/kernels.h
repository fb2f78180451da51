/*
 * kernels.h - the vectorised loops of the cpu backend over one row or a few, one table for each instruction set.
 * Sums and activations of rows that a tile has just computed, while they are in cache.
 * Called by the files of backend/cpu.
 */
#ifndef DIFFCUT_BACKEND_CPU_KERNELS_H
#define DIFFCUT_BACKEND_CPU_KERNELS_H

#include "backend/backend.h"
#include "core/cpu.h"

typedef struct cpu_kernels {
    /* y = act(x + a + b) + residual over `count` elements; a, b and residual may be NULL, y may be any of them. */
    void (*finish)(size_t count, const float *x, const float *a, const float *b, activation act,
                   const float *residual, float *y);
    /* y = value * gelu(gate) + residual, or silu for ACTIVATION_SWIGLU; residual may be NULL. */
    void (*gate)(size_t count, const float *value, const float *gate, activation act, const float *residual,
                 float *y);
    /* y = factor * x. */
    void (*scale)(size_t count, const float *x, float factor, float *y);
    /* y = act((x - mean) * factor + shift), all of `count` channels. */
    void (*normalize)(size_t count, const float *x, const float *mean, const float *factor, const float *shift,
                      activation act, float *y);
    /* Channel by channel over `positions` rows: sum[c] = sum of (x - origin[c]), square[c] = sum of its square. An
     * origin near the values keeps the variance free of cancellation. */
    void (*channel_sums)(size_t positions, size_t channels, const float *x, size_t stride, const float *origin,
                         double *sum, double *square);
    /* One position's layer norm. */
    void (*layer_norm)(size_t count, const float *x, const float *gamma, const float *beta, float eps, float *y);
    /* One query's step of the online softmax over a block of keys: scores become exp(score - top), 0 from `visible`
     * on; top (the greatest score yet) and sum are brought up to date. Returns what the results so far are to be
     * multiplied by. Starts from top = -INFINITY, sum = 0. */
    float (*softmax_step)(size_t keys, size_t visible, float *scores, float *top, float *sum);
} cpu_kernels;

SIMD_DECLARE(cpu_kernels, cpu_kernels_table);

#endif

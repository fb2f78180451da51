/*
 * eigen_kernels.h - the hot loops of the cut, one table an instruction set (core/cpu.h).
 *
 * Vectors come in blocks of EIGEN_BLOCK side by side, x[i * EIGEN_BLOCK + lane], in double; the affinity is float.
 * One pass over the affinity so serves eight vectors, and eight doubles are a cache line and an AVX-512 register.
 * Sums run in a fixed order that depends on the size only. Called by eigen_block, eigen and ncut.
 */
#ifndef DIFFCUT_SEGMENT_EIGEN_KERNELS_H
#define DIFFCUT_SEGMENT_EIGEN_KERNELS_H

#include "core/cpu.h"

#include <stddef.h>
#include <stdint.h>

#define EIGEN_BLOCK 8 /* vectors in a block */

/* The affinity between the tokens of a node. Columns stand in the node's token order, rows where the token's number
 * puts them: entry (i, j) is matrix[token[i] * stride + first + j]. */
typedef struct eigen_graph {
    size_t n;
    const float *matrix;
    size_t stride;
    const uint32_t *token; /* (n) */
    size_t first;
} eigen_graph;

static inline const float *eigen_row(const eigen_graph *graph, size_t i) {
    return graph->matrix + (size_t)graph->token[i] * graph->stride + graph->first;
}

typedef struct eigen_kernels {
    /* y[i] = scale[i] * sum_j w(i, j) x[j], rows begin .. end-1; x and y: (n, EIGEN_BLOCK). */
    void (*multiply)(const eigen_graph *graph, size_t begin, size_t end, const double *scale, const double *x,
                     double *y);
    /* out[p][q] = sum_i a[i][p] b[i][q]; a and b: (n, EIGEN_BLOCK), out: (EIGEN_BLOCK, EIGEN_BLOCK). */
    void (*gram)(size_t n, const double *a, const double *b, double *out);
    /* y[i] += a[i] * c; c: (EIGEN_BLOCK, EIGEN_BLOCK). */
    void (*combine)(size_t n, const double *a, const double *c, double *y);
    /* sum[i] = sum_j w(i, j), rows begin .. end-1. */
    void (*row_sums)(const eigen_graph *graph, size_t begin, size_t end, double *sum);
    /* below[i] and above[i]: the sums of w(i, j) over the j whose bin is lower or higher than that of i. */
    void (*side_sums)(const eigen_graph *graph, size_t begin, size_t end, const int32_t *bin, double *below,
                      double *above);
} eigen_kernels;

SIMD_DECLARE(eigen_kernels, eigen_kernels);

/* The table of this processor. */
static inline const eigen_kernels *eigen_kernels_best(void) {
    return SIMD_PICK(eigen_kernels, cpu_best_level());
}

#endif

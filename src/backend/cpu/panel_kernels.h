/*
 * panel_kernels.h - the innermost loops of the cpu backend's own matrix product, one table for each instruction set.
 *
 * C (rows, cols) = A (rows, inner) * B (inner, cols), after Goto and van de Geijn, "Anatomy of High-Performance
 * Matrix Multiplication" (2008). Both operands are made of 32-bit words: one float, or in bf16 two neighbouring inner
 * elements, the even one in the low half, as AVX512-BF16 multiplies them. B lies in panels of `cols` columns, packed
 * once: (words, cols). A is packed a piece at a time: rows of PANEL_WORDS words, PANEL_ROW words apart. Sums are
 * float32 always. An odd last inner element is paired with 0.
 *
 * A bf16 product rounds its operands to the nearest bf16, ties to even, and is exact but for the order of summation
 * and, on AVX512-BF16, for denormals, which count as 0. Called by panel.c and attention.c.
 */
#ifndef DIFFCUT_BACKEND_CPU_PANEL_KERNELS_H
#define DIFFCUT_BACKEND_CPU_PANEL_KERNELS_H

#include "core/cpu.h"
#include "core/dtype.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Inner words of one step: a panel's piece and a strip of A then fit a first-level cache together. */
#define PANEL_WORDS 192
/* From one row of packed A to the next: not a power of two, so that rows share no cache sets. */
#define PANEL_ROW (PANEL_WORDS + 16)

typedef struct panel_product {
    size_t inner_per_word; /* 1 for float32, 2 for bf16 */
    /* rows of `inner` floats, `stride` apart, to packed A. inner <= PANEL_WORDS * inner_per_word. */
    void (*pack_rows)(size_t rows, size_t inner, const float *x, size_t stride, uint32_t *a);
    /* `count` <= cols columns of B, each of `inner` floats, `stride` apart, to a panel; the others are 0. */
    void (*pack_columns)(size_t count, size_t inner, const float *columns, size_t stride, uint32_t *panel);
    /* The same for B as it is written: `inner` rows of `count` floats. */
    void (*pack_matrix)(size_t count, size_t inner, const float *matrix, size_t stride, uint32_t *panel);
    /* c (rows, cols) = a * panel, added to c if `add`. words <= PANEL_WORDS. */
    void (*multiply)(size_t rows, size_t words, const uint32_t *a, const uint32_t *panel, bool add, float *c,
                     size_t ldc);
} panel_product;

typedef struct panel_kernels {
    size_t cols; /* of a panel */
    size_t rows; /* whose sums are held in registers: the height of tiles is best a multiple of it */
    void (*widen)(dtype type, const void *source, size_t count, float *out); /* dtype_to_float, faster */
    panel_product f32, bf16;
} panel_kernels;

SIMD_DECLARE_BF16(panel_kernels, panel_kernels_table);

#endif

/*
 * winograd_kernels.h - the vectorised loops of Winograd's convolution, one table for each instruction set: the
 * transforms of weights, of an input tile and of an output tile, and the product between them.
 *
 * Layouts, in floats; L = lanes, R = rows, C = cols of the table, n = the form's patch, "point" = one of n * n:
 *   v  (point, row group, channels / L, R, L)   transformed inputs of R tiles at a time
 *   u  (panel, point, channels, C)              transformed weights of C outputs at a time
 *   m  (panel, point, row group, R, C)          their products, summed over the channels
 * Channels are padded with zeros to a multiple of L, outputs to a multiple of C. Called by backend/cpu/winograd.c.
 */
#ifndef DIFFCUT_BACKEND_CPU_WINOGRAD_KERNELS_H
#define DIFFCUT_BACKEND_CPU_WINOGRAD_KERNELS_H

#include "backend/backend.h"
#include "core/cpu.h"

#define WINOGRAD_PATCH_MOST 8 /* the largest patch's side */
#define WINOGRAD_COLS_MOST 32 /* the widest panel */

/* F(m x m, 3 x 3): a tile of m x m outputs from a patch of (m + 2) x (m + 2) inputs. */
typedef enum winograd_form { WINOGRAD_NONE, WINOGRAD_F4, WINOGRAD_F6, WINOGRAD_FORMS } winograd_form;

/* Where one tile's outputs go, and what is added to them. Pointers are to the tile's first position and the panel's
 * first output; unused ones are NULL. */
typedef struct winograd_target {
    float *y;
    const float *residual;
    const float *bias, *image; /* one value an output */
    activation act;
    size_t rows, cols;                               /* of the tile that lie inside y */
    size_t outputs;                                  /* of the panel that exist */
    size_t y_row, y_col, residual_row, residual_col; /* distances in floats */
} winograd_target;

typedef struct winograd_kernels {
    size_t lanes, rows, cols;
    size_t block_tiles;  /* of a block, at most: a multiple of rows */
    size_t block_floats; /* of v in a block, about: large enough to read u seldom, small enough for the cache */
    /* One panel's weights, `outputs` rows of (channels, 3, 3), to u; point_stride is padded channels * cols. */
    void (*weights[WINOGRAD_FORMS])(size_t channels, size_t outputs, const float *rows, float *u,
                                    size_t point_stride);
    /* One tile's patch: at[i] points to position i's first channel, or to as many zeros. v is the tile's own first
     * vector. */
    void (*input[WINOGRAD_FORMS])(size_t channels, const float *const *at, float *v, size_t point_stride);
    /* One point: m (panels, groups, R, C) = v (groups, depth / L, R, L) * u (panels, depth, C). */
    void (*multiply)(size_t depth, size_t groups, size_t panels, const float *v, const float *u, size_t u_panel,
                     float *m, size_t m_panel);
    /* One tile of one panel: m is its first product. */
    void (*output[WINOGRAD_FORMS])(const float *m, size_t point_stride, const winograd_target *target);
} winograd_kernels;

SIMD_DECLARE(winograd_kernels, winograd_kernels_table);

#endif

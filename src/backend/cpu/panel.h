/*
 * panel.h - a weight matrix packed for the cpu backend's own matrix product, and one tile of such a product.
 *
 * Packed once, read by all streams: the layout that panel_kernels.h describes, in float32 or bf16. For a product in
 * float32, elements of two bytes keep their type in memory, half of what float32 would take, and are widened,
 * exactly, a piece at a time that stays in the first-level cache. A matrix that is used once is packed in the same
 * way: the sums are the same. Called by weight.c and product.c.
 */
#ifndef DIFFCUT_BACKEND_CPU_PANEL_H
#define DIFFCUT_BACKEND_CPU_PANEL_H

#include "backend/cpu/panel_kernels.h"
#include "core/dtype.h"
#include "core/status.h"

typedef struct panel_matrix {
    const panel_product *product;
    size_t cols;        /* of one panel */
    size_t inner;       /* elements: taps * what the data have of each */
    size_t panel_words; /* from one panel to the next */
    size_t panels;
    uint32_t *words;  /* (panels, words of inner, cols), or NULL */
    uint16_t *halves; /* (panels, inner, cols) of `type`, or NULL; neither: packed a piece at a time from `data` */
    const panel_kernels *kernels;
    size_t outer;
    dtype type;
    const char *data; /* (outer, inner), the caller's */
} panel_matrix;

/* Packs B^T: `outer` rows of `in` * `taps` elements, (outer, in, taps), so that its inner index runs over (taps, in)
 * as gathered patches do. type is that of the elements, precision DTYPE_F32 or DTYPE_BF16, the latter with an even
 * `in` or one tap. */
diffcut_status panel_matrix_create(const panel_kernels *kernels, size_t outer, size_t in, size_t taps, dtype type,
                                   const void *data, dtype precision, panel_matrix *out, diffcut_diagnostics *diag);
/* The same of one tap without packing: data is read at each product, and belongs to the caller. */
diffcut_status panel_matrix_lend(const panel_kernels *kernels, size_t outer, size_t inner, dtype type,
                                 const void *data, dtype precision, panel_matrix *out, diffcut_diagnostics *diag);
void panel_matrix_free(panel_matrix *matrix);
size_t panel_matrix_bytes(const panel_matrix *matrix);

/* False for the empty matrix. */
static inline bool panel_matrix_is_there(const panel_matrix *matrix) {
    return matrix->product != NULL;
}

/* How many columns panel_multiply writes for `cols` of them: its product needs rows this long, and panel_lead of the
 * first is where the first of them lies. */
size_t panel_width(const panel_matrix *matrix, size_t cols);
size_t panel_lead(const panel_matrix *matrix, size_t column);
/* Words of scratch for `rows` rows. */
size_t panel_scratch(const panel_matrix *matrix, size_t rows);

/* c = x (rows, count; row stride) * the rows first .. first + count of B, added to c where first is not 0. `first` is
 * even. The columns are those of whole panels from that of `column` on.
 * a: scratch of panel_scratch(matrix, rows) words. */
void panel_multiply(const panel_matrix *matrix, size_t first, size_t count, size_t rows, const float *x,
                    size_t stride, size_t column, size_t cols, uint32_t *a, float *c, size_t ldc);

#endif

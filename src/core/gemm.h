/*
 * gemm.h - single-precision matrix product, the only door to the GEMM library (oneDNN's dnnl_sgemm, present in its
 * 2.x and 3.x releases; plain C where oneDNN is not built in).
 *
 * The product is cut into fixed tiles of rows, each computed by one thread, so results do not depend on the thread
 * count. Called by backend/cpu and segment/affinity.
 */
#ifndef DIFFCUT_CORE_GEMM_H
#define DIFFCUT_CORE_GEMM_H

#include "core/status.h"

/* C (rows x cols, row stride ldc) = A (rows x inner, lda) * B^T (B: cols x inner, ldb) + beta * C. All row-major.
 * threads 1 computes on the calling thread only; safe inside parallel_for. */
diffcut_status gemm_nt(uint32_t threads, size_t rows, size_t cols, size_t inner, const float *a, size_t lda,
                       const float *b, size_t ldb, float beta, float *c, size_t ldc, diffcut_diagnostics *diag);

/* C = A (rows x inner) * B (inner x cols) + beta * C. */
diffcut_status gemm_nn(uint32_t threads, size_t rows, size_t cols, size_t inner, const float *a, size_t lda,
                       const float *b, size_t ldb, float beta, float *c, size_t ldc, diffcut_diagnostics *diag);

/* Name and version of the library behind it. */
const char *gemm_library(void);

#endif

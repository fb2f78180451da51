/*
 * eigen_small.h - all eigenpairs of a small symmetric matrix (Golub & Van Loan, "Matrix Computations", 8.3:
 * Householder tridiagonalisation, then implicit symmetric QR steps with Wilkinson's shift).
 *
 * Ours and not LAPACK's, because it runs at every step of the block iteration: no threads of its own, no call
 * overhead, and the same bits whatever the BLAS. Called by eigen_block (projected problem) and eigen (small nodes).
 */
#ifndef DIFFCUT_SEGMENT_EIGEN_SMALL_H
#define DIFFCUT_SEGMENT_EIGEN_SMALL_H

#include "core/cpu.h"

#include <stdbool.h>
#include <stddef.h>

#define EIGEN_SMALL_MAX 64 /* largest matrix */

typedef struct eigen_small_kernels {
    /* a (n, n), n at most EIGEN_SMALL_MAX, is overwritten. values (n) come in descending order, vectors (n, n) as
     * rows. False when the steps did not converge (values that are no numbers). */
    bool (*solve)(size_t n, double *a, double *values, double *vectors);
} eigen_small_kernels;

SIMD_DECLARE(eigen_small_kernels, eigen_small_kernels);

static inline bool eigen_small(size_t n, double *a, double *values, double *vectors) {
    return SIMD_PICK(eigen_small_kernels, cpu_best_level())->solve(n, a, values, vectors);
}

#endif

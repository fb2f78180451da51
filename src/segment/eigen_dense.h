/*
 * eigen_dense.h - the same eigenpair by LAPACK's dense solver, the slow truth (settings' eigen_solver) and what takes
 * over where the iteration does not converge; and LAPACK's other decompositions, for spectral clustering. Called by
 * eigen, autosc and cluster_qr.
 */
#ifndef DIFFCUT_SEGMENT_EIGEN_DENSE_H
#define DIFFCUT_SEGMENT_EIGEN_DENSE_H

#include "segment/eigen.h"

/* Largest eigenpair of M - 2 q q^T (q trivial, moved from 1 to -1): theta and the unit vector u (n). The result is
 * verified; DIFFCUT_ERROR_NUMERIC when its residual is too large. Takes 8 n^2 bytes. */
diffcut_status eigen_dense(const eigen_graph *graph, const double *scale, const double *trivial, double *theta,
                           double *u, diffcut_diagnostics *diag);

/* The upper or whole matrix M - 2 q q^T, (n, n). Also for eigen_small. */
void eigen_deflated_matrix(const eigen_graph *graph, const double *scale, const double *trivial, double *out);

/* All eigenvalues of a symmetric matrix (n, n), which is overwritten, ascending. Verified by their sum and the sum of
 * their squares. */
diffcut_status eigen_dense_values(size_t n, double *matrix, double *values, diffcut_diagnostics *diag);

/* The eigenvectors of its `count` largest eigenvalues, the largest first: vectors[k * n + i]. matrix is
 * overwritten. */
diffcut_status eigen_dense_largest(size_t n, size_t count, double *matrix, double *vectors,
                                   diffcut_diagnostics *diag);

/* The orthogonal matrix nearest to a matrix (n, n): U V^T of its singular value decomposition, in its place. */
diffcut_status eigen_dense_polar(size_t n, double *matrix, diffcut_diagnostics *diag);

#endif

/* eigen_dense.c - see eigen_dense.h. The only file that knows LAPACK. */
#include "segment/eigen_dense.h"

#include "core/memory.h"

#include <lapacke.h>
#include <math.h>

/* A backward-stable solver stays within a modest multiple of n * 2.2e-16; some BLAS builds are wrong on some
 * processors, which shows as a residual of the order of 1. */
#define RESIDUAL_LIMIT 1e-9

void eigen_deflated_matrix(const eigen_graph *graph, const double *scale, const double *trivial, double *out) {
    size_t n = graph->n;
    for (size_t i = 0; i < n; i++) {
        const float *row = eigen_row(graph, i);
        for (size_t j = 0; j < n; j++) {
            out[i * n + j] = scale[i] * scale[j] * (double)row[j] - 2.0 * trivial[i] * trivial[j];
        }
    }
}

/* |M u - theta u| with M u from the affinity itself: the solver overwrote its copy. u is orthogonal to q. */
static double residual(const eigen_graph *graph, const double *scale, double theta, const double *u) {
    double sum = 0.0;
    for (size_t i = 0; i < graph->n; i++) {
        const float *row = eigen_row(graph, i);
        double product = 0.0;
        for (size_t j = 0; j < graph->n; j++) {
            product += (double)row[j] * scale[j] * u[j];
        }
        double error = scale[i] * product - theta * u[i];
        sum += error * error;
    }
    return sqrt(sum);
}

static double length(const double *u, size_t n) {
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += u[i] * u[i];
    }
    return sqrt(sum);
}

diffcut_status eigen_dense(const eigen_graph *graph, const double *scale, const double *trivial, double *theta,
                           double *u, diffcut_diagnostics *diag) {
    size_t n = graph->n, entries;
    if (!mem_mul(n, n, &entries)) {
        return diag_no_memory(diag, SIZE_MAX, "the dense eigen-solver");
    }
    diffcut_status status = DIFFCUT_OK;
    double *matrix = mem_array(entries, sizeof *matrix);
    double *values = mem_array(n, sizeof *values);
    if (matrix == NULL || values == NULL) {
        status = diag_no_memory(diag, entries * sizeof *matrix, "the dense eigen-solver");
        goto cleanup;
    }
    eigen_deflated_matrix(graph, scale, trivial, matrix);
    lapack_int found = 0, support[2], size = (lapack_int)n;
    /* The matrix is symmetric: reading it column-major spares LAPACKE a transposed copy. */
    lapack_int info = LAPACKE_dsyevr(LAPACK_COL_MAJOR, 'V', 'I', 'U', size, matrix, size, 0.0, 0.0, size, size, 0.0,
                                     &found, values, u, size, support);
    if (info != 0 || found != 1) {
        status = diag_fail(diag, info == LAPACK_WORK_MEMORY_ERROR ? DIFFCUT_ERROR_MEMORY : DIFFCUT_ERROR_NUMERIC,
                           "LAPACK's dsyevr failed on a node of %zu tokens (info %d)", n, (int)info);
        goto cleanup;
    }
    double error = residual(graph, scale, values[0], u);
    if (!(error <= RESIDUAL_LIMIT && fabs(length(u, n) - 1.0) <= RESIDUAL_LIMIT)) {
        status = diag_fail(diag, DIFFCUT_ERROR_NUMERIC,
                           "LAPACK's eigenvector of a node of %zu tokens is wrong (residual %.3g): the BLAS library "
                           "does not work on this processor",
                           n, error);
        goto cleanup;
    }
    *theta = values[0];
cleanup:
    mem_free(values);
    mem_free(matrix);
    return status;
}

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

/* ------------------------------------------------------------------------------------------------- decompositions */

static diffcut_status lapack_failed(const char *routine, size_t n, lapack_int info, diffcut_diagnostics *diag) {
    bool memory = info == LAPACK_WORK_MEMORY_ERROR || info == LAPACK_TRANSPOSE_MEMORY_ERROR;
    return diag_fail(diag, memory ? DIFFCUT_ERROR_MEMORY : DIFFCUT_ERROR_NUMERIC,
                     "LAPACK's %s failed on a matrix of %zu rows (info %d)", routine, n, (int)info);
}

static diffcut_status lapack_wrong(const char *what, size_t n, diffcut_diagnostics *diag) {
    return diag_fail(
        diag, DIFFCUT_ERROR_NUMERIC,
        "LAPACK's %s of a matrix of %zu rows are wrong: the BLAS library does not work on this processor", what, n);
}

diffcut_status eigen_dense_values(size_t n, double *matrix, double *values, diffcut_diagnostics *diag) {
    double trace = 0.0, squares = 0.0, sum = 0.0, sum_of_squares = 0.0;
    for (size_t i = 0; i < n; i++) {
        trace += matrix[i * n + i];
    }
    for (size_t i = 0; i < n * n; i++) {
        squares += matrix[i] * matrix[i];
    }
    lapack_int size = (lapack_int)n;
    lapack_int info = LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'N', 'U', size, matrix, size, values);
    if (info != 0) {
        return lapack_failed("dsyevd", n, info, diag);
    }
    for (size_t i = 0; i < n; i++) {
        sum += values[i];
        sum_of_squares += values[i] * values[i];
    }
    double limit = RESIDUAL_LIMIT * (1.0 + squares);
    if (!(fabs(sum - trace) <= limit && fabs(sum_of_squares - squares) <= limit)) {
        return lapack_wrong("eigenvalues", n, diag);
    }
    return DIFFCUT_OK;
}

diffcut_status eigen_dense_largest(size_t n, size_t count, double *matrix, double *vectors,
                                   diffcut_diagnostics *diag) {
    lapack_int found = 0, size = (lapack_int)n;
    diffcut_status status = DIFFCUT_OK;
    double *values = mem_array(n, sizeof *values);
    lapack_int *support = mem_array(count, 2 * sizeof *support);
    if (values == NULL || support == NULL) {
        status = diag_no_memory(diag, n * sizeof *values, "the dense eigen-solver");
        goto cleanup;
    }
    lapack_int info = LAPACKE_dsyevr(LAPACK_COL_MAJOR, 'V', 'I', 'U', size, matrix, size, 0.0, 0.0,
                                     (lapack_int)(n - count + 1), size, 0.0, &found, values, vectors, size, support);
    if (info != 0 || (size_t)found != count) {
        status = lapack_failed("dsyevr", n, info, diag);
        goto cleanup;
    }
    for (size_t k = 0; k < count; k++) {
        if (!(fabs(length(vectors + k * n, n) - 1.0) <= RESIDUAL_LIMIT)) {
            status = lapack_wrong("eigenvectors", n, diag);
            goto cleanup;
        }
    }
    for (size_t k = 0; k < count / 2; k++) { /* LAPACK's order is ascending */
        double *low = vectors + k * n, *high = vectors + (count - 1 - k) * n;
        for (size_t i = 0; i < n; i++) {
            double value = low[i];
            low[i] = high[i];
            high[i] = value;
        }
    }
cleanup:
    mem_free(support);
    mem_free(values);
    return status;
}

diffcut_status eigen_dense_polar(size_t n, double *matrix, diffcut_diagnostics *diag) {
    size_t entries, size = 0;
    bool fits = mem_mul(n, n, &entries) && mem_mul(entries, 2, &size) && size <= SIZE_MAX - n;
    double *u = fits ? mem_array(size + n, sizeof *u) : NULL;
    if (u == NULL) {
        return diag_no_memory(diag, fits ? (size + n) * sizeof *u : SIZE_MAX, "the singular values");
    }
    double *vt = u + entries, *singular = vt + entries;
    /* Column-major on a row-major matrix decomposes its transpose, V S U^T, whose V U^T read row-major is U V^T. */
    lapack_int rows = (lapack_int)n;
    lapack_int info = LAPACKE_dgesdd(LAPACK_COL_MAJOR, 'A', rows, rows, matrix, rows, singular, u, rows, vt, rows);
    if (info != 0) {
        mem_free(u);
        return lapack_failed("dgesdd", n, info, diag);
    }
    for (size_t column = 0; column < n; column++) {
        for (size_t row = 0; row < n; row++) {
            double sum = 0.0;
            for (size_t k = 0; k < n; k++) {
                sum += u[k * n + row] * vt[column * n + k];
            }
            matrix[column * n + row] = sum;
        }
    }
    mem_free(u);
    return DIFFCUT_OK;
}

/* eigen.c - see eigen.h: picks the solver and brings its vector into the generalised form. */
#include "segment/eigen.h"

#include "core/memory.h"
#include "segment/eigen_block.h"
#include "segment/eigen_dense.h"
#include "segment/eigen_small.h"

#include <math.h>

#define B EIGEN_BLOCK
#define BLOCKS (2 * EIGEN_BASIS + 6) /* basis, image, 2 ritz, 2 ritz images, residual, scaled */

diffcut_status eigen_scratch_create(size_t n, diffcut_diagnostics *diag, eigen_scratch **out) {
    size_t padded = (n + B - 1) / B * B, count; /* every array starts on its own cache line */
    eigen_scratch *s = mem_array_zero(1, sizeof *s);
    if (s == NULL || !mem_mul(padded, BLOCKS * B + 2, &count) ||
        (s->memory = mem_array(count, sizeof(double))) == NULL) {
        mem_free(s);
        return diag_no_memory(diag, padded * (BLOCKS * B + 2) * sizeof(double), "the eigen-solver's vectors");
    }
    s->pass_limit = EIGEN_PASS_LIMIT;
    double *next = s->memory, **single[] = {&s->scale, &s->trivial};
    for (size_t i = 0; i < 2; i++, next += padded) {
        *single[i] = next;
    }
    for (size_t k = 0; k < EIGEN_BASIS; k++, next += 2 * padded * B) {
        s->basis[k] = next;
        s->image[k] = next + padded * B;
    }
    for (size_t k = 0; k < 2; k++, next += 2 * padded * B) {
        s->ritz[k] = next;
        s->ritz_image[k] = next + padded * B;
    }
    s->residual = next;
    s->scaled = next + padded * B;
    *out = s;
    return DIFFCUT_OK;
}

void eigen_scratch_free(eigen_scratch *scratch) {
    if (scratch != NULL) {
        mem_free(scratch->memory);
        mem_free(scratch);
    }
}

void eigen_scaling(size_t n, const double *degree, double *scale, double *trivial) {
    double volume = 0.0;
    for (size_t i = 0; i < n; i++) {
        volume += degree[i];
    }
    for (size_t i = 0; i < n; i++) {
        scale[i] = degree[i] > 0.0 ? 1.0 / sqrt(degree[i]) : 0.0;
        trivial[i] = sqrt(degree[i] / volume);
    }
}

/* A small node, solved whole. False when the steps did not converge. */
static bool solve_small(const eigen_graph *graph, const eigen_scratch *s, double *theta, double *u) {
    double matrix[EIGEN_SMALL_NODE * EIGEN_SMALL_NODE], values[EIGEN_SMALL_NODE];
    double vectors[EIGEN_SMALL_NODE * EIGEN_SMALL_NODE];
    eigen_deflated_matrix(graph, s->scale, s->trivial, matrix);
    if (!eigen_small(graph->n, matrix, values, vectors)) {
        return false;
    }
    for (size_t i = 0; i < graph->n; i++) {
        u[i] = vectors[i];
    }
    *theta = values[0];
    return true;
}

static void store_block(const eigen_graph *graph, const eigen_scratch *s, const double *ritz, float *block) {
    for (size_t i = 0; i < graph->n; i++) {
        for (size_t lane = 0; lane < B; lane++) {
            block[(size_t)graph->token[i] * B + lane] = (float)(s->scale[i] * ritz[i * B + lane]);
        }
    }
}

diffcut_status eigen_second(const work *w, const eigen_graph *graph, const double *degree,
                            diffcut_eigen_solver solver, double fraction, eigen_scratch *scratch, eigen_pair *pair) {
    size_t n = graph->n;
    double *u = scratch->residual, theta = 0.0; /* u: (n), in memory that the iteration no longer needs by then */
    bool done = false;
    eigen_scaling(n, degree, scratch->scale, scratch->trivial);
    pair->passes = 0;
    if (solver != DIFFCUT_EIGEN_DENSE && n <= EIGEN_SMALL_NODE) {
        done = solve_small(graph, scratch, &theta, u);
    } else if (solver != DIFFCUT_EIGEN_DENSE) {
        eigen_block_result result;
        diffcut_status status = eigen_block_solve(w, graph, fraction, pair, scratch, &result);
        if (status != DIFFCUT_OK) {
            return status;
        }
        pair->passes = result.passes;
        if (result.converged) {
            for (size_t i = 0; i < n; i++) {
                u[i] = result.ritz[i * B];
            }
            store_block(graph, scratch, result.ritz, pair->block);
            theta = result.theta;
            done = true;
        }
    }
    if (!done) {
        if (solver != DIFFCUT_EIGEN_DENSE) {
            work_note(w, "the eigen-solver did not converge at %zu nodes; the dense solver was used",
                      ++pair->failures);
        }
        diffcut_status status = eigen_dense(graph, scratch->scale, scratch->trivial, &theta, u, w->diag);
        if (status != DIFFCUT_OK) {
            return status;
        }
    }
    for (size_t i = 0; i < n; i++) {
        pair->vector[i] = scratch->scale[i] * u[i];
    }
    pair->value = 1.0 - theta;
    return DIFFCUT_OK;
}

/*
 * test_cut_eigen.c - the eigen-solvers on matrices given outright: a pair satisfies its definition, the dense solver
 * takes over and says so where the iteration gives up, and numbers that are none are reported.
 */
#include "cut_fixture.h"
#include "segment/eigen_block.h"
#include "segment/ncut.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct graph_fixture {
    eigen_graph graph;
    float *matrix;
    uint32_t *token;
    double *degree;
    double *vector;
    float *block;
    eigen_scratch *scratch;
    cut_work c;
} graph_fixture;

/* Symmetric weights in 0 .. 1, ones on the diagonal; `parts` groups with weak edges between them. */
static graph_fixture *graph_create(size_t n, size_t parts, double between) {
    graph_fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    uint64_t random = n;
    f->matrix = malloc(n * n * sizeof *f->matrix);
    f->token = malloc(n * sizeof *f->token);
    f->degree = calloc(n, sizeof *f->degree);
    f->vector = malloc(n * sizeof *f->vector);
    f->block = calloc(n, EIGEN_BLOCK * sizeof *f->block);
    assert_true(f->matrix != NULL && f->token != NULL && f->degree != NULL && f->vector != NULL && f->block != NULL);
    for (size_t i = 0; i < n; i++) {
        f->token[i] = (uint32_t)i;
        for (size_t j = 0; j <= i; j++) {
            double weight = i == j ? 1.0 : cut_random(&random) * (i % parts == j % parts ? 1.0 : between);
            f->matrix[i * n + j] = f->matrix[j * n + i] = (float)weight;
        }
    }
    for (size_t i = 0; i < n * n; i++) {
        f->degree[i / n] += (double)f->matrix[i];
    }
    f->graph = (eigen_graph){n, f->matrix, n, f->token, 0};
    cut_work_init(&f->c, 1);
    assert_int_equal(eigen_scratch_create(n, &f->c.diag, &f->scratch), DIFFCUT_OK);
    return f;
}

static void graph_free(graph_fixture *f) {
    eigen_scratch_free(f->scratch);
    free(f->matrix);
    free(f->token);
    free(f->degree);
    free(f->vector);
    free(f->block);
    free(f);
}

static diffcut_status solve(graph_fixture *f, diffcut_eigen_solver solver, eigen_pair *pair) {
    pair->vector = f->vector;
    pair->block = f->block;
    return eigen_second(&f->c.w, &f->graph, f->degree, solver, 0.0, f->scratch, pair);
}

/* (D - W) v = lambda D v, v^T D 1 = 0 and v^T D v = 1. */
static void assert_pair(const graph_fixture *f, const eigen_pair *pair) {
    double norm = 0.0, trivial = 0.0;
    size_t n = f->graph.n;
    for (size_t i = 0; i < n; i++) {
        double left = f->degree[i] * f->vector[i];
        for (size_t j = 0; j < n; j++) {
            left -= (double)f->matrix[i * n + j] * f->vector[j];
        }
        assert_true(fabs(left - pair->value * f->degree[i] * f->vector[i]) <= 1e-7 * sqrt(f->degree[i]));
        norm += f->degree[i] * f->vector[i] * f->vector[i];
        trivial += f->degree[i] * f->vector[i];
    }
    assert_true(fabs(norm - 1.0) <= 1e-9);
    assert_true(fabs(trivial) <= 1e-7);
}

static void test_pair_satisfies_its_definition(void **state) {
    (void)state;
    static const size_t sizes[] = {2, 3, 10, 48, 49, 64, 100, 333};
    static const double between[] = {0.0, 1e-6, 0.1, 1.0};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        for (size_t b = 0; b < sizeof between / sizeof between[0]; b++) {
            graph_fixture *f = graph_create(sizes[s], 2, between[b]);
            eigen_pair pair = {0}, dense = {0};
            assert_int_equal(solve(f, DIFFCUT_EIGEN_AUTO, &pair), DIFFCUT_OK);
            assert_pair(f, &pair);
            assert_int_equal(solve(f, DIFFCUT_EIGEN_DENSE, &dense), DIFFCUT_OK);
            assert_pair(f, &dense);
            assert_true(fabs(pair.value - dense.value) <= 1e-12);
            assert_true(between[b] > 0.0 || fabs(pair.value) <= 1e-12);
            assert_string_equal(f->c.note.message, "");
            graph_free(f);
        }
    }
}

/* Three equal parts without edges between them: lambda is 0 twice, and any vector of the two is right. */
static void test_equal_eigenvalues_converge(void **state) {
    (void)state;
    graph_fixture *f = graph_create(150, 3, 0.0);
    eigen_pair pair = {0};
    assert_int_equal(solve(f, DIFFCUT_EIGEN_AUTO, &pair), DIFFCUT_OK);
    assert_pair(f, &pair);
    assert_true(fabs(pair.value) <= 1e-12);
    assert_string_equal(f->c.note.message, "");
    graph_free(f);
}

static void test_dense_solver_takes_over_and_says_so(void **state) {
    (void)state;
    graph_fixture *f = graph_create(120, 2, 0.5);
    f->scratch->pass_limit = 1;
    eigen_pair pair = {0};
    assert_int_equal(solve(f, DIFFCUT_EIGEN_AUTO, &pair), DIFFCUT_OK);
    assert_pair(f, &pair);
    assert_int_equal(pair.failures, 1);
    assert_string_equal(f->c.note.message, "the eigen-solver did not converge at 1 nodes; the dense solver was used");
    graph_free(f);
}

static void test_warm_start_takes_fewer_passes(void **state) {
    (void)state;
    graph_fixture *f = graph_create(400, 2, 0.9);
    eigen_pair pair = {0};
    assert_int_equal(solve(f, DIFFCUT_EIGEN_AUTO, &pair), DIFFCUT_OK);
    uint32_t cold = pair.passes;
    pair.warm = true;
    assert_int_equal(solve(f, DIFFCUT_EIGEN_AUTO, &pair), DIFFCUT_OK);
    assert_pair(f, &pair);
    assert_true(pair.passes < cold);
    graph_free(f);
}

static void test_weights_that_are_no_numbers_are_reported(void **state) {
    (void)state;
    static const size_t sizes[] = {20, 80};
    for (size_t i = 0; i < 2; i++) {
        graph_fixture *f = graph_create(sizes[i], 2, 0.5);
        f->matrix[1] = f->matrix[sizes[i]] = NAN;
        eigen_pair pair = {.value = -7.0};
        assert_int_equal(solve(f, DIFFCUT_EIGEN_AUTO, &pair), DIFFCUT_ERROR_NUMERIC);
        assert_true(pair.value == -7.0);
        assert_true(f->c.diag.message[0] != '\0');
        graph_free(f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pair_satisfies_its_definition),
        cmocka_unit_test(test_equal_eigenvalues_converge),
        cmocka_unit_test(test_dense_solver_takes_over_and_says_so),
        cmocka_unit_test(test_warm_start_takes_fewer_passes),
        cmocka_unit_test(test_weights_that_are_no_numbers_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

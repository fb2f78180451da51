/*
 * test_cut_kernels.c - every instruction set's loops of the cut against the plain version, and the small symmetric
 * eigen-solver against its definition.
 */
#include "cut_fixture.h"
#include "segment/affinity_kernels.h"
#include "segment/eigen_kernels.h"
#include "segment/eigen_small.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define B EIGEN_BLOCK

static const size_t sizes[] = {1, 2, 3, 7, 8, 9, 31, 64, 65, 255, 256, 257, 300};
#define SIZES (sizeof sizes / sizeof sizes[0])
#define MOST 300

typedef struct problem {
    size_t n, stride, first;
    float *matrix;
    uint32_t *token;
    double *x, *y, *scale;
    int32_t *bin;
} problem;

/* A graph whose rows are shuffled and start at an odd column, so that nothing is aligned. */
static problem problem_create(size_t n) {
    problem p = {.n = n, .stride = n + 5, .first = 3};
    uint64_t state = n;
    p.matrix = malloc(n * p.stride * sizeof *p.matrix);
    p.token = malloc(n * sizeof *p.token);
    p.x = malloc(n * B * sizeof *p.x);
    p.y = malloc(n * B * sizeof *p.y);
    p.scale = malloc(n * sizeof *p.scale);
    p.bin = malloc(n * sizeof *p.bin);
    assert_true(p.matrix != NULL && p.token != NULL && p.x != NULL && p.y != NULL && p.scale != NULL &&
                p.bin != NULL);
    for (size_t i = 0; i < n * p.stride; i++) {
        p.matrix[i] = i % 11 == 0 ? 1e-40F : (float)cut_random(&state); /* denormals among them */
    }
    for (size_t i = 0; i < n; i++) {
        p.token[i] = (uint32_t)(n - 1 - i);
        p.scale[i] = cut_random(&state);
        p.bin[i] = (int32_t)(10.0 * cut_random(&state));
        for (size_t lane = 0; lane < B; lane++) {
            p.x[i * B + lane] = cut_random(&state) - 0.5;
            p.y[i * B + lane] = cut_random(&state) - 0.5;
        }
    }
    return p;
}

static void problem_free(problem *p) {
    free(p->matrix);
    free(p->token);
    free(p->x);
    free(p->y);
    free(p->scale);
    free(p->bin);
}

static void check(const char *what, cpu_level level, size_t n, const double *got, const double *want, size_t count) {
    char text[128];
    (void)snprintf(text, sizeof text, "%s, %s, n = %zu", what, cpu_level_name(level), n);
    assert_true(golden_close_to_doubles(text, got, want, NULL, 0, count, 1e-12, 1e-13));
}

/* y = scale * W x by one loop. */
static void check_multiply(const problem *p, cpu_level level, const eigen_kernels *k, const eigen_graph *graph) {
    double *got = malloc(p->n * B * sizeof *got), *want = calloc(p->n * B, sizeof *want);
    assert_true(got != NULL && want != NULL);
    size_t middle = p->n / 2; /* in two calls, as the threads do */
    k->multiply(graph, 0, middle, p->scale, p->x, got);
    k->multiply(graph, middle, p->n, p->scale, p->x, got);
    for (size_t i = 0; i < p->n; i++) {
        for (size_t j = 0; j < p->n; j++) {
            for (size_t lane = 0; lane < B; lane++) {
                want[i * B + lane] += p->scale[i] * (double)eigen_row(graph, i)[j] * p->x[j * B + lane];
            }
        }
    }
    check("multiply", level, p->n, got, want, p->n * B);
    free(want);
    free(got);
}

static void check_blocks(const problem *p, cpu_level level, const eigen_kernels *k) {
    double got[B * B], want[B * B] = {0};
    k->gram(p->n, p->x, p->y, got);
    double *sum = malloc(p->n * B * sizeof *sum), *direct = malloc(p->n * B * sizeof *direct);
    assert_true(sum != NULL && direct != NULL);
    for (size_t i = 0; i < p->n; i++) {
        for (size_t a = 0; a < B; a++) {
            for (size_t b = 0; b < B; b++) {
                want[a * B + b] += p->x[i * B + a] * p->y[i * B + b];
            }
        }
    }
    check("gram", level, p->n, got, want, B * B);
    memcpy(sum, p->y, p->n * B * sizeof *sum);
    memcpy(direct, p->y, p->n * B * sizeof *direct);
    k->combine(p->n, p->x, want, sum);
    for (size_t i = 0; i < p->n; i++) {
        for (size_t a = 0; a < B; a++) {
            for (size_t b = 0; b < B; b++) {
                direct[i * B + b] += p->x[i * B + a] * want[a * B + b];
            }
        }
    }
    check("combine", level, p->n, sum, direct, p->n * B);
    free(direct);
    free(sum);
}

static void check_sums(const problem *p, cpu_level level, const eigen_kernels *k, const eigen_graph *graph) {
    double got[3][MOST], want[3][MOST] = {{0}};
    k->row_sums(graph, 0, p->n, got[0]);
    k->side_sums(graph, 0, p->n, p->bin, got[1], got[2]);
    for (size_t i = 0; i < p->n; i++) {
        for (size_t j = 0; j < p->n; j++) {
            double value = (double)eigen_row(graph, i)[j];
            want[0][i] += value;
            want[1][i] += p->bin[j] < p->bin[i] ? value : 0.0;
            want[2][i] += p->bin[j] > p->bin[i] ? value : 0.0;
        }
    }
    check("row_sums", level, p->n, got[0], want[0], p->n);
    check("side_sums below", level, p->n, got[1], want[1], p->n);
    check("side_sums above", level, p->n, got[2], want[2], p->n);
}

static void test_loops_equal_their_definition(void **state) {
    (void)state;
    for (cpu_level level = CPU_GENERIC; level <= cpu_best_level(); level++) {
        const eigen_kernels *kernels = SIMD_PICK(eigen_kernels, level);
        for (size_t i = 0; i < SIZES; i++) {
            problem p = problem_create(sizes[i]);
            eigen_graph graph = {p.n, p.matrix, p.stride, p.token, p.first};
            check_multiply(&p, level, kernels, &graph);
            check_blocks(&p, level, kernels);
            check_sums(&p, level, kernels, &graph);
            problem_free(&p);
        }
    }
}

static void test_powers_and_ranges_equal_their_definition(void **state) {
    (void)state;
    static const unsigned exponents[] = {1, 2, 3, 5, 10, 15, 100};
    uint64_t random = 5;
    float values[MOST], raised[MOST];
    for (size_t i = 0; i < MOST; i++) {
        values[i] = (float)(2.0 * cut_random(&random) - 0.5);
    }
    for (cpu_level level = CPU_GENERIC; level <= cpu_best_level(); level++) {
        const affinity_kernels *kernels = SIMD_PICK(affinity_kernels, level);
        for (size_t i = 0; i < SIZES; i++) {
            size_t n = sizes[i];
            float low = INFINITY, high = -INFINITY, want_low = INFINITY, want_high = -INFINITY;
            kernels->range(values, n, &low, &high);
            for (size_t j = 0; j < n; j++) {
                want_low = fminf(want_low, values[j]);
                want_high = fmaxf(want_high, values[j]);
            }
            assert_true(low == want_low && high == want_high);
            for (size_t e = 0; e < sizeof exponents / sizeof exponents[0]; e++) {
                memcpy(raised, values, sizeof raised);
                kernels->whole_power(raised, n, -0.5F, 2.0F, exponents[e]);
                for (size_t j = 0; j < n; j++) {
                    double want = pow((double)((values[j] + 0.5F) / 2.0F), exponents[e]);
                    assert_true(fabs((double)raised[j] - want) <= 1e-7 * want + 1e-45);
                }
            }
            memcpy(raised, values, sizeof raised);
            kernels->real_power(raised, n, -0.5F, 2.0F, 2.5F);
            for (size_t j = 0; j < n; j++) {
                double want = pow((double)((values[j] + 0.5F) / 2.0F), 2.5);
                assert_true(fabs((double)raised[j] - want) <= 1e-6 * want + 1e-45);
            }
        }
    }
}

/* Matrices that make a solver stumble: zero, identity, equal eigenvalues, one far above the others, random. */
static void fill_matrix(int kind, size_t n, double *a) {
    uint64_t random = n;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = i; j < n; j++) {
            double value = 0.0;
            if (kind == 1) {
                value = i == j ? 1.0 : 0.0;
            } else if (kind == 2) {
                value = (i / 5 == j / 5) ? 1.0 : 0.0; /* blocks of ones: eigenvalues 5 and 0, many times each */
            } else if (kind == 3) {
                value = 1e3 + 1e-9 * cut_random(&random);
            } else if (kind == 4) {
                value = cut_random(&random) - 0.5;
            }
            a[i * n + j] = a[j * n + i] = value;
        }
    }
}

static void test_small_solver_gives_orthonormal_eigenvectors(void **state) {
    (void)state;
    static double a[EIGEN_SMALL_MAX * EIGEN_SMALL_MAX], copy[EIGEN_SMALL_MAX * EIGEN_SMALL_MAX];
    static double vectors[EIGEN_SMALL_MAX * EIGEN_SMALL_MAX], values[EIGEN_SMALL_MAX];
    for (cpu_level level = CPU_GENERIC; level <= cpu_best_level(); level++) {
        for (int kind = 0; kind < 5; kind++) {
            for (size_t n = 1; n <= EIGEN_SMALL_MAX; n += n < 9 ? 1 : 11) {
                double norm = kind == 3 ? 1e3 * (double)n : 10.0;
                fill_matrix(kind, n, a);
                memcpy(copy, a, sizeof copy);
                assert_true(SIMD_PICK(eigen_small_kernels, level)->solve(n, copy, values, vectors));
                for (size_t k = 0; k < n; k++) {
                    assert_true(k == 0 || values[k] <= values[k - 1]);
                    for (size_t i = 0; i < n; i++) {
                        double image = 0.0, dot = 0.0;
                        for (size_t j = 0; j < n; j++) {
                            image += a[i * n + j] * vectors[k * n + j];
                            dot += vectors[k * n + j] * vectors[i * n + j];
                        }
                        assert_true(fabs(image - values[k] * vectors[k * n + i]) <= 1e-13 * norm);
                        assert_true(fabs(dot - (i == k ? 1.0 : 0.0)) <= 1e-13);
                    }
                }
            }
        }
    }
}

static void test_small_solver_refuses_nan(void **state) {
    (void)state;
    double a[9] = {1.0, NAN, 0.0, NAN, 1.0, 0.5, 0.0, 0.5, 1.0}, values[3], vectors[9];
    assert_false(eigen_small(3, a, values, vectors));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loops_equal_their_definition),
        cmocka_unit_test(test_powers_and_ranges_equal_their_definition),
        cmocka_unit_test(test_small_solver_gives_orthonormal_eigenvectors),
        cmocka_unit_test(test_small_solver_refuses_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

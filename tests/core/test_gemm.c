/* The matrix product against sums in double, for any number of threads and several callers at once. */
#include "test.h"

#include "core/gemm.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#define GAP 3 /* elements between rows that belong to nobody */

typedef struct product {
    size_t rows, cols, inner;
    bool transposed; /* b is (cols, inner) */
    float beta;
    float *a, *b, *c;
    size_t lda, ldb, ldc;
} product;

/* Between -1 and 1, the same on every run. */
static float *values(size_t count, uint32_t seed) {
    float *out = malloc((count > 0 ? count : 1) * sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525U + 1013904223U;
        out[i] = (float)seed * 0x1p-31F - 1.0F;
    }
    return out;
}

static product product_create(size_t rows, size_t cols, size_t inner, bool transposed, float beta) {
    product p = {.rows = rows, .cols = cols, .inner = inner, .transposed = transposed, .beta = beta};
    p.lda = inner + GAP;
    p.ldb = (transposed ? inner : cols) + GAP;
    p.ldc = cols + GAP;
    p.a = values(rows * p.lda, 1);
    p.b = values((transposed ? cols : inner) * p.ldb, 2);
    p.c = values(rows * p.ldc, 3);
    return p;
}

static void product_destroy(product *p) {
    free(p->a);
    free(p->b);
    free(p->c);
}

static diffcut_status product_run(const product *p, uint32_t threads, float *c) {
    diffcut_diagnostics diag;
    return (p->transposed ? gemm_nt : gemm_nn)(threads, p->rows, p->cols, p->inner, p->a, p->lda, p->b, p->ldb,
                                               p->beta, c, p->ldc, &diag);
}

/* c0: C before the product. The error allowed is that of float sums, by the sum of the terms' sizes. */
static void check(const product *p, const float *c0, const float *c) {
    for (size_t i = 0; i < p->rows; i++) {
        for (size_t j = 0; j < p->cols; j++) {
            double sum = p->beta == 0.0F ? 0.0 : (double)p->beta * (double)c0[i * p->ldc + j];
            double size = fabs(sum);
            for (size_t k = 0; k < p->inner; k++) {
                size_t b = p->transposed ? j * p->ldb + k : k * p->ldb + j;
                double term = (double)p->a[i * p->lda + k] * (double)p->b[b];
                sum += term;
                size += fabs(term);
            }
            double error = fabs((double)c[i * p->ldc + j] - sum);
            if (!(error <= 1e-6 * size + 1e-30)) {
                fail_msg("%zu x %zu x %zu%s: (%zu, %zu) is %.9g, expected %.9g", p->rows, p->cols, p->inner,
                         p->transposed ? " transposed" : "", i, j, (double)c[i * p->ldc + j], sum);
            }
        }
        if (i + 1 < p->rows) {
            assert_memory_equal(c + i * p->ldc + p->cols, c0 + i * p->ldc + p->cols, GAP * sizeof *c);
        }
    }
}

static const size_t shapes[][3] = {{1, 1, 1},    {1, 70, 33},  {3, 5, 1000}, {17, 1, 8},
                                   {64, 48, 40}, {255, 9, 12}, {257, 31, 7}, {700, 20, 33}};

static void products_are_right_for_any_shape_stride_and_beta(void **state) {
    (void)state;
    static const float betas[] = {0.0F, 1.0F, -0.5F};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        for (size_t option = 0; option < 6; option++) {
            product p = product_create(shapes[s][0], shapes[s][1], shapes[s][2], option % 2 != 0, betas[option / 2]);
            size_t bytes = p.rows * p.ldc * sizeof(float);
            float *c = malloc(bytes);
            assert_non_null(c);
            memcpy(c, p.c, bytes);
            assert_int_equal(product_run(&p, 2, c), DIFFCUT_OK);
            check(&p, p.c, c);
            free(c);
            product_destroy(&p);
        }
    }
}

static void beta_zero_does_not_read_c(void **state) {
    (void)state;
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        product p = product_create(shapes[s][0], shapes[s][1], shapes[s][2], s % 2 != 0, 0.0F);
        float *c = malloc(p.rows * p.ldc * sizeof *c);
        assert_non_null(c);
        for (size_t i = 0; i < p.rows * p.ldc; i++) {
            c[i] = i % p.ldc < p.cols ? NAN : p.c[i];
        }
        assert_int_equal(product_run(&p, 1, c), DIFFCUT_OK);
        check(&p, p.c, c);
        free(c);
        product_destroy(&p);
    }
}

static void an_empty_product_does_nothing(void **state) {
    (void)state;
    diffcut_diagnostics diag;
    float a = 2.0F;
    float c = 5.0F;
    assert_int_equal(gemm_nn(2, 0, 1, 1, &a, 1, &a, 1, 0.0F, &c, 1, &diag), DIFFCUT_OK);
    assert_int_equal(gemm_nt(2, 1, 0, 1, &a, 1, &a, 1, 0.0F, &c, 1, &diag), DIFFCUT_OK);
    assert_true(c == 5.0F);
}

static void results_do_not_depend_on_the_thread_count(void **state) {
    (void)state;
    product p = product_create(1500, 65, 130, true, 0.0F);
    size_t bytes = p.rows * p.ldc * sizeof(float);
    float *c = malloc(bytes);
    assert_non_null(c);
    assert_int_equal(product_run(&p, 1, p.c), DIFFCUT_OK);
    for (uint32_t threads = 2; threads <= 5; threads++) {
        memcpy(c, p.c, bytes);
        assert_int_equal(product_run(&p, threads, c), DIFFCUT_OK);
        assert_memory_equal(c, p.c, bytes);
    }
    free(c);
    product_destroy(&p);
}

#define CALLERS 4

/* Returns the library's name when every product equals p->c, which one caller alone has computed; else NULL. */
static void *call_repeatedly(void *argument) {
    const product *p = argument;
    size_t bytes = p->rows * p->ldc * sizeof(float);
    float *c = malloc(bytes);
    bool same = c != NULL;
    for (int round = 0; round < 8 && same; round++) {
        memcpy(c, p->c, bytes);
        same = product_run(p, 2, c) == DIFFCUT_OK && memcmp(c, p->c, bytes) == 0;
    }
    free(c);
    return same ? (void *)(uintptr_t)gemm_library() : NULL;
}

static void several_threads_may_call_at_once(void **state) {
    (void)state;
    product p = product_create(600, 40, 70, false, 0.0F);
    assert_int_equal(product_run(&p, 1, p.c), DIFFCUT_OK);
    pthread_t callers[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
        assert_int_equal(pthread_create(&callers[i], NULL, call_repeatedly, &p), 0);
    }
    for (int i = 0; i < CALLERS; i++) {
        void *name = NULL;
        assert_int_equal(pthread_join(callers[i], &name), 0);
        assert_non_null(name);
        assert_string_equal(name, gemm_library());
    }
    assert_true(gemm_library()[0] != '\0');
    product_destroy(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_threads_may_call_at_once), /* first: nobody has asked for the library's name yet */
        cmocka_unit_test(products_are_right_for_any_shape_stride_and_beta),
        cmocka_unit_test(beta_zero_does_not_read_c),
        cmocka_unit_test(an_empty_product_does_nothing),
        cmocka_unit_test(results_do_not_depend_on_the_thread_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

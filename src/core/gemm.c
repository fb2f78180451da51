/* gemm.c - see gemm.h. */
#include "core/gemm.h"

#include "core/parallel.h"

#include <stdatomic.h>

#ifdef DIFFCUT_HAVE_DNNL
#include <dnnl.h>
#include <pthread.h>
#include <stdio.h>

/* oneDNN is built with OpenMP, which this library does not use: these are reached through it. */
extern int omp_get_max_threads(void) __attribute__((weak));
extern void omp_set_num_threads(int threads) __attribute__((weak));
#endif

/* Rows of one tile: enough to hide the library's packing of B, few enough to feed many threads. A constant, so that
 * the arithmetic is the same for any thread count. */
#define GEMM_TILE_ROWS 256

struct gemm_task {
    char transpose_b;
    size_t rows, cols, inner;
    const float *a;
    size_t lda;
    const float *b;
    size_t ldb;
    float beta;
    float *c;
    size_t ldc;
    atomic_int failures;
};

#ifdef DIFFCUT_HAVE_DNNL

static int tile_product(const struct gemm_task *task, size_t row, size_t rows) {
    dnnl_status_t status =
        dnnl_sgemm('N', task->transpose_b, (dnnl_dim_t)rows, (dnnl_dim_t)task->cols, (dnnl_dim_t)task->inner, 1.0F,
                   task->a + row * task->lda, (dnnl_dim_t)task->lda, task->b, (dnnl_dim_t)task->ldb, task->beta,
                   task->c + row * task->ldc, (dnnl_dim_t)task->ldc);
    return status == dnnl_success ? 0 : 1;
}

/* Written once, by whichever thread asks first. */
static char library_text[48];

static void name_library(void) {
    const dnnl_version_t *version = dnnl_version();
    (void)snprintf(library_text, sizeof library_text, "oneDNN %d.%d.%d", version->major, version->minor,
                   version->patch);
}

const char *gemm_library(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, name_library);
    return library_text;
}

#else

static int tile_product(const struct gemm_task *task, size_t row, size_t rows) {
    size_t step_inner = task->transpose_b == 'T' ? 1 : task->ldb;
    size_t step_col = task->transpose_b == 'T' ? task->ldb : 1;
    for (size_t r = row; r < row + rows; r++) {
        for (size_t col = 0; col < task->cols; col++) {
            double sum = 0.0; /* one long chain: in float, thousands of terms would lose digits */
            for (size_t k = 0; k < task->inner; k++) {
                sum += (double)task->a[r * task->lda + k] * task->b[col * step_col + k * step_inner];
            }
            float *out = &task->c[r * task->ldc + col];
            *out = (float)(task->beta == 0.0F ? sum : sum + (double)task->beta * *out);
        }
    }
    return 0;
}

const char *gemm_library(void) {
    return "plain C";
}

#endif

/* Each tile is one thread's work: keeps the library from opening a team of its own, which would also sum in another
 * order. The setting belongs to the calling thread, and no helper inherits it; returns what it was, to be put back.
 */
static int set_library_threads(int threads) {
#ifdef DIFFCUT_HAVE_DNNL
    if (omp_get_max_threads != NULL && omp_set_num_threads != NULL) {
        int before = omp_get_max_threads();
        omp_set_num_threads(threads);
        return before;
    }
#endif
    return threads;
}

static void run_tile(void *context, size_t piece) {
    struct gemm_task *task = context;
    size_t row = piece * GEMM_TILE_ROWS;
    size_t rows = task->rows - row < GEMM_TILE_ROWS ? task->rows - row : GEMM_TILE_ROWS;
    int before = set_library_threads(1);
    if (tile_product(task, row, rows) != 0) {
        atomic_fetch_add(&task->failures, 1);
    }
    (void)set_library_threads(before);
}

static diffcut_status gemm(uint32_t threads, struct gemm_task *task, diffcut_diagnostics *diag) {
    if (task->rows == 0 || task->cols == 0) {
        return DIFFCUT_OK;
    }
    parallel_for(threads, (task->rows + GEMM_TILE_ROWS - 1) / GEMM_TILE_ROWS, run_tile, task);
    if (atomic_load(&task->failures) != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_MEMORY, "%s could not compute a %zu x %zu x %zu product", gemm_library(),
                         task->rows, task->cols, task->inner);
    }
    return DIFFCUT_OK;
}

diffcut_status gemm_nt(uint32_t threads, size_t rows, size_t cols, size_t inner, const float *a, size_t lda,
                       const float *b, size_t ldb, float beta, float *c, size_t ldc, diffcut_diagnostics *diag) {
    struct gemm_task task = {'T', rows, cols, inner, a, lda, b, ldb, beta, c, ldc, 0};
    return gemm(threads, &task, diag);
}

diffcut_status gemm_nn(uint32_t threads, size_t rows, size_t cols, size_t inner, const float *a, size_t lda,
                       const float *b, size_t ldb, float beta, float *c, size_t ldc, diffcut_diagnostics *diag) {
    struct gemm_task task = {'N', rows, cols, inner, a, lda, b, ldb, beta, c, ldc, 0};
    return gemm(threads, &task, diag);
}

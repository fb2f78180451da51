/*
 * bench_products.c - linear layers and attention of SSD-1B's UNet encoder at 1024 x 1024, in float32 and bf16, beside
 * the GEMM library's plain product of the same shape (without bias, activation and residual).
 *
 *   bench_products [SECONDS]    for each shape; default 2
 *
 * The three take turns within each shape and the best time of each counts, so that other programs on the machine slow
 * all of them alike. The share is of the peak of the same precision: the innermost loop over data in cache, on all
 * threads at once. OMP_NUM_THREADS sets the threads.
 */
#include "backend/fixture.h"

#include "backend/cpu/panel_kernels.h"
#include "core/gemm.h"
#include "core/parallel.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LINEAR(tokens, channels, outputs, ...)                                                                       \
    { .op = OP_LINEAR, .n = 1, .h = (tokens), .w = 1, .c = (channels), .out = (outputs), __VA_ARGS__ }
#define ATTENTION(tokens, channels, heads, context)                                                                  \
    {                                                                                                                \
        .op = OP_ATTENTION, .n = 1, .h = (tokens), .w = 1, .c = (channels), .parts = (heads), .keys = (context),     \
        .key_images = 1                                                                                              \
    }

static const op_case cases[] = {
    LINEAR(4096, 640, 640, .bias = true, .residual = RESIDUAL_OWN),
    LINEAR(4096, 640, 1920, .bias = false),
    LINEAR(4096, 640, 5120, .bias = true, .act = ACTIVATION_GEGLU),
    LINEAR(4096, 2560, 640, .bias = true, .residual = RESIDUAL_OWN),
    LINEAR(1024, 1280, 1280, .bias = true, .residual = RESIDUAL_OWN),
    LINEAR(1024, 1280, 3840, .bias = false),
    LINEAR(1024, 1280, 10240, .bias = true, .act = ACTIVATION_GEGLU),
    LINEAR(1024, 5120, 1280, .bias = true, .residual = RESIDUAL_OWN),
    LINEAR(77, 2048, 2560, .bias = false),
    LINEAR(1, 2816, 1280, .bias = true, .act = ACTIVATION_SILU),
    ATTENTION(4096, 640, 10, 4096),
    ATTENTION(4096, 640, 10, 77),
    ATTENTION(1024, 1280, 20, 1024),
    ATTENTION(4096, 512, 1, 4096), /* an autoencoder's middle, a quarter of its tokens */
};

static double seconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ------------------------------------------------------------------------------------------------- peak */

#define PEAK_ROWS 168
#define PEAK_REPEAT 400

static void spin(void *context, size_t piece) {
    const panel_product *product = context;
    static const uint32_t zeros[PEAK_ROWS * PANEL_ROW];
    static _Thread_local float sums[PEAK_ROWS * 32];
    (void)piece;
    for (int i = 0; i < PEAK_REPEAT; i++) { /* one panel of zeros is as long as some rows of zeros */
        product->multiply(PEAK_ROWS, PANEL_WORDS, zeros, zeros, false, sums, 32);
    }
}

static double peak_of(const panel_kernels *kernels, const panel_product *product, uint32_t threads) {
    double best = INFINITY;
    for (int i = 0; i < 10; i++) {
        double start = seconds();
        parallel_for(threads, threads, spin, (void *)(uintptr_t)product);
        best = fmin(best, seconds() - start);
    }
    return 2.0 * PEAK_ROWS * PANEL_WORDS * (double)(product->inner_per_word * kernels->cols) * PEAK_REPEAT * threads /
           best;
}

/* ------------------------------------------------------------------------------------------------- one shape */

typedef struct contest {
    op_case cases[2]; /* float32, bf16 */
    op_inputs inputs[2];
    op_setup setups[2];
    float *a, *b, *c; /* the library's */
    double best[3];
} contest;

static bool contest_prepare(side *s, contest *with, const op_case *shape) {
    *with = (contest){.best = {INFINITY, INFINITY, INFINITY}};
    for (int i = 0; i < 2; i++) {
        with->cases[i] = *shape;
        with->cases[i].precision = i == 0 ? DTYPE_F32 : DTYPE_BF16;
        if (!inputs_create(&with->cases[i], 1, &with->inputs[i]) ||
            setup_create(s, &with->cases[i], &with->inputs[i], &with->setups[i]) != DIFFCUT_OK) {
            return false;
        }
    }
    if (shape->op == OP_LINEAR) {
        with->a = calloc((size_t)shape->h * shape->c, sizeof(float));
        with->b = calloc((size_t)shape->c * shape->out, sizeof(float));
        with->c = calloc((size_t)shape->h * shape->out, sizeof(float));
        return with->a != NULL && with->b != NULL && with->c != NULL;
    }
    return true;
}

static void contest_end(side *s, contest *with) {
    for (int i = 0; i < 2; i++) {
        setup_destroy(s, &with->setups[i]);
        inputs_destroy(&with->inputs[i]);
    }
    free(with->a);
    free(with->b);
    free(with->c);
}

static void take_turns(side *s, contest *with, double end, uint32_t threads) {
    do {
        for (int i = 0; i < 3; i++) {
            const op_case *k = &with->cases[0];
            double start = seconds();
            if (i < 2) {
                (void)setup_run(s, &with->cases[i], &with->setups[i]);
            } else if (with->a != NULL) {
                (void)gemm_nn(threads, k->h, k->out, k->c, with->a, k->c, with->b, k->out, 0.0F, with->c, k->out,
                              &s->diag);
            }
            with->best[i] = fmin(with->best[i], seconds() - start);
        }
    } while (seconds() < end);
}

int main(int argc, char **argv) {
    double spend = argc > 1 ? strtod(argv[1], NULL) : 2.0;
    uint32_t threads = parallel_default_threads();
    side s;
    if (!side_open(&s, "cpu", threads)) {
        (void)fprintf(stderr, "bench_products: %s\n", s.diag.message);
        return 1;
    }
    const panel_kernels *kernels = SIMD_PICK_BF16(panel_kernels_table, cpu_best_level());
    double peak[2] = {peak_of(kernels, &kernels->f32, threads), peak_of(kernels, &kernels->bf16, threads)};
    printf("%s, %s, %u threads, peak %.0f GFLOP/s in f32, %.0f in bf16\n", cpu_level_name(cpu_best_level()),
           gemm_library(), (unsigned)threads, 1e-9 * peak[0], 1e-9 * peak[1]);
    printf("%19s %20s %9s %9s %9s   GFLOP/s, %% of peak\n", "f32", "bf16", "library", "f32/lib", "bf16/lib");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        contest with;
        char text[224];
        case_describe(&cases[i], text, sizeof text);
        if (!contest_prepare(&s, &with, &cases[i])) {
            (void)fprintf(stderr, "bench_products: no memory for %s\n", text);
            contest_end(&s, &with);
            continue;
        }
        take_turns(&s, &with, seconds() + spend, threads);
        double flops = case_flops(&cases[i]);
        double rate[3];
        for (int j = 0; j < 3; j++) {
            rate[j] = flops / with.best[j];
        }
        printf("%8.1f ms %6.1f %2.0f%% %8.1f ms %6.1f %2.0f%%", 1e3 * with.best[0], 1e-9 * rate[0],
               100.0 * rate[0] / peak[0], 1e3 * with.best[1], 1e-9 * rate[1], 100.0 * rate[1] / peak[1]);
        if (with.a != NULL) {
            printf(" %9.1f %9.2f %9.2f   %s\n", 1e-9 * rate[2], rate[0] / rate[2], rate[1] / rate[2], text);
        } else {
            printf(" %9s %9s %9s   %s\n", "-", "-", "-", text);
        }
        (void)fflush(stdout);
        contest_end(&s, &with);
    }
    side_close(&s);
    return 0;
}

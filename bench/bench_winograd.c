/*
 * bench_winograd.c - the cpu backend's ways to a 3x3 convolution of stride 1, side by side: the direct one, F(4x4,
 * 3x3) and F(6x6, 3x3).
 *
 *   bench_winograd speed    time, GFLOP/s counted as for the direct one, and the ratio to the machine's
 * matrix-product peak, all measured in turn in one run; * marks what winograd_choose picks bench_winograd error
 * largest and root-mean-square error against a convolution in double, relative to the root mean square of the result,
 * for normal and for smooth inputs bench_winograd memory   what the weights take
 *
 * Shapes: SDXL's first stage and SSD-1B's UNet encoder at 1024 x 1024, the embedded model at 512 x 512.
 * OMP_NUM_THREADS sets the threads.
 */
#include "backend/cpu/winograd.h"
#include "backend/fixture.h"

#include "core/parallel.h"
#include "core/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 5          /* each way is timed once a round; the best counts */
#define ERROR_SIZE 34     /* of the pictures whose errors are measured: not a multiple of a tile */
#define ERROR_OUTPUTS 48  /* of which every position is compared, at most */
#define SMOOTH_NOISE 0.1F /* beside a wave over the picture */

typedef struct layer {
    uint32_t size, in, out;
    uint32_t count; /* in the network */
} layer;

static const layer layers[] = {
    {1024, 128, 128, 4}, {512, 128, 256, 1}, {512, 256, 256, 3}, {256, 256, 512, 1}, {256, 512, 512, 3},
    {128, 512, 512, 8},  {128, 320, 320, 4}, {64, 320, 640, 1},  {64, 640, 640, 3},  {32, 640, 1280, 1},
    {32, 1280, 1280, 3}, {1024, 64, 64, 8},  {64, 64, 64, 4},    {32, 64, 160, 1},   {32, 160, 160, 3},
};
#define LAYERS (sizeof layers / sizeof layers[0])

static const char *const form_names[WINOGRAD_FORMS] = {"direct", "F(4x4)", "F(6x6)"};

/* As the networks describe their grids: autoencoder.c. */
static winograd_form chosen_form(const layer *l) {
    return winograd_choose(l->in, l->out, l->size >= 256);
}

static op_case case_of(const layer *l, uint32_t size) {
    return (op_case){.op = OP_CONV2D,
                     .n = 1,
                     .h = size,
                     .w = size,
                     .c = l->in,
                     .out = l->out,
                     .kernel_h = 3,
                     .kernel_w = 3,
                     .geometry = {1, 1, 1, 1, 1},
                     .bias = true};
}

static backend_weight *make_weight(side *s, const layer *l, winograd_form form, const float *data,
                                   const float *bias) {
    weight_source source = {.kind = WEIGHT_CONV,
                            .type = DTYPE_F32,
                            .data = data,
                            .bias_type = DTYPE_F32,
                            .bias = bias,
                            .out = l->out,
                            .in = l->in,
                            .kernel_h = 3,
                            .kernel_w = 3,
                            .stride = 1};
    backend_weight *weight = NULL;
    if (cpu_weight_create_form(s->backend, &source, form, &weight, &s->diag) != DIFFCUT_OK) {
        (void)fprintf(stderr, "bench_winograd: %s\n", s->diag.message);
        exit(EXIT_FAILURE);
    }
    return weight;
}

static double seconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ------------------------------------------------------------------------------------------------- speed */

static double time_once(side *s, const op_case *k, op_setup *setup, backend_weight *weight) {
    backend_weight *own = setup->weight;
    setup->weight = weight;
    double start = seconds();
    diffcut_status status = setup_run(s, k, setup);
    double taken = seconds() - start;
    setup->weight = own;
    return status == DIFFCUT_OK ? taken : HUGE_VAL;
}

/* One layer; `best` gets the time of each form and of the matrix product that shows the peak. */
static void time_layer(side *s, const layer *l, double best[WINOGRAD_FORMS], double *peak) {
    static const op_case product = {.op = OP_LINEAR, .n = 1, .h = 1024, .w = 1, .c = 1024, .out = 1024};
    op_case k = case_of(l, l->size);
    op_inputs inputs;
    op_setup setup;
    if (!inputs_create(&k, 1, &inputs) || setup_create(s, &k, &inputs, &setup) != DIFFCUT_OK) {
        (void)fprintf(stderr, "bench_winograd: %s\n", s->diag.message);
        exit(EXIT_FAILURE);
    }
    *peak = 0.0;
    for (int form = 0; form < WINOGRAD_FORMS; form++) {
        best[form] = HUGE_VAL;
    }
    for (int form = 0; form < WINOGRAD_FORMS; form++) {
        backend_weight *weight = make_weight(s, l, (winograd_form)form, inputs.weight, inputs.bias);
        (void)time_once(s, &k, &setup, weight); /* touches its scratch memory */
        for (int round = 0; round < ROUNDS; round++) {
            best[form] = fmin(best[form], time_once(s, &k, &setup, weight));
        }
        s->backend->ops->weight_destroy(weight);
        *peak = fmax(*peak, case_flops(&product) / case_time(s, &product));
    }
    setup_destroy(s, &setup);
    inputs_destroy(&inputs);
}

/* only: a layer to measure instead of the table, or NULL. */
static void bench_speed(side *s, const layer *only) {
    double totals[WINOGRAD_FORMS + 1] = {0.0};
    (void)printf("%-22s %8s", "layer", "peak");
    for (int form = 0; form < WINOGRAD_FORMS; form++) {
        (void)printf(" | %8s: ms  GFLOP/s ratio", form_names[form]);
    }
    (void)printf("\n");
    for (size_t i = 0; i < (only != NULL ? 1 : LAYERS); i++) {
        const layer *l = only != NULL ? only : &layers[i];
        op_case k = case_of(l, l->size);
        double best[WINOGRAD_FORMS];
        double peak;
        time_layer(s, l, best, &peak);
        winograd_form chosen = chosen_form(l);
        (void)printf("%4u^2 %4u -> %4u x%u %8.1f", l->size, l->in, l->out, l->count, 1e-9 * peak);
        for (int form = 0; form < WINOGRAD_FORMS; form++) {
            double rate = case_flops(&k) / best[form];
            (void)printf(" | %10.2f %8.1f %5.2f%s", 1e3 * best[form], 1e-9 * rate, rate / peak,
                         form == (int)chosen ? "*" : " ");
            totals[form] += l->count * best[form];
        }
        totals[WINOGRAD_FORMS] += l->count * best[chosen];
        (void)printf("\n");
        (void)fflush(stdout);
    }
    (void)printf("all, s: direct %.2f, F(4x4) %.2f, F(6x6) %.2f, as chosen %.2f\n", totals[0], totals[1], totals[2],
                 totals[WINOGRAD_FORMS]);
}

/* ------------------------------------------------------------------------------------------------- error */

/* One output in double. */
static double exact(const layer *l, const float *x, const float *weight, size_t row, size_t col, size_t out) {
    double sum = 0.0;
    for (size_t ky = 0; ky < 3; ky++) {
        for (size_t kx = 0; kx < 3; kx++) {
            size_t r = row + ky - 1; /* wraps to beyond the picture above and left of it */
            size_t c = col + kx - 1;
            for (size_t in = 0; in < l->in && r < ERROR_SIZE && c < ERROR_SIZE; in++) {
                sum += (double)x[(r * ERROR_SIZE + c) * l->in + in] *
                       (double)weight[((out * l->in + in) * 3 + ky) * 3 + kx];
            }
        }
    }
    return sum;
}

static void measure_layer(side *s, const layer *l, bool smooth) {
    op_case k = case_of(l, ERROR_SIZE);
    k.bias = false;
    size_t positions = (size_t)ERROR_SIZE * ERROR_SIZE;
    size_t weights = (size_t)l->in * l->out * 9;
    uint32_t outputs = l->out < ERROR_OUTPUTS ? l->out : ERROR_OUTPUTS;
    float *x = malloc(positions * l->in * sizeof *x);
    float *weight = malloc(weights * sizeof *weight);
    float *y = malloc(positions * l->out * sizeof *y);
    double *want = malloc(positions * outputs * sizeof *want);
    if (x == NULL || weight == NULL || y == NULL || want == NULL) {
        exit(EXIT_FAILURE);
    }
    random_normal(1, positions * l->in, x);
    random_normal(2, weights, weight);
    for (size_t i = 0; smooth && i < positions * l->in; i++) {
        double phase =
            (double)(i % l->in) + 0.1 * (double)(i / l->in % ERROR_SIZE) + 0.07 * (double)(i / l->in / ERROR_SIZE);
        x[i] = (float)(0.5 + sin(phase)) + SMOOTH_NOISE * x[i];
    }
    double square = 0.0;
    for (size_t i = 0; i < positions * outputs; i++) {
        want[i] = exact(l, x, weight, i / outputs / ERROR_SIZE, i / outputs % ERROR_SIZE, i % outputs);
        square += want[i] * want[i] / (double)(positions * outputs);
    }
    (void)printf("%4u -> %4u %-6s", l->in, l->out, smooth ? "smooth" : "normal");
    for (int form = 0; form < WINOGRAD_FORMS; form++) {
        op_inputs inputs = {.x = x, .weight = weight};
        op_setup setup;
        double worst = HUGE_VAL;
        double total = HUGE_VAL;
        if (setup_create(s, &k, &inputs, &setup) == DIFFCUT_OK) {
            s->backend->ops->weight_destroy(setup.weight);
            setup.weight = make_weight(s, l, (winograd_form)form, weight, NULL);
            if (setup_run(s, &k, &setup) == DIFFCUT_OK &&
                s->backend->ops->download(s->stream, &setup.y, y, &s->diag) == DIFFCUT_OK) {
                worst = 0.0;
                total = 0.0;
            }
            for (size_t i = 0; i < positions * outputs && worst < HUGE_VAL; i++) {
                double error = fabs((double)y[i / outputs * l->out + i % outputs] - want[i]);
                worst = fmax(worst, error);
                total += error * error / (double)(positions * outputs);
            }
            setup_destroy(s, &setup);
        }
        (void)printf(" | %s max %.1e rms %.1e%s", form_names[form], worst / sqrt(square), sqrt(total / square),
                     form == (int)chosen_form(l) ? "*" : " ");
    }
    (void)printf("\n");
    (void)fflush(stdout);
    free(x);
    free(weight);
    free(y);
    free(want);
}

/* ------------------------------------------------------------------------------------------------- memory */

static void show_memory(const side *s) {
    const winograd_kernels *kernels = ((const cpu_backend *)(const void *)s->backend)->winograd;
    double totals[WINOGRAD_FORMS + 1] = {0.0};
    for (size_t i = 0; i < LAYERS; i++) {
        const layer *l = &layers[i];
        winograd_form chosen = chosen_form(l);
        (void)printf("%4u^2 %4u -> %4u x%u MiB each:", l->size, l->in, l->out, l->count);
        for (int form = 0; form < WINOGRAD_FORMS; form++) {
            size_t floats = (size_t)l->in * l->out * 9;
            if (form != WINOGRAD_NONE) {
                (void)winograd_floats(kernels, (winograd_form)form, l->in, l->out, &floats);
            }
            double mebibytes = (double)(floats * sizeof(float)) / 1048576.0;
            (void)printf("  %s %.1f%s", form_names[form], mebibytes, form == (int)chosen ? "*" : " ");
            totals[form] += l->count * mebibytes;
            totals[WINOGRAD_FORMS] += form == (int)chosen ? l->count * mebibytes : 0.0;
        }
        (void)printf("\n");
    }
    (void)printf("all, MiB: direct %.0f, F(4x4) %.0f, F(6x6) %.0f, as chosen %.0f\n", totals[0], totals[1], totals[2],
                 totals[WINOGRAD_FORMS]);
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "speed";
    side s;
    if (!side_open(&s, "cpu", parallel_default_threads())) {
        (void)fprintf(stderr, "bench_winograd: %s\n", s.diag.message);
        return EXIT_FAILURE;
    }
    (void)printf("%s, %u threads\n", cpu_level_name(cpu_best_level()), (unsigned)parallel_default_threads());
    if (strcmp(what, "error") == 0) {
        for (size_t i = 0; i < LAYERS; i++) {
            measure_layer(&s, &layers[i], false);
            measure_layer(&s, &layers[i], true);
        }
    } else if (strcmp(what, "memory") == 0) {
        show_memory(&s);
    } else {
        layer only = {0, 0, 0, 1};
        if (argc == 5) {
            only.size = (uint32_t)strtoul(argv[2], NULL, 10);
            only.in = (uint32_t)strtoul(argv[3], NULL, 10);
            only.out = (uint32_t)strtoul(argv[4], NULL, 10);
        }
        bool valid = only.size > 0 && only.in > 0 && only.out > 0;
        bench_speed(&s, valid ? &only : NULL);
    }
    side_close(&s);
    return EXIT_SUCCESS;
}

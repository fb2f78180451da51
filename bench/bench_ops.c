/*
 * bench_ops.c - the operations that the networks spend their time in: time, GFLOP/s, and the share of the machine's
 * matrix-product peak, measured in the same run.
 *
 *   bench_ops [tiny|ssd1b|vae]    one network's shapes; all without an argument
 *
 * tiny: the embedded model at 512 x 512; ssd1b: SSD-1B's UNet encoder and vae: SDXL's first stage at 1024 x 1024.
 * OMP_NUM_THREADS sets the threads.
 */
#include "backend/fixture.h"

#include "core/cpu.h"
#include "core/gemm.h"
#include "core/parallel.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CONV(size, channels, outputs, k, s)                                                                          \
    {                                                                                                                \
        .op = OP_CONV2D, .n = 1, .h = (size), .w = (size), .c = (channels), .out = (outputs), .kernel_h = (k),       \
        .kernel_w = (k), .geometry = {(s), (k) / 2, (k) / 2, (k) / 2, (k) / 2}, .bias = true                         \
    }
#define LINEAR(tokens, channels, outputs, ...)                                                                       \
    { .op = OP_LINEAR, .n = 1, .h = (tokens), .w = 1, .c = (channels), .out = (outputs), .bias = true, __VA_ARGS__ }
#define ATTENTION(tokens, channels, heads, context)                                                                  \
    {                                                                                                                \
        .op = OP_ATTENTION, .n = 1, .h = (tokens), .w = 1, .c = (channels), .parts = (heads), .keys = (context),     \
        .key_images = 1                                                                                              \
    }
#define GROUP_NORM(size, channels)                                                                                   \
    { .op = OP_GROUP_NORM, .n = 1, .h = (size), .w = (size), .c = (channels), .parts = 32, .act = ACTIVATION_SILU }
#define LAYER_NORM(tokens, channels)                                                                                 \
    { .op = OP_LAYER_NORM, .n = 1, .h = (tokens), .w = 1, .c = (channels) }

static const op_case tiny[] = {
    CONV(64, 12, 64, 3, 1),
    CONV(64, 64, 64, 3, 1),
    CONV(64, 64, 64, 3, 2),
    CONV(32, 64, 160, 3, 1),
    CONV(32, 160, 160, 3, 1),
    CONV(32, 64, 160, 1, 1),
    LINEAR(1, 256, 160, .act = ACTIVATION_SILU),
    LINEAR(1024, 160, 160, .residual = RESIDUAL_OWN),
    LINEAR(1024, 160, 1280, .act = ACTIVATION_GEGLU),
    LINEAR(1024, 640, 160, .residual = RESIDUAL_OWN),
    ATTENTION(1024, 160, 5, 1024),
    ATTENTION(1024, 160, 5, 1),
    GROUP_NORM(64, 64),
    GROUP_NORM(32, 160),
    LAYER_NORM(1024, 160),
};

static const op_case ssd1b[] = {
    CONV(128, 4, 320, 3, 1),
    CONV(128, 320, 320, 3, 1),
    CONV(64, 640, 640, 3, 1),
    CONV(32, 1280, 1280, 3, 1),
    LINEAR(1, 1280, 1280, .act = ACTIVATION_SILU),
    LINEAR(4096, 640, 640, .residual = RESIDUAL_OWN),
    LINEAR(4096, 640, 5120, .act = ACTIVATION_GEGLU),
    LINEAR(1024, 1280, 1280, .residual = RESIDUAL_OWN),
    LINEAR(1024, 1280, 10240, .act = ACTIVATION_GEGLU),
    LINEAR(1024, 5120, 1280, .residual = RESIDUAL_OWN),
    ATTENTION(4096, 640, 10, 4096),
    ATTENTION(1024, 1280, 20, 1024),
    ATTENTION(1024, 1280, 20, 77),
    GROUP_NORM(128, 320),
    LAYER_NORM(1024, 1280),
};

static const op_case vae[] = {
    CONV(1024, 3, 128, 3, 1),        CONV(1024, 128, 128, 3, 1), CONV(1024, 128, 128, 3, 2),
    CONV(512, 128, 256, 3, 1),       CONV(512, 128, 256, 1, 1),  CONV(512, 256, 256, 3, 1),
    CONV(512, 256, 256, 3, 2),       CONV(256, 256, 512, 3, 1),  CONV(256, 512, 512, 3, 1),
    CONV(256, 512, 512, 3, 2),       CONV(128, 512, 512, 3, 1),  CONV(128, 512, 8, 3, 1),
    ATTENTION(16384, 512, 1, 16384), GROUP_NORM(1024, 128),      GROUP_NORM(256, 512),
};

/* The best of the shapes that suit a product: what the others are measured by. */
static double peak_flops(side *s) {
    static const op_case squares[] = {LINEAR(1024, 1024, 1024, .weight_type = DTYPE_F32),
                                      LINEAR(1024, 2880, 160, .weight_type = DTYPE_F32)};
    double peak = 0.0;
    for (size_t i = 0; i < sizeof squares / sizeof squares[0]; i++) {
        double rate = case_flops(&squares[i]) / case_time(s, &squares[i]);
        peak = rate > peak ? rate : peak;
    }
    return peak;
}

static void bench_network(side *s, const char *name, const op_case *cases, size_t count, double peak) {
    printf("%s\n", name);
    for (size_t i = 0; i < count; i++) {
        char text[224];
        case_describe(&cases[i], text, sizeof text);
        double time = case_time(s, &cases[i]);
        double rate = case_flops(&cases[i]) / time;
        printf("%9.3f ms %8.1f GFLOP/s %4.0f %%  %s\n", 1e3 * time, 1e-9 * rate, 100.0 * rate / peak, text);
    }
}

int main(int argc, char **argv) {
    const char *network = argc > 1 ? argv[1] : NULL;
    side s;
    if (!side_open(&s, NULL, parallel_default_threads())) {
        (void)fprintf(stderr, "bench_ops: %s\n", s.diag.message);
        return 1;
    }
    double peak = peak_flops(&s);
    printf("backend %s, %s, %s, %u threads: %.1f GFLOP/s at best\n", s.backend->ops->name, gemm_library(),
           cpu_level_name(cpu_best_level()), (unsigned)parallel_default_threads(), 1e-9 * peak);
    if (network == NULL || strcmp(network, "tiny") == 0) {
        bench_network(&s, "embedded model, 512 x 512", tiny, sizeof tiny / sizeof tiny[0], peak);
    }
    if (network == NULL || strcmp(network, "ssd1b") == 0) {
        bench_network(&s, "SSD-1B's UNet encoder, 1024 x 1024", ssd1b, sizeof ssd1b / sizeof ssd1b[0], peak);
    }
    if (network == NULL || strcmp(network, "vae") == 0) {
        bench_network(&s, "SDXL's first stage, 1024 x 1024", vae, sizeof vae / sizeof vae[0], peak);
    }
    side_close(&s);
    return 0;
}

/*
 * check_backend.c - every operation of every backend against the reference, over a table of shapes and options.
 *
 *   check_backend            prints, for each backend and operation, the number of cases and the largest error
 *   check_backend --every N  does every N-th case only, for slow machines
 *   check_backend --bench    prints GFLOP/s of the larger shapes instead
 *
 * DIFFCUT_CPU=generic|avx2|avx512|avx512bf16 picks the instruction set; ctest runs each. The error of an element is
 * its distance from the reference's, relative to the reference's size plus the root mean square of all (at least
 * 1e-37, for denormals): results that cancel to almost 0 are as good as their neighbours.
 */
#include "fixture.h"

#include "core/cpu.h"
#include "core/parallel.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Largest error by operation: float32 sums of up to 1440 products, measured 1.4e-6; attention, whose exp passes on
 * the errors of such sums, 2.6e-6; normalisation 2.8e-7; activations 1.6e-7. Doubled or tripled for other orders of
 * summation in other releases of the GEMM library. */
static const double tolerances[OP_COUNT] = {
    [OP_LINEAR] = 4e-6,     [OP_CONV2D] = 4e-6,    [OP_DEPTHWISE] = 4e-6,     [OP_GROUP_NORM] = 1e-6,
    [OP_LAYER_NORM] = 1e-6, [OP_ATTENTION] = 6e-6, [OP_ATTENTION_MAP] = 6e-6, [OP_ADD] = 5e-7,
};

typedef struct tally {
    size_t cases, failures;
    double worst;
    char worst_case[224];
} tally;

typedef struct checker {
    side reference, tested;
    tally tallies[OP_COUNT];
    size_t case_index;
    size_t every;
} checker;

/* ------------------------------------------------------------------------------------------------- one case */

/* Winograd's convolution, which the cpu backend uses for 3x3 kernels of stride 1 between 16 channels and more: its
 * transforms amplify the rounding of the sums. Measured 3.2e-5 over these cases; with denormals, whose rounding is
 * absolute, 3e-4. */
#define WINOGRAD_CHANNELS 16
#define WINOGRAD_TOLERANCE 6e-5
#define WINOGRAD_DENORMAL_TOLERANCE 6e-4

/* In bf16 a linear layer's operands are exact here, so that only the order of summation differs; attention rounds
 * queries times scale, and the softmax's weights, to 9 bits (measured 1.2e-2). AVX512-BF16 takes denormals for 0. */
#define BF16_ATTENTION 2.5e-2
#define BF16_DENORMAL 2e-2

/* A score's rounding error grows with its size, and exp passes it on. */
static double tolerance_of(const op_case *k) {
    if (k->op == OP_CONV2D && k->kernel_h == 3 && k->kernel_w == 3 && k->geometry.stride == 1 &&
        k->c >= WINOGRAD_CHANNELS && k->out >= WINOGRAD_CHANNELS) {
        return k->flavour == FLAVOUR_DENORMAL ? WINOGRAD_DENORMAL_TOLERANCE : WINOGRAD_TOLERANCE;
    }
    if (k->precision == DTYPE_BF16 && (k->op == OP_ATTENTION || k->flavour == FLAVOUR_DENORMAL)) {
        double unit = k->flavour == FLAVOUR_DENORMAL ? BF16_DENORMAL : BF16_ATTENTION;
        return unit * (k->sharpness > 1.0F ? (double)k->sharpness : 1.0);
    }
    return tolerances[k->op] * (k->sharpness > 1.0F ? (double)k->sharpness : 1.0);
}

/* Compares and says where the worst element is when it is over the tolerance. */
static bool compare(const op_case *k, const char *text, const float *want, const float *got, tally *t) {
    size_t count = case_result_elements(k);
    double square = 0.0;
    for (size_t i = 0; i < count; i++) {
        square += (double)want[i] * (double)want[i] / (double)count;
    }
    double unit = sqrt(square) > 1e-37 ? sqrt(square) : 1e-37;
    double worst = 0.0;
    size_t place = 0;
    for (size_t i = 0; i < count; i++) {
        double error = fabs((double)got[i] - (double)want[i]) / (unit + fabs((double)want[i]));
        if (!(error <= worst)) { /* also NaN */
            worst = error;
            place = i;
        }
    }
    if (!(worst / tolerance_of(k) * tolerances[k->op] <= t->worst)) {
        t->worst = worst / tolerance_of(k) * tolerances[k->op];
        (void)snprintf(t->worst_case, sizeof t->worst_case, "%s", text);
    }
    if (worst <= tolerance_of(k)) {
        return true;
    }
    uint32_t shape[4];
    case_result_shape(k, shape);
    size_t position = place / shape[3];
    printf("FAIL %s: error %.3g at (%zu, %zu, %zu, %zu): %.9g, reference %.9g\n", text, worst,
           position / shape[2] / shape[1], position / shape[2] % shape[1], position % shape[2], place % shape[3],
           (double)got[place], (double)want[place]);
    return false;
}

static void check_case(checker *check, const op_case *k) {
    tally *t = &check->tallies[k->op];
    char text[224];
    if (++check->case_index % check->every != 0) {
        return;
    }
    case_describe(k, text, sizeof text);
    op_inputs inputs;
    size_t count = case_result_elements(k);
    float *want = malloc(count * sizeof *want);
    float *got = malloc(count * sizeof *got);
    bool intact = true;
    bool good = inputs_create(k, 1000 + check->case_index, &inputs) && want != NULL && got != NULL;
    if (good && case_run(&check->reference, k, &inputs, want, &intact) != DIFFCUT_OK) {
        printf("FAIL %s: reference: %s\n", text, check->reference.diag.message);
        good = false;
    }
    if (good && case_run(&check->tested, k, &inputs, got, &intact) != DIFFCUT_OK) {
        printf("FAIL %s: %s\n", text, check->tested.diag.message);
        good = false;
    }
    if (good && !intact) {
        printf("FAIL %s: wrote outside of its view\n", text);
        good = false;
    }
    good = good && compare(k, text, want, got, t);
    t->cases++;
    t->failures += good ? 0 : 1;
    inputs_destroy(&inputs);
    free(want);
    free(got);
}

/* The case as given, dense and strided, and with each flavour in turn where that says something. */
static void check_layouts(checker *check, op_case k) {
    for (int strided = 0; strided < 2; strided++) {
        k.strided = strided != 0;
        check_case(check, &k);
    }
}

/* ------------------------------------------------------------------------------------------------- products */

/* Every combination of bias, time embedding, activation, residual and weight type on one shape. */
static void check_epilogues(checker *check, op_case k) {
    activation last = k.op == OP_LINEAR && k.out % 2 == 0 ? ACTIVATION_SWIGLU : ACTIVATION_GELU_TANH;
    for (unsigned options = 0; options < 4; options++) {
        k.bias = (options & 1U) != 0;
        k.per_image = (options & 2U) != 0;
        for (activation act = ACTIVATION_NONE; act <= last; act++) {
            k.act = act;
            for (residual_use residual = RESIDUAL_NONE; residual <= RESIDUAL_IS_Y; residual++) {
                k.residual = residual;
                k.weight_type = (dtype)((options + act + residual) % 3);
                check_layouts(check, k);
            }
        }
    }
}

/* One shape with options that change from shape to shape, then with unusual values. */
static void check_product(checker *check, op_case k) {
    size_t i = check->case_index;
    k.bias = i % 3 != 0;
    k.weight_type = (dtype)(i % 3);
    k.residual = (residual_use)(i / 2 % 3);
    check_layouts(check, k);
    k.bias = false;
    k.residual = RESIDUAL_NONE;
    k.flavour = FLAVOUR_DENORMAL;
    check_case(check, &k);
    k.flavour = FLAVOUR_HUGE;
    check_case(check, &k);
    if (k.op == OP_LINEAR) {
        k.precision = DTYPE_BF16;
        for (flavour f = FLAVOUR_NORMAL; f <= FLAVOUR_HUGE; f++) {
            k.flavour = f;
            k.weight_type = (dtype)((i + f) % 3);
            check_layouts(check, k);
        }
    }
}

static const op_case linear_cases[] = {
    {.n = 1, .h = 1, .w = 1, .c = 1, .out = 1},
    {.n = 1, .h = 1, .w = 1, .c = 320, .out = 1280}, /* the time embedding */
    {.n = 3, .h = 1, .w = 1, .c = 17, .out = 5},
    {.n = 2, .h = 77, .w = 1, .c = 33, .out = 31},
    {.n = 1, .h = 129, .w = 1, .c = 64, .out = 65},
    {.n = 1, .h = 16, .w = 17, .c = 160, .out = 160},
    {.n = 2, .h = 5, .w = 7, .c = 48, .out = 1300}, /* more outputs than one tile */
    {.n = 1, .h = 300, .w = 1, .c = 1, .out = 3},
    {.n = 1, .h = 340, .w = 1, .c = 401, .out = 90}, /* several steps of the inner index in float32 and bf16 */
    {.n = 1, .h = 15, .w = 1, .c = 1153, .out = 33},
};

#define PADDED(k, s) .kernel_h = (k), .kernel_w = (k), .geometry = {(s), (k) / 2, (k) / 2, (k) / 2, (k) / 2}

static const op_case conv_cases[] = {
    {.n = 1, .h = 1, .w = 1, .c = 1, .out = 1, PADDED(3, 1)},
    {.n = 1, .h = 1, .w = 1, .c = 5, .out = 7, PADDED(1, 1)},
    {.n = 2, .h = 9, .w = 11, .c = 12, .out = 64, PADDED(3, 1)},
    {.n = 1, .h = 13, .w = 6, .c = 3, .out = 10, PADDED(3, 2)},
    {.n = 2, .h = 8, .w = 8, .c = 16, .out = 24, PADDED(1, 1)},
    {.n = 1, .h = 8, .w = 9, .c = 16, .out = 24, PADDED(1, 2)},
    {.n = 1, .h = 10, .w = 10, .c = 4, .out = 6, .kernel_h = 3, .kernel_w = 3, .geometry = {2, 0, 0, 1, 1}},
    {.n = 1, .h = 7, .w = 5, .c = 2, .out = 3, .kernel_h = 5, .kernel_w = 1, .geometry = {1, 2, 0, 2, 0}},
    {.n = 1, .h = 6, .w = 6, .c = 2, .out = 3, .kernel_h = 2, .kernel_w = 4, .geometry = {3, 1, 3, 2, 4}},
    {.n = 1, .h = 3, .w = 2, .c = 2, .out = 3, .kernel_h = 3, .kernel_w = 3, .geometry = {1, 4, 5, 6, 7}},
    {.n = 1, .h = 32, .w = 32, .c = 3, .out = 32, .kernel_h = 16, .kernel_w = 16, .geometry = {16, 0, 0, 0, 0}},
    {.n = 1, .h = 20, .w = 21, .c = 64, .out = 64, PADDED(3, 1)},
    {.n = 1, .h = 9, .w = 10, .c = 160, .out = 160, PADDED(3, 1)},
    {.n = 1, .h = 3, .w = 3, .c = 1500, .out = 20, PADDED(3, 1)}, /* several steps of gathered patches */
    {.n = 1, .h = 12, .w = 12, .c = 7, .out = 700, PADDED(3, 1)},
};

/* Images narrower and lower than the kernel, runs of every length, channels around every vector's width. */
static const op_case depthwise_cases[] = {
    {.n = 1, .h = 1, .w = 1, .c = 1, .kernel_h = 7, .kernel_w = 7},
    {.n = 1, .h = 2, .w = 3, .c = 5, .kernel_h = 7, .kernel_w = 7},
    {.n = 1, .h = 3, .w = 7, .c = 33, .kernel_h = 7, .kernel_w = 7},
    {.n = 2, .h = 9, .w = 12, .c = 16, .kernel_h = 7, .kernel_w = 7},
    {.n = 1, .h = 8, .w = 19, .c = 40, .kernel_h = 7, .kernel_w = 7},
    {.n = 3, .h = 11, .w = 5, .c = 47, .kernel_h = 3, .kernel_w = 5},
    {.n = 1, .h = 4, .w = 130, .c = 7, .kernel_h = 5, .kernel_w = 1},
    {.n = 1, .h = 33, .w = 31, .c = 96, .kernel_h = 7, .kernel_w = 7},
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void check_products(checker *check) {
    check_epilogues(check, (op_case){.op = OP_LINEAR, .n = 2, .h = 5, .w = 3, .c = 19, .out = 38});
    check_epilogues(check, (op_case){.op = OP_LINEAR, .n = 2, .h = 70, .w = 1, .c = 24, .out = 1100});
    check_epilogues(check,
                    (op_case){.op = OP_LINEAR, .n = 2, .h = 9, .w = 1, .c = 19, .out = 38, .precision = DTYPE_BF16});
    check_epilogues(check, (op_case){.op = OP_CONV2D, .n = 2, .h = 6, .w = 5, .c = 9, .out = 21, PADDED(3, 1)});
    check_epilogues(check, (op_case){.op = OP_CONV2D, .n = 2, .h = 6, .w = 5, .c = 9, .out = 21, PADDED(1, 1)});
    for (size_t i = 0; i < COUNT(linear_cases); i++) {
        op_case k = linear_cases[i];
        k.op = OP_LINEAR;
        check_product(check, k);
    }
    for (size_t i = 0; i < COUNT(conv_cases); i++) {
        op_case k = conv_cases[i];
        k.op = OP_CONV2D;
        check_product(check, k);
    }
    for (size_t i = 0; i < COUNT(depthwise_cases); i++) {
        op_case k = depthwise_cases[i];
        k.op = OP_DEPTHWISE;
        for (flavour f = FLAVOUR_NORMAL; f < FLAVOUR_COUNT; f++) {
            k.flavour = f;
            k.bias = f % 2 == 0;
            k.weight_type = (dtype)((i + f) % 3);
            check_layouts(check, k);
        }
    }
}

/* ------------------------------------------------------------------------------------------------- the others */

static void check_norms(checker *check) {
    static const op_case cases[] = {
        {.n = 1, .h = 1, .w = 1, .c = 32, .parts = 8},     {.n = 2, .h = 7, .w = 5, .c = 64, .parts = 32},
        {.n = 3, .h = 3, .w = 3, .c = 30, .parts = 1},     {.n = 1, .h = 33, .w = 31, .c = 20, .parts = 20},
        {.n = 1, .h = 16, .w = 16, .c = 160, .parts = 32}, {.n = 1, .h = 70, .w = 300, .c = 3, .parts = 1},
        {.n = 1, .h = 9, .w = 1, .c = 1, .parts = 1},      {.n = 1, .h = 2, .w = 2, .c = 1283, .parts = 1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        op_case k = cases[i];
        for (flavour f = FLAVOUR_NORMAL; f < FLAVOUR_COUNT; f++) {
            k.flavour = f;
            k.weight_type = (dtype)(f % 3);
            k.op = OP_GROUP_NORM;
            for (activation act = ACTIVATION_NONE; act <= ACTIVATION_GELU_TANH; act++) {
                k.act = act;
                k.in_place = act % 2 != 0;
                check_layouts(check, k);
            }
            k.op = OP_LAYER_NORM;
            k.act = ACTIVATION_NONE;
            for (int in_place = 0; in_place < 2; in_place++) {
                k.in_place = in_place != 0;
                check_layouts(check, k);
            }
        }
    }
}

static void check_attention(checker *check) {
    static const op_case cases[] = {
        {.n = 1, .h = 1, .c = 1, .parts = 1, .keys = 1, .key_images = 1},
        {.n = 1, .h = 5, .c = 12, .parts = 3, .keys = 7, .key_images = 1},
        {.n = 2, .h = 77, .c = 64, .parts = 2, .keys = 77, .key_images = 2, .causal = true},
        {.n = 3, .h = 40, .c = 40, .parts = 5, .keys = 77, .key_images = 1},
        {.n = 1, .h = 130, .c = 32, .parts = 1, .keys = 1100, .key_images = 1},
        {.n = 1, .h = 300, .c = 33, .parts = 3, .keys = 600, .key_images = 1, .causal = true},
        {.n = 1, .h = 600, .c = 16, .parts = 2, .keys = 30, .key_images = 1, .causal = true},
        {.n = 1, .h = 70, .c = 512, .parts = 1, .keys = 300, .key_images = 1},
        {.n = 2, .h = 256, .c = 160, .parts = 5, .keys = 256, .key_images = 2},
        {.n = 1, .h = 9, .c = 3000, .parts = 1, .keys = 100, .key_images = 1},
    };
    static const flavour flavours[] = {FLAVOUR_NORMAL, FLAVOUR_DENORMAL, FLAVOUR_CONSTANT};
    for (size_t i = 0; i < COUNT(cases); i++) {
        op_case k = cases[i];
        k.op = OP_ATTENTION;
        k.w = 1;
        for (size_t f = 0; f < COUNT(flavours); f++) {
            k.flavour = flavours[f];
            check_layouts(check, k);
        }
        k.flavour = FLAVOUR_NORMAL;
        k.sharpness = 6.0F; /* a few keys take it all */
        check_layouts(check, k);
        k.precision = DTYPE_BF16;
        check_layouts(check, k);
        k.sharpness = 0.0F;
        check_layouts(check, k);
    }
}

/* The weights themselves; the same shapes matter as in attention, but none is causal. */
static void check_attention_map(checker *check) {
    static const op_case cases[] = {
        {.n = 1, .h = 1, .c = 1, .parts = 1, .keys = 1, .key_images = 1},
        {.n = 1, .h = 5, .c = 12, .parts = 3, .keys = 7, .key_images = 1},
        {.n = 3, .h = 40, .c = 40, .parts = 5, .keys = 77, .key_images = 1},
        {.n = 2, .h = 130, .c = 33, .parts = 3, .keys = 300, .key_images = 2},
        {.n = 1, .h = 256, .c = 320, .parts = 8, .keys = 256, .key_images = 1},
    };
    static const flavour flavours[] = {FLAVOUR_NORMAL, FLAVOUR_DENORMAL, FLAVOUR_CONSTANT};
    for (size_t i = 0; i < COUNT(cases); i++) {
        op_case k = cases[i];
        k.op = OP_ATTENTION_MAP;
        k.w = 1;
        for (size_t f = 0; f < COUNT(flavours); f++) {
            k.flavour = flavours[f];
            check_layouts(check, k);
        }
        k.flavour = FLAVOUR_NORMAL;
        k.sharpness = 6.0F;
        check_layouts(check, k);
    }
}

static void check_add(checker *check) {
    static const op_case cases[] = {
        {.n = 1, .h = 1, .w = 1, .c = 1},
        {.n = 2, .h = 3, .w = 5, .c = 7},
        {.n = 1, .h = 33, .w = 32, .c = 160},
        {.n = 1, .h = 1, .w = 1, .c = 20001},
    };
    static const flavour flavours[] = {FLAVOUR_NORMAL, FLAVOUR_DENORMAL, FLAVOUR_HUGE};
    for (size_t i = 0; i < COUNT(cases); i++) {
        op_case k = cases[i];
        k.op = OP_ADD;
        for (unsigned option = 0; option < 4; option++) {
            k.bias = (option & 1U) != 0; /* with b */
            k.in_place = (option & 2U) != 0;
            for (activation act = ACTIVATION_NONE; act <= ACTIVATION_GELU_TANH; act++) {
                k.act = act;
                for (size_t f = 0; f < COUNT(flavours); f++) {
                    k.flavour = flavours[f];
                    check_layouts(check, k);
                }
            }
        }
    }
}

/* ------------------------------------------------------------------------------------------------- programs */

static size_t check_backend(const char *name, size_t every) {
    checker check = {.every = every};
    if (!side_open(&check.reference, "ref", 1)) {
        printf("FAIL ref: %s\n", check.reference.diag.message);
        return 1;
    }
    if (!side_open(&check.tested, name, 2)) {
        printf("FAIL %s: %s\n", name, check.tested.diag.message);
        side_close(&check.reference);
        return 1;
    }
    check_products(&check);
    check_norms(&check);
    check_attention(&check);
    check_attention_map(&check);
    check_add(&check);
    size_t failures = 0;
    for (operation op = 0; op < OP_COUNT; op++) {
        const tally *t = &check.tallies[op];
        printf("%s (%s) %-10s %4zu cases, %zu failed, largest error %.2e (allowed %.0e) in %s\n", name,
               cpu_level_name(cpu_best_level()), operation_name(op), t->cases, t->failures, t->worst, tolerances[op],
               t->worst_case);
        failures += t->failures;
    }
    side_close(&check.tested);
    side_close(&check.reference);
    return failures;
}

static void bench_backend(const char *name) {
    static const op_case cases[] = {
        {.op = OP_CONV2D, .n = 1, .h = 64, .w = 64, .c = 12, .out = 64, PADDED(3, 1)},
        {.op = OP_CONV2D, .n = 1, .h = 64, .w = 64, .c = 64, .out = 64, PADDED(3, 1)},
        {.op = OP_CONV2D, .n = 1, .h = 64, .w = 64, .c = 64, .out = 64, PADDED(3, 2)},
        {.op = OP_CONV2D, .n = 1, .h = 32, .w = 32, .c = 160, .out = 160, PADDED(3, 1)},
        {.op = OP_CONV2D, .n = 1, .h = 32, .w = 32, .c = 64, .out = 160, PADDED(1, 1)},
        {.op = OP_DEPTHWISE, .n = 1, .h = 256, .w = 256, .c = 192, .kernel_h = 7, .kernel_w = 7},
        {.op = OP_DEPTHWISE, .n = 1, .h = 64, .w = 64, .c = 768, .kernel_h = 7, .kernel_w = 7},
        {.op = OP_LINEAR, .n = 1, .h = 4096, .w = 1, .c = 768, .out = 3072, .act = ACTIVATION_GELU, .bias = true},
        {.op = OP_LINEAR, .n = 1, .h = 4096, .w = 1, .c = 3072, .out = 768, .residual = RESIDUAL_OWN},
        {.op = OP_LINEAR, .n = 1, .h = 1024, .w = 1, .c = 160, .out = 480},
        {.op = OP_LINEAR, .n = 1, .h = 1024, .w = 1, .c = 160, .out = 1280, .act = ACTIVATION_GEGLU, .bias = true},
        {.op = OP_LINEAR, .n = 1, .h = 1024, .w = 1, .c = 640, .out = 160, .residual = RESIDUAL_OWN},
        {.op = OP_ATTENTION, .n = 1, .h = 1024, .w = 1, .c = 160, .parts = 5, .keys = 1024, .key_images = 1},
        {.op = OP_ATTENTION, .n = 1, .h = 1024, .w = 1, .c = 1280, .parts = 20, .keys = 1024, .key_images = 1},
        {.op = OP_ATTENTION, .n = 1, .h = 1024, .w = 1, .c = 512, .parts = 1, .keys = 1024, .key_images = 1},
        {.op = OP_GROUP_NORM, .n = 1, .h = 64, .w = 64, .c = 64, .parts = 32, .act = ACTIVATION_SILU},
        {.op = OP_GROUP_NORM, .n = 1, .h = 32, .w = 32, .c = 160, .parts = 32, .act = ACTIVATION_SILU},
        {.op = OP_LAYER_NORM, .n = 1, .h = 1024, .w = 1, .c = 160},
        {.op = OP_ADD, .n = 1, .h = 1024, .w = 1, .c = 1280, .bias = true, .act = ACTIVATION_GELU},
    };
    side s;
    if (!side_open(&s, name, parallel_default_threads())) {
        printf("%s: %s\n", name, s.diag.message);
        return;
    }
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[224];
        case_describe(&cases[i], text, sizeof text);
        double time = case_time(&s, &cases[i]);
        printf("%s %9.3f ms %8.1f GFLOP/s  %s\n", name, 1e3 * time, 1e-9 * case_flops(&cases[i]) / time, text);
    }
    side_close(&s);
}

int main(int argc, char **argv) {
    bool bench = argc > 1 && strcmp(argv[1], "--bench") == 0;
    long every = argc > 2 && strcmp(argv[1], "--every") == 0 ? strtol(argv[2], NULL, 10) : 1;
    size_t count;
    size_t failures = 0;
    const backend_ops *const *backends = backend_list(&count);
    for (size_t i = 1; i < count; i++) { /* the first is the reference */
        if (bench) {
            bench_backend(backends[i]->name);
        } else {
            failures += check_backend(backends[i]->name, every > 1 ? (size_t)every : 1);
        }
    }
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* What Winograd's convolution promises: each of its forms, asked for by name, equals the reference over odd shapes,
 * paddings and epilogues; no bit depends on the thread count; a weight made for one stride keeps one copy and refuses
 * another stride; NaN stays near where it was; running out of memory is an error, not a crash. */
#include "test.h"

#include "backend/cpu/winograd.h"
#include "fixture.h"

#include "core/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CONV(images, height, width, channels, outputs, ...)                                                          \
    {                                                                                                                \
        .op = OP_CONV2D, .n = (images), .h = (height), .w = (width), .c = (channels), .out = (outputs),              \
        .kernel_h = 3, .kernel_w = 3, .geometry = {                                                                  \
            __VA_ARGS__                                                                                              \
        }                                                                                                            \
    }
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Stride, then padding above, left, below, right. */
static const op_case cases[] = {
    CONV(1, 1, 1, 1, 1, 1, 1, 1, 1, 1),      /* one tile, nearly all of it padding */
    CONV(1, 3, 3, 1, 1, 1, 0, 0, 0, 0),      /* no padding, one position */
    CONV(1, 4, 4, 16, 32, 1, 1, 1, 1, 1),    /* exactly one tile of F(4x4) */
    CONV(1, 6, 6, 32, 16, 1, 1, 1, 1, 1),    /* exactly one tile of F(6x6) */
    CONV(3, 5, 7, 3, 5, 1, 1, 1, 1, 1),      /* less than a vector, several images */
    CONV(2, 13, 25, 17, 33, 1, 1, 1, 1, 1),  /* one more than whole vectors and panels */
    CONV(1, 7, 50, 31, 47, 1, 1, 1, 1, 1),   /* one less */
    CONV(1, 9, 8, 20, 70, 1, 0, 1, 1, 0),    /* padding on two sides */
    CONV(1, 8, 9, 20, 70, 1, 2, 0, 3, 1),    /* more padding than a kernel needs */
    CONV(1, 2, 3, 8, 8, 1, 9, 7, 8, 11),     /* whole tiles of padding */
    CONV(1, 64, 3, 64, 64, 1, 1, 1, 1, 1),   /* narrow */
    CONV(1, 40, 44, 24, 40, 1, 1, 1, 1, 1),  /* several blocks of tiles */
    CONV(2, 30, 31, 130, 20, 1, 1, 1, 1, 1), /* chains of channels that end in a short one */
    CONV(1, 6, 5, 700, 300, 1, 1, 1, 1, 1),  /* several groups of outputs */
};

/* Relative to the root mean square of the result; measured 4.1e-6 and 2.7e-5 over these cases. */
static const double tolerances[WINOGRAD_FORMS] = {4e-6, 1.2e-5, 8e-5};

static const char *const names[WINOGRAD_FORMS] = {"direct", "F(4x4)", "F(6x6)"};

/* ------------------------------------------------------------------------------------------------- helpers */

static float *floats(size_t count) {
    float *block = calloc(count, sizeof *block);
    assert_non_null(block);
    return block;
}

static weight_source source_of(const op_case *k, const op_inputs *inputs, uint32_t stride) {
    return (weight_source){.kind = WEIGHT_CONV,
                           .type = k->weight_type,
                           .data = inputs->weight,
                           .bias_type = k->weight_type,
                           .bias = k->bias ? inputs->bias : NULL,
                           .out = k->out,
                           .in = k->c,
                           .kernel_h = 3,
                           .kernel_w = 3,
                           .stride = stride};
}

/* Runs the case on the cpu backend with a weight of this form. */
static void run_form(const op_case *k, const op_inputs *inputs, winograd_form form, uint32_t threads, float *result) {
    side s;
    op_setup setup;
    assert_true(side_open(&s, "cpu", threads));
    assert_int_equal(setup_create(&s, k, inputs, &setup), DIFFCUT_OK);
    s.backend->ops->weight_destroy(setup.weight);
    setup.weight = NULL;
    weight_source source = source_of(k, inputs, 1);
    assert_int_equal(cpu_weight_create_form(s.backend, &source, form, &setup.weight, &s.diag), DIFFCUT_OK);
    assert_int_equal(setup_run(&s, k, &setup), DIFFCUT_OK);
    assert_int_equal(s.backend->ops->download(s.stream, &setup.y, result, &s.diag), DIFFCUT_OK);
    setup_destroy(&s, &setup);
    side_close(&s);
}

/* Every form of one case against the reference. */
static void compare_forms(const op_case *k, uint64_t seed, double worst[WINOGRAD_FORMS]) {
    op_inputs inputs;
    side reference;
    bool intact;
    size_t count = case_result_elements(k);
    float *want = floats(count);
    float *got = floats(count);
    assert_true(inputs_create(k, seed, &inputs));
    assert_true(side_open(&reference, "ref", 1));
    assert_int_equal(case_run(&reference, k, &inputs, want, &intact), DIFFCUT_OK);
    side_close(&reference);
    double square = 0.0;
    for (size_t i = 0; i < count; i++) {
        square += (double)want[i] * (double)want[i] / (double)count;
    }
    for (int form = 0; form < WINOGRAD_FORMS; form++) {
        run_form(k, &inputs, (winograd_form)form, 2, got);
        for (size_t i = 0; i < count; i++) {
            double error = fabs((double)got[i] - (double)want[i]) / (sqrt(square) + fabs((double)want[i]));
            worst[form] = fmax(worst[form], error);
            if (!(error <= tolerances[form])) {
                char text[224];
                case_describe(k, text, sizeof text);
                print_error("%s of %s: element %zu is %.9g, reference %.9g, error %.2g\n", names[form], text, i,
                            (double)got[i], (double)want[i], error);
                fail();
            }
        }
    }
    inputs_destroy(&inputs);
    free(want);
    free(got);
}

/* ------------------------------------------------------------------------------------------------- numbers */

static void every_form_equals_the_reference_over_odd_shapes(void **state) {
    (void)state;
    double worst[WINOGRAD_FORMS] = {0.0};
    for (size_t i = 0; i < COUNT(cases); i++) {
        op_case k = cases[i];
        k.bias = i % 2 == 0;
        k.per_image = i % 3 == 0;
        k.residual = (residual_use)(i % 3);
        k.act = i % 4 == 0 ? ACTIVATION_SILU : ACTIVATION_NONE;
        for (int strided = 0; strided < 2; strided++) {
            k.strided = strided != 0;
            k.weight_type = (dtype)((i + (size_t)strided) % 3);
            compare_forms(&k, i + 1, worst);
        }
    }
    print_message("largest errors: direct %.2g, F(4x4) %.2g, F(6x6) %.2g\n", worst[WINOGRAD_NONE], worst[WINOGRAD_F4],
                  worst[WINOGRAD_F6]);
}

static void every_epilogue_is_applied(void **state) {
    (void)state;
    double worst[WINOGRAD_FORMS] = {0.0};
    op_case k = CONV(2, 9, 7, 19, 37, 1, 1, 1, 1, 1);
    for (unsigned options = 0; options < 4; options++) {
        k.bias = (options & 1U) != 0;
        k.per_image = (options & 2U) != 0;
        for (activation act = ACTIVATION_NONE; act <= ACTIVATION_QUICK_GELU; act++) {
            k.act = act;
            for (residual_use residual = RESIDUAL_NONE; residual <= RESIDUAL_IS_Y; residual++) {
                k.residual = residual;
                k.strided = !k.strided;
                compare_forms(&k, 77, worst);
            }
        }
    }
}

static void no_bit_depends_on_the_thread_count(void **state) {
    (void)state;
    op_case k = CONV(2, 37, 41, 48, 200, 1, 1, 1, 1, 1);
    op_inputs inputs;
    size_t count = case_result_elements(&k);
    float *one = floats(count);
    float *many = floats(count);
    assert_true(inputs_create(&k, 5, &inputs));
    for (int form = WINOGRAD_F4; form < WINOGRAD_FORMS; form++) {
        run_form(&k, &inputs, (winograd_form)form, 1, one);
        for (uint32_t threads = 2; threads <= 5; threads++) {
            run_form(&k, &inputs, (winograd_form)form, threads, many);
            assert_memory_equal(one, many, count * sizeof *one);
        }
    }
    inputs_destroy(&inputs);
    free(one);
    free(many);
}

/* A NaN reaches every output whose kernel sees it, and no output outside of the tiles that do. */
static void nan_stays_in_the_tiles_that_see_it(void **state) {
    (void)state;
    op_case k = CONV(1, 24, 24, 16, 16, 1, 1, 1, 1, 1);
    op_inputs inputs;
    float *result = floats(case_result_elements(&k));
    assert_true(inputs_create(&k, 6, &inputs));
    inputs.x[(13 * 24 + 13) * 16 + 3] = NAN;
    for (int form = WINOGRAD_F4; form < WINOGRAD_FORMS; form++) {
        run_form(&k, &inputs, (winograd_form)form, 2, result);
        for (size_t i = 0; i < case_result_elements(&k); i++) {
            size_t row = i / 16 / 24;
            size_t col = i / 16 % 24;
            bool near = row >= 12 && row <= 14 && col >= 12 && col <= 14;
            bool far = row < 6 || row >= 20 || col < 6 || col >= 20;
            assert_true(!near || isnan(result[i]));
            assert_true(!far || isfinite(result[i]));
        }
    }
    inputs_destroy(&inputs);
    free(result);
}

/* ------------------------------------------------------------------------------------------------- weights */

static void a_form_follows_from_the_channels(void **state) {
    (void)state;
    for (int large = 0; large < 2; large++) {
        assert_int_equal(winograd_choose(3, 128, large), WINOGRAD_NONE);
        assert_int_equal(winograd_choose(512, 8, large), WINOGRAD_NONE);
        assert_int_equal(winograd_choose(128, 128, large), WINOGRAD_F6);
        assert_int_equal(winograd_choose(256, 256, large), WINOGRAD_F6);
        assert_int_equal(winograd_choose(512, 512, large), large ? WINOGRAD_F6 : WINOGRAD_F4);
        assert_int_equal(winograd_choose(640, 640, large), WINOGRAD_F4);
        assert_int_equal(winograd_choose(640, 1280, large), WINOGRAD_NONE);
        assert_int_equal(winograd_choose(UINT32_MAX, UINT32_MAX, large), WINOGRAD_NONE);
    }
}

static size_t bytes_of(side *s, const op_case *k, const op_inputs *inputs, winograd_form form, uint32_t stride) {
    weight_source source = source_of(k, inputs, stride);
    backend_weight *weight = NULL;
    assert_int_equal(cpu_weight_create_form(s->backend, &source, form, &weight, &s->diag), DIFFCUT_OK);
    size_t bytes = s->backend->ops->weight_bytes(weight);
    s->backend->ops->weight_destroy(weight);
    return bytes;
}

static void a_weight_for_one_stride_keeps_one_copy(void **state) {
    (void)state;
    op_case k = CONV(1, 8, 8, 64, 64, 1, 1, 1, 1, 1);
    op_inputs inputs;
    side s;
    const size_t one = (size_t)64 * 64 * sizeof(float);
    assert_true(side_open(&s, "cpu", 1));
    assert_true(inputs_create(&k, 7, &inputs));
    for (int form = 0; form < WINOGRAD_FORMS; form++) {
        size_t points = form == WINOGRAD_F4 ? 36 : form == WINOGRAD_F6 ? 64 : 9;
        size_t both = form == WINOGRAD_NONE ? 9 : points + 9;
        assert_int_equal(bytes_of(&s, &k, &inputs, (winograd_form)form, 1), points * one);
        assert_int_equal(bytes_of(&s, &k, &inputs, (winograd_form)form, 2), 9 * one);
        assert_int_equal(bytes_of(&s, &k, &inputs, (winograd_form)form, 0), both * one);
    }
    inputs_destroy(&inputs);
    side_close(&s);
}

static void a_weight_for_one_stride_refuses_another(void **state) {
    (void)state;
    static const char *const backends[] = {"ref", "cpu"};
    op_case k = CONV(1, 8, 8, 16, 16, 2, 1, 1, 1, 1);
    op_inputs inputs;
    assert_true(inputs_create(&k, 8, &inputs));
    for (size_t i = 0; i < COUNT(backends); i++) {
        side s;
        op_setup setup;
        assert_true(side_open(&s, backends[i], 1));
        assert_int_equal(setup_create(&s, &k, &inputs, &setup), DIFFCUT_OK);
        s.backend->ops->weight_destroy(setup.weight);
        setup.weight = NULL;
        weight_source source = source_of(&k, &inputs, 1);
        assert_int_equal(s.backend->ops->weight_create(s.backend, &source, &setup.weight, &s.diag), DIFFCUT_OK);
        assert_int_equal(setup_run(&s, &k, &setup), DIFFCUT_ERROR_ARGUMENT);
        assert_string_equal(s.diag.message, "conv2d: the weight was made for stride 1, not 2");
        setup_destroy(&s, &setup);
        side_close(&s);
    }
    inputs_destroy(&inputs);
}

/* A weight whose stride is not known serves both: the direct copy for one, the transformed one for the other. */
static void a_weight_for_any_stride_serves_each(void **state) {
    (void)state;
    for (uint32_t stride = 1; stride <= 2; stride++) {
        op_case k = CONV(1, 9, 9, 32, 32, stride, 1, 1, 1, 1);
        op_inputs inputs;
        side sides[2];
        bool intact;
        float *results[2];
        assert_true(inputs_create(&k, 9, &inputs));
        for (int i = 0; i < 2; i++) {
            results[i] = floats(case_result_elements(&k));
            assert_true(side_open(&sides[i], i == 0 ? "ref" : "cpu", 1));
            assert_int_equal(case_run(&sides[i], &k, &inputs, results[i], &intact), DIFFCUT_OK);
            side_close(&sides[i]);
        }
        for (size_t i = 0; i < case_result_elements(&k); i++) {
            assert_true(fabsf(results[0][i] - results[1][i]) < 1e-3F);
        }
        inputs_destroy(&inputs);
        free(results[0]);
        free(results[1]);
    }
}

static void memory_failures_are_reported(void **state) {
    (void)state;
    op_case k = CONV(1, 12, 12, 32, 40, 1, 1, 1, 1, 1);
    k.bias = true;
    op_inputs inputs;
    side s;
    op_setup setup;
    assert_true(inputs_create(&k, 10, &inputs));
    assert_true(side_open(&s, "cpu", 1));
    assert_int_equal(setup_create(&s, &k, &inputs, &setup), DIFFCUT_OK);
    for (int form = WINOGRAD_F4; form < WINOGRAD_FORMS; form++) {
        for (uint32_t stride = 0; stride < 2; stride++) {
            weight_source source = source_of(&k, &inputs, stride);
            diffcut_status status = DIFFCUT_ERROR_MEMORY;
            for (long allowed = 0; status != DIFFCUT_OK; allowed++) {
                backend_weight *weight = NULL;
                mem_fail_after(allowed);
                status = cpu_weight_create_form(s.backend, &source, (winograd_form)form, &weight, &s.diag);
                mem_fail_after(-1);
                assert_true(status == DIFFCUT_OK || (status == DIFFCUT_ERROR_MEMORY && weight == NULL));
                s.backend->ops->weight_destroy(weight);
            }
        }
    }
    mem_fail_after(0);
    assert_int_equal(setup_run(&s, &k, &setup), DIFFCUT_ERROR_MEMORY); /* no scratch */
    mem_fail_after(-1);
    assert_int_equal(setup_run(&s, &k, &setup), DIFFCUT_OK);
    setup_destroy(&s, &setup);
    inputs_destroy(&inputs);
    side_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_equals_the_reference_over_odd_shapes),
        cmocka_unit_test(every_epilogue_is_applied),
        cmocka_unit_test(no_bit_depends_on_the_thread_count),
        cmocka_unit_test(nan_stays_in_the_tiles_that_see_it),
        cmocka_unit_test(a_form_follows_from_the_channels),
        cmocka_unit_test(a_weight_for_one_stride_keeps_one_copy),
        cmocka_unit_test(a_weight_for_one_stride_refuses_another),
        cmocka_unit_test(a_weight_for_any_stride_serves_each),
        cmocka_unit_test(memory_failures_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

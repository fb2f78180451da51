/* What every backend promises beside its numbers: clear refusals, no dependence on the thread count, NaN and infinity
 * carried on, no leak and no crash when memory runs out. */
#include "test.h"

#include "fixture.h"

#include "core/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PADDED(k, s) .kernel_h = (k), .kernel_w = (k), .geometry = {(s), (k) / 2, (k) / 2, (k) / 2, (k) / 2}
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* One of every operation, large enough to be cut into several tiles. */
static const op_case samples[] = {
    {.op = OP_LINEAR, .n = 2, .h = 150, .w = 1, .c = 70, .out = 600, .bias = true, .act = ACTIVATION_GEGLU},
    {.op = OP_LINEAR, .n = 1, .h = 1, .w = 1, .c = 320, .out = 1280, .bias = true, .act = ACTIVATION_SILU},
    {.op = OP_LINEAR, .n = 1, .h = 400, .w = 1, .c = 500, .out = 700, .bias = true, .precision = DTYPE_BF16},
    {.op = OP_ATTENTION,
     .n = 1,
     .h = 400,
     .w = 1,
     .c = 80,
     .parts = 2,
     .keys = 900,
     .key_images = 1,
     .precision = DTYPE_BF16},
    {.op = OP_CONV2D, .n = 2, .h = 19, .w = 17, .c = 24, .out = 90, .per_image = true, PADDED(3, 1)},
    {.op = OP_CONV2D, .n = 1, .h = 12, .w = 12, .c = 40, .out = 50, .residual = RESIDUAL_OWN, PADDED(1, 1)},
    {.op = OP_GROUP_NORM, .n = 2, .h = 40, .w = 40, .c = 64, .parts = 32, .act = ACTIVATION_SILU},
    {.op = OP_LAYER_NORM, .n = 1, .h = 700, .w = 1, .c = 96},
    {.op = OP_ATTENTION, .n = 2, .h = 300, .w = 1, .c = 64, .parts = 2, .keys = 700, .key_images = 2},
    {.op = OP_ATTENTION_MAP, .n = 2, .h = 300, .w = 1, .c = 64, .parts = 2, .keys = 700, .key_images = 2},
    {.op = OP_ADD, .n = 1, .h = 50, .w = 50, .c = 64, .bias = true, .act = ACTIVATION_GELU},
};

/* ------------------------------------------------------------------------------------------------- helpers */

typedef void (*backend_test)(const char *name);

static void for_every_backend(backend_test test) {
    size_t count;
    const backend_ops *const *backends = backend_list(&count);
    for (size_t i = 0; i < count; i++) {
        test(backends[i]->name);
    }
}

static void *allocate(size_t size) {
    void *block = calloc(1, size);
    assert_non_null(block);
    return block;
}

static void run_sample(const char *name, uint32_t threads, const op_case *k, const op_inputs *inputs, float *result) {
    side s;
    bool intact;
    assert_true(side_open(&s, name, threads));
    assert_int_equal(case_run(&s, k, inputs, result, &intact), DIFFCUT_OK);
    assert_true(intact);
    side_close(&s);
}

/* ------------------------------------------------------------------------------------------------- registry */

static void the_reference_is_first_and_the_default_is_last(void **state) {
    (void)state;
    size_t count;
    const backend_ops *const *backends = backend_list(&count);
    assert_true(count >= 2);
    assert_string_equal(backends[0]->name, "ref");
    for (int i = 0; i < 2; i++) {
        backend *b;
        diffcut_diagnostics diag;
        assert_int_equal(backend_open(i == 0 ? NULL : "", &b, &diag), DIFFCUT_OK);
        assert_ptr_equal(b->ops, backends[count - 1]);
        b->ops->close(b);
    }
}

static void an_unknown_name_is_refused_with_the_known_ones(void **state) {
    (void)state;
    backend *b = NULL;
    diffcut_diagnostics diag;
    assert_int_equal(backend_open("cuda", &b, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_null(b);
    assert_string_equal(diag.message, "no backend is called \"cuda\"; there are: ref, cpu");
}

static void extents_saturate(void **state) {
    (void)state;
    tensor t = {.offset = 5, .n = 2, .h = 3, .w = 4, .c = 7, .stride = 10};
    assert_int_equal(tensor_positions(&t), 24);
    assert_int_equal(tensor_extent(&t), 5 + 23 * 10 + 7);
    t = (tensor){.n = UINT32_MAX, .h = UINT32_MAX, .w = UINT32_MAX, .c = 1, .stride = 1};
    assert_true(tensor_positions(&t) == SIZE_MAX);
    assert_true(tensor_extent(&t) == SIZE_MAX);
}

/* ------------------------------------------------------------------------------------------------- refusals */

/* Sets up a good case, spoils it, and expects a refusal whose message has the given words and an untouched y. */
typedef void (*spoiler)(op_case *k, op_setup *setup);

static void expect_refusal(const char *name, op_case k, spoiler spoil, const char *words) {
    side s;
    op_inputs inputs;
    op_setup setup;
    assert_true(side_open(&s, name, 2));
    assert_true(inputs_create(&k, 1, &inputs));
    assert_int_equal(setup_create(&s, &k, &inputs, &setup), DIFFCUT_OK);
    tensor y = setup.y;
    size_t bytes = case_result_elements(&k) * sizeof(float);
    float *before = allocate(bytes);
    float *after = allocate(bytes);
    assert_int_equal(s.backend->ops->download(s.stream, &y, before, &s.diag), DIFFCUT_OK);
    spoil(&k, &setup);
    assert_int_equal(setup_run(&s, &k, &setup), DIFFCUT_ERROR_ARGUMENT);
    if (strstr(s.diag.message, words) == NULL) {
        print_error("%s: message \"%s\" lacks \"%s\"\n", name, s.diag.message, words);
        fail();
    }
    assert_int_equal(s.backend->ops->download(s.stream, &y, after, &s.diag), DIFFCUT_OK);
    assert_memory_equal(before, after, bytes);
    free(before);
    free(after);
    setup_destroy(&s, &setup);
    inputs_destroy(&inputs);
    side_close(&s);
}

static void no_buffer(op_case *k, op_setup *setup) {
    (void)k;
    setup->x.buffer = NULL;
}
static void no_channels(op_case *k, op_setup *setup) {
    (void)k;
    setup->x.c = 0;
}
static void small_stride(op_case *k, op_setup *setup) {
    (void)k;
    setup->x.stride = setup->x.c - 1;
}
static void offset_past_end(op_case *k, op_setup *setup) {
    (void)k;
    setup->x.offset = 1;
}
static void offset_overflow(op_case *k, op_setup *setup) {
    (void)k;
    setup->y.offset = SIZE_MAX - 3;
}
static void fewer_channels(op_case *k, op_setup *setup) {
    (void)k;
    setup->x.c -= 1;
}
static void shorter_y(op_case *k, op_setup *setup) {
    (void)k;
    setup->y.h -= 1;
}
static void narrower_y(op_case *k, op_setup *setup) {
    (void)k;
    setup->y.c -= 1;
}
static void shorter_residual(op_case *k, op_setup *setup) {
    (void)k;
    setup->residual.h -= 1;
}
static void fewer_image_vectors(op_case *k, op_setup *setup) {
    (void)k;
    setup->per_image.n -= 1;
}
static void shorter_second(op_case *k, op_setup *setup) {
    (void)k;
    setup->second.h -= 1;
}
static void fewer_key_images(op_case *k, op_setup *setup) {
    (void)k;
    setup->second.n = setup->third.n = 2;
}
static void odd_parts(op_case *k, op_setup *setup) {
    (void)setup;
    k->parts = 5;
}
static void no_parts(op_case *k, op_setup *setup) {
    (void)setup;
    k->parts = 0;
}
static void gated(op_case *k, op_setup *setup) {
    (void)setup;
    k->act = ACTIVATION_GEGLU;
}
static void unknown_activation(op_case *k, op_setup *setup) {
    (void)setup;
    k->act = (activation)17;
}
static void no_stride(op_case *k, op_setup *setup) {
    (void)setup;
    k->geometry.stride = 0;
}
static void smaller_than_kernel(op_case *k, op_setup *setup) {
    k->geometry = (conv_geometry){.stride = 1};
    setup->x.h = 2;
}
static void huge_padding(op_case *k, op_setup *setup) {
    (void)setup;
    k->geometry.pad_top = k->geometry.pad_bottom = UINT32_MAX;
}

static void refusals(const char *name) {
    const op_case linear = {
        .op = OP_LINEAR, .n = 2, .h = 4, .w = 1, .c = 6, .out = 8, .residual = RESIDUAL_OWN, .per_image = true};
    const op_case conv = {.op = OP_CONV2D, .n = 2, .h = 4, .w = 5, .c = 6, .out = 8, PADDED(3, 1)};
    const op_case group = {.op = OP_GROUP_NORM, .n = 1, .h = 4, .w = 5, .c = 6, .parts = 3};
    const op_case layer = {.op = OP_LAYER_NORM, .n = 1, .h = 4, .w = 5, .c = 6};
    const op_case attention = {
        .op = OP_ATTENTION, .n = 3, .h = 4, .w = 1, .c = 6, .parts = 3, .keys = 5, .key_images = 3};
    const op_case map = {
        .op = OP_ATTENTION_MAP, .n = 3, .h = 4, .w = 1, .c = 6, .parts = 3, .keys = 5, .key_images = 3};
    const op_case add = {.op = OP_ADD, .n = 1, .h = 4, .w = 5, .c = 6, .bias = true};
    const op_case all[] = {linear, conv, group, layer, attention, map, add};
    for (size_t i = 0; i < COUNT(all); i++) {
        expect_refusal(name, all[i], no_buffer, "has no buffer");
        expect_refusal(name, all[i], no_channels, "is empty");
        expect_refusal(name, all[i], small_stride, "has stride 5, less than its 6 channels");
        expect_refusal(name, all[i], offset_past_end, "reaches past its buffer");
        expect_refusal(name, all[i], offset_overflow, "reaches past its buffer");
        expect_refusal(name, all[i], shorter_y, "expected (");
        expect_refusal(name, all[i], narrower_y, "expected (");
    }
    for (size_t i = 0; i < 4; i++) {
        expect_refusal(name, all[i], fewer_channels, "x has 5 channels, the weight takes 6");
    }
    expect_refusal(name, linear, shorter_residual, "linear: residual is (2, 3, 1, 8), expected (2, 4, 1, 8)");
    expect_refusal(name, linear, fewer_image_vectors, "linear: per_image is (1, 1, 1, 8), expected (2, 1, 1, 8)");
    expect_refusal(name, linear, unknown_activation, "activation 17");
    expect_refusal(name, conv, gated, "conv2d: activation");
    expect_refusal(name, conv, no_stride, "the stride is 0");
    expect_refusal(name, conv, smaller_than_kernel, "a 3 x 3 kernel does not fit x (2, 2, 5, 6)");
    expect_refusal(name, conv, huge_padding, "conv2d: ");
    expect_refusal(name, group, odd_parts, "6 channels do not split into 5 groups");
    expect_refusal(name, group, no_parts, "6 channels do not split into 0 groups");
    expect_refusal(name, group, gated, "group_norm: activation");
    expect_refusal(name, attention, shorter_second, "attention: v is (3, 5, 1, 6), expected (3, 4, 1, 6)");
    expect_refusal(name, attention, fewer_key_images, "attention: k is (2, 5, 1, 6), expected (3, 5, 1, 6)");
    expect_refusal(name, map, fewer_key_images, "attention_map: k is (2, 5, 1, 6), expected (3, 5, 1, 6)");
    expect_refusal(name, map, odd_parts, "6 channels do not split into 5 heads");
    expect_refusal(name, attention, odd_parts, "6 channels do not split into 5 heads");
    expect_refusal(name, add, gated, "add: activation");
}

static void mismatched_shapes_are_refused_and_named(void **state) {
    (void)state;
    for_every_backend(refusals);
}

static void weight_of_another_kind(const char *name) {
    side s;
    op_inputs inputs;
    op_setup linear;
    const op_case k = {.op = OP_LINEAR, .n = 1, .h = 1, .w = 1, .c = 6, .out = 6};
    assert_true(side_open(&s, name, 1));
    assert_true(inputs_create(&k, 1, &inputs));
    assert_int_equal(setup_create(&s, &k, &inputs, &linear), DIFFCUT_OK);
    const conv_geometry geometry = {.stride = 1};
    const backend_ops *ops = s.backend->ops;
    assert_int_equal(ops->conv2d(s.stream, &linear.x, linear.weight, &geometry, NULL, &linear.y, &s.diag),
                     DIFFCUT_ERROR_ARGUMENT);
    assert_string_equal(s.diag.message, "conv2d: needs a convolution weight, got linear");
    assert_int_equal(ops->layer_norm(s.stream, &linear.x, NULL, 1e-5F, &linear.y, &s.diag), DIFFCUT_ERROR_ARGUMENT);
    assert_string_equal(s.diag.message, "layer_norm: needs a norm weight, got none");
    setup_destroy(&s, &linear);
    inputs_destroy(&inputs);
    side_close(&s);
}

static void a_weight_of_another_kind_is_refused(void **state) {
    (void)state;
    for_every_backend(weight_of_another_kind);
}

static void bad_weights(const char *name) {
    side s;
    assert_true(side_open(&s, name, 1));
    const float data[12] = {0};
    const weight_source good = {.kind = WEIGHT_LINEAR, .type = DTYPE_F32, .data = data, .out = 3, .in = 4};
    weight_source bad[6] = {good, good, good, good, good, good};
    bad[0].data = NULL;
    bad[1].out = 0;
    bad[2].type = DTYPE_OTHER;
    bad[3].kind = WEIGHT_NORM; /* without beta */
    bad[4].kind = (enum weight_kind)9;
    bad[5] = (weight_source){.kind = WEIGHT_CONV,
                             .type = DTYPE_F32,
                             .data = data,
                             .out = UINT32_MAX,
                             .in = UINT32_MAX,
                             .kernel_h = UINT32_MAX,
                             .kernel_w = 1};
    static const diffcut_status expected[6] = {DIFFCUT_ERROR_ARGUMENT,    DIFFCUT_ERROR_ARGUMENT,
                                               DIFFCUT_ERROR_UNSUPPORTED, DIFFCUT_ERROR_ARGUMENT,
                                               DIFFCUT_ERROR_ARGUMENT,    DIFFCUT_ERROR_LIMIT};
    for (size_t i = 0; i < COUNT(bad); i++) {
        backend_weight *weight = NULL;
        assert_int_equal(s.backend->ops->weight_create(s.backend, &bad[i], &weight, &s.diag), expected[i]);
        assert_null(weight);
        assert_true(s.diag.message[0] != '\0');
    }
    backend_weight *weight;
    assert_int_equal(s.backend->ops->weight_create(s.backend, &good, &weight, &s.diag), DIFFCUT_OK);
    assert_true(s.backend->ops->weight_bytes(weight) >= sizeof data);
    s.backend->ops->weight_destroy(weight);
    s.backend->ops->weight_destroy(NULL);
    side_close(&s);
}

static void bad_weight_sources_are_refused(void **state) {
    (void)state;
    for_every_backend(bad_weights);
}

/* ------------------------------------------------------------------------------------------------- promises */

static void same_for_all_thread_counts(const char *name) {
    static const uint32_t counts[] = {2, 3, 5, 1000000};
    for (size_t i = 0; i < COUNT(samples); i++) {
        op_inputs inputs;
        size_t bytes = case_result_elements(&samples[i]) * sizeof(float);
        float *one = allocate(bytes);
        float *many = allocate(bytes);
        assert_true(inputs_create(&samples[i], i, &inputs));
        run_sample(name, 1, &samples[i], &inputs, one);
        for (size_t j = 0; j < COUNT(counts); j++) {
            run_sample(name, counts[j], &samples[i], &inputs, many);
            assert_memory_equal(one, many, bytes);
        }
        inputs_destroy(&inputs);
        free(one);
        free(many);
    }
}

static void results_do_not_depend_on_the_thread_count(void **state) {
    (void)state;
    size_t count;
    const backend_ops *const *backends = backend_list(&count);
    for (size_t i = 1; i < count; i++) { /* the reference has one thread */
        same_for_all_thread_counts(backends[i]->name);
    }
}

/* A case with one bad input element gives results that are finite exactly where the reference's are. */
static void check_carried(const char *name, const op_case *k, float *target, size_t index, float value,
                          const op_inputs *inputs) {
    size_t count = case_result_elements(k);
    float *want = allocate(count * sizeof *want);
    float *got = allocate(count * sizeof *got);
    float kept = target[index];
    target[index] = value;
    run_sample("ref", 1, k, inputs, want);
    run_sample(name, 2, k, inputs, got);
    target[index] = kept;
    size_t bad = 0;
    for (size_t i = 0; i < count; i++) {
        bad += isfinite(want[i]) ? 0 : 1;
        if (isfinite(want[i]) != isfinite(got[i])) {
            print_error("%s, %g at %zu: result %zu is %g, the reference's %g\n", operation_name(k->op), (double)value,
                        index, i, (double)got[i], (double)want[i]);
            fail();
        }
    }
    assert_true(bad > 0);
    free(want);
    free(got);
}

static void nan_and_infinity_are_carried_on(void **state) {
    (void)state;
    static const op_case cases[] = {
        {.op = OP_LINEAR, .n = 1, .h = 9, .w = 1, .c = 7, .out = 20, .act = ACTIVATION_GEGLU},
        {.op = OP_LINEAR, .n = 1, .h = 9, .w = 1, .c = 7, .out = 20, .act = ACTIVATION_NONE},
        {.op = OP_CONV2D, .n = 1, .h = 9, .w = 8, .c = 7, .out = 20, PADDED(3, 1)},
        {.op = OP_GROUP_NORM, .n = 2, .h = 9, .w = 8, .c = 6, .parts = 3, .act = ACTIVATION_SILU},
        {.op = OP_LAYER_NORM, .n = 1, .h = 9, .w = 1, .c = 21},
        {.op = OP_ATTENTION, .n = 1, .h = 9, .w = 1, .c = 20, .parts = 2, .keys = 600, .key_images = 1},
        {.op = OP_ADD, .n = 1, .h = 9, .w = 8, .c = 7, .bias = true, .act = ACTIVATION_NONE},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        op_inputs inputs;
        assert_true(inputs_create(&cases[i], i, &inputs));
        check_carried("cpu", &cases[i], inputs.x, 3, NAN, &inputs);
        check_carried("cpu", &cases[i], inputs.x, 3, INFINITY, &inputs);
        if (cases[i].op == OP_ATTENTION) {
            check_carried("cpu", &cases[i], inputs.second, 590 * 20 + 1, NAN, &inputs);
            check_carried("cpu", &cases[i], inputs.third, 590 * 20 + 1, NAN, &inputs);
            check_carried("cpu", &cases[i], inputs.third, 1, -INFINITY, &inputs);
        }
        inputs_destroy(&inputs);
    }
}

static void survive_short_memory(const char *name) {
    for (size_t i = 0; i < COUNT(samples); i++) {
        op_case k = samples[i];
        k.h = k.h > 10 ? 10 : k.h;
        op_inputs inputs;
        assert_true(inputs_create(&k, i, &inputs));
        float *result = allocate(case_result_elements(&k) * sizeof *result);
        diffcut_status status = DIFFCUT_ERROR_MEMORY;
        long allowed = 0;
        for (; status != DIFFCUT_OK; allowed++) {
            side s;
            bool intact;
            mem_fail_after(allowed);
            status = DIFFCUT_ERROR_MEMORY;
            if (side_open(&s, name, 1)) {
                status = case_run(&s, &k, &inputs, result, &intact);
                side_close(&s);
            }
            mem_fail_after(-1);
            if (status != DIFFCUT_OK) {
                assert_int_equal(status, DIFFCUT_ERROR_MEMORY);
                assert_non_null(strstr(s.diag.message, "no memory for"));
            }
            assert_true(allowed < 1000);
        }
        assert_true(allowed > 5);
        inputs_destroy(&inputs);
        free(result);
    }
}

static void running_out_of_memory_anywhere_is_a_clean_error(void **state) {
    (void)state;
    for_every_backend(survive_short_memory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_is_first_and_the_default_is_last),
        cmocka_unit_test(an_unknown_name_is_refused_with_the_known_ones),
        cmocka_unit_test(extents_saturate),
        cmocka_unit_test(mismatched_shapes_are_refused_and_named),
        cmocka_unit_test(a_weight_of_another_kind_is_refused),
        cmocka_unit_test(bad_weight_sources_are_refused),
        cmocka_unit_test(results_do_not_depend_on_the_thread_count),
        cmocka_unit_test(nan_and_infinity_are_carried_on),
        cmocka_unit_test(running_out_of_memory_anywhere_is_a_clean_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

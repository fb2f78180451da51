/* test_pamr.c - the fast refinement equals its formula on any image, and fails without a trace. */
#include "segment/pamr.h"

#include "refine_fixture.h"
#include "segment/pamr_ref.h"
#include "core/upsample.h"

#include <stdio.h>
#include <string.h>

/* Single precision costs up to 1e-5 in 30 iterations: the weights' sum is off by the same rounding in each. */
#define TOLERANCE 1e-5
#define TOLERANCE_ITERATIONS 30.0
#define AMBIGUOUS 2e-5F

/* Masks of the labels that occur, ascending: (count, height, width). */
static float *one_hot(const diffcut_labels *labels, uint32_t *numbers, size_t *count) {
    size_t pixels = (size_t)labels->width * labels->height;
    float *masks = calloc(labels->count * pixels, sizeof *masks);
    assert_non_null(masks);
    *count = 0;
    for (uint32_t k = 0; k < labels->count; k++) {
        bool occurs = false;
        for (size_t i = 0; i < pixels; i++) {
            bool mine = labels->data[i] == k;
            masks[*count * pixels + i] = mine ? 1.0F : 0.0F;
            occurs = occurs || mine;
        }
        if (occurs) {
            numbers[(*count)++] = k;
        }
    }
    return masks;
}

/* label has the largest value at pixel i, or is as good as that. */
static bool is_winner(const float *masks, const uint32_t *numbers, size_t count, size_t pixels, size_t i,
                      uint32_t label) {
    float best = -1.0F, chosen = -1.0F;
    for (size_t k = 0; k < count; k++) {
        best = masks[k * pixels + i] > best ? masks[k * pixels + i] : best;
        chosen = numbers[k] == label ? masks[k * pixels + i] : chosen;
    }
    return chosen >= best - AMBIGUOUS;
}

static void check(uint32_t width, uint32_t height, uint32_t segments, uint32_t block,
                  const diffcut_settings *settings) {
    diffcut_image image = refine_photo(width, height, width + height);
    diffcut_labels labels = refine_labels(width, height, segments, block, 5), out = {0};
    size_t pixels = (size_t)width * height, count;
    uint32_t *numbers = malloc(segments * sizeof *numbers);
    float *pixels_of = malloc(pixels * 3 * sizeof *pixels_of);
    assert_non_null(numbers);
    assert_non_null(pixels_of);
    for (size_t i = 0; i < pixels * 3; i++) {
        pixels_of[i] = (float)image.rgb[i] / 255.0F;
    }
    float *masks = one_hot(&labels, numbers, &count);
    refine_work r;
    refine_work_init(&r, 2, "refined_masks");
    assert_int_equal(pamr_reference(width, height, pixels_of, settings->dilations, settings->dilation_count,
                                    settings->iterations, count, masks, &r.diag),
                     DIFFCUT_OK);
    assert_int_equal(pamr_refine(&r.w, &image, &labels, settings, &out), DIFFCUT_OK);
    assert_int_equal(r.dumped_count, count * pixels);
    double scale = settings->iterations > TOLERANCE_ITERATIONS ? settings->iterations / TOLERANCE_ITERATIONS : 1.0;
    char what[96];
    (void)snprintf(what, sizeof what, "%ux%u, %u segments of block %u", width, height, segments, block);
    assert_true(golden_close_to(what, r.dumped, masks, (const size_t[]){count, height, width}, 3, count * pixels,
                                TOLERANCE * scale, 0.0));
    for (size_t i = 0; i < pixels; i++) {
        if (!is_winner(masks, numbers, count, pixels, i, out.data[i])) {
            fail_msg("%s: y %zu, x %zu: %u does not win", what, i / width, i % width, out.data[i]);
        }
    }
    refine_work_free(&r);
    free(numbers);
    free(masks);
    free(pixels_of);
    mem_free(out.data);
    mem_free(labels.data);
    mem_free(image.rgb);
}

static void any_size_equals_the_formula(void **state) {
    (void)state;
    static const uint32_t sizes[][2] = {{1, 1}, {1, 97}, {131, 1}, {2, 3}, {63, 65}, {129, 33}, {64, 32}, {200, 71}};
    diffcut_settings settings = refine_settings(6);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check(sizes[i][0], sizes[i][1], 7, 9, &settings);
    }
}

static void any_dilations_equal_the_formula(void **state) {
    (void)state;
    static const struct {
        uint32_t count, dilations[DIFFCUT_MAX_DILATIONS];
    } sets[] = {{1, {1}},    {1, {64}},         {1, {65}},          {3, {1024, 2, 100}},
                {2, {5, 5}}, {4, {1, 2, 4, 8}}, {3, {70, 900, 66}}, {8, {1, 2, 4, 8, 12, 24, 32, 64}}};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        diffcut_settings settings = refine_settings(4);
        settings.dilation_count = sets[i].count;
        memcpy(settings.dilations, sets[i].dilations, sizeof settings.dilations);
        check(150, 83, 5, 20, &settings);
        check(40, 30, 5, 3, &settings);
    }
}

static void any_number_of_segments_equals_the_formula(void **state) {
    (void)state;
    diffcut_settings settings = refine_settings(5);
    check(100, 70, 1, 8, &settings);
    check(100, 70, 2, 35, &settings);
    check(100, 70, 300, 6, &settings);
    check(70, 40, 300, 1, &settings); /* noise: every mask is everywhere */
}

static void many_iterations_equal_the_formula(void **state) {
    (void)state;
    diffcut_settings settings = refine_settings(100);
    check(90, 50, 6, 13, &settings);
    settings.iterations = 1;
    check(90, 50, 6, 13, &settings);
}

static void no_iterations_leave_the_labels(void **state) {
    (void)state;
    diffcut_settings settings = refine_settings(0);
    settings.refine_size = 20;
    diffcut_image image = refine_photo(90, 50, 1);
    diffcut_labels labels = refine_labels(90, 50, 6, 13, 5), out = {0};
    labels.data[3] = 5;
    labels.count = 4000000000U; /* a count says nothing of the memory needed */
    labels.data[4] = 3999999999U;
    refine_work r;
    refine_work_init(&r, 2, NULL);
    assert_int_equal(pamr_refine(&r.w, &image, &labels, &settings, &out), DIFFCUT_OK);
    assert_memory_equal(out.data, labels.data, (size_t)90 * 50 * sizeof *out.data);
    assert_int_equal(out.count, labels.count);
    mem_free(out.data);
    mem_free(labels.data);
    mem_free(image.rgb);
}

/* The masks at the working size, upsampled and compared by hand, are the result at the photo's size. */
static void a_smaller_working_size_gives_smooth_labels_of_the_photos_size(void **state) {
    (void)state;
    diffcut_settings settings = refine_settings(5);
    settings.refine_size = 77;
    diffcut_image image = refine_photo(310, 205, 4);
    diffcut_labels labels = refine_labels(310, 205, 4, 60, 2), out = {0};
    uint32_t width, height;
    pamr_working_size(&settings, 310, 205, &width, &height);
    assert_int_equal(width, 77);
    assert_int_equal(height, 51);
    refine_work r;
    refine_work_init(&r, 2, "refined_masks");
    assert_int_equal(pamr_refine(&r.w, &image, &labels, &settings, &out), DIFFCUT_OK);
    assert_int_equal(out.width, 310);
    assert_int_equal(out.height, 205);
    size_t count = r.dumped_count / ((size_t)77 * 51);
    upsample_tap x[310], y[205];
    upsample_half_pixel(77, 310, x);
    upsample_half_pixel(51, 205, y);
    for (size_t i = 0; i < (size_t)310 * 205; i++) {
        upsample_tap v = y[i / 310], u = x[i % 310];
        float best = -1.0F, chosen = -1.0F;
        for (size_t k = 0; k < count; k++) {
            const float *mask = r.dumped + k * 77 * 51;
            float top = mask[v.low * 77 + u.low] * (1 - u.fraction) + mask[v.low * 77 + u.high] * u.fraction;
            float bottom = mask[v.high * 77 + u.low] * (1 - u.fraction) + mask[v.high * 77 + u.high] * u.fraction;
            float value = top * (1 - v.fraction) + bottom * v.fraction;
            best = value > best ? value : best;
            chosen = k == out.data[i] ? value : chosen; /* all four labels occur */
        }
        assert_true(chosen >= best - 1e-6F);
    }
    refine_work_free(&r);
    mem_free(out.data);
    mem_free(labels.data);
    mem_free(image.rgb);
}

static void fixture_equals_torch(void **state) {
    (void)state;
    static const struct {
        const char *name, *labels;
        uint32_t iterations, count, dilations[DIFFCUT_MAX_DILATIONS];
    } cases[] = {{"eval", "labels", 10, 4, {1, 2, 4, 8}},
                 {"wide", "labels", 15, 8, {1, 2, 4, 8, 12, 24, 32, 64}},
                 {"far", "labels", 4, 3, {3, 80, 200}},
                 {"small", "labels_small", 10, 4, {1, 2, 4, 8}}};
    golden *file = golden_open("%s/refine/refine.safetensors", DIFFCUT_TEST_DATA);
    assert_non_null(file);
    diffcut_image image = refine_golden_image(golden_get(file, "image"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        diffcut_labels labels = refine_golden_labels(golden_get(file, "%s", cases[i].labels));
        for (uint32_t median = 0; median <= 7; median = median == 0 ? 3 : median + 4) {
            diffcut_settings settings = refine_settings(cases[i].iterations);
            settings.dilation_count = cases[i].count;
            memcpy(settings.dilations, cases[i].dilations, sizeof settings.dilations);
            settings.median = median;
            diffcut_labels out = {0};
            refine_work r;
            refine_work_init(&r, 2, "refined_masks");
            assert_int_equal(pamr_refine(&r.w, &image, &labels, &settings, &out), DIFFCUT_OK);
            const golden_tensor *soft = golden_get(file, "%s_soft", cases[i].name);
            const golden_tensor *want = median == 0 ? golden_get(file, "%s_hard", cases[i].name)
                                                    : golden_get(file, "%s_median%u", cases[i].name, median);
            float *values = golden_floats(soft);
            assert_true(golden_close_to(soft->name, r.dumped, values, soft->shape, 3, soft->count, 2e-5, 0.0));
            assert_true(refine_labels_equal(want->name, &out, want, golden_get(file, "%s_ambiguous", cases[i].name),
                                            median / 2));
            free(values);
            refine_work_free(&r);
            mem_free(out.data);
        }
        mem_free(labels.data);
    }
    mem_free(image.rgb);
    golden_close(file);
}

static void the_thread_count_changes_nothing(void **state) {
    (void)state;
    diffcut_settings settings = refine_settings(5);
    settings.median = 3;
    settings.refine_size = 180;
    diffcut_image image = refine_photo(300, 211, 4);
    diffcut_labels labels = refine_labels(300, 211, 90, 25, 2), a = {0}, b = {0};
    refine_work one, many;
    refine_work_init(&one, 1, "refined_masks");
    refine_work_init(&many, 5, "refined_masks");
    assert_int_equal(pamr_refine(&one.w, &image, &labels, &settings, &a), DIFFCUT_OK);
    assert_int_equal(pamr_refine(&many.w, &image, &labels, &settings, &b), DIFFCUT_OK);
    assert_int_equal(one.dumped_count, many.dumped_count);
    assert_memory_equal(one.dumped, many.dumped, one.dumped_count * sizeof *one.dumped);
    assert_memory_equal(a.data, b.data, (size_t)300 * 211 * sizeof *a.data);
    refine_work_free(&one);
    refine_work_free(&many);
    mem_free(a.data);
    mem_free(b.data);
    mem_free(labels.data);
    mem_free(image.rgb);
}

/* Levels above the processor's fall back to its best. */
static void every_instruction_set_gives_the_same_bits(void **state) {
    (void)state;
    static const char *const levels[] = {"generic", "avx2", "avx512"};
    diffcut_settings settings = refine_settings(5);
    settings.median = 3;
    diffcut_image image = refine_photo(150, 111, 4);
    diffcut_labels labels = refine_labels(150, 111, 9, 25, 2), out[3] = {{0}};
    refine_work r[3];
    const char *before = getenv("DIFFCUT_CPU");
    char *kept = before != NULL ? strdup(before) : NULL;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(setenv("DIFFCUT_CPU", levels[i], 1), 0);
        refine_work_init(&r[i], 2, "refined_masks");
        assert_int_equal(pamr_refine(&r[i].w, &image, &labels, &settings, &out[i]), DIFFCUT_OK);
        assert_int_equal(r[i].dumped_count, r[0].dumped_count);
        assert_memory_equal(r[i].dumped, r[0].dumped, r[0].dumped_count * sizeof *r[0].dumped);
        assert_memory_equal(out[i].data, out[0].data, (size_t)150 * 111 * sizeof *out[0].data);
    }
    (void)(kept != NULL ? setenv("DIFFCUT_CPU", kept, 1) : unsetenv("DIFFCUT_CPU"));
    free(kept);
    for (size_t i = 0; i < 3; i++) {
        refine_work_free(&r[i]);
        mem_free(out[i].data);
    }
    mem_free(labels.data);
    mem_free(image.rgb);
}

static void bad_arguments_are_named(void **state) {
    (void)state;
    diffcut_image image = refine_photo(20, 10, 4), none = {20, 0, image.rgb};
    diffcut_labels labels = refine_labels(20, 10, 4, 3, 2), untouched = {1, 2, 3, NULL}, out = untouched;
    diffcut_settings good = refine_settings(2), bad;
    refine_work r;
    refine_work_init(&r, 1, NULL);
    struct {
        uint32_t *field, value;
        const char *named;
    } cases[] = {{&bad.iterations, 1001, "iterations"},       {&bad.dilation_count, 0, "dilation_count"},
                 {&bad.dilation_count, 17, "dilation_count"}, {&bad.dilations[2], 0, "dilations[2]"},
                 {&bad.dilations[0], 1025, "dilations[0]"},   {&bad.median, 2, "median"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bad = good;
        *cases[i].field = cases[i].value;
        assert_int_equal(pamr_refine(&r.w, &image, &labels, &bad, &out), DIFFCUT_ERROR_ARGUMENT);
        assert_non_null(strstr(r.diag.message, cases[i].named));
    }
    assert_int_equal(pamr_refine(&r.w, &none, &labels, &good, &out), DIFFCUT_ERROR_ARGUMENT);
    labels.count = 2;
    assert_int_equal(pamr_refine(&r.w, &image, &labels, &good, &out), DIFFCUT_ERROR_ARGUMENT);
    assert_memory_equal(&out, &untouched, sizeof out);
    mem_free(labels.data);
    mem_free(image.rgb);
}

static void cancelling_anywhere_changes_nothing(void **state) {
    (void)state;
    diffcut_image image = refine_photo(40, 30, 4);
    diffcut_labels labels = refine_labels(40, 30, 4, 6, 2), untouched = {1, 2, 3, NULL}, out = untouched;
    diffcut_settings settings = refine_settings(5);
    refine_work r;
    refine_work_init(&r, 2, NULL);
    diffcut_status status = DIFFCUT_ERROR_CANCELLED;
    int calls = 0;
    for (; status == DIFFCUT_ERROR_CANCELLED; calls++) {
        assert_memory_equal(&out, &untouched, sizeof out);
        r.calls_left = calls;
        status = pamr_refine(&r.w, &image, &labels, &settings, &out);
    }
    assert_int_equal(status, DIFFCUT_OK);
    assert_true(calls > 5);
    mem_free(out.data);
    mem_free(labels.data);
    mem_free(image.rgb);
}

static void failing_memory_changes_nothing(void **state) {
    (void)state;
    diffcut_image image = refine_photo(40, 30, 4);
    diffcut_labels labels = refine_labels(40, 30, 70, 3, 2), untouched = {1, 2, 3, NULL}, out = untouched;
    diffcut_settings settings = refine_settings(2);
    settings.refine_size = 20;
    settings.median = 5;
    refine_work r;
    refine_work_init(&r, 2, "refined_masks");
    diffcut_status status = DIFFCUT_ERROR_MEMORY;
    long allocations = 0;
    for (; status == DIFFCUT_ERROR_MEMORY; allocations++) {
        assert_memory_equal(&out, &untouched, sizeof out);
        r.diag.message[0] = '\0';
        mem_fail_after(allocations);
        status = pamr_refine(&r.w, &image, &labels, &settings, &out);
        mem_fail_after(-1);
        assert_true(status == DIFFCUT_OK || r.diag.message[0] != '\0');
    }
    assert_int_equal(status, DIFFCUT_OK);
    assert_true(allocations > 20);
    refine_work_free(&r);
    mem_free(out.data);
    mem_free(labels.data);
    mem_free(image.rgb);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_size_equals_the_formula),
        cmocka_unit_test(any_dilations_equal_the_formula),
        cmocka_unit_test(any_number_of_segments_equals_the_formula),
        cmocka_unit_test(many_iterations_equal_the_formula),
        cmocka_unit_test(no_iterations_leave_the_labels),
        cmocka_unit_test(a_smaller_working_size_gives_smooth_labels_of_the_photos_size),
        cmocka_unit_test(fixture_equals_torch),
        cmocka_unit_test(the_thread_count_changes_nothing),
        cmocka_unit_test(every_instruction_set_gives_the_same_bits),
        cmocka_unit_test(bad_arguments_are_named),
        cmocka_unit_test(cancelling_anywhere_changes_nothing),
        cmocka_unit_test(failing_memory_changes_nothing),
    };
    return cmocka_run_group_tests_name("pamr", tests, NULL, NULL);
}

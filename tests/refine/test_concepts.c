/* test_concepts.c - labels of any size from token segments: equal to upsampling the features themselves. */
#include "segment/concepts.h"

#include "refine_fixture.h"
#include "core/upsample.h"

#include <math.h>
#include <string.h>

#define AMBIGUOUS 1e-5 /* scores nearer than this may be taken either way */

static diffcut_features random_features(uint32_t height, uint32_t width, uint32_t channels, uint64_t seed) {
    size_t count = (size_t)height * width * channels;
    diffcut_features features = {height, width, channels, mem_array(count, sizeof(float))};
    assert_non_null(features.data);
    uint64_t state = seed;
    for (size_t i = 0; i < count; i++) {
        features.data[i] = (float)refine_random(&state, 2000001) / 1e6F - 1.0F;
    }
    return features;
}

/* unit (tokens, channels) in double; concepts (count, channels), count 0 where a label does not occur. */
static double *unit_features(const diffcut_features *features) {
    size_t tokens = (size_t)features->height * features->width, channels = features->channels;
    double *unit = malloc(tokens * channels * sizeof *unit);
    assert_non_null(unit);
    for (size_t t = 0; t < tokens; t++) {
        double norm = 0.0;
        for (size_t c = 0; c < channels; c++) {
            norm += pow((double)features->data[t * channels + c], 2.0);
        }
        for (size_t c = 0; c < channels; c++) {
            unit[t * channels + c] = norm > 0.0 ? (double)features->data[t * channels + c] / sqrt(norm) : 0.0;
        }
    }
    return unit;
}

static double *plain_concepts(const diffcut_features *features, const double *unit, const diffcut_labels *tokens,
                              double *members) {
    size_t channels = features->channels;
    double *means = calloc(tokens->count * channels, sizeof *means);
    assert_non_null(means);
    memset(members, 0, tokens->count * sizeof *members);
    for (size_t t = 0; t < (size_t)tokens->width * tokens->height; t++) {
        members[tokens->data[t]] += 1.0;
        for (size_t c = 0; c < channels; c++) {
            means[tokens->data[t] * channels + c] += unit[t * channels + c];
        }
    }
    for (size_t i = 0; i < tokens->count * channels; i++) {
        means[i] /= members[i / channels] > 0.0 ? members[i / channels] : 1.0;
    }
    return means;
}

/* Scores of one pixel by upsampling the features; true when `label` is the winner, or ties with it. */
static bool is_winner(const diffcut_features *f, const double *unit, const double *means, const double *members,
                      uint32_t count, upsample_tap y, upsample_tap x, uint32_t label) {
    double best = -INFINITY, chosen = -INFINITY;
    for (uint32_t k = 0; k < count; k++) {
        double score = 0.0;
        if (members[k] <= 0.0) {
            continue;
        }
        for (size_t c = 0; c < f->channels; c++) {
            double fy = (double)y.fraction, fx = (double)x.fraction;
            double top = (1 - fx) * unit[((size_t)y.low * f->width + x.low) * f->channels + c] +
                         fx * unit[((size_t)y.low * f->width + x.high) * f->channels + c];
            double bottom = (1 - fx) * unit[((size_t)y.high * f->width + x.low) * f->channels + c] +
                            fx * unit[((size_t)y.high * f->width + x.high) * f->channels + c];
            score += ((1 - fy) * top + fy * bottom) * means[k * f->channels + c];
        }
        best = score > best ? score : best;
        chosen = k == label ? score : chosen;
    }
    return chosen >= best - AMBIGUOUS;
}

static void check(uint32_t grid_height, uint32_t grid_width, uint32_t channels, uint32_t count, uint32_t height,
                  uint32_t width) {
    diffcut_features features = random_features(grid_height, grid_width, channels, 11);
    diffcut_labels tokens = refine_labels(grid_width, grid_height, count, 1, 77), out = {0};
    refine_work r;
    refine_work_init(&r, 2, NULL);
    assert_int_equal(concepts_assign(&r.w, &features, &tokens, width, height, &out), DIFFCUT_OK);
    assert_int_equal(out.width, width);
    assert_int_equal(out.height, height);
    assert_int_equal(out.count, count);
    double *unit = unit_features(&features);
    double *members = malloc(count * sizeof *members);
    assert_non_null(members);
    double *means = plain_concepts(&features, unit, &tokens, members);
    upsample_tap *x = malloc(width * sizeof *x), *y = malloc(height * sizeof *y);
    assert_non_null(x);
    assert_non_null(y);
    upsample_half_pixel(grid_width, width, x);
    upsample_half_pixel(grid_height, height, y);
    for (size_t i = 0; i < (size_t)width * height; i++) {
        if (!is_winner(&features, unit, means, members, count, y[i / width], x[i % width], out.data[i])) {
            fail_msg("%ux%u grid, %u segments, %ux%u: y %zu, x %zu: %u does not win", grid_height, grid_width, count,
                     height, width, i / width, i % width, out.data[i]);
        }
    }
    free(x);
    free(y);
    free(unit);
    free(means);
    free(members);
    mem_free(out.data);
    mem_free(tokens.data);
    mem_free(features.data);
}

static void labels_equal_upsampled_features_at_every_size(void **state) {
    (void)state;
    check(7, 9, 24, 6, 61, 83); /* larger */
    check(7, 9, 24, 6, 7, 9);   /* the grid itself */
    check(16, 12, 8, 40, 5, 3); /* smaller: cells without pixels */
    check(1, 1, 4, 1, 30, 200); /* one token */
    check(1, 13, 5, 3, 1, 500); /* rows and columns */
    check(13, 1, 5, 3, 500, 1);
    check(3, 4, 1, 2, 40, 33); /* one channel: scores tie */
    check(12, 12, 70, 300, 29, 31);
}

/* (65, 63) tokens, each a segment: the scores of all rows do not fit one band. */
static void many_segments_are_treated_in_bands(void **state) {
    (void)state;
    diffcut_features features = random_features(70, 63, 16, 5);
    size_t count = (size_t)70 * 63;
    diffcut_labels tokens = {63, 70, (uint32_t)count, mem_array(count, sizeof(uint32_t))}, out = {0};
    assert_non_null(tokens.data);
    for (size_t i = 0; i < count; i++) {
        tokens.data[i] = (uint32_t)(count - 1 - i);
    }
    refine_work r;
    refine_work_init(&r, 2, NULL);
    assert_int_equal(concepts_assign(&r.w, &features, &tokens, 63, 70, &out), DIFFCUT_OK);
    for (size_t i = 0; i < count; i++) { /* at its own place a token's own concept scores 1 */
        assert_int_equal(out.data[i], tokens.data[i]);
    }
    mem_free(out.data);
    mem_free(tokens.data);
    mem_free(features.data);
}

static void equal_concepts_go_to_the_first(void **state) {
    (void)state;
    diffcut_features features = random_features(4, 4, 3, 8);
    for (size_t i = 3; i < 4 * 4 * 3; i++) {
        features.data[i] = features.data[i % 3];
    }
    diffcut_labels tokens = refine_labels(4, 4, 5, 2, 1), out = {0};
    uint32_t least = 5;
    for (size_t i = 0; i < 16; i++) {
        least = tokens.data[i] < least ? tokens.data[i] : least;
    }
    refine_work r;
    refine_work_init(&r, 1, NULL);
    assert_int_equal(concepts_assign(&r.w, &features, &tokens, 50, 41, &out), DIFFCUT_OK);
    for (size_t i = 0; i < (size_t)50 * 41; i++) {
        assert_int_equal(out.data[i], least);
    }
    mem_free(out.data);
    mem_free(tokens.data);
    mem_free(features.data);
}

/* Features of no length, or too long to square in single precision, still give labels. */
static void extreme_features_give_labels(void **state) {
    (void)state;
    diffcut_features features = random_features(4, 6, 8, 8);
    diffcut_labels tokens = refine_labels(6, 4, 3, 1, 1), out = {0};
    for (size_t i = 0; i < 4 * 6 * 8; i++) {
        features.data[i] *= i < 48 ? 0.0F : i < 96 ? 1e38F : 1e-30F;
    }
    refine_work r;
    refine_work_init(&r, 1, NULL);
    assert_int_equal(concepts_assign(&r.w, &features, &tokens, 12, 8, &out), DIFFCUT_OK);
    for (size_t i = 0; i < 96; i++) {
        assert_true(out.data[i] < 3);
    }
    mem_free(out.data);
    mem_free(tokens.data);
    mem_free(features.data);
}

static void fixture_equals_torch(void **state) {
    (void)state;
    golden *file = golden_open("%s/refine/refine.safetensors", DIFFCUT_TEST_DATA);
    assert_non_null(file);
    const golden_tensor *values = golden_get(file, "features"), *means = golden_get(file, "means");
    diffcut_features features = {(uint32_t)values->shape[0], (uint32_t)values->shape[1], (uint32_t)values->shape[2],
                                 golden_floats(values)};
    diffcut_labels tokens = refine_golden_labels(golden_get(file, "tokens"));
    static const uint32_t sizes[][2] = {{70, 51}, {6, 30}};
    for (size_t i = 0; i < 2; i++) {
        refine_work r;
        diffcut_labels out = {0};
        refine_work_init(&r, 2, "concepts");
        assert_int_equal(concepts_assign(&r.w, &features, &tokens, sizes[i][1], sizes[i][0], &out), DIFFCUT_OK);
        assert_true(refine_labels_equal("assigned", &out,
                                        golden_get(file, "assigned_%ux%u", sizes[i][0], sizes[i][1]),
                                        golden_get(file, "assigned_ambiguous_%ux%u", sizes[i][0], sizes[i][1]), 0));
        float *want = golden_floats(means);
        assert_int_equal(r.dumped_count, means->count);
        assert_true(golden_close_to("means", r.dumped, want, means->shape, 2, means->count, 2e-6, 0.0));
        free(want);
        refine_work_free(&r);
        mem_free(out.data);
    }
    free(features.data);
    mem_free(tokens.data);
    golden_close(file);
}

static void the_thread_count_changes_nothing(void **state) {
    (void)state;
    diffcut_features features = random_features(20, 30, 40, 8);
    diffcut_labels tokens = refine_labels(30, 20, 50, 2, 1), a = {0}, b = {0};
    refine_work one, many;
    refine_work_init(&one, 1, NULL);
    refine_work_init(&many, 5, NULL);
    assert_int_equal(concepts_assign(&one.w, &features, &tokens, 333, 222, &a), DIFFCUT_OK);
    assert_int_equal(concepts_assign(&many.w, &features, &tokens, 333, 222, &b), DIFFCUT_OK);
    assert_memory_equal(a.data, b.data, (size_t)333 * 222 * sizeof *a.data);
    mem_free(a.data);
    mem_free(b.data);
    mem_free(tokens.data);
    mem_free(features.data);
}

static void bad_arguments_cancel_and_failing_memory_change_nothing(void **state) {
    (void)state;
    diffcut_features features = random_features(6, 5, 4, 8);
    diffcut_labels tokens = refine_labels(5, 6, 3, 2, 1), untouched = {1, 2, 3, NULL}, out = untouched;
    refine_work r;
    refine_work_init(&r, 2, "concepts");
    assert_int_equal(concepts_assign(&r.w, &features, &tokens, 0, 8, &out), DIFFCUT_ERROR_ARGUMENT);
    tokens.width = 6;
    tokens.height = 5;
    assert_int_equal(concepts_assign(&r.w, &features, &tokens, 8, 8, &out), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(r.diag.message, "6x5"));
    tokens.width = 5;
    tokens.height = 6;
    tokens.count = 1;
    assert_int_equal(concepts_assign(&r.w, &features, &tokens, 8, 8, &out), DIFFCUT_ERROR_ARGUMENT);
    tokens.count = 3;
    r.calls_left = 0;
    assert_int_equal(concepts_assign(&r.w, &features, &tokens, 8, 8, &out), DIFFCUT_ERROR_CANCELLED);
    r.calls_left = -1;
    diffcut_status status = DIFFCUT_ERROR_MEMORY;
    for (long allocations = 0; status == DIFFCUT_ERROR_MEMORY; allocations++) {
        assert_memory_equal(&out, &untouched, sizeof out);
        mem_fail_after(allocations);
        status = concepts_assign(&r.w, &features, &tokens, 8, 8, &out);
        mem_fail_after(-1);
    }
    assert_int_equal(status, DIFFCUT_OK);
    refine_work_free(&r);
    mem_free(out.data);
    mem_free(tokens.data);
    mem_free(features.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_equal_upsampled_features_at_every_size),
        cmocka_unit_test(many_segments_are_treated_in_bands),
        cmocka_unit_test(equal_concepts_go_to_the_first),
        cmocka_unit_test(extreme_features_give_labels),
        cmocka_unit_test(fixture_equals_torch),
        cmocka_unit_test(the_thread_count_changes_nothing),
        cmocka_unit_test(bad_arguments_cancel_and_failing_memory_change_nothing),
    };
    return cmocka_run_group_tests_name("concepts", tests, NULL, NULL);
}

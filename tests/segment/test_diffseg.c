/*
 * test_diffseg.c - DiffSeg's aggregation, divergence, merging and labels against the published code's results (golden
 * fixture F; tolerances: its README, and below where it has none) with the argument "golden"; without it, what small
 * and odd maps give.
 */
#include "golden.h"
#include "test.h"

#include "core/memory.h"
#include "core/work.h"
#include "segment/diffseg.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Not in the README. The aggregate is a sum of four float maps, normalised: a few units in its last place. The
 * divergence is a difference of sums of about 8 each, taken in float by matrix products. A merged map is the mean of
 * some hundred members, of which one more or less at the threshold, where half precision decides, moves it by its
 * share. */
#define AGGREGATE_RELATIVE 5e-6
#define AGGREGATE_ABSOLUTE 1e-9
#define DIVERGENCE_ABSOLUTE 2e-5
#define MERGED_RELATIVE 2e-3

static const uint32_t sides[] = {64, 32, 16, 8};
#define LEVELS (sizeof sides / sizeof *sides)

static work quiet(diffcut_diagnostics *diag, uint32_t threads) {
    return (work){.threads = threads, .diag = diag, .stage = DIFFCUT_STAGE_CUT};
}

/* Row i of softmax(F F^T), rounded to float as the fixture's maker did, added to sum. */
static void add_attention_row(const float *factors, size_t tokens, size_t width, size_t i, double *scores,
                              float share, float *sum) {
    double most = -INFINITY, total = 0.0;
    for (size_t j = 0; j < tokens; j++) {
        double dot = 0.0;
        for (size_t c = 0; c < width; c++) {
            dot += (double)factors[i * width + c] * (double)factors[j * width + c];
        }
        scores[j] = dot;
        most = fmax(most, dot);
    }
    for (size_t j = 0; j < tokens; j++) {
        scores[j] = exp(scores[j] - most);
        total += scores[j];
    }
    for (size_t j = 0; j < tokens; j++) {
        sum[j] += share * (float)(scores[j] / total);
    }
}

static float *attention_of(const golden *file, uint32_t side) {
    const golden_tensor *tensor = golden_get(file, "factors_%u", side);
    float *factors = golden_floats(tensor);
    size_t heads = tensor->shape[0], tokens = tensor->shape[1], width = tensor->shape[2];
    float *map = mem_array_zero(tokens * tokens, sizeof *map);
    double *scores = malloc(tokens * sizeof *scores);
    assert_true(map != NULL && scores != NULL);
    for (size_t head = 0; head < heads; head++) {
        for (size_t i = 0; i < tokens; i++) {
            add_attention_row(factors + head * tokens * width, tokens, width, i, scores, 1.0F / (float)heads,
                              map + i * tokens);
        }
    }
    free(scores);
    free(factors);
    return map;
}

static bool check_aggregate(const char *name, const golden *file, const float *aggregate) {
    const golden_tensor *tensor = golden_get(file, "aggregate");
    int32_t *rows = golden_ints(golden_get(file, "aggregate_rows"));
    float *want = golden_floats(tensor);
    bool good = true;
    char what[96];
    (void)snprintf(what, sizeof what, "%s aggregate", name);
    for (size_t r = 0; r < tensor->shape[0]; r++) {
        good &= golden_close_to(what, aggregate + (size_t)rows[r] * 4096, want + r * 4096, NULL, 0, 4096,
                                AGGREGATE_ABSOLUTE, AGGREGATE_RELATIVE);
    }
    free(want);
    free(rows);
    return good;
}

static bool check_divergence(const char *name, const golden *file, const float *aggregate, const uint32_t *anchors,
                             size_t count) {
    const golden_tensor *tensor = golden_get(file, "kl_sample");
    int32_t *rows = golden_ints(golden_get(file, "aggregate_rows"));
    double *want = golden_doubles(tensor), *got = malloc(tensor->count * sizeof *got);
    float *all = malloc(count * 4096 * sizeof *all);
    diffcut_diagnostics diag;
    work w = quiet(&diag, 2);
    char what[96];
    assert_true(got != NULL && all != NULL);
    assert_int_equal(tensor->shape[0], count);
    assert_int_equal(diffseg_divergence(&w, aggregate, 4096, anchors, count, false, all), DIFFCUT_OK);
    for (size_t i = 0; i < tensor->count; i++) {
        got[i] = (double)all[i / tensor->shape[1] * 4096 + (size_t)rows[i % tensor->shape[1]]];
    }
    (void)snprintf(what, sizeof what, "%s kl_sample", name);
    bool good = golden_close_to_doubles(what, got, want, tensor->shape, 2, tensor->count, DIVERGENCE_ABSOLUTE, 0.0);
    free(all);
    free(got);
    free(want);
    free(rows);
    return good;
}

static bool check_grid(const golden *file, const uint32_t *anchors, size_t count) {
    int32_t *grid = golden_ints(golden_get(file, "grid"));
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        good &= anchors[i] == (uint32_t)(grid[2 * i] * 64 + grid[2 * i + 1]);
    }
    free(grid);
    return good;
}

/* Proposals after each round, the last round's maps, the labels. */
static bool check_segments(const char *name, const golden *file, const json_t *json, const float *aggregate,
                           const diffcut_diffseg_settings *settings) {
    diffcut_diagnostics diag;
    work w = quiet(&diag, 2);
    diffseg_proposals proposals;
    diffcut_labels labels;
    bool refined = json_is_true(json_object_get(json, "refined_by_kmeans")), good = true;
    assert_int_equal(diffseg_merge(&w, aggregate, 64, 64, settings, &proposals), DIFFCUT_OK);
    for (size_t r = 0; r < settings->round_count; r++) {
        size_t want = (size_t)json_integer_value(json_array_get(json_object_get(json, "proposals"), r));
        if (proposals.after[r] != want) {
            print_message("%s: %zu proposals after round %zu, expected %zu\n", name, proposals.after[r], r, want);
            good = false;
        }
    }
    const golden_tensor *merged = golden_get(file, "merged_last");
    if (good && !refined) {
        float *want = golden_floats(merged);
        good = golden_close_to(name, proposals.maps, want, merged->shape, 3, merged->count, 1e-9, MERGED_RELATIVE);
        free(want);
    }
    assert_int_equal(diffseg_labels(&w, &proposals, 64, 64, settings, &labels), DIFFCUT_OK);
    int32_t *want = golden_ints(golden_get(file, "labels")), *got = malloc((size_t)512 * 512 * sizeof *got);
    assert_non_null(got);
    for (size_t i = 0; i < (size_t)512 * 512; i++) {
        got[i] = (int32_t)labels.data[i];
    }
    size_t shape[2] = {512, 512};
    if (!json_is_true(json_object_get(json, "unstable"))) {
        good &= golden_equal_ints(name, got, want, shape, 2, (size_t)512 * 512);
    } else if (!refined) {
        good &= golden_rand_index(got, want, (size_t)512 * 512) >= 0.95;
    }
    free(got);
    free(want);
    mem_free(labels.data);
    mem_free(proposals.maps);
    return good;
}

static bool check_fixture(const char *name) {
    golden *file = golden_open(DIFFCUT_SHARED_DIR "/golden/segment/diffseg/%s.safetensors", name);
    json_t *json = golden_json(DIFFCUT_SHARED_DIR "/golden/segment/diffseg/%s.json", name);
    assert_true(file != NULL && json != NULL);
    diffcut_diagnostics diag;
    work w = quiet(&diag, 2);
    diffcut_diffseg_settings settings;
    diffseg_level levels[LEVELS];
    size_t finest;
    uint32_t anchors[64 * 64];
    diffcut_diffseg_settings_init(&settings);
    settings.points = (uint32_t)json_integer_value(json_object_get(json, "points_per_side"));
    for (size_t i = 0; i < 3; i++) {
        settings.thresholds[i] = json_real_value(json_array_get(json_object_get(json, "thresholds"), i));
    }
    for (size_t k = 0; k < LEVELS; k++) {
        levels[k] = (diffseg_level){sides[k], sides[k], attention_of(file, sides[k])};
    }
    assert_int_equal(diffseg_aggregate(&w, levels, LEVELS, &finest), DIFFCUT_OK);
    assert_int_equal(finest, 0);
    size_t count = diffseg_anchors(64, 64, settings.points, anchors);
    bool good = check_grid(file, anchors, count);
    good &= check_aggregate(name, file, levels[0].map);
    good &= check_divergence(name, file, levels[0].map, anchors, count);
    settings.reference = true;
    good &= check_segments(name, file, json, levels[0].map, &settings);
    for (size_t k = 0; k < LEVELS; k++) {
        mem_free(levels[k].map);
    }
    json_decref(json);
    golden_close(file);
    return good;
}

static void published_results_are_met(void **state) {
    (void)state;
    static const char *const names[] = {"regions4", "regions5_noisy", "regions6_refined", "regions7"};
    size_t bad = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bad += check_fixture(names[i]) ? 0 : 1;
    }
    assert_int_equal(bad, 0);
}

/* ------------------------------------------------------------------------------------------------- small maps */

/* Rows of two kinds, by the half of the grid that a position lies in. */
static float *two_halves(uint32_t h, uint32_t w) {
    size_t tokens = (size_t)h * w;
    float *map = mem_array(tokens * tokens, sizeof *map);
    assert_non_null(map);
    for (size_t q = 0; q < tokens; q++) {
        for (size_t p = 0; p < tokens; p++) {
            bool same = (2 * (q % w) < w) == (2 * (p % w) < w);
            map[q * tokens + p] = (same ? 0.95F : 0.05F) / (float)tokens;
        }
    }
    return map;
}

static diffcut_labels segment(uint32_t threads, uint32_t h, uint32_t w, const diffcut_diffseg_settings *settings,
                              bool second_level) {
    diffcut_diagnostics diag;
    work quietly = quiet(&diag, threads);
    diffseg_level levels[2] = {{h, w, two_halves(h, w)}, {(h + 1) / 2, (w + 1) / 2, NULL}};
    diffseg_proposals proposals;
    diffcut_labels labels;
    size_t finest;
    levels[1].map = two_halves(levels[1].h, levels[1].w);
    assert_int_equal(diffseg_aggregate(&quietly, levels, second_level ? 2 : 1, &finest), DIFFCUT_OK);
    assert_int_equal(finest, 0);
    for (size_t q = 0; q < (size_t)h * w; q++) { /* still distributions */
        double sum = 0.0;
        for (size_t p = 0; p < (size_t)h * w; p++) {
            sum += (double)levels[0].map[q * h * w + p];
        }
        assert_true(fabs(sum - 1.0) < 1e-5);
    }
    assert_int_equal(diffseg_merge(&quietly, levels[0].map, h, w, settings, &proposals), DIFFCUT_OK);
    assert_int_equal(diffseg_labels(&quietly, &proposals, h, w, settings, &labels), DIFFCUT_OK);
    mem_free(proposals.maps);
    mem_free(levels[0].map);
    mem_free(levels[1].map);
    return labels;
}

static void two_halves_are_two_segments_in_any_shape(void **state) {
    (void)state;
    static const uint32_t shapes[][2] = {{16, 16}, {5, 12}, {12, 6}, {1, 8}, {3, 2}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (int reference = 0; reference < 2; reference++) {
            diffcut_diffseg_settings settings;
            diffcut_diffseg_settings_init(&settings);
            settings.reference = reference != 0;
            settings.label_size = 64;
            diffcut_labels labels = segment(2, shapes[i][0], shapes[i][1], &settings, false);
            uint32_t longer = labels.width > labels.height ? labels.width : labels.height;
            assert_int_equal(longer, 64);
            assert_int_equal(labels.count, 2);
            for (size_t p = 0; p < (size_t)labels.width * labels.height; p++) {
                size_t x = p % labels.width, middle = labels.width / 2, blur = labels.width / shapes[i][1];
                if (x + blur < middle || x > middle + blur) { /* a position's width either way is between both */
                    assert_int_equal(labels.data[p], x < middle ? 0 : 1);
                }
            }
            mem_free(labels.data);
        }
    }
}

static void one_position_is_one_segment(void **state) {
    (void)state;
    diffcut_diffseg_settings settings;
    diffcut_diffseg_settings_init(&settings);
    diffcut_labels labels = segment(1, 1, 1, &settings, false);
    assert_int_equal(labels.count, 1);
    assert_int_equal(labels.width, 512);
    mem_free(labels.data);
}

/* An entry of 0 in half precision makes every comparison of its row no number, and the row's proposal vanish; without
 * the compatibility it does not. */
static void zeros_vanish_only_in_the_published_way(void **state) {
    (void)state;
    float map[4 * 4] = {0.5F, 0.5F, 0.0F, 0.0F, 0.5F, 0.5F, 0.0F, 0.0F,
                        0.0F, 0.0F, 0.5F, 0.5F, 0.0F, 0.0F, 0.5F, 0.5F};
    diffcut_diagnostics diag;
    work w = quiet(&diag, 1);
    diffcut_diffseg_settings settings;
    diffseg_proposals proposals;
    diffcut_diffseg_settings_init(&settings);
    assert_int_equal(diffseg_merge(&w, map, 2, 2, &settings, &proposals), DIFFCUT_OK);
    assert_int_equal(proposals.count, 2);
    mem_free(proposals.maps);
    settings.reference = true;
    assert_int_equal(diffseg_merge(&w, map, 2, 2, &settings, &proposals), DIFFCUT_OK);
    assert_int_equal(proposals.count, 0);
    diffcut_labels labels;
    assert_int_equal(diffseg_labels(&w, &proposals, 2, 2, &settings, &labels), DIFFCUT_OK);
    assert_int_equal(labels.count, 1);
    mem_free(labels.data);
    mem_free(proposals.maps);
}

static void labels_do_not_depend_on_the_thread_count(void **state) {
    (void)state;
    diffcut_diffseg_settings settings;
    diffcut_diffseg_settings_init(&settings);
    settings.points = 5;
    settings.label_size = 100;
    for (int reference = 0; reference < 2; reference++) {
        settings.reference = reference != 0;
        diffcut_labels first = segment(1, 12, 18, &settings, true);
        for (uint32_t threads = 2; threads <= 5; threads++) {
            diffcut_labels labels = segment(threads, 12, 18, &settings, true);
            assert_int_equal(labels.count, first.count);
            assert_memory_equal(labels.data, first.data, (size_t)first.width * first.height * sizeof *first.data);
            mem_free(labels.data);
        }
        mem_free(first.data);
    }
}

static void running_out_of_memory_is_told(void **state) {
    (void)state;
    float *map = two_halves(6, 6), *coarse = two_halves(3, 3);
    diffcut_diagnostics diag;
    work w = quiet(&diag, 1);
    diffcut_diffseg_settings settings;
    diffcut_diffseg_settings_init(&settings);
    diffcut_status status = DIFFCUT_ERROR_MEMORY;
    for (long allowed = 0; status != DIFFCUT_OK; allowed++) {
        diffseg_level levels[2] = {{6, 6, map}, {3, 3, coarse}};
        diffseg_proposals proposals = {.maps = NULL};
        diffcut_labels labels = {.data = NULL};
        size_t finest = 9;
        mem_fail_after(allowed);
        status = diffseg_aggregate(&w, levels, 2, &finest);
        if (status == DIFFCUT_OK) {
            status = diffseg_merge(&w, map, 6, 6, &settings, &proposals);
        }
        if (status == DIFFCUT_OK) {
            status = diffseg_labels(&w, &proposals, 6, 6, &settings, &labels);
        }
        mem_fail_after(-1);
        assert_true(status == DIFFCUT_OK || status == DIFFCUT_ERROR_MEMORY);
        assert_true((status == DIFFCUT_OK) == (labels.data != NULL));
        mem_free(proposals.maps);
        mem_free(labels.data);
    }
    mem_free(coarse);
    mem_free(map);
}

int main(int argc, char **argv) {
    const struct CMUnitTest published[] = {cmocka_unit_test(published_results_are_met)};
    if (argc > 1 && strcmp(argv[1], "golden") == 0) {
        return golden_shared_present() ? cmocka_run_group_tests(published, NULL, NULL) : TEST_SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_halves_are_two_segments_in_any_shape),
        cmocka_unit_test(one_position_is_one_segment),
        cmocka_unit_test(zeros_vanish_only_in_the_published_way),
        cmocka_unit_test(labels_do_not_depend_on_the_thread_count),
        cmocka_unit_test(running_out_of_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_coherence.c - the ROC curve of patch similarity against classes: known arrangements, exact merging, files.
 */
#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "diffcut/diffcut.h"
#include "test.h"

static diffcut_coherence *make(uint32_t bins, uint32_t classes, uint32_t max_tokens) {
    diffcut_coherence_settings settings;
    diffcut_coherence_settings_init(&settings);
    settings.bins = bins;
    settings.classes = classes;
    settings.max_tokens = max_tokens;
    diffcut_coherence *made = NULL;
    assert_int_equal(diffcut_coherence_create(&settings, &made, NULL), DIFFCUT_OK);
    return made;
}

/* One row of unit vectors at these angles, one pixel of truth each. */
static void add_angles(diffcut_coherence *coherence, const double *degrees, const uint32_t *classes, uint32_t count) {
    float data[64 * 2];
    diffcut_features *features = NULL;
    diffcut_labels truth = {0};
    for (uint32_t i = 0; i < count; i++) {
        const double angle = degrees[i] * 3.14159265358979323846 / 180;
        data[2 * i] = (float)(3 * cos(angle)); /* the length must not matter */
        data[2 * i + 1] = (float)(3 * sin(angle));
    }
    assert_int_equal(diffcut_features_create(1, count, 2, data, &features, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_labels_create(count, 1, classes, &truth, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_coherence_add(coherence, features, &truth, 1, NULL), DIFFCUT_OK);
    diffcut_labels_free(&truth);
    diffcut_features_free(features);
}

static diffcut_coherence_report report(const diffcut_coherence *coherence) {
    diffcut_coherence_report out;
    diffcut_coherence_get_report(coherence, &out);
    return out;
}

static void separated_classes_have_area_one_and_mixed_ones_less(void **state) {
    (void)state;
    diffcut_coherence *apart = make(4000, 2, 1024);
    add_angles(apart, (const double[]){0, 10, 90, 100}, (const uint32_t[]){0, 0, 1, 1}, 4);
    diffcut_coherence_report r = report(apart);
    assert_true(r.positive == 2 && r.negative == 4 && r.photos == 1);
    assert_true(r.auc == 1 && r.auc_error == 0 && fabs(r.bin_width - 0.0005) < 1e-15);
    diffcut_coherence_free(apart);
    /* Tokens at 0 (a), 10 (b), 30 (a), 70 (b). Positive pairs: 30 and 60 degrees apart. Negative: 10, 70, 20, 40.
     * 30 beats 70 and 40; 60 beats 70: 3 of 8. */
    diffcut_coherence *mixed = make(4000, 2, 1024);
    add_angles(mixed, (const double[]){0, 10, 30, 70}, (const uint32_t[]){0, 1, 0, 1}, 4);
    r = report(mixed);
    assert_true(r.positive == 2 && r.negative == 4);
    assert_true(fabs(r.auc - 3.0 / 8) < 1e-15 && r.auc_error == 0);
    diffcut_coherence_free(mixed);
}

static void equal_similarities_count_half(void **state) {
    (void)state;
    diffcut_coherence *flat = make(2, 2, 1024);
    add_angles(flat, (const double[]){5, 5, 5}, (const uint32_t[]){0, 0, 1}, 3);
    const diffcut_coherence_report r = report(flat);
    assert_true(r.auc == 0.5 && r.auc_error == 0.5);
    diffcut_coherence_free(flat);
}

static void one_class_or_no_photo_has_no_area(void **state) {
    (void)state;
    diffcut_coherence *none = make(10, 2, 1024);
    assert_true(isnan(report(none).auc) && report(none).photos == 0);
    add_angles(none, (const double[]){0, 50, 90}, (const uint32_t[]){1, 1, 1}, 3);
    assert_true(isnan(report(none).auc) && report(none).positive == 3 && report(none).negative == 0);
    add_angles(none, (const double[]){0, 50}, (const uint32_t[]){2, 9}, 2); /* both ignored */
    assert_true(report(none).positive == 3 && report(none).photos == 2);
    size_t count = 0;
    diffcut_coherence_curve(none, NULL, 0, &count);
    assert_true(count > 1);
    diffcut_coherence_free(none);
}

static void tokens_take_the_class_of_most_of_their_pixels(void **state) {
    (void)state;
    /* Two tokens of 2 x 2 pixels: {0, 0, 1, 7} is 0; {7, 9, 8, 1} is mostly ignored, although no value is twice. */
    const uint32_t pixels[] = {0, 0, 7, 9, /**/ 1, 7, 8, 1};
    const float data[] = {1, 0, 1};
    diffcut_features *features = NULL;
    diffcut_labels truth = {0};
    diffcut_coherence *coherence = make(10, 2, 1024);
    assert_int_equal(diffcut_features_create(1, 2, 1, data, &features, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_labels_create(4, 2, pixels, &truth, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_coherence_add(coherence, features, &truth, 1, NULL), DIFFCUT_OK);
    assert_true(report(coherence).positive == 0 && report(coherence).negative == 0);
    truth.data[2] = 0; /* {0, 9, 8, 1}: ignored twice, 0 and 1 once */
    truth.data[3] = 1; /* {0, 1, 8, 1}: 1 twice */
    assert_int_equal(diffcut_coherence_add(coherence, features, &truth, 1, NULL), DIFFCUT_OK);
    assert_true(report(coherence).positive == 0 && report(coherence).negative == 1);
    diffcut_coherence_free(coherence);
    diffcut_labels_free(&truth);
    diffcut_features_free(features);
}

/* count tokens of 5 channels and their classes, smooth enough to be partly separable. */
static void random_photo(uint32_t seed, uint32_t height, uint32_t width, diffcut_features **features,
                         diffcut_labels *truth) {
    const uint32_t count = height * width;
    float *data = malloc(sizeof *data * count * 5);
    uint32_t *classes = malloc(sizeof *classes * count);
    assert_true(data != NULL && classes != NULL);
    uint32_t random = seed * 2654435761U + 1;
    for (uint32_t i = 0; i < count; i++) {
        classes[i] = (i / 7 + seed) % 4; /* 3 is ignored below */
        for (uint32_t c = 0; c < 5; c++) {
            random = random * 1664525U + 1013904223U;
            data[i * 5 + c] = (float)(random >> 8) / (float)(1 << 24) - 0.5F + (c == classes[i] ? 0.5F : 0);
        }
    }
    assert_int_equal(diffcut_features_create(height, width, 5, data, features, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_labels_create(width, height, classes, truth, NULL), DIFFCUT_OK);
    free(data);
    free(classes);
}

static void add_photo(diffcut_coherence *coherence, uint32_t seed, uint32_t threads) {
    diffcut_features *features = NULL;
    diffcut_labels truth = {0};
    random_photo(seed, 17, 19, &features, &truth);
    assert_int_equal(diffcut_coherence_add(coherence, features, &truth, threads, NULL), DIFFCUT_OK);
    diffcut_features_free(features);
    diffcut_labels_free(&truth);
}

/* The area from all pairs, without bins. */
static void area_is_that_of_all_pairs_within_the_stated_error(void **state) {
    (void)state;
    diffcut_features *features = NULL;
    diffcut_labels truth = {0};
    random_photo(5, 17, 19, &features, &truth);
    diffcut_coherence *coherence = make(400, 3, 1024);
    assert_int_equal(diffcut_coherence_add(coherence, features, &truth, 2, NULL), DIFFCUT_OK);
    const uint32_t count = 17 * 19;
    float *row = malloc(sizeof *row * count);
    float *similarity[2] = {malloc(sizeof(float) * count * count), malloc(sizeof(float) * count * count)};
    size_t pairs[2] = {0, 0};
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(diffcut_similarity(features, i, features, row, NULL), DIFFCUT_OK);
        for (uint32_t j = i + 1; j < count; j++) {
            if (truth.data[i] < 3 && truth.data[j] < 3) {
                const int kind = truth.data[i] == truth.data[j];
                similarity[kind][pairs[kind]++] = row[j];
            }
        }
    }
    double above = 0;
    for (size_t p = 0; p < pairs[1]; p++) {
        size_t beaten = 0;
        for (size_t n = 0; n < pairs[0]; n++) {
            beaten += similarity[1][p] > similarity[0][n];
        }
        above += (double)beaten;
    }
    const double exact = above / ((double)pairs[0] * (double)pairs[1]);
    const diffcut_coherence_report r = report(coherence);
    assert_true(r.positive == pairs[1] && r.negative == pairs[0]);
    assert_true(exact > 0.6 && exact < 0.99);
    assert_true(r.auc_error < 0.01 && fabs(r.auc - exact) <= r.auc_error);
    free(row);
    free(similarity[0]);
    free(similarity[1]);
    diffcut_coherence_free(coherence);
    diffcut_features_free(features);
    diffcut_labels_free(&truth);
}

static void assert_same(const diffcut_coherence *a, const diffcut_coherence *b) {
    diffcut_buffer x = {0};
    diffcut_buffer y = {0};
    assert_int_equal(diffcut_coherence_save(a, &x, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_coherence_save(b, &y, NULL), DIFFCUT_OK);
    assert_int_equal(x.size, y.size);
    assert_memory_equal(x.data, y.data, x.size);
    diffcut_buffer_free(&x);
    diffcut_buffer_free(&y);
}

static void counts_do_not_depend_on_order_threads_or_parts(void **state) {
    (void)state;
    const uint32_t limits[] = {1024, 60}; /* all tokens; some, drawn */
    for (int l = 0; l < 2; l++) {
        diffcut_coherence *whole = make(4000, 3, limits[l]);
        diffcut_coherence *first = make(4000, 3, limits[l]);
        diffcut_coherence *second = make(4000, 3, limits[l]);
        for (uint32_t photo = 0; photo < 5; photo++) {
            add_photo(whole, photo, 1);
            add_photo(photo % 2 == 0 ? first : second, 4 - photo, 3);
        }
        assert_int_equal(diffcut_coherence_merge(second, first, NULL), DIFFCUT_OK);
        assert_same(whole, second);
        if (l == 1) {
            assert_true(report(whole).positive + report(whole).negative == 5 * 60 * 59 / 2);
        }
        diffcut_coherence_free(whole);
        diffcut_coherence_free(first);
        diffcut_coherence_free(second);
    }
}

static void saved_counts_load_and_broken_ones_are_named(void **state) {
    (void)state;
    diffcut_coherence_settings settings;
    diffcut_coherence_settings_init(&settings);
    settings.bins = 20;
    settings.classes = 3;
    settings.seed = UINT64_MAX;
    diffcut_coherence *saved = NULL;
    diffcut_coherence *loaded = NULL;
    diffcut_buffer file = {0};
    diffcut_diagnostics diag;
    assert_int_equal(diffcut_coherence_create(&settings, &saved, NULL), DIFFCUT_OK);
    add_photo(saved, 3, 1);
    assert_int_equal(diffcut_coherence_save(saved, &file, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_coherence_load(file.data, file.size, "a.json", &loaded, NULL), DIFFCUT_OK);
    assert_same(saved, loaded);
    diffcut_coherence_free(loaded);
    loaded = NULL;
    for (size_t size = 0; size + 2 < file.size; size += 7) {
        assert_int_equal(diffcut_coherence_load(file.data, size, "a.json", &loaded, &diag), DIFFCUT_ERROR_FORMAT);
        assert_int_equal(strncmp(diag.message, "a.json", 6), 0);
    }
    static const char *const broken[] = {
        "{}",
        "[]",
        "{\"coherence\": 2}",
        "{\"coherence\": 1, \"bins\": 1, \"classes\": 1, \"max_tokens\": 2}",
        "{\"coherence\": 1, \"bins\": 2, \"classes\": 1, \"max_tokens\": 2, \"seed\": \"99999999999999999999\", "
        "\"photos\": [1], \"positive\": [1, 2], \"negative\": [1, 2]}",
        "{\"coherence\": 1, \"bins\": 2, \"classes\": 1, \"max_tokens\": 2, \"seed\": \"-1\", \"photos\": [1], "
        "\"positive\": [1, 2], \"negative\": [1, 2]}",
        "{\"coherence\": 1, \"bins\": 2, \"classes\": 1, \"max_tokens\": 2, \"seed\": \"0\", \"photos\": [1], "
        "\"positive\": [1], \"negative\": [1, 2]}",
        "{\"coherence\": 1, \"bins\": 2, \"classes\": 1, \"max_tokens\": 2, \"seed\": \"0\", \"photos\": [1], "
        "\"positive\": [1, -2], \"negative\": [1, 2]}",
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        assert_int_equal(diffcut_coherence_load(broken[i], strlen(broken[i]), "b.json", &loaded, &diag),
                         DIFFCUT_ERROR_FORMAT);
        assert_non_null(strstr(diag.message, "b.json"));
        assert_null(loaded);
    }
    diffcut_buffer_free(&file);
    diffcut_coherence_free(saved);
}

static void curve_rises_from_corner_to_corner(void **state) {
    (void)state;
    diffcut_coherence *coherence = make(4000, 3, 1024);
    add_photo(coherence, 1, 1);
    size_t count = 0;
    diffcut_coherence_curve(coherence, NULL, 0, &count);
    assert_true(count > 100 && count <= 4001);
    diffcut_roc_point *points = malloc(sizeof *points * count);
    diffcut_coherence_curve(coherence, points, count, &count);
    assert_true(points[0].false_positive == 0 && points[0].true_positive == 0 && points[0].threshold == 1);
    assert_true(points[count - 1].false_positive == 1 && points[count - 1].true_positive == 1);
    double area = 0;
    for (size_t i = 1; i < count; i++) {
        assert_true(points[i].threshold < points[i - 1].threshold);
        assert_true(points[i].true_positive >= points[i - 1].true_positive);
        area += (points[i].false_positive - points[i - 1].false_positive) *
                (points[i].true_positive + points[i - 1].true_positive) / 2;
    }
    assert_true(fabs(area - report(coherence).auc) < 1e-12);
    free(points);
    diffcut_coherence_free(coherence);
}

static void settings_and_inputs_are_checked(void **state) {
    (void)state;
    diffcut_diagnostics diag;
    diffcut_coherence_settings settings;
    diffcut_coherence *made = NULL;
    diffcut_coherence_settings_init(&settings);
    assert_int_equal(diffcut_coherence_create(&settings, &made, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(diag.message, "classes is 0"));
    settings.classes = 2;
    settings.bins = 1;
    assert_int_equal(diffcut_coherence_create(&settings, &made, &diag), DIFFCUT_ERROR_ARGUMENT);
    settings.bins = 4000;
    settings.max_tokens = 1;
    assert_int_equal(diffcut_coherence_create(&settings, &made, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_null(made);
    diffcut_coherence *a = make(10, 2, 8);
    diffcut_coherence *b = make(11, 2, 8);
    assert_int_equal(diffcut_coherence_merge(a, b, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(diag.message, "bins 11"));
    assert_int_equal(diffcut_coherence_merge(a, NULL, &diag), DIFFCUT_ERROR_ARGUMENT);
    const float data[4] = {1, 2, 3, 4};
    diffcut_features *features = NULL;
    diffcut_labels small = {0};
    assert_int_equal(diffcut_features_create(2, 2, 1, data, &features, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_labels_create(2, 1, NULL, &small, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_coherence_add(a, features, &small, 1, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(diag.message, "labels of 2x1 are smaller than the features' grid of 2x2"));
    assert_int_equal(diffcut_coherence_add(a, NULL, &small, 1, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_coherence_add(a, features, NULL, 1, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_true(report(a).photos == 0);
    diffcut_labels_free(&small);
    diffcut_features_free(features);
    diffcut_coherence_free(a);
    diffcut_coherence_free(b);
}

static void failed_allocations_count_nothing(void **state) {
    (void)state;
    diffcut_features *features = NULL;
    diffcut_labels truth = {0};
    random_photo(2, 5, 6, &features, &truth);
    diffcut_coherence *coherence = make(50, 3, 1024);
    diffcut_status status = DIFFCUT_ERROR_MEMORY;
    for (long n = 0; status != DIFFCUT_OK && n < 50; n++) {
        mem_fail_after(n);
        status = diffcut_coherence_add(coherence, features, &truth, 1, NULL);
        mem_fail_after(-1);
        assert_true(status == DIFFCUT_OK || (status == DIFFCUT_ERROR_MEMORY && report(coherence).photos == 0));
    }
    assert_int_equal(status, DIFFCUT_OK);
    diffcut_buffer file = {0};
    diffcut_coherence *loaded = NULL;
    assert_int_equal(diffcut_coherence_save(coherence, &file, NULL), DIFFCUT_OK);
    status = DIFFCUT_ERROR_MEMORY;
    for (long n = 0; status != DIFFCUT_OK && n < 5000; n++) {
        mem_fail_after(n);
        status = diffcut_coherence_load(file.data, file.size, "a", &loaded, NULL);
        mem_fail_after(-1);
        assert_true(status == DIFFCUT_OK || loaded == NULL);
    }
    assert_int_equal(status, DIFFCUT_OK);
    diffcut_coherence_free(loaded);
    diffcut_buffer_free(&file);
    diffcut_coherence_free(coherence);
    diffcut_features_free(features);
    diffcut_labels_free(&truth);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(separated_classes_have_area_one_and_mixed_ones_less),
        cmocka_unit_test(equal_similarities_count_half),
        cmocka_unit_test(one_class_or_no_photo_has_no_area),
        cmocka_unit_test(tokens_take_the_class_of_most_of_their_pixels),
        cmocka_unit_test(area_is_that_of_all_pairs_within_the_stated_error),
        cmocka_unit_test(counts_do_not_depend_on_order_threads_or_parts),
        cmocka_unit_test(saved_counts_load_and_broken_ones_are_named),
        cmocka_unit_test(curve_rises_from_corner_to_corner),
        cmocka_unit_test(settings_and_inputs_are_checked),
        cmocka_unit_test(failed_allocations_count_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

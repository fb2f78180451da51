/*
 * test_score.c - matching, counting and summing: what the default promises beyond the published code, that sums are
 * exact in any order, shard and through files, and what is refused.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "diffcut/diffcut.h"
#include "eval/bootstrap.h"
#include "test.h"

#define SIDE 24
#define CLASSES 5
#define PHOTOS 12

static uint32_t next(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

static diffcut_protocol *generic(bool reference, int64_t background) {
    diffcut_protocol_settings settings;
    diffcut_protocol_settings_init(&settings);
    settings.classes = CLASSES;
    settings.ignore = 255;
    settings.background = background;
    settings.reference = reference;
    diffcut_protocol *protocol = NULL;
    assert_int_equal(diffcut_protocol_open("generic", &settings, &protocol, NULL), DIFFCUT_OK);
    return protocol;
}

static diffcut_labels map_of(uint32_t width, uint32_t height, const uint32_t *data) {
    diffcut_labels out = {0};
    assert_int_equal(diffcut_labels_create(width, height, data, &out, NULL), DIFFCUT_OK);
    return out;
}

/* Blocks of classes with some noise and some pixels left out; segments follow the classes loosely. */
static void make_photo(uint64_t seed, diffcut_labels *prediction, diffcut_labels *truth) {
    uint32_t labels[SIDE * SIDE], classes[SIDE * SIDE];
    uint64_t state = seed * 977 + 5;
    uint32_t shift = next(&state) % CLASSES;
    for (uint32_t i = 0; i < SIDE * SIDE; i++) {
        uint32_t block = (i / SIDE / 8 * 3 + i % SIDE / 8 + shift) % CLASSES;
        uint32_t noise = next(&state) % 10;
        classes[i] = noise == 0 ? 255 : block;
        labels[i] = noise == 1 ? next(&state) % 9 : block * 2 + (i % SIDE > 12);
    }
    *prediction = map_of(SIDE, SIDE, labels);
    *truth = map_of(SIDE, SIDE, classes);
}

static diffcut_score_photo measure(const diffcut_protocol *protocol, const diffcut_score_settings *settings,
                                   const char *name, const diffcut_labels *prediction, const diffcut_labels *truth) {
    diffcut_score_photo photo = {0};
    const diffcut_score_input input = {name, prediction, truth, false, false};
    assert_int_equal(diffcut_score_measure(protocol, settings, &input, &photo, NULL), DIFFCUT_OK);
    return photo;
}

/* ------------------------------------------------------------------------------------------------- matching */

static void a_left_over_segment_has_no_class_but_by_the_published_code(void **state) {
    (void)state;
    const uint32_t truth_data[] = {0, 0, 0, 0, 0, 0}, labels[] = {0, 0, 0, 0, 1, 1};
    diffcut_labels truth = map_of(6, 1, truth_data), prediction = map_of(6, 1, labels);
    diffcut_protocol *sound = generic(false, -1), *published = generic(true, -1);
    diffcut_score_photo photo = measure(sound, NULL, "a", &prediction, &truth);
    assert_int_equal(photo.count, 1);
    assert_int_equal(photo.counts[0].tp, 4);
    assert_int_equal(photo.counts[0].fp, 0);
    assert_int_equal(photo.counts[0].fn, 2);
    assert_int_equal(photo.unassigned, 1);
    assert_int_equal(photo.unassigned_pixels, 2);
    assert_int_equal(photo.class_of[1], -1);
    diffcut_score_photo_free(&photo);
    photo = measure(published, NULL, "a", &prediction, &truth);
    assert_int_equal(photo.count, 2); /* an absent class takes the segment and its two false positives */
    assert_int_equal(photo.counts[1].fp, 2);
    assert_int_equal(photo.unassigned, 0);
    diffcut_score_photo_free(&photo);
    diffcut_protocol_free(published);
    diffcut_protocol_free(sound);
    diffcut_labels_free(&prediction);
    diffcut_labels_free(&truth);
}

static void figures_do_not_depend_on_how_segments_are_numbered(void **state) {
    (void)state;
    static const uint32_t renumbered[] = {700, 3, 41, 9, 2, 1000, 8, 0, 55, 17};
    for (int64_t background = -1; background < 1; background++) {
        diffcut_protocol *protocol = generic(false, background);
        for (uint64_t seed = 0; seed < 8; seed++) {
            diffcut_labels prediction, truth;
            make_photo(seed, &prediction, &truth);
            diffcut_score_photo one = measure(protocol, NULL, "a", &prediction, &truth);
            for (size_t i = 0; i < SIDE * SIDE; i++) {
                prediction.data[i] = renumbered[prediction.data[i]];
            }
            prediction.count = 1001;
            diffcut_score_photo other = measure(protocol, NULL, "a", &prediction, &truth);
            assert_int_equal(one.count, other.count);
            for (size_t i = 0; i < one.count; i++) {
                assert_int_equal(one.counts[i].index, other.counts[i].index);
                assert_int_equal(one.counts[i].tp, other.counts[i].tp);
                assert_int_equal(one.counts[i].fp, other.counts[i].fp);
                assert_int_equal(one.counts[i].fn, other.counts[i].fn);
            }
            assert_int_equal(one.unassigned_pixels, other.unassigned_pixels);
            assert_true(one.ari >= other.ari && one.ari <= other.ari);
            diffcut_score_photo_free(&other);
            diffcut_score_photo_free(&one);
            diffcut_labels_free(&truth);
            diffcut_labels_free(&prediction);
        }
        diffcut_protocol_free(protocol);
    }
}

static void segments_of_no_other_class_become_the_background(void **state) {
    (void)state;
    /* class 0 is the background; segments 3, 4 and 5 lie in it, 6 in class 1 */
    const uint32_t truth_data[] = {0, 0, 0, 0, 1, 1, 1, 255}, labels[] = {3, 4, 5, 5, 6, 6, 6, 6};
    const uint32_t merged_data[] = {7, 7, 7, 7, 6, 6, 6, 6};
    diffcut_labels truth = map_of(8, 1, truth_data), prediction = map_of(8, 1, labels), merged = {0};
    diffcut_protocol *protocol = generic(false, 0);
    diffcut_score_photo photo = measure(protocol, NULL, "a", &prediction, &truth);
    assert_int_equal(photo.count, 2);
    assert_int_equal(photo.counts[0].tp, 4);
    assert_int_equal(photo.counts[1].tp, 3);
    assert_int_equal(photo.correct, 7);
    assert_int_equal(photo.cluster_of[0], 7);
    assert_int_equal(photo.class_of[4], 0);
    assert_int_equal(photo.segments, 4);
    assert_int_equal(diffcut_protocol_merge_background(protocol, &prediction, &truth, &merged, NULL), DIFFCUT_OK);
    assert_int_equal(merged.count, 8);
    assert_memory_equal(merged.data, merged_data, sizeof merged_data);
    diffcut_labels_free(&merged);
    diffcut_score_photo_free(&photo);
    diffcut_protocol_free(protocol);
    diffcut_labels_free(&prediction);
    diffcut_labels_free(&truth);
}

static void the_rand_index_is_the_textbooks(void **state) {
    (void)state;
    /* pairs together in both 4, in truth 6, in segments 7, of 15: (4 - 2.8) / (6.5 - 2.8) */
    const uint32_t truth_data[] = {0, 0, 0, 1, 1, 1}, labels[] = {0, 0, 0, 0, 1, 1};
    diffcut_labels truth = map_of(3, 2, truth_data), prediction = map_of(3, 2, labels), one = map_of(3, 2, NULL);
    diffcut_protocol *protocol = generic(false, -1);
    diffcut_score_photo photo = measure(protocol, NULL, "a", &prediction, &truth);
    assert_true(fabs(photo.ari - 1.2 / 3.7) < 1e-12);
    diffcut_score_photo_free(&photo);
    photo = measure(protocol, NULL, "a", &one, &one);
    assert_true(photo.ari >= 1.0 && photo.ari <= 1.0);
    diffcut_score_photo_free(&photo);
    diffcut_protocol_free(protocol);
    diffcut_labels_free(&one);
    diffcut_labels_free(&prediction);
    diffcut_labels_free(&truth);
}

/* ------------------------------------------------------------------------------------------------- sums */

typedef struct fixture {
    diffcut_protocol *protocol;
    diffcut_score_settings settings;
    diffcut_score_photo photos[PHOTOS];
} fixture;

static void fixture_open(fixture *f) {
    f->protocol = generic(false, -1);
    diffcut_score_settings_init(&f->settings);
    f->settings.boundary = true;
    f->settings.replicates = 200;
    for (size_t i = 0; i < PHOTOS; i++) {
        char name[32];
        diffcut_labels prediction, truth;
        (void)snprintf(name, sizeof name, "folder/photo %zu", i);
        make_photo(i, &prediction, &truth);
        f->photos[i] = measure(f->protocol, &f->settings, name, &prediction, &truth);
        diffcut_labels_free(&truth);
        diffcut_labels_free(&prediction);
    }
}

static void fixture_close(fixture *f) {
    for (size_t i = 0; i < PHOTOS; i++) {
        diffcut_score_photo_free(&f->photos[i]);
    }
    diffcut_protocol_free(f->protocol);
}

/* The sums of every step-th photo from first on, as their file. */
static diffcut_score *sum(const fixture *f, size_t first, size_t step) {
    diffcut_score *score = NULL;
    assert_int_equal(diffcut_score_create(f->protocol, &f->settings, &score, NULL), DIFFCUT_OK);
    for (size_t i = first; i < PHOTOS; i += step) {
        assert_int_equal(diffcut_score_add(score, &f->photos[i], NULL), DIFFCUT_OK);
    }
    return score;
}

static diffcut_buffer saved(const diffcut_score *score) {
    diffcut_buffer out = {0};
    assert_int_equal(diffcut_score_save(score, &out, NULL), DIFFCUT_OK);
    return out;
}

static void assert_same_file(const diffcut_score *a, const diffcut_score *b) {
    diffcut_buffer x = saved(a), y = saved(b);
    assert_int_equal(x.size, y.size);
    assert_memory_equal(x.data, y.data, x.size);
    diffcut_buffer_free(&y);
    diffcut_buffer_free(&x);
}

static void sums_are_the_same_in_any_order_and_shard_and_through_files(void **state) {
    (void)state;
    fixture f;
    fixture_open(&f);
    diffcut_score *whole = sum(&f, 0, 1), *merged = NULL;
    assert_int_equal(diffcut_score_create(f.protocol, &f.settings, &merged, NULL), DIFFCUT_OK);
    for (size_t shard = 3; shard-- > 0;) {
        diffcut_score *part = sum(&f, shard, 3), *read = NULL;
        diffcut_buffer file = saved(part);
        assert_int_equal(diffcut_score_load(f.protocol, file.data, file.size, "part", &read, NULL), DIFFCUT_OK);
        assert_int_equal(diffcut_score_merge(merged, read, NULL), DIFFCUT_OK);
        diffcut_buffer_free(&file);
        diffcut_score_free(read);
        diffcut_score_free(part);
    }
    assert_same_file(whole, merged);
    diffcut_score_report a, b;
    assert_int_equal(diffcut_score_report_make(whole, &a, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_score_report_make(merged, &b, NULL), DIFFCUT_OK);
    assert_memory_equal(a.classes, b.classes, a.class_count * sizeof *a.classes);
    assert_true(a.miou_low >= b.miou_low && a.miou_low <= b.miou_low && a.miou_low < a.miou && a.miou < a.miou_high);
    diffcut_score_report_free(&b);
    diffcut_score_report_free(&a);
    diffcut_score_free(merged);
    diffcut_score_free(whole);
    fixture_close(&f);
}

static void a_photo_read_back_from_its_line_adds_the_same(void **state) {
    (void)state;
    fixture f;
    fixture_open(&f);
    diffcut_score *whole = sum(&f, 0, 1), *again = NULL;
    assert_int_equal(diffcut_score_create(f.protocol, &f.settings, &again, NULL), DIFFCUT_OK);
    for (size_t i = 0; i < PHOTOS; i++) {
        diffcut_buffer line = {0};
        diffcut_score_photo photo = {0};
        assert_int_equal(diffcut_score_photo_encode(&f.photos[i], &line, NULL), DIFFCUT_OK);
        assert_null(memchr(line.data, '\n', line.size));
        assert_int_equal(diffcut_score_photo_decode(line.data, line.size, &photo, NULL), DIFFCUT_OK);
        assert_string_equal(photo.name, f.photos[i].name);
        assert_memory_equal(&photo.miou, &f.photos[i].miou, sizeof photo.miou);
        assert_memory_equal(&photo.boundary_f, &f.photos[i].boundary_f, sizeof photo.boundary_f);
        assert_int_equal(diffcut_score_add(again, &photo, NULL), DIFFCUT_OK);
        diffcut_score_photo_free(&photo);
        /* no part of a line passes for a whole one */
        for (size_t size = 0; size < line.size; size++) {
            assert_int_equal(diffcut_score_photo_decode(line.data, size, &photo, NULL), DIFFCUT_ERROR_FORMAT);
        }
        diffcut_buffer_free(&line);
    }
    assert_same_file(whole, again);
    diffcut_score_free(again);
    diffcut_score_free(whole);
    fixture_close(&f);
}

static void scores_that_differ_in_rules_are_not_merged(void **state) {
    (void)state;
    fixture f;
    fixture_open(&f);
    diffcut_score *into = sum(&f, 0, 1), *other = NULL;
    diffcut_buffer before = saved(into), after;
    diffcut_protocol *published = generic(true, -1);
    diffcut_diagnostics diag;
    assert_int_equal(diffcut_score_create(published, &f.settings, &other, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_score_merge(into, other, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(diag.message, "protocol"));
    diffcut_score_free(other);
    other = NULL;
    assert_int_equal(diffcut_score_load(published, before.data, before.size, "x.json", &other, &diag),
                     DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(diag.message, "x.json"));
    f.settings.seed = 7;
    assert_int_equal(diffcut_score_create(f.protocol, &f.settings, &other, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_score_merge(into, other, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(diag.message, "seed"));
    assert_int_equal(diffcut_score_merge(into, into, &diag), DIFFCUT_ERROR_ARGUMENT);
    after = saved(into);
    assert_int_equal(before.size, after.size);
    assert_memory_equal(before.data, after.data, before.size);
    diffcut_score_free(other);
    diffcut_protocol_free(published);
    diffcut_buffer_free(&after);
    diffcut_buffer_free(&before);
    diffcut_score_free(into);
    fixture_close(&f);
}

static void a_broken_file_of_sums_is_refused(void **state) {
    (void)state;
    fixture f;
    fixture_open(&f);
    diffcut_score *score = sum(&f, 0, 1), *out = NULL;
    diffcut_buffer file = saved(score);
    for (size_t size = 0; size + 1 < file.size; size += size < 1500 ? 7 : 1009) {
        assert_int_equal(diffcut_score_load(f.protocol, file.data, size, NULL, &out, NULL), DIFFCUT_ERROR_FORMAT);
    }
    static const char *const bad[] = {
        "{}", "[]", "{\"format\": \"diffcut score\", \"version\": 2}",
        "{\"format\": \"diffcut score\", \"version\": 1, \"protocol\": \"generic\", \"identity\": [1]}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(diffcut_score_load(f.protocol, bad[i], strlen(bad[i]), NULL, &out, NULL),
                         DIFFCUT_ERROR_FORMAT);
    }
    assert_null(out);
    diffcut_buffer_free(&file);
    diffcut_score_free(score);
    fixture_close(&f);
}

static void an_impossible_photo_is_not_added(void **state) {
    (void)state;
    fixture f;
    fixture_open(&f);
    diffcut_score *score = sum(&f, 0, 1);
    diffcut_score_photo photo = f.photos[0];
    photo.edges_found = photo.edges + 1;
    assert_int_equal(diffcut_score_add(score, &photo, NULL), DIFFCUT_ERROR_ARGUMENT);
    photo = f.photos[0];
    diffcut_class_counts counts = {.index = CLASSES, .tp = 1};
    photo.counts = &counts;
    photo.count = 1;
    assert_int_equal(diffcut_score_add(score, &photo, NULL), DIFFCUT_ERROR_ARGUMENT);
    counts = (diffcut_class_counts){.index = 0, .tp = photo.pixels + 1};
    assert_int_equal(diffcut_score_add(score, &photo, NULL), DIFFCUT_ERROR_ARGUMENT);
    diffcut_score *same = sum(&f, 0, 1);
    assert_same_file(score, same);
    diffcut_score_free(same);
    diffcut_score_free(score);
    fixture_close(&f);
}

static void photos_without_a_pixel_are_counted_and_change_no_mean(void **state) {
    (void)state;
    const uint32_t left_out[] = {255, 255};
    diffcut_labels truth = map_of(2, 1, left_out), prediction = map_of(2, 1, NULL);
    diffcut_protocol *protocol = generic(false, -1);
    diffcut_score *score = NULL;
    diffcut_score_report report;
    assert_int_equal(diffcut_score_create(protocol, NULL, &score, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_score_report_make(score, &report, NULL), DIFFCUT_OK);
    assert_true(isnan(report.miou) && isnan(report.miou_low) && isnan(report.ari) && report.photos == 0);
    diffcut_score_report_free(&report);
    diffcut_score_photo photo = measure(protocol, NULL, "void", &prediction, &truth);
    assert_true(isnan(photo.miou) && isnan(photo.ari) && isnan(photo.pixel_accuracy));
    assert_int_equal(diffcut_score_add(score, &photo, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_score_report_make(score, &report, NULL), DIFFCUT_OK);
    assert_true(isnan(report.miou) && report.photos == 1 && report.empty == 1);
    diffcut_buffer file = saved(score);
    diffcut_score *read = NULL;
    assert_int_equal(diffcut_score_load(protocol, file.data, file.size, NULL, &read, NULL), DIFFCUT_OK);
    assert_same_file(score, read);
    diffcut_score_free(read);
    diffcut_buffer_free(&file);
    diffcut_score_report_free(&report);
    diffcut_score_photo_free(&photo);
    diffcut_score_free(score);
    diffcut_protocol_free(protocol);
    diffcut_labels_free(&prediction);
    diffcut_labels_free(&truth);
}

/* ------------------------------------------------------------------------------------------------- bootstrap */

static uint64_t key_of(const char *name, uint64_t seed) {
    uint64_t key = 0;
    diffcut_diagnostics diag;
    assert_int_equal(bootstrap_key(name, seed, &key, &diag), DIFFCUT_OK);
    return key;
}

static void bootstrap_weights_are_poisson_of_mean_1(void **state) {
    (void)state;
    enum { DRAWS = 200000 };
    double mean = 0.0, square = 0.0, zeros = 0.0;
    uint64_t key = key_of("a photo", 0);
    for (uint32_t r = 0; r < DRAWS; r++) {
        double weight = bootstrap_weight(key, r);
        mean += weight / DRAWS;
        square += weight * weight / DRAWS;
        zeros += (weight < 0.5) / (double)DRAWS;
    }
    /* five standard errors at this number of draws */
    assert_true(fabs(mean - 1.0) < 0.0112);
    assert_true(fabs(square - 2.0) < 0.047);
    assert_true(fabs(zeros - exp(-1.0)) < 0.0054);
    assert_true(key_of("b", 0) != key_of("a", 0) && key_of("a", 1) != key_of("a", 0));
    assert_true(key_of("a\xFF"
                       "b",
                       0) == key_of("a\xEF\xBF\xBD"
                                    "b",
                                    0)); /* as it comes back from a journal */
}

/* ------------------------------------------------------------------------------------------------- bad input */

static void labels_are_refused_with_the_pixel_and_its_value(void **state) {
    (void)state;
    const uint32_t bad[] = {0, 1, 0, 77};
    diffcut_labels truth = map_of(2, 2, bad), prediction = map_of(2, 2, NULL);
    diffcut_protocol *protocol = generic(false, -1);
    diffcut_score_photo photo = {0};
    diffcut_diagnostics diag;
    diffcut_score_input input = {"a", &prediction, &truth, false, false};
    assert_int_equal(diffcut_score_measure(protocol, NULL, &input, &photo, &diag), DIFFCUT_ERROR_FORMAT);
    assert_non_null(strstr(diag.message, "label value 77 at row 1, column 1"));
    input.name = NULL;
    assert_int_equal(diffcut_score_measure(protocol, NULL, &input, &photo, &diag), DIFFCUT_ERROR_ARGUMENT);
    input = (diffcut_score_input){"a", &prediction, NULL, false, false};
    assert_int_equal(diffcut_score_measure(protocol, NULL, &input, &photo, &diag), DIFFCUT_ERROR_ARGUMENT);
    prediction.count = UINT32_MAX;
    input.truth = &prediction;
    assert_int_equal(diffcut_score_measure(protocol, NULL, &input, &photo, &diag), DIFFCUT_ERROR_LIMIT);
    diffcut_score_settings settings;
    diffcut_score_settings_init(&settings);
    prediction.count = 1;
    settings.band = NAN;
    assert_int_equal(diffcut_score_measure(protocol, &settings, &input, &photo, &diag), DIFFCUT_ERROR_ARGUMENT);
    settings.band = 0.02;
    settings.replicates = 100001;
    assert_int_equal(diffcut_score_measure(protocol, &settings, &input, &photo, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_null(photo.name);
    diffcut_protocol_free(protocol);
    diffcut_labels_free(&prediction);
    diffcut_labels_free(&truth);
}

static void measuring_and_saving_survive_every_failing_allocation(void **state) {
    (void)state;
    diffcut_protocol *protocol = generic(false, 0);
    diffcut_labels prediction, truth, small = map_of(4, 4, NULL);
    make_photo(1, &prediction, &truth);
    diffcut_score_settings settings;
    diffcut_score_settings_init(&settings);
    settings.boundary = true;
    settings.replicates = 3;
    const diffcut_score_input inputs[] = {{"a", &prediction, &truth, false, false},
                                          {"a", &small, &truth, false, false}};
    for (size_t i = 0; i < 2; i++) {
        settings.full_resolution = i == 1;
        bool done = false;
        for (long after = 0; !done; after++) {
            diffcut_score_photo photo = {0};
            diffcut_score *score = NULL, *read = NULL;
            diffcut_score_report report = {0};
            diffcut_buffer file = {0};
            mem_fail_after(after);
            done = diffcut_score_measure(protocol, &settings, &inputs[i], &photo, NULL) == DIFFCUT_OK &&
                   diffcut_score_create(protocol, &settings, &score, NULL) == DIFFCUT_OK &&
                   diffcut_score_add(score, &photo, NULL) == DIFFCUT_OK &&
                   diffcut_score_save(score, &file, NULL) == DIFFCUT_OK &&
                   diffcut_score_load(protocol, file.data, file.size, NULL, &read, NULL) == DIFFCUT_OK &&
                   diffcut_score_report_make(read, &report, NULL) == DIFFCUT_OK;
            mem_fail_after(-1);
            diffcut_score_report_free(&report);
            diffcut_buffer_free(&file);
            diffcut_score_free(read);
            diffcut_score_free(score);
            diffcut_score_photo_free(&photo);
        }
    }
    diffcut_labels_free(&small);
    diffcut_labels_free(&truth);
    diffcut_labels_free(&prediction);
    diffcut_protocol_free(protocol);
}

static void preparation_refuses_labels_of_another_size(void **state) {
    (void)state;
    diffcut_image image = {0};
    diffcut_labels labels = map_of(5, 4, NULL);
    diffcut_eval_photo photo = {0};
    diffcut_diagnostics diag;
    uint8_t rgb[4 * 4 * 3] = {0};
    assert_int_equal(diffcut_image_create(4, 4, rgb, &image, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_eval_prepare(&image, &labels, NULL, &photo, &diag), DIFFCUT_ERROR_FORMAT);
    assert_non_null(strstr(diag.message, "the labels are 5x4, the photo is 4x4"));
    diffcut_eval_settings settings = {128, 129};
    assert_int_equal(diffcut_eval_prepare(&image, NULL, &settings, &photo, &diag), DIFFCUT_ERROR_ARGUMENT);
    settings = (diffcut_eval_settings){16385, 128};
    assert_int_equal(diffcut_eval_prepare(&image, NULL, &settings, &photo, &diag), DIFFCUT_ERROR_ARGUMENT);
    image.width = 1;
    assert_int_equal(diffcut_eval_prepare(&image, NULL, NULL, &photo, &diag), DIFFCUT_ERROR_ARGUMENT);
    image.width = 4;
    diffcut_labels_free(&labels);
    labels = map_of(4, 4, NULL);
    settings = (diffcut_eval_settings){64, 16};
    bool done = false;
    for (long after = 0; !done; after++) {
        mem_fail_after(after);
        done = diffcut_eval_prepare(&image, &labels, &settings, &photo, NULL) == DIFFCUT_OK;
        mem_fail_after(-1);
        assert_true(done || photo.small == NULL);
    }
    assert_int_equal(photo.truth.width, 16);
    assert_int_equal(photo.image.width, 3);
    diffcut_eval_photo_free(&photo);
    diffcut_labels_free(&labels);
    diffcut_image_free(&image);
}

static void refining_a_prepared_photo_is_refining_its_pixels(void **state) {
    (void)state;
    enum { WHOLE = SIDE + 1 };
    uint8_t rgb[WHOLE * WHOLE * 3];
    uint64_t random = 9;
    for (size_t i = 0; i < sizeof rgb; i++) {
        rgb[i] = (uint8_t)((i / 3 % WHOLE < 11 ? 60 : 190) + next(&random) % 20);
    }
    diffcut_image image = {0};
    diffcut_labels prediction, truth, one = {0}, other = {0};
    diffcut_eval_photo photo = {0};
    diffcut_session *session = NULL;
    diffcut_settings settings;
    const diffcut_eval_settings same_size = {SIDE, SIDE};
    make_photo(2, &prediction, &truth);
    diffcut_settings_init(&settings, NULL);
    settings.iterations = 10;
    assert_int_equal(diffcut_image_create(WHOLE, WHOLE, rgb, &image, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_session_open(NULL, NULL, &session, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_eval_refine(session, &photo, &prediction, &settings, &one), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_eval_prepare(&image, NULL, &same_size, &photo, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_eval_refine(session, &photo, &prediction, &settings, &one), DIFFCUT_OK);
    assert_int_equal(diffcut_labels_refine(session, &photo.image, &prediction, &settings, &other), DIFFCUT_OK);
    assert_memory_equal(one.data, other.data, SIDE * SIDE * sizeof *one.data);
    assert_memory_not_equal(one.data, prediction.data, SIDE * SIDE * sizeof *one.data);
    diffcut_labels_free(&other);
    diffcut_labels_free(&one);
    diffcut_eval_photo_free(&photo);
    diffcut_session_close(session);
    diffcut_labels_free(&truth);
    diffcut_labels_free(&prediction);
    diffcut_image_free(&image);
}

/* Classes by name: the diagonal is right, whatever a matching would make of it. */
static void a_named_prediction_is_scored_as_it_is_named(void **state) {
    (void)state;
    diffcut_protocol *protocol = generic(false, 4);
    const uint32_t truth_data[] = {0, 0, 1, 1, 255, 4};
    const uint32_t named_data[] = {1, 1, 0, 1, 0, 4};
    diffcut_labels truth = map_of(6, 1, truth_data);
    diffcut_labels prediction = map_of(6, 1, named_data);
    diffcut_score_input input = {.name = "a", .prediction = &prediction, .truth = &truth};
    diffcut_score_photo matched = {0};
    diffcut_score_photo named = {0};
    diffcut_diagnostics diag;
    assert_int_equal(diffcut_score_measure(protocol, NULL, &input, &matched, &diag), DIFFCUT_OK);
    input.named = true;
    assert_int_equal(diffcut_score_measure(protocol, NULL, &input, &named, &diag), DIFFCUT_OK);
    assert_int_equal(matched.correct, 4); /* the two names swapped */
    assert_int_equal(named.correct, 2);
    assert_int_equal(named.pixels, 5);
    assert_int_equal(named.unassigned_pixels, 0);
    const diffcut_class_counts expected[] = {{.index = 0, .tp = 0, .fp = 1, .fn = 2},
                                             {.index = 1, .tp = 1, .fp = 2, .fn = 1},
                                             {.index = 4, .tp = 1, .fp = 0, .fn = 0}};
    assert_int_equal(named.count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(named.counts[i].index, expected[i].index);
        assert_int_equal(named.counts[i].tp, expected[i].tp);
        assert_int_equal(named.counts[i].fp, expected[i].fp);
        assert_int_equal(named.counts[i].fn, expected[i].fn);
    }
    assert_true(fabs(named.miou - (0 + 0.25 + 1) / 3) < 1e-12); /* the Jaccard index's mean over what occurs */
    diffcut_score_photo_free(&matched);
    diffcut_score_photo_free(&named);
    prediction.data[0] = CLASSES;
    prediction.count = CLASSES + 1;
    named = (diffcut_score_photo){0};
    assert_int_equal(diffcut_score_measure(protocol, NULL, &input, &named, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(diag.message, "label 5 of a named prediction"));
    assert_null(named.name);
    diffcut_labels_free(&truth);
    diffcut_labels_free(&prediction);
    diffcut_protocol_free(protocol);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_named_prediction_is_scored_as_it_is_named),
        cmocka_unit_test(a_left_over_segment_has_no_class_but_by_the_published_code),
        cmocka_unit_test(figures_do_not_depend_on_how_segments_are_numbered),
        cmocka_unit_test(segments_of_no_other_class_become_the_background),
        cmocka_unit_test(the_rand_index_is_the_textbooks),
        cmocka_unit_test(sums_are_the_same_in_any_order_and_shard_and_through_files),
        cmocka_unit_test(a_photo_read_back_from_its_line_adds_the_same),
        cmocka_unit_test(scores_that_differ_in_rules_are_not_merged),
        cmocka_unit_test(a_broken_file_of_sums_is_refused),
        cmocka_unit_test(an_impossible_photo_is_not_added),
        cmocka_unit_test(photos_without_a_pixel_are_counted_and_change_no_mean),
        cmocka_unit_test(bootstrap_weights_are_poisson_of_mean_1),
        cmocka_unit_test(labels_are_refused_with_the_pixel_and_its_value),
        cmocka_unit_test(measuring_and_saving_survive_every_failing_allocation),
        cmocka_unit_test(preparation_refuses_labels_of_another_size),
        cmocka_unit_test(refining_a_prepared_photo_is_refining_its_pixels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

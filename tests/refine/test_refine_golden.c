/*
 * test_refine_golden.c - resampling, concepts and refinement equal the published code on all of its golden files
 * (DIFFCUT_SHARED_DIR/golden/segment: concepts, pamr, eval/preparation). Skipped where those are absent.
 */
#include "io/resize.h"
#include "refine_fixture.h"
#include "segment/concepts.h"
#include "segment/pamr.h"
#include "core/upsample.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define GOLDEN DIFFCUT_SHARED_DIR "/golden/segment"

/* ------------------------------------------------------------------------------------------------- concepts */

static const char *const concept_files[] = {
    "dup16",    "noise16",  "photo16_a", "photo24x32_a", "photo32_a", "photo32_b",  "photo32_c",  "rs16_high",
    "rs16_low", "rs16_mid", "rs24x32",   "rs32_low",     "rs32_mid",  "rs32_shift", "twoblock16", "twoblock16_noisy"};

/* The 48 points of the upsampled unit features check the taps that the scores are upsampled with. */
static void check_samples(const golden *file, const char *tag, const diffcut_features *features, size_t height,
                          size_t width) {
    const golden_tensor *where = golden_find(file, "sample_yx_%s", tag);
    if (where == NULL) {
        return;
    }
    const golden_tensor *want = golden_get(file, "sample_upsampled_%s", tag);
    size_t channels = features->channels;
    float *values = golden_floats(want), *got = malloc(want->count * sizeof *got);
    int32_t *places = golden_ints(where);
    upsample_tap x[256], y[256];
    assert_non_null(got);
    assert_true(width <= 256 && height <= 256);
    upsample_half_pixel(features->width, (uint32_t)width, x);
    upsample_half_pixel(features->height, (uint32_t)height, y);
    for (size_t i = 0; i < want->shape[0]; i++) {
        upsample_tap v = y[places[i * 2]], u = x[places[i * 2 + 1]];
        size_t corner[4] = {(size_t)v.low * features->width + u.low, (size_t)v.low * features->width + u.high,
                            (size_t)v.high * features->width + u.low, (size_t)v.high * features->width + u.high};
        double share[4] = {(1.0 - (double)v.fraction) * (1.0 - (double)u.fraction),
                           (1.0 - (double)v.fraction) * (double)u.fraction,
                           (double)v.fraction * (1.0 - (double)u.fraction), (double)v.fraction * (double)u.fraction};
        memset(got + i * channels, 0, channels * sizeof *got);
        for (size_t k = 0; k < 4; k++) {
            const float *feature = features->data + corner[k] * channels;
            double norm = 0.0;
            for (size_t c = 0; c < channels; c++) {
                norm += (double)feature[c] * (double)feature[c];
            }
            for (size_t c = 0; c < channels; c++) {
                got[i * channels + c] += (float)(share[k] * (double)feature[c] / sqrt(norm));
            }
        }
    }
    assert_true(golden_close_to(want->name, got, values, want->shape, 2, want->count, 2e-6, 0.0));
    free(values);
    free(got);
    free(places);
}

/* means holds the labels that occur; the golden ones all numbers up to the largest. */
static void check_means(const golden *file, const char *tag, const diffcut_labels *tokens, const refine_work *r) {
    const golden_tensor *want = golden_get(file, "means_%s", tag);
    size_t channels = want->shape[1], row = 0;
    float *values = golden_floats(want);
    for (uint32_t k = 0; k < tokens->count; k++) {
        bool occurs = false;
        for (size_t t = 0; t < (size_t)tokens->width * tokens->height; t++) {
            occurs = occurs || tokens->data[t] == k;
        }
        if (occurs) {
            assert_true(golden_close_to(want->name, r->dumped + row++ * channels, values + k * channels, NULL, 0,
                                        channels, 2e-6, 0.0));
        }
    }
    assert_int_equal(row * channels, r->dumped_count);
    free(values);
}

static size_t check_concept_file(const char *name) {
    golden *file = golden_open("%s/concepts/%s.safetensors", GOLDEN, name);
    golden *cut = golden_open("%s/ncut/%s.safetensors", GOLDEN, name);
    assert_non_null(file);
    assert_non_null(cut);
    size_t cases = 0;
    const golden_tensor *tensor;
    for (size_t i = 0; (tensor = golden_at(file, i)) != NULL; i++) {
        if (strncmp(tensor->name, "labels_", 7) != 0) {
            continue;
        }
        /* "a10_t05" or "a10_t05_100x75": the cut, and the size where it is not 128x128. */
        const char *tag = tensor->name + 7;
        char cut_tag[32], alpha[4], tau[4];
        assert_int_equal(sscanf(tag, "a%3[0-9]_t%3[0-9]", alpha, tau), 2);
        (void)snprintf(cut_tag, sizeof cut_tag, "a%s_t%s", alpha, tau);
        diffcut_labels tokens = refine_golden_labels(golden_get(cut, "labels_%s", cut_tag)), out = {0};
        const golden_tensor *data = golden_get(cut, "features");
        diffcut_features features = {tokens.height, tokens.width, (uint32_t)data->shape[1], golden_floats(data)};
        refine_work r;
        refine_work_init(&r, 2, "concepts");
        assert_int_equal(
            concepts_assign(&r.w, &features, &tokens, (uint32_t)tensor->shape[1], (uint32_t)tensor->shape[0], &out),
            DIFFCUT_OK);
        char what[96];
        (void)snprintf(what, sizeof what, "concepts/%s:%s", name, tensor->name);
        assert_true(refine_labels_equal(what, &out, tensor, golden_get(file, "ambiguous_%s", tag), 0));
        check_means(file, tag, &tokens, &r);
        check_samples(file, tag, &features, tensor->shape[0], tensor->shape[1]);
        refine_work_free(&r);
        free(features.data);
        mem_free(tokens.data);
        mem_free(out.data);
        cases++;
    }
    golden_close(file);
    golden_close(cut);
    return cases;
}

static void concepts_equal_the_published_code(void **state) {
    (void)state;
    size_t cases = 0;
    for (size_t i = 0; i < sizeof concept_files / sizeof *concept_files; i++) {
        cases += check_concept_file(concept_files[i]);
    }
    assert_true(cases >= 32);
}

/* ------------------------------------------------------------------------------------------------- refinement */

static const char *const pamr_files[] = {"crop128_a", "crop64_a",    "crop64_b",
                                         "crop64_c",  "crop64_flat", "crop64_mask32"};

static void check_pamr_case(const golden *file, const char *tag, const diffcut_settings *settings) {
    diffcut_image image = refine_golden_image(golden_get(file, "image"));
    diffcut_labels labels = refine_golden_labels(golden_get(file, "labels_in")), out = {0}, smoothed = {0};
    const golden_tensor *soft = golden_find(file, "soft_%s", tag);
    const golden_tensor *ambiguous = golden_get(file, "ambiguous_%s", tag);
    refine_work r;
    refine_work_init(&r, 2, "refined_masks");
    assert_int_equal(pamr_refine(&r.w, &image, &labels, settings, &out), DIFFCUT_OK);
    if (soft != NULL) {
        float *values = golden_floats(soft);
        assert_int_equal(soft->count, r.dumped_count);
        assert_true(golden_close_to(soft->name, r.dumped, values, soft->shape, 3, soft->count, 2e-5, 0.0));
        free(values);
    }
    const golden_tensor *hard = golden_get(file, "hard_%s", tag), *median = golden_get(file, "median_%s", tag);
    assert_true(refine_labels_equal(hard->name, &out, hard, ambiguous, 0));
    diffcut_settings filtered = *settings;
    filtered.median = 3;
    assert_int_equal(pamr_refine(&r.w, &image, &labels, &filtered, &smoothed), DIFFCUT_OK);
    assert_true(refine_labels_equal(median->name, &smoothed, median, ambiguous, 1));
    refine_work_free(&r);
    mem_free(image.rgb);
    mem_free(labels.data);
    mem_free(out.data);
    mem_free(smoothed.data);
}

static void refinement_equals_the_published_code(void **state) {
    (void)state;
    size_t cases = 0;
    for (size_t i = 0; i < sizeof pamr_files / sizeof *pamr_files; i++) {
        golden *file = golden_open("%s/pamr/%s.safetensors", GOLDEN, pamr_files[i]);
        json_t *json = golden_json("%s/pamr/%s.json", GOLDEN, pamr_files[i]);
        assert_non_null(file);
        assert_non_null(json);
        const char *tag;
        json_t *entry, *dilation;
        json_object_foreach(json_object_get(json, "cases"), tag, entry) {
            diffcut_settings settings =
                refine_settings((uint32_t)json_integer_value(json_object_get(entry, "iterations")));
            size_t index;
            json_array_foreach(json_object_get(entry, "dilations"), index, dilation) {
                settings.dilations[index] = (uint32_t)json_integer_value(dilation);
                settings.dilation_count = (uint32_t)index + 1;
            }
            check_pamr_case(file, tag, &settings);
            cases++;
        }
        json_decref(json);
        golden_close(file);
    }
    assert_true(cases >= 20);
}

/* ------------------------------------------------------------------------------------------------- preparation */

/* (3, h, w) cut to side x side from (top, left), as (side, side, 3). */
static diffcut_image crop(const golden_tensor *tensor, size_t side, size_t top, size_t left) {
    size_t height = tensor->shape[1], width = tensor->shape[2];
    diffcut_image image = {(uint32_t)side, (uint32_t)side, mem_array(side * side, 3)};
    assert_non_null(image.rgb);
    for (size_t i = 0; i < side * side * 3; i++) {
        size_t c = i % 3, x = i / 3 % side, y = i / 3 / side;
        image.rgb[i] = tensor->data[(c * height + top + y) * width + left + x];
    }
    return image;
}

static size_t integer(const json_t *object, const char *key) {
    return (size_t)json_integer_value(json_object_get(object, key));
}

static void check_preparation(const golden *file, const json_t *entry) {
    size_t index = integer(entry, "index"), side = integer(entry, "crop");
    diffcut_image image =
        crop(golden_get(file, "image_%zu", index), side, integer(entry, "crop_top"), integer(entry, "crop_left"));
    const golden_tensor *want = golden_get(file, "image1024_every16_%zu", index);
    float *values = golden_floats(want), *full = malloc((size_t)1024 * 1024 * 3 * sizeof *full);
    float *got = malloc(want->count * sizeof *got);
    assert_non_null(full);
    assert_non_null(got);
    refine_work r;
    refine_work_init(&r, 2, NULL);
    assert_int_equal(resize_image(&r.w, &image, 1024, 1024, DIFFCUT_RESAMPLE_BILINEAR, full), DIFFCUT_OK);
    for (size_t i = 0; i < want->count; i++) {
        size_t c = i / (64 * 64), y = 5 + i / 64 % 64 * 16, x = 5 + i % 64 * 16;
        got[i] = full[(y * 1024 + x) * 3 + c];
    }
    assert_true(golden_close_to(want->name, got, values, want->shape, 3, want->count, 1e-6, 0.0));
    free(values);
    free(full);
    free(got);
    mem_free(image.rgb);
}

static void photos_are_prepared_as_published(void **state) {
    (void)state;
    golden *file = golden_open("%s/eval/preparation.safetensors", GOLDEN);
    json_t *json = golden_json("%s/eval/preparation.json", GOLDEN);
    assert_non_null(file);
    assert_non_null(json);
    size_t index;
    json_t *entry;
    json_array_foreach(json_object_get(json, "cases"), index, entry) {
        check_preparation(file, entry);
    }
    assert_true(index >= 4);
    json_decref(json);
    golden_close(file);
}

int main(void) {
    if (!golden_shared_present()) {
        printf("skipped: the golden files at " DIFFCUT_SHARED_DIR " are absent\n");
        return TEST_SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(concepts_equal_the_published_code),
        cmocka_unit_test(refinement_equals_the_published_code),
        cmocka_unit_test(photos_are_prepared_as_published),
    };
    return cmocka_run_group_tests_name("refine_golden", tests, NULL, NULL);
}

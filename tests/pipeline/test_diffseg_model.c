/*
 * test_diffseg_model.c - diffcut_diffseg from the photo to the labels, on golden models of random weights: what it
 * gives in any shape and with any number of threads, what it refuses, cancelling, memory; and that the features of a
 * model are the same before and after its decoder was prepared. Argument: the folder of the golden models.
 */
#include "test.h"

#include "core/memory.h"
#include "diffcut/diffcut.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *folder;

static diffcut_model *open_model(const char *path) {
    diffcut_model *model = NULL;
    diffcut_diagnostics diag;
    if (diffcut_model_open(path, NULL, &model, &diag) != DIFFCUT_OK) {
        fail_msg("%s", diag.message);
    }
    return model;
}

static diffcut_model *golden_model(const char *name) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return open_model(path);
}

static diffcut_session *open_session(diffcut_model *model, uint32_t threads, diffcut_progress_fn progress,
                                     void *user) {
    diffcut_session_settings settings;
    diffcut_session *session = NULL;
    diffcut_session_settings_init(&settings);
    settings.threads = threads;
    settings.progress = progress;
    settings.progress_user = user;
    assert_int_equal(diffcut_session_open(model, &settings, &session, NULL), DIFFCUT_OK);
    return session;
}

static void small_settings(const diffcut_model *model, uint32_t size, diffcut_settings *settings,
                           diffcut_diffseg_settings *diffseg) {
    diffcut_settings_init(settings, model);
    diffcut_diffseg_settings_init(diffseg);
    settings->size = size;
    diffseg->points = 4;
    diffseg->label_size = 64;
    diffseg->thresholds[0] = diffseg->thresholds[1] = diffseg->thresholds[2] = 0.01; /* random maps are much alike */
}

static diffcut_image gradient(uint32_t width, uint32_t height, uint8_t *pixels) {
    for (uint32_t i = 0; i < width * height; i++) {
        pixels[3 * i] = (uint8_t)(i % width * 255 / width);
        pixels[3 * i + 1] = (uint8_t)(i / width * 255 / height);
        pixels[3 * i + 2] = (uint8_t)((i * 37) % 251);
    }
    return (diffcut_image){.width = width, .height = height, .rgb = pixels};
}

static void labels_are_the_same_for_any_number_of_threads(void **state) {
    (void)state;
    static const char *const models[] = {"tiny-sd1", "tiny-sd2", "tiny-ssd1b", "tiny-vega"};
    static uint8_t pixels[60 * 44 * 3];
    const diffcut_image image = gradient(60, 44, pixels);
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        diffcut_model *model = golden_model(models[m]);
        diffcut_settings settings;
        diffcut_diffseg_settings diffseg;
        diffcut_labels first = {0};
        small_settings(model, 128, &settings, &diffseg);
        for (uint32_t threads = 1; threads <= 3; threads++) {
            diffcut_session *session = open_session(model, threads, NULL, NULL);
            diffcut_labels labels = {0};
            if (diffcut_diffseg(session, &image, &settings, &diffseg, &labels) != DIFFCUT_OK) {
                fail_msg("%s: %s", models[m], diffcut_session_message(session));
            }
            assert_int_equal(labels.width, 64);
            assert_true(labels.height < 64 && labels.count >= 1);
            for (size_t i = 0; i < (size_t)labels.width * labels.height; i++) {
                assert_true(labels.data[i] < labels.count);
            }
            if (threads == 1) {
                first = labels;
            } else {
                assert_int_equal(labels.height, first.height);
                assert_memory_equal(labels.data, first.data, (size_t)64 * first.height * sizeof *first.data);
                diffcut_labels_free(&labels);
            }
            diffcut_session_close(session);
        }
        print_message("  %s: %u segments\n", models[m], first.count);
        diffcut_labels_free(&first);
        diffcut_model_release(model);
    }
}

static void features_are_the_same_after_the_decoder_ran(void **state) {
    (void)state;
    static uint8_t pixels[48 * 48 * 3];
    const diffcut_image image = gradient(48, 48, pixels);
    diffcut_model *model = golden_model("tiny-sd1");
    diffcut_session *session = open_session(model, 2, NULL, NULL);
    diffcut_settings settings;
    diffcut_diffseg_settings diffseg;
    diffcut_features *before = NULL, *after = NULL;
    diffcut_labels labels = {0};
    small_settings(model, 64, &settings, &diffseg);
    assert_int_equal(diffcut_features_compute(session, &image, &settings, &before), DIFFCUT_OK);
    assert_int_equal(diffcut_diffseg(session, &image, &settings, &diffseg, &labels), DIFFCUT_OK);
    assert_int_equal(diffcut_features_compute(session, &image, &settings, &after), DIFFCUT_OK);
    size_t values =
        (size_t)diffcut_features_height(before) * diffcut_features_width(before) * diffcut_features_channels(before);
    assert_memory_equal(diffcut_features_data(before), diffcut_features_data(after), values * sizeof(float));
    diffcut_labels_free(&labels);
    diffcut_features_free(after);
    diffcut_features_free(before);
    diffcut_session_close(session);
    diffcut_model_release(model);
}

static void what_cannot_be_done_is_said(void **state) {
    (void)state;
    static uint8_t pixels[16 * 16 * 3];
    diffcut_image image = gradient(16, 16, pixels);
    diffcut_model *pixel = open_model(DIFFCUT_TEST_DATA "/tiny-pixel");
    diffcut_session *without_decoder = open_session(pixel, 1, NULL, NULL);
    diffcut_session *without_model = open_session(NULL, 1, NULL, NULL);
    diffcut_settings settings;
    diffcut_diffseg_settings diffseg, bad;
    diffcut_labels labels = {.count = 77};
    small_settings(pixel, 64, &settings, &diffseg);
    assert_int_equal(diffcut_diffseg(without_decoder, &image, &settings, &diffseg, &labels), DIFFCUT_ERROR_MODEL);
    assert_non_null(strstr(diffcut_session_message(without_decoder), "mid_block.resnets.0.norm1.weight is missing"));
    assert_int_equal(diffcut_diffseg(without_model, &image, &settings, &diffseg, &labels), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_diffseg(NULL, &image, &settings, &diffseg, &labels), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_diffseg(without_decoder, NULL, &settings, &diffseg, &labels), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_diffseg(without_decoder, &image, NULL, &diffseg, &labels), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_diffseg(without_decoder, &image, &settings, NULL, &labels), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_diffseg(without_decoder, &image, &settings, &diffseg, NULL), DIFFCUT_ERROR_ARGUMENT);
    static const char *const fields[] = {"timestep", "points", "round_count", "thresholds[1]", "label_size"};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        diffcut_diagnostics diag;
        bad = diffseg;
        bad.timestep = i == 0 ? 1000 : bad.timestep;
        bad.points = i == 1 ? 65 : bad.points;
        bad.round_count = i == 2 ? 17 : bad.round_count;
        bad.thresholds[1] = i == 3 ? 0.0 : bad.thresholds[1];
        bad.label_size = i == 4 ? 63 : bad.label_size;
        assert_int_equal(diffcut_diffseg_settings_check(&bad, &diag), DIFFCUT_ERROR_ARGUMENT);
        assert_non_null(strstr(diag.message, fields[i]));
    }
    assert_int_equal(labels.count, 77);
    diffcut_session_close(without_model);
    diffcut_session_close(without_decoder);
    diffcut_model_release(pixel);
}

static void a_map_that_is_too_large_is_refused_before_the_work(void **state) {
    (void)state;
    static uint8_t pixels[16 * 16 * 3];
    diffcut_image image = gradient(16, 16, pixels);
    diffcut_model *model = golden_model("tiny-sd1");
    diffcut_session *session = open_session(model, 1, NULL, NULL);
    diffcut_settings settings;
    diffcut_diffseg_settings diffseg;
    diffcut_labels labels;
    small_settings(model, 8192, &settings, &diffseg);
    assert_int_equal(diffcut_diffseg(session, &image, &settings, &diffseg, &labels), DIFFCUT_ERROR_LIMIT);
    assert_non_null(strstr(diffcut_session_message(session), "smaller size"));
    diffcut_session_close(session);
    diffcut_model_release(model);
}

static int cancel_after(void *user, diffcut_stage stage, double fraction) {
    int *left = user;
    (void)stage;
    assert_true(fraction >= 0.0 && fraction <= 1.0);
    return (*left)-- <= 0;
}

static void it_can_be_cancelled_anywhere(void **state) {
    (void)state;
    static uint8_t pixels[48 * 48 * 3];
    const diffcut_image image = gradient(48, 48, pixels);
    diffcut_model *model = golden_model("tiny-sd1");
    diffcut_settings settings;
    diffcut_diffseg_settings diffseg;
    diffcut_status status = DIFFCUT_ERROR_CANCELLED;
    size_t cancelled = 0;
    small_settings(model, 64, &settings, &diffseg);
    for (int calls = 0; status != DIFFCUT_OK; calls += 7) {
        int left = calls;
        diffcut_session *session = open_session(model, 2, cancel_after, &left);
        diffcut_labels labels = {.count = 77};
        status = diffcut_diffseg(session, &image, &settings, &diffseg, &labels);
        diffcut_session_close(session);
        if (status == DIFFCUT_OK) {
            diffcut_labels_free(&labels);
        } else {
            assert_int_equal(status, DIFFCUT_ERROR_CANCELLED);
            assert_int_equal(labels.count, 77);
            cancelled++;
        }
    }
    assert_true(cancelled > 3);
    diffcut_model_release(model);
}

static void running_out_of_memory_is_told(void **state) {
    (void)state;
    static uint8_t pixels[32 * 32 * 3];
    const diffcut_image image = gradient(32, 32, pixels);
    diffcut_model *model = golden_model("tiny-sd1");
    diffcut_session *session = open_session(model, 1, NULL, NULL);
    diffcut_settings settings;
    diffcut_diffseg_settings diffseg;
    diffcut_status status = DIFFCUT_ERROR_MEMORY;
    small_settings(model, 64, &settings, &diffseg);
    for (long allowed = 0; status != DIFFCUT_OK && allowed < 20000; allowed += allowed < 40 ? 1 : 13) {
        diffcut_labels labels = {.count = 77};
        mem_fail_after(allowed);
        status = diffcut_diffseg(session, &image, &settings, &diffseg, &labels);
        mem_fail_after(-1);
        if (status == DIFFCUT_OK) {
            diffcut_labels_free(&labels);
        } else {
            assert_int_equal(status, DIFFCUT_ERROR_MEMORY);
            assert_true(strlen(diffcut_session_message(session)) > 0);
            assert_int_equal(labels.count, 77);
        }
    }
    assert_int_equal(status, DIFFCUT_OK);
    diffcut_session_close(session);
    diffcut_model_release(model);
}

int main(int argc, char **argv) {
    folder = argc > 1 ? argv[1] : "";
    if (access(folder, R_OK) != 0) {
        return TEST_SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_are_the_same_for_any_number_of_threads),
        cmocka_unit_test(features_are_the_same_after_the_decoder_ran),
        cmocka_unit_test(what_cannot_be_done_is_said),
        cmocka_unit_test(a_map_that_is_too_large_is_refused_before_the_work),
        cmocka_unit_test(it_can_be_cancelled_anywhere),
        cmocka_unit_test(running_out_of_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

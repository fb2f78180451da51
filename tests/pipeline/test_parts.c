/*
 * test_parts.c - what the public interface promises of features by parts: they are the concatenated features on their
 * own grids, every listed hook is one, sizes are rounded for the default hook and taken as they are where asked for,
 * misuse is an error, and nothing is lost when memory runs out. On tests/data/tiny-pixel.
 */
#include "diffcut/diffcut.h"
#include "photo.h"
#include "test.h"

#include "core/memory.h"
#include "io/safetensors.h"

#include <stdio.h>
#include <string.h>

static diffcut_model *model;

static int open_model(void **state) {
    (void)state;
    diffcut_diagnostics diag;
    if (diffcut_model_open(DIFFCUT_TEST_DATA "/tiny-pixel", NULL, &model, &diag) != DIFFCUT_OK) {
        (void)fprintf(stderr, "%s\n", diag.message);
        return 1;
    }
    return 0;
}

static int close_model(void **state) {
    (void)state;
    diffcut_model_release(model);
    return 0;
}

static diffcut_session *open_session(void) {
    diffcut_session *session = NULL;
    assert_int_equal(diffcut_session_open(model, NULL, &session, NULL), DIFFCUT_OK);
    return session;
}

static diffcut_settings small_settings(const char *hook) {
    diffcut_settings settings;
    diffcut_settings_init(&settings, model);
    settings.size = 32;
    settings.timesteps[0] = 20;
    settings.hook = hook;
    return settings;
}

/* Two grids, two timesteps. */
#define BOTH "down.1.resnets.0,conv_in"

static void parts_are_the_features_in_order_on_their_own_grids(void **state) {
    (void)state;
    diffcut_session *session = open_session();
    diffcut_image photo = photo_regions(48, 32);
    diffcut_settings settings = small_settings(BOTH);
    diffcut_features_part *parts = NULL;
    diffcut_features *whole = NULL;
    size_t count = 0;
    settings.timesteps[1] = 300;
    settings.timestep_count = 2;
    assert_int_equal(diffcut_features_compute_parts(session, &photo, &settings, &parts, &count), DIFFCUT_OK);
    assert_int_equal(diffcut_features_compute(session, &photo, &settings, &whole), DIFFCUT_OK);
    assert_int_equal(count, 4);
    assert_string_equal(parts[1].name, "t20/conv_in");
    assert_string_equal(parts[2].name, "t300/down_blocks.1.resnets.0");
    assert_int_equal(parts[2].timestep, 300);
    uint32_t channels = 0;
    for (size_t i = 0; i < count; i++) {
        channels += diffcut_features_channels(parts[i].features);
    }
    assert_int_equal(diffcut_features_channels(whole), channels);
    const diffcut_features *fine = parts[3].features;
    assert_int_equal(diffcut_features_width(whole), diffcut_features_width(fine));
    assert_int_equal(diffcut_features_width(fine), 2 * diffcut_features_width(parts[0].features));
    size_t last = diffcut_features_channels(fine);
    assert_memory_equal(diffcut_features_data(whole) + channels - last, diffcut_features_data(fine),
                        last * sizeof(float));
    diffcut_features_free(whole);
    diffcut_features_parts_free(parts, count);
    diffcut_image_free(&photo);
    diffcut_session_close(session);
}

static void a_file_of_parts_is_read_back(void **state) {
    (void)state;
    static const diffcut_note notes[] = {{"prompt", "a \"cat\""}};
    diffcut_session *session = open_session();
    diffcut_image photo = photo_regions(48, 32);
    const diffcut_settings settings = small_settings(BOTH);
    diffcut_features_part *parts = NULL;
    size_t count = 0;
    diffcut_buffer file = {0};
    diffcut_diagnostics diag;
    safetensors *read = NULL;
    assert_int_equal(diffcut_features_compute_parts(session, &photo, &settings, &parts, &count), DIFFCUT_OK);
    assert_int_equal(diffcut_encode_parts_safetensors(parts, count, notes, 1, &file, &diag), DIFFCUT_OK);
    assert_int_equal(safetensors_parse(file.data, file.size, "parts", &read, &diag), DIFFCUT_OK);
    assert_int_equal(safetensors_count(read), count);
    for (size_t i = 0; i < count; i++) {
        const safetensors_tensor *t = safetensors_find(read, parts[i].name);
        assert_non_null(t);
        assert_int_equal(t->rank, 3);
        assert_int_equal(t->shape[1], diffcut_features_width(parts[i].features));
        assert_memory_equal(t->data, diffcut_features_data(parts[i].features), t->bytes);
    }
    safetensors_close(read);
    diffcut_buffer_free(&file);

    diffcut_features_part twice[] = {parts[0], parts[0]};
    const diffcut_features_part nothing[] = {{.name = "x"}};
    assert_int_equal(diffcut_encode_parts_safetensors(twice, 2, NULL, 0, &file, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(diag.message, "given twice"));
    assert_int_equal(diffcut_encode_parts_safetensors(nothing, 1, NULL, 0, &file, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_encode_parts_safetensors(NULL, 1, NULL, 0, &file, NULL), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_encode_parts_safetensors(parts, count, NULL, 1, &file, NULL), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_encode_parts_safetensors(parts, count, NULL, 0, NULL, NULL), DIFFCUT_ERROR_ARGUMENT);
    assert_null(file.data);
    diffcut_features_parts_free(parts, count);
    diffcut_features_parts_free(NULL, 3);
    diffcut_image_free(&photo);
    diffcut_session_close(session);
}

static void every_listed_hook_can_be_taken(void **state) {
    (void)state;
    diffcut_session *session = open_session();
    diffcut_image photo = photo_regions(48, 32);
    diffcut_hook_info hook;
    size_t count = 0;
    for (; diffcut_model_hook(model, count, &hook); count++) {
        diffcut_settings settings = small_settings(hook.name);
        diffcut_features *features = NULL;
        if (diffcut_features_compute(session, &photo, &settings, &features) != DIFFCUT_OK) {
            fail_msg("%s: %s", hook.name, diffcut_session_message(session));
        }
        assert_int_equal(diffcut_features_channels(features), hook.channels);
        assert_int_equal(diffcut_features_width(features), 32 / hook.stride);
        diffcut_features_free(features);
    }
    assert_true(count > 30);
    const diffcut_hook_info before = hook;
    assert_false(diffcut_model_hook(model, SIZE_MAX, &hook));
    assert_memory_equal(&before, &hook, sizeof hook);
    diffcut_image_free(&photo);
    diffcut_session_close(session);
}

static uint32_t grid_width(const diffcut_image *photo, const diffcut_settings *settings) {
    diffcut_session *session = open_session();
    diffcut_features *features = NULL;
    if (diffcut_features_compute(session, photo, settings, &features) != DIFFCUT_OK) {
        fail_msg("%s", diffcut_session_message(session));
    }
    uint32_t width = diffcut_features_width(features);
    diffcut_features_free(features);
    diffcut_session_close(session);
    return width;
}

/* The first stage takes multiples of 2 pixels, the default hook's tokens cover 4. */
static void a_size_asked_for_by_its_sides_needs_the_first_stages_multiple_only(void **state) {
    (void)state;
    diffcut_image photo = photo_regions(54, 34);
    diffcut_settings settings = small_settings(NULL);
    settings.size = 34; /* rounded to 36 */
    assert_int_equal(grid_width(&photo, &settings), 9);
    settings.hook = "conv_in"; /* the same input, whichever hooks are compared */
    assert_int_equal(grid_width(&photo, &settings), 18);
    settings.size_mode = DIFFCUT_SIZE_NATIVE;
    assert_int_equal(grid_width(&photo, &settings), 27);
    settings.hook = NULL; /* halvings round up */
    assert_int_equal(grid_width(&photo, &settings), 14);
    diffcut_image_free(&photo);

    diffcut_session *session = open_session();
    diffcut_features *features = NULL;
    photo = photo_regions(53, 34);
    assert_int_equal(diffcut_features_compute(session, &photo, &settings, &features), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(diffcut_session_message(session), "multiples of 2 pixels, not 53x34; nearest: 54x34"));
    diffcut_image_free(&photo);
    diffcut_session_close(session);
}

/* The finest grid counts, before any work. */
static void too_many_tokens_are_refused(void **state) {
    (void)state;
    diffcut_session *session = open_session();
    diffcut_image photo = photo_regions(64, 64);
    diffcut_settings settings = small_settings("down.1.resnets.0,conv_in");
    diffcut_features *features = NULL;
    settings.size = 512;
    assert_int_equal(diffcut_features_compute(session, &photo, &settings, &features), DIFFCUT_ERROR_LIMIT);
    assert_non_null(strstr(diffcut_session_message(session), "65536 tokens"));
    assert_null(features);
    diffcut_image_free(&photo);
    diffcut_session_close(session);
}

/* Every hook of the embedded model, whose channels are many enough, at every timestep there is room for. */
static void too_many_channels_are_refused(void **state) {
    (void)state;
    diffcut_model *embedded = NULL;
    diffcut_session *session = NULL;
    diffcut_features *features = NULL;
    diffcut_image photo = photo_regions(64, 64);
    assert_int_equal(diffcut_model_open(DIFFCUT_SOURCE_DIR "/models/diffcut-tiny", NULL, &embedded, NULL),
                     DIFFCUT_OK);
    assert_int_equal(diffcut_session_open(embedded, NULL, &session, NULL), DIFFCUT_OK);
    char all[64 * 96] = "";
    diffcut_hook_info hook;
    size_t used = 0;
    for (size_t i = 0; diffcut_model_hook(embedded, i, &hook); i++) {
        used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", i > 0 ? "," : "", hook.name);
    }
    diffcut_settings settings = small_settings(all);
    settings.timestep_count = DIFFCUT_MAX_TIMESTEPS;
    for (int32_t i = 0; i < DIFFCUT_MAX_TIMESTEPS; i++) {
        settings.timesteps[i] = i;
    }
    assert_int_equal(diffcut_features_compute(session, &photo, &settings, &features), DIFFCUT_ERROR_LIMIT);
    assert_non_null(strstr(diffcut_session_message(session), "channels, at most 65536"));
    assert_null(features);
    diffcut_image_free(&photo);
    diffcut_session_close(session);
    diffcut_model_release(embedded);
}

static void misuse_is_an_error_and_not_a_crash(void **state) {
    (void)state;
    diffcut_session *session = open_session();
    diffcut_session *without = NULL;
    diffcut_image photo = photo_regions(32, 32);
    diffcut_image empty = {0};
    diffcut_settings settings = small_settings(NULL);
    diffcut_features_part *parts = NULL;
    size_t count = 7;
    assert_int_equal(diffcut_features_compute_parts(NULL, &photo, &settings, &parts, &count), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_features_compute_parts(session, &empty, &settings, &parts, &count),
                     DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_features_compute_parts(session, &photo, NULL, &parts, &count), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_features_compute_parts(session, &photo, &settings, NULL, &count),
                     DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_features_compute_parts(session, &photo, &settings, &parts, NULL),
                     DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_session_open(NULL, NULL, &without, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_features_compute_parts(without, &photo, &settings, &parts, &count),
                     DIFFCUT_ERROR_ARGUMENT);
    settings.timesteps[1] = settings.timesteps[0];
    settings.timestep_count = 2;
    assert_int_equal(diffcut_features_compute_parts(session, &photo, &settings, &parts, &count),
                     DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(diffcut_session_message(session), "timestep 20 is given twice"));
    settings.timestep_count = 1;
    settings.average = 1025;
    assert_int_equal(diffcut_features_compute_parts(session, &photo, &settings, &parts, &count),
                     DIFFCUT_ERROR_ARGUMENT);
    assert_null(parts);
    assert_int_equal(count, 7);
    diffcut_image_free(&photo);
    diffcut_session_close(without);
    diffcut_session_close(session);
}

static void a_failing_allocation_loses_nothing(void **state) {
    (void)state;
    diffcut_session *session = open_session();
    diffcut_image photo = photo_regions(48, 32);
    diffcut_settings settings = small_settings(BOTH);
    diffcut_features_part *parts = NULL;
    size_t count = 0;
    settings.average = 2;
    bool done = false;
    for (long n = 0; !done && n < 10000; n++) {
        mem_fail_after(n);
        diffcut_status status = diffcut_features_compute_parts(session, &photo, &settings, &parts, &count);
        mem_fail_after(-1);
        done = status == DIFFCUT_OK;
        if (!done) {
            assert_int_equal(status, DIFFCUT_ERROR_MEMORY);
            assert_null(parts);
        }
    }
    assert_true(done);
    done = false;
    for (long n = 0; !done && n < 100; n++) {
        diffcut_buffer file = {0};
        mem_fail_after(n);
        diffcut_status status = diffcut_encode_parts_safetensors(parts, count, NULL, 0, &file, NULL);
        mem_fail_after(-1);
        done = status == DIFFCUT_OK;
        assert_true(done || status == DIFFCUT_ERROR_MEMORY);
        diffcut_buffer_free(&file);
    }
    assert_true(done);
    diffcut_features_parts_free(parts, count);
    diffcut_image_free(&photo);
    diffcut_session_close(session);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_the_features_in_order_on_their_own_grids),
        cmocka_unit_test(a_file_of_parts_is_read_back),
        cmocka_unit_test(every_listed_hook_can_be_taken),
        cmocka_unit_test(a_size_asked_for_by_its_sides_needs_the_first_stages_multiple_only),
        cmocka_unit_test(too_many_tokens_are_refused),
        cmocka_unit_test(too_many_channels_are_refused),
        cmocka_unit_test(misuse_is_an_error_and_not_a_crash),
        cmocka_unit_test(a_failing_allocation_loses_nothing),
    };
    return cmocka_run_group_tests_name("parts", tests, open_model, close_model);
}

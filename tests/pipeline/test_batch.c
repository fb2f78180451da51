/*
 * test_batch.c - what diffcut_features_compute_batch promises: the features of each photo are to the bit those that
 * it has alone, whatever the others' sizes, on every backend, with several hooks, timesteps and draws of noise; dumps
 * are made as one by one; misuse, a photo that fails and a full memory lose nothing.
 */
#include "diffcut/diffcut.h"
#include "golden.h"
#include "photo.h"
#include "test.h"

#include "core/memory.h"

#include <stdio.h>
#include <string.h>

#define PHOTOS 5
#define TINY DIFFCUT_TEST_DATA "/tiny-pixel"

/* Three sizes, and photos of one size with different content. */
static const struct { uint32_t width, height; } sizes[PHOTOS] = {{48, 32}, {64, 48}, {96, 64}, {40, 40}, {48, 32}};

static void make_photos(diffcut_image *photos, const diffcut_image **list) {
    for (size_t i = 0; i < PHOTOS; i++) {
        photos[i] = photo_regions(sizes[i].width, sizes[i].height);
        photos[i].rgb[i * 7] ^= 0x5A; /* equal sizes are still different photos */
        photos[i].rgb[sizes[i].width * 30 + i] ^= 0xFF;
        list[i] = &photos[i];
    }
}

static void free_photos(diffcut_image *photos) {
    for (size_t i = 0; i < PHOTOS; i++) {
        diffcut_image_free(&photos[i]);
    }
}

static diffcut_model *open_model(const char *path, const char *backend) {
    diffcut_model *model = NULL;
    diffcut_diagnostics diag;
    diffcut_model_settings settings;
    diffcut_model_settings_init(&settings);
    settings.backend = backend;
    if (diffcut_model_open(path, &settings, &model, &diag) != DIFFCUT_OK) {
        fail_msg("%s", diag.message);
    }
    return model;
}

static diffcut_session *open_session(diffcut_model *model, const diffcut_session_settings *settings) {
    diffcut_session *session = NULL;
    assert_int_equal(diffcut_session_open(model, settings, &session, NULL), DIFFCUT_OK);
    return session;
}

static void assert_same(const char *what, size_t photo, const diffcut_features *batch,
                        const diffcut_features *alone) {
    size_t w = diffcut_features_width(alone);
    size_t c = diffcut_features_channels(alone);
    size_t count = diffcut_features_height(alone) * w * c;
    assert_int_equal(diffcut_features_height(batch), diffcut_features_height(alone));
    assert_int_equal(diffcut_features_width(batch), w);
    assert_int_equal(diffcut_features_channels(batch), c);
    const float *got = diffcut_features_data(batch);
    const float *want = diffcut_features_data(alone);
    for (size_t i = 0; i < count; i++) {
        if (memcmp(&got[i], &want[i], sizeof *got) != 0) {
            fail_msg("%s, photo %zu: features differ first at y %zu, x %zu, channel %zu: %.9g in a batch, %.9g alone",
                     what, photo, i / c / w, i / c % w, i % c, (double)got[i], (double)want[i]);
        }
    }
}

/* Batches of 1 .. PHOTOS of the photos against each alone. */
static void check_model(const char *path, const char *backend, const diffcut_settings *wanted) {
    diffcut_model *model = open_model(path, backend);
    diffcut_session *session = open_session(model, NULL);
    diffcut_image photos[PHOTOS];
    const diffcut_image *list[PHOTOS];
    diffcut_features *alone[PHOTOS];
    diffcut_settings settings;
    char what[256];
    diffcut_settings_init(&settings, model);
    settings.size = 64;
    if (wanted != NULL) {
        settings = *wanted;
    }
    (void)snprintf(what, sizeof what, "%s on %s", path, backend);
    make_photos(photos, list);
    for (size_t i = 0; i < PHOTOS; i++) {
        if (diffcut_features_compute(session, list[i], &settings, &alone[i]) != DIFFCUT_OK) {
            fail_msg("%s: %s", what, diffcut_session_message(session));
        }
    }
    for (size_t n = 1; n <= PHOTOS; n++) {
        diffcut_features *batch[PHOTOS] = {NULL};
        if (diffcut_features_compute_batch(session, list, n, &settings, batch) != DIFFCUT_OK) {
            fail_msg("%s: %s", what, diffcut_session_message(session));
        }
        for (size_t i = 0; i < n; i++) {
            assert_same(what, i, batch[i], alone[i]);
            diffcut_features_free(batch[i]);
        }
    }
    for (size_t i = 0; i < PHOTOS; i++) {
        diffcut_features_free(alone[i]);
    }
    free_photos(photos);
    diffcut_session_close(session);
    diffcut_model_release(model);
}

static void a_photos_features_do_not_depend_on_its_batch(void **state) {
    (void)state;
    check_model(TINY, "ref", NULL);
    check_model(TINY, "cpu", NULL);
}

static void nor_with_several_hooks_timesteps_and_draws(void **state) {
    (void)state;
    diffcut_model *model = open_model(TINY, NULL);
    diffcut_settings settings;
    diffcut_settings_init(&settings, model);
    diffcut_model_release(model);
    settings.size = 64;
    settings.timesteps[0] = 20;
    settings.timesteps[1] = 300;
    settings.timestep_count = 2;
    settings.average = 3;
    settings.hook = "down.1.resnets.0,conv_in,down.1.resnets.0.norm1";
    check_model(TINY, "ref", &settings);
    check_model(TINY, "cpu", &settings);
}

/* Grids of the size that photos really have: products in many tiles. */
static void nor_with_the_embedded_model_at_its_own_size(void **state) {
    (void)state;
    diffcut_model *model = open_model(DIFFCUT_SOURCE_DIR "/models/diffcut-tiny", "cpu");
    diffcut_settings settings;
    diffcut_settings_init(&settings, model);
    diffcut_model_release(model);
    check_model(DIFFCUT_SOURCE_DIR "/models/diffcut-tiny", "cpu", &settings);
}

static void nor_with_text_and_an_autoencoder(void **state) {
    (void)state;
    if (!golden_shared_present()) {
        skip();
    }
    static const char *const names[] = {"tiny-sd1", "tiny-sd2", "tiny-ssd1b", "tiny-vega"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[1024];
        (void)snprintf(path, sizeof path, DIFFCUT_SHARED_DIR "/golden/models/%s", names[i]);
        check_model(path, "ref", NULL);
        check_model(path, "cpu", NULL);
    }
}

static void count_images(void *user, const char *name, const float *data, const size_t *shape, size_t rank) {
    (void)data;
    (void)shape;
    (void)rank;
    size_t *images = user;
    *images += strcmp(name, "image") == 0 ? 1 : 0;
}

static void dumps_are_made_of_every_photo(void **state) {
    (void)state;
    size_t images = 0;
    diffcut_session_settings dumping;
    diffcut_session_settings_init(&dumping);
    dumping.dump = count_images;
    dumping.dump_user = &images;
    diffcut_model *model = open_model(TINY, NULL);
    diffcut_session *session = open_session(model, &dumping);
    diffcut_image photos[PHOTOS];
    const diffcut_image *list[PHOTOS];
    diffcut_features *batch[PHOTOS];
    diffcut_settings settings;
    diffcut_settings_init(&settings, model);
    settings.size = 32;
    make_photos(photos, list);
    assert_int_equal(diffcut_features_compute_batch(session, list, PHOTOS, &settings, batch), DIFFCUT_OK);
    assert_int_equal(images, PHOTOS);
    for (size_t i = 0; i < PHOTOS; i++) {
        diffcut_features_free(batch[i]);
    }
    free_photos(photos);
    diffcut_session_close(session);
    diffcut_model_release(model);
}

static int stop(void *user, diffcut_stage stage, double fraction) {
    double *last = user;
    assert_int_equal(stage, DIFFCUT_STAGE_FEATURES);
    assert_true(fraction >= *last && fraction <= 1.0);
    *last = fraction;
    return fraction > 0.5;
}

static void a_batch_can_be_stopped_and_tells_how_far_it_is(void **state) {
    (void)state;
    double last = 0.0;
    diffcut_session_settings stopping;
    diffcut_session_settings_init(&stopping);
    stopping.progress = stop;
    stopping.progress_user = &last;
    diffcut_model *model = open_model(TINY, NULL);
    diffcut_session *session = open_session(model, &stopping);
    diffcut_image photos[PHOTOS];
    const diffcut_image *list[PHOTOS];
    diffcut_features *batch[PHOTOS] = {NULL};
    diffcut_settings settings;
    diffcut_settings_init(&settings, model);
    settings.size = 32;
    make_photos(photos, list);
    assert_int_equal(diffcut_features_compute_batch(session, list, PHOTOS, &settings, batch),
                     DIFFCUT_ERROR_CANCELLED);
    assert_true(last > 0.5);
    assert_null(batch[0]);
    free_photos(photos);
    diffcut_session_close(session);
    diffcut_model_release(model);
}

static void misuse_is_an_error_and_not_a_crash(void **state) {
    (void)state;
    diffcut_model *model = open_model(TINY, NULL);
    diffcut_session *session = open_session(model, NULL);
    diffcut_image photos[PHOTOS];
    const diffcut_image *list[PHOTOS];
    diffcut_features *batch[PHOTOS] = {NULL};
    diffcut_settings settings;
    diffcut_settings_init(&settings, model);
    settings.size = 32;
    make_photos(photos, list);
    const diffcut_status bad = DIFFCUT_ERROR_ARGUMENT;
    assert_int_equal(diffcut_features_compute_batch(NULL, list, 2, &settings, batch), bad);
    assert_int_equal(diffcut_features_compute_batch(session, NULL, 2, &settings, batch), bad);
    assert_int_equal(diffcut_features_compute_batch(session, list, 0, &settings, batch), bad);
    assert_string_equal(diffcut_session_message(session), "a batch of 0 images; 1 .. 64 can be given");
    assert_int_equal(diffcut_features_compute_batch(session, list, DIFFCUT_MAX_BATCH + 1, &settings, batch), bad);
    assert_int_equal(diffcut_features_compute_batch(session, list, 2, NULL, batch), bad);
    assert_int_equal(diffcut_features_compute_batch(session, list, 2, &settings, NULL), bad);
    list[1] = NULL;
    assert_int_equal(diffcut_features_compute_batch(session, list, 2, &settings, batch), bad);
    list[1] = &photos[1];
    settings.size_mode = DIFFCUT_SIZE_NATIVE;
    uint32_t width = photos[1].width--; /* no multiple: that photo fails the batch */
    assert_int_equal(diffcut_features_compute_batch(session, list, 2, &settings, batch), bad);
    assert_non_null(strstr(diffcut_session_message(session), "63x48"));
    photos[1].width = width;
    assert_null(batch[0]);
    free_photos(photos);
    diffcut_session_close(session);
    diffcut_model_release(model);
}

static void a_failing_allocation_loses_nothing(void **state) {
    (void)state;
    diffcut_model *model = open_model(TINY, NULL);
    diffcut_image photos[PHOTOS];
    const diffcut_image *list[PHOTOS];
    diffcut_settings settings;
    diffcut_settings_init(&settings, model);
    settings.size = 32;
    settings.average = 2;
    make_photos(photos, list);
    bool done = false;
    for (long n = 0; !done && n < 2000; n++) {
        diffcut_session *session = open_session(model, NULL);
        diffcut_features *batch[3] = {NULL};
        mem_fail_after(n);
        diffcut_status status = diffcut_features_compute_batch(session, list, 3, &settings, batch);
        mem_fail_after(-1);
        done = status == DIFFCUT_OK;
        for (size_t i = 0; i < 3; i++) {
            assert_true(done == (batch[i] != NULL));
            diffcut_features_free(batch[i]);
        }
        assert_true(done || status == DIFFCUT_ERROR_MEMORY);
        diffcut_session_close(session);
    }
    assert_true(done);
    free_photos(photos);
    diffcut_model_release(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_photos_features_do_not_depend_on_its_batch),
        cmocka_unit_test(nor_with_several_hooks_timesteps_and_draws),
        cmocka_unit_test(nor_with_the_embedded_model_at_its_own_size),
        cmocka_unit_test(nor_with_text_and_an_autoencoder),
        cmocka_unit_test(dumps_are_made_of_every_photo),
        cmocka_unit_test(a_batch_can_be_stopped_and_tells_how_far_it_is),
        cmocka_unit_test(misuse_is_an_error_and_not_a_crash),
        cmocka_unit_test(a_failing_allocation_loses_nothing),
    };
    return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}

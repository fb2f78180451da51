/*
 * test_sessions.c - one model, many sessions, many threads: the same results as alone. Meant for the thread sanitizer
 * too (ctest label "threads").
 */
#include "diffcut/diffcut.h"
#include "photo.h"
#include "test.h"

#include <pthread.h>
#include <stdio.h>

#define WORKERS 4
#define ROUNDS 3

struct worker {
    diffcut_model *model; /* its own reference */
    const diffcut_image *photo;
    diffcut_labels labels;
    diffcut_status status;
};

static void *segment_in_thread(void *argument) {
    struct worker *worker = argument;
    diffcut_session_settings options;
    diffcut_session_settings_init(&options);
    options.threads = 2;
    diffcut_settings settings;
    diffcut_settings_init(&settings, worker->model);
    settings.iterations = 4;
    diffcut_session *session = NULL;
    worker->status = diffcut_session_open(worker->model, &options, &session, NULL);
    for (int round = 0; round < ROUNDS && worker->status == DIFFCUT_OK; round++) {
        diffcut_labels_free(&worker->labels);
        worker->status = diffcut_segment(session, worker->photo, &settings, &worker->labels);
    }
    diffcut_session_close(session);
    diffcut_model_release(worker->model);
    return NULL;
}

static void many_sessions_share_one_model(void **state) {
    (void)state;
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/models/diffcut-tiny", DIFFCUT_SOURCE_DIR);
    diffcut_model *model = NULL;
    assert_int_equal(diffcut_model_open(path, NULL, &model, NULL), DIFFCUT_OK);
    diffcut_image photos[2] = {photo_regions(96, 64), photo_regions(64, 112)};
    struct worker workers[WORKERS] = {0};
    pthread_t threads[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        workers[i].model = diffcut_model_retain(model);
        workers[i].photo = &photos[i % 2];
        assert_int_equal(pthread_create(&threads[i], NULL, segment_in_thread, &workers[i]), 0);
    }
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(workers[i].status, DIFFCUT_OK);
    }
    for (int i = 0; i < 2; i++) {
        struct worker alone = {.model = diffcut_model_retain(model), .photo = &photos[i]};
        segment_in_thread(&alone);
        assert_int_equal(alone.status, DIFFCUT_OK);
        for (int k = i; k < WORKERS; k += 2) {
            photo_assert_same_labels(&alone.labels, &workers[k].labels);
        }
        diffcut_labels_free(&alone.labels);
    }
    for (int i = 0; i < WORKERS; i++) {
        diffcut_labels_free(&workers[i].labels);
    }
    diffcut_model_release(model);
    diffcut_image_free(&photos[0]);
    diffcut_image_free(&photos[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(many_sessions_share_one_model)};
    return cmocka_run_group_tests_name("sessions", tests, NULL, NULL);
}

/*
 * test_pipeline.c - what the public interface promises of the whole: one call equals the steps, one tree serves every
 * tau, the same bits for any number of threads, clear errors, and nothing lost on cancel or failure.
 */
#include "diffcut/diffcut.h"
#include "photo.h"
#include "test.h"

#include "core/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static diffcut_model *model;

static int open_model(void **state) {
    (void)state;
    char path[1024];
    diffcut_diagnostics diag;
    (void)snprintf(path, sizeof path, "%s/models/diffcut-tiny", DIFFCUT_SOURCE_DIR);
    if (diffcut_model_open(path, NULL, &model, &diag) != DIFFCUT_OK) {
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

static diffcut_session *open_session(uint32_t threads) {
    diffcut_session_settings settings;
    diffcut_session_settings_init(&settings);
    settings.threads = threads;
    diffcut_session *session = NULL;
    assert_int_equal(diffcut_session_open(model, &settings, &session, NULL), DIFFCUT_OK);
    return session;
}

static diffcut_settings model_settings(void) {
    diffcut_settings settings;
    diffcut_settings_init(&settings, model);
    return settings;
}

static void assert_status(diffcut_session *session, diffcut_status expected, diffcut_status got, const char *part) {
    if (got != expected || strstr(diffcut_session_message(session), part) == NULL) {
        fail_msg("expected \"%s\" with \"%s\", got \"%s\": %s", diffcut_status_string(expected), part,
                 diffcut_status_string(got), diffcut_session_message(session));
    }
}

/* ------------------------------------------------------------------------------------------------- settings */

static void settings_come_from_the_paper_or_from_the_model(void **state) {
    (void)state;
    diffcut_settings paper;
    diffcut_settings_init(&paper, NULL);
    assert_int_equal(paper.timesteps[0], 50);
    assert_true(paper.alpha == 10.0 && paper.tau == 0.5);
    assert_int_equal(paper.seed, 42);
    assert_int_equal(diffcut_settings_check(&paper, NULL), DIFFCUT_OK);
    diffcut_model_info info;
    diffcut_model_get_info(model, &info);
    diffcut_settings own = model_settings();
    assert_int_equal(own.timesteps[0], info.timestep);
    assert_int_equal(own.size, info.size);
    assert_true(own.alpha == info.alpha && own.tau == info.tau);
}

static void every_setting_out_of_range_is_named(void **state) {
    (void)state;
    const struct {
        const char *part;
        size_t offset;
        enum { U32, I32, F64 } kind;
        double value;
    } cases[] = {
        {"tau", offsetof(diffcut_settings, tau), F64, -0.01},
        {"tau", offsetof(diffcut_settings, tau), F64, 1.01},
        {"tau", offsetof(diffcut_settings, tau), F64, NAN},
        {"alpha", offsetof(diffcut_settings, alpha), F64, 0.0},
        {"alpha", offsetof(diffcut_settings, alpha), F64, -1.0},
        {"alpha", offsetof(diffcut_settings, alpha), F64, INFINITY},
        {"timestep", offsetof(diffcut_settings, timesteps), I32, -1},
        {"timestep", offsetof(diffcut_settings, timesteps), I32, 1000},
        {"size 0", offsetof(diffcut_settings, size), U32, 0},
        {"size 20000", offsetof(diffcut_settings, size), U32, 20000},
        {"iterations", offsetof(diffcut_settings, iterations), U32, 1001},
        {"dilation_count", offsetof(diffcut_settings, dilation_count), U32, 0},
        {"dilation_count", offsetof(diffcut_settings, dilation_count), U32, 17},
        {"dilations[0]", offsetof(diffcut_settings, dilations), U32, 0},
        {"dilations[0]", offsetof(diffcut_settings, dilations), U32, 1025},
        {"median", offsetof(diffcut_settings, median), U32, 4},
        {"median", offsetof(diffcut_settings, median), U32, 17},
        {"refine_size", offsetof(diffcut_settings, refine_size), U32, 70000},
        {"resample", offsetof(diffcut_settings, resample), I32, 2},
        {"size_mode", offsetof(diffcut_settings, size_mode), I32, 4},
        {"eigen_solver", offsetof(diffcut_settings, eigen_solver), I32, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        diffcut_settings settings = model_settings();
        void *field = (char *)&settings + cases[i].offset;
        if (cases[i].kind == F64) {
            memcpy(field, &cases[i].value, sizeof(double));
        } else if (cases[i].kind == U32) {
            memcpy(field, &(uint32_t){(uint32_t)cases[i].value}, sizeof(uint32_t));
        } else {
            memcpy(field, &(int32_t){(int32_t)cases[i].value}, sizeof(int32_t));
        }
        diffcut_diagnostics diag;
        diffcut_status status = diffcut_settings_check(&settings, &diag);
        if (status != DIFFCUT_ERROR_ARGUMENT || strstr(diag.message, cases[i].part) == NULL) {
            fail_msg("case %zu (%s): status %d, \"%s\"", i, cases[i].part, (int)status, diag.message);
        }
    }
}

/* ------------------------------------------------------------------------------------------------- the whole */

static void one_call_equals_the_steps(void **state) {
    (void)state;
    diffcut_image photo = photo_sample("chelsea.png");
    diffcut_settings settings = model_settings();
    diffcut_session *session = open_session(2);
    diffcut_labels whole = {0};
    diffcut_labels tokens = {0};
    diffcut_labels steps = {0};
    diffcut_features *features = NULL;
    diffcut_tree *tree = NULL;
    assert_int_equal(diffcut_segment(session, &photo, &settings, &whole), DIFFCUT_OK);
    assert_int_equal(whole.width, photo.width);
    assert_int_equal(whole.height, photo.height);
    assert_in_range(whole.count, 2, 64);
    assert_int_equal(diffcut_features_compute(session, &photo, &settings, &features), DIFFCUT_OK);
    assert_int_equal(diffcut_tree_build(session, features, &settings, &tree), DIFFCUT_OK);
    assert_int_equal(diffcut_tree_cut(session, tree, settings.tau, &tokens), DIFFCUT_OK);
    assert_int_equal(diffcut_labels_finish(session, &photo, features, &tokens, &settings, &steps), DIFFCUT_OK);
    photo_assert_same_labels(&whole, &steps);
    double seconds[DIFFCUT_STAGE_COUNT];
    diffcut_session_times(session, seconds);
    for (int stage = 0; stage < DIFFCUT_STAGE_COUNT; stage++) {
        assert_true(seconds[stage] > 0.0);
    }
    diffcut_labels_free(&whole);
    diffcut_labels_free(&tokens);
    diffcut_labels_free(&steps);
    diffcut_tree_free(tree);
    diffcut_features_free(features);
    diffcut_session_close(session);
    diffcut_image_free(&photo);
}

static void one_tree_serves_every_tau(void **state) {
    (void)state;
    static const double taus[] = {0.5, 0.2, 0.7, 0.4, 0.0, 1.0, 0.6};
    diffcut_image photo = photo_sample("coffee.png");
    diffcut_settings settings = model_settings();
    diffcut_session *session = open_session(2);
    diffcut_features *features = NULL;
    diffcut_tree *shared = NULL;
    assert_int_equal(diffcut_features_compute(session, &photo, &settings, &features), DIFFCUT_OK);
    settings.tau = 0.1;
    assert_int_equal(diffcut_tree_build(session, features, &settings, &shared), DIFFCUT_OK);
    for (size_t i = 0; i < sizeof taus / sizeof taus[0]; i++) {
        diffcut_tree *own = NULL;
        diffcut_labels from_shared = {0};
        diffcut_labels from_own = {0};
        settings.tau = taus[i];
        assert_int_equal(diffcut_tree_build(session, features, &settings, &own), DIFFCUT_OK);
        assert_int_equal(diffcut_tree_cut(session, own, taus[i], &from_own), DIFFCUT_OK);
        assert_int_equal(diffcut_tree_cut(session, shared, taus[i], &from_shared), DIFFCUT_OK);
        photo_assert_same_labels(&from_own, &from_shared);
        diffcut_labels_free(&from_own);
        diffcut_labels_free(&from_shared);
        diffcut_tree_free(own);
    }
    diffcut_tree_free(shared);
    diffcut_features_free(features);
    diffcut_session_close(session);
    diffcut_image_free(&photo);
}

static void the_result_does_not_depend_on_the_thread_count(void **state) {
    (void)state;
    diffcut_image photo = photo_sample("rocket.jpg");
    diffcut_settings settings = model_settings();
    diffcut_features *first = NULL;
    diffcut_labels first_labels = {0};
    for (uint32_t threads = 1; threads <= 3; threads++) {
        diffcut_session *session = open_session(threads);
        diffcut_features *features = NULL;
        diffcut_labels labels = {0};
        assert_int_equal(diffcut_features_compute(session, &photo, &settings, &features), DIFFCUT_OK);
        assert_int_equal(diffcut_segment(session, &photo, &settings, &labels), DIFFCUT_OK);
        if (first == NULL) {
            first = features;
            first_labels = labels;
        } else {
            size_t count = (size_t)diffcut_features_height(first) * diffcut_features_width(first) *
                           diffcut_features_channels(first);
            assert_memory_equal(diffcut_features_data(first), diffcut_features_data(features), count * sizeof(float));
            photo_assert_same_labels(&first_labels, &labels);
            diffcut_features_free(features);
            diffcut_labels_free(&labels);
        }
        diffcut_session_close(session);
    }
    diffcut_features_free(first);
    diffcut_labels_free(&first_labels);
    diffcut_image_free(&photo);
}

static void both_backends_agree(void **state) {
    (void)state;
    diffcut_model_settings model_options;
    diffcut_model_settings_init(&model_options);
    model_options.backend = "ref";
    diffcut_model_info info;
    diffcut_model_get_info(model, &info);
    diffcut_model *plain = NULL;
    assert_int_equal(diffcut_model_open(info.path, &model_options, &plain, NULL), DIFFCUT_OK);
    diffcut_session *plain_session = NULL;
    assert_int_equal(diffcut_session_open(plain, NULL, &plain_session, NULL), DIFFCUT_OK);
    diffcut_session *session = open_session(2);
    diffcut_image photo = photo_sample("chelsea.png");
    diffcut_settings settings = model_settings();
    diffcut_features *a = NULL;
    diffcut_features *b = NULL;
    assert_int_equal(diffcut_features_compute(session, &photo, &settings, &a), DIFFCUT_OK);
    assert_int_equal(diffcut_features_compute(plain_session, &photo, &settings, &b), DIFFCUT_OK);
    size_t count = (size_t)diffcut_features_height(a) * diffcut_features_width(a) * diffcut_features_channels(a);
    double square = 0.0;
    double worst = 0.0;
    for (size_t i = 0; i < count; i++) {
        double value = diffcut_features_data(b)[i];
        square += value * value;
        worst = fmax(worst, fabs(value - (double)diffcut_features_data(a)[i]));
    }
    assert_true(worst / sqrt(square / (double)count) < 2e-4); /* the golden files' tolerance */
    diffcut_features_free(a);
    diffcut_features_free(b);
    diffcut_session_close(plain_session);
    diffcut_session_close(session);
    diffcut_model_release(plain);
    diffcut_image_free(&photo);
}

/* ------------------------------------------------------------------------------------------------- sizes */

static void assert_grid(const diffcut_settings *settings, const diffcut_image *photo, uint32_t width,
                        uint32_t height) {
    diffcut_session *session = open_session(2);
    diffcut_features *features = NULL;
    if (diffcut_features_compute(session, photo, settings, &features) != DIFFCUT_OK) {
        fail_msg("%s", diffcut_session_message(session));
    }
    assert_int_equal(diffcut_features_width(features), width);
    assert_int_equal(diffcut_features_height(features), height);
    diffcut_features_free(features);
    diffcut_session_close(session);
}

static void photos_keep_their_shape_unless_told_otherwise(void **state) {
    (void)state;
    diffcut_model_info info;
    diffcut_model_get_info(model, &info);
    uint32_t grid = info.size / info.feature_stride;
    diffcut_image wide = photo_regions(400, 100);
    diffcut_settings settings = model_settings();
    assert_grid(&settings, &wide, grid, grid / 4);
    settings.size_mode = DIFFCUT_SIZE_SQUARE;
    assert_grid(&settings, &wide, grid, grid);
    settings.size_mode = DIFFCUT_SIZE_EXACT;
    settings.size_width = 4 * info.multiple;
    settings.size_height = 6 * info.multiple;
    assert_grid(&settings, &wide, 4 * info.multiple / info.feature_stride, 6 * info.multiple / info.feature_stride);
    settings.size_mode = DIFFCUT_SIZE_NATIVE;
    diffcut_image native = photo_regions(8 * info.multiple, 3 * info.multiple);
    assert_grid(&settings, &native, 8 * info.multiple / info.feature_stride, 3 * info.multiple / info.feature_stride);
    diffcut_image_free(&native);
    diffcut_image_free(&wide);
}

static void sizes_the_network_cannot_take_are_refused(void **state) {
    (void)state;
    diffcut_session *session = open_session(1);
    diffcut_image photo = photo_regions(101, 67);
    diffcut_settings settings = model_settings();
    diffcut_features *features = NULL;
    settings.size_mode = DIFFCUT_SIZE_NATIVE;
    assert_status(session, DIFFCUT_ERROR_ARGUMENT, diffcut_features_compute(session, &photo, &settings, &features),
                  "101x67");
    settings.size_mode = DIFFCUT_SIZE_SQUARE;
    settings.size = 4096;
    assert_status(session, DIFFCUT_ERROR_LIMIT, diffcut_features_compute(session, &photo, &settings, &features),
                  "tokens");
    assert_null(features);
    diffcut_image_free(&photo);
    diffcut_session_close(session);
}

static void extreme_photos_are_segmented(void **state) {
    (void)state;
    static const uint32_t sizes[][2] = {{1, 1}, {1, 5000}, {5000, 1}, {2, 3}, {17, 1000}};
    diffcut_session *session = open_session(2);
    diffcut_settings settings = model_settings();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        diffcut_image photo = photo_regions(sizes[i][0], sizes[i][1]);
        diffcut_labels labels = {0};
        if (diffcut_segment(session, &photo, &settings, &labels) != DIFFCUT_OK) {
            fail_msg("%ux%u: %s", sizes[i][0], sizes[i][1], diffcut_session_message(session));
        }
        assert_int_equal(labels.width, photo.width);
        assert_int_equal(labels.height, photo.height);
        diffcut_labels_free(&labels);
        diffcut_image_free(&photo);
    }
    diffcut_session_close(session);
}

static void made_up_regions_are_found(void **state) {
    (void)state;
    diffcut_session *session = open_session(2);
    diffcut_settings settings = model_settings();
    diffcut_image photo = photo_regions(256, 256);
    diffcut_labels labels = {0};
    assert_int_equal(diffcut_segment(session, &photo, &settings, &labels), DIFFCUT_OK);
    const uint32_t *row = labels.data + (size_t)64 * labels.width;
    uint32_t left = row[64];
    uint32_t right = row[192];
    uint32_t below = labels.data[(size_t)192 * labels.width + 128];
    assert_true(left != right && right != below && left != below);
    diffcut_labels_free(&labels);
    diffcut_image_free(&photo);
    diffcut_session_close(session);
}

/* ------------------------------------------------------------------------------------------------- callbacks */

struct progress_log {
    long calls;
    long stop_at; /* the call that asks to stop; -1 never */
    diffcut_stage last_stage;
    double last_fraction;
    bool in_order;
};

static int log_progress(void *user, diffcut_stage stage, double fraction) {
    struct progress_log *log = user;
    if (!(fraction >= 0.0 && fraction <= 1.0) || stage < log->last_stage ||
        (stage == log->last_stage && fraction < log->last_fraction)) {
        log->in_order = false;
    }
    log->last_stage = stage;
    log->last_fraction = fraction;
    return log->calls++ == log->stop_at;
}

static diffcut_status segment_with_progress(struct progress_log *log, diffcut_labels *labels) {
    diffcut_session_settings options;
    diffcut_session_settings_init(&options);
    options.threads = 2;
    options.progress = log_progress;
    options.progress_user = log;
    diffcut_session *session = NULL;
    diffcut_image photo = photo_regions(160, 120);
    diffcut_settings settings = model_settings();
    assert_int_equal(diffcut_session_open(model, &options, &session, NULL), DIFFCUT_OK);
    diffcut_status status = diffcut_segment(session, &photo, &settings, labels);
    diffcut_image_free(&photo);
    diffcut_session_close(session);
    return status;
}

static void progress_moves_forward(void **state) {
    (void)state;
    struct progress_log log = {.stop_at = -1, .in_order = true};
    diffcut_labels labels = {0};
    assert_int_equal(segment_with_progress(&log, &labels), DIFFCUT_OK);
    assert_true(log.in_order);
    assert_true(log.calls > 10);
    diffcut_labels_free(&labels);
}

static void cancelling_at_any_call_stops_and_changes_nothing(void **state) {
    (void)state;
    struct progress_log whole = {.stop_at = -1, .in_order = true};
    diffcut_labels labels = {0};
    assert_int_equal(segment_with_progress(&whole, &labels), DIFFCUT_OK);
    diffcut_labels_free(&labels);
    for (long stop_at = 0; stop_at < whole.calls; stop_at += 1 + whole.calls / 40) {
        struct progress_log log = {.stop_at = stop_at, .in_order = true};
        assert_int_equal(segment_with_progress(&log, &labels), DIFFCUT_ERROR_CANCELLED);
        assert_null(labels.data);
        assert_int_equal(log.calls, stop_at + 1);
    }
}

static void note_dump(void *user, const char *name, const float *data, const size_t *shape, size_t rank) {
    char *names = user;
    size_t count = 1;
    for (size_t i = 0; i < rank; i++) {
        count *= shape[i];
    }
    assert_true(count > 0 && isfinite(data[0]) && isfinite(data[count - 1]));
    (void)snprintf(names + strlen(names), 16384 - strlen(names), "%s\n", name);
}

static void every_stage_can_be_dumped(void **state) {
    (void)state;
    static const char *const expected[] = {"image\n",        "latent\n",   "noise\n",    "noisy\n",
                                           "unet.conv_in\n", "features\n", "affinity\n", "eigenvector\n",
                                           "tokens_tau_",    "assigned\n", "refined\n"};
    static char names[16384];
    names[0] = '\0';
    diffcut_session_settings options;
    diffcut_session_settings_init(&options);
    options.dump = note_dump;
    options.dump_user = names;
    diffcut_session *session = NULL;
    assert_int_equal(diffcut_session_open(model, &options, &session, NULL), DIFFCUT_OK);
    diffcut_image photo = photo_regions(160, 120);
    diffcut_settings settings = model_settings();
    diffcut_labels labels = {0};
    assert_int_equal(diffcut_segment(session, &photo, &settings, &labels), DIFFCUT_OK);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        if (strstr(names, expected[i]) == NULL) {
            fail_msg("no dump of %s among:\n%s", expected[i], names);
        }
    }
    diffcut_labels_free(&labels);
    diffcut_image_free(&photo);
    diffcut_session_close(session);
}

/* ------------------------------------------------------------------------------------------------- bad input */

static void a_constant_photo_is_at_least_one_segment(void **state) {
    (void)state;
    diffcut_session *session = open_session(2);
    diffcut_settings settings = model_settings();
    for (int value = 0; value <= 255; value += 255) {
        diffcut_image photo = photo_constant(200, 150, (uint8_t)value);
        diffcut_labels labels = {0};
        assert_int_equal(diffcut_segment(session, &photo, &settings, &labels), DIFFCUT_OK);
        assert_true(labels.count >= 1);
        diffcut_labels_free(&labels);
        diffcut_image_free(&photo);
    }
    diffcut_session_close(session);
}

static void constant_features_are_one_segment(void **state) {
    (void)state;
    float data[64 * 4];
    for (size_t i = 0; i < sizeof data / sizeof data[0]; i++) {
        data[i] = 0.25F;
    }
    diffcut_features *features = NULL;
    diffcut_tree *tree = NULL;
    diffcut_labels labels = {0};
    diffcut_session *session = NULL;
    diffcut_settings settings;
    diffcut_settings_init(&settings, NULL);
    assert_int_equal(diffcut_features_create(8, 8, 4, data, &features, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_session_open(NULL, NULL, &session, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_tree_build(session, features, &settings, &tree), DIFFCUT_OK);
    assert_int_equal(diffcut_tree_cut(session, tree, 1.0, &labels), DIFFCUT_OK);
    assert_int_equal(labels.count, 1);
    diffcut_labels_free(&labels);
    diffcut_tree_free(tree);
    diffcut_features_free(features);
    diffcut_session_close(session);
}

static void misuse_is_an_error_and_not_a_crash(void **state) {
    (void)state;
    diffcut_session *session = NULL;
    diffcut_image photo = photo_regions(32, 32);
    diffcut_image empty = {0};
    diffcut_settings settings = model_settings();
    diffcut_labels labels = {0};
    diffcut_features *features = NULL;
    diffcut_tree *tree = NULL;
    assert_int_equal(diffcut_session_open(NULL, NULL, NULL, NULL), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_session_open(NULL, NULL, &session, NULL), DIFFCUT_OK);
    assert_status(session, DIFFCUT_ERROR_ARGUMENT, diffcut_segment(session, &photo, &settings, &labels),
                  "without a model");
    diffcut_session_close(session);
    session = open_session(1);
    assert_status(session, DIFFCUT_ERROR_ARGUMENT, diffcut_segment(session, &empty, &settings, &labels), "empty");
    assert_status(session, DIFFCUT_ERROR_ARGUMENT, diffcut_segment(session, &photo, NULL, &labels), "settings");
    settings.hook = "down_blocks.9.nowhere";
    assert_status(session, DIFFCUT_ERROR_ARGUMENT, diffcut_features_compute(session, &photo, &settings, &features),
                  "down_blocks.9.nowhere");
    settings.hook = NULL;
    assert_status(session, DIFFCUT_ERROR_ARGUMENT, diffcut_tree_build(session, NULL, &settings, &tree), "features");
    assert_status(session, DIFFCUT_ERROR_ARGUMENT, diffcut_tree_cut(session, NULL, 0.5, &labels), "tree");
    uint32_t wrong[4] = {0, 1, 2, 9};
    diffcut_labels bad = {.width = 2, .height = 2, .count = 3, .data = wrong};
    assert_status(session, DIFFCUT_ERROR_ARGUMENT, diffcut_labels_refine(session, &photo, &bad, &settings, &labels),
                  "label 9");
    diffcut_settings_init(NULL, NULL);
    diffcut_model_settings_init(NULL);
    diffcut_verify_settings_init(NULL);
    diffcut_synth_settings_init(NULL);
    diffcut_pull_settings_init(NULL);
    diffcut_session_settings_init(NULL);
    diffcut_decode_limits_init(NULL);
    diffcut_overlay_settings_init(NULL);
    diffcut_features_parts_free(NULL, 3);
    diffcut_features_free(NULL);
    diffcut_tree_free(NULL);
    diffcut_session_close(NULL);
    diffcut_model_release(NULL);
    diffcut_session_close(session);
    diffcut_image_free(&photo);
}

/* The n-th allocation fails, for n through the whole run: an error each time, nothing leaked (the sanitizers tell),
 * nothing handed out, and the session still works. */
static void a_failing_allocation_loses_nothing(void **state) {
    (void)state;
    diffcut_image photo = photo_regions(48, 32);
    diffcut_settings settings = model_settings();
    settings.size = 32;
    settings.iterations = 2;
    diffcut_session *session = open_session(2);
    diffcut_labels expected = {0};
    assert_int_equal(diffcut_segment(session, &photo, &settings, &expected), DIFFCUT_OK);
    long failures = 0;
    for (long n = 0; n < 100000; n += 1 + n / 50) {
        diffcut_labels labels = {0};
        mem_fail_after(n);
        diffcut_status status = diffcut_segment(session, &photo, &settings, &labels);
        mem_fail_after(-1);
        if (status == DIFFCUT_OK) {
            photo_assert_same_labels(&expected, &labels);
            diffcut_labels_free(&labels);
            break;
        }
        assert_int_equal(status, DIFFCUT_ERROR_MEMORY);
        assert_null(labels.data);
        failures++;
    }
    assert_true(failures > 10);
    diffcut_labels_free(&expected);
    diffcut_session_close(session);
    diffcut_image_free(&photo);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_come_from_the_paper_or_from_the_model),
        cmocka_unit_test(every_setting_out_of_range_is_named),
        cmocka_unit_test(one_call_equals_the_steps),
        cmocka_unit_test(one_tree_serves_every_tau),
        cmocka_unit_test(the_result_does_not_depend_on_the_thread_count),
        cmocka_unit_test(both_backends_agree),
        cmocka_unit_test(photos_keep_their_shape_unless_told_otherwise),
        cmocka_unit_test(sizes_the_network_cannot_take_are_refused),
        cmocka_unit_test(extreme_photos_are_segmented),
        cmocka_unit_test(made_up_regions_are_found),
        cmocka_unit_test(progress_moves_forward),
        cmocka_unit_test(cancelling_at_any_call_stops_and_changes_nothing),
        cmocka_unit_test(every_stage_can_be_dumped),
        cmocka_unit_test(a_constant_photo_is_at_least_one_segment),
        cmocka_unit_test(constant_features_are_one_segment),
        cmocka_unit_test(misuse_is_an_error_and_not_a_crash),
        cmocka_unit_test(a_failing_allocation_loses_nothing),
    };
    return cmocka_run_group_tests_name("pipeline", tests, open_model, close_model);
}

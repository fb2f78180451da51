/*
 * test_methods.c - the peers' methods on features: degenerate maps, threads, bad settings, cancelling, memory.
 * Argument "threads": only what several threads are for, and without LAPACK, whose own threads the thread sanitizer
 * cannot see into.
 */
#include "cut_fixture.h"
#include "segment/autosc.h"
#include "segment/cluster_qr.h"
#include "segment/colour.h"
#include "segment/eigen_dense.h"
#include "segment/kmeans.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const diffcut_method on_features[] = {DIFFCUT_METHOD_DIFFCUT, DIFFCUT_METHOD_AUTOSC, DIFFCUT_METHOD_TOKENCUT,
                                             DIFFCUT_METHOD_MASKCUT, DIFFCUT_METHOD_KMEANS, DIFFCUT_METHOD_COLOUR};
#define METHODS (sizeof on_features / sizeof *on_features)

static diffcut_session *open_session(uint32_t threads, diffcut_progress_fn progress, void *user) {
    diffcut_session_settings settings;
    diffcut_session *session = NULL;
    diffcut_session_settings_init(&settings);
    settings.threads = threads;
    settings.progress = progress;
    settings.progress_user = user;
    assert_int_equal(diffcut_session_open(NULL, &settings, &session, NULL), DIFFCUT_OK);
    return session;
}

static diffcut_status cluster(diffcut_session *session, const diffcut_features *features, diffcut_method method,
                              diffcut_labels *out) {
    diffcut_settings settings;
    diffcut_cluster_settings peer;
    diffcut_settings_init(&settings, NULL);
    diffcut_cluster_settings_init(&peer, method);
    return diffcut_features_cluster(session, features, &settings, &peer, out);
}

static diffcut_labels clustered(diffcut_session *session, const diffcut_features *features, diffcut_method method) {
    diffcut_labels labels = {0};
    diffcut_status status = cluster(session, features, method, &labels);
    if (status != DIFFCUT_OK) {
        fail_msg("%s: %s", diffcut_method_name(method), diffcut_session_message(session));
    }
    assert_int_equal(labels.width, features->width);
    assert_int_equal(labels.height, features->height);
    for (size_t i = 0; i < (size_t)labels.width * labels.height; i++) {
        assert_true(labels.data[i] < labels.count);
    }
    return labels;
}

static diffcut_features *features_of(uint32_t height, uint32_t width, uint32_t channels, const float *data) {
    diffcut_features *features = NULL;
    assert_int_equal(diffcut_features_create(height, width, channels, data, &features, NULL), DIFFCUT_OK);
    return features;
}

/* ------------------------------------------------------------------------------------------------- results */

static double agreement(const diffcut_labels *a, const int32_t *want) {
    size_t tokens = (size_t)a->width * a->height;
    int32_t *got = malloc(tokens * sizeof *got);
    assert_non_null(got);
    for (size_t i = 0; i < tokens; i++) {
        got[i] = (int32_t)a->data[i];
    }
    double index = golden_rand_index(got, want, tokens);
    free(got);
    return index;
}

static void clear_regions_are_found_by_the_methods_that_look_for_several(void **state) {
    (void)state;
    diffcut_features *features = cut_features_random(CUT_MAP_REGIONS, 18, 16, 24, 3);
    diffcut_session *session = open_session(2, NULL, NULL);
    int32_t want[18 * 16];
    for (int32_t i = 0; i < 18 * 16; i++) {
        want[i] = 3 * (i / 16) / 18 * 2 + 2 * (i % 16) / 16;
    }
    const diffcut_method several[] = {DIFFCUT_METHOD_AUTOSC, DIFFCUT_METHOD_KMEANS};
    for (size_t m = 0; m < 2; m++) {
        diffcut_labels labels = clustered(session, features, several[m]);
        print_message("%s: %u segments, adjusted Rand index %.3f\n", diffcut_method_name(several[m]), labels.count,
                      agreement(&labels, want));
        assert_int_equal(labels.count, 6);
        assert_true(agreement(&labels, want) > 0.999);
        diffcut_labels_free(&labels);
    }
    diffcut_session_close(session);
    cut_features_free(features);
}

static void a_given_number_of_clusters_is_made(void **state) {
    (void)state;
    diffcut_features *features = cut_features_random(CUT_MAP_NOISE, 7, 9, 5, 11);
    diffcut_session *session = open_session(2, NULL, NULL);
    diffcut_settings settings;
    diffcut_settings_init(&settings, NULL);
    const uint32_t counts[] = {1, 2, 5, 62, 63};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        diffcut_cluster_settings peer;
        diffcut_labels labels = {0};
        diffcut_cluster_settings_init(&peer, DIFFCUT_METHOD_KMEANS);
        peer.clusters = counts[i];
        assert_int_equal(diffcut_features_cluster(session, features, &settings, &peer, &labels), DIFFCUT_OK);
        assert_int_equal(labels.count, counts[i]);
        diffcut_labels_free(&labels);
        peer.method = DIFFCUT_METHOD_AUTOSC;
        assert_int_equal(diffcut_features_cluster(session, features, &settings, &peer, &labels), DIFFCUT_OK);
        assert_int_equal(labels.count, counts[i]);
        diffcut_labels_free(&labels);
    }
    diffcut_session_close(session);
    cut_features_free(features);
}

/* The best vectors are used by default, those of the last exponent as published. */
static void autosc_takes_the_vectors_of_the_exponent_that_decided(void **state) {
    (void)state;
    cut_work c;
    cut_work_init(&c, 2);
    diffcut_features *features = cut_features_random(CUT_MAP_REGIONS, 12, 12, 16, 5);
    uint32_t labels[144];
    autosc_choice own, published;
    const autosc_rules rules = {0}, reference = {.reference = true};
    assert_int_equal(autosc_cluster(&c.w, features, &rules, labels, &own), DIFFCUT_OK);
    assert_int_equal(autosc_cluster(&c.w, features, &reference, labels, &published), DIFFCUT_OK);
    assert_true(own.vectors_alpha == own.alpha);
    assert_true(published.alpha == own.alpha && published.vectors_alpha == 15.0);
    cut_features_free(features);
}

static void the_nearest_orthogonal_matrix_is_found(void **state) {
    (void)state;
    diffcut_diagnostics diag;
    /* A rotation times a stretch along an axis: the rotation is what remains. */
    const double s = sin(0.7), c = cos(0.7);
    double matrix[4] = {3.0 * c, -0.5 * s, 3.0 * s, 0.5 * c}; /* R diag(3, 0.5) */
    const double want[4] = {c, -s, s, c};
    assert_int_equal(eigen_dense_polar(2, matrix, &diag), DIFFCUT_OK);
    assert_true(golden_close_to_doubles("polar", matrix, want, NULL, 0, 4, 1e-14, 0.0));
}

/* ------------------------------------------------------------------------------------------------- colours */

static void colours_are_those_of_cielab(void **state) {
    (void)state;
    const float rgb[4][3] = {{1.0F, 1.0F, 1.0F}, {0.0F, 0.0F, 0.0F}, {1.0F, 0.0F, 0.0F}, {0.0F, 0.0F, 1.0F}};
    /* The tabulated values of sRGB's white, black, red and blue under D65. */
    const double want[4][3] = {{100.0, 0.0, 0.0}, {0.0, 0.0, 0.0}, {53.24, 80.09, 67.20}, {32.30, 79.19, -107.86}};
    for (size_t i = 0; i < 4; i++) {
        double lab[3];
        colour_lab(rgb[i], lab);
        assert_true(golden_close_to_doubles("lab", lab, want[i], NULL, 0, 3, 0.01, 0.0));
    }
}

static void colour_features_split_a_photo_of_two_colours(void **state) {
    (void)state;
    diffcut_session *session = open_session(2, NULL, NULL);
    uint8_t pixels[40 * 30 * 3];
    for (size_t i = 0; i < (size_t)40 * 30; i++) {
        const uint8_t left[3] = {200, 40, 30}, right[3] = {20, 60, 180};
        memcpy(pixels + 3 * i, i % 40 < 20 ? left : right, 3);
    }
    diffcut_image image = {.width = 40, .height = 30, .rgb = pixels};
    diffcut_features *features = NULL;
    assert_int_equal(diffcut_features_from_colour(session, &image, 8, 6, 0.0, &features), DIFFCUT_OK);
    assert_int_equal(diffcut_features_channels(features), COLOUR_CHANNELS);
    diffcut_labels labels = clustered(session, features, DIFFCUT_METHOD_COLOUR);
    assert_int_equal(labels.count, 2);
    for (size_t i = 0; i < 48; i++) {
        assert_int_equal(labels.data[i] == labels.data[0], i % 8 < 4);
    }
    diffcut_labels_free(&labels);
    diffcut_features_free(features);
    diffcut_features *before = features = NULL;
    assert_int_equal(diffcut_features_from_colour(session, &image, 0, 6, 0.0, &features), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_features_from_colour(session, &image, 129, 128, 0.0, &features), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_features_from_colour(session, &image, 8, 6, -1.0, &features), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_features_from_colour(session, &image, 8, 6, (double)NAN, &features),
                     DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_features_from_colour(session, NULL, 8, 6, 0.0, &features), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_features_from_colour(session, &image, 8, 6, 0.0, NULL), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_features_from_colour(NULL, &image, 8, 6, 0.0, &features), DIFFCUT_ERROR_ARGUMENT);
    assert_ptr_equal(features, before);
    diffcut_session_close(session);
}

/* ------------------------------------------------------------------------------------------------- degenerate maps
 */

static void degenerate_maps_have_an_answer(void **state) {
    (void)state;
    static const float two[] = {1.0F, 0.0F, 0.0F, 1.0F}, zero[12] = {0.0F}, one[] = {3.0F, 4.0F};
    diffcut_features *maps[] = {features_of(1, 1, 2, one), features_of(1, 2, 2, two), features_of(2, 1, 2, two),
                                features_of(2, 3, 2, zero), features_of(1, 1, 1, zero)};
    const bool single[] = {true, false, false, true, true};
    diffcut_session *session = open_session(2, NULL, NULL);
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        for (size_t m = 0; m < METHODS; m++) {
            diffcut_labels labels = clustered(session, maps[i], on_features[m]);
            if (single[i]) {
                assert_int_equal(labels.count, 1);
            }
            diffcut_labels_free(&labels);
        }
        diffcut_features_free(maps[i]);
    }
    for (int kind = 0; kind < CUT_MAP_COUNT; kind++) {
        diffcut_features *map = cut_features_random((cut_map)kind, 3, 5, 4, 1);
        for (size_t m = 0; m < METHODS; m++) {
            diffcut_labels labels = clustered(session, map, on_features[m]);
            if (kind == CUT_MAP_CONSTANT) {
                assert_int_equal(labels.count, 1);
            }
            diffcut_labels_free(&labels);
        }
        cut_features_free(map);
    }
    diffcut_session_close(session);
}

static bool without_lapack;

static void results_do_not_depend_on_the_thread_count(void **state) {
    (void)state;
    for (int kind = 0; kind < CUT_MAP_COUNT; kind++) {
        diffcut_features *map = cut_features_random((cut_map)kind, 13, 21, 70, 8);
        for (size_t m = 0; m < METHODS; m++) {
            if (without_lapack && on_features[m] == DIFFCUT_METHOD_AUTOSC) {
                continue;
            }
            diffcut_labels first = {0};
            for (uint32_t threads = 1; threads <= 5; threads += 2) {
                diffcut_session *session = open_session(threads, NULL, NULL);
                diffcut_labels labels = clustered(session, map, on_features[m]);
                if (first.data == NULL) {
                    first = labels;
                } else {
                    assert_int_equal(labels.count, first.count);
                    assert_memory_equal(labels.data, first.data, sizeof *first.data * 13 * 21);
                    diffcut_labels_free(&labels);
                }
                diffcut_session_close(session);
            }
            diffcut_labels_free(&first);
        }
        cut_features_free(map);
    }
}

/* ------------------------------------------------------------------------------------------------- refusals */

static void bad_settings_are_named(void **state) {
    (void)state;
    diffcut_diagnostics diag;
    diffcut_cluster_settings s;
    static const struct {
        const char *field;
        diffcut_cluster_settings change;
    } cases[] = {
        {"method", {.method = DIFFCUT_METHOD_COUNT, .masks = 5, .max_clusters = 16, .restarts = 8}},
        {"threshold", {.threshold = 1.5, .masks = 5, .max_clusters = 16, .restarts = 8}},
        {"masks", {.masks = 0, .max_clusters = 16, .restarts = 8}},
        {"masks", {.masks = 65, .max_clusters = 16, .restarts = 8}},
        {"max_clusters", {.masks = 5, .max_clusters = 1, .restarts = 8}},
        {"restarts", {.masks = 5, .max_clusters = 16, .restarts = 0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(diffcut_cluster_settings_check(&cases[i].change, &diag), DIFFCUT_ERROR_ARGUMENT);
        assert_non_null(strstr(diag.message, cases[i].field));
    }
    assert_int_equal(diffcut_cluster_settings_check(NULL, &diag), DIFFCUT_ERROR_ARGUMENT);
    for (int m = 0; m < DIFFCUT_METHOD_COUNT; m++) {
        diffcut_method found;
        diffcut_cluster_settings_init(&s, (diffcut_method)m);
        assert_int_equal(diffcut_cluster_settings_check(&s, &diag), DIFFCUT_OK);
        assert_int_equal(diffcut_method_find(diffcut_method_name((diffcut_method)m), &found, &diag), DIFFCUT_OK);
        assert_int_equal(found, m);
    }
    s.threshold = (double)NAN;
    assert_int_equal(diffcut_cluster_settings_check(&s, NULL), DIFFCUT_ERROR_ARGUMENT);
    diffcut_method method = DIFFCUT_METHOD_KMEANS;
    assert_int_equal(diffcut_method_find("dbscan", &method, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(diag.message, "tokencut"));
    assert_int_equal(method, DIFFCUT_METHOD_KMEANS);
    assert_int_equal(diffcut_method_find(NULL, &method, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_null(diffcut_method_name(DIFFCUT_METHOD_COUNT));
}

static void what_cannot_be_clustered_is_refused(void **state) {
    (void)state;
    diffcut_features *map = cut_features_random(CUT_MAP_REGIONS, 2, 3, 4, 1);
    diffcut_session *session = open_session(1, NULL, NULL);
    diffcut_settings settings;
    diffcut_cluster_settings peer;
    diffcut_labels labels = {.count = 77};
    diffcut_settings_init(&settings, NULL);
    diffcut_cluster_settings_init(&peer, DIFFCUT_METHOD_KMEANS);
    assert_int_equal(diffcut_features_cluster(NULL, map, &settings, &peer, &labels), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_features_cluster(session, NULL, &settings, &peer, &labels), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_features_cluster(session, map, NULL, &peer, &labels), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_features_cluster(session, map, &settings, NULL, &labels), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_features_cluster(session, map, &settings, &peer, NULL), DIFFCUT_ERROR_ARGUMENT);
    peer.clusters = 7;
    assert_int_equal(diffcut_features_cluster(session, map, &settings, &peer, &labels), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(diffcut_session_message(session), "6 tokens"));
    assert_int_equal(cluster(session, map, DIFFCUT_METHOD_DIFFSEG, &labels), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(diffcut_session_message(session), "diffseg"));
    assert_int_equal(cluster(session, map, DIFFCUT_METHOD_MASKCLIP, &labels), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(diffcut_session_message(session), "maskclip"));
    assert_int_equal(labels.count, 77);
    diffcut_session_close(session);
    cut_features_free(map);
}

static int cancel_after(void *user, diffcut_stage stage, double fraction) {
    int *left = user;
    (void)stage;
    assert_true(fraction >= 0.0 && fraction <= 1.0);
    return (*left)-- <= 0;
}

static void every_method_can_be_cancelled(void **state) {
    (void)state;
    diffcut_features *map = cut_features_random(CUT_MAP_REGIONS, 9, 9, 8, 1);
    for (size_t m = 0; m < METHODS; m++) {
        bool cancelled = false;
        for (int calls = 0; calls < 200; calls++) {
            int left = calls;
            diffcut_session *session = open_session(2, cancel_after, &left);
            diffcut_labels labels = {.count = 77};
            diffcut_status status = cluster(session, map, on_features[m], &labels);
            diffcut_session_close(session);
            if (status == DIFFCUT_OK) {
                diffcut_labels_free(&labels);
                break;
            }
            assert_int_equal(status, DIFFCUT_ERROR_CANCELLED);
            assert_int_equal(labels.count, 77);
            cancelled = true;
        }
        assert_true(cancelled);
    }
    cut_features_free(map);
}

static void every_failing_allocation_is_reported(void **state) {
    (void)state;
    diffcut_features *map = cut_features_random(CUT_MAP_REGIONS, 8, 8, 8, 1);
    diffcut_session *session = open_session(1, NULL, NULL);
    for (size_t m = 0; m < METHODS; m++) {
        diffcut_labels labels = {.count = 77};
        diffcut_status status = DIFFCUT_ERROR_MEMORY;
        for (long allowed = 0; status != DIFFCUT_OK && allowed < 500; allowed++) {
            mem_fail_after(allowed);
            status = cluster(session, map, on_features[m], &labels);
            mem_fail_after(-1);
            if (status != DIFFCUT_OK) {
                assert_int_equal(status, DIFFCUT_ERROR_MEMORY);
                assert_true(strlen(diffcut_session_message(session)) > 0);
                assert_int_equal(labels.count, 77);
            }
        }
        assert_int_equal(status, DIFFCUT_OK);
        diffcut_labels_free(&labels);
    }
    diffcut_session_close(session);
    cut_features_free(map);
}

int main(int argc, char **argv) {
    const struct CMUnitTest threads[] = {cmocka_unit_test(results_do_not_depend_on_the_thread_count)};
    without_lapack = argc > 1 && strcmp(argv[1], "threads") == 0;
    if (without_lapack) {
        return cmocka_run_group_tests(threads, NULL, NULL);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clear_regions_are_found_by_the_methods_that_look_for_several),
        cmocka_unit_test(a_given_number_of_clusters_is_made),
        cmocka_unit_test(autosc_takes_the_vectors_of_the_exponent_that_decided),
        cmocka_unit_test(the_nearest_orthogonal_matrix_is_found),
        cmocka_unit_test(colours_are_those_of_cielab),
        cmocka_unit_test(colour_features_split_a_photo_of_two_colours),
        cmocka_unit_test(degenerate_maps_have_an_answer),
        cmocka_unit_test(results_do_not_depend_on_the_thread_count),
        cmocka_unit_test(bad_settings_are_named),
        cmocka_unit_test(what_cannot_be_clustered_is_refused),
        cmocka_unit_test(every_method_can_be_cancelled),
        cmocka_unit_test(every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

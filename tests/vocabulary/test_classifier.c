/*
 * test_classifier.c - which class an embedding is named by, and the map of classes, from embeddings made by hand.
 */
#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "diffcut/diffcut.h"
#include "test.h"

#define WIDTH 3

static diffcut_classifier *made(const char *list, const float *embeddings, float scale) {
    diffcut_vocabulary *v = NULL;
    diffcut_classifier *c = NULL;
    assert_int_equal(diffcut_vocabulary_parse(list, &v, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_classifier_create(v, embeddings, WIDTH, scale, &c, NULL), DIFFCUT_OK);
    diffcut_vocabulary_free(v); /* the classifier needs it no longer */
    return c;
}

static void a_class_scores_as_its_best_name(void **state) {
    (void)state;
    const float names[] = {1, 0, 0, /* sky */ 0, 2, 0, /* dog */ 0.6F, 0, 0.8F /* puppy */};
    diffcut_classifier *c = made("sky,dog|puppy", names, 10);
    const float embedding[] = {0.3F, 0, 0.4F};
    diffcut_match m[5];
    size_t count = 0;
    assert_int_equal(diffcut_classifier_name(c, embedding, m, 5, &count, NULL), DIFFCUT_OK);
    assert_int_equal(count, 2);
    assert_int_equal(m[0].index, 1);
    assert_int_equal(m[0].name, 2);
    assert_true(fabs((double)m[0].cosine - 1) < 1e-6);
    assert_true(fabs((double)m[1].cosine - 0.6) < 1e-6);
    assert_true(fabs(m[0].probability - 1 / (1 + exp(-4.0))) < 1e-6); /* softmax of 10 and 6 */
    assert_true(fabs(m[0].probability + m[1].probability - 1) < 1e-12);
    assert_int_equal(diffcut_classifier_name(c, embedding, m, 1, &count, NULL), DIFFCUT_OK);
    assert_int_equal(count, 1);
    assert_int_equal(m[0].index, 1);
    diffcut_classifier_free(c);
}

static void ties_go_to_the_lower_class_and_void_names_nothing(void **state) {
    (void)state;
    const float names[] = {0, 1, 0, 0, 1, 0, 1, 0, 0, 0.6F, 0.8F, 0};
    diffcut_classifier *c = made("b,a,c,void", names, 5);
    const float up[] = {0, 3, 0};
    const float between[] = {0.6F, 0.8F, 0};
    const float zeros[] = {0, 0, 0};
    const float broken[] = {NAN, 0, 0};
    diffcut_match m[5];
    size_t count = 0;
    assert_int_equal(diffcut_classifier_name(c, up, m, 5, &count, NULL), DIFFCUT_OK);
    assert_int_equal(count, 3);
    assert_int_equal(m[0].index, 0);
    assert_int_equal(m[1].index, 1);
    assert_int_equal(m[2].index, 2);
    assert_int_equal(diffcut_classifier_name(c, between, m, 5, &count, NULL), DIFFCUT_OK);
    assert_int_equal(m[0].index, 0); /* void would be nearest */
    assert_true(fabs(m[0].probability + m[1].probability + m[2].probability - 1) < 1e-12);
    assert_int_equal(diffcut_classifier_name(c, zeros, m, 5, &count, NULL), DIFFCUT_OK);
    assert_int_equal(count, 0);
    assert_int_equal(diffcut_classifier_name(c, broken, m, 5, &count, NULL), DIFFCUT_ERROR_NUMERIC);
    diffcut_classifier_free(c);
}

static void a_map_takes_each_pixels_best_interpolated_class(void **state) {
    (void)state;
    const float names[] = {1, 0, 0, 0, 1, 0};
    diffcut_classifier *c = made("left,right", names, 5);
    const float positions[] = {5, 0, 0, 0, 0.01F, 0}; /* lengths do not count */
    diffcut_features *features = NULL;
    assert_int_equal(diffcut_features_create(1, 2, WIDTH, positions, &features, NULL), DIFFCUT_OK);
    diffcut_labels one = {0};
    diffcut_labels many = {0};
    assert_int_equal(diffcut_classifier_map(c, features, 8, 3, 1, &one, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_classifier_map(c, features, 8, 3, 4, &many, NULL), DIFFCUT_OK);
    for (size_t i = 0; i < 24; i++) { /* both weigh the same in the middle, between pixels 3 and 4 */
        assert_int_equal(one.data[i], i % 8 < 4 ? 0 : 1);
    }
    assert_int_equal(one.count, 2);
    assert_memory_equal(one.data, many.data, 24 * sizeof *one.data);
    diffcut_features *wrong = NULL;
    assert_int_equal(diffcut_features_create(1, 3, 2, positions, &wrong, NULL), DIFFCUT_OK);
    diffcut_labels none = {0};
    assert_int_equal(diffcut_classifier_map(c, wrong, 8, 3, 1, &none, NULL), DIFFCUT_ERROR_ARGUMENT);
    assert_null(none.data);
    diffcut_features_free(wrong);
    diffcut_labels_free(&one);
    diffcut_labels_free(&many);
    diffcut_features_free(features);
    diffcut_classifier_free(c);
}

static void embeddings_without_a_direction_are_refused(void **state) {
    (void)state;
    diffcut_vocabulary *v = NULL;
    diffcut_classifier *c = NULL;
    diffcut_diagnostics diag;
    const float zero[] = {1, 0, 0, 0, 0, 0};
    const float infinite[] = {1, 0, 0, INFINITY, 0, 0};
    assert_int_equal(diffcut_vocabulary_parse("sky,tree", &v, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_classifier_create(v, zero, WIDTH, 1, &c, &diag), DIFFCUT_ERROR_NUMERIC);
    assert_non_null(strstr(diag.message, "'tree'"));
    assert_int_equal(diffcut_classifier_create(v, infinite, WIDTH, 1, &c, &diag), DIFFCUT_ERROR_NUMERIC);
    assert_int_equal(diffcut_classifier_create(v, zero, WIDTH, 0, &c, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_classifier_create(v, zero, 0, 1, &c, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_null(c);
    diffcut_vocabulary_free(v);
}

static void naming_needs_a_clip(void **state) {
    (void)state;
    diffcut_session *session = NULL;
    diffcut_vocabulary *v = NULL;
    diffcut_classifier *c = NULL;
    assert_int_equal(diffcut_vocabulary_parse("sky", &v, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_session_open(NULL, NULL, &session, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_classifier_open(session, v, NULL, &c), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(diffcut_session_message(session), "CLIP"));
    diffcut_session_close(session);
    diffcut_model *model = NULL;
    assert_int_equal(diffcut_model_open(DIFFCUT_SOURCE_DIR "/models/diffcut-tiny", NULL, &model, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_session_open(model, NULL, &session, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_classifier_open(session, v, NULL, &c), DIFFCUT_ERROR_MODEL);
    assert_non_null(strstr(diffcut_session_message(session), "diffusion model"));
    assert_null(c);
    diffcut_session_close(session);
    diffcut_model_release(model);
    diffcut_vocabulary_free(v);
}

static void naming_survives_every_failing_allocation(void **state) {
    (void)state;
    const float names[] = {1, 0, 0, 0, 1, 0};
    const float positions[] = {1, 0, 0, 0, 1, 0};
    diffcut_vocabulary *v = NULL;
    diffcut_features *features = NULL;
    assert_int_equal(diffcut_vocabulary_parse("a,b", &v, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_features_create(1, 2, WIDTH, positions, &features, NULL), DIFFCUT_OK);
    for (long fail = 0;; fail++) {
        diffcut_classifier *c = NULL;
        diffcut_labels map = {0};
        diffcut_match m[2];
        size_t count = 0;
        mem_fail_after(fail);
        diffcut_status status = diffcut_classifier_create(v, names, WIDTH, 1, &c, NULL);
        if (status == DIFFCUT_OK) {
            status = diffcut_classifier_name(c, positions, m, 2, &count, NULL);
        }
        if (status == DIFFCUT_OK) {
            status = diffcut_classifier_map(c, features, 4, 4, 1, &map, NULL);
        }
        mem_fail_after(-1);
        diffcut_classifier_free(c);
        diffcut_labels_free(&map);
        if (status == DIFFCUT_OK) {
            assert_true(fail >= 8);
            break;
        }
        assert_int_equal(status, DIFFCUT_ERROR_MEMORY);
        assert_null(map.data);
    }
    diffcut_features_free(features);
    diffcut_vocabulary_free(v);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_class_scores_as_its_best_name),
        cmocka_unit_test(ties_go_to_the_lower_class_and_void_names_nothing),
        cmocka_unit_test(a_map_takes_each_pixels_best_interpolated_class),
        cmocka_unit_test(embeddings_without_a_direction_are_refused),
        cmocka_unit_test(naming_needs_a_clip),
        cmocka_unit_test(naming_survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_cut_large.c - 4096 tokens against the published code's label maps (one float run each, stability not examined:
 * compared by adjusted Rand index), and the memory the tree takes. Needs DIFFCUT_SHARED_DIR.
 */
#include "cut_fixture.h"

#include <stdio.h>

/* The published run is one float run; a 1e-6 change of the features moves single tokens. */
#define LEAST_RAND_INDEX 0.99

static void compare(const char *name) {
    golden *file = golden_open("%s/golden/segment/big/%s.safetensors", DIFFCUT_SHARED_DIR, name);
    json_t *json = golden_json("%s/golden/segment/big/%s.json", DIFFCUT_SHARED_DIR, name);
    assert_non_null(file);
    assert_non_null(json);
    diffcut_features *features = cut_features_golden(file, json);
    int32_t *want = golden_ints(golden_get(file, "labels_a10_t05"));
    cut_work c;
    cut_work_init(&c, 2);
    diffcut_settings settings = cut_settings(10.0, 0.5, true);
    diffcut_tree *tree = cut_build(&c, features, &settings);
    size_t count, tokens = (size_t)features->height * features->width;
    int32_t *got = cut_labels(&c, tree, 0.5, &count);
    double rand = golden_rand_index(got, want, tokens);
    print_message("%s: %zu segments, adjusted Rand index %.6f\n", name, count, rand);
    assert_true(rand >= LEAST_RAND_INDEX);
    assert_string_equal(c.note.message, "");
    free(got);
    diffcut_tree_free(tree);
    free(want);
    cut_features_free(features);
    json_decref(json);
    golden_close(file);
}

static void test_4096_tokens_equal_published(void **state) {
    (void)state;
    compare("rs64_low");
    compare("photo64_a");
    compare("photo64_b");
}

int main(void) {
    if (!golden_shared_present()) {
        (void)fprintf(stderr, "%s/golden is absent: skipped\n", DIFFCUT_SHARED_DIR);
        return TEST_SKIPPED;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_4096_tokens_equal_published)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

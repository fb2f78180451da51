/*
 * test_cut_tree.c - what the partition tree promises whatever the map: one tree serves every tau, both solvers and
 * any number of threads agree, degenerate maps are cut sensibly, failures leave it valid.
 */
#include "cut_fixture.h"
#include "segment/affinity.h"
#include "segment/ncut.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double taus[] = {0.3, 0.5, 0.7, 0.9};
#define TAUS (sizeof taus / sizeof taus[0])

static size_t tokens_of(const diffcut_features *features) {
    return (size_t)features->height * features->width;
}

static void assert_same_labels(const char *what, const int32_t *got, const int32_t *want,
                               const diffcut_features *features) {
    const size_t shape[2] = {features->height, features->width};
    assert_true(golden_equal_ints(what, got, want, shape, 2, tokens_of(features)));
}

/* ------------------------------------------------------------------------------------------ one tree, every tau */

/* Labels of a tree built at that very tau. */
static int32_t *fresh(const diffcut_features *features, double tau, bool reference, size_t *count) {
    cut_work c;
    cut_work_init(&c, 1);
    diffcut_settings settings = cut_settings(10.0, tau, reference);
    diffcut_tree *tree = cut_build(&c, features, &settings);
    int32_t *labels = cut_labels(&c, tree, tau, count);
    diffcut_tree_free(tree);
    return labels;
}

static void check_every_tau(const char *name, const diffcut_features *features, bool reference) {
    static const size_t orders[][TAUS] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 3, 0, 2}};
    int32_t *want[TAUS];
    size_t counts[TAUS];
    for (size_t i = 0; i < TAUS; i++) {
        want[i] = fresh(features, taus[i], reference, &counts[i]);
    }
    for (size_t o = 0; o < sizeof orders / sizeof orders[0]; o++) {
        cut_work c;
        cut_work_init(&c, 2);
        diffcut_settings settings = cut_settings(10.0, 0.1, reference);
        diffcut_tree *tree = cut_build(&c, features, &settings);
        for (size_t k = 0; k < TAUS; k++) {
            char what[128];
            size_t i = orders[o][k], count;
            int32_t *got = cut_labels(&c, tree, taus[i], &count);
            (void)snprintf(what, sizeof what, "%s at tau %g, order %zu", name, taus[i], o);
            assert_int_equal(count, counts[i]);
            assert_same_labels(what, got, want[i], features);
            free(got);
        }
        diffcut_tree_free(tree);
    }
    for (size_t i = 0; i < TAUS; i++) {
        free(want[i]);
    }
}

static void test_cutting_equals_building_at_that_tau(void **state) {
    (void)state;
    static const char *const names[] = {"rs16_low", "const16", "dup16", "twoblock16", "rs24x32", "noise16"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        golden *file = golden_open(DIFFCUT_TEST_DATA "/segment/ncut/%s.safetensors", names[i]);
        json_t *json = golden_json(DIFFCUT_TEST_DATA "/segment/ncut/%s.json", names[i]);
        assert_non_null(file);
        assert_non_null(json);
        diffcut_features *features = cut_features_golden(file, json);
        check_every_tau(names[i], features, true);
        check_every_tau(names[i], features, false);
        cut_features_free(features);
        json_decref(json);
        golden_close(file);
    }
}

/* ------------------------------------------------------------------------------------------ solvers and threads */

static void test_both_solvers_give_one_tree(void **state) {
    (void)state;
    static const uint32_t grids[][2] = {{12, 13}, {9, 16}, {1, 100}, {17, 17}};
    static const cut_map kinds[] = {CUT_MAP_REGIONS, CUT_MAP_NOISE};
    for (size_t g = 0; g < sizeof grids / sizeof grids[0]; g++) {
        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
            diffcut_features *features = cut_features_random(kinds[k], grids[g][0], grids[g][1], 24, g + 1);
            cut_work c;
            cut_work_init(&c, 1);
            diffcut_settings settings = cut_settings(10.0, 0.8, false);
            diffcut_tree *iterative = cut_build(&c, features, &settings);
            settings.eigen_solver = DIFFCUT_EIGEN_DENSE;
            diffcut_tree *dense = cut_build(&c, features, &settings);
            size_t count, nodes, want_count, want_nodes;
            int32_t *got = cut_labels(&c, iterative, 0.8, &count), *want = cut_labels(&c, dense, 0.8, &want_count);
            assert_same_labels(cut_map_name(kinds[k]), got, want, features);
            const diffcut_tree_node *a = diffcut_tree_nodes(iterative, &nodes);
            const diffcut_tree_node *b = diffcut_tree_nodes(dense, &want_nodes);
            assert_int_equal(nodes, want_nodes);
            for (size_t i = 0; i < nodes; i++) {
                assert_true(a[i].tokens == b[i].tokens && a[i].positive == b[i].positive);
                assert_true(a[i].cost == b[i].cost || fabs(a[i].cost - b[i].cost) < 1e-9);
            }
            assert_string_equal(c.note.message, "");
            free(got);
            free(want);
            diffcut_tree_free(iterative);
            diffcut_tree_free(dense);
            cut_features_free(features);
        }
    }
}

static void test_threads_do_not_change_a_bit(void **state) {
    (void)state;
    diffcut_features *features = cut_features_random(CUT_MAP_REGIONS, 38, 40, 24, 3); /* enough for threads */
    float *affinity[3] = {NULL};
    const diffcut_tree_node *nodes[3];
    diffcut_tree *trees[3];
    size_t count[3], tokens = tokens_of(features);
    for (uint32_t i = 0; i < 3; i++) {
        cut_work c;
        cut_work_init(&c, i + 1);
        diffcut_settings settings = cut_settings(10.0, 0.9, false);
        assert_int_equal(affinity_create(&c.w, features, 10.0, &affinity[i]), DIFFCUT_OK);
        trees[i] = cut_build(&c, features, &settings);
        nodes[i] = diffcut_tree_nodes(trees[i], &count[i]);
        assert_memory_equal(affinity[i], affinity[0], tokens * tokens * sizeof(float));
        assert_int_equal(count[i], count[0]);
        for (size_t k = 0; k < count[0]; k++) { /* field by field: the struct may have padding */
            assert_memory_equal(&nodes[i][k].cost, &nodes[0][k].cost, sizeof(double));
            assert_true(nodes[i][k].tokens == nodes[0][k].tokens && nodes[i][k].positive == nodes[0][k].positive);
        }
    }
    for (size_t i = 0; i < 3; i++) {
        mem_free(affinity[i]);
        diffcut_tree_free(trees[i]);
    }
    cut_features_free(features);
}

/* ------------------------------------------------------------------------------------------ the threshold scan */

/* The costs as the formula has them: a quadratic form for each threshold. */
static void plain_curve(const eigen_graph *graph, const ncut_scratch *s, const float threshold[NCUT_THRESHOLDS],
                        double cost[NCUT_THRESHOLDS]) {
    double *y = malloc(graph->n * sizeof *y), volume = 0.0;
    assert_non_null(y);
    for (size_t i = 0; i < graph->n; i++) {
        volume += s->degree[i];
    }
    for (int t = 0; t < NCUT_THRESHOLDS; t++) {
        double positive = 0.0, above = 0.0, below = 0.0;
        for (size_t i = 0; i < graph->n; i++) {
            positive += s->value[i] > threshold[t] ? s->degree[i] : 0.0;
        }
        double k = positive / volume, b = k / (1.0 - k);
        for (size_t i = 0; i < graph->n; i++) {
            double x = s->value[i] > threshold[t] ? 1.0 : -1.0;
            y[i] = (1.0 + x) - b * (1.0 - x);
        }
        for (size_t i = 0; i < graph->n; i++) {
            for (size_t j = 0; j < graph->n; j++) {
                above -= y[i] * (double)eigen_row(graph, i)[j] * y[j];
            }
            above += s->degree[i] * y[i] * y[i];
            below += s->degree[i] * y[i] * y[i];
        }
        cost[t] = above / below;
    }
    free(y);
}

static void test_one_pass_equals_hundred_quadratic_forms(void **state) {
    (void)state;
    for (int kind = 0; kind < CUT_MAP_CONSTANT; kind++) {
        diffcut_features *features = cut_features_random((cut_map)kind, 10, 11, 16, 5);
        size_t n = tokens_of(features), positives[NCUT_THRESHOLDS];
        cut_work c;
        cut_work_init(&c, 1);
        float *matrix = NULL, *block = calloc(n, EIGEN_BLOCK * sizeof *block), thresholds[NCUT_THRESHOLDS];
        uint32_t *token = malloc(n * sizeof *token);
        ncut_scratch s;
        assert_true(block != NULL && token != NULL);
        assert_int_equal(affinity_create(&c.w, features, 5.0, &matrix), DIFFCUT_OK);
        assert_int_equal(ncut_scratch_create(n, &c.diag, &s), DIFFCUT_OK);
        for (size_t i = 0; i < n; i++) {
            token[i] = (uint32_t)i;
        }
        eigen_graph graph = {n, matrix, n, token, 0};
        eigen_pair pair = {.block = block};
        ncut_split split;
        assert_int_equal(ncut_solve(&c.w, &graph, &(ncut_rules){0}, 0.0, &s, &pair, &split), DIFFCUT_OK);
        float least = INFINITY, most = -INFINITY;
        for (size_t i = 0; i < n; i++) {
            least = fminf(least, s.value[i]);
            most = fmaxf(most, s.value[i]);
        }
        double got[NCUT_THRESHOLDS], want[NCUT_THRESHOLDS];
        ncut_thresholds(least, most, thresholds);
        ncut_curve(1, &graph, &s, thresholds, got, positives);
        plain_curve(&graph, &s, thresholds, want);
        assert_true(
            golden_close_to_doubles(cut_map_name((cut_map)kind), got, want, NULL, 0, NCUT_THRESHOLDS, 1e-12, 1e-10));
        for (int t = 0; t < NCUT_THRESHOLDS; t++) { /* the first of the least */
            assert_true(got[t] >= split.cost && (t >= split.best || got[t] > split.cost));
        }
        ncut_scratch_free(&s);
        free(token);
        free(block);
        mem_free(matrix);
        cut_features_free(features);
    }
}

static void test_threshold_with_an_empty_side_has_no_cost(void **state) {
    (void)state;
    float matrix[9] = {1, 0.5F, 0.2F, 0.5F, 1, 0.3F, 0.2F, 0.3F, 1}, thresholds[NCUT_THRESHOLDS];
    uint32_t token[3] = {0, 1, 2};
    eigen_graph graph = {3, matrix, 3, token, 0};
    cut_work c;
    cut_work_init(&c, 1);
    ncut_scratch s;
    assert_int_equal(ncut_scratch_create(3, &c.diag, &s), DIFFCUT_OK);
    double cost[NCUT_THRESHOLDS];
    size_t positives[NCUT_THRESHOLDS];
    for (size_t i = 0; i < 3; i++) {
        s.degree[i] = 1.0;
        s.value[i] = 1.0F + (float)i;
    }
    ncut_thresholds(1.0F, 3.0F, thresholds); /* the first lies below every value */
    ncut_curve(1, &graph, &s, thresholds, cost, positives);
    assert_true(isnan(cost[0]) && positives[0] == 3);
    assert_true(cost[NCUT_THRESHOLDS - 1] > 0.0 && positives[NCUT_THRESHOLDS - 1] == 1);
    ncut_scratch_free(&s);
}

/* ------------------------------------------------------------------------------------------ degenerate maps */

static size_t segments_of(const diffcut_features *features, double tau, bool reference) {
    size_t count;
    free(fresh(features, tau, reference, &count));
    return count;
}

static void test_constant_map_is_one_segment(void **state) {
    (void)state;
    for (uint32_t channels = 1; channels < 2000; channels = channels * 3 + 1) {
        diffcut_features *features = cut_features_random(CUT_MAP_CONSTANT, 19, 17, channels, channels);
        for (size_t i = 0; i < tokens_of(features); i++) { /* the same direction at different lengths */
            for (uint32_t c = 0; c < channels; c++) {
                features->data[i * channels + c] *= 1.0F + (float)(i % 7);
            }
        }
        assert_int_equal(segments_of(features, 1.0, false), 1);
        assert_int_equal(segments_of(features, 1.0, true), 1);
        cut_features_free(features);
    }
}

static void test_zero_features_are_one_segment(void **state) {
    (void)state;
    diffcut_features *features = cut_features_random(CUT_MAP_NOISE, 8, 8, 4, 1);
    memset(features->data, 0, tokens_of(features) * 4 * sizeof *features->data);
    assert_int_equal(segments_of(features, 0.9, false), 1);
    cut_features_free(features);
}

/* Tokens of length 0 among others that never fall below cosine 0: their rows, and so their degrees, are 0. */
static void test_tokens_without_any_affinity_do_no_harm(void **state) {
    (void)state;
    diffcut_features *features = cut_features_random(CUT_MAP_REGIONS, 12, 12, 8, 2);
    for (size_t i = 0; i < tokens_of(features); i += 3) {
        memset(features->data + i * 8, 0, 8 * sizeof *features->data);
    }
    static const diffcut_eigen_solver solvers[] = {DIFFCUT_EIGEN_AUTO, DIFFCUT_EIGEN_DENSE};
    for (size_t i = 0; i < 2; i++) {
        cut_work c;
        cut_work_init(&c, 1);
        diffcut_settings settings = cut_settings(10.0, 0.9, false);
        settings.eigen_solver = solvers[i];
        diffcut_tree *tree = cut_build(&c, features, &settings);
        size_t count;
        free(cut_labels(&c, tree, 0.9, &count));
        assert_true(count >= 1);
        diffcut_tree_free(tree);
    }
    cut_features_free(features);
}

static void test_disconnected_graph_splits_between_its_parts(void **state) {
    (void)state;
    diffcut_features *features = cut_features_random(CUT_MAP_BLOCKS, 14, 14, 32, 4);
    size_t count;
    int32_t *labels = fresh(features, 1e-6, false, &count); /* a cut through no edge costs nothing */
    assert_int_equal(count, 2);
    for (size_t i = 0; i < tokens_of(features); i++) {
        assert_int_equal(labels[i] == labels[0], (2 * (i % 14) < 14));
    }
    free(labels);
    cut_features_free(features);
}

static void test_duplicated_tokens_stay_together(void **state) {
    (void)state;
    diffcut_features *features = cut_features_random(CUT_MAP_DUPLICATES, 13, 14, 16, 6);
    size_t count;
    int32_t *labels = fresh(features, 0.9, false, &count);
    for (size_t i = 0; i < tokens_of(features); i++) {
        for (size_t j = 0; j < i; j++) {
            if (i * i % 17 == j * j % 17) {
                assert_int_equal(labels[i], labels[j]);
            }
        }
    }
    assert_true(count > 1);
    free(labels);
    cut_features_free(features);
}

static void test_thin_and_tiny_grids(void **state) {
    (void)state;
    static const uint32_t grids[][2] = {{1, 1}, {1, 2}, {2, 1}, {1, 3}, {2, 2}, {1, 48}, {1, 49}, {60, 1}, {2, 257}};
    for (size_t g = 0; g < sizeof grids / sizeof grids[0]; g++) {
        diffcut_features *features = cut_features_random(CUT_MAP_NOISE, grids[g][0], grids[g][1], 12, g + 1);
        for (int reference = 0; reference < 2; reference++) {
            size_t count = segments_of(features, 0.95, reference != 0);
            assert_true(count >= 1 && count <= tokens_of(features));
        }
        cut_features_free(features);
    }
}

static void test_alpha_may_be_any_positive_number(void **state) {
    (void)state;
    static const double alphas[] = {0.1, 0.5, 1.0, 2.5, 7.0, 40.0, 5000.0};
    diffcut_features *features = cut_features_random(CUT_MAP_REGIONS, 12, 12, 16, 7);
    for (size_t i = 0; i < sizeof alphas / sizeof alphas[0]; i++) {
        cut_work c;
        cut_work_init(&c, 1);
        diffcut_settings settings = cut_settings(alphas[i], 0.5, false);
        diffcut_tree *tree = cut_build(&c, features, &settings);
        size_t count;
        free(cut_labels(&c, tree, 0.5, &count));
        assert_true(count >= 1);
        diffcut_tree_free(tree);
    }
    cut_features_free(features);
}

/* ------------------------------------------------------------------------------------------ nodes and rules */

static void test_nodes_partition_their_parents(void **state) {
    (void)state;
    diffcut_features *features = cut_features_random(CUT_MAP_NOISE, 11, 12, 12, 8);
    for (int reference = 0; reference < 2; reference++) {
        cut_work c;
        cut_work_init(&c, 1);
        diffcut_settings settings = cut_settings(10.0, 0.8, reference != 0);
        diffcut_tree *tree = cut_build(&c, features, &settings);
        size_t count, all;
        const diffcut_tree_node *nodes = diffcut_tree_nodes(tree, &count);
        const uint32_t *root = diffcut_tree_node_tokens(tree, 0, &all);
        assert_int_equal(all, tokens_of(features));
        for (size_t i = 0; i < all; i++) {
            assert_int_equal(root[i], i);
        }
        for (size_t k = 0; k < count; k++) {
            size_t size, sizes[2];
            const uint32_t *tokens = diffcut_tree_node_tokens(tree, k, &size);
            assert_int_equal(size, nodes[k].tokens);
            if (nodes[k].positive < 0) {
                assert_true(nodes[k].cost >= 0.8);
                continue;
            }
            assert_true(nodes[k].positive > (int32_t)k && nodes[k].negative > (int32_t)k);
            const uint32_t *a = diffcut_tree_node_tokens(tree, (size_t)nodes[k].positive, &sizes[0]);
            const uint32_t *b = diffcut_tree_node_tokens(tree, (size_t)nodes[k].negative, &sizes[1]);
            assert_int_equal(sizes[0] + sizes[1], size);
            for (size_t i = 0, p = 0, n = 0; i < size; i++) { /* merging the two ascending lists gives the parent's */
                bool first = p < sizes[0] && (n == sizes[1] || a[p] < b[n]);
                assert_int_equal(tokens[i], first ? a[p] : b[n]);
                p += first;
                n += !first;
            }
        }
        size_t none;
        assert_null(diffcut_tree_node_tokens(tree, count, &none));
        assert_int_equal(none, 0);
        diffcut_tree_free(tree);
    }
    cut_features_free(features);
}

static void test_no_side_is_smaller_than_min_tokens(void **state) {
    (void)state;
    diffcut_features *features = cut_features_random(CUT_MAP_NOISE, 12, 12, 12, 9);
    static const uint32_t least[] = {1, 2, 5, 40, 72, 73, 1000};
    for (size_t i = 0; i < sizeof least / sizeof least[0]; i++) {
        for (int reference = 0; reference < 2; reference++) {
            cut_work c;
            cut_work_init(&c, 1);
            diffcut_settings settings = cut_settings(10.0, 0.99, reference != 0);
            settings.min_tokens = least[i];
            diffcut_tree *tree = cut_build(&c, features, &settings);
            size_t count;
            const diffcut_tree_node *nodes = diffcut_tree_nodes(tree, &count);
            for (size_t k = 1; k < count; k++) {
                assert_true(nodes[k].tokens >= least[i]);
            }
            assert_true(least[i] <= 72 || count == 1);
            diffcut_tree_free(tree);
        }
    }
    cut_features_free(features);
}

static void test_tau_outside_its_range_is_refused(void **state) {
    (void)state;
    diffcut_features *features = cut_features_random(CUT_MAP_REGIONS, 6, 6, 8, 1);
    cut_work c;
    cut_work_init(&c, 1);
    diffcut_settings settings = cut_settings(10.0, 0.5, false);
    diffcut_tree *tree = cut_build(&c, features, &settings);
    static const double bad[] = {-0.1, 1.1, NAN, INFINITY};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        diffcut_labels labels = {0};
        assert_int_equal(tree_cut(&c.w, tree, bad[i], &labels), DIFFCUT_ERROR_ARGUMENT);
        assert_null(labels.data);
        assert_non_null(strstr(c.diag.message, "tau"));
    }
    diffcut_tree_free(tree);
    diffcut_tree_free(NULL);
    cut_features_free(features);
}

/* ------------------------------------------------------------------------------------------ failures */

static void test_short_memory_is_reported_and_nothing_lost(void **state) {
    (void)state;
    diffcut_features *features = cut_features_random(CUT_MAP_NOISE, 9, 9, 8, 3);
    size_t want_count;
    int32_t *want = fresh(features, 0.9, true, &want_count);
    bool built = false;
    for (long allowed = 0; !built; allowed++) {
        assert_true(allowed < 200);
        cut_work c;
        cut_work_init(&c, 1);
        diffcut_settings settings = cut_settings(10.0, 0.2, true);
        diffcut_tree *tree = NULL;
        mem_fail_after(allowed);
        diffcut_status status = tree_build(&c.w, features, &settings, &tree);
        mem_fail_after(-1);
        if (status != DIFFCUT_OK) {
            assert_int_equal(status, DIFFCUT_ERROR_MEMORY);
            assert_null(tree);
            assert_true(c.diag.message[0] != '\0');
            continue;
        }
        built = true;
        status = DIFFCUT_ERROR_MEMORY;
        for (long cut_allowed = 0; status != DIFFCUT_OK; cut_allowed++) { /* the same tree, again and again */
            assert_true(cut_allowed < 200);
            diffcut_labels labels = {0};
            mem_fail_after(cut_allowed);
            status = tree_cut(&c.w, tree, 0.9, &labels);
            mem_fail_after(-1);
            assert_true(status == DIFFCUT_OK || (status == DIFFCUT_ERROR_MEMORY && labels.data == NULL));
            mem_free(labels.data);
        }
        size_t count;
        int32_t *got = cut_labels(&c, tree, 0.9, &count);
        assert_same_labels("after failures", got, want, features);
        free(got);
        diffcut_tree_free(tree);
    }
    free(want);
    cut_features_free(features);
}

static int stop_at_last(void *user, diffcut_stage stage, double fraction) {
    int *left = user;
    assert_true(fraction >= 0.0 && fraction <= 1.0);
    assert_true(stage == DIFFCUT_STAGE_AFFINITY || stage == DIFFCUT_STAGE_CUT);
    return (*left)-- <= 0;
}

static void test_cancelled_expansion_can_be_taken_up_again(void **state) {
    (void)state;
    diffcut_features *features = cut_features_random(CUT_MAP_REGIONS, 46, 46, 8, 3); /* asks within a node too */
    size_t want_count;
    int32_t *want = fresh(features, 0.5, false, &want_count);
    diffcut_tree *tree = NULL;
    int calls = 0;
    for (; calls < 500; calls++) {
        cut_work c;
        cut_work_init(&c, 1);
        int left = calls;
        c.w.progress = stop_at_last;
        c.w.progress_user = &left;
        diffcut_settings settings = cut_settings(10.0, 0.0, false);
        if (tree == NULL) {
            diffcut_status status = tree_build(&c.w, features, &settings, &tree);
            assert_true(status == DIFFCUT_OK || (status == DIFFCUT_ERROR_CANCELLED && tree == NULL));
            calls = tree != NULL ? -1 : calls;
            continue;
        }
        diffcut_labels labels = {0};
        diffcut_status status = tree_cut(&c.w, tree, 0.5, &labels);
        if (status == DIFFCUT_OK) {
            assert_int_equal(labels.count, want_count);
            assert_memory_equal(labels.data, want, tokens_of(features) * sizeof *want);
            mem_free(labels.data);
            break;
        }
        assert_int_equal(status, DIFFCUT_ERROR_CANCELLED);
        assert_null(labels.data);
    }
    assert_true(calls > 0 && calls < 500);
    diffcut_tree_free(tree);
    free(want);
    cut_features_free(features);
}

typedef struct dump_log {
    size_t affinity, vector;
    double diagonal;
} dump_log;

static void log_dump(void *user, const char *name, const float *data, const size_t *shape, size_t rank) {
    dump_log *log = user;
    assert_int_equal(rank, 2);
    if (strcmp(name, "affinity") == 0) {
        log->affinity = shape[0] * shape[1];
        log->diagonal = (double)data[0];
    } else if (strcmp(name, "eigenvector") == 0) {
        log->vector = shape[0] * shape[1];
    }
}

static void test_affinity_and_root_vector_are_dumped(void **state) {
    (void)state;
    diffcut_features *features = cut_features_random(CUT_MAP_REGIONS, 7, 9, 8, 3);
    cut_work c;
    cut_work_init(&c, 1);
    dump_log log = {0};
    c.w.dump = log_dump;
    c.w.dump_user = &log;
    diffcut_settings settings = cut_settings(10.0, 0.5, false);
    diffcut_tree_free(cut_build(&c, features, &settings));
    assert_int_equal(log.affinity, 63 * 63);
    assert_int_equal(log.vector, 63);
    assert_true(fabs(log.diagonal - 1.0) < 1e-5);
    cut_features_free(features);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cutting_equals_building_at_that_tau),
        cmocka_unit_test(test_both_solvers_give_one_tree),
        cmocka_unit_test(test_threads_do_not_change_a_bit),
        cmocka_unit_test(test_one_pass_equals_hundred_quadratic_forms),
        cmocka_unit_test(test_threshold_with_an_empty_side_has_no_cost),
        cmocka_unit_test(test_constant_map_is_one_segment),
        cmocka_unit_test(test_zero_features_are_one_segment),
        cmocka_unit_test(test_tokens_without_any_affinity_do_no_harm),
        cmocka_unit_test(test_disconnected_graph_splits_between_its_parts),
        cmocka_unit_test(test_duplicated_tokens_stay_together),
        cmocka_unit_test(test_thin_and_tiny_grids),
        cmocka_unit_test(test_alpha_may_be_any_positive_number),
        cmocka_unit_test(test_nodes_partition_their_parents),
        cmocka_unit_test(test_no_side_is_smaller_than_min_tokens),
        cmocka_unit_test(test_tau_outside_its_range_is_refused),
        cmocka_unit_test(test_short_memory_is_reported_and_nothing_lost),
        cmocka_unit_test(test_cancelled_expansion_can_be_taken_up_again),
        cmocka_unit_test(test_affinity_and_root_vector_are_dumped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

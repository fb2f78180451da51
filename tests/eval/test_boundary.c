/*
 * test_boundary.c - boundary F and boundary IoU against their definitions, pixel by pixel, on random maps.
 */
#include <stdio.h>
#include <string.h>

#include "eval/boundary.h"
#include "test.h"

#define MAX_SIDE 17
#define CLASSES 3

static uint32_t next(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

/* Values 0 .. values-1 in patches of up to `patch` pixels. */
static void random_map(uint64_t *state, uint32_t width, uint32_t height, uint32_t values, uint32_t patch,
                       uint32_t *data) {
    uint32_t patches[MAX_SIDE * MAX_SIDE];
    for (size_t i = 0; i < MAX_SIDE * MAX_SIDE; i++) {
        patches[i] = next(state) % values;
    }
    for (uint32_t i = 0; i < width * height; i++) {
        data[i] = patches[i / width / patch * MAX_SIDE + i % width / patch];
    }
}

static bool is_edge(const diffcut_labels *map, const uint32_t *truth, uint32_t x, uint32_t y) {
    uint32_t w = map->width, i = y * w + x;
    if (truth[i] == CLASSES) {
        return false;
    }
    return (x + 1 < w && truth[i + 1] != CLASSES && map->data[i + 1] != map->data[i]) ||
           (y + 1 < map->height && truth[i + w] != CLASSES && map->data[i + w] != map->data[i]);
}

static void count_edges(const diffcut_labels *of, const diffcut_labels *near, const uint32_t *truth, uint32_t reach,
                        uint64_t *edges, uint64_t *found) {
    for (uint32_t i = 0; i < of->width * of->height; i++) {
        uint32_t x = i % of->width, y = i / of->width;
        bool close = false;
        for (uint32_t j = 0; j < of->width * of->height; j++) {
            int64_t dx = (int64_t)x - j % of->width, dy = (int64_t)y - j / of->width;
            close = close || (dx * dx + dy * dy <= (int64_t)reach * reach &&
                              is_edge(near, truth, j % of->width, j / of->width));
        }
        bool edge = is_edge(of, truth, x, y);
        *edges += edge;
        *found += edge && close;
    }
}

static bool in_band(const uint32_t *map, uint32_t width, uint32_t height, uint32_t i, uint32_t band) {
    int64_t x = i % width, y = i / width;
    for (int64_t v = y - band; v <= y + band; v++) {
        for (int64_t u = x - band; u <= x + band; u++) {
            if (u < 0 || v < 0 || u >= width || v >= height || map[v * width + u] != map[i]) {
                return true;
            }
        }
    }
    return false;
}

static void check_bands(const diffcut_labels *prediction, const diffcut_labels *truth, uint32_t band) {
    uint64_t both[CLASSES] = {0}, either[CLASSES] = {0}, got_both[CLASSES], got_either[CLASSES];
    uint32_t cut[MAX_SIDE * MAX_SIDE];
    uint32_t width = truth->width, height = truth->height;
    for (uint32_t i = 0; i < width * height; i++) {
        cut[i] = truth->data[i] == CLASSES ? CLASSES : prediction->data[i];
    }
    for (uint32_t c = 0; c < CLASSES; c++) {
        for (uint32_t i = 0; i < width * height; i++) {
            bool wanted = truth->data[i] == c && in_band(truth->data, width, height, i, band);
            bool got = cut[i] == c && in_band(cut, width, height, i, band);
            both[c] += wanted && got;
            either[c] += wanted || got;
        }
    }
    diffcut_diagnostics diag;
    assert_int_equal(boundary_bands(prediction, truth, CLASSES, band, got_both, got_either, &diag), DIFFCUT_OK);
    assert_memory_equal(got_both, both, sizeof both);
    assert_memory_equal(got_either, either, sizeof either);
}

static void both_measures_are_their_definitions(void **state) {
    (void)state;
    uint64_t random = 3;
    for (uint32_t trial = 0; trial < 120; trial++) {
        uint32_t truth_data[MAX_SIDE * MAX_SIDE], labels[MAX_SIDE * MAX_SIDE];
        uint32_t width = 1 + next(&random) % MAX_SIDE, height = 1 + next(&random) % MAX_SIDE;
        random_map(&random, width, height, CLASSES + 1, 1 + next(&random) % 6, truth_data); /* one is left out */
        random_map(&random, width, height, CLASSES + 2, 1 + next(&random) % 6, labels);
        for (uint32_t i = 0; i < width * height; i++) {
            labels[i] = labels[i] == CLASSES ? CLASSES + 1 : labels[i]; /* no class */
        }
        const diffcut_labels truth = {width, height, CLASSES + 1, truth_data};
        const diffcut_labels prediction = {width, height, CLASSES + 2, labels};
        uint32_t reach = 1 + next(&random) % 5;
        boundary_counts want = {0}, got = {0};
        diffcut_diagnostics diag;
        count_edges(&prediction, &truth, truth_data, reach, &want.edges, &want.found);
        count_edges(&truth, &prediction, truth_data, reach, &want.truth_edges, &want.truth_found);
        assert_int_equal(boundary_compare(&prediction, &truth, CLASSES, reach, &got, &diag), DIFFCUT_OK);
        assert_memory_equal(&got, &want, sizeof want);
        check_bands(&prediction, &truth, reach);
    }
}

static void shares_of_the_diagonal_are_whole_pixels(void **state) {
    (void)state;
    assert_int_equal(boundary_pixels(128, 128, 0.02), 4);   /* 3.62 */
    assert_int_equal(boundary_pixels(128, 128, 0.0075), 1); /* 1.36 */
    assert_int_equal(boundary_pixels(2, 2, 0.001), 1);
    assert_int_equal(boundary_pixels(2048, 1024, 0.0075), 17); /* 17.17 */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_measures_are_their_definitions),
        cmocka_unit_test(shares_of_the_diagonal_are_whole_pixels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_median.c - the median filter equals a sorted window with scipy's "reflect" border, at any size and side. */
#include "segment/median.h"

#include "refine_fixture.h"

#include <string.h>

static size_t reflected(int64_t i, size_t count) {
    while (i < 0 || i >= (int64_t)count) {
        i = i < 0 ? -1 - i : 2 * (int64_t)count - 1 - i;
    }
    return (size_t)i;
}

static int ascending(const void *a, const void *b) {
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static uint32_t plain_median(const diffcut_labels *labels, size_t y, size_t x, int64_t side) {
    uint32_t window[15 * 15];
    size_t count = 0;
    for (int64_t dy = -side / 2; dy <= side / 2; dy++) {
        for (int64_t dx = -side / 2; dx <= side / 2; dx++) {
            window[count++] = labels->data[reflected((int64_t)y + dy, labels->height) * labels->width +
                                           reflected((int64_t)x + dx, labels->width)];
        }
    }
    qsort(window, count, sizeof *window, ascending);
    return window[count / 2];
}

static void check(uint32_t width, uint32_t height, uint32_t side, uint32_t count, uint32_t block) {
    diffcut_labels labels = refine_labels(width, height, count, block, width + side);
    size_t pixels = (size_t)width * height;
    uint32_t *got = malloc(pixels * sizeof *got);
    assert_non_null(got);
    memcpy(got, labels.data, pixels * sizeof *got);
    refine_work r;
    refine_work_init(&r, 2, NULL);
    assert_int_equal(median_filter(&r.w, width, height, side, got), DIFFCUT_OK);
    for (size_t i = 0; i < pixels; i++) {
        uint32_t want = side <= 1 ? labels.data[i] : plain_median(&labels, i / width, i % width, side);
        if (got[i] != want) {
            fail_msg("%ux%u, side %u, y %zu, x %zu: %u, not %u", width, height, side, i / width, i % width, got[i],
                     want);
        }
    }
    free(got);
    mem_free(labels.data);
}

static void every_side_equals_the_sorted_window(void **state) {
    (void)state;
    for (uint32_t side = 1; side <= 15; side += 2) {
        check(67, 141, side, 9, 4);
        check(33, 20, side, 1000, 1);
    }
    check(67, 141, 0, 9, 4);
}

static void maps_smaller_than_the_window_work(void **state) {
    (void)state;
    static const uint32_t sizes[][2] = {{1, 1}, {1, 90}, {90, 1}, {2, 2}, {3, 65}, {5, 129}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (uint32_t side = 3; side <= 15; side += 4) {
            check(sizes[i][0], sizes[i][1], side, 6, 1);
        }
    }
}

static void large_label_numbers_are_kept(void **state) {
    (void)state;
    uint32_t labels[9] = {0xfffffff0U, 1,           0xfffffff0U, 0x80000000U, 0x7fffffffU,
                          5,           0xfffffff0U, 0xfffffff0U, 0x80000000U};
    refine_work r;
    refine_work_init(&r, 1, NULL);
    assert_int_equal(median_filter(&r.w, 3, 3, 3, labels), DIFFCUT_OK);
    assert_int_equal(labels[4], 0x80000000U);
}

static void bad_sides_are_refused(void **state) {
    (void)state;
    uint32_t labels[4] = {1, 2, 3, 4};
    refine_work r;
    refine_work_init(&r, 1, NULL);
    assert_int_equal(median_filter(&r.w, 2, 2, 4, labels), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(median_filter(&r.w, 2, 2, 17, labels), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(r.diag.message, "17"));
    assert_int_equal(labels[0], 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_side_equals_the_sorted_window),
        cmocka_unit_test(maps_smaller_than_the_window_work),
        cmocka_unit_test(large_label_numbers_are_kept),
        cmocka_unit_test(bad_sides_are_refused),
    };
    return cmocka_run_group_tests_name("median", tests, NULL, NULL);
}

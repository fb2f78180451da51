/* test_labels.c - label maps: made, renumbered, described; and every map that is not one is refused. */
#include "io_test.h"

#include <string.h>

#include "core/memory.h"

static diffcut_labels make(uint32_t width, uint32_t height, const uint32_t *data) {
    diffcut_labels labels;
    diffcut_diagnostics diag;
    assert_ok(diffcut_labels_create(width, height, data, &labels, &diag), diag);
    return labels;
}

static void a_map_is_a_copy_that_counts_to_its_largest_label(void **state) {
    (void)state;
    uint32_t data[4] = {0, 5, 2, 5};
    diffcut_labels labels = make(2, 2, data);
    data[0] = 9;
    assert_int_equal(labels.data[0], 0);
    assert_int_equal(labels.count, 6);
    diffcut_labels_free(&labels);
    diffcut_labels_free(&labels);
    diffcut_labels_free(NULL);
    labels = make(3, 1, NULL);
    assert_memory_equal(labels.data, ((const uint32_t[3]){0, 0, 0}), 12);
    assert_int_equal(labels.count, 1);
    diffcut_labels_free(&labels);
}

static void what_is_no_map_is_refused(void **state) {
    (void)state;
    uint32_t data[4] = {0, 1, UINT32_MAX, 1};
    diffcut_labels labels = {.width = 7};
    diffcut_diagnostics diag;
    assert_fails(diffcut_labels_create(0, 2, data, &labels, &diag), diag, DIFFCUT_ERROR_ARGUMENT, "0x2 is no size");
    assert_fails(diffcut_labels_create(2, 2, data, NULL, &diag), diag, DIFFCUT_ERROR_ARGUMENT, "NULL");
    assert_fails(diffcut_labels_create(2, 2, data, &labels, &diag), diag, DIFFCUT_ERROR_ARGUMENT,
                 "label 4294967295 is too large");
    assert_fails(diffcut_labels_create(UINT32_MAX, UINT32_MAX, NULL, &labels, &diag), diag, DIFFCUT_ERROR_MEMORY,
                 "4294967295x4294967295");
    assert_int_equal(labels.width, 7);
    data[2] = 3;
    diffcut_labels wrong = {.width = 2, .height = 2, .count = 3, .data = data};
    diffcut_buffer file;
    diffcut_segment_info info[4];
    static const char message[] = "label 3 at row 1, column 0 is not below the count of 3";
    assert_fails(diffcut_labels_compact(&wrong, &diag), diag, DIFFCUT_ERROR_ARGUMENT, message);
    assert_fails(diffcut_labels_describe(&wrong, NULL, info, &diag), diag, DIFFCUT_ERROR_ARGUMENT, message);
    assert_fails(diffcut_encode_labels_png(&wrong, &file, &diag), diag, DIFFCUT_ERROR_ARGUMENT, message);
    assert_fails(diffcut_encode_labels_npy(&wrong, &file, &diag), diag, DIFFCUT_ERROR_ARGUMENT, message);
    assert_fails(diffcut_encode_coco_json(&wrong, 1, "a", &file, &diag), diag, DIFFCUT_ERROR_ARGUMENT, message);
    diffcut_labels none = {0};
    assert_fails(diffcut_labels_compact(&none, &diag), diag, DIFFCUT_ERROR_ARGUMENT, "no label map");
    assert_fails(diffcut_labels_compact(NULL, &diag), diag, DIFFCUT_ERROR_ARGUMENT, "no label map");
}

static void compacting_keeps_the_order(void **state) {
    (void)state;
    const uint32_t near[6] = {7, 2, 2, 9, 7, 4};
    const uint32_t far[6] = {4000000000U, 17, 17, 4294967294U, 4000000000U, 123456789};
    const uint32_t *const maps[2] = {near, far}; /* by table, by sorting */
    const uint32_t wanted[6] = {2, 0, 0, 3, 2, 1};
    for (int i = 0; i < 2; i++) {
        diffcut_labels labels = make(3, 2, maps[i]);
        diffcut_diagnostics diag;
        assert_ok(diffcut_labels_compact(&labels, &diag), diag);
        assert_int_equal(labels.count, 4);
        assert_memory_equal(labels.data, wanted, sizeof wanted);
        assert_ok(diffcut_labels_compact(&labels, &diag), diag);
        assert_memory_equal(labels.data, wanted, sizeof wanted);
        diffcut_labels_free(&labels);
    }
}

static void a_failed_compacting_changes_nothing(void **state) {
    (void)state;
    const uint32_t near[3] = {7, 2, 9};
    const uint32_t far[3] = {4000000000U, 17, 4294967294U};
    const uint32_t *const maps[2] = {near, far};
    for (int i = 0; i < 2; i++) {
        diffcut_labels labels = make(3, 1, maps[i]);
        diffcut_diagnostics diag;
        mem_fail_after(0);
        diffcut_status status = diffcut_labels_compact(&labels, &diag);
        mem_fail_after(-1);
        assert_fails(status, diag, DIFFCUT_ERROR_MEMORY, "no memory");
        assert_memory_equal(labels.data, maps[i], sizeof near);
        assert_int_equal(labels.count, maps[i][2] + 1);
        diffcut_labels_free(&labels);
    }
}

/* 0 0 1
 * 3 1 1     2 does not occur */
static void segments_are_described_by_area_box_and_mean_colour(void **state) {
    (void)state;
    const uint32_t data[6] = {0, 0, 1, 3, 1, 1};
    uint8_t rgb[18];
    for (size_t i = 0; i < 6; i++) {
        rgb[i * 3] = (uint8_t)(i * 10);
        rgb[i * 3 + 1] = 255;
        rgb[i * 3 + 2] = (uint8_t)(i % 2);
    }
    const diffcut_image image = {.width = 3, .height = 2, .rgb = rgb};
    diffcut_labels labels = make(3, 2, data);
    diffcut_segment_info info[4];
    diffcut_diagnostics diag;
    assert_ok(diffcut_labels_describe(&labels, &image, info, &diag), diag);
    static const struct {
        uint64_t area;
        uint32_t x, y, width, height;
        float red, green, blue;
    } wanted[4] = {{2, 0, 0, 2, 1, 5, 255, 0.5F},
                   {3, 1, 0, 2, 2, (20 + 40 + 50) / 3.0F, 255, 1 / 3.0F},
                   {0, 0, 0, 0, 0, 0, 0, 0},
                   {1, 0, 1, 1, 1, 30, 255, 1}};
    for (uint32_t k = 0; k < 4; k++) {
        assert_int_equal(info[k].label, k);
        assert_int_equal(info[k].area, wanted[k].area);
        assert_int_equal(info[k].x, wanted[k].x);
        assert_int_equal(info[k].y, wanted[k].y);
        assert_int_equal(info[k].width, wanted[k].width);
        assert_int_equal(info[k].height, wanted[k].height);
        assert_float_equal(info[k].mean_rgb[0], wanted[k].red, 1e-5);
        assert_float_equal(info[k].mean_rgb[1], wanted[k].green, 1e-5);
        assert_float_equal(info[k].mean_rgb[2], wanted[k].blue, 1e-5);
    }
    assert_ok(diffcut_labels_describe(&labels, NULL, info, &diag), diag);
    assert_float_equal(info[1].mean_rgb[1], 0, 0);
    const diffcut_image other = {.width = 2, .height = 3, .rgb = rgb};
    assert_fails(diffcut_labels_describe(&labels, &other, info, &diag), diag, DIFFCUT_ERROR_ARGUMENT,
                 "the image is 2x3, the labels are 3x2");
    assert_fails(diffcut_labels_describe(&labels, NULL, NULL, &diag), diag, DIFFCUT_ERROR_ARGUMENT, "info is NULL");
    diffcut_labels_free(&labels);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_is_a_copy_that_counts_to_its_largest_label),
        cmocka_unit_test(what_is_no_map_is_refused),
        cmocka_unit_test(compacting_keeps_the_order),
        cmocka_unit_test(a_failed_compacting_changes_nothing),
        cmocka_unit_test(segments_are_described_by_area_box_and_mean_colour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

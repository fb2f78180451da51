/* test_encode.c - label PNGs, palette, overlay and COCO JSON hold what they should. */
#include "io_test.h"

#include <math.h>
#include <string.h>

#include <jansson.h>

#include "core/memory.h"

/* ------------------------------------------------------------------------------------------------- label PNG */

/* A map of the given count that holds the labels 0 and count - 1 and many between. */
static diffcut_labels make_map(uint32_t width, uint32_t height, uint32_t count) {
    diffcut_labels labels;
    diffcut_diagnostics diag;
    assert_ok(diffcut_labels_create(width, height, NULL, &labels, &diag), diag);
    for (uint32_t i = 0; i < width * height; i++) {
        labels.data[i] = (uint32_t)((uint64_t)i * 7919 % count);
    }
    labels.data[width * height - 1] = count - 1;
    labels.count = count;
    return labels;
}

static void label_pngs_read_back_to_the_same_map(void **state) {
    (void)state;
    static const uint32_t counts[] = {1, 2, 3, 255, 256, 257, 300, 65535, 65536};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        diffcut_labels labels = make_map(53, 31, counts[i]);
        diffcut_labels again;
        diffcut_buffer file;
        diffcut_diagnostics diag;
        assert_ok(diffcut_encode_labels_png(&labels, &file, &diag), diag);
        assert_ok(diffcut_decode_labels(file.data, file.size, "l.png", NULL, &again, &diag), diag);
        assert_int_equal(again.width, 53);
        assert_int_equal(again.height, 31);
        assert_int_equal(again.count, counts[i]);
        assert_memory_equal(again.data, labels.data, (size_t)53 * 31 * sizeof labels.data[0]);
        bool indexed = counts[i] <= 256;
        assert_int_equal(file.data[24], indexed ? 8 : 16);                 /* IHDR: depth */
        assert_int_equal(file.data[25], indexed ? PNG_PALETTE : PNG_GREY); /* colour type */
        diffcut_labels_free(&again);
        diffcut_labels_free(&labels);
        diffcut_buffer_free(&file);
    }
}

static void more_labels_than_16_bits_hold_are_refused(void **state) {
    (void)state;
    diffcut_labels labels = make_map(3, 3, 65537);
    diffcut_buffer file = {.size = 7};
    diffcut_diagnostics diag;
    assert_fails(diffcut_encode_labels_png(&labels, &file, &diag), diag, DIFFCUT_ERROR_LIMIT,
                 "65537 labels; a 16-bit PNG holds at most 65536");
    assert_int_equal(file.size, 7);
    assert_fails(diffcut_encode_labels_png(&labels, NULL, &diag), diag, DIFFCUT_ERROR_ARGUMENT, "NULL");
    diffcut_labels_free(&labels);
}

static void a_label_png_shows_the_palettes_colours(void **state) {
    (void)state;
    diffcut_labels labels = make_map(16, 16, 256);
    diffcut_buffer file;
    diffcut_diagnostics diag;
    assert_ok(diffcut_encode_labels_png(&labels, &file, &diag), diag);
    diffcut_image image = decode(&file);
    for (size_t i = 0; i < 256; i++) {
        uint8_t rgb[3];
        diffcut_color(labels.data[i], rgb);
        assert_memory_equal(image.rgb + i * 3, rgb, 3);
    }
    diffcut_image_free(&image);
    diffcut_buffer_free(&file);
    diffcut_labels_free(&labels);
}

/* ------------------------------------------------------------------------------------------------- palette */

static int color_distance(uint32_t a, uint32_t b) {
    uint8_t left[3];
    uint8_t right[3];
    diffcut_color(a, left);
    diffcut_color(b, right);
    int distance = 0;
    for (int c = 0; c < 3; c++) {
        distance += abs(left[c] - right[c]);
    }
    return distance;
}

static void colours_are_distinct_and_none_is_nearly_black_or_white(void **state) {
    (void)state;
    for (uint32_t a = 0; a < 256; a++) {
        uint8_t rgb[3];
        diffcut_color(a, rgb);
        int sum = rgb[0] + rgb[1] + rgb[2];
        assert_true(sum > 100 && sum < 720);
        for (uint32_t b = 0; b < a; b++) {
            int least = a < 16 ? 50 : a < 64 ? 20 : 1;
            if (color_distance(a, b) < least) {
                fail_msg("the colours of %u and %u are %d apart", b, a, color_distance(a, b));
            }
        }
    }
    for (uint32_t label = 1; label < 20000; label++) {
        assert_true(color_distance(label - 1, label) > 100);
    }
    uint8_t rgb[3];
    diffcut_color(UINT32_MAX, rgb); /* any label has one */
}

/* ------------------------------------------------------------------------------------------------- overlay */

static diffcut_image encode_and_decode_overlay(const diffcut_image *image, const diffcut_labels *labels,
                                               const diffcut_overlay_settings *settings) {
    diffcut_buffer file;
    diffcut_diagnostics diag;
    assert_ok(diffcut_encode_overlay_png(image, labels, settings, &file, &diag), diag);
    diffcut_image overlay = decode(&file);
    diffcut_buffer_free(&file);
    return overlay;
}

static void an_overlay_blends_photo_and_colours(void **state) {
    (void)state;
    uint8_t *rgb = make_ramps(40, 30, 3);
    const diffcut_image image = {.width = 40, .height = 30, .rgb = rgb};
    diffcut_labels labels = make_map(40, 30, 5);
    static const float opacities[] = {0, 0.25F, 0.5F, 1};
    for (size_t o = 0; o < 4; o++) {
        const diffcut_overlay_settings settings = {.opacity = opacities[o], .boundaries = false};
        diffcut_image overlay = encode_and_decode_overlay(&image, &labels, &settings);
        for (size_t i = 0; i < (size_t)40 * 30 * 3; i++) {
            uint8_t color[3];
            diffcut_color(labels.data[i / 3], color);
            double wanted = rgb[i] + (color[i % 3] - rgb[i]) * (double)opacities[o];
            bool exact = opacities[o] == 0 || opacities[o] == 1;
            assert_true(fabs(overlay.rgb[i] - wanted) <= (exact ? 0 : 0.5001));
        }
        diffcut_image_free(&overlay);
    }
    diffcut_labels_free(&labels);
    mem_free(rgb);
}

/* Two halves on a grey photo: the columns that differ from a picture without lines are the line and its edges. */
static void lines_are_drawn_between_segments_only_and_grow_with_the_photo(void **state) {
    (void)state;
    static const struct { uint32_t side, line; } sizes[] = {{2, 1}, {100, 1}, {699, 1}, {700, 2}, {1500, 3}};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        uint32_t side = sizes[s].side;
        uint8_t *rgb = mem_array((size_t)side * side, 3);
        assert_non_null(rgb);
        memset(rgb, 128, (size_t)side * side * 3);
        const diffcut_image image = {.width = side, .height = side, .rgb = rgb};
        diffcut_labels labels = make_map(side, side, 1);
        for (uint32_t i = 0; i < side * side; i++) {
            labels.data[i] = i % side >= side / 2;
        }
        labels.count = 2;
        diffcut_overlay_settings settings = {.opacity = 0, .boundaries = true};
        diffcut_image overlay = encode_and_decode_overlay(&image, &labels, &settings);
        uint32_t bright = 0;
        uint32_t dark = 0;
        for (uint32_t x = 0; x < side; x++) {
            uint8_t value = overlay.rgb[((size_t)(side / 2) * side + x) * 3];
            bright += value > 200;
            dark += value < 100;
            bool near = x + 5 >= side / 2 && x <= side / 2 + 5;
            assert_true(near || value == 128);
        }
        assert_int_equal(bright, sizes[s].line);
        assert_in_range(dark, 1, 2 * ((sizes[s].line + 2) / 3));
        diffcut_image_free(&overlay);
        diffcut_labels_free(&labels);
        mem_free(rgb);
    }
}

static void one_pixel_and_one_segment_have_overlays(void **state) {
    (void)state;
    uint8_t rgb[3] = {10, 20, 30};
    const diffcut_image image = {.width = 1, .height = 1, .rgb = rgb};
    diffcut_labels labels = make_map(1, 1, 1);
    const diffcut_overlay_settings settings = {.opacity = 0, .boundaries = true};
    diffcut_image overlay = encode_and_decode_overlay(&image, &labels, &settings);
    assert_memory_equal(overlay.rgb, rgb, 3);
    diffcut_image_free(&overlay);
    diffcut_labels_free(&labels);
}

static void wrong_overlays_are_refused(void **state) {
    (void)state;
    uint8_t rgb[12] = {0};
    diffcut_image image = {.width = 2, .height = 2, .rgb = rgb};
    diffcut_labels labels = make_map(2, 2, 2);
    diffcut_overlay_settings settings;
    diffcut_overlay_settings_init(&settings);
    assert_true(settings.boundaries && settings.opacity > 0.49F && settings.opacity < 0.51F);
    diffcut_buffer file;
    diffcut_diagnostics diag;
    static const float wrong[] = {-0.1F, 1.1F, NAN};
    for (size_t i = 0; i < 3; i++) {
        settings.opacity = wrong[i];
        assert_fails(diffcut_encode_overlay_png(&image, &labels, &settings, &file, &diag), diag,
                     DIFFCUT_ERROR_ARGUMENT, "outside 0 .. 1");
    }
    image.width = 1;
    assert_fails(diffcut_encode_overlay_png(&image, &labels, NULL, &file, &diag), diag, DIFFCUT_ERROR_ARGUMENT,
                 "the image is 1x2, the labels are 2x2");
    assert_fails(diffcut_encode_overlay_png(NULL, &labels, NULL, &file, &diag), diag, DIFFCUT_ERROR_ARGUMENT, "0x0");
    diffcut_labels_free(&labels);
}

/* ------------------------------------------------------------------------------------------------- COCO */

static json_t *encode_and_parse(const diffcut_labels *labels, const char *file_name) {
    diffcut_buffer file;
    diffcut_diagnostics diag;
    assert_ok(diffcut_encode_coco_json(labels, 9007199254740993, file_name, &file, &diag), diag);
    json_error_t error;
    json_t *root = json_loadb((const char *)file.data, file.size, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        fail_msg("at byte %d: %s", error.position, error.text);
    }
    diffcut_buffer_free(&file);
    return root;
}

static json_t *annotation(json_t *root, size_t i) {
    return json_array_get(json_object_get(root, "annotations"), i);
}

static const char *counts_of(json_t *root, size_t i) {
    return json_string_value(json_object_get(json_object_get(annotation(root, i), "segmentation"), "counts"));
}

static json_int_t integer(json_t *object, const char *key) {
    json_t *value = json_object_get(object, key);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

/* The texts are pycocotools 2.0's: mask.encode(numpy.asfortranarray(labels == k))["counts"]. */
static void run_lengths_are_written_as_pycocotools_writes_them(void **state) {
    (void)state;
    static const uint32_t small[6] = {0, 0, 1, 3, 1, 1}; /* 3 wide, 2 high */
    diffcut_labels labels;
    diffcut_diagnostics diag;
    assert_ok(diffcut_labels_create(3, 2, small, &labels, &diag), diag);
    json_t *root = encode_and_parse(&labels, "a.jpg");
    assert_int_equal(json_array_size(json_object_get(root, "annotations")), 3); /* 2 does not occur */
    assert_string_equal(counts_of(root, 0), "01102");
    assert_string_equal(counts_of(root, 1), "33");
    assert_string_equal(counts_of(root, 2), "114");
    assert_int_equal(integer(annotation(root, 2), "id"), 4);
    assert_int_equal(integer(annotation(root, 2), "area"), 1);
    json_decref(root);
    diffcut_labels_free(&labels);
}

static void fields_are_those_of_coco(void **state) {
    (void)state;
    static const uint32_t data[6] = {0, 0, 1, 0, 1, 1};
    diffcut_labels labels;
    diffcut_diagnostics diag;
    assert_ok(diffcut_labels_create(3, 2, data, &labels, &diag), diag);
    json_t *root = encode_and_parse(&labels, NULL);
    json_t *image = json_array_get(json_object_get(root, "images"), 0);
    assert_int_equal(integer(image, "id"), 9007199254740993); /* more than a double holds */
    assert_int_equal(integer(image, "width"), 3);
    assert_int_equal(integer(image, "height"), 2);
    assert_string_equal(json_string_value(json_object_get(image, "file_name")), "");
    json_t *second = annotation(root, 1);
    assert_int_equal(integer(second, "image_id"), 9007199254740993);
    assert_int_equal(integer(second, "category_id"), 1);
    assert_int_equal(integer(second, "iscrowd"), 0);
    static const json_int_t box[4] = {1, 0, 2, 2};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(json_integer_value(json_array_get(json_object_get(second, "bbox"), i)), box[i]);
    }
    json_t *category = json_array_get(json_object_get(root, "categories"), 0);
    assert_int_equal(integer(category, "id"), 1);
    json_decref(root);
    assert_fails(diffcut_encode_coco_json(&labels, 1, "a", NULL, &diag), diag, DIFFCUT_ERROR_ARGUMENT, "NULL");
    diffcut_labels_free(&labels);
}

static void any_file_name_makes_valid_json(void **state) {
    (void)state;
    static const struct {
        const char *name, *wanted;
    } names[] = {
        {"plain.jpg", "plain.jpg"},
        {"\"quoted\" \\ back\nslash\t", "\"quoted\" \\ back\nslash\t"},
        {"\x01\x1F\x7F", "\x01\x1F\x7F"},
        {"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"}, /* e acute, euro, a face */
        {"\xFF", "\xEF\xBF\xBD"},
        {"a\xC3", "a\xEF\xBF\xBD"},                                               /* cut */
        {"\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD"},                                 /* longer than needed */
        {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},                 /* a surrogate */
        {"\xF4\x90\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"}, /* past U+10FFFF */
        {"\xE2\x82g", "\xEF\xBF\xBD\xEF\xBF\xBDg"},
    };
    diffcut_labels labels = make_map(1, 1, 1);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        json_t *root = encode_and_parse(&labels, names[i].name);
        json_t *image = json_array_get(json_object_get(root, "images"), 0);
        assert_string_equal(json_string_value(json_object_get(image, "file_name")), names[i].wanted);
        json_decref(root);
    }
    diffcut_labels_free(&labels);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(label_pngs_read_back_to_the_same_map),
        cmocka_unit_test(more_labels_than_16_bits_hold_are_refused),
        cmocka_unit_test(a_label_png_shows_the_palettes_colours),
        cmocka_unit_test(colours_are_distinct_and_none_is_nearly_black_or_white),
        cmocka_unit_test(an_overlay_blends_photo_and_colours),
        cmocka_unit_test(lines_are_drawn_between_segments_only_and_grow_with_the_photo),
        cmocka_unit_test(one_pixel_and_one_segment_have_overlays),
        cmocka_unit_test(wrong_overlays_are_refused),
        cmocka_unit_test(run_lengths_are_written_as_pycocotools_writes_them),
        cmocka_unit_test(fields_are_those_of_coco),
        cmocka_unit_test(any_file_name_makes_valid_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

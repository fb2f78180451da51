/*
 * test_similarity.c - cosine similarity of patches, the colour map and heat map pictures.
 */
#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "diffcut/diffcut.h"
#include "test.h"

static diffcut_features *make_features(uint32_t height, uint32_t width, uint32_t channels, const float *data) {
    diffcut_features *features = NULL;
    assert_int_equal(diffcut_features_create(height, width, channels, data, &features, NULL), DIFFCUT_OK);
    return features;
}

static void similarity_is_the_cosine_whatever_the_lengths(void **state) {
    (void)state;
    const float data[] = {3, 4, /**/ 6, 8, /**/ -0.3F, -0.4F, /**/ -4, 3, /**/ 0, 0, /**/ 1, 0};
    const float expected[] = {1, 1, -1, 0, 0, 0.6F};
    float got[6];
    diffcut_features *features = make_features(2, 3, 2, data);
    assert_int_equal(diffcut_similarity(features, 0, features, got, NULL), DIFFCUT_OK);
    for (int i = 0; i < 6; i++) {
        assert_true(fabsf(got[i] - expected[i]) < 1e-7F);
    }
    assert_int_equal(diffcut_similarity(features, 4, features, got, NULL), DIFFCUT_OK);
    for (int i = 0; i < 6; i++) {
        assert_true(got[i] == 0); /* a token of zeros is like nothing, itself included */
    }
    diffcut_features_free(features);
}

static void similarity_reaches_over_grids_of_other_sizes(void **state) {
    (void)state;
    const float one[] = {0, 1, 1, 0};
    const float two[] = {2, 0, 0, 2, 1, 1};
    float got[3];
    diffcut_features *a = make_features(1, 2, 2, one);
    diffcut_features *b = make_features(3, 1, 2, two);
    assert_int_equal(diffcut_similarity(a, 0, b, got, NULL), DIFFCUT_OK);
    assert_true(got[0] == 0 && got[1] == 1 && fabsf(got[2] - 0.70710678F) < 1e-7F);
    diffcut_features_free(a);
    diffcut_features_free(b);
}

static void similarity_refuses_what_does_not_fit(void **state) {
    (void)state;
    const float data[6] = {1, 2, 3, 4, 5, 6};
    float got[3] = {7, 7, 7};
    diffcut_diagnostics diag;
    diffcut_features *a = make_features(1, 3, 2, data);
    diffcut_features *b = make_features(1, 2, 3, data);
    assert_int_equal(diffcut_similarity(a, 3, a, got, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_string_equal(diag.message, "diffcut_similarity: token 3 is outside the grid of 1x3 (height x width)");
    assert_int_equal(diffcut_similarity(a, 0, b, got, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(diag.message, "2 channels against 3"));
    assert_int_equal(diffcut_similarity(NULL, 0, b, got, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_similarity(a, 0, NULL, got, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_similarity(a, 0, a, NULL, NULL), DIFFCUT_ERROR_ARGUMENT);
    assert_true(got[0] == 7 && got[2] == 7);
    diffcut_features_free(a);
    diffcut_features_free(b);
}

/* IEC 61966-2-1. */
static double linear(uint8_t value) {
    const double v = value / 255.0;
    return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
}

static void colours_get_lighter_with_the_value(void **state) {
    (void)state;
    double before = -1;
    for (int i = 0; i <= 64; i++) {
        uint8_t rgb[3];
        diffcut_heat_color((float)i / 64, rgb);
        const double luminance = 0.2126 * linear(rgb[0]) + 0.7152 * linear(rgb[1]) + 0.0722 * linear(rgb[2]);
        assert_true(luminance > before);
        before = luminance;
    }
    uint8_t beyond[3];
    uint8_t end[3];
    diffcut_heat_color(5, beyond);
    diffcut_heat_color(1, end);
    assert_memory_equal(beyond, end, 3);
    diffcut_heat_color(-INFINITY, beyond);
    diffcut_heat_color(0, end);
    assert_memory_equal(beyond, end, 3);
    diffcut_heat_color(NAN, beyond);
    assert_true(beyond[0] == 128 && beyond[1] == 128 && beyond[2] == 128);
}

/* A grey photo of 64 x 48. */
static diffcut_image grey_photo(void) {
    uint8_t rgb[64 * 48 * 3];
    memset(rgb, 100, sizeof rgb);
    diffcut_image image = {0};
    assert_int_equal(diffcut_image_create(64, 48, rgb, &image, NULL), DIFFCUT_OK);
    return image;
}

static diffcut_image decoded(const diffcut_buffer *file) {
    diffcut_image image = {0};
    assert_int_equal(diffcut_decode_image(file->data, file->size, NULL, NULL, &image, NULL), DIFFCUT_OK);
    return image;
}

static void heat_maps_show_the_values_over_the_photo(void **state) {
    (void)state;
    const float values[] = {-1, 1};
    diffcut_image photo = grey_photo();
    diffcut_buffer file = {0};
    diffcut_heatmap_settings settings;
    diffcut_heatmap_settings_init(&settings);
    settings.opacity = 1;
    settings.legend = false;
    assert_int_equal(diffcut_encode_heatmap_png(&photo, values, 2, 1, &settings, &file, NULL), DIFFCUT_OK);
    diffcut_image plain = decoded(&file);
    diffcut_buffer_free(&file);
    assert_true(plain.width == 64 && plain.height == 48);
    uint8_t end[3];
    diffcut_heat_color(0, end);
    assert_memory_equal(plain.rgb, end, 3);
    diffcut_heat_color(1, end);
    assert_memory_equal(plain.rgb + (size_t)63 * 3, end, 3);
    settings.opacity = 0;
    settings.legend = true;
    settings.mark_x = 32;
    settings.mark_y = 24;
    assert_int_equal(diffcut_encode_heatmap_png(&photo, values, 2, 1, &settings, &file, NULL), DIFFCUT_OK);
    diffcut_image marked = decoded(&file);
    diffcut_buffer_free(&file);
    assert_true(marked.width == 64 && marked.height > 48); /* the legend is below */
    assert_int_equal(marked.rgb[0], 100);
    assert_int_equal(marked.rgb[((size_t)24 * 64 + 32) * 3], 100); /* the ring is open */
    assert_int_equal(marked.rgb[((size_t)24 * 64 + 36) * 3], 255); /* radius 4 */
    diffcut_image_free(&plain);
    diffcut_image_free(&marked);
    diffcut_image_free(&photo);
}

static void heat_maps_of_one_value_and_of_one_pixel_are_made(void **state) {
    (void)state;
    const float values[] = {0.25F, 0.25F};
    const uint8_t rgb[3] = {1, 2, 3};
    diffcut_image photo = {0};
    diffcut_buffer file = {0};
    assert_int_equal(diffcut_image_create(1, 1, rgb, &photo, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_encode_heatmap_png(&photo, values, 1, 2, NULL, &file, NULL), DIFFCUT_OK);
    diffcut_image image = decoded(&file);
    assert_int_equal(image.width, 1);
    diffcut_image_free(&image);
    diffcut_image_free(&photo);
    diffcut_buffer_free(&file);
}

static void heat_maps_refuse_what_does_not_fit(void **state) {
    (void)state;
    float values[] = {0, 1};
    diffcut_image photo = grey_photo();
    diffcut_buffer file = {0};
    diffcut_diagnostics diag;
    diffcut_heatmap_settings settings;
    diffcut_heatmap_settings_init(&settings);
    settings.opacity = 1.5F;
    assert_int_equal(diffcut_encode_heatmap_png(&photo, values, 2, 1, &settings, &file, &diag),
                     DIFFCUT_ERROR_ARGUMENT);
    assert_string_equal(diag.message, "opacity is 1.5, outside 0 .. 1");
    diffcut_heatmap_settings_init(&settings);
    settings.low = 1;
    settings.high = 0.5F;
    assert_int_equal(diffcut_encode_heatmap_png(&photo, values, 2, 1, &settings, &file, &diag),
                     DIFFCUT_ERROR_ARGUMENT);
    assert_string_equal(diag.message, "low is 1 and high 0.5: low must be less");
    diffcut_heatmap_settings_init(&settings);
    settings.mark_x = 64;
    settings.mark_y = 0;
    assert_int_equal(diffcut_encode_heatmap_png(&photo, values, 2, 1, &settings, &file, &diag),
                     DIFFCUT_ERROR_ARGUMENT);
    assert_string_equal(diag.message, "the mark at 64,0 is outside the photo of 64x48");
    values[1] = NAN;
    assert_int_equal(diffcut_encode_heatmap_png(&photo, values, 2, 1, NULL, &file, &diag), DIFFCUT_ERROR_NUMERIC);
    assert_string_equal(diag.message, "diffcut_encode_heatmap_png: NaN at row 0, column 1 of the values");
    assert_int_equal(diffcut_encode_heatmap_png(NULL, values, 1, 1, NULL, &file, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_encode_heatmap_png(&photo, NULL, 1, 1, NULL, &file, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_encode_heatmap_png(&photo, values, 0, 1, NULL, &file, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_encode_heatmap_png(&photo, values, 1, 1, NULL, NULL, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_null(file.data);
    diffcut_image_free(&photo);
}

static void heat_maps_survive_every_failed_allocation(void **state) {
    (void)state;
    const float values[] = {0, 1};
    diffcut_image photo = grey_photo();
    diffcut_buffer file = {0};
    diffcut_status status = DIFFCUT_ERROR_MEMORY;
    for (long n = 0; status != DIFFCUT_OK && n < 100; n++) {
        mem_fail_after(n);
        status = diffcut_encode_heatmap_png(&photo, values, 2, 1, NULL, &file, NULL);
        mem_fail_after(-1);
        assert_true(status == DIFFCUT_OK || (status == DIFFCUT_ERROR_MEMORY && file.data == NULL));
    }
    assert_int_equal(status, DIFFCUT_OK);
    diffcut_buffer_free(&file);
    diffcut_image_free(&photo);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(similarity_is_the_cosine_whatever_the_lengths),
        cmocka_unit_test(similarity_reaches_over_grids_of_other_sizes),
        cmocka_unit_test(similarity_refuses_what_does_not_fit),
        cmocka_unit_test(colours_get_lighter_with_the_value),
        cmocka_unit_test(heat_maps_show_the_values_over_the_photo),
        cmocka_unit_test(heat_maps_of_one_value_and_of_one_pixel_are_made),
        cmocka_unit_test(heat_maps_refuse_what_does_not_fit),
        cmocka_unit_test(heat_maps_survive_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_webp.c - still WebP comes out right; animated and damaged ones are refused with the reason. */
#include "io_test.h"

#include <string.h>

#include <webp/encode.h>

#include "core/memory.h"

/* Opaque noise-free colours, or with an alpha ramp. */
static uint8_t *make_rgba(uint32_t width, uint32_t height, bool alpha) {
    uint8_t *rgba = make_ramps(width, height, 4);
    for (size_t i = 0; i < (size_t)width * height; i++) {
        rgba[i * 4 + 3] = (uint8_t)(alpha ? i * 255 / ((size_t)width * height) : 255);
    }
    return rgba;
}

static void still_photos_decode_exactly_with_alpha_over_white(void **state) {
    (void)state;
    static const uint32_t sizes[][2] = {{1, 1}, {2, 7}, {33, 21}, {1, 3000}};
    for (size_t i = 0; i < 8; i++) {
        uint32_t width = sizes[i / 2][0];
        uint32_t height = sizes[i / 2][1];
        uint8_t *rgba = make_rgba(width, height, i % 2 == 1);
        diffcut_buffer file = make_webp(width, height, rgba);
        diffcut_image image = decode(&file);
        assert_int_equal(image.width, width);
        assert_int_equal(image.height, height);
        for (size_t p = 0; p < (size_t)width * height; p++) {
            for (size_t c = 0; c < 3 && rgba[p * 4 + 3] > 0; c++) { /* the encoder drops colours nobody sees */
                double over = (rgba[p * 4 + c] * (double)rgba[p * 4 + 3] + 255.0 * (255 - rgba[p * 4 + 3])) / 255;
                assert_int_equal(image.rgb[p * 3 + c], (int)(over + 0.5));
            }
            if (rgba[p * 4 + 3] == 0) {
                assert_memory_equal(image.rgb + p * 3, "\xFF\xFF\xFF", 3);
            }
        }
        diffcut_image_free(&image);
        diffcut_buffer_free(&file);
        mem_free(rgba);
    }
}

static void lossy_photos_decode(void **state) {
    (void)state;
    uint8_t *rgb = make_ramps(64, 48, 3);
    uint8_t *made = NULL;
    size_t size = WebPEncodeRGB(rgb, 64, 48, 64 * 3, 95, &made);
    diffcut_buffer file = {.data = made, .size = size};
    diffcut_image image = decode(&file);
    for (size_t i = 0; i < 64 * 48 * 3; i++) {
        assert_true(abs(image.rgb[i] - rgb[i]) <= 16);
    }
    diffcut_image_free(&image);
    WebPFree(made);
    mem_free(rgb);
}

static void exif_orientation_of_a_webp_is_applied(void **state) {
    (void)state;
    uint8_t block[EXIF_BLOCK_SIZE];
    make_exif(block, 8, false);
    uint8_t *rgba = make_rgba(30, 20, false);
    diffcut_buffer simple = make_webp(30, 20, rgba);
    for (size_t skip = 0; skip <= 6; skip += 6) { /* with and without "Exif\0\0": both are found in the wild */
        diffcut_buffer file = make_extended_webp(&simple, 30, 20, 0x08, block + skip, sizeof block - skip);
        diffcut_image image = decode(&file);
        assert_int_equal(image.width, 20);
        assert_int_equal(image.height, 30);
        assert_memory_equal(image.rgb, rgba + 29 * 4, 3); /* the stored right end of the first row is up */
        diffcut_image_free(&image);
        diffcut_buffer_free(&file);
    }
    diffcut_buffer_free(&simple);
    mem_free(rgba);
}

static void an_animation_is_refused_with_the_reason(void **state) {
    (void)state;
    uint8_t *rgba = make_rgba(30, 20, false);
    diffcut_buffer simple = make_webp(30, 20, rgba);
    diffcut_buffer file = make_extended_webp(&simple, 30, 20, 0x02, NULL, 0);
    diffcut_image image;
    diffcut_diagnostics diag;
    diffcut_status status = diffcut_decode_image(file.data, file.size, "move.webp", NULL, &image, &diag);
    assert_fails(status, diag, DIFFCUT_ERROR_UNSUPPORTED, "move.webp: an animated WebP; only still images are read");
    diffcut_buffer_free(&file);
    diffcut_buffer_free(&simple);
    mem_free(rgba);
}

static void every_truncation_is_refused(void **state) {
    (void)state;
    for (int alpha = 0; alpha < 2; alpha++) {
        uint8_t *rgba = make_rgba(30, 20, alpha != 0);
        diffcut_buffer file = make_webp(30, 20, rgba);
        for (size_t size = 0; size < file.size; size++) {
            uint8_t *part = mem_array(size, 1);
            assert_non_null(part);
            memcpy(part, file.data, size);
            diffcut_image image = {.width = 7};
            diffcut_diagnostics diag;
            diffcut_status status = diffcut_decode_image(part, size, "cut.webp", NULL, &image, &diag);
            assert_fails(status, diag, DIFFCUT_ERROR_FORMAT, "cut.webp: ");
            if (size > 40) {
                assert_fails(status, diag, DIFFCUT_ERROR_FORMAT, "truncated WebP");
            }
            assert_int_equal(image.width, 7);
            mem_free(part);
        }
        diffcut_buffer_free(&file);
        mem_free(rgba);
    }
}

static void a_picture_over_the_limit_is_refused(void **state) {
    (void)state;
    uint8_t *rgba = make_rgba(30, 20, false);
    diffcut_buffer file = make_webp(30, 20, rgba);
    diffcut_decode_limits limits = {.max_pixels = 599};
    diffcut_image image;
    diffcut_diagnostics diag;
    diffcut_status status = diffcut_decode_image(file.data, file.size, "a.webp", &limits, &image, &diag);
    assert_fails(status, diag, DIFFCUT_ERROR_LIMIT, "a.webp: 30x20 is 600 pixels, over the limit of 599 pixels");
    limits.max_pixels = 600;
    assert_ok(diffcut_decode_image(file.data, file.size, "a.webp", &limits, &image, &diag), diag);
    diffcut_image_free(&image);
    diffcut_buffer_free(&file);
    mem_free(rgba);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(still_photos_decode_exactly_with_alpha_over_white),
        cmocka_unit_test(lossy_photos_decode),
        cmocka_unit_test(exif_orientation_of_a_webp_is_applied),
        cmocka_unit_test(an_animation_is_refused_with_the_reason),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(a_picture_over_the_limit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

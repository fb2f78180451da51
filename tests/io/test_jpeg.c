/* test_jpeg.c - JPEG of every kind that cameras and programs write comes out right; damaged ones are refused. */
#include "io_test.h"

#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include "core/memory.h"

static int difference(const uint8_t *got, const uint8_t *wanted, size_t count) {
    int worst = 0;
    for (size_t i = 0; i < count; i++) {
        int away = abs(got[i] - wanted[i]);
        worst = away > worst ? away : worst;
    }
    return worst;
}

static void colour_photos_decode_baseline_and_progressive(void **state) {
    (void)state;
    static const uint32_t sizes[][2] = {{1, 1}, {2, 5}, {64, 48}, {1, 5000}, {5000, 1}, {61, 37}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0] * 2; i++) {
        jpeg_recipe recipe = {
            .width = sizes[i / 2][0], .height = sizes[i / 2][1], .channels = 3, .progressive = i % 2 == 1};
        uint8_t *pixels = make_ramps(recipe.width, recipe.height, 3);
        diffcut_buffer file = make_jpeg(&recipe, pixels);
        diffcut_image image = decode(&file);
        assert_int_equal(image.width, recipe.width);
        assert_int_equal(image.height, recipe.height);
        assert_true(difference(image.rgb, pixels, (size_t)recipe.width * recipe.height * 3) <= 4);
        diffcut_image_free(&image);
        diffcut_buffer_free(&file);
        mem_free(pixels);
    }
}

static void arithmetic_coding_decodes(void **state) {
    (void)state;
    jpeg_recipe recipe = {.width = 40, .height = 30, .channels = 3, .arithmetic = true};
    uint8_t *pixels = make_ramps(40, 30, 3);
    diffcut_buffer file = make_jpeg(&recipe, pixels);
    diffcut_image image = decode(&file);
    assert_true(difference(image.rgb, pixels, 40 * 30 * 3) <= 4);
    diffcut_image_free(&image);
    diffcut_buffer_free(&file);
    mem_free(pixels);
}

static void grey_photos_become_grey_rgb(void **state) {
    (void)state;
    jpeg_recipe recipe = {.width = 40, .height = 30, .channels = 1};
    uint8_t *pixels = make_ramps(40, 30, 1);
    diffcut_buffer file = make_jpeg(&recipe, pixels);
    diffcut_image image = decode(&file);
    for (size_t i = 0; i < 40 * 30; i++) {
        const uint8_t *rgb = image.rgb + i * 3;
        assert_true(rgb[0] == rgb[1] && rgb[1] == rgb[2] && abs(rgb[0] - pixels[i]) <= 2);
    }
    diffcut_image_free(&image);
    diffcut_buffer_free(&file);
    mem_free(pixels);
}

/* Each way of storing the same four inks gives the same light: (1 - ink) * (1 - black). */
static void cmyk_and_ycck_decode_with_and_without_adobes_inversion(void **state) {
    (void)state;
    const uint32_t width = 40;
    const uint32_t height = 30;
    const struct { bool ycck, adobe; } ways[] = {{false, false}, {false, true}, {true, true}};
    uint8_t *inks = make_ramps(width, height, 4);
    for (size_t i = 0; i < (size_t)width * height; i++) {
        inks[i * 4 + 3] /= 2;
    }
    for (size_t way = 0; way < 3; way++) {
        uint8_t *stored = mem_array((size_t)width * height, 4);
        assert_non_null(stored);
        for (size_t i = 0; i < (size_t)width * height * 4; i++) {
            stored[i] = ways[way].adobe ? (uint8_t)(255 - inks[i]) : inks[i];
        }
        jpeg_recipe recipe = {
            .width = width, .height = height, .channels = 4, .ycck = ways[way].ycck, .adobe = ways[way].adobe};
        diffcut_buffer file = make_jpeg(&recipe, stored);
        diffcut_image image = decode(&file);
        for (size_t i = 0; i < (size_t)width * height; i++) {
            for (size_t c = 0; c < 3; c++) {
                double light = (255.0 - inks[i * 4 + c]) * (255.0 - inks[i * 4 + 3]) / 255;
                if (abs(image.rgb[i * 3 + c] - (int)light) > 6) {
                    fail_msg("way %zu, pixel %zu, channel %zu: %d, not %g", way, i, c, image.rgb[i * 3 + c], light);
                }
            }
        }
        diffcut_image_free(&image);
        diffcut_buffer_free(&file);
        mem_free(stored);
    }
    mem_free(inks);
}

/* The picture is bright at its stored left and dark at the right (red), dark at the top and bright below (green).
 * Where the first stored pixel, and the two next corners, must be after turning is EXIF's own table. */
static void exif_orientation_turns_the_photo(void **state) {
    (void)state;
    /* for each orientation: is the upright red ramp along x? does it, and the green one, rise with the axis? */
    static const struct {
        bool red_along_x, red_rises, green_rises;
    } expected[9] = {{false, false, false}, {true, true, true},    {true, false, true},
                     {true, false, false},  {true, true, false},   {false, true, true},
                     {false, true, false},  {false, false, false}, {false, false, true}};
    uint8_t *pixels = make_ramps(64, 32, 3);
    for (int orientation = 0; orientation <= 9; orientation++) {
        uint8_t block[EXIF_BLOCK_SIZE];
        make_exif(block, orientation, orientation % 2 == 0);
        jpeg_recipe recipe = {.width = 64, .height = 32, .channels = 3, .exif = block, .exif_size = sizeof block};
        diffcut_buffer file = make_jpeg(&recipe, pixels);
        diffcut_image image = decode(&file);
        int known = orientation >= 1 && orientation <= 8 ? orientation : 1; /* 0 and 9 mean nothing */
        bool along_x = expected[known].red_along_x;
        assert_int_equal(image.width, along_x ? 64 : 32);
        assert_int_equal(image.height, along_x ? 32 : 64);
        const uint8_t *first = image.rgb;
        const uint8_t *right = image.rgb + ((size_t)image.width - 1) * 3;
        const uint8_t *below = image.rgb + ((size_t)image.height - 1) * image.width * 3;
        const uint8_t *red_far = along_x ? right : below;
        const uint8_t *green_far = along_x ? below : right;
        assert_int_equal(red_far[0] > first[0], expected[known].red_rises);
        assert_int_equal(green_far[1] > first[1], expected[known].green_rises);
        diffcut_image_free(&image);
        diffcut_buffer_free(&file);
    }
    mem_free(pixels);
}

static diffcut_buffer some_jpeg(bool progressive) {
    jpeg_recipe recipe = {.width = 48, .height = 40, .channels = 3, .progressive = progressive};
    uint8_t *pixels = make_ramps(48, 40, 3);
    diffcut_buffer file = make_jpeg(&recipe, pixels);
    mem_free(pixels);
    return file;
}

static void every_truncation_is_refused(void **state) {
    (void)state;
    for (int progressive = 0; progressive < 2; progressive++) {
        diffcut_buffer file = some_jpeg(progressive != 0);
        for (size_t size = 0; size < file.size; size++) {
            uint8_t *part = mem_array(size, 1);
            assert_non_null(part);
            memcpy(part, file.data, size);
            diffcut_image image = {.width = 7};
            diffcut_diagnostics diag;
            diffcut_status status = diffcut_decode_image(part, size, "cut.jpg", NULL, &image, &diag);
            assert_fails(status, diag, DIFFCUT_ERROR_FORMAT, size < 3 ? "cut.jpg: " : "truncated");
            assert_int_equal(image.width, 7);
            mem_free(part);
        }
        diffcut_buffer_free(&file);
    }
}

static void bytes_after_the_end_are_ignored(void **state) {
    (void)state;
    diffcut_buffer file = some_jpeg(false);
    uint8_t *longer = mem_array_zero(file.size + 100, 1);
    assert_non_null(longer);
    memcpy(longer, file.data, file.size);
    diffcut_image image;
    diffcut_diagnostics diag;
    assert_ok(diffcut_decode_image(longer, file.size + 100, NULL, NULL, &image, &diag), diag);
    diffcut_image_free(&image);
    mem_free(longer);
    diffcut_buffer_free(&file);
}

/* Offset of the first marker of a kind, its 0xFF. */
static size_t find_marker(const diffcut_buffer *file, uint8_t marker) {
    for (size_t i = 0; i + 1 < file->size; i++) {
        if (file->data[i] == 0xFF && file->data[i + 1] == marker) {
            return i;
        }
    }
    fail_msg("no marker %02x", marker);
    return 0;
}

static void a_huge_header_is_refused_before_memory_is_taken(void **state) {
    (void)state;
    diffcut_buffer file = some_jpeg(false);
    memcpy(file.data + find_marker(&file, 0xC0) + 5, "\x75\x30\x75\x30", 4); /* 30000 x 30000 */
    diffcut_image image;
    diffcut_diagnostics diag;
    diffcut_status status = diffcut_decode_image(file.data, file.size, "huge.jpg", NULL, &image, &diag);
    assert_fails(status, diag, DIFFCUT_ERROR_LIMIT,
                 "huge.jpg: 30000x30000 is 900000000 pixels, over the limit of 268435456 pixels");
    diffcut_buffer_free(&file);
}

static void what_the_format_knows_but_we_do_not_is_unsupported(void **state) {
    (void)state;
    diffcut_image image;
    diffcut_diagnostics diag;
    diffcut_buffer file = some_jpeg(false);
    size_t frame = find_marker(&file, 0xC0);
    file.data[frame + 4] = 12; /* bits a sample */
    diffcut_status status = diffcut_decode_image(file.data, file.size, "deep.jpg", NULL, &image, &diag);
    assert_fails(status, diag, DIFFCUT_ERROR_UNSUPPORTED, "deep.jpg: a kind of JPEG that is not supported");
    file.data[frame + 4] = 8;
    file.data[frame + 1] = 0xC3; /* lossless */
    status = diffcut_decode_image(file.data, file.size, "lossless.jpg", NULL, &image, &diag);
    assert_fails(status, diag, DIFFCUT_ERROR_UNSUPPORTED, "lossless.jpg: a kind of JPEG that is not supported");
    diffcut_buffer_free(&file);
}

/* The first scan of a progressive file, repeated: small files that would take hours. */
static void a_bomb_of_progressive_scans_is_refused(void **state) {
    (void)state;
    diffcut_buffer file = some_jpeg(true);
    size_t first = find_marker(&file, 0xDA);
    size_t end = first + 2; /* entropy-coded data holds no marker */
    while (file.data[end] != 0xFF || file.data[end + 1] == 0) {
        end++;
    }
    size_t scan = end - first;
    size_t size = file.size + scan * 200;
    uint8_t *bomb = mem_array(size, 1);
    assert_non_null(bomb);
    memcpy(bomb, file.data, first);
    for (size_t i = 0; i < 201; i++) {
        memcpy(bomb + first + i * scan, file.data + first, scan);
    }
    memcpy(bomb + end + scan * 200, file.data + end, file.size - end);
    diffcut_image image;
    diffcut_diagnostics diag;
    diffcut_status status = diffcut_decode_image(bomb, size, "bomb.jpg", NULL, &image, &diag);
    assert_fails(status, diag, DIFFCUT_ERROR_LIMIT, "bomb.jpg: the JPEG has more than 100 progressive scans");
    mem_free(bomb);
    diffcut_buffer_free(&file);
}

static void corrupt_data_is_refused_or_decoded_but_never_crashes(void **state) {
    (void)state;
    for (int progressive = 0; progressive < 2; progressive++) {
        diffcut_buffer file = some_jpeg(progressive != 0);
        for (size_t i = 2; i < file.size; i++) {
            uint8_t kept = file.data[i];
            file.data[i] ^= 0xFF;
            diffcut_image image = {0};
            diffcut_diagnostics diag;
            diffcut_decode_limits limits = {.max_pixels = 1 << 16};
            diffcut_status status = diffcut_decode_image(file.data, file.size, "bad.jpg", &limits, &image, &diag);
            assert_int_equal(status == DIFFCUT_OK, image.rgb != NULL);
            assert_int_equal(status == DIFFCUT_OK, diag.message[0] == '\0');
            diffcut_image_free(&image);
            file.data[i] = kept;
        }
        diffcut_buffer_free(&file);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(colour_photos_decode_baseline_and_progressive),
        cmocka_unit_test(arithmetic_coding_decodes),
        cmocka_unit_test(grey_photos_become_grey_rgb),
        cmocka_unit_test(cmyk_and_ycck_decode_with_and_without_adobes_inversion),
        cmocka_unit_test(exif_orientation_turns_the_photo),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(bytes_after_the_end_are_ignored),
        cmocka_unit_test(a_huge_header_is_refused_before_memory_is_taken),
        cmocka_unit_test(what_the_format_knows_but_we_do_not_is_unsupported),
        cmocka_unit_test(a_bomb_of_progressive_scans_is_refused),
        cmocka_unit_test(corrupt_data_is_refused_or_decoded_but_never_crashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

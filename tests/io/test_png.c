/* test_png.c - PNG photos and label maps of every kind come out right; damaged ones are refused with a reason. */
#include "io_test.h"

#include <string.h>

#include "core/memory.h"

static const struct {
    int color_type, depth;
} kinds[] = {{PNG_GREY, 1},    {PNG_GREY, 2},       {PNG_GREY, 4},        {PNG_GREY, 8},      {PNG_GREY, 16},
             {PNG_RGB, 8},     {PNG_RGB, 16},       {PNG_PALETTE, 1},     {PNG_PALETTE, 2},   {PNG_PALETTE, 4},
             {PNG_PALETTE, 8}, {PNG_GREY_ALPHA, 8}, {PNG_GREY_ALPHA, 16}, {PNG_RGB_ALPHA, 8}, {PNG_RGB_ALPHA, 16}};
#define KINDS (sizeof kinds / sizeof kinds[0])

static uint8_t palette[256 * 3];

static void fill_palette(void) {
    for (size_t i = 0; i < sizeof palette; i++) {
        palette[i] = (uint8_t)(i * 37 + 11);
    }
}

static png_recipe recipe_of(size_t kind, uint32_t width, uint32_t height, bool interlaced) {
    png_recipe recipe = {.width = width,
                         .height = height,
                         .color_type = kinds[kind].color_type,
                         .depth = kinds[kind].depth,
                         .interlaced = interlaced};
    if (recipe.color_type == PNG_PALETTE) {
        recipe.palette = palette;
        recipe.palette_size = (size_t)1 << recipe.depth;
    }
    return recipe;
}

/* What a sample of the recipe is in 8 bits over white, computed in double from the definition. */
static uint8_t expected_value(const png_recipe *recipe, uint32_t x, uint32_t y, uint32_t c) {
    double scale = (double)((1U << recipe->depth) - 1);
    bool color = recipe->color_type == PNG_RGB || recipe->color_type == PNG_RGB_ALPHA;
    uint32_t first = png_sample(x, y, color ? c : 0, recipe->depth);
    double value = first / scale;
    double alpha = 1;
    if (recipe->color_type == PNG_PALETTE) {
        value = palette[first * 3 + c] / 255.0;
        alpha = recipe->transparency != NULL && first < recipe->transparency_size
                    ? recipe->transparency[first] / 255.0
                    : 1;
    } else if (recipe->color_type == PNG_GREY_ALPHA || recipe->color_type == PNG_RGB_ALPHA) {
        alpha = png_sample(x, y, color ? 3 : 1, recipe->depth) / scale;
    }
    return (uint8_t)((value * alpha + 1 - alpha) * 255 + 0.5);
}

static void compare_picture(const png_recipe *recipe, const diffcut_image *image) {
    assert_int_equal(image->width, recipe->width);
    assert_int_equal(image->height, recipe->height);
    for (uint32_t y = 0; y < recipe->height; y++) {
        for (uint32_t x = 0; x < recipe->width; x++) {
            for (uint32_t c = 0; c < 3; c++) {
                int got = image->rgb[((size_t)y * recipe->width + x) * 3 + c];
                int wanted = expected_value(recipe, x, y, c);
                /* 16-bit alpha is rounded twice, to 16 and to 8 bits: a value between two may go either way */
                int tolerance = recipe->depth == 16 && png_channels(recipe->color_type) % 2 == 0 ? 1 : 0;
                if (abs(got - wanted) > tolerance) {
                    fail_msg("type %d, %d bits, interlaced %d: (%u, %u) channel %u is %d, not %d", recipe->color_type,
                             recipe->depth, recipe->interlaced, x, y, c, got, wanted);
                }
            }
        }
    }
}

static void every_colour_type_depth_and_interlacing_decodes(void **state) {
    (void)state;
    static const uint32_t sizes[][2] = {{1, 1}, {2, 3}, {13, 11}, {1, 40}, {40, 1}, {67, 33}};
    for (size_t kind = 0; kind < KINDS; kind++) {
        for (size_t size = 0; size < sizeof sizes / sizeof sizes[0]; size++) {
            for (int interlaced = 0; interlaced < 2; interlaced++) {
                png_recipe recipe = recipe_of(kind, sizes[size][0], sizes[size][1], interlaced != 0);
                diffcut_buffer file = make_png(&recipe);
                diffcut_image image = decode(&file);
                compare_picture(&recipe, &image);
                diffcut_image_free(&image);
                diffcut_buffer_free(&file);
            }
        }
    }
}

static void palette_transparency_is_composed_over_white(void **state) {
    (void)state;
    static const uint8_t transparency[4] = {0, 100, 255, 200};
    for (int interlaced = 0; interlaced < 2; interlaced++) {
        png_recipe recipe = recipe_of(9, 31, 17, interlaced != 0); /* palette of 16 */
        recipe.transparency = transparency;
        recipe.transparency_size = sizeof transparency;
        diffcut_buffer file = make_png(&recipe);
        diffcut_image image = decode(&file);
        compare_picture(&recipe, &image);
        diffcut_image_free(&image);
        diffcut_buffer_free(&file);
    }
}

static void a_transparent_grey_becomes_white(void **state) {
    (void)state;
    static const uint8_t transparency[2] = {0, 5}; /* the value 5 of 16 */
    png_recipe recipe = recipe_of(2, 30, 20, false);
    recipe.transparency = transparency;
    recipe.transparency_size = sizeof transparency;
    diffcut_buffer file = make_png(&recipe);
    diffcut_image image = decode(&file);
    for (uint32_t y = 0; y < recipe.height; y++) {
        for (uint32_t x = 0; x < recipe.width; x++) {
            uint32_t sample = png_sample(x, y, 0, 4);
            assert_int_equal(image.rgb[((size_t)y * 30 + x) * 3], sample == 5 ? 255 : sample * 17);
        }
    }
    diffcut_image_free(&image);
    diffcut_buffer_free(&file);
}

static void exif_orientation_of_a_png_is_applied(void **state) {
    (void)state;
    uint8_t block[EXIF_BLOCK_SIZE];
    make_exif(block, 6, true);
    png_recipe recipe = recipe_of(5, 9, 4, false);
    recipe.exif = block + 6; /* eXIf has no "Exif\0\0" */
    recipe.exif_size = EXIF_BLOCK_SIZE - 6;
    diffcut_buffer file = make_png(&recipe);
    diffcut_image image = decode(&file);
    assert_int_equal(image.width, 4);
    assert_int_equal(image.height, 9);
    assert_int_equal(image.rgb[3 * 3], png_sample(0, 0, 0, 8)); /* the first pixel is now at the top right */
    diffcut_image_free(&image);
    diffcut_buffer_free(&file);
}

static void every_truncation_is_refused(void **state) {
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        png_recipe recipe = recipe_of(kind, 12, 9, kind % 2 == 0);
        diffcut_buffer file = make_png(&recipe);
        /* The last four bytes are the checksum of an empty chunk: nothing is missing without them. */
        for (size_t size = 0; size < file.size - 4; size++) {
            uint8_t *part = mem_array(size, 1); /* its own block, so that the sanitizer sees a read past the end */
            assert_non_null(part);
            memcpy(part, file.data, size);
            diffcut_image image = {.width = 7};
            diffcut_diagnostics diag;
            diffcut_status status = diffcut_decode_image(part, size, "cut.png", NULL, &image, &diag);
            assert_fails(status, diag, DIFFCUT_ERROR_FORMAT, "cut.png: ");
            if (size > find_chunk(&file, "IDAT")) {
                assert_fails(status, diag, DIFFCUT_ERROR_FORMAT, "truncated PNG");
            }
            assert_int_equal(image.width, 7);
            mem_free(part);
        }
        diffcut_buffer_free(&file);
    }
}

static void a_wrong_checksum_is_refused(void **state) {
    (void)state;
    png_recipe recipe = recipe_of(5, 12, 9, false);
    diffcut_buffer file = make_png(&recipe);
    file.data[find_chunk(&file, "IDAT") + 40] ^= 1;
    diffcut_image image;
    diffcut_diagnostics diag;
    diffcut_status status = diffcut_decode_image(file.data, file.size, "bad.png", NULL, &image, &diag);
    assert_fails(status, diag, DIFFCUT_ERROR_FORMAT, "bad.png: corrupt PNG");
    diffcut_buffer_free(&file);
}

/* As other readers do; the specification calls it an error that a reader may recover from. */
static void a_palette_index_without_colour_is_black(void **state) {
    (void)state;
    png_recipe recipe = recipe_of(10, 30, 30, false);
    recipe.palette_size = 3;
    diffcut_buffer file = make_png(&recipe);
    diffcut_image image = decode(&file);
    for (uint32_t i = 0; i < 900; i++) {
        uint32_t sample = png_sample(i % 30, i / 30, 0, 8);
        assert_int_equal(image.rgb[i * 3], sample < 3 ? palette[sample * 3] : 0);
    }
    diffcut_image_free(&image);
    diffcut_buffer_free(&file);
}

static void a_huge_header_is_refused_before_memory_is_taken(void **state) {
    (void)state;
    png_recipe recipe = recipe_of(5, 4, 4, false);
    diffcut_buffer file = make_png(&recipe);
    size_t header = find_chunk(&file, "IHDR");
    memcpy(file.data + header + 4, "\0\0\x75\x30\0\0\x75\x30", 8); /* 30000 x 30000 */
    repair_crc(&file, header);
    diffcut_image image;
    diffcut_diagnostics diag;
    diffcut_status status = diffcut_decode_image(file.data, file.size, "huge.png", NULL, &image, &diag);
    assert_fails(status, diag, DIFFCUT_ERROR_LIMIT,
                 "huge.png: 30000x30000 is 900000000 pixels, over the limit of 268435456 pixels");
    diffcut_labels labels;
    status = diffcut_decode_labels(file.data, file.size, "huge.png", NULL, &labels, &diag);
    assert_fails(status, diag, DIFFCUT_ERROR_LIMIT, "huge.png: 30000x30000");
    diffcut_buffer_free(&file);
}

static void label_maps_keep_the_stored_index(void **state) {
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        for (int interlaced = 0; interlaced < 2; interlaced++) {
            png_recipe recipe = recipe_of(kind, 21, 13, interlaced != 0);
            diffcut_buffer file = make_png(&recipe);
            diffcut_labels labels = {0};
            diffcut_diagnostics diag;
            diffcut_status status = diffcut_decode_labels(file.data, file.size, "labels.png", NULL, &labels, &diag);
            if (recipe.color_type != PNG_GREY && recipe.color_type != PNG_PALETTE) {
                assert_fails(status, diag, DIFFCUT_ERROR_UNSUPPORTED, "labels.png: a colour or transparent PNG");
                diffcut_buffer_free(&file);
                continue;
            }
            assert_ok(status, diag);
            uint32_t largest = 0;
            for (uint32_t i = 0; i < 21 * 13; i++) {
                uint32_t wanted = png_sample(i % 21, i / 21, 0, recipe.depth);
                assert_int_equal(labels.data[i], wanted);
                largest = wanted > largest ? wanted : largest;
            }
            assert_int_equal(labels.count, largest + 1);
            diffcut_labels_free(&labels);
            diffcut_buffer_free(&file);
        }
    }
}

static void what_is_no_label_map_is_named(void **state) {
    (void)state;
    diffcut_labels labels;
    diffcut_diagnostics diag;
    assert_fails(diffcut_decode_labels("GIF89a", 6, "a.png", NULL, &labels, &diag), diag, DIFFCUT_ERROR_FORMAT,
                 "a.png: not a PNG image");
    assert_fails(diffcut_decode_labels("not a picture at all, just text", 31, "a.png", NULL, &labels, &diag), diag,
                 DIFFCUT_ERROR_FORMAT, "a.png: not a PNG image");
    assert_fails(diffcut_decode_labels(NULL, 0, "a.png", NULL, &labels, &diag), diag, DIFFCUT_ERROR_FORMAT,
                 "a.png: the file is empty");
    assert_fails(diffcut_decode_labels(NULL, 5, "a.png", NULL, &labels, &diag), diag, DIFFCUT_ERROR_ARGUMENT, "NULL");
}

int main(void) {
    fill_palette();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_colour_type_depth_and_interlacing_decodes),
        cmocka_unit_test(palette_transparency_is_composed_over_white),
        cmocka_unit_test(a_transparent_grey_becomes_white),
        cmocka_unit_test(exif_orientation_of_a_png_is_applied),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(a_wrong_checksum_is_refused),
        cmocka_unit_test(a_palette_index_without_colour_is_black),
        cmocka_unit_test(a_huge_header_is_refused_before_memory_is_taken),
        cmocka_unit_test(label_maps_keep_the_stored_index),
        cmocka_unit_test(what_is_no_label_map_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

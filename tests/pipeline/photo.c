/* photo.c - see photo.h. */
#include "photo.h"

#include "test.h"

#include <stdio.h>
#include <string.h>

diffcut_image photo_sample(const char *name) {
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/samples/%s", DIFFCUT_SOURCE_DIR, name);
    diffcut_diagnostics diag;
    diffcut_buffer file = {0};
    diffcut_image image = {0};
    if (diffcut_read_file(path, 0, &file, &diag) != DIFFCUT_OK ||
        diffcut_decode_image(file.data, file.size, path, NULL, &image, &diag) != DIFFCUT_OK) {
        fail_msg("%s", diag.message);
    }
    diffcut_buffer_free(&file);
    return image;
}

static diffcut_image blank(uint32_t width, uint32_t height) {
    uint8_t *rgb = calloc((size_t)width * height, 3);
    diffcut_image image = {0};
    assert_non_null(rgb);
    assert_int_equal(diffcut_image_create(width, height, rgb, &image, NULL), DIFFCUT_OK);
    free(rgb);
    return image;
}

diffcut_image photo_regions(uint32_t width, uint32_t height) {
    static const uint8_t colors[3][3] = {{220, 60, 50}, {40, 160, 70}, {50, 80, 200}};
    diffcut_image image = blank(width, height);
    uint32_t state = 12345;
    for (uint32_t y = 0; y < height; y++) {
        for (uint32_t x = 0; x < width; x++) {
            int region = y > height / 2 ? 2 : x > width / 2 ? 1 : 0;
            for (int c = 0; c < 3; c++) {
                state = state * 1664525U + 1013904223U;
                image.rgb[((size_t)y * width + x) * 3 + (size_t)c] = (uint8_t)(colors[region][c] + (state >> 28));
            }
        }
    }
    return image;
}

diffcut_image photo_constant(uint32_t width, uint32_t height, uint8_t value) {
    diffcut_image image = blank(width, height);
    memset(image.rgb, value, (size_t)width * height * 3);
    return image;
}

void photo_assert_same_labels(const diffcut_labels *a, const diffcut_labels *b) {
    assert_int_equal(a->width, b->width);
    assert_int_equal(a->height, b->height);
    for (size_t i = 0; i < (size_t)a->width * a->height; i++) {
        if (a->data[i] != b->data[i]) {
            fail_msg("label maps differ first at x %zu, y %zu: %u and %u", i % a->width, i / a->width, a->data[i],
                     b->data[i]);
        }
    }
    assert_int_equal(a->count, b->count);
}

/*
 * test_memory.c - every decoder and encoder, with its first, second, third, ... allocation failing: each says so,
 * changes no output and leaks nothing (the sanitizer build looks).
 */
#include "io_test.h"

#include <string.h>

#include "core/memory.h"

/* Calls the function once with the inputs of `context`; on success frees what it made. */
typedef diffcut_status (*attempt_fn)(const void *context, diffcut_diagnostics *diag);

/* Fails later and later until the call succeeds. */
static void walk(attempt_fn attempt, const void *context) {
    enum { MOST = 1000 };
    diffcut_diagnostics diag;
    diffcut_status status = DIFFCUT_ERROR_MEMORY;
    long failures = 0;
    while (status != DIFFCUT_OK) {
        mem_fail_after(failures);
        status = attempt(context, &diag);
        mem_fail_after(-1);
        if (status != DIFFCUT_OK) {
            assert_fails(status, diag, DIFFCUT_ERROR_MEMORY, "no memory");
            assert_true(++failures < MOST);
        }
    }
    assert_true(failures > 0); /* it does allocate through core/memory.h */
}

static diffcut_status decode_once(const void *context, diffcut_diagnostics *diag) {
    const diffcut_buffer *file = context;
    diffcut_image image = {.width = 7};
    diffcut_status status = diffcut_decode_image(file->data, file->size, "photo", NULL, &image, diag);
    if (status != DIFFCUT_OK) {
        assert_int_equal(image.width, 7);
    } else {
        diffcut_image_free(&image);
    }
    return status;
}

static diffcut_status decode_labels_once(const void *context, diffcut_diagnostics *diag) {
    const diffcut_buffer *file = context;
    diffcut_labels labels = {.width = 7};
    diffcut_status status = diffcut_decode_labels(file->data, file->size, "labels", NULL, &labels, diag);
    if (status != DIFFCUT_OK) {
        assert_int_equal(labels.width, 7);
    } else {
        diffcut_labels_free(&labels);
    }
    return status;
}

static diffcut_status decode_npy_once(const void *context, diffcut_diagnostics *diag) {
    const diffcut_buffer *file = context;
    diffcut_features *features = NULL;
    diffcut_status status = diffcut_decode_features_npy(file->data, file->size, "features", &features, diag);
    assert_int_equal(status == DIFFCUT_OK, features != NULL);
    diffcut_features_free(features);
    return status;
}

static void png_decoding_survives_every_failed_allocation(void **state) {
    (void)state;
    static uint8_t palette[256 * 3];
    uint8_t exif[EXIF_BLOCK_SIZE];
    make_exif(exif, 6, true);
    for (int i = 0; i < 4; i++) {
        png_recipe recipe = {.width = 20,
                             .height = 10,
                             .color_type = i < 2 ? PNG_PALETTE : PNG_RGB_ALPHA,
                             .depth = i < 2 ? 8 : 16,
                             .interlaced = i % 2 == 1,
                             .palette = i < 2 ? palette : NULL,
                             .palette_size = 256,
                             .exif = exif + 6,
                             .exif_size = sizeof exif - 6};
        diffcut_buffer file = make_png(&recipe);
        walk(decode_once, &file);
        if (i < 2) {
            walk(decode_labels_once, &file);
        }
        diffcut_buffer_free(&file);
    }
}

static void jpeg_decoding_survives_every_failed_allocation(void **state) {
    (void)state;
    uint8_t exif[EXIF_BLOCK_SIZE];
    make_exif(exif, 5, false);
    for (int channels = 3; channels <= 4; channels++) {
        jpeg_recipe recipe = {.width = 20,
                              .height = 10,
                              .channels = channels,
                              .adobe = true,
                              .progressive = true,
                              .exif = exif,
                              .exif_size = sizeof exif};
        uint8_t *pixels = make_ramps(20, 10, channels);
        diffcut_buffer file = make_jpeg(&recipe, pixels);
        walk(decode_once, &file);
        diffcut_buffer_free(&file);
        mem_free(pixels);
    }
}

static void webp_decoding_survives_every_failed_allocation(void **state) {
    (void)state;
    uint8_t exif[EXIF_BLOCK_SIZE];
    make_exif(exif, 3, false);
    uint8_t *rgba = make_ramps(20, 10, 4); /* with alpha */
    diffcut_buffer simple = make_webp(20, 10, rgba);
    diffcut_buffer file = make_extended_webp(&simple, 20, 10, 0x18, exif, sizeof exif);
    walk(decode_once, &simple);
    walk(decode_once, &file);
    diffcut_buffer_free(&file);
    diffcut_buffer_free(&simple);
    mem_free(rgba);
}

static void npy_decoding_survives_every_failed_allocation(void **state) {
    (void)state;
    static const float data[3 * 3 * 2] = {1, 2, 3};
    const size_t shape[2] = {9, 2};
    diffcut_buffer file;
    diffcut_diagnostics diag;
    assert_ok(diffcut_encode_npy(data, shape, 2, &file, &diag), diag);
    walk(decode_npy_once, &file);
    diffcut_buffer_free(&file);
}

/* ------------------------------------------------------------------------------------------------- encoders */

/* The walk's end for an encoder: an output only on success. */
static diffcut_status finish(diffcut_status status, diffcut_buffer *file) {
    assert_int_equal(status == DIFFCUT_OK, file->data != NULL);
    diffcut_buffer_free(file);
    return status;
}

static diffcut_status encode_png_once(const void *context, diffcut_diagnostics *diag) {
    diffcut_buffer file = {0};
    return finish(diffcut_encode_labels_png(context, &file, diag), &file);
}

static diffcut_status encode_npy_once(const void *context, diffcut_diagnostics *diag) {
    diffcut_buffer file = {0};
    return finish(diffcut_encode_labels_npy(context, &file, diag), &file);
}

static diffcut_status encode_coco_once(const void *context, diffcut_diagnostics *diag) {
    diffcut_buffer file = {0};
    return finish(diffcut_encode_coco_json(context, 1, "a\"b.jpg", &file, diag), &file);
}

static diffcut_status encode_overlay_once(const void *context, diffcut_diagnostics *diag) {
    const diffcut_labels *labels = context;
    static uint8_t rgb[64 * 64 * 3];
    const diffcut_image image = {.width = labels->width, .height = labels->height, .rgb = rgb};
    diffcut_buffer file = {0};
    return finish(diffcut_encode_overlay_png(&image, labels, NULL, &file, diag), &file);
}

static diffcut_status describe_once(const void *context, diffcut_diagnostics *diag) {
    diffcut_segment_info info[300];
    memset(info, 7, sizeof info);
    diffcut_status status = diffcut_labels_describe(context, NULL, info, diag);
    assert_int_equal(status == DIFFCUT_OK, info[0].area != 0x0707070707070707);
    return status;
}

static diffcut_status copy_once(const void *context, diffcut_diagnostics *diag) {
    const diffcut_labels *labels = context;
    diffcut_labels copy = {0};
    diffcut_status status = diffcut_labels_create(labels->width, labels->height, labels->data, &copy, diag);
    if (status == DIFFCUT_OK) {
        status = diffcut_labels_compact(&copy, diag);
    }
    diffcut_labels_free(&copy);
    return status;
}

static void encoders_survive_every_failed_allocation(void **state) {
    (void)state;
    static uint32_t data[64 * 64];
    static const attempt_fn attempts[] = {encode_png_once,     encode_npy_once, encode_coco_once,
                                          encode_overlay_once, describe_once,   copy_once};
    for (uint32_t count = 200; count <= 300; count += 100) { /* 8 and 16 bits */
        for (uint32_t i = 0; i < 64 * 64; i++) {
            data[i] = i * 7919 % count;
        }
        const diffcut_labels labels = {.width = 64, .height = 64, .count = count, .data = data};
        for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++) {
            walk(attempts[i], &labels);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_decoding_survives_every_failed_allocation),
        cmocka_unit_test(jpeg_decoding_survives_every_failed_allocation),
        cmocka_unit_test(webp_decoding_survives_every_failed_allocation),
        cmocka_unit_test(npy_decoding_survives_every_failed_allocation),
        cmocka_unit_test(encoders_survive_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* io_test.c - see io_test.h. */
#include "io_test.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <webp/encode.h>

#include "core/memory.h"

void check_ok(diffcut_status status, const diffcut_diagnostics *diag, const char *file, int line) {
    if (status != DIFFCUT_OK) {
        print_error("%s: %s\n", diffcut_status_string(status), diag->message);
        _fail(file, line);
    }
    if (diag->message[0] != '\0') {
        print_error("a message after success: %s\n", diag->message);
        _fail(file, line);
    }
}

void check_fails(diffcut_status status, const diffcut_diagnostics *diag, diffcut_status wanted, const char *part,
                 const char *file, int line) {
    if (status != wanted || strstr(diag->message, part) == NULL) {
        print_error("got %s: \"%s\"\nwanted %s: \"...%s...\"\n", diffcut_status_string(status), diag->message,
                    diffcut_status_string(wanted), part);
        _fail(file, line);
    }
}

diffcut_image decode(const diffcut_buffer *file) {
    diffcut_image image;
    diffcut_diagnostics diag;
    assert_ok(diffcut_decode_image(file->data, file->size, "photo", NULL, &image, &diag), diag);
    return image;
}

uint8_t *make_ramps(uint32_t width, uint32_t height, int channels) {
    uint8_t *pixels = mem_array((size_t)width * height, (size_t)channels);
    assert_non_null(pixels);
    for (uint32_t y = 0; y < height; y++) {
        for (uint32_t x = 0; x < width; x++) {
            uint32_t right = 255 * x / (width > 1 ? width - 1 : 1);
            uint32_t down = 255 * y / (height > 1 ? height - 1 : 1);
            const uint32_t ramps[4] = {right, down, (right + down) / 2, 255 - (right + down) / 4};
            for (int c = 0; c < channels; c++) {
                pixels[((size_t)y * width + x) * (size_t)channels + (size_t)c] = (uint8_t)ramps[c];
            }
        }
    }
    return pixels;
}

void make_exif(uint8_t block[EXIF_BLOCK_SIZE], int orientation, bool big_endian) {
    static const uint8_t little[EXIF_BLOCK_SIZE] = {'E',  'x', 'i', 'f', 0, 0, 'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0,
                                                    0x12, 1,   3,   0,   1, 0, 0,   0,   0,  0, 0, 0, 0, 0, 0, 0};
    static const uint8_t big[EXIF_BLOCK_SIZE] = {'E', 'x',  'i', 'f', 0, 0, 'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1,
                                                 1,   0x12, 0,   3,   0, 0, 0,   1,   0, 0,  0, 0, 0, 0, 0, 0};
    memcpy(block, big_endian ? big : little, EXIF_BLOCK_SIZE);
    block[big_endian ? 25 : 24] = (uint8_t)orientation;
}

/* ------------------------------------------------------------------------------------------------- JPEG */

static void jpeg_set_space(struct jpeg_compress_struct *cinfo, const jpeg_recipe *recipe) {
    cinfo->input_components = recipe->channels;
    cinfo->in_color_space = recipe->channels == 1 ? JCS_GRAYSCALE : recipe->channels == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(cinfo);
    if (recipe->channels == 4) {
        jpeg_set_colorspace(cinfo, recipe->ycck ? JCS_YCCK : JCS_CMYK);
        cinfo->write_Adobe_marker = recipe->adobe ? TRUE : FALSE;
    }
}

diffcut_buffer make_jpeg(const jpeg_recipe *recipe, const uint8_t *pixels) {
    struct jpeg_compress_struct cinfo;
    struct jpeg_error_mgr errors;
    unsigned char *made = NULL;
    unsigned long size = 0;
    cinfo.err = jpeg_std_error(&errors);
    jpeg_create_compress(&cinfo);
    jpeg_mem_dest(&cinfo, &made, &size);
    cinfo.image_width = recipe->width;
    cinfo.image_height = recipe->height;
    jpeg_set_space(&cinfo, recipe);
    jpeg_set_quality(&cinfo, 100, TRUE);
    for (int c = 0; c < cinfo.num_components; c++) {
        cinfo.comp_info[c].h_samp_factor = 1;
        cinfo.comp_info[c].v_samp_factor = 1;
    }
    if (recipe->progressive) {
        jpeg_simple_progression(&cinfo);
    }
    cinfo.arith_code = recipe->arithmetic ? TRUE : FALSE;
    jpeg_start_compress(&cinfo, TRUE);
    if (recipe->exif != NULL) {
        jpeg_write_marker(&cinfo, JPEG_APP0 + 1, recipe->exif, (unsigned)recipe->exif_size);
    }
    size_t row_bytes = (size_t)recipe->width * (size_t)recipe->channels;
    uint8_t *row = mem_array(row_bytes, 1);
    assert_non_null(row);
    while (cinfo.next_scanline < cinfo.image_height) {
        memcpy(row, pixels + cinfo.next_scanline * row_bytes, row_bytes);
        JSAMPROW rows[1] = {row};
        (void)jpeg_write_scanlines(&cinfo, rows, 1);
    }
    jpeg_finish_compress(&cinfo);
    jpeg_destroy_compress(&cinfo);
    mem_free(row);
    diffcut_buffer file = {.data = mem_array(size, 1), .size = size};
    assert_non_null(file.data);
    memcpy(file.data, made, size);
    free(made);
    return file;
}

/* ------------------------------------------------------------------------------------------------- WebP */

diffcut_buffer make_webp(uint32_t width, uint32_t height, const uint8_t *rgba) {
    uint8_t *made = NULL;
    size_t size = WebPEncodeLosslessRGBA(rgba, (int)width, (int)height, (int)width * 4, &made);
    assert_true(size > 0);
    diffcut_buffer file = {.data = mem_array(size, 1), .size = size};
    assert_non_null(file.data);
    memcpy(file.data, made, size);
    WebPFree(made);
    return file;
}

static void put_u32(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

diffcut_buffer make_extended_webp(const diffcut_buffer *simple, uint32_t width, uint32_t height, uint8_t flags,
                                  const uint8_t *exif, size_t exif_size) {
    const size_t head = 12;
    const size_t vp8x = 18;
    size_t picture = simple->size - head;
    size_t extra = exif != NULL ? 8 + exif_size : 0;
    diffcut_buffer file = {.data = mem_array_zero(head + vp8x + picture + extra, 1),
                           .size = head + vp8x + picture + extra};
    assert_non_null(file.data);
    memcpy(file.data, simple->data, head);
    put_u32(file.data + 4, (uint32_t)(file.size - 8));
    uint8_t *at = file.data + head;
    memcpy(at, "VP8X", 4);
    put_u32(at + 4, 10);
    at[8] = flags;
    put_u32(at + 12, width - 1);
    put_u32(at + 15, height - 1); /* 24 bits; the fourth byte is overwritten below */
    at += vp8x;
    memcpy(at, simple->data + head, picture);
    at += picture;
    if (exif != NULL) {
        memcpy(at, "EXIF", 4);
        put_u32(at + 4, (uint32_t)exif_size);
        memcpy(at + 8, exif, exif_size);
    }
    return file;
}

/*
 * make_png.c - a PNG writer for tests (PNG specification, second edition): every colour type and depth, Adam7, and
 * stored (uncompressed) deflate blocks, so that it depends on nothing that is tested.
 */
#include "io_test.h"

#include <string.h>

#include "core/memory.h"
#include "io/bytes.h"

#define STORED_BLOCK_MAX 65535

static const uint8_t png_signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};

static uint32_t crc_of(const uint8_t *data, size_t size) {
    uint32_t crc = 0xFFFFFFFFU;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc & 1) != 0 ? crc >> 1 ^ 0xEDB88320U : crc >> 1;
        }
    }
    return crc ^ 0xFFFFFFFFU;
}

static void put_be32(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> (24 - 8 * i));
    }
}

static uint32_t get_be32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void append_be32(bytes *sink, uint32_t value) {
    uint8_t four[4];
    put_be32(four, value);
    bytes_append(sink, four, 4);
}

static void append_chunk(bytes *png, const char *type, const uint8_t *data, size_t size) {
    append_be32(png, (uint32_t)size);
    size_t start = png->size;
    bytes_append(png, type, 4);
    bytes_append(png, data, size);
    append_be32(png, crc_of(png->data + start, size + 4));
}

uint32_t png_channels(int color_type) {
    return color_type == PNG_RGB ? 3 : color_type == PNG_GREY_ALPHA ? 2 : color_type == PNG_RGB_ALPHA ? 4 : 1;
}

uint32_t png_sample(uint32_t x, uint32_t y, uint32_t channel, int depth) {
    uint32_t mixed = (x * 2654435761U) ^ (y * 40503U + 77) ^ ((channel + 1) * 2246822519U);
    mixed ^= mixed >> 15;
    return (mixed * 2246822519U >> 7) & ((1U << depth) - 1);
}

/* One pass of Adam7, or the whole picture: every step-th pixel from an origin, each row with filter type none. */
static void append_pass(bytes *raw, const png_recipe *recipe, uint32_t left, uint32_t top, uint32_t step_x,
                        uint32_t step_y) {
    uint32_t channels = png_channels(recipe->color_type);
    for (uint32_t y = top; y < recipe->height && left < recipe->width; y += step_y) {
        const uint8_t filter = 0;
        bytes_append(raw, &filter, 1);
        uint32_t held = 0;
        int bits = 0;
        for (uint32_t x = left; x < recipe->width; x += step_x) {
            for (uint32_t c = 0; c < channels; c++) {
                held = held << recipe->depth | png_sample(x, y, c, recipe->depth);
                bits += recipe->depth;
                for (; bits >= 8; bits -= 8) {
                    uint8_t byte = (uint8_t)(held >> (bits - 8));
                    bytes_append(raw, &byte, 1);
                }
            }
        }
        if (bits > 0) {
            uint8_t byte = (uint8_t)(held << (8 - bits));
            bytes_append(raw, &byte, 1);
        }
    }
}

static void append_stored(bytes *stream, const bytes *raw) {
    const uint8_t zlib_header[2] = {0x78, 0x01};
    bytes_append(stream, zlib_header, 2);
    for (size_t at = 0; at < raw->size; at += STORED_BLOCK_MAX) {
        size_t size = raw->size - at < STORED_BLOCK_MAX ? raw->size - at : STORED_BLOCK_MAX;
        bool last = at + size == raw->size;
        const uint8_t header[5] = {last, (uint8_t)size, (uint8_t)(size >> 8), (uint8_t)~size, (uint8_t)(~size >> 8)};
        bytes_append(stream, header, 5);
        bytes_append(stream, raw->data + at, size);
    }
    uint32_t a = 1;
    uint32_t b = 0;
    for (size_t i = 0; i < raw->size; i++) {
        a = (a + raw->data[i]) % 65521;
        b = (b + a) % 65521;
    }
    append_be32(stream, b << 16 | a);
}

static void append_pixels(bytes *png, const png_recipe *recipe) {
    static const uint8_t adam7[7][4] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4},
                                        {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}};
    bytes raw = {0};
    bytes stream = {0};
    if (recipe->interlaced) {
        for (int pass = 0; pass < 7; pass++) {
            append_pass(&raw, recipe, adam7[pass][0], adam7[pass][1], adam7[pass][2], adam7[pass][3]);
        }
    } else {
        append_pass(&raw, recipe, 0, 0, 1, 1);
    }
    append_stored(&stream, &raw);
    append_chunk(png, "IDAT", stream.data, stream.size);
    bytes_free(&raw);
    bytes_free(&stream);
}

diffcut_buffer make_png(const png_recipe *recipe) {
    bytes png = {0};
    uint8_t header[13] = {0};
    put_be32(header, recipe->width);
    put_be32(header + 4, recipe->height);
    header[8] = (uint8_t)recipe->depth;
    header[9] = (uint8_t)recipe->color_type;
    header[12] = recipe->interlaced;
    bytes_append(&png, png_signature, sizeof png_signature);
    append_chunk(&png, "IHDR", header, sizeof header);
    if (recipe->palette != NULL) {
        append_chunk(&png, "PLTE", recipe->palette, recipe->palette_size * 3);
    }
    if (recipe->transparency != NULL) {
        append_chunk(&png, "tRNS", recipe->transparency, recipe->transparency_size);
    }
    if (recipe->exif != NULL) {
        append_chunk(&png, "eXIf", recipe->exif, recipe->exif_size);
    }
    append_pixels(&png, recipe);
    append_chunk(&png, "IEND", NULL, 0);
    diffcut_buffer out;
    diffcut_diagnostics diag;
    assert_int_equal(bytes_finish(&png, "the test's PNG", &out, &diag), DIFFCUT_OK);
    return out;
}

size_t find_chunk(const diffcut_buffer *png, const char *type) {
    size_t at = sizeof png_signature;
    while (at + 8 <= png->size && memcmp(png->data + at + 4, type, 4) != 0) {
        at += (size_t)get_be32(png->data + at) + 12;
    }
    assert_true(at + 8 <= png->size);
    return at + 4;
}

void repair_crc(const diffcut_buffer *png, size_t type_offset) {
    size_t size = get_be32(png->data + type_offset - 4);
    put_be32(png->data + type_offset + 4 + size, crc_of(png->data + type_offset, size + 4));
}

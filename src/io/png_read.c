/*
 * png_read.c - PNG to RGB (image_decode_png) and to labels (diffcut_decode_labels), row by row through libspng.
 * Interlaced files visit each row several times, so they are collected whole; others need one row of memory.
 */
#include <inttypes.h>
#include <string.h>

#include "core/memory.h"
#include "io/entry.h"
#include "io/exif.h"
#include "io/image.h"
#include "io/spng_context.h"

/* Text and colour profiles are not used; what is larger than this is not a photo's. */
#define PNG_MAX_CHUNK_BYTES ((size_t)64 << 20)

/* A file being decoded. Samples come in the format asked for: RGB or RGBA of 8 or 16 bits, or the file's own. */
typedef struct png_reader {
    spng_ctx *context;
    struct spng_ihdr header;
    int format;
    size_t row_bytes;
    uint8_t *rows; /* one row, or all of them of an interlaced file */
} png_reader;

/* Takes one finished row. */
typedef diffcut_status (*png_row_fn)(void *user, const png_reader *reader, const uint8_t *row, uint32_t y,
                                     diffcut_diagnostics *diag);

static diffcut_status png_open(const uint8_t *data, size_t size, uint64_t max_pixels, png_reader *reader,
                               diffcut_diagnostics *diag) {
    *reader = (png_reader){.context = spng_context_new(0)};
    if (reader->context == NULL) {
        return spng_context_fail(SPNG_EMEM, diag);
    }
    int code = spng_set_chunk_limits(reader->context, PNG_MAX_CHUNK_BYTES, PNG_MAX_CHUNK_BYTES);
    if (code == 0) {
        code = spng_set_png_buffer(reader->context, data, size);
    }
    if (code == 0) {
        code = spng_get_ihdr(reader->context, &reader->header);
    }
    if (code != 0) {
        return spng_context_fail(code, diag);
    }
    return image_check_size(reader->header.width, reader->header.height, max_pixels, diag);
}

static void png_close(png_reader *reader) {
    mem_free(reader->rows);
    spng_ctx_free(reader->context);
}

/* Bytes of a row in the format; the file's own may pack several samples into one. */
static diffcut_status png_row_size(const png_reader *reader, size_t *bytes, diffcut_diagnostics *diag) {
    size_t total;
    int code = spng_decoded_image_size(reader->context, reader->format, &total);
    if (code != 0) {
        return spng_context_fail(code, diag);
    }
    *bytes = total / reader->header.height;
    return DIFFCUT_OK;
}

static diffcut_status png_decode_rows(png_reader *reader, uint8_t *rows, bool whole, png_row_fn take, void *user,
                                      diffcut_diagnostics *diag) {
    int code = 0;
    while (code == 0) {
        struct spng_row_info info;
        code = spng_get_row_info(reader->context, &info);
        if (code != 0) {
            break;
        }
        uint8_t *row = whole ? rows + (size_t)info.row_num * reader->row_bytes : rows;
        code = spng_decode_row(reader->context, row, reader->row_bytes);
        if ((code == 0 || code == SPNG_EOI) && !whole) {
            diffcut_status status = take(user, reader, row, info.row_num, diag);
            if (status != DIFFCUT_OK) {
                return status;
            }
        }
    }
    if (code == SPNG_EOI) {
        code = spng_decode_chunks(reader->context); /* to the end: a file cut after its pixels is cut, too */
    }
    return code != 0 ? spng_context_fail(code, diag) : DIFFCUT_OK;
}

/* Decodes in reader->format and gives every row, from the top, to `take`. */
static diffcut_status png_decode(png_reader *reader, int flags, png_row_fn take, void *user,
                                 diffcut_diagnostics *diag) {
    diffcut_status status = png_row_size(reader, &reader->row_bytes, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    bool whole = reader->header.interlace_method != SPNG_INTERLACE_NONE;
    size_t kept = whole ? reader->header.height : 1;
    reader->rows = mem_array_zero(kept, reader->row_bytes);
    if (reader->rows == NULL) {
        return diag_no_memory(diag, kept * reader->row_bytes, "the PNG's rows");
    }
    int code = spng_decode_image(reader->context, NULL, 0, reader->format, flags | SPNG_DECODE_PROGRESSIVE);
    if (code != 0) {
        return spng_context_fail(code, diag);
    }
    status = png_decode_rows(reader, reader->rows, whole, take, user, diag);
    for (uint32_t y = 0; whole && y < reader->header.height && status == DIFFCUT_OK; y++) {
        status = take(user, reader, reader->rows + y * reader->row_bytes, y, diag);
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------- photos */

/* 16-bit value to the nearest of 8 bits: 65535 / 255 = 257. */
static uint8_t png_to_8_bits(uint32_t value) {
    return (uint8_t)((value + 128) / 257);
}

static uint8_t png_over_white_16(uint32_t value, uint32_t alpha) {
    uint64_t mixed = ((uint64_t)value * alpha + (uint64_t)65535 * (65535 - alpha) + 32767) / 65535;
    return png_to_8_bits((uint32_t)mixed);
}

/* One row of RGB8, RGBA8 or RGBA16 to the image. */
static diffcut_status png_take_rgb(void *user, const png_reader *reader, const uint8_t *row, uint32_t y,
                                   diffcut_diagnostics *diag) {
    (void)diag;
    diffcut_image *image = user;
    size_t width = image->width;
    uint8_t *rgb = image->rgb + y * width * 3;
    if (reader->format == SPNG_FMT_RGB8) {
        memcpy(rgb, row, width * 3);
        return DIFFCUT_OK;
    }
    for (size_t x = 0; x < width; x++) {
        if (reader->format == SPNG_FMT_RGBA8) {
            for (size_t c = 0; c < 3; c++) {
                rgb[x * 3 + c] = image_over_white(row[x * 4 + c], row[x * 4 + 3]);
            }
        } else {
            uint16_t rgba[4];
            memcpy(rgba, row + x * sizeof rgba, sizeof rgba);
            for (size_t c = 0; c < 3; c++) {
                rgb[x * 3 + c] = png_over_white_16(rgba[c], rgba[3]);
            }
        }
    }
    return DIFFCUT_OK;
}

/* Reads on to the pixels to see whether a tRNS chunk makes some of them transparent. */
static diffcut_status png_choose_rgb_format(png_reader *reader, diffcut_diagnostics *diag) {
    struct spng_trns transparency;
    int code = spng_get_trns(reader->context, &transparency);
    if (code != 0 && code != SPNG_ECHUNKAVAIL) {
        return spng_context_fail(code, diag);
    }
    bool has_alpha = code == 0 || reader->header.color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA ||
                     reader->header.color_type == SPNG_COLOR_TYPE_TRUECOLOR_ALPHA;
    reader->format = reader->header.bit_depth == 16 ? SPNG_FMT_RGBA16 : has_alpha ? SPNG_FMT_RGBA8 : SPNG_FMT_RGB8;
    return DIFFCUT_OK;
}

diffcut_status image_decode_png(const uint8_t *data, size_t size, uint64_t max_pixels, diffcut_image *out,
                                int *orientation, diffcut_diagnostics *diag) {
    png_reader reader;
    diffcut_image image = {0};
    diffcut_status status = png_open(data, size, max_pixels, &reader, diag);
    if (status != DIFFCUT_OK) {
        goto cleanup;
    }
    status = png_choose_rgb_format(&reader, diag);
    if (status != DIFFCUT_OK) {
        goto cleanup;
    }
    status = image_allocate(reader.header.width, reader.header.height, &image, diag);
    if (status != DIFFCUT_OK) {
        goto cleanup;
    }
    status = png_decode(&reader, SPNG_DECODE_TRNS, png_take_rgb, &image, diag);
    if (status != DIFFCUT_OK) {
        goto cleanup;
    }
    struct spng_exif exif;
    if (spng_get_exif(reader.context, &exif) == 0) {
        *orientation = exif_orientation((const uint8_t *)exif.data, exif.length);
    }
    *out = image;
    image = (diffcut_image){0};
cleanup:
    diffcut_image_free(&image);
    png_close(&reader);
    return status;
}

/* ------------------------------------------------------------------------------------------------- labels */

typedef struct png_labels {
    uint32_t *data;
    uint32_t width;
    uint32_t largest;
} png_labels;

/* One row of stored samples, 1 .. 16 bits each, the first in the high bits of a byte. */
static diffcut_status png_take_labels(void *user, const png_reader *reader, const uint8_t *row, uint32_t y,
                                      diffcut_diagnostics *diag) {
    (void)diag;
    png_labels *labels = user;
    uint32_t *to = labels->data + (size_t)y * labels->width;
    uint32_t depth = reader->header.bit_depth;
    for (uint32_t x = 0; x < labels->width; x++) {
        if (depth == 16) {
            uint16_t value;
            memcpy(&value, row + (size_t)x * 2, sizeof value);
            to[x] = value;
        } else {
            size_t bit = (size_t)x * depth;
            uint32_t shift = 8 - depth - (uint32_t)(bit % 8);
            to[x] = ((uint32_t)row[bit / 8] >> shift) & ((1U << depth) - 1);
        }
        labels->largest = to[x] > labels->largest ? to[x] : labels->largest;
    }
    return DIFFCUT_OK;
}

/* A shorter file is told by the decoder to be truncated: only bytes that are there can be wrong. */
static bool png_begins(const uint8_t *data, size_t size) {
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    return memcmp(data, signature, size < sizeof signature ? size : sizeof signature) == 0;
}

static diffcut_status png_decode_labels(const uint8_t *data, size_t size, uint64_t max_pixels, diffcut_labels *out,
                                        diffcut_diagnostics *diag) {
    if (size == 0) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "the file is empty");
    }
    if (!png_begins(data, size)) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "not a PNG image; a label map is a palette or grey one");
    }
    png_reader reader;
    png_labels labels = {0};
    diffcut_status status = png_open(data, size, max_pixels, &reader, diag);
    if (status != DIFFCUT_OK) {
        goto cleanup;
    }
    if (reader.header.color_type != SPNG_COLOR_TYPE_INDEXED &&
        reader.header.color_type != SPNG_COLOR_TYPE_GRAYSCALE) {
        status = diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                           "a colour or transparent PNG; a label map is a palette or grey one");
        goto cleanup;
    }
    size_t pixels = (size_t)reader.header.width * reader.header.height;
    labels = (png_labels){.data = mem_array(pixels, sizeof(uint32_t)), .width = reader.header.width};
    if (labels.data == NULL) {
        status = diag_no_memory(diag, pixels * sizeof(uint32_t), "the label map");
        goto cleanup;
    }
    reader.format = SPNG_FMT_PNG;
    status = png_decode(&reader, 0, png_take_labels, &labels, diag);
    if (status != DIFFCUT_OK) {
        goto cleanup;
    }
    *out = (diffcut_labels){.width = reader.header.width,
                            .height = reader.header.height,
                            .count = labels.largest + 1,
                            .data = labels.data};
    labels.data = NULL;
cleanup:
    mem_free(labels.data);
    png_close(&reader);
    return status;
}

diffcut_status diffcut_decode_labels(const void *data, size_t size, const char *name,
                                     const diffcut_decode_limits *limits, diffcut_labels *out,
                                     diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if ((data == NULL && size > 0) || out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_decode_labels: data or out is NULL");
    }
    diffcut_decode_limits defaults;
    diffcut_decode_limits_init(&defaults);
    diffcut_status status =
        png_decode_labels(data, size, limits != NULL ? limits->max_pixels : defaults.max_pixels, out, diag);
    return status != DIFFCUT_OK && name != NULL ? diag_prefix(diag, status, name) : status;
}

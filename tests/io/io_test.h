/*
 * io_test.h - what the tests of io/ share: checks of status and message, and makers of image files. The makers use
 * the same libraries as the decoders do, or, for PNG, none at all, so that every kind and every fault can be made.
 */
#ifndef DIFFCUT_TESTS_IO_TEST_H
#define DIFFCUT_TESTS_IO_TEST_H

#include "test.h"

#include "diffcut/diffcut.h"

/* Fails with the message when status is not DIFFCUT_OK, or when a message was left after success. */
#define assert_ok(status, diag) check_ok((status), &(diag), __FILE__, __LINE__)
/* Fails unless status is the wanted one and the message contains `part`. */
#define assert_fails(status, diag, wanted, part) check_fails((status), &(diag), (wanted), (part), __FILE__, __LINE__)

void check_ok(diffcut_status status, const diffcut_diagnostics *diag, const char *file, int line);
void check_fails(diffcut_status status, const diffcut_diagnostics *diag, diffcut_status wanted, const char *part,
                 const char *file, int line);

/* ------------------------------------------------------------------------------------------------- PNG
 * Uncompressed, with every sample png_sample(x, y, channel, depth). */

enum { PNG_GREY = 0, PNG_RGB = 2, PNG_PALETTE = 3, PNG_GREY_ALPHA = 4, PNG_RGB_ALPHA = 6 };

typedef struct png_recipe {
    uint32_t width, height;
    int color_type, depth;
    bool interlaced;
    const uint8_t *palette; /* (palette_size, 3) */
    size_t palette_size;
    const uint8_t *transparency; /* the tRNS chunk's bytes */
    size_t transparency_size;
    const uint8_t *exif;
    size_t exif_size;
} png_recipe;

uint32_t png_channels(int color_type);
/* Varies over the picture and takes every value of the depth; palettes need all 2^depth colours. */
uint32_t png_sample(uint32_t x, uint32_t y, uint32_t channel, int depth);
diffcut_buffer make_png(const png_recipe *recipe);
/* Offset of a chunk's type, e.g. "IDAT". */
size_t find_chunk(const diffcut_buffer *png, const char *type);
/* Writes the chunk's CRC anew, after a test has changed the chunk. */
void repair_crc(const diffcut_buffer *png, size_t type_offset);

/* ------------------------------------------------------------------------------------------------- JPEG */

typedef struct jpeg_recipe {
    uint32_t width, height;
    int channels; /* 1 grey, 3 RGB, 4 CMYK */
    bool ycck;    /* CMYK stored as YCCK */
    bool adobe;   /* CMYK with an Adobe marker; the maker then stores what it is given, which is the inverse */
    bool progressive;
    bool arithmetic;
    const uint8_t *exif; /* goes into an APP1 marker */
    size_t exif_size;
} jpeg_recipe;

/* pixels: (height, width, channels). Quality 100, no chroma subsampling. */
diffcut_buffer make_jpeg(const jpeg_recipe *recipe, const uint8_t *pixels);

/* ------------------------------------------------------------------------------------------------- WebP */

/* Lossless; rgba: (height, width, 4). */
diffcut_buffer make_webp(uint32_t width, uint32_t height, const uint8_t *rgba);
/* The same picture in an extended container with the flags (0x02 animation, 0x08 EXIF) and an EXIF chunk. */
diffcut_buffer make_extended_webp(const diffcut_buffer *simple, uint32_t width, uint32_t height, uint8_t flags,
                                  const uint8_t *exif, size_t exif_size);

/* ------------------------------------------------------------------------------------------------- EXIF */

#define EXIF_BLOCK_SIZE 32
/* "Exif\0\0" and a TIFF directory with the orientation alone. */
void make_exif(uint8_t block[EXIF_BLOCK_SIZE], int orientation, bool big_endian);

/* A smooth picture, (height, width, channels), that survives JPEG: a ramp to the right, one down, one of both. */
uint8_t *make_ramps(uint32_t width, uint32_t height, int channels);

/* Decodes with the default limits under the name "photo". */
diffcut_image decode(const diffcut_buffer *file);

#endif

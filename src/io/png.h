/*
 * png.h - PNG through libspng, row by row: the writer of every PNG output. The reading side is image_decode_png
 * (image.h) and diffcut_decode_labels. Called by palette.c and overlay.c.
 */
#ifndef DIFFCUT_IO_PNG_H
#define DIFFCUT_IO_PNG_H

#include "core/status.h"
#include "io/bytes.h"

typedef enum image_png_kind {
    IMAGE_PNG_PALETTE, /* 8-bit indices */
    IMAGE_PNG_GREY16,  /* uint16_t in the machine's byte order */
    IMAGE_PNG_RGB      /* 8-bit */
} image_png_kind;

/* Gives row y in the kind's samples. The pointer is valid until the next call. */
typedef const void *(*image_png_row_fn)(void *context, uint32_t y);

/* The picture whose rows `row` gives. palette: (palette_size, 3), 1 .. 256 colours, for IMAGE_PNG_PALETTE; else NULL.
 */
diffcut_status image_encode_png(image_png_kind kind, uint32_t width, uint32_t height, const uint8_t *palette,
                                size_t palette_size, image_png_row_fn row, void *context, diffcut_buffer *out,
                                diffcut_diagnostics *diag);

#endif

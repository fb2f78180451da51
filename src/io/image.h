/*
 * image.h - what the image decoders share: the check of a header against the limits, pixel memory, orientation.
 *
 * image.c tells the kind of a file and calls one of the decoders below; each is the only door to its library.
 */
#ifndef DIFFCUT_IO_IMAGE_H
#define DIFFCUT_IO_IMAGE_H

#include "core/status.h"

/* DIFFCUT_ERROR_LIMIT when width * height is over max_pixels, DIFFCUT_ERROR_FORMAT when either is 0. To be called
 * with what the header says, before any memory of that size is taken. */
diffcut_status image_check_size(uint32_t width, uint32_t height, uint64_t max_pixels, diffcut_diagnostics *diag);

/* Uninitialised pixels of a checked size. */
diffcut_status image_allocate(uint32_t width, uint32_t height, diffcut_image *out, diffcut_diagnostics *diag);

/* Turns the photo the right way up: orientation 1 .. 8 as EXIF numbers them; 5 .. 8 swap width and height. */
diffcut_status image_orient(diffcut_image *image, int orientation, diffcut_diagnostics *diag);

/* value with opacity alpha over white, all 0 .. 255, rounded. */
static inline uint8_t image_over_white(uint32_t value, uint32_t alpha) {
    return (uint8_t)((value * alpha + 255 * (255 - alpha) + 127) / 255);
}

/* The decoders. Messages do not name the file; image.c adds that. *orientation is the file's, 1 where it has none. */
diffcut_status image_decode_jpeg(const uint8_t *data, size_t size, uint64_t max_pixels, diffcut_image *out,
                                 int *orientation, diffcut_diagnostics *diag);
diffcut_status image_decode_png(const uint8_t *data, size_t size, uint64_t max_pixels, diffcut_image *out,
                                int *orientation, diffcut_diagnostics *diag);
diffcut_status image_decode_webp(const uint8_t *data, size_t size, uint64_t max_pixels, diffcut_image *out,
                                 int *orientation, diffcut_diagnostics *diag);

#endif

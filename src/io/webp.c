/*
 * webp.c - still WebP to RGB through libwebp (container: the "WebP Container Specification", RIFF chunks).
 * Called by image.c.
 */
#include <string.h>

#include <webp/decode.h>

#include "core/memory.h"
#include "io/exif.h"
#include "io/image.h"

#define RIFF_HEADER_SIZE 12 /* "RIFF", size, "WEBP" */
#define RIFF_CHUNK_HEADER_SIZE 8

static uint32_t riff_u32(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Walks the chunks to EXIF; a damaged list means no orientation. Chunks are padded to even sizes. */
static int webp_orientation(const uint8_t *data, size_t size) {
    size_t at = RIFF_HEADER_SIZE;
    while (at < size && size - at >= RIFF_CHUNK_HEADER_SIZE) {
        size_t length = riff_u32(data + at + 4);
        size_t left = size - at - RIFF_CHUNK_HEADER_SIZE;
        if (length > left) {
            break;
        }
        if (memcmp(data + at, "EXIF", 4) == 0) {
            return exif_orientation(data + at + RIFF_CHUNK_HEADER_SIZE, length);
        }
        at += RIFF_CHUNK_HEADER_SIZE + length + (length & 1);
    }
    return EXIF_ORIENTATION_NORMAL;
}

static diffcut_status webp_fail(VP8StatusCode code, diffcut_diagnostics *diag) {
    switch (code) {
    case VP8_STATUS_OUT_OF_MEMORY:
        return diag_fail(diag, DIFFCUT_ERROR_MEMORY, "no memory to decode the WebP");
    case VP8_STATUS_SUSPENDED:
    case VP8_STATUS_NOT_ENOUGH_DATA:
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "truncated WebP: the file ends too soon");
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "a kind of WebP that is not supported");
    default:
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "corrupt WebP");
    }
}

/* Into pixels of `channels` (3: RGB, 4: RGBA, not premultiplied), which the caller owns. */
static VP8StatusCode webp_decode_into(const uint8_t *data, size_t size, uint32_t width, uint32_t height,
                                      size_t channels, uint8_t *pixels) {
    WebPDecoderConfig config;
    if (WebPInitDecoderConfig(&config) == 0) {
        return VP8_STATUS_INVALID_PARAM;
    }
    config.output.colorspace = channels == 4 ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = pixels;
    config.output.u.RGBA.stride = (int)(width * channels);
    config.output.u.RGBA.size = (size_t)width * height * channels;
    return WebPDecode(data, size, &config);
}

static diffcut_status webp_decode_pixels(const uint8_t *data, size_t size, bool has_alpha, const diffcut_image *image,
                                         diffcut_diagnostics *diag) {
    size_t pixels = (size_t)image->width * image->height;
    if (!has_alpha) {
        VP8StatusCode code = webp_decode_into(data, size, image->width, image->height, 3, image->rgb);
        return code == VP8_STATUS_OK ? DIFFCUT_OK : webp_fail(code, diag);
    }
    uint8_t *rgba = mem_array(pixels, 4);
    if (rgba == NULL) {
        return diag_no_memory(diag, pixels * 4, "the WebP's pixels with alpha");
    }
    VP8StatusCode code = webp_decode_into(data, size, image->width, image->height, 4, rgba);
    for (size_t i = 0; code == VP8_STATUS_OK && i < pixels; i++) {
        for (size_t c = 0; c < 3; c++) {
            image->rgb[i * 3 + c] = image_over_white(rgba[i * 4 + c], rgba[i * 4 + 3]);
        }
    }
    mem_free(rgba);
    return code == VP8_STATUS_OK ? DIFFCUT_OK : webp_fail(code, diag);
}

diffcut_status image_decode_webp(const uint8_t *data, size_t size, uint64_t max_pixels, diffcut_image *out,
                                 int *orientation, diffcut_diagnostics *diag) {
    WebPBitstreamFeatures features;
    VP8StatusCode code = WebPGetFeatures(data, size, &features);
    if (code != VP8_STATUS_OK) {
        return webp_fail(code, diag);
    }
    if (features.has_animation != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "an animated WebP; only still images are read");
    }
    uint32_t width = (uint32_t)features.width;
    uint32_t height = (uint32_t)features.height;
    diffcut_status status = image_check_size(width, height, max_pixels, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    diffcut_image image;
    status = image_allocate(width, height, &image, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    status = webp_decode_pixels(data, size, features.has_alpha != 0, &image, diag);
    if (status != DIFFCUT_OK) {
        diffcut_image_free(&image);
        return status;
    }
    *out = image;
    *orientation = webp_orientation(data, size);
    return DIFFCUT_OK;
}

/*
 * image.c - photos in memory: diffcut_image_create and _free, diffcut_decode_image. See image.h.
 */
#include "io/image.h"

#include <inttypes.h>
#include <string.h>

#include "core/memory.h"
#include "io/entry.h"
#include "io/exif.h"

#define IMAGE_DEFAULT_MAX_PIXELS ((uint64_t)1 << 28)
#define IMAGE_TILE 32 /* pixels: a turned tile's reads and writes both stay in the first-level cache */

void diffcut_decode_limits_init(diffcut_decode_limits *limits) {
    if (limits != NULL) {
        *limits = (diffcut_decode_limits){.max_pixels = IMAGE_DEFAULT_MAX_PIXELS};
    }
}

diffcut_status image_check_size(uint32_t width, uint32_t height, uint64_t max_pixels, diffcut_diagnostics *diag) {
    if (width == 0 || height == 0) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "the image is %" PRIu32 "x%" PRIu32 " pixels", width, height);
    }
    uint64_t pixels = (uint64_t)width * height;
    if (pixels > max_pixels) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT,
                         "%" PRIu32 "x%" PRIu32 " is %" PRIu64 " pixels, over the limit of %" PRIu64
                         " pixels (max_pixels)",
                         width, height, pixels, max_pixels);
    }
    return DIFFCUT_OK;
}

diffcut_status image_allocate(uint32_t width, uint32_t height, diffcut_image *out, diffcut_diagnostics *diag) {
    size_t pixels;
    uint8_t *rgb = mem_mul(width, height, &pixels) ? mem_array(pixels, 3) : NULL;
    if (rgb == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_MEMORY, "no memory for %" PRIu32 "x%" PRIu32 " pixels", width, height);
    }
    *out = (diffcut_image){.width = width, .height = height, .rgb = rgb};
    return DIFFCUT_OK;
}

diffcut_status diffcut_image_create(uint32_t width, uint32_t height, const uint8_t *rgb, diffcut_image *out,
                                    diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (rgb == NULL || out == NULL || width == 0 || height == 0) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "diffcut_image_create: rgb or out is NULL, or %" PRIu32 "x%" PRIu32 " is no size", width,
                         height);
    }
    diffcut_status status = image_allocate(width, height, out, diag);
    if (status == DIFFCUT_OK) {
        memcpy(out->rgb, rgb, (size_t)width * height * 3);
    }
    return status;
}

void diffcut_image_free(diffcut_image *image) {
    if (image != NULL) {
        mem_free(image->rgb);
        *image = (diffcut_image){0};
    }
}

/* ------------------------------------------------------------------------------------------------- orientation */

/* Where pixel (x, y) of a stored image goes in the upright one: origin + x * per_x + y * per_y, in pixels. */
typedef struct placement {
    ptrdiff_t origin, per_x, per_y;
} placement;

/* EXIF's eight cases: what the 0th row and the 0th column of the stored image are in the upright one of w x h. */
static placement orientation_placement(int orientation, ptrdiff_t w, ptrdiff_t h) {
    switch (orientation) {
    case 2: /* top, right: mirrored */
        return (placement){w - 1, -1, w};
    case 3: /* bottom, right: turned by 180 degrees */
        return (placement){w * h - 1, -1, -w};
    case 4: /* bottom, left: upside down mirrored */
        return (placement){(h - 1) * w, 1, -w};
    case 5: /* left, top: transposed */
        return (placement){0, w, 1};
    case 6: /* right, top: to be turned clockwise */
        return (placement){w - 1, w, -1};
    case 7: /* right, bottom: transposed over the other diagonal */
        return (placement){w * h - 1, -w, -1};
    case 8: /* left, bottom: to be turned anticlockwise */
        return (placement){(h - 1) * w, -w, 1};
    default: /* 1: top, left */
        return (placement){0, 1, w};
    }
}

static void orient_tile(const diffcut_image *from, uint32_t left, uint32_t top, placement place, uint8_t *to) {
    uint32_t right = from->width - left < IMAGE_TILE ? from->width : left + IMAGE_TILE;
    uint32_t bottom = from->height - top < IMAGE_TILE ? from->height : top + IMAGE_TILE;
    for (uint32_t y = top; y < bottom; y++) {
        const uint8_t *source = from->rgb + ((size_t)y * from->width + left) * 3;
        ptrdiff_t at = place.origin + (ptrdiff_t)y * place.per_y + (ptrdiff_t)left * place.per_x;
        for (uint32_t x = left; x < right; x++, source += 3, at += place.per_x) {
            memcpy(to + at * 3, source, 3);
        }
    }
}

diffcut_status image_orient(diffcut_image *image, int orientation, diffcut_diagnostics *diag) {
    if (orientation <= EXIF_ORIENTATION_NORMAL || orientation > 8) {
        return DIFFCUT_OK;
    }
    bool swapped = orientation >= 5;
    diffcut_image upright;
    diffcut_status status = image_allocate(swapped ? image->height : image->width,
                                           swapped ? image->width : image->height, &upright, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    placement place = orientation_placement(orientation, upright.width, upright.height);
    for (uint32_t top = 0; top < image->height; top += IMAGE_TILE) {
        for (uint32_t left = 0; left < image->width; left += IMAGE_TILE) {
            orient_tile(image, left, top, place, upright.rgb);
        }
    }
    diffcut_image_free(image);
    *image = upright;
    return DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- decoding */

typedef diffcut_status (*image_decoder)(const uint8_t *data, size_t size, uint64_t max_pixels, diffcut_image *out,
                                        int *orientation, diffcut_diagnostics *diag);

/* The first bytes of a kind of file. decode is NULL for kinds that are known by name only, so that the message can
 * say what the file is. */
typedef struct image_kind {
    const char *name;
    const char *magic;
    size_t offset, length;
    const char *second; /* further bytes at second_offset; NULL: none */
    size_t second_offset, second_length;
    image_decoder decode;
} image_kind;

static const image_kind image_kinds[] = {
    {"a JPEG", "\xFF\xD8\xFF", 0, 3, NULL, 0, 0, image_decode_jpeg},
    {"a PNG", "\x89PNG\r\n\x1A\n", 0, 8, NULL, 0, 0, image_decode_png},
    {"a WebP", "RIFF", 0, 4, "WEBP", 8, 4, image_decode_webp},
    {"a GIF", "GIF8", 0, 4, NULL, 0, 0, NULL},
    {"a TIFF", "II*\0", 0, 4, NULL, 0, 0, NULL},
    {"a TIFF", "MM\0*", 0, 4, NULL, 0, 0, NULL},
    {"an AVIF", "ftypavif", 4, 8, NULL, 0, 0, NULL},
    {"a HEIF", "ftyphei", 4, 7, NULL, 0, 0, NULL},
    {"a HEIF", "ftypmif1", 4, 8, NULL, 0, 0, NULL},
    {"a JPEG XL", "\0\0\0\x0CJXL ", 0, 8, NULL, 0, 0, NULL},
    {"a JPEG XL", "\xFF\x0A", 0, 2, NULL, 0, 0, NULL},
    {"a JPEG 2000", "\0\0\0\x0CjP  ", 0, 8, NULL, 0, 0, NULL},
};

static bool bytes_at(const uint8_t *data, size_t size, const char *wanted, size_t offset, size_t length) {
    return size >= offset + length && memcmp(data + offset, wanted, length) == 0;
}

static const image_kind *image_find_kind(const uint8_t *data, size_t size) {
    for (size_t i = 0; i < sizeof image_kinds / sizeof image_kinds[0]; i++) {
        const image_kind *kind = &image_kinds[i];
        if (bytes_at(data, size, kind->magic, kind->offset, kind->length) &&
            (kind->second == NULL || bytes_at(data, size, kind->second, kind->second_offset, kind->second_length))) {
            return kind;
        }
    }
    return NULL;
}

static diffcut_status image_decode_any(const uint8_t *data, size_t size, uint64_t max_pixels, diffcut_image *out,
                                       diffcut_diagnostics *diag) {
    if (size == 0) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "the file is empty");
    }
    const image_kind *kind = image_find_kind(data, size);
    if (kind == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "not a JPEG, PNG or WebP image");
    }
    if (kind->decode == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "%s image; JPEG, PNG and WebP are read", kind->name);
    }
    diffcut_image image;
    int orientation = EXIF_ORIENTATION_NORMAL;
    diffcut_status status = kind->decode(data, size, max_pixels, &image, &orientation, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    status = image_orient(&image, orientation, diag);
    if (status != DIFFCUT_OK) {
        diffcut_image_free(&image);
        return status;
    }
    *out = image;
    return DIFFCUT_OK;
}

diffcut_status diffcut_decode_image(const void *data, size_t size, const char *name,
                                    const diffcut_decode_limits *limits, diffcut_image *out,
                                    diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if ((data == NULL && size > 0) || out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_decode_image: data or out is NULL");
    }
    uint64_t max_pixels = limits != NULL ? limits->max_pixels : IMAGE_DEFAULT_MAX_PIXELS;
    diffcut_status status = image_decode_any(data, size, max_pixels, out, diag);
    return status != DIFFCUT_OK && name != NULL ? diag_prefix(diag, status, name) : status;
}

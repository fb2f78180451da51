/*
 * exif.c - see exif.h. The block is a TIFF file (TIFF 6.0, section 2): byte order, the number 42, the offset of the
 * first directory; a directory is a count and entries of 12 bytes: tag, type, count, value.
 */
#include "io/exif.h"

#include <stdbool.h>
#include <string.h>

#define TIFF_TAG_ORIENTATION 0x0112
#define TIFF_TYPE_SHORT 3
#define TIFF_TYPE_LONG 4
#define TIFF_HEADER_SIZE 8
#define TIFF_ENTRY_SIZE 12

typedef struct tiff {
    const uint8_t *data;
    size_t size;
    bool big_endian;
} tiff;

/* The caller has checked that at + 2, or at + 4, is within the block. */
static uint32_t tiff_u16(const tiff *t, size_t at) {
    const uint8_t *p = t->data + at;
    return t->big_endian ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static uint32_t tiff_u32(const tiff *t, size_t at) {
    uint32_t first = tiff_u16(t, at);
    uint32_t second = tiff_u16(t, at + 2);
    return t->big_endian ? first << 16 | second : second << 16 | first;
}

/* The entry's value as an orientation, or 0. A SHORT stands in the first two of the four value bytes. */
static int entry_orientation(const tiff *t, size_t at) {
    uint32_t type = tiff_u16(t, at + 2);
    if (tiff_u16(t, at) != TIFF_TAG_ORIENTATION || tiff_u32(t, at + 4) != 1 ||
        (type != TIFF_TYPE_SHORT && type != TIFF_TYPE_LONG)) {
        return 0;
    }
    uint32_t value = type == TIFF_TYPE_SHORT ? tiff_u16(t, at + 8) : tiff_u32(t, at + 8);
    return value >= 1 && value <= 8 ? (int)value : 0;
}

int exif_orientation(const uint8_t *data, size_t size) {
    static const char prefix[6] = "Exif\0";
    if (size >= sizeof prefix && memcmp(data, prefix, sizeof prefix) == 0) {
        data += sizeof prefix;
        size -= sizeof prefix;
    }
    if (size < TIFF_HEADER_SIZE || (memcmp(data, "II", 2) != 0 && memcmp(data, "MM", 2) != 0)) {
        return EXIF_ORIENTATION_NORMAL;
    }
    tiff t = {.data = data, .size = size, .big_endian = data[0] == 'M'};
    size_t directory = tiff_u32(&t, 4);
    if (tiff_u16(&t, 2) != 42 || directory > size - 2) {
        return EXIF_ORIENTATION_NORMAL;
    }
    size_t entries = tiff_u16(&t, directory);
    size_t at = directory + 2;
    for (size_t i = 0; i < entries && size - at >= TIFF_ENTRY_SIZE; i++, at += TIFF_ENTRY_SIZE) {
        int orientation = entry_orientation(&t, at);
        if (orientation != 0) {
            return orientation;
        }
    }
    return EXIF_ORIENTATION_NORMAL;
}

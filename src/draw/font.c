/* font.c - see font.h. */
#include "draw/font.h"

#include <string.h>

#include "draw/font_data.h"

#define HEADER_BYTES 20
#define RECORD_BYTES 12

static uint32_t read_u16(const uint8_t *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static uint32_t read_u32(const uint8_t *at) {
    return read_u16(at) | read_u16(at + 2) << 16;
}

static double read_i16(const uint8_t *at) {
    return (double)(int16_t)read_u16(at);
}

diffcut_status font_open(font *out, diffcut_diagnostics *diag) {
    const embedded_file *file = &font_files[0];
    if (file->size < HEADER_BYTES || memcmp(file->text, "DCFONT1\n", 8) != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "the built-in font is damaged");
    }
    const size_t count = read_u16(file->text + 10);
    if (count == 0 || file->size - HEADER_BYTES < count * RECORD_BYTES) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "the built-in font is damaged");
    }
    *out = (font){
        .records = file->text + HEADER_BYTES,
        .outlines = file->text + HEADER_BYTES + count * RECORD_BYTES,
        .count = count,
        .outline_bytes = file->size - HEADER_BYTES - count * RECORD_BYTES,
        .em = (double)read_u16(file->text + 8),
        .ascender = read_i16(file->text + 12),
        .descender = read_i16(file->text + 14),
        .cap_height = read_i16(file->text + 16),
    };
    return DIFFCUT_OK;
}

void font_glyph(const font *f, uint32_t code, glyph *out) {
    size_t low = 0;
    size_t high = f->count;
    while (low < high) { /* the first record of this code or a larger one */
        const size_t middle = low + (high - low) / 2;
        if (read_u32(f->records + middle * RECORD_BYTES) < code) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == f->count || read_u32(f->records + low * RECORD_BYTES) != code) {
        low = 0;
    }
    const uint8_t *record = f->records + low * RECORD_BYTES;
    const size_t place = read_u32(record + 4);
    const size_t bytes = read_u16(record + 8);
    const bool inside = place <= f->outline_bytes && bytes <= f->outline_bytes - place;
    *out = (glyph){.steps = f->outlines + (inside ? place : 0),
                   .bytes = inside ? bytes : 0,
                   .advance = (double)read_u16(record + 10)};
}

bool glyph_next(const glyph *g, size_t *at, glyph_step *out) {
    if (*at >= g->bytes) {
        return false;
    }
    const uint8_t *step = g->steps + *at;
    const size_t points = step[0] == GLYPH_CURVE ? 2 : 1;
    const size_t size = 1 + 4 * points;
    if (step[0] > GLYPH_CURVE || g->bytes - *at < size) {
        return false;
    }
    *out = (glyph_step){.kind = (glyph_step_kind)step[0],
                        .control_x = read_i16(step + 1),
                        .control_y = read_i16(step + 3),
                        .x = read_i16(step + size - 4),
                        .y = read_i16(step + size - 2)};
    *at += size;
    return true;
}

/*
 * font.h - the outlines of the font that names are drawn in: fonts/sans.outline, made by tests/tools/make_font.py.
 *
 *   0  "DCFONT1\n"   8  units an em, glyphs: uint16   12  ascender, descender, height of H and of x: int16
 *   20  a record a glyph, by code point: code uint32, place and bytes of its outline uint32 and uint16, advance
 * uint16 then the outlines: steps of one byte for the kind (0 move, 1 line, 2 curve) and 1, 1 or 2 points of int16, y
 * up
 *
 * All little-endian, in font units. Code point 0 is the box for what the font lacks. Called by draw/label.
 */
#ifndef DIFFCUT_DRAW_FONT_H
#define DIFFCUT_DRAW_FONT_H

#include "core/status.h"

typedef struct font {
    const uint8_t *records, *outlines;
    size_t count, outline_bytes;
    double em;                  /* units */
    double ascender, descender; /* units above and, negative, below the baseline */
    double cap_height;          /* of an H */
} font;

/* The embedded font. */
diffcut_status font_open(font *out, diffcut_diagnostics *diag);

typedef struct glyph {
    const uint8_t *steps;
    size_t bytes;
    double advance; /* units to the next glyph */
} glyph;

/* The glyph of a code point, else the box. */
void font_glyph(const font *f, uint32_t code, glyph *out);

/* A step of an outline. */
typedef enum glyph_step_kind { GLYPH_MOVE = 0, GLYPH_LINE = 1, GLYPH_CURVE = 2 } glyph_step_kind;

typedef struct glyph_step {
    glyph_step_kind kind;
    double control_x, control_y; /* of a curve: quadratic */
    double x, y;                 /* where it ends */
} glyph_step;

/* The step at *at, which moves on; false at the end. */
bool glyph_next(const glyph *g, size_t *at, glyph_step *out);

#endif

/*
 * canvas_text.c - text on a picture: UTF-8 to glyphs of the built-in font, one after the other. See canvas.h.
 *
 * No kerning and no shaping: enough for names in Latin, Greek and Cyrillic letters. Letters with separate accents are
 * put together first (NFC).
 */
#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "draw/canvas_internal.h"
#include "nn/unicode.h"

#define REPLACEMENT 0xFFFD /* what the font shows as its box */
#define ELLIPSIS 0x2026

/* The text's code points, normalised; *out is freed with mem_free. */
static diffcut_status decode(const char *text, uint32_t **out, size_t *count, diffcut_diagnostics *diag) {
    const size_t length = strlen(text);
    uint32_t *codes = mem_array(length + 1, sizeof *codes);
    uint32_t *composed = mem_array(length * UNICODE_NFC_GROWTH + 1, sizeof *composed);
    if (codes == NULL || composed == NULL) {
        mem_free(codes);
        mem_free(composed);
        return diag_no_memory(diag, (length + 1) * sizeof *codes, "a text to draw");
    }
    size_t found = 0;
    for (size_t at = 0; at < length;) {
        if (!unicode_decode(text, &at, &codes[found])) {
            codes[found] = REPLACEMENT;
            at++;
        }
        found++;
    }
    *count = unicode_nfc(codes, found, composed);
    *out = composed;
    mem_free(codes);
    return DIFFCUT_OK;
}

static double codes_width(const font *f, const uint32_t *codes, size_t count, double size) {
    double units = 0;
    for (size_t i = 0; i < count; i++) {
        glyph g;
        font_glyph(f, codes[i], &g);
        units += g.advance;
    }
    return units * size / f->em;
}

diffcut_status canvas_text_width(const canvas *c, const char *text, double size, double *width,
                                 diffcut_diagnostics *diag) {
    uint32_t *codes = NULL;
    size_t count = 0;
    const diffcut_status status = decode(text, &codes, &count, diag);
    if (status == DIFFCUT_OK) {
        *width = codes_width(&c->font, codes, count, size);
    }
    mem_free(codes);
    return status;
}

/* From the font's units to the picture: pixels a unit, where the glyph starts, and whether it is turned. */
typedef struct placing {
    double scale, x, y;
    bool upwards;
} placing;

static double place_x(const placing *p, double x, double y) {
    return p->upwards ? p->x - y * p->scale : p->x + x * p->scale;
}

static double place_y(const placing *p, double x, double y) {
    return p->upwards ? p->y - x * p->scale : p->y - y * p->scale;
}

static void add_glyph(raster *r, const glyph *g, const placing *p) {
    glyph_step s;
    for (size_t at = 0; glyph_next(g, &at, &s);) {
        const double x = place_x(p, s.x, s.y);
        const double y = place_y(p, s.x, s.y);
        if (s.kind == GLYPH_MOVE) {
            raster_move(r, x, y);
        } else if (s.kind == GLYPH_LINE) {
            raster_line(r, x, y);
        } else {
            raster_curve(r, place_x(p, s.control_x, s.control_y), place_y(p, s.control_x, s.control_y), x, y);
        }
    }
}

/* A window around a glyph, which may reach over its advance and the font's lines. */
static diffcut_status begin_glyph(canvas *c, const glyph *g, const placing *p, diffcut_diagnostics *diag) {
    double box[4] = {INFINITY, INFINITY, -INFINITY, -INFINITY};
    glyph_step s;
    for (size_t at = 0; glyph_next(g, &at, &s);) {
        const double around[] = {s.x, s.y, s.control_x, s.control_y};
        for (size_t i = 0; i < (s.kind == GLYPH_CURVE ? 4 : 2); i += 2) {
            const double x = place_x(p, around[i], around[i + 1]);
            const double y = place_y(p, around[i], around[i + 1]);
            box[0] = fmin(box[0], x);
            box[1] = fmin(box[1], y);
            box[2] = fmax(box[2], x);
            box[3] = fmax(box[3], y);
        }
    }
    return raster_begin(&c->raster, box[0], box[1], box[2], box[3], diag);
}

static diffcut_status draw(canvas *c, const char *text, placing p, const uint8_t rgb[3], diffcut_diagnostics *diag) {
    uint32_t *codes = NULL;
    size_t count = 0;
    diffcut_status status = decode(text, &codes, &count, diag);
    for (size_t i = 0; i < count && status == DIFFCUT_OK; i++) {
        glyph g;
        font_glyph(&c->font, codes[i], &g);
        if (g.bytes > 0) {
            status = begin_glyph(c, &g, &p, diag);
            if (status == DIFFCUT_OK) {
                add_glyph(&c->raster, &g, &p);
                canvas_fill_raster(c, rgb, 1);
            }
        }
        p.x += p.upwards ? 0 : g.advance * p.scale;
        p.y -= p.upwards ? g.advance * p.scale : 0;
    }
    mem_free(codes);
    return status;
}

diffcut_status canvas_text(canvas *c, const char *text, double x, double y, double size, const uint8_t rgb[3],
                           diffcut_diagnostics *diag) {
    return draw(c, text, (placing){.scale = size / c->font.em, .x = x, .y = y}, rgb, diag);
}

diffcut_status canvas_text_upwards(canvas *c, const char *text, double x, double y, double size, const uint8_t rgb[3],
                                   diffcut_diagnostics *diag) {
    return draw(c, text, (placing){.scale = size / c->font.em, .x = x, .y = y, .upwards = true}, rgb, diag);
}

diffcut_status canvas_fit_text(const canvas *c, const char *text, double size, double most, char **out,
                               diffcut_diagnostics *diag) {
    uint32_t *codes = NULL;
    size_t count = 0;
    diffcut_status status = decode(text, &codes, &count, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    size_t kept = count;
    if (codes_width(&c->font, codes, count, size) > most) {
        const uint32_t ellipsis = ELLIPSIS;
        const double room = most - codes_width(&c->font, &ellipsis, 1, size);
        while (kept > 0 && codes_width(&c->font, codes, kept, size) > room) {
            kept--;
        }
        codes[kept++] = ELLIPSIS; /* decode has left room for one more */
    }
    char *made = mem_array(4 * kept + 1, 1);
    if (made == NULL) {
        mem_free(codes);
        return diag_no_memory(diag, 4 * kept + 1, "a text to draw");
    }
    size_t length = 0;
    for (size_t i = 0; i < kept; i++) {
        length += unicode_encode(codes[i], made + length);
    }
    made[length] = '\0';
    mem_free(codes);
    *out = made;
    return DIFFCUT_OK;
}

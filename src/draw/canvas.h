/*
 * canvas.h - a picture that is drawn on: rectangles, lines and text over 8-bit RGB.
 *
 * Called by draw/named_overlay and draw/roc.
 */
#ifndef DIFFCUT_DRAW_CANVAS_H
#define DIFFCUT_DRAW_CANVAS_H

#include "draw/font.h"
#include "draw/raster.h"

typedef struct canvas {
    uint8_t *rgb; /* (height, width, 3) */
    size_t width, height;
    font font;
    raster raster;
} canvas;

/* White. Frees with canvas_free. */
diffcut_status canvas_create(size_t width, size_t height, canvas *out, diffcut_diagnostics *diag);
void canvas_free(canvas *c);

/* Covers x .. x + width, y .. y + height; corners rounded by radius; what is outside the picture is left out.
 * opacity: 0 .. 1. */
diffcut_status canvas_rectangle(canvas *c, double x, double y, double width, double height, double radius,
                                const uint8_t rgb[3], double opacity, diffcut_diagnostics *diag);

/* A line through points (x, y pairs), `thick` pixels, its joints round. dash: pixels drawn and left out in turn; 0
 * for a whole line. */
diffcut_status canvas_polyline(canvas *c, const double *points, size_t count, double thick, double dash,
                               const uint8_t rgb[3], diffcut_diagnostics *diag);

/* Pixels that a text of this size (pixels an em) takes from left to right. UTF-8; bytes that are none become U+FFFD,
 * whose glyph is the box. */
diffcut_status canvas_text_width(const canvas *c, const char *text, double size, double *width,
                                 diffcut_diagnostics *diag);

/* Draws a text from x on, its baseline at y. */
diffcut_status canvas_text(canvas *c, const char *text, double x, double y, double size, const uint8_t rgb[3],
                           diffcut_diagnostics *diag);

/* The same, turned to read from below upwards: it ends above y, its baseline at x. */
diffcut_status canvas_text_upwards(canvas *c, const char *text, double x, double y, double size, const uint8_t rgb[3],
                                   diffcut_diagnostics *diag);

/* The longest beginning of a text that is no wider than `most` pixels, with an ellipsis where something is left out.
 * The caller frees *out with mem_free. */
diffcut_status canvas_fit_text(const canvas *c, const char *text, double size, double most, char **out,
                               diffcut_diagnostics *diag);

#endif

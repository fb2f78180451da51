/*
 * similarity_heatmap.h - the parts of a heat map: the colour map as a table, and the legend's digits.
 * Called by similarity_heatmap.c.
 */
#ifndef DIFFCUT_EVAL_SIMILARITY_HEATMAP_H
#define DIFFCUT_EVAL_SIMILARITY_HEATMAP_H

#include <stddef.h>
#include <stdint.h>

#define SIMILARITY_COLORS 256

/* rgb: (SIMILARITY_COLORS, 3), the colour map from its low to its high end. */
void similarity_color_table(uint8_t rgb[SIMILARITY_COLORS * 3]);

/* Where something is drawn: 8-bit RGB, rows without padding. */
typedef struct similarity_canvas {
    uint8_t *rgb;
    size_t width, height;
} similarity_canvas;

#define SIMILARITY_DIGIT_WIDTH 5 /* pixels at scale 1; one more between two */
#define SIMILARITY_DIGIT_HEIGHT 7

/* Pixels that a number takes. */
size_t similarity_text_width(const char *number, size_t scale);

/* Draws digits, point and minus; what would lie outside the canvas is left out. */
void similarity_draw_text(similarity_canvas *canvas, const char *number, size_t x, size_t y, size_t scale,
                          const uint8_t rgb[3]);

#endif

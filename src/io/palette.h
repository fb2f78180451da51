/*
 * palette.h - the colours of many labels at once, and a colour by how it looks. Called by palette.c (label PNG),
 * overlay.c and eval/similarity_colormap.c.
 */
#ifndef DIFFCUT_IO_PALETTE_H
#define DIFFCUT_IO_PALETTE_H

#include "core/status.h"

/* rgb: (count, 3), the colours of labels 0 .. count-1; NULL when there is no memory. Freed by mem_free. */
uint8_t *palette_colors(uint32_t count, diffcut_diagnostics *diag);

/* The sRGB colour of an OKLCH one: lightness above 0 and below 1, hue in full turns; with less chroma where the
 * screen cannot show that much. */
void palette_oklch(double lightness, double chroma, double turn, uint8_t rgb[3]);

#endif

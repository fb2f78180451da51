/*
 * canvas_internal.h - what canvas.c and canvas_text.c share.
 */
#ifndef DIFFCUT_DRAW_CANVAS_INTERNAL_H
#define DIFFCUT_DRAW_CANVAS_INTERNAL_H

#include "draw/canvas.h"

/* Lays a colour over the picture where the raster's outline covers it. */
void canvas_fill_raster(canvas *c, const uint8_t rgb[3], double opacity);

#endif

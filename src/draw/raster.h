/*
 * raster.h - how much of each pixel a filled outline covers.
 *
 * Every edge adds the area to its right, with a sign, to the pixels that it crosses; summed along a row that is the
 * share of each pixel inside. Exact for straight edges, and its cost follows the outline's length, not its area.
 * Contours that overlap must run the same way round. Called by draw/canvas and draw/label.
 */
#ifndef DIFFCUT_DRAW_RASTER_H
#define DIFFCUT_DRAW_RASTER_H

#include "core/status.h"

/* A window of pixels in which an outline is drawn: it must hold all of it. */
typedef struct raster {
    float *area; /* (height, width + 1): an edge at the right border adds to the last column */
    size_t width, height;
    size_t room;             /* floats at area */
    double left, top;        /* of the window, in the picture */
    double x, y;             /* where the pen is, in the window */
    double start_x, start_y; /* of the contour */
} raster;

/* Empties the window and places it over left .. right, top .. bottom of the picture. */
diffcut_status raster_begin(raster *r, double left, double top, double right, double bottom,
                            diffcut_diagnostics *diag);
/* In the picture's coordinates, y down. raster_move closes the contour before. */
void raster_move(raster *r, double x, double y);
void raster_line(raster *r, double x, double y);
/* A quadratic curve. */
void raster_curve(raster *r, double control_x, double control_y, double x, double y);
/* Closes the last contour; afterwards cover of (x, y) of the window, 0 .. 1, comes from raster_row. */
void raster_end(raster *r);
/* Turns row y into cover, once; width floats. */
const float *raster_row(raster *r, size_t y);
void raster_free(raster *r);

#endif

/*
 * canvas.c - shapes on a picture: see canvas.h. Text is in canvas_text.c.
 */
#include "draw/canvas.h"

#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "draw/canvas_internal.h"

#define QUARTER 1.5707963267948966

diffcut_status canvas_create(size_t width, size_t height, canvas *out, diffcut_diagnostics *diag) {
    canvas made = {.width = width, .height = height};
    size_t pixels = 0;
    const bool fits = mem_mul(width, height, &pixels);
    made.rgb = fits ? mem_array(pixels, 3) : NULL;
    if (made.rgb == NULL) {
        return diag_no_memory(diag, fits ? pixels * 3 : SIZE_MAX, "a drawing");
    }
    memset(made.rgb, 0xFF, pixels * 3);
    const diffcut_status status = font_open(&made.font, diag);
    if (status != DIFFCUT_OK) {
        mem_free(made.rgb);
        return status;
    }
    *out = made;
    return DIFFCUT_OK;
}

void canvas_free(canvas *c) {
    mem_free(c->rgb);
    raster_free(&c->raster);
    *c = (canvas){0};
}

void canvas_fill_raster(canvas *c, const uint8_t rgb[3], double opacity) {
    raster *r = &c->raster;
    raster_end(r);
    for (size_t y = 0; y < r->height; y++) {
        const double picture_y = r->top + (double)y;
        if (picture_y < 0 || picture_y >= (double)c->height) {
            continue;
        }
        const float *cover = raster_row(r, y);
        uint8_t *row = c->rgb + (size_t)picture_y * c->width * 3;
        for (size_t x = 0; x < r->width; x++) {
            const double picture_x = r->left + (double)x;
            const double share = (double)cover[x] * opacity;
            if (share <= 0 || picture_x < 0 || picture_x >= (double)c->width) {
                continue;
            }
            uint8_t *pixel = row + (size_t)picture_x * 3;
            for (size_t k = 0; k < 3; k++) {
                pixel[k] = (uint8_t)lround(pixel[k] + (rgb[k] - pixel[k]) * share);
            }
        }
    }
}

/* A quarter of a circle as two curves would be, in straight pieces: from the angle on, clockwise as seen. */
static void corner(raster *r, double x, double y, double radius, double angle) {
    const double pieces = ceil(radius / 2) + 1;
    for (double i = 0; i <= pieces; i++) {
        const double turn = angle + QUARTER * i / pieces;
        raster_line(r, x + radius * cos(turn), y + radius * sin(turn));
    }
}

diffcut_status canvas_rectangle(canvas *c, double x, double y, double width, double height, double radius,
                                const uint8_t rgb[3], double opacity, diffcut_diagnostics *diag) {
    const diffcut_status status = raster_begin(&c->raster, x, y, x + width, y + height, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    raster *r = &c->raster;
    radius = fmin(radius, fmin(width, height) / 2);
    raster_move(r, x, y + radius);
    corner(r, x + radius, y + radius, radius, 2 * QUARTER);
    corner(r, x + width - radius, y + radius, radius, 3 * QUARTER);
    corner(r, x + width - radius, y + height - radius, radius, 0);
    corner(r, x + radius, y + height - radius, radius, QUARTER);
    canvas_fill_raster(c, rgb, opacity);
    return DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- lines */

/* All outlines of a line run clockwise, so that where they overlap they add up to cover, not to a hole. */
static void add_disc(raster *r, double x, double y, double radius) {
    const double pieces = ceil(radius * 2) + 8;
    raster_move(r, x + radius, y);
    for (double i = 1; i < pieces; i++) {
        const double turn = 4 * QUARTER * i / pieces;
        raster_line(r, x + radius * cos(turn), y + radius * sin(turn));
    }
}

static void add_piece(raster *r, double x1, double y1, double x2, double y2, double half) {
    const double length = hypot(x2 - x1, y2 - y1);
    if (length == 0) {
        return;
    }
    const double side_x = -(y2 - y1) / length * half;
    const double side_y = (x2 - x1) / length * half;
    raster_move(r, x1 - side_x, y1 - side_y);
    raster_line(r, x2 - side_x, y2 - side_y);
    raster_line(r, x2 + side_x, y2 + side_y);
    raster_line(r, x1 + side_x, y1 + side_y);
}

/* One piece of the line in its dashes; *along is how far the line has come. */
static void add_dashes(raster *r, const double *from, double half, double dash, double *along) {
    const double length = hypot(from[2] - from[0], from[3] - from[1]);
    double at = 0;
    while (at < length) {
        const double phase = fmod(*along + at, 2 * dash);
        const double end = fmin(length, at + (phase < dash ? dash - phase : 2 * dash - phase) + 1e-9);
        if (phase < dash) {
            const double a = at / length;
            const double b = end / length;
            add_piece(r, from[0] + (from[2] - from[0]) * a, from[1] + (from[3] - from[1]) * a,
                      from[0] + (from[2] - from[0]) * b, from[1] + (from[3] - from[1]) * b, half);
        }
        at = end;
    }
    *along += length;
}

diffcut_status canvas_polyline(canvas *c, const double *points, size_t count, double thick, double dash,
                               const uint8_t rgb[3], diffcut_diagnostics *diag) {
    double box[4] = {INFINITY, INFINITY, -INFINITY, -INFINITY};
    const double half = thick / 2;
    if (count < 2) {
        return DIFFCUT_OK;
    }
    for (size_t i = 0; i < count; i++) {
        box[0] = fmin(box[0], points[2 * i]);
        box[1] = fmin(box[1], points[2 * i + 1]);
        box[2] = fmax(box[2], points[2 * i]);
        box[3] = fmax(box[3], points[2 * i + 1]);
    }
    const diffcut_status status =
        raster_begin(&c->raster, box[0] - half - 1, box[1] - half - 1, box[2] + half + 1, box[3] + half + 1, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    double along = 0;
    for (size_t i = 0; i + 1 < count; i++) {
        const double *from = points + 2 * i;
        if (dash > 0) {
            add_dashes(&c->raster, from, half, dash, &along);
        } else {
            add_piece(&c->raster, from[0], from[1], from[2], from[3], half);
        }
        if (i > 0 && dash <= 0) {
            add_disc(&c->raster, from[0], from[1], half);
        }
    }
    canvas_fill_raster(c, rgb, 1);
    return DIFFCUT_OK;
}

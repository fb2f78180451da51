/* raster.c - see raster.h. */
#include "draw/raster.h"

#include <math.h>
#include <string.h>

#include "core/memory.h"

#define MAX_SIDE 65536.0  /* pixels of a window: far beyond any picture's text */
#define CURVE_PIXELS 4.0  /* of a curve for each straight piece of it */
#define CURVE_PIECES 64.0 /* at most */

diffcut_status raster_begin(raster *r, double left, double top, double right, double bottom,
                            diffcut_diagnostics *diag) {
    left = floor(left);
    top = floor(top);
    const double width = fmax(ceil(right) - left, 1);
    const double height = fmax(ceil(bottom) - top, 1);
    if (!(width <= MAX_SIDE && height <= MAX_SIDE)) { /* also refuses NaN */
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "a drawing of %g x %g pixels", width, height);
    }
    const size_t needed = ((size_t)width + 1) * (size_t)height;
    if (needed > r->room) {
        mem_free(r->area);
        *r = (raster){.area = mem_array(needed, sizeof *r->area)};
        if (r->area == NULL) {
            return diag_no_memory(diag, needed * sizeof *r->area, "drawing");
        }
        r->room = needed;
    }
    memset(r->area, 0, needed * sizeof *r->area);
    r->width = (size_t)width;
    r->height = (size_t)height;
    r->left = left;
    r->top = top;
    r->x = r->y = r->start_x = r->start_y = 0;
    return DIFFCUT_OK;
}

void raster_free(raster *r) {
    mem_free(r->area);
    *r = (raster){0};
}

/* The part of an edge within one row, from x1 to x2 with the signed height `tall`: each pixel gets the area right of
 * the edge inside it, and the next one what is left of `tall`. */
static void add_to_row(float *row, double x1, double x2, double tall) {
    const double low = fmin(x1, x2);
    const double high = fmax(x1, x2);
    const size_t first = (size_t)low;
    const size_t last = high > low ? (size_t)(ceil(high) - 1) : first;
    if (last <= first) { /* within one pixel */
        const double right = tall * (1 - ((low + high) / 2 - (double)first));
        row[first] += (float)right;
        row[first + 1] += (float)(tall - right);
        return;
    }
    double before = 0; /* area right of the edge in all pixels so far, as a share of a full one's */
    const double slope = tall / (high - low);
    for (size_t x = first; x <= last; x++) {
        const double from = fmax(low, (double)x);
        const double to = fmin(high, (double)x + 1);
        /* heights reached at the pixel's two sides; the area between them and the right side */
        const double done = slope * (from - low);
        const double here = slope * (to - from);
        const double cover = done + here * ((double)x + 1 - (from + to) / 2);
        row[x] += (float)(cover - before);
        before = cover;
    }
    row[last + 1] += (float)(tall - before);
}

static double within(double value, double limit) {
    return value < 0 ? 0 : value > limit ? limit : value;
}

static void add_edge(raster *r, double x1, double y1, double x2, double y2) {
    const double width = (double)r->width;
    const double height = (double)r->height;
    const double sign = y1 < y2 ? 1 : -1;
    if (y1 == y2) {
        return;
    }
    if (y1 > y2) {
        const double x = x1;
        const double y = y1;
        x1 = x2;
        y1 = y2;
        x2 = x;
        y2 = y;
    }
    const double slope = (x2 - x1) / (y2 - y1);
    const double bottom = fmin(y2, height);
    for (double y = fmax(y1, 0); y < bottom;) {
        const double next = fmin(floor(y) + 1, bottom);
        const double from = within(x1 + (y - y1) * slope, width);
        const double to = within(x1 + (next - y1) * slope, width);
        const size_t row = (size_t)y;
        /* a pixel at the very right border starts in the last column, which has no neighbour: keep it inside */
        const double most = width - 1e-9;
        add_to_row(r->area + row * (r->width + 1), fmin(from, most), fmin(to, most), sign * (next - y));
        y = next;
    }
}

static void line_to(raster *r, double x, double y) {
    add_edge(r, r->x, r->y, x, y);
    r->x = x;
    r->y = y;
}

void raster_move(raster *r, double x, double y) {
    raster_end(r);
    r->x = r->start_x = x - r->left;
    r->y = r->start_y = y - r->top;
}

void raster_line(raster *r, double x, double y) {
    line_to(r, x - r->left, y - r->top);
}

void raster_curve(raster *r, double control_x, double control_y, double x, double y) {
    const double from_x = r->x;
    const double from_y = r->y;
    control_x -= r->left;
    control_y -= r->top;
    x -= r->left;
    y -= r->top;
    const double length = hypot(control_x - from_x, control_y - from_y) + hypot(x - control_x, y - control_y);
    const double pieces = fmin(ceil(length / CURVE_PIXELS) + 2, CURVE_PIECES);
    for (double i = 1; i <= pieces; i++) {
        const double t = i / pieces;
        const double u = 1 - t;
        line_to(r, u * u * from_x + 2 * u * t * control_x + t * t * x,
                u * u * from_y + 2 * u * t * control_y + t * t * y);
    }
}

void raster_end(raster *r) {
    line_to(r, r->start_x, r->start_y);
}

const float *raster_row(raster *r, size_t y) {
    float *row = r->area + y * (r->width + 1);
    double sum = 0;
    for (size_t x = 0; x < r->width; x++) {
        sum += (double)row[x];
        row[x] = (float)fmin(fabs(sum), 1);
    }
    return row;
}

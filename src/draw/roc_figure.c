/*
 * roc_figure.c - ROC curves as a picture: diffcut_encode_roc_png. The same figure as SVG is the command's
 * (tools/eval_report_chart.c), in the same colours.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "draw/canvas.h"
#include "io/entry.h"
#include "io/png.h"

/* Pixels: the plot is a square. */
#define WIDTH 1000.0
#define LEFT 96.0
#define RIGHT 28.0
#define TOP 28.0
#define BOTTOM 92.0
#define SIDE (WIDTH - LEFT - RIGHT)
#define LETTERS 21.0
#define LEGEND_ROW 34.0
#define LEGEND_MARK 48.0
#define THICK 3.5
#define TICKS 5 /* between 0 and 1 */
#define COLORS 8

static const uint8_t colors[COLORS][3] = {
    {0x1f, 0x6f, 0xb4}, {0xc4, 0x54, 0x1c}, {0x2c, 0x8a, 0x4b}, {0x8a, 0x4f, 0xb0},
    {0xb3, 0x32, 0x3f}, {0x7a, 0x6a, 0x12}, {0x16, 0x80, 0x8a}, {0xa3, 0x41, 0x7f},
};
static const uint8_t ink[3] = {0x1c, 0x1c, 0x1e};
static const uint8_t soft[3] = {0x6b, 0x6b, 0x70};
static const uint8_t grid[3] = {0xdc, 0xdc, 0xe0};

static double x_of(double rate) {
    return LEFT + rate * SIDE;
}

static double y_of(double rate) {
    return TOP + (1 - rate) * SIDE;
}

/* The colours come again, dashed, after the last. */
static double dash_of(size_t index) {
    return index < COLORS ? 0 : 9;
}

static diffcut_status line(canvas *c, double x1, double y1, double x2, double y2, double thick, double dash,
                           const uint8_t rgb[3], diffcut_diagnostics *diag) {
    const double points[] = {x1, y1, x2, y2};
    return canvas_polyline(c, points, 2, thick, dash, rgb, diag);
}

/* A text whose middle, or with end true whose end, is at x. */
static diffcut_status text_at(canvas *c, const char *text, double x, double y, bool end, diffcut_diagnostics *diag) {
    double width = 0;
    const diffcut_status status = canvas_text_width(c, text, LETTERS, &width, diag);
    return status == DIFFCUT_OK ? canvas_text(c, text, x - (end ? width : width / 2), y, LETTERS, ink, diag) : status;
}

static diffcut_status draw_axes(canvas *c, diffcut_diagnostics *diag) {
    diffcut_status status = DIFFCUT_OK;
    for (int i = 0; i <= TICKS && status == DIFFCUT_OK; i++) {
        const double rate = (double)i / TICKS;
        char number[16];
        (void)snprintf(number, sizeof number, "%.1f", rate);
        status = line(c, x_of(0), y_of(rate), x_of(1), y_of(rate), 1.5, 0, grid, diag);
        if (status == DIFFCUT_OK) {
            status = line(c, x_of(rate), y_of(0), x_of(rate), y_of(0) + 7, 1.5, 0, soft, diag);
        }
        if (status == DIFFCUT_OK) {
            status = text_at(c, number, LEFT - 12, y_of(rate) + LETTERS * 0.36, true, diag);
        }
        if (status == DIFFCUT_OK) {
            status = text_at(c, number, x_of(rate), y_of(0) + 32, false, diag);
        }
    }
    if (status == DIFFCUT_OK) {
        status = line(c, x_of(0), y_of(0), x_of(1), y_of(0), 1.5, 0, soft, diag);
    }
    if (status == DIFFCUT_OK) {
        status = line(c, x_of(0), y_of(0), x_of(1), y_of(1), 2, 8, soft, diag);
    }
    if (status == DIFFCUT_OK) {
        status = text_at(c, "false positive rate", x_of(0.5), y_of(0) + 70, false, diag);
    }
    double width = 0;
    if (status == DIFFCUT_OK) {
        status = canvas_text_width(c, "true positive rate", LETTERS, &width, diag);
    }
    return status == DIFFCUT_OK
               ? canvas_text_upwards(c, "true positive rate", 34, y_of(0.5) + width / 2, LETTERS, ink, diag)
               : status;
}

static diffcut_status draw_curve(canvas *c, const diffcut_roc_curve *curve, size_t index, diffcut_diagnostics *diag) {
    double *points = mem_array(curve->count, 2 * sizeof *points);
    if (points == NULL) {
        return diag_no_memory(diag, curve->count * 2 * sizeof *points, "a ROC curve");
    }
    for (size_t i = 0; i < curve->count; i++) {
        points[2 * i] = x_of(curve->points[i].false_positive);
        points[2 * i + 1] = y_of(curve->points[i].true_positive);
    }
    const diffcut_status status =
        canvas_polyline(c, points, curve->count, THICK, dash_of(index), colors[index % COLORS], diag);
    mem_free(points);
    return status;
}

static diffcut_status draw_legend(canvas *c, const diffcut_roc_curve *curve, size_t index,
                                  diffcut_diagnostics *diag) {
    const double y = TOP + SIDE + BOTTOM + LEGEND_ROW * ((double)index + 0.5);
    char area[32] = "";
    char *name = NULL;
    double area_width = 0;
    double name_width = 0;
    if (isfinite(curve->auc)) {
        (void)snprintf(area, sizeof area, ": area %.4f", curve->auc);
    }
    const double x = LEFT + LEGEND_MARK + 14;
    diffcut_status status =
        line(c, LEFT, y, LEFT + LEGEND_MARK, y, THICK, dash_of(index), colors[index % COLORS], diag);
    if (status == DIFFCUT_OK) {
        status = canvas_text_width(c, area, LETTERS, &area_width, diag);
    }
    if (status == DIFFCUT_OK) {
        status = canvas_fit_text(c, curve->name, LETTERS, WIDTH - RIGHT - x - area_width, &name, diag);
    }
    if (status == DIFFCUT_OK) {
        status = canvas_text_width(c, name, LETTERS, &name_width, diag);
    }
    if (status == DIFFCUT_OK) {
        status = canvas_text(c, name, x, y + LETTERS * 0.36, LETTERS, ink, diag);
    }
    if (status == DIFFCUT_OK) {
        status = canvas_text(c, area, x + name_width, y + LETTERS * 0.36, LETTERS, ink, diag);
    }
    mem_free(name);
    return status;
}

static const void *canvas_row(void *context, uint32_t y) {
    const canvas *c = context;
    return c->rgb + (size_t)y * c->width * 3;
}

/* Rates are 0 .. 1. */
static diffcut_status check(const diffcut_roc_curve *curves, size_t count, const diffcut_buffer *out,
                            diffcut_diagnostics *diag) {
    if (curves == NULL || out == NULL || count < 1 || count > DIFFCUT_MAX_ROC_CURVES) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_encode_roc_png: %zu curves, not 1 .. %d", count,
                         DIFFCUT_MAX_ROC_CURVES);
    }
    for (size_t i = 0; i < count; i++) {
        if (curves[i].name == NULL || (curves[i].points == NULL && curves[i].count > 0)) {
            return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_encode_roc_png: curve %zu has no name or points",
                             i);
        }
        for (size_t p = 0; p < curves[i].count; p++) {
            const diffcut_roc_point *point = &curves[i].points[p];
            if (!(point->false_positive >= 0 && point->false_positive <= 1 && point->true_positive >= 0 &&
                  point->true_positive <= 1)) {
                return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                                 "diffcut_encode_roc_png: point %zu of curve %zu is outside 0 .. 1", p, i);
            }
        }
    }
    return DIFFCUT_OK;
}

diffcut_status diffcut_encode_roc_png(const diffcut_roc_curve *curves, size_t count, diffcut_buffer *out,
                                      diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    canvas c = {0};
    diffcut_status status = check(curves, count, out, diag);
    if (status == DIFFCUT_OK) {
        const double height = TOP + SIDE + BOTTOM + LEGEND_ROW * (double)count + TOP;
        status = canvas_create((size_t)WIDTH, (size_t)height, &c, diag);
    }
    if (status == DIFFCUT_OK) {
        status = draw_axes(&c, diag);
    }
    for (size_t i = 0; i < count && status == DIFFCUT_OK; i++) {
        status = draw_curve(&c, &curves[i], i, diag);
        if (status == DIFFCUT_OK) {
            status = draw_legend(&c, &curves[i], i, diag);
        }
    }
    if (status == DIFFCUT_OK) {
        status = image_encode_png(IMAGE_PNG_RGB, (uint32_t)c.width, (uint32_t)c.height, NULL, 0, canvas_row, &c, out,
                                  diag);
    }
    canvas_free(&c);
    return status;
}

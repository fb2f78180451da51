/*
 * eval_report_chart.c - the reports' line charts, as SVG: mIoU over a swept parameter, and ROC curves.
 *
 * Colours come from style classes, so that a page shows them for light and dark; a file of its own carries the style.
 * See eval_report_parts.h.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval_published.h"
#include "eval_report_parts.h"

/* The picture's own units, about CSS pixels at full width. */
#define WIDTH 640.0
#define HEIGHT 340.0
#define SQUARE_HEIGHT 460.0
#define LEFT 52.0
#define RIGHT 16.0
#define TOP 16.0
#define BOTTOM 44.0
#define LEGEND_ROW 18.0
#define LEGEND_MARK 26.0
#define COLORS 8 /* then the colours come again, dashed */
#define MAX_TICKS 8
#define MAX_SERIES 12 /* more lines than this are not told apart */

const char eval_chart_style[] =
    "svg.chart text{font:12px system-ui,sans-serif;fill:var(--ink)}"
    ".chart .grid{stroke:var(--line);stroke-width:1}"
    ".chart .axis{stroke:var(--soft);stroke-width:1}"
    ".chart .level{stroke:var(--soft);stroke-width:1.5;stroke-dasharray:6 4}"
    ".chart .curve{fill:none;stroke-width:2;stroke-linejoin:round}"
    ".chart .again{stroke-dasharray:5 3}"
    ".k0{--k:#1f6fb4}.k1{--k:#c4541c}.k2{--k:#2c8a4b}.k3{--k:#8a4fb0}"
    ".k4{--k:#b3323f}.k5{--k:#7a6a12}.k6{--k:#16808a}.k7{--k:#a3417f}"
    ".chart .curve{stroke:var(--k)}.chart .dot{fill:var(--k)}"
    "@media(prefers-color-scheme:dark){.k0{--k:#6db3f2}.k1{--k:#f0935c}.k2{--k:#6fce8c}.k3{--k:#c79bea}"
    ".k4{--k:#f0808a}.k5{--k:#d5c25a}.k6{--k:#5ccdd6}.k7{--k:#e88fc4}}";

static const char standalone_style[] = "svg{--ink:#1c1c1e;--soft:#6b6b70;--line:#dcdce0;background:#fff}"
                                       "@media(prefers-color-scheme:dark){svg{--ink:#ececf0;--soft:#9a9aa2;"
                                       "--line:#3a3a40;background:#17171a}}";

/* What the axes show, and where. */
typedef struct frame {
    double x_low, x_high, y_low, y_high; /* values */
    double height, bottom;               /* of the picture; where its plot ends */
} frame;

static double x_of(const frame *f, double value) {
    return LEFT + (value - f->x_low) / (f->x_high - f->x_low) * (WIDTH - LEFT - RIGHT);
}

static double y_of(const frame *f, double value) {
    return f->bottom - (value - f->y_low) / (f->y_high - f->y_low) * (f->bottom - TOP);
}

/* The smallest of 1, 2, 5 times a power of ten that cuts the span into at most MAX_TICKS. */
static double tick_step(double span) {
    const double rough = span / MAX_TICKS;
    const double power = pow(10, floor(log10(rough)));
    const double factor = rough / power;
    return power * (factor <= 1 ? 1 : factor <= 2 ? 2 : factor <= 5 ? 5 : 10);
}

static void widen(double value, double *low, double *high) {
    if (isfinite(value)) {
        *low = fmin(*low, value);
        *high = fmax(*high, value);
    }
}

static size_t shown_series(const chart *c) {
    return c->series_count < MAX_SERIES ? c->series_count : MAX_SERIES;
}

static frame find_frame(const chart *c) {
    frame f = {.x_low = INFINITY, .x_high = -INFINITY, .y_low = INFINITY, .y_high = -INFINITY};
    for (size_t s = 0; s < shown_series(c); s++) {
        for (size_t i = 0; i < c->series[s].count; i++) {
            widen(c->series[s].x[i], &f.x_low, &f.x_high);
            widen(c->series[s].y[i], &f.y_low, &f.y_high);
        }
    }
    widen(c->reference, &f.y_low, &f.y_high);
    if (c->unit_square || !(f.x_low <= f.x_high) || !(f.y_low <= f.y_high)) {
        f.x_low = f.y_low = 0;
        f.x_high = f.y_high = 1;
    }
    if (f.x_low == f.x_high) {
        f.x_low -= 0.5;
        f.x_high += 0.5;
    }
    if (!c->unit_square) {
        const double step = tick_step(fmax(f.y_high - f.y_low, 1e-3 * fmax(fabs(f.y_high), 1)));
        f.y_low = floor(f.y_low / step) * step;
        f.y_high = ceil(f.y_high / step) * step;
        f.y_high += f.y_high > f.y_low ? 0 : step;
    }
    f.bottom = (c->unit_square ? SQUARE_HEIGHT : HEIGHT) - BOTTOM;
    const size_t entries = shown_series(c) + (isfinite(c->reference) ? 1 : 0);
    f.height = f.bottom + BOTTOM + LEGEND_ROW * (double)entries;
    return f;
}

static void number(text *out, double value, double step) {
    const double digits = fmax(0, ceil(-log10(step) - 1e-9));
    text_print(out, "%.*f", (int)fmin(digits, 6), fabs(value) < step / 1e3 ? 0.0 : value);
}

static void line(text *out, const char *class, double x1, double y1, double x2, double y2) {
    text_print(out, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", class, x1, y1, x2, y2);
}

static void draw_axes(const chart *c, const frame *f, text *out) {
    const double x_step = tick_step(f->x_high - f->x_low);
    const double y_step = tick_step(f->y_high - f->y_low);
    for (double tick = ceil(f->y_low / y_step - 1e-6); tick * y_step <= f->y_high + y_step * 1e-6; tick++) {
        const double y = y_of(f, tick * y_step);
        line(out, "grid", LEFT, y, WIDTH - RIGHT, y);
        text_print(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">", LEFT - 6, y + 4);
        number(out, tick * y_step, y_step);
        text_add(out, "</text>");
    }
    for (double tick = ceil(f->x_low / x_step - 1e-6); tick * x_step <= f->x_high + x_step * 1e-6; tick++) {
        const double x = x_of(f, tick * x_step);
        line(out, "axis", x, f->bottom, x, f->bottom + 4);
        text_print(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", x, f->bottom + 18);
        number(out, tick * x_step, x_step);
        text_add(out, "</text>");
    }
    line(out, "axis", LEFT, f->bottom, WIDTH - RIGHT, f->bottom);
    text_print(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", (LEFT + WIDTH - RIGHT) / 2,
               f->bottom + 35);
    html_string(out, c->x_label);
    text_print(out, "</text><text transform=\"translate(13,%.1f) rotate(-90)\" text-anchor=\"middle\">",
               (TOP + f->bottom) / 2);
    html_string(out, c->y_label);
    text_add(out, "</text>");
}

static void draw_series(const chart_series *s, const frame *f, size_t index, bool dots, text *out) {
    const char *again = index >= COLORS ? " again" : "";
    text_print(out, "<path class=\"curve k%zu%s\" d=\"", index % COLORS, again);
    bool joined = false;
    for (size_t i = 0; i < s->count; i++) {
        const bool there = isfinite(s->x[i]) && isfinite(s->y[i]);
        if (there) {
            text_print(out, "%s%.2f %.2f", joined ? "L" : "M", x_of(f, s->x[i]), y_of(f, s->y[i]));
        }
        joined = there;
    }
    text_add(out, "\"/>");
    for (size_t i = 0; dots && i < s->count; i++) {
        if (isfinite(s->x[i]) && isfinite(s->y[i])) {
            text_print(out, "<circle class=\"dot k%zu\" cx=\"%.2f\" cy=\"%.2f\" r=\"3\"><title>", index % COLORS,
                       x_of(f, s->x[i]), y_of(f, s->y[i]));
            html_string(out, s->name);
            text_print(out, ": %.4g at %.4g</title></circle>", s->y[i], s->x[i]);
        }
    }
}

static void draw_legend(const chart *c, const frame *f, text *out) {
    double y = f->bottom + BOTTOM + LEGEND_ROW / 2;
    for (size_t s = 0; s < shown_series(c); s++, y += LEGEND_ROW) {
        text_print(out, "<path class=\"curve k%zu%s\" d=\"M%.1f %.1fh%.1f\"/><text x=\"%.1f\" y=\"%.1f\">",
                   s % COLORS, s >= COLORS ? " again" : "", LEFT, y, LEGEND_MARK, LEFT + LEGEND_MARK + 8, y + 4);
        html_string(out, c->series[s].name);
        text_add(out, "</text>");
    }
    if (isfinite(c->reference)) {
        line(out, "level", LEFT, y, LEFT + LEGEND_MARK, y);
        text_print(out, "<text x=\"%.1f\" y=\"%.1f\">", LEFT + LEGEND_MARK + 8, y + 4);
        html_string(out, c->reference_name);
        text_add(out, "</text>");
    }
}

void eval_chart(const chart *c, text *out) {
    const frame f = find_frame(c);
    text_print(out, "<svg class=\"chart\"%s viewBox=\"0 0 %.0f %.0f\" role=\"img\"><title>",
               c->standalone ? " xmlns=\"http://www.w3.org/2000/svg\"" : "", WIDTH, f.height);
    html_string(out, c->title);
    text_add(out, "</title>");
    if (c->standalone) {
        text_print(out, "<style>%s%s</style>", standalone_style, eval_chart_style);
    }
    draw_axes(c, &f, out);
    if (c->unit_square) {
        line(out, "level", x_of(&f, 0), y_of(&f, 0), x_of(&f, 1), y_of(&f, 1));
    }
    if (isfinite(c->reference)) {
        line(out, "level", LEFT, y_of(&f, c->reference), WIDTH - RIGHT, y_of(&f, c->reference));
    }
    for (size_t s = 0; s < shown_series(c); s++) {
        draw_series(&c->series[s], &f, s, !c->unit_square, out);
    }
    draw_legend(c, &f, out);
    text_add(out, "</svg>\n");
}

/* ------------------------------------------------------------------------------------------------- ROC */

void eval_report_roc(const eval_results *results, bool standalone, text *out) {
    size_t points = 0;
    for (size_t i = 0; i < results->coherence_count; i++) {
        points += results->coherence[i].point_count;
    }
    double *values = calloc(2 * points + 1, sizeof *values);
    chart_series *series = calloc(results->coherence_count + 1, sizeof *series);
    text *names = calloc(results->coherence_count + 1, sizeof *names);
    if (values == NULL || series == NULL || names == NULL) {
        out->failed = true;
        goto cleanup;
    }
    double *next = values;
    for (size_t i = 0; i < results->coherence_count; i++) {
        const eval_coherence *c = &results->coherence[i];
        double *x = next;
        double *y = next + c->point_count;
        next = y + c->point_count;
        for (size_t p = 0; p < c->point_count; p++) {
            x[p] = c->points[p].false_positive;
            y[p] = c->points[p].true_positive;
        }
        text_print(&names[i], isfinite(c->auc) ? "%s: area %.4f" : "%s", c->name, c->auc);
        series[i] = (chart_series){text_string(&names[i]), x, y, c->point_count};
    }
    const chart c = {.title = "ROC curve: pairs of patches of one class, told by the similarity of their features",
                     .x_label = "false positive rate",
                     .y_label = "true positive rate",
                     .series = series,
                     .series_count = results->coherence_count,
                     .reference = NAN,
                     .unit_square = true,
                     .standalone = standalone};
    eval_chart(&c, out);
cleanup:
    for (size_t i = 0; names != NULL && i < results->coherence_count; i++) {
        text_free(&names[i]);
    }
    free(names);
    free(series);
    free(values);
}

/* Without memory the figure is left out of the text, whose `failed` tells. */
void eval_report_roc_png(const eval_results *results, text *out) {
    size_t points = 0;
    const size_t count =
        results->coherence_count < DIFFCUT_MAX_ROC_CURVES ? results->coherence_count : DIFFCUT_MAX_ROC_CURVES;
    for (size_t i = 0; i < count; i++) {
        points += results->coherence[i].point_count;
    }
    diffcut_roc_point *next = calloc(points + 1, sizeof *next);
    diffcut_roc_point *all = next;
    diffcut_roc_curve curves[DIFFCUT_MAX_ROC_CURVES];
    diffcut_diagnostics ignored;
    diffcut_buffer file = {0};
    for (size_t i = 0; i < count && all != NULL; i++) {
        const eval_coherence *c = &results->coherence[i];
        curves[i] = (diffcut_roc_curve){c->name, c->auc, next, c->point_count};
        for (size_t p = 0; p < c->point_count; p++) {
            *next++ =
                (diffcut_roc_point){c->points[p].threshold, c->points[p].false_positive, c->points[p].true_positive};
        }
    }
    if (all != NULL && diffcut_encode_roc_png(curves, count, &file, &ignored) == DIFFCUT_OK) {
        text_add_bytes(out, file.data, file.size);
    } else {
        out->failed = true;
    }
    diffcut_buffer_free(&file);
    free(all);
}

/* ------------------------------------------------------------------------------------------------- sweeps */

/* A parameter that is swept: settings of one line are equal in all else. */
typedef double (*parameter_fn)(const eval_setting *s);

static double tau_of(const eval_setting *s) {
    return s->tau;
}
static double alpha_of(const eval_setting *s) {
    return s->alpha;
}

static bool same_number(double a, double b) {
    return a == b || (isnan(a) && isnan(b));
}

static bool same_line(const eval_setting *a, const eval_setting *b, parameter_fn fixed) {
    return strcmp(a->method, b->method) == 0 && a->refined == b->refined && a->k == b->k &&
           same_number(fixed(a), fixed(b));
}

static void line_name(const eval_setting *s, parameter_fn fixed, const char *fixed_name, text *out) {
    text_add(out, s->method);
    if (isfinite(fixed(s))) {
        text_print(out, ", %s %.6g", fixed_name, fixed(s));
    }
    if (s->k > 0) {
        text_print(out, ", k %u", (unsigned)s->k);
    }
    text_add(out, s->refined ? ", refined" : ", not refined");
}

/* Puts the line that starts at setting `first` into x and y, ascending; returns its length. A value that occurs
 * twice (settings that differ in what a line does not know) is kept once. */
static size_t collect(const eval_results *r, size_t first, parameter_fn swept, parameter_fn fixed, double *x,
                      double *y) {
    size_t count = 0;
    for (size_t i = first; i < r->setting_count; i++) {
        const eval_setting *s = &r->settings[i];
        if (!same_line(&r->settings[first], s, fixed) || !isfinite(swept(s))) {
            continue;
        }
        size_t at = count;
        while (at > 0 && x[at - 1] > swept(s)) {
            at--;
        }
        if (at > 0 && x[at - 1] == swept(s)) {
            continue;
        }
        memmove(x + at + 1, x + at, (count - at) * sizeof *x);
        memmove(y + at + 1, y + at, (count - at) * sizeof *y);
        x[at] = swept(s);
        y[at] = s->miou * 100;
        count++;
    }
    return count;
}

static bool starts_line(const eval_results *r, size_t index, parameter_fn fixed) {
    for (size_t i = 0; i < index; i++) {
        if (same_line(&r->settings[i], &r->settings[index], fixed)) {
            return false;
        }
    }
    return true;
}

static double highest(const chart_series *s) {
    double most = -INFINITY;
    for (size_t i = 0; i < s->count; i++) {
        most = s->y[i] > most ? s->y[i] : most;
    }
    return most;
}

/* The line that reaches highest first; of equals, the one whose values come first. */
static int by_highest(const void *left, const void *right) {
    const chart_series *a = left;
    const chart_series *b = right;
    const double high_a = highest(a);
    const double high_b = highest(b);
    return high_a != high_b ? (high_a < high_b ? 1 : -1) : (a->x > b->x) - (a->x < b->x);
}

static void sweep(const eval_results *r, parameter_fn swept, const char *swept_name, parameter_fn fixed,
                  const char *fixed_name, text *out) {
    const size_t most = r->setting_count;
    double *values = calloc(2 * most + 1, sizeof *values); /* every setting is in one line */
    chart_series *series = calloc(most + 1, sizeof *series);
    text *names = calloc(most + 1, sizeof *names);
    text title = {0};
    size_t count = 0;
    if (values == NULL || series == NULL || names == NULL) {
        out->failed = true;
        goto cleanup;
    }
    double *x = values;
    double *y = values + most;
    for (size_t i = 0; i < most; i++) {
        if (!starts_line(r, i, fixed)) {
            continue;
        }
        const size_t length = collect(r, i, swept, fixed, x, y);
        if (length < 2) {
            continue;
        }
        line_name(&r->settings[i], fixed, fixed_name, &names[count]);
        series[count] = (chart_series){text_string(&names[count]), x, y, length};
        x += length;
        y += length;
        count++;
    }
    if (count > 0) {
        if (count > MAX_SERIES) {
            qsort(series, count, sizeof *series, by_highest);
            text_print(&title, "mIoU over %s: the %d best lines of %zu", swept_name, MAX_SERIES, count);
        } else {
            text_print(&title, "mIoU over %s", swept_name);
        }
        const chart c = {.title = text_string(&title),
                         .x_label = swept_name,
                         .y_label = "mIoU, per cent",
                         .series = series,
                         .series_count = count,
                         .reference = eval_published_miou(r->dataset, "diffcut"),
                         .reference_name = "DiffCut as published: SSD-1B on the whole set"};
        text_print(out, "<figure><figcaption>%s</figcaption>", text_string(&title));
        eval_chart(&c, out);
        text_add(out, "</figure>");
    }
cleanup:
    for (size_t i = 0; names != NULL && i < most; i++) {
        text_free(&names[i]);
    }
    text_free(&title);
    free(names);
    free(series);
    free(values);
}

void eval_report_sweeps(const eval_results *results, text *out) {
    sweep(results, tau_of, "tau", alpha_of, "alpha", out);
    sweep(results, alpha_of, "alpha", tau_of, "tau", out);
}

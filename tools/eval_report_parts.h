/*
 * eval_report_parts.h - the pieces that the reports are put together from: the choice of what to show, charts,
 * photos. Shared by the files eval_report*.c only.
 */
#ifndef DIFFCUT_TOOLS_EVAL_REPORT_PARTS_H
#define DIFFCUT_TOOLS_EVAL_REPORT_PARTS_H

#include "eval_results.h"
#include "text.h"

/* ------------------------------------------------------------------------------------------------- figures */

/* The setting with the highest mIoU, the first of equals; setting_count when none was scored. */
size_t eval_report_best(const eval_results *results);

/* Whether any setting has this figure. */
typedef double (*eval_figure_fn)(const eval_setting *setting);
bool eval_report_has(const eval_results *results, eval_figure_fn figure);

/* Figures of a setting besides its mIoU; the first is its interval's width. */
double eval_report_interval(const eval_setting *s);
double eval_report_photo_miou(const eval_setting *s);
double eval_report_accuracy(const eval_setting *s);
double eval_report_rand_index(const eval_setting *s);
double eval_report_boundary_iou(const eval_setting *s);
double eval_report_boundary_f(const eval_setting *s);

/* 0 .. 1 as per cent with one decimal; "-" for NaN. */
void eval_report_percent(text *out, double value);

/* ------------------------------------------------------------------------------------------------- charts */

typedef struct chart_series {
    const char *name;
    const double *x, *y; /* (count), ascending x */
    size_t count;
} chart_series;

typedef struct chart {
    const char *title; /* for people who do not see the picture, too */
    const char *x_label, *y_label;
    const chart_series *series;
    size_t series_count;
    double reference; /* a dashed level line, NaN: none */
    const char *reference_name;
    bool unit_square; /* both axes are 0 .. 1, and the diagonal is drawn: a ROC curve */
    bool standalone;  /* a file of its own, else a part of a page with the page's style */
} chart;

/* An SVG element. Points that are not finite break their line. */
void eval_chart(const chart *c, text *out);

/* The style that charts take their colours from, light and dark: for the page's <style>. */
extern const char eval_chart_style[];

/* The lines of mIoU over tau, or over alpha, for all settings that differ in nothing else; nothing when there is no
 * such line. */
void eval_report_sweeps(const eval_results *results, text *out);

void eval_report_roc(const eval_results *results, bool standalone, text *out);
/* The same as PNG. */
void eval_report_roc_png(const eval_results *results, text *out);

/* ------------------------------------------------------------------------------------------------- photos */

/* The best, median and worst photos under the best setting, as HTML. False: the rows could not be read. */
bool eval_report_photos(const eval_results *results, text *out);

/* The per-photo rows as CSV, a part at a time: calls sink with pieces of text until it returns false. */
typedef bool (*eval_sink_fn)(void *user, const text *part);
bool eval_report_photos_csv(const eval_results *results, eval_sink_fn sink, void *user);

/* A picture (RGB) as <img ...> with its data inside. */
void eval_report_base64(text *out, const uint8_t *data, size_t size);

/* ------------------------------------------------------------------------------------------------- files */

void eval_report_coherence_csv(const eval_results *results, text *out);

#endif

/*
 * eval_report_html.c - an evaluation as one page that opens from disk: no network, no script, light and dark.
 * The page is also well-formed XML. See eval_report.h.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval_published.h"
#include "eval_report.h"
#include "eval_report_parts.h"

#define CLASSES_SHOWN 200
#define SETTINGS_SHOWN 500

static const char page_style[] =
    ":root{color-scheme:light dark;--ink:#1c1c1e;--soft:#63636a;--line:#dcdce0;--ground:#fbfbfc;--card:#fff;"
    "--bar:#2f7d6b;--best:#e4f3ee}"
    "@media(prefers-color-scheme:dark){:root{--ink:#ececf0;--soft:#9a9aa2;--line:#38383e;--ground:#141417;"
    "--card:#1d1d21;--bar:#54b39c;--best:#1c3a33}}"
    "*{box-sizing:border-box}"
    "body{margin:0 auto;max-width:72rem;padding:2rem 1.25rem 4rem;background:var(--ground);color:var(--ink);"
    "font:15px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif}"
    "h1{font-size:1.7rem;line-height:1.2;margin:0 0 .3rem}h2{font-size:1.25rem;margin:2.4rem 0 .6rem}"
    "h3{font-size:1rem;margin:1.4rem 0 .5rem}h4{font-size:.9rem;margin:0;overflow-wrap:anywhere}"
    "p{margin:.3rem 0}.soft,figcaption{color:var(--soft)}"
    ".tiles{display:flex;flex-wrap:wrap;gap:.75rem;margin:1.2rem 0}"
    ".tiles div{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.6rem 1rem;"
    "min-width:8rem}.tiles b{display:block;font-size:1.5rem;line-height:1.3}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}"
    "th,td{padding:.32rem .6rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}"
    "th{color:var(--soft);font-weight:600}th:first-child,td:first-child{text-align:left}"
    "td:first-child{white-space:normal;min-width:13rem;overflow-wrap:anywhere}tr.best{background:var(--best);font-"
    "weight:600}"
    "tr.published td{color:var(--soft)}"
    ".charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(26rem,100%),1fr));gap:1rem}"
    "figure{margin:0}.charts figure,.classes,article{background:var(--card);border:1px solid var(--line);"
    "border-radius:8px;padding:.8rem}svg.chart{width:100%;height:auto;display:block}"
    ".classes{columns:22rem auto;column-gap:2rem}"
    ".class{display:grid;grid-template-columns:10rem 1fr 3.2rem;gap:.6rem;align-items:center;break-inside:avoid}"
    ".class span{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}"
    ".class b{text-align:right;font-weight:400;font-variant-numeric:tabular-nums}"
    ".class div{background:var(--line);border-radius:3px;height:.75rem}"
    ".class i{display:block;height:100%;border-radius:3px;background:var(--bar)}"
    ".photos{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(30rem,100%),1fr));gap:1rem}"
    ".three{display:grid;grid-template-columns:repeat(3,1fr);gap:.4rem;margin:.5rem 0 .2rem}"
    ".three img{width:100%;height:auto;display:block;border-radius:4px}.three figcaption{font-size:.8rem}"
    ".names{font-size:.82rem}.names span{display:inline-block;margin-right:.7rem}"
    ".names i{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.3em;"
    "vertical-align:-.05em}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dt{color:var(--soft)}"
    "dd{margin:0;overflow-wrap:anywhere}code{font:13px ui-monospace,monospace}"
    "@media(max-width:40rem){dl{grid-template-columns:1fr}.class{grid-template-columns:6rem 1fr 3rem}}";

/* ------------------------------------------------------------------------------------------------- head */

static void tile(text *out, const char *name, double value) {
    text_add(out, "<div><b>");
    eval_report_percent(out, value);
    text_print(out, "</b>%s</div>", name);
}

static void add_head(const eval_results *r, text *out) {
    const size_t best = eval_report_best(r);
    text_add(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>"
                  "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"/><title>");
    html_string(out, r->title);
    text_add(out, ": DiffCut evaluation</title><style>");
    text_add(out, page_style);
    text_add(out, eval_chart_style);
    text_add(out, "</style></head><body>\n<header><h1>");
    html_string(out, r->title);
    text_add(out, "</h1><p class=\"soft\">Zero-shot segmentation with the features of ");
    html_string(out, r->model);
    text_add(out, "</p><div class=\"tiles\">");
    if (best < r->setting_count) {
        tile(out, "best mIoU, per cent", r->settings[best].miou);
        const double published = eval_published_miou(r->dataset, "diffcut");
        if (isfinite(published)) {
            tile(out, "DiffCut as published", published / 100);
        }
    }
    text_print(out, "<div><b>%" PRIu64 "</b>of %" PRIu64 " photos scored</div>", r->scored, r->listed);
    if (r->failed > 0) {
        text_print(out, "<div><b>%" PRIu64 "</b>not scored</div>", r->failed);
    }
    text_add(out, "</div>");
    if (r->scored == 0) {
        text_add(out, "<p><b>No photo was scored: there are no figures.</b></p>");
    }
    if (r->remarks != NULL) {
        text_add(out, "<p>");
        html_string(out, r->remarks);
        text_add(out, "</p>");
    }
    text_add(out, "</header>\n");
}

/* ------------------------------------------------------------------------------------------------- table */

static const struct {
    const char *title;
    eval_figure_fn figure;
} shares[] = {{"Pixel accuracy", eval_report_accuracy},
              {"Rand index", eval_report_rand_index},
              {"Boundary IoU", eval_report_boundary_iou},
              {"Boundary F", eval_report_boundary_f}};
enum { SHARE_COUNT = sizeof shares / sizeof *shares };

static double seconds_of(const eval_setting *s) {
    return s->seconds;
}

/* Which columns the table has. */
typedef struct columns {
    bool interval, seconds;
    bool share[SHARE_COUNT];
    int count;
} columns;

static columns find_columns(const eval_results *r) {
    columns c = {.interval = eval_report_has(r, eval_report_interval), .seconds = eval_report_has(r, seconds_of)};
    c.count = 3 + (c.interval ? 1 : 0) + (c.seconds ? 1 : 0);
    for (size_t i = 0; i < SHARE_COUNT; i++) {
        c.share[i] = eval_report_has(r, shares[i].figure);
        c.count += c.share[i] ? 1 : 0;
    }
    return c;
}

static void real_cell(text *out, int digits, double value) {
    if (isfinite(value)) {
        text_print(out, "<td>%.*f</td>", digits, value);
    } else {
        text_add(out, "<td>-</td>");
    }
}

static void percent_cell(text *out, double value) {
    text_add(out, "<td>");
    eval_report_percent(out, value);
    text_add(out, "</td>");
}

static void add_row(const eval_setting *s, const columns *c, bool best, text *out) {
    text_add(out, best ? "<tr class=\"best\"><td>" : "<tr><td>");
    html_string(out, s->name);
    text_add(out, "</td>");
    percent_cell(out, s->miou);
    if (c->interval) {
        text_add(out, "<td>");
        eval_report_percent(out, s->miou_low);
        text_add(out, " to ");
        eval_report_percent(out, s->miou_high);
        text_add(out, "</td>");
    }
    for (size_t i = 0; i < SHARE_COUNT; i++) {
        if (c->share[i]) {
            percent_cell(out, shares[i].figure(s));
        }
    }
    real_cell(out, 1, s->segments);
    if (c->seconds) {
        real_cell(out, 3, s->seconds);
    }
    text_add(out, "</tr>\n");
}

static void add_published(const eval_results *r, const columns *c, text *out) {
    const int column = eval_published_column(r->dataset);
    for (size_t i = 0; column >= 0 && eval_published_at(i) != NULL; i++) {
        const eval_published_row *row = eval_published_at(i);
        if (!isfinite(row->miou[column])) {
            continue;
        }
        text_print(out,
                   "<tr class=\"published\"><td>published: %s%s%s</td><td>%.1f</td><td colspan=\"%d\"></td></tr>\n",
                   row->name, row->note[0] != '\0' ? ", " : "", row->note, row->miou[column], c->count - 2);
    }
}

static void add_table(const eval_results *r, text *out) {
    const columns c = find_columns(r);
    const size_t best = eval_report_best(r);
    text_add(out, "<section><h2>Scores</h2><p class=\"soft\">Per cent, but for segments");
    text_add(out, c.seconds ? " and seconds a photo (features left out)." : ".");
    text_add(out, "</p><div class=\"wide\"><table><thead><tr><th>Method</th><th>mIoU</th>");
    text_add(out, c.interval ? "<th>95 % interval</th>" : "");
    for (size_t i = 0; i < SHARE_COUNT; i++) {
        if (c.share[i]) {
            text_print(out, "<th>%s</th>", shares[i].title);
        }
    }
    text_add(out, "<th>Segments</th>");
    text_add(out, c.seconds ? "<th>Seconds</th>" : "");
    text_add(out, "</tr></thead><tbody>\n");
    const size_t shown = r->setting_count < SETTINGS_SHOWN ? r->setting_count : SETTINGS_SHOWN;
    for (size_t i = 0; i < shown; i++) {
        add_row(&r->settings[i], &c, i == best, out);
    }
    if (best >= shown && best < r->setting_count) {
        add_row(&r->settings[best], &c, true, out);
    }
    add_published(r, &c, out);
    text_add(out, "</tbody></table></div>");
    if (shown < r->setting_count) {
        text_print(out, "<p class=\"soft\">%zu more settings are in settings.csv.</p>", r->setting_count - shown);
    }
    text_add(out, "</section>\n");
}

/* ------------------------------------------------------------------------------------------------- charts, classes
 */

static void add_charts(const eval_results *r, text *out) {
    text charts = {0};
    eval_report_sweeps(r, &charts);
    if (charts.length > 0) {
        text_add(out, "<section><h2>Sweeps</h2><div class=\"charts\">");
        text_add(out, text_string(&charts));
        text_add(out, "</div></section>\n");
    }
    out->failed = out->failed || charts.failed;
    text_free(&charts);
    if (r->coherence_count > 0) {
        text_add(out, "<section><h2>Coherence</h2><p>Pairs of patches of one photo, called alike from a cosine "
                      "similarity of their features on: how often they are of one class (true positive) against how "
                      "often of two (false positive).</p><div class=\"charts\"><figure>");
        eval_report_roc(r, false, out);
        text_add(out, "</figure></div></section>\n");
    }
}

/* A class and its IoU, to sort by. */
typedef struct ranked {
    size_t index;
    double iou;
} ranked;

static int by_iou(const void *left, const void *right) {
    const ranked *a = left;
    const ranked *b = right;
    if (a->iou != b->iou) {
        return a->iou < b->iou ? 1 : -1;
    }
    return a->index < b->index ? -1 : a->index > b->index;
}

static void add_class(const char *name, double iou, text *out) {
    text_add(out, "<div class=\"class\"><span title=\"");
    html_string(out, name);
    text_add(out, "\">");
    html_string(out, name);
    text_print(out, "</span><div><i style=\"width:%.1f%%\"></i></div><b>%.1f</b></div>\n", iou * 100, iou * 100);
}

static void add_classes(const eval_results *r, text *out) {
    const size_t best = eval_report_best(r);
    if (best == r->setting_count || r->class_count == 0) {
        return;
    }
    ranked *classes = calloc(r->class_count, sizeof *classes);
    if (classes == NULL) {
        out->failed = true;
        return;
    }
    size_t count = 0;
    for (size_t c = 0; c < r->class_count; c++) {
        const double iou = r->settings[best].classes[c].iou;
        if (isfinite(iou)) {
            classes[count++] = (ranked){c, iou};
        }
    }
    qsort(classes, count, sizeof *classes, by_iou);
    const size_t shown = count < CLASSES_SHOWN ? count : CLASSES_SHOWN;
    text_add(out, "<section><h2>Classes</h2><p class=\"soft\">IoU under ");
    html_string(out, r->settings[best].name);
    text_print(out, "; %zu of %zu classes occur", count, r->class_count);
    if (shown < count) {
        text_print(out, ", the first %zu are shown, all are in classes.csv", shown);
    }
    text_add(out, ".</p><div class=\"classes\">\n");
    for (size_t i = 0; i < shown; i++) {
        add_class(r->class_names[classes[i].index], classes[i].iou, out);
    }
    text_add(out, "</div></section>\n");
    free(classes);
}

/* ------------------------------------------------------------------------------------------------- foot */

static void add_failures(const eval_results *r, text *out) {
    if (r->failed == 0) {
        return;
    }
    text_print(out, "<section><h2>Not scored</h2><p>%" PRIu64 " of %" PRIu64 " photos.</p><ul>\n", r->failed,
               r->listed);
    for (size_t i = 0; i < r->failure_count; i++) {
        text_add(out, "<li><bdi><code>");
        html_string(out, r->failures[i].file);
        text_add(out, "</code></bdi>: ");
        html_string(out, r->failures[i].reason);
        text_add(out, "</li>\n");
    }
    if (r->failed > r->failure_count) {
        text_print(out, "<li>and %" PRIu64 " more</li>", r->failed - r->failure_count);
    }
    text_add(out, "</ul></section>\n");
}

static void entry(text *out, const char *name, const char *value) {
    if (value != NULL) {
        text_print(out, "<dt>%s</dt><dd>", name);
        html_string(out, value);
        text_add(out, "</dd>");
    }
}

static void add_foot(const eval_results *r, text *out) {
    text_add(out, "<section><h2>How it was made</h2><dl><dt>Command</dt><dd><code>");
    html_string(out, r->command_line);
    text_add(out, "</code></dd>");
    entry(out, "Data set", r->title);
    entry(out, "Protocol", r->dataset);
    entry(out, "Model", r->model);
    entry(out, "Program", r->version);
    entry(out, "Machine", r->machine);
    if (eval_published_column(r->dataset) >= 0) {
        entry(out, "Published figures", eval_published_source);
    }
    text_add(out, "</dl></section>\n</body></html>\n");
}

bool eval_report_html(const eval_results *results, text *out) {
    add_head(results, out);
    if (results->setting_count > 0) {
        add_table(results, out);
    }
    add_charts(results, out);
    add_classes(results, out);
    const bool good = eval_report_photos(results, out);
    add_failures(results, out);
    add_foot(results, out);
    return good;
}

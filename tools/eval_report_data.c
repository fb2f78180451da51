/* eval_report_data.c - an evaluation's results for programs: JSON and CSV. See eval_report.h. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "eval_published.h"
#include "eval_report.h"
#include "eval_report_parts.h"

#define DIGITS 17 /* a double survives */

/* ------------------------------------------------------------------------------------------------- JSON */

static void key(text *out, const char *name) {
    json_string(out, name);
    text_add(out, ": ");
}

static void add_string(text *out, const char *name, const char *value) {
    key(out, name);
    if (value != NULL) {
        json_string(out, value);
    } else {
        text_add(out, "null");
    }
    text_add(out, ", ");
}

static void add_real(text *out, const char *name, double value) {
    key(out, name);
    json_real(out, value, DIGITS);
    text_add(out, ", ");
}

static void add_count(text *out, const char *name, uint64_t value) {
    key(out, name);
    text_print(out, "%" PRIu64 ", ", value);
}

static void add_classes(text *out, const eval_results *r, const eval_setting *s) {
    text_add(out, "\"classes\": [");
    for (size_t c = 0; c < r->class_count; c++) {
        const eval_class_score *score = &s->classes[c];
        text_add(out, c > 0 ? ",\n      {" : "\n      {");
        add_string(out, "name", r->class_names[c]);
        text_print(out, "\"tp\": %" PRIu64 ", \"fp\": %" PRIu64 ", \"fn\": %" PRIu64 ", \"iou\": ", score->tp,
                   score->fp, score->fn);
        json_real(out, score->iou, DIGITS);
        text_add(out, "}");
    }
    text_add(out, "]");
}

static void add_setting(text *out, const eval_results *r, const eval_setting *s) {
    text_add(out, "\n    {");
    add_string(out, "name", s->name);
    add_string(out, "method", s->method);
    add_real(out, "tau", s->tau);
    add_real(out, "alpha", s->alpha);
    text_print(out, "\"refined\": %s, ", s->refined ? "true" : "false");
    add_count(out, "k", s->k);
    add_real(out, "miou", s->miou);
    text_add(out, "\"miou_interval\": [");
    json_real(out, s->miou_low, DIGITS);
    text_add(out, ", ");
    json_real(out, s->miou_high, DIGITS);
    text_add(out, "], ");
    const double published = eval_published_miou(r->dataset, s->method) / 100;
    add_real(out, "published_miou", published);
    if (isfinite(s->photo_miou)) {
        add_real(out, "mean_photo_miou", s->photo_miou);
    }
    add_real(out, "pixel_accuracy", s->accuracy);
    add_real(out, "adjusted_rand_index", s->rand_index);
    add_real(out, "boundary_iou", s->boundary_iou);
    add_real(out, "boundary_f", s->boundary_f);
    add_real(out, "segments", s->segments);
    add_real(out, "seconds", s->seconds);
    add_classes(out, r, s);
    text_add(out, "}");
}

static void add_failures(text *out, const eval_results *r) {
    text_add(out, "\"failures\": [");
    for (size_t i = 0; i < r->failure_count; i++) {
        text_add(out, i > 0 ? ",\n    {" : "\n    {");
        key(out, "file");
        json_string(out, r->failures[i].file);
        text_add(out, ", ");
        key(out, "reason");
        json_string(out, r->failures[i].reason);
        text_add(out, "}");
    }
    text_add(out, "]");
}

static void add_coherence(text *out, const eval_results *r) {
    text_add(out, "\"coherence\": [");
    for (size_t i = 0; i < r->coherence_count; i++) {
        const eval_coherence *c = &r->coherence[i];
        text_add(out, i > 0 ? ",\n    {" : "\n    {");
        add_string(out, "features", c->name);
        add_real(out, "auc", c->auc);
        add_real(out, "auc_error", c->auc_error);
        add_real(out, "bin_width", c->bin_width);
        add_count(out, "positive_pairs", c->positive);
        add_count(out, "negative_pairs", c->negative);
        text_add(out, "\"curve\": [");
        for (size_t p = 0; p < c->point_count; p++) {
            text_add(out, p > 0 ? ", [" : "[");
            json_real(out, c->points[p].threshold, 9);
            text_add(out, ", ");
            json_real(out, c->points[p].false_positive, DIGITS);
            text_add(out, ", ");
            json_real(out, c->points[p].true_positive, DIGITS);
            text_add(out, "]");
        }
        text_add(out, "]}");
    }
    text_add(out, "]");
}

void eval_report_json(const eval_results *results, text *out) {
    const size_t best = eval_report_best(results);
    text_add(out, "{\n  ");
    add_string(out, "dataset", results->dataset);
    add_string(out, "title", results->title);
    text_add(out, "\n  ");
    add_string(out, "model", results->model);
    add_string(out, "machine", results->machine);
    add_string(out, "version", results->version);
    add_string(out, "command_line", results->command_line);
    add_string(out, "remarks", results->remarks);
    text_add(out, "\n  ");
    add_count(out, "listed", results->listed);
    add_count(out, "scored", results->scored);
    add_count(out, "failed", results->failed);
    add_string(out, "best", best < results->setting_count ? results->settings[best].name : NULL);
    text_add(out, "\n  \"settings\": [");
    for (size_t i = 0; i < results->setting_count; i++) {
        text_add(out, i > 0 ? "," : "");
        add_setting(out, results, &results->settings[i]);
    }
    text_add(out, "],\n  ");
    add_coherence(out, results);
    text_add(out, ",\n  ");
    add_failures(out, results);
    text_add(out, "\n}\n");
}

/* ------------------------------------------------------------------------------------------------- CSV */

/* RFC 4180. A cell that a spreadsheet would take for a formula gets an apostrophe before it. */
static void cell(text *out, const char *value) {
    const bool formula = value[0] != '\0' && strchr("=+-@\t\r", value[0]) != NULL;
    if (!formula && strpbrk(value, ",\"\r\n") == NULL) {
        text_add(out, value);
        return;
    }
    text_add(out, formula ? "\"'" : "\"");
    for (const char *c = value; *c != '\0'; c++) {
        text_add_bytes(out, c, 1);
        if (*c == '"') {
            text_add(out, "\"");
        }
    }
    text_add(out, "\"");
}

/* A comma and the number; nothing after the comma where there is none. */
static void next_real(text *out, double value) {
    text_add(out, ",");
    if (isfinite(value)) {
        text_add_real(out, value);
    }
}

void eval_report_settings_csv(const eval_results *results, text *out) {
    text_add(out, "name,method,tau,alpha,refined,k,miou,miou_low,miou_high,published_miou,pixel_accuracy,"
                  "adjusted_rand_index,boundary_iou,boundary_f,segments,seconds\n");
    for (size_t i = 0; i < results->setting_count; i++) {
        const eval_setting *s = &results->settings[i];
        cell(out, s->name);
        text_add(out, ",");
        cell(out, s->method);
        next_real(out, s->tau);
        next_real(out, s->alpha);
        text_print(out, ",%d,%" PRIu32, s->refined ? 1 : 0, s->k);
        const double figures[] = {
            s->miou,     s->miou_low,   s->miou_high,    eval_published_miou(results->dataset, s->method) / 100,
            s->accuracy, s->rand_index, s->boundary_iou, s->boundary_f,
            s->segments, s->seconds,
        };
        for (size_t f = 0; f < sizeof figures / sizeof *figures; f++) {
            next_real(out, figures[f]);
        }
        text_add(out, "\n");
    }
}

void eval_report_classes_csv(const eval_results *results, text *out) {
    text_add(out, "setting,class,name,tp,fp,fn,iou\n");
    for (size_t i = 0; i < results->setting_count; i++) {
        for (size_t c = 0; c < results->class_count; c++) {
            const eval_class_score *score = &results->settings[i].classes[c];
            cell(out, results->settings[i].name);
            text_print(out, ",%zu,", c);
            cell(out, results->class_names[c]);
            text_print(out, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64, score->tp, score->fp, score->fn);
            next_real(out, score->iou);
            text_add(out, "\n");
        }
    }
}

void eval_report_coherence_csv(const eval_results *results, text *out) {
    text_add(out, "features,threshold,false_positive_rate,true_positive_rate\n");
    for (size_t i = 0; i < results->coherence_count; i++) {
        const eval_coherence *c = &results->coherence[i];
        for (size_t p = 0; p < c->point_count; p++) {
            cell(out, c->name);
            next_real(out, c->points[p].threshold);
            next_real(out, c->points[p].false_positive);
            next_real(out, c->points[p].true_positive);
            text_add(out, "\n");
        }
    }
}

bool eval_report_photos_csv(const eval_results *results, eval_sink_fn sink, void *user) {
    text line = {0};
    eval_photo_row row;
    int more = 0;
    bool good = results->photos.rewind(results->photos.user);
    text_add(&line, "photo,setting,miou,pixel_accuracy,adjusted_rand_index,boundary_iou,boundary_f,segments\n");
    while (good && (good = !line.failed && sink(user, &line)) &&
           (more = results->photos.next(results->photos.user, &row)) > 0) {
        text_clear(&line);
        cell(&line, row.name);
        text_add(&line, ",");
        cell(&line, row.setting < results->setting_count ? results->settings[row.setting].name : "");
        const double figures[] = {row.miou, row.accuracy, row.rand_index, row.boundary_iou, row.boundary_f};
        for (size_t f = 0; f < sizeof figures / sizeof *figures; f++) {
            next_real(&line, figures[f]);
        }
        text_print(&line, ",%" PRIu32 "\n", row.segments);
    }
    text_free(&line);
    return good && more == 0;
}

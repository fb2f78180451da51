/* eval_report.c - the terminal's table, and the folder of reports. See eval_report.h. */
#include "eval_report.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "eval_published.h"
#include "eval_report_parts.h"

#define NAME_MAX_WIDTH 44 /* columns of a setting's name; longer ones push the figures to the right */
#define FAILURES_SHOWN 10 /* on the terminal */

/* ------------------------------------------------------------------------------------------------- figures */

size_t eval_report_best(const eval_results *results) {
    size_t best = results->setting_count;
    for (size_t i = 0; i < results->setting_count; i++) {
        const double miou = results->settings[i].miou;
        if (isfinite(miou) && (best == results->setting_count || miou > results->settings[best].miou)) {
            best = i;
        }
    }
    return best;
}

double eval_report_interval(const eval_setting *s) {
    return s->miou_high - s->miou_low;
}

double eval_report_photo_miou(const eval_setting *s) {
    return s->photo_miou;
}

double eval_report_accuracy(const eval_setting *s) {
    return s->accuracy;
}

double eval_report_rand_index(const eval_setting *s) {
    return s->rand_index;
}

double eval_report_boundary_iou(const eval_setting *s) {
    return s->boundary_iou;
}

double eval_report_boundary_f(const eval_setting *s) {
    return s->boundary_f;
}

bool eval_report_has(const eval_results *results, eval_figure_fn figure) {
    for (size_t i = 0; i < results->setting_count; i++) {
        if (isfinite(figure(&results->settings[i]))) {
            return true;
        }
    }
    return false;
}

void eval_report_percent(text *out, double value) {
    if (isfinite(value)) {
        text_print(out, "%.1f", fabs(value) < 0.0005 ? 0.0 : value * 100); /* no -0.0 */
    } else {
        text_add(out, "-");
    }
}

/* ------------------------------------------------------------------------------------------------- table */

/* Control characters, which would drive the terminal, as '?'. */
static void plain(text *out, const char *value) {
    for (const char *c = value; *c != '\0'; c++) {
        const unsigned char byte = (unsigned char)*c;
        text_add_bytes(out, byte < 0x20 || byte == 0x7F ? "?" : c, 1);
    }
}

/* Characters of a string: its bytes but those that continue one. */
static size_t columns_of(const char *value) {
    size_t columns = 0;
    for (; *value != '\0'; value++) {
        columns += ((unsigned char)*value & 0xC0) != 0x80;
    }
    return columns;
}

static void pad(text *out, size_t used, size_t width) {
    for (; used < width; used++) {
        text_add(out, " ");
    }
}

static const struct {
    const char *title;
    eval_figure_fn figure;
} shares[] = {{"photos", eval_report_photo_miou},
              {"pixels", eval_report_accuracy},
              {"ARI", eval_report_rand_index},
              {"bIoU", eval_report_boundary_iou},
              {"bF", eval_report_boundary_f}};
enum { SHARE_COUNT = sizeof shares / sizeof *shares };

static size_t name_width(const eval_results *r) {
    size_t width = 8;
    for (size_t i = 0; i < r->setting_count; i++) {
        const size_t columns = columns_of(r->settings[i].name);
        width = columns > width ? columns : width;
    }
    return width < NAME_MAX_WIDTH ? width : NAME_MAX_WIDTH;
}

/* Which columns the table has. */
typedef struct table {
    const eval_results *results;
    size_t name; /* width */
    bool interval;
    bool share[SHARE_COUNT];
    text scratch; /* one cell */
} table;

static void add_cell(table *t, size_t width, text *out) {
    pad(out, columns_of(text_string(&t->scratch)), width);
    text_add(out, text_string(&t->scratch));
    text_clear(&t->scratch);
}

static void percent_cell(table *t, size_t width, double value, text *out) {
    eval_report_percent(&t->scratch, value);
    add_cell(t, width, out);
}

static void word_cell(table *t, size_t width, const char *word, text *out) {
    text_add(&t->scratch, word);
    add_cell(t, width, out);
}

static void table_head(table *t, text *out) {
    text_add(out, "  per cent");
    pad(out, 8, t->name);
    word_cell(t, 6, "mIoU", out);
    if (t->interval) {
        word_cell(t, 11, "95 %", out);
    }
    for (size_t i = 0; i < SHARE_COUNT; i++) {
        if (t->share[i]) {
            word_cell(t, 7, shares[i].title, out);
        }
    }
    word_cell(t, 10, "segments", out);
    text_add(out, "\n");
}

static void table_row(table *t, const eval_setting *s, bool best, text *out) {
    text_add(out, best ? "* " : "  ");
    plain(out, s->name);
    pad(out, columns_of(s->name), t->name);
    percent_cell(t, 6, s->miou, out);
    if (t->interval) {
        if (isfinite(eval_report_interval(s))) {
            text_print(&t->scratch, "%.1f-%.1f", s->miou_low * 100, s->miou_high * 100);
        }
        add_cell(t, 11, out);
    }
    for (size_t i = 0; i < SHARE_COUNT; i++) {
        if (t->share[i]) {
            percent_cell(t, 7, shares[i].figure(s), out);
        }
    }
    if (isfinite(s->segments)) {
        text_print(&t->scratch, "%.1f", s->segments);
    } else {
        text_add(&t->scratch, "-");
    }
    add_cell(t, 10, out);
    text_add(out, "\n");
}

/* What was published on this set: names and mIoU only. */
static void published_rows(table *t, text *out) {
    const int column = eval_published_column(t->results->dataset);
    if (column < 0) {
        return;
    }
    text_add(out, "Published mIoU, on the whole set:\n");
    for (size_t i = 0; eval_published_at(i) != NULL; i++) {
        const eval_published_row *row = eval_published_at(i);
        if (isfinite(row->miou[column])) {
            text_add(out, "  ");
            percent_cell(t, 6, row->miou[column] / 100, out);
            text_print(out, row->note[0] != '\0' ? "  %s (%s)\n" : "  %s%s\n", row->name, row->note);
        }
    }
}

static void failure_rows(const eval_results *r, text *out) {
    if (r->failed == 0) {
        return;
    }
    text_print(out, "%" PRIu64 " not scored:\n", r->failed);
    size_t shown = 0;
    for (; shown < r->failure_count && shown < FAILURES_SHOWN; shown++) {
        text_add(out, "  ");
        plain(out, r->failures[shown].file);
        text_add(out, ": ");
        plain(out, r->failures[shown].reason);
        text_add(out, "\n");
    }
    if (r->failed > shown) {
        text_print(out, "  and %" PRIu64 " more\n", r->failed - shown);
    }
}

/* The pairs are the same for all features of one run, so they are told once. */
static void coherence_rows(const eval_results *r, text *out) {
    for (size_t i = 0; i < r->coherence_count; i++) {
        const eval_coherence *c = &r->coherence[i];
        if (i == 0) {
            text_print(out, "Coherence, ROC area over %" PRIu64 " pairs of one class, %" PRIu64 " of two:\n",
                       c->positive, c->negative);
        }
        if (isfinite(c->auc)) {
            text_print(out, "  %.4f (within %.1g)  ", c->auc, c->auc_error);
        } else {
            text_add(out, "  -  ");
        }
        plain(out, c->name);
        text_add(out, "\n");
    }
}

void eval_report_table(const eval_results *results, text *out) {
    table t = {
        .results = results, .name = name_width(results), .interval = eval_report_has(results, eval_report_interval)};
    const size_t best = eval_report_best(results);
    for (size_t i = 0; i < SHARE_COUNT; i++) {
        t.share[i] = eval_report_has(results, shares[i].figure);
    }
    plain(out, results->title);
    text_add(out, ", ");
    plain(out, results->model);
    text_print(out, ": %" PRIu64 " of %" PRIu64 " photos scored\n", results->scored, results->listed);
    if (results->setting_count > 0) {
        table_head(&t, out);
    }
    for (size_t i = 0; i < results->setting_count; i++) {
        table_row(&t, &results->settings[i], i == best && results->setting_count > 1, out);
    }
    published_rows(&t, out);
    coherence_rows(results, out);
    if (results->remarks != NULL) {
        text_add(out, "Note: ");
        plain(out, results->remarks);
        text_add(out, "\n");
    }
    failure_rows(results, out);
    text_free(&t.scratch);
}

/* ------------------------------------------------------------------------------------------------- files */

static diffcut_status fail(diffcut_diagnostics *diagnostics, diffcut_status status, const char *what,
                           const char *reason) {
    (void)snprintf(diagnostics->message, sizeof diagnostics->message, "%.300s: %.180s", what, reason);
    return status;
}

static diffcut_status check_free(const char *path, bool force, diffcut_diagnostics *diagnostics) {
    return !force && access(path, F_OK) == 0
               ? fail(diagnostics, DIFFCUT_ERROR_EXISTS, path, "exists already; --force replaces it")
               : DIFFCUT_OK;
}

static diffcut_status write_text(const char *path, const text *content, bool force,
                                 diffcut_diagnostics *diagnostics) {
    if (content->failed) {
        return fail(diagnostics, DIFFCUT_ERROR_MEMORY, path, "out of memory");
    }
    return diffcut_write_file(path, content->data, content->length, force, diagnostics);
}

static bool write_part(void *user, const text *part) {
    return fwrite(part->data, 1, part->length, user) == part->length;
}

/* Line by line, as the rows may be millions: to a name of its own, then renamed. */
static diffcut_status write_photos(const eval_results *results, const char *path, diffcut_diagnostics *diagnostics) {
    text part = {0};
    text_print(&part, "%s.part", path);
    if (part.failed) {
        return fail(diagnostics, DIFFCUT_ERROR_MEMORY, path, "out of memory");
    }
    diffcut_status status = DIFFCUT_OK;
    FILE *file = fopen(part.data, "wbe");
    if (file == NULL) {
        status = fail(diagnostics, DIFFCUT_ERROR_IO, path, strerror(errno));
        goto cleanup;
    }
    errno = 0;
    bool good = eval_report_photos_csv(results, write_part, file);
    good = fflush(file) == 0 && fsync(fileno(file)) == 0 && good;
    const int reason = errno;
    good = fclose(file) == 0 && good;
    if (!good || rename(part.data, path) != 0) {
        status = fail(diagnostics, DIFFCUT_ERROR_IO, path,
                      good          ? strerror(errno)
                      : reason != 0 ? strerror(reason)
                                    : "the per-photo rows cannot be read");
        (void)unlink(part.data);
    }
cleanup:
    text_free(&part);
    return status;
}

typedef enum report_file {
    FILE_JSON,
    FILE_SETTINGS,
    FILE_CLASSES,
    FILE_PHOTOS,
    FILE_COHERENCE,
    FILE_CURVE,
    FILE_CURVE_PNG,
    FILE_PAGE, /* last: written when all the others are */
    FILE_COUNT
} report_file;

static const char *const file_names[FILE_COUNT] = {"results.json",  "settings.csv",  "classes.csv",   "photos.csv",
                                                   "coherence.csv", "coherence.svg", "coherence.png", "report.html"};

static bool is_wanted(const eval_results *r, report_file file) {
    switch (file) {
    case FILE_PHOTOS:
        return r->photos.next != NULL;
    case FILE_COHERENCE:
    case FILE_CURVE:
    case FILE_CURVE_PNG:
        return r->coherence_count > 0;
    case FILE_SETTINGS:
    case FILE_CLASSES:
    case FILE_PAGE:
        return r->setting_count > 0; /* else only features are compared */
    case FILE_JSON:
    case FILE_COUNT:
        break;
    }
    return true;
}

/* False: the per-photo rows could not be read. */
static bool make_file(const eval_results *r, report_file file, text *content) {
    switch (file) {
    case FILE_JSON:
        eval_report_json(r, content);
        return true;
    case FILE_SETTINGS:
        eval_report_settings_csv(r, content);
        return true;
    case FILE_CLASSES:
        eval_report_classes_csv(r, content);
        return true;
    case FILE_COHERENCE:
        eval_report_coherence_csv(r, content);
        return true;
    case FILE_CURVE:
        eval_report_roc(r, true, content);
        return true;
    case FILE_CURVE_PNG:
        eval_report_roc_png(r, content);
        return true;
    case FILE_PAGE:
        return eval_report_html(r, content);
    case FILE_PHOTOS:
    case FILE_COUNT:
        break;
    }
    return false;
}

diffcut_status eval_report_write(const eval_results *results, const char *folder, bool force,
                                 diffcut_diagnostics *diagnostics) {
    diffcut_status status = DIFFCUT_OK;
    for (int pass = 0; pass < 2; pass++) { /* all names are looked at before the first is written */
        for (int file = 0; file < FILE_COUNT && status == DIFFCUT_OK; file++) {
            text path = {0};
            text content = {0};
            text_print(&path, "%s/%s", folder, file_names[file]);
            if (path.failed) {
                status = fail(diagnostics, DIFFCUT_ERROR_MEMORY, folder, "out of memory");
            } else if (!is_wanted(results, (report_file)file)) {
                status = DIFFCUT_OK;
            } else if (pass == 0) {
                status = check_free(path.data, force, diagnostics);
            } else if (file == FILE_PHOTOS) {
                status = write_photos(results, path.data, diagnostics);
            } else if (!make_file(results, (report_file)file, &content)) {
                status = fail(diagnostics, DIFFCUT_ERROR_IO, path.data, "the per-photo rows cannot be read");
            } else {
                status = write_text(path.data, &content, force, diagnostics);
            }
            text_free(&content);
            text_free(&path);
        }
    }
    return status;
}

/* score_print.c - see score_print.h. */
#include "score_print.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DIGITS = 12 }; /* of a figure in JSON */

void score_tally_add(score_tally *tally, const char *file, const char *reason) {
    tally->failed++;
    text_add(&tally->failures, tally->failures.length > 0 ? ",\n    {\"file\": " : "{\"file\": ");
    json_string(&tally->failures, file);
    text_add(&tally->failures, ", \"reason\": ");
    json_string(&tally->failures, reason);
    text_add(&tally->failures, "}");
}

/* ------------------------------------------------------------------------------------------------- table */

static void row_percent(text *out, const char *name, double value, const char *more) {
    if (!isnan(value)) {
        text_print(out, "%-20s %7.2f %%%s\n", name, 100.0 * value, more);
    }
}

static void add_files(text *out, const diffcut_score_report *report, const score_tally *tally) {
    text_print(out, "%-20s %7" PRIu64 "\n", "photos scored", report->photos);
    text_print(out, "%-20s %7" PRIu64 "\n", "not scored", tally->failed);
    if (report->empty > 0) {
        text_print(out, "%-20s %7" PRIu64 " of the scored: all of their labels are left out\n", "nothing to compare",
                   report->empty);
    }
    if (tally->unpredicted > 0) {
        text_print(out, "%-20s %7" PRIu64 " label files\n", "without prediction", tally->unpredicted);
    }
}

static void add_classes(text *out, const diffcut_score_report *report) {
    const bool bands = !isnan(report->boundary_iou);
    text_print(out, "\n%-24s %8s%s %8s %12s %12s %12s\n", "class", "IoU %", bands ? "  border %" : "", "photos", "TP",
               "FP", "FN");
    for (uint32_t c = 0; c < report->class_count; c++) {
        const diffcut_class_score *row = &report->classes[c];
        if (isnan(row->iou)) {
            continue;
        }
        text_print(out, "%-24s %8.2f", row->name, 100.0 * row->iou);
        if (bands) {
            text_print(out, "%10.2f", 100.0 * row->boundary_iou);
        }
        text_print(out, " %8" PRIu64 " %12" PRIu64 " %12" PRIu64 " %12" PRIu64 "\n", row->photos, row->tp, row->fp,
                   row->fn);
    }
}

void score_print_text(const diffcut_protocol *protocol, const diffcut_score_report *report,
                      const score_tally *tally) {
    text out = {0};
    char more[96] = "";
    text_print(&out, "%-20s %s, %" PRIu32 " classes%s\n", "protocol", diffcut_protocol_name(protocol),
               report->class_count, diffcut_protocol_is_reference(protocol) ? ", as the published code" : "");
    add_files(&out, report, tally);
    int used = snprintf(more, sizeof more, "   over %" PRIu32 " classes", report->classes_in_mean);
    if (!isnan(report->miou_low) && used > 0) {
        (void)snprintf(more + used, sizeof more - (size_t)used, "; 95 %% of resamplings: %.2f .. %.2f",
                       100.0 * report->miou_low, 100.0 * report->miou_high);
    }
    row_percent(&out, "mean IoU", report->miou, more);
    row_percent(&out, "pixel accuracy", report->pixel_accuracy, "");
    row_percent(&out, "mean photo's IoU", report->mean_photo_miou, "");
    row_percent(&out, "adjusted Rand index", report->ari, "");
    row_percent(&out, "boundary IoU", report->boundary_iou, "");
    row_percent(&out, "boundary F", report->boundary_f, "");
    if (!isnan(report->segments)) {
        text_print(&out, "%-20s %7.2f a photo\n", "segments", report->segments);
    }
    if (report->pixels > 0) {
        row_percent(&out, "left over", (double)report->unassigned_pixels / (double)report->pixels,
                    "   of the pixels are in segments without a class");
        add_classes(&out, report);
    }
    (void)fputs(text_string(&out), stdout);
    text_free(&out);
}

/* ------------------------------------------------------------------------------------------------- JSON */

static void add_real(text *out, const char *key, double value) {
    text_print(out, ",\n  \"%s\": ", key);
    json_real(out, value, DIGITS);
}

static void add_figures(text *out, const diffcut_score_report *report) {
    add_real(out, "miou", report->miou);
    text_add(out, ",\n  \"miou_interval\": [");
    json_real(out, report->miou_low, DIGITS);
    text_add(out, ", ");
    json_real(out, report->miou_high, DIGITS);
    text_print(out, "],\n  \"classes_in_mean\": %" PRIu32, report->classes_in_mean);
    add_real(out, "pixel_accuracy", report->pixel_accuracy);
    add_real(out, "mean_photo_miou", report->mean_photo_miou);
    add_real(out, "ari", report->ari);
    add_real(out, "segments", report->segments);
    add_real(out, "boundary_iou", report->boundary_iou);
    add_real(out, "boundary_precision", report->boundary_precision);
    add_real(out, "boundary_recall", report->boundary_recall);
    add_real(out, "boundary_f", report->boundary_f);
    text_print(out, ",\n  \"pixels\": %" PRIu64 ",\n  \"correct\": %" PRIu64 ",\n  \"unassigned_pixels\": %" PRIu64,
               report->pixels, report->correct, report->unassigned_pixels);
}

static void add_class_items(text *out, const diffcut_score_report *report) {
    text_add(out, ",\n  \"classes\": [");
    for (uint32_t c = 0; c < report->class_count; c++) {
        const diffcut_class_score *row = &report->classes[c];
        text_add(out, c > 0 ? ",\n    {\"name\": " : "\n    {\"name\": ");
        json_string(out, row->name);
        text_print(out,
                   ", \"tp\": %" PRIu64 ", \"fp\": %" PRIu64 ", \"fn\": %" PRIu64 ", \"photos\": %" PRIu64
                   ", \"iou\": ",
                   row->tp, row->fp, row->fn, row->photos);
        json_real(out, row->iou, DIGITS);
        text_add(out, ", \"boundary_iou\": ");
        json_real(out, row->boundary_iou, DIGITS);
        text_add(out, "}");
    }
    text_add(out, "\n  ]");
}

void score_print_json(const diffcut_protocol *protocol, const diffcut_score_settings *settings,
                      const diffcut_score_report *report, const score_tally *tally) {
    text out = {0};
    text_add(&out, "{\n  \"protocol\": ");
    json_string(&out, diffcut_protocol_name(protocol));
    text_print(&out,
               ",\n  \"reference\": %s,\n  \"full_resolution\": %s,\n  \"replicates\": %" PRIu32
               ",\n  \"photos\": {\"scored\": %" PRIu64 ", \"failed\": %" PRIu64 ", \"empty\": %" PRIu64
               ", \"labels_without_prediction\": %" PRIu64 "}",
               diffcut_protocol_is_reference(protocol) ? "true" : "false",
               settings->full_resolution ? "true" : "false", settings->replicates, report->photos, tally->failed,
               report->empty, tally->unpredicted);
    add_figures(&out, report);
    add_class_items(&out, report);
    text_print(&out, ",\n  \"failures\": [%s]\n}\n", text_string(&tally->failures));
    (void)fputs(text_string(&out), stdout);
    text_free(&out);
}

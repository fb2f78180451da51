/*
 * score.c - the sum over photos: diffcut_score_create, _add, _merge and _report_make.
 * Called through the public interface.
 */
#include "eval/score.h"

#include <inttypes.h>
#include <math.h>

#include "core/memory.h"
#include "eval/bootstrap.h"
#include "eval/measure.h"
#include "io/entry.h"

diffcut_status diffcut_score_create(const diffcut_protocol *protocol, const diffcut_score_settings *settings,
                                    diffcut_score **out, diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    diffcut_score_settings defaults;
    diffcut_score_settings_init(&defaults);
    settings = settings != NULL ? settings : &defaults;
    if (protocol == NULL || out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_score_create: protocol or out is NULL");
    }
    diffcut_status status = measure_check_settings(settings, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    diffcut_score *score = mem_array_zero(1, sizeof *score);
    if (score == NULL) {
        return diag_no_memory(diag, sizeof *score, "a score");
    }
    size_t cells = (size_t)protocol->classes * 2;
    score->protocol = protocol;
    score->settings = *settings;
    score->sums = mem_array_zero(protocol->classes, SCORE_SUM_COUNT * sizeof *score->sums);
    score->bootstrap = mem_array_zero(settings->replicates, cells * sizeof *score->bootstrap);
    if (score->sums == NULL || score->bootstrap == NULL) {
        diffcut_score_free(score);
        return diag_no_memory(diag, settings->replicates * cells * sizeof *score->bootstrap, "the bootstrap's sums");
    }
    *out = score;
    return DIFFCUT_OK;
}

void diffcut_score_free(diffcut_score *score) {
    if (score != NULL) {
        mem_free(score->sums);
        mem_free(score->bootstrap);
        mem_free(score);
    }
}

/* ------------------------------------------------------------------------------------------------- adding */

/* A photo may come from a file: nothing of it is trusted, so that sums cannot overflow. */
static diffcut_status check_photo(const diffcut_score *score, const diffcut_score_photo *photo,
                                  diffcut_diagnostics *diag) {
    const uint64_t most = photo->pixels;
    bool good = most <= MEASURE_MAX_PIXELS && photo->unassigned_pixels <= most && photo->segments <= UINT32_MAX &&
                photo->edges_found <= photo->edges && photo->truth_edges_found <= photo->truth_edges &&
                photo->edges <= most && photo->truth_edges <= most;
    for (size_t i = 0; good && i < photo->count; i++) {
        const diffcut_class_counts *c = &photo->counts[i];
        good = c->tp <= most && c->fp <= most && c->fn <= most && c->band_union <= most &&
               c->band_intersection <= c->band_union && (i == 0 || c->index > photo->counts[i - 1].index);
        if (good && c->index >= score->protocol->classes) {
            return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                             "%s: class %" PRIu32 " is not below the %" PRIu32 " of protocol %s", photo->name,
                             c->index, score->protocol->classes, score->protocol->name);
        }
    }
    if (!good ||
        (most > 0 && !(photo->ari >= -1.0 && photo->ari <= 1.0 && photo->miou >= 0.0 && photo->miou <= 1.0))) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "%s: its figures contradict each other", photo->name);
    }
    if (score->totals[SCORE_PHOTOS] >= SCORE_MAX_PHOTOS || score->totals[SCORE_PIXELS] + most > SCORE_MAX_PIXELS) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "%s: the score holds as many photos or pixels as it can",
                         photo->name);
    }
    return DIFFCUT_OK;
}

static uint64_t fraction(double value) {
    return (uint64_t)llrint(value * SCORE_FRACTION);
}

diffcut_status diffcut_score_add(diffcut_score *score, const diffcut_score_photo *photo,
                                 diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (score == NULL || photo == NULL || photo->name == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_score_add: no score, no photo or no name");
    }
    uint64_t key = 0;
    diffcut_status status = check_photo(score, photo, diag);
    if (status == DIFFCUT_OK) {
        status = bootstrap_key(photo->name, score->settings.seed, &key, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    uint64_t *totals = score->totals;
    totals[SCORE_PHOTOS]++;
    totals[SCORE_EMPTY] += photo->pixels == 0;
    totals[SCORE_PIXELS] += photo->pixels;
    totals[SCORE_UNASSIGNED] += photo->unassigned_pixels;
    totals[SCORE_SEGMENTS] += photo->segments;
    totals[SCORE_MIOU] += photo->pixels > 0 ? fraction(photo->miou) : 0;
    totals[SCORE_ARI] += photo->pixels > 0 ? fraction(1.0 + photo->ari) : 0;
    totals[SCORE_EDGES] += photo->edges;
    totals[SCORE_EDGES_FOUND] += photo->edges_found;
    totals[SCORE_TRUTH_EDGES] += photo->truth_edges;
    totals[SCORE_TRUTH_EDGES_FOUND] += photo->truth_edges_found;
    for (size_t i = 0; i < photo->count; i++) {
        const diffcut_class_counts *c = &photo->counts[i];
        uint64_t *sums = score->sums + (size_t)c->index * SCORE_SUM_COUNT;
        totals[SCORE_CORRECT] += c->tp;
        sums[SCORE_TP] += c->tp;
        sums[SCORE_FP] += c->fp;
        sums[SCORE_FN] += c->fn;
        sums[SCORE_BAND_INTERSECTION] += c->band_intersection;
        sums[SCORE_BAND_UNION] += c->band_union;
        sums[SCORE_CLASS_PHOTOS] += c->tp + c->fn > 0;
    }
    bootstrap_add(photo, key, score->settings.replicates, score->protocol->classes, score->bootstrap);
    return DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- merging */

/* The first thing that two scores do not have in common, or NULL. */
static const char *first_difference(const diffcut_score *a, const diffcut_score *b) {
    const diffcut_score_settings *s = &a->settings, *t = &b->settings;
    if (a->protocol->identity != b->protocol->identity) {
        return "protocol";
    }
    if (s->full_resolution != t->full_resolution) {
        return "full_resolution";
    }
    if (s->boundary != t->boundary) {
        return "boundary";
    }
    if (s->boundary && (s->band > t->band || s->band < t->band)) {
        return "band";
    }
    if (s->boundary && (s->tolerance > t->tolerance || s->tolerance < t->tolerance)) {
        return "tolerance";
    }
    if (s->replicates != t->replicates) {
        return "replicates";
    }
    return s->seed != t->seed ? "seed" : NULL;
}

diffcut_status diffcut_score_merge(diffcut_score *into, const diffcut_score *from, diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (into == NULL || from == NULL || into == from) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_score_merge: a score is NULL, or both are the same");
    }
    const char *difference = first_difference(into, from);
    if (difference != NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "the scores cannot be merged: they differ in their %s",
                         difference);
    }
    if (into->totals[SCORE_PIXELS] + from->totals[SCORE_PIXELS] > SCORE_MAX_PIXELS ||
        into->totals[SCORE_PHOTOS] + from->totals[SCORE_PHOTOS] > SCORE_MAX_PHOTOS) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "the scores cannot be merged: too many photos or pixels");
    }
    size_t classes = into->protocol->classes;
    for (size_t i = 0; i < SCORE_TOTAL_COUNT; i++) {
        into->totals[i] += from->totals[i];
    }
    for (size_t i = 0; i < classes * SCORE_SUM_COUNT; i++) {
        into->sums[i] += from->sums[i];
    }
    for (size_t i = 0; i < (size_t)into->settings.replicates * classes * 2; i++) {
        into->bootstrap[i] += from->bootstrap[i];
    }
    return DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- report */

static double share(uint64_t part, uint64_t whole) {
    return whole > 0 ? (double)part / (double)whole : NAN;
}

static void report_classes(const diffcut_score *score, diffcut_score_report *report) {
    double iou = 0.0, band_iou = 0.0;
    uint32_t bands = 0;
    for (uint32_t c = 0; c < report->class_count; c++) {
        const uint64_t *sums = score->sums + (size_t)c * SCORE_SUM_COUNT;
        diffcut_class_score *row = &report->classes[c];
        *row = (diffcut_class_score){.name = score->protocol->names[c],
                                     .tp = sums[SCORE_TP],
                                     .fp = sums[SCORE_FP],
                                     .fn = sums[SCORE_FN],
                                     .photos = sums[SCORE_CLASS_PHOTOS]};
        row->iou = share(row->tp, row->tp + row->fp + row->fn);
        row->boundary_iou = share(sums[SCORE_BAND_INTERSECTION], sums[SCORE_BAND_UNION]);
        if (!isnan(row->iou)) {
            iou += row->iou;
            report->classes_in_mean++;
        }
        if (!isnan(row->boundary_iou)) {
            band_iou += row->boundary_iou;
            bands++;
        }
    }
    report->miou = report->classes_in_mean > 0 ? iou / report->classes_in_mean : NAN;
    report->boundary_iou = bands > 0 ? band_iou / bands : NAN;
}

static void report_totals(const diffcut_score *score, diffcut_score_report *report) {
    const uint64_t *totals = score->totals;
    double measured = (double)(totals[SCORE_PHOTOS] - totals[SCORE_EMPTY]);
    report->photos = totals[SCORE_PHOTOS];
    report->empty = totals[SCORE_EMPTY];
    report->pixels = totals[SCORE_PIXELS];
    report->correct = totals[SCORE_CORRECT];
    report->unassigned_pixels = totals[SCORE_UNASSIGNED];
    report->pixel_accuracy = share(report->correct, report->pixels);
    report->segments = share(totals[SCORE_SEGMENTS], totals[SCORE_PHOTOS]);
    report->mean_photo_miou = measured > 0.0 ? (double)totals[SCORE_MIOU] / SCORE_FRACTION / measured : NAN;
    report->ari = measured > 0.0 ? (double)totals[SCORE_ARI] / SCORE_FRACTION / measured - 1.0 : NAN;
    report->boundary_precision = share(totals[SCORE_EDGES_FOUND], totals[SCORE_EDGES]);
    report->boundary_recall = share(totals[SCORE_TRUTH_EDGES_FOUND], totals[SCORE_TRUTH_EDGES]);
    bool known = score->settings.boundary && report->pixels > 0;
    report->boundary_f = known ? measure_boundary_f(totals[SCORE_EDGES], totals[SCORE_EDGES_FOUND],
                                                    totals[SCORE_TRUTH_EDGES], totals[SCORE_TRUTH_EDGES_FOUND])
                               : NAN;
}

diffcut_status diffcut_score_report_make(const diffcut_score *score, diffcut_score_report *out,
                                         diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (score == NULL || out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_score_report_make: score or out is NULL");
    }
    diffcut_score_report report = {.class_count = score->protocol->classes};
    report.classes = mem_array_zero(report.class_count, sizeof *report.classes);
    if (report.classes == NULL) {
        return diag_no_memory(diag, report.class_count * sizeof *report.classes, "a report");
    }
    report_classes(score, &report);
    report_totals(score, &report);
    diffcut_status status = bootstrap_interval(score->bootstrap, score->settings.replicates, report.class_count,
                                               &report.miou_low, &report.miou_high, diag);
    if (status != DIFFCUT_OK) {
        mem_free(report.classes);
        return status;
    }
    *out = report;
    return DIFFCUT_OK;
}

void diffcut_score_report_free(diffcut_score_report *report) {
    if (report != NULL) {
        mem_free(report->classes);
        *report = (diffcut_score_report){0};
    }
}

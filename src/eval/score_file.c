/*
 * score_file.c - a score's sums as JSON and back: diffcut_score_save and _load.
 *
 *   {"format": "diffcut score", "version": 1, "protocol": "voc", "identity": [..], "settings": {...},
 *    "totals": [...], "classes": [[index, tp, fp, ...], ...], "bootstrap": [[index, ...], ...]}
 *
 * Only classes with a sum are written. identity is the hash of the protocol's classes and values, in two halves.
 * Called through the public interface.
 */
#include "eval/score.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "io/bytes.h"
#include "io/entry.h"
#include "io/json.h"

#define FORMAT "diffcut score"
#define MAX_BYTES ((size_t)1 << 30)

/* ------------------------------------------------------------------------------------------------- writing */

static void put_numbers(bytes *sink, const uint64_t *numbers, size_t count, size_t stride) {
    for (size_t i = 0; i < count; i++) {
        bytes_text(sink, i > 0 ? ", " : "");
        bytes_number(sink, numbers[i * stride]);
    }
}

static void put_settings(bytes *sink, const diffcut_score_settings *s) {
    char line[256];
    (void)snprintf(
        line, sizeof line,
        " \"settings\": {\"full_resolution\": %s, \"boundary\": %s, \"band\": %.17g, \"tolerance\": %.17g, "
        "\"replicates\": %" PRIu32 ", \"seed\": [%" PRIu64 ", %" PRIu64 "]},\n",
        s->full_resolution ? "true" : "false", s->boundary ? "true" : "false", s->band, s->tolerance, s->replicates,
        s->seed >> 32, s->seed & UINT32_MAX);
    bytes_text(sink, line);
}

static bool class_occurs(const diffcut_score *score, uint32_t index) {
    const uint64_t *sums = score->sums + (size_t)index * SCORE_SUM_COUNT;
    return sums[SCORE_TP] + sums[SCORE_FP] + sums[SCORE_FN] > 0;
}

/* A list for each class that occurs: its index, then count numbers, stride apart, from first(class). */
static void put_classes(bytes *sink, const char *key, const diffcut_score *score, bool bootstrap) {
    uint32_t classes = score->protocol->classes;
    const char *separator = "";
    bytes_text(sink, key);
    for (uint32_t c = 0; c < classes; c++) {
        if (!class_occurs(score, c)) {
            continue;
        }
        bytes_text(sink, separator);
        bytes_text(sink, "{\"sums\": [");
        bytes_number(sink, c);
        bytes_text(sink, ", ");
        if (bootstrap) {
            put_numbers(sink, score->bootstrap + (size_t)c * 2, score->settings.replicates, (size_t)classes * 2);
            bytes_text(sink, score->settings.replicates > 0 ? ", " : "");
            put_numbers(sink, score->bootstrap + (size_t)c * 2 + 1, score->settings.replicates, (size_t)classes * 2);
        } else {
            put_numbers(sink, score->sums + (size_t)c * SCORE_SUM_COUNT, SCORE_SUM_COUNT, 1);
        }
        bytes_text(sink, "]}");
        separator = ",\n  ";
    }
    bytes_text(sink, "]");
}

diffcut_status diffcut_score_save(const diffcut_score *score, diffcut_buffer *out, diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (score == NULL || out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_score_save: score or out is NULL");
    }
    bytes sink = {0};
    bytes_text(&sink, "{\"format\": \"" FORMAT "\", \"version\": 1,\n \"protocol\": ");
    bytes_json_string(&sink, score->protocol->name);
    bytes_text(&sink, ", \"identity\": [");
    bytes_number(&sink, score->protocol->identity >> 32);
    bytes_text(&sink, ", ");
    bytes_number(&sink, score->protocol->identity & UINT32_MAX);
    bytes_text(&sink, "],\n");
    put_settings(&sink, &score->settings);
    bytes_text(&sink, " \"totals\": [");
    put_numbers(&sink, score->totals, SCORE_TOTAL_COUNT, 1);
    put_classes(&sink, "],\n \"classes\": [", score, false);
    if (score->settings.replicates > 0) {
        put_classes(&sink, ",\n \"bootstrap\": [", score, true);
    }
    bytes_text(&sink, "}\n");
    return bytes_finish(&sink, "a score", out, diag);
}

/* ------------------------------------------------------------------------------------------------- reading */

diffcut_status score_get_numbers(json_view view, const char *key, size_t count, size_t *numbers,
                                 diffcut_diagnostics *diag) {
    size_t found = 0;
    diffcut_status status = json_get_size_list(view, key, count, numbers, &found, diag);
    if (status == DIFFCUT_OK && found != count) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: %s has %zu numbers, expected %zu", view.file, key, found,
                         count);
    }
    return status;
}

/* The same, each at most 2^62. */
static diffcut_status get_sums(json_view view, const char *key, size_t count, size_t *numbers,
                               diffcut_diagnostics *diag) {
    diffcut_status status = score_get_numbers(view, key, count, numbers, diag);
    for (size_t i = 0; status == DIFFCUT_OK && i < count; i++) {
        if (numbers[i] > (size_t)1 << 62) {
            return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: %s[%zu] is too large", view.file, key, i);
        }
    }
    return status;
}

static diffcut_status get_pair(json_view view, const char *key, uint64_t *out, diffcut_diagnostics *diag) {
    size_t halves[2] = {0};
    diffcut_status status = get_sums(view, key, 2, halves, diag);
    if (status == DIFFCUT_OK && (halves[0] > UINT32_MAX || halves[1] > UINT32_MAX)) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: %s is no pair of 32 bits", view.file, key);
    }
    *out = (uint64_t)halves[0] << 32 | halves[1];
    return status;
}

static diffcut_status get_settings(json_view root, diffcut_score_settings *s, diffcut_diagnostics *diag) {
    json_view view = root;
    bool present = false;
    diffcut_status status = json_get_object(root, "settings", &present, &view, diag);
    if (status == DIFFCUT_OK && !present) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: settings is missing", root.file);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_flag(view, "full_resolution", false, &s->full_resolution, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_flag(view, "boundary", false, &s->boundary, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_real(view, "band", NULL, 0.0, 0.5, &s->band, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_real(view, "tolerance", NULL, 0.0, 0.5, &s->tolerance, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_uint(view, "replicates", NULL, 0, 100000, &s->replicates, diag);
    }
    return status == DIFFCUT_OK ? get_pair(view, "seed", &s->seed, diag) : status;
}

/* One class's numbers into the score. */
static void take_class(diffcut_score *score, const size_t *numbers, bool bootstrap) {
    size_t classes = score->protocol->classes, index = numbers[0], replicates = score->settings.replicates;
    for (size_t i = 0; !bootstrap && i < SCORE_SUM_COUNT; i++) {
        score->sums[index * SCORE_SUM_COUNT + i] = numbers[1 + i];
    }
    for (size_t r = 0; bootstrap && r < replicates; r++) {
        score->bootstrap[(r * classes + index) * 2] = numbers[1 + r];
        score->bootstrap[(r * classes + index) * 2 + 1] = numbers[1 + replicates + r];
    }
}

static diffcut_status get_classes(json_view root, const char *key, bool bootstrap, diffcut_score *score,
                                  diffcut_diagnostics *diag) {
    size_t each = 1 + (bootstrap ? 2 * (size_t)score->settings.replicates : SCORE_SUM_COUNT);
    size_t *numbers = mem_array(each, sizeof *numbers);
    if (numbers == NULL) {
        return diag_no_memory(diag, each * sizeof *numbers, "reading a score");
    }
    size_t count = 0, before = 0;
    diffcut_status status = DIFFCUT_OK;
    if (score->totals[SCORE_PIXELS] > 0) { /* else the list is empty, and an empty list is none */
        status = json_get_list(root, key, score->protocol->classes, &count, diag);
    }
    for (size_t i = 0; status == DIFFCUT_OK && i < count; i++) {
        json_view item = json_item(root, key, i);
        if (item.node == NULL) {
            status = diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: %s[%zu] is no object", root.file, key, i);
            break;
        }
        status = get_sums(item, "sums", each, numbers, diag);
        if (status == DIFFCUT_OK && (numbers[0] >= score->protocol->classes || (i > 0 && numbers[0] <= before))) {
            status =
                diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: %s[%zu] is of class %zu", root.file, key, i, numbers[0]);
        }
        if (status == DIFFCUT_OK) {
            before = numbers[0];
            take_class(score, numbers, bootstrap);
        }
    }
    mem_free(numbers);
    return status;
}

static diffcut_status check_kind(json_view root, const diffcut_protocol *protocol, diffcut_diagnostics *diag) {
    const char *format = NULL;
    const char *name = NULL;
    uint32_t version = 0;
    uint64_t identity = 0;
    diffcut_status status = json_get_text(root, "format", true, NULL, 64, &format, diag);
    if (status == DIFFCUT_OK) {
        status = json_get_uint(root, "version", NULL, 0, UINT32_MAX, &version, diag);
    }
    if (status == DIFFCUT_OK && (strcmp(format, FORMAT) != 0 || version != 1)) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: not a score of version 1", root.file);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_text(root, "protocol", true, NULL, 64, &name, diag);
    }
    if (status == DIFFCUT_OK) {
        status = get_pair(root, "identity", &identity, diag);
    }
    if (status == DIFFCUT_OK && identity != protocol->identity) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "%s: made with protocol %s of other classes, values or rules than the %s it is read for",
                         root.file, name, protocol->name);
    }
    return status;
}

static diffcut_status load(const diffcut_protocol *protocol, json_view root, diffcut_score **out,
                           diffcut_diagnostics *diag) {
    diffcut_score_settings settings;
    diffcut_score_settings_init(&settings);
    diffcut_score *score = NULL;
    size_t totals[SCORE_TOTAL_COUNT] = {0};
    diffcut_status status = check_kind(root, protocol, diag);
    if (status == DIFFCUT_OK) {
        status = get_settings(root, &settings, diag);
    }
    if (status == DIFFCUT_OK) {
        status = get_sums(root, "totals", SCORE_TOTAL_COUNT, totals, diag);
    }
    if (status == DIFFCUT_OK && (totals[SCORE_PHOTOS] > SCORE_MAX_PHOTOS || totals[SCORE_PIXELS] > SCORE_MAX_PIXELS ||
                                 totals[SCORE_EMPTY] > totals[SCORE_PHOTOS])) {
        status = diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: totals contradict each other", root.file);
    }
    if (status == DIFFCUT_OK) {
        status = diffcut_score_create(protocol, &settings, &score, diag);
    }
    for (size_t i = 0; status == DIFFCUT_OK && i < SCORE_TOTAL_COUNT; i++) {
        score->totals[i] = totals[i];
    }
    if (status == DIFFCUT_OK) {
        status = get_classes(root, "classes", false, score, diag);
    }
    if (status == DIFFCUT_OK && settings.replicates > 0) {
        status = get_classes(root, "bootstrap", true, score, diag);
    }
    if (status != DIFFCUT_OK) {
        diffcut_score_free(score);
        return status == DIFFCUT_ERROR_MODEL ? DIFFCUT_ERROR_FORMAT : status; /* the JSON reader's word for both */
    }
    *out = score;
    return DIFFCUT_OK;
}

diffcut_status diffcut_score_load(const diffcut_protocol *protocol, const void *data, size_t size, const char *name,
                                  diffcut_score **out, diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (protocol == NULL || data == NULL || out == NULL || size > MAX_BYTES) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_score_load: no protocol, data or out, or over 1 GiB");
    }
    json_document document = {0};
    diffcut_status status = json_parse(data, size, name != NULL ? name : "score", &document, diag);
    if (status == DIFFCUT_OK) {
        status = load(protocol, document.root, out, diag);
    }
    json_document_free(&document);
    return status;
}

/*
 * score_photo_file.c - a photo's figures as one line of JSON and back: diffcut_score_photo_encode and _decode.
 *
 *   {"name": "rose", "pixels": [compared, unassigned], "segments": [all, unassigned], "edges": [4], "ari": 0.5,
 *    "classes": [index, tp, fp, fn, band intersection, band union, index, ...]}
 *
 * What follows from the counts is not written. Called through the public interface.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "eval/measure.h"
#include "eval/protocol.h"
#include "eval/score.h"
#include "io/bytes.h"
#include "io/entry.h"
#include "io/json.h"

#define NUMBERS_A_CLASS 6
#define MAX_NAME 4096

diffcut_status diffcut_score_photo_encode(const diffcut_score_photo *photo, diffcut_buffer *out,
                                          diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (photo == NULL || photo->name == NULL || out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_score_photo_encode: no photo, name or out");
    }
    bytes sink = {0};
    char part[256];
    bytes_text(&sink, "{\"name\": ");
    bytes_json_string(&sink, photo->name);
    (void)snprintf(part, sizeof part,
                   ", \"pixels\": [%" PRIu64 ", %" PRIu64 "], \"segments\": [%" PRIu32 ", %" PRIu32
                   "], \"edges\": [%" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64 "]",
                   photo->pixels, photo->unassigned_pixels, photo->segments, photo->unassigned, photo->edges,
                   photo->edges_found, photo->truth_edges, photo->truth_edges_found);
    bytes_text(&sink, part);
    if (!isnan(photo->ari)) {
        (void)snprintf(part, sizeof part, ", \"ari\": %.17g", photo->ari);
        bytes_text(&sink, part);
    }
    bytes_text(&sink, ", \"classes\": [");
    for (size_t i = 0; i < photo->count; i++) {
        const diffcut_class_counts *c = &photo->counts[i];
        const uint64_t numbers[NUMBERS_A_CLASS] = {c->index,     c->tp, c->fp, c->fn, c->band_intersection,
                                                   c->band_union};
        for (size_t n = 0; n < NUMBERS_A_CLASS; n++) {
            bytes_text(&sink, i + n > 0 ? ", " : "");
            bytes_number(&sink, numbers[n]);
        }
    }
    bytes_text(&sink, "]}");
    return bytes_finish(&sink, "a photo's figures", out, diag);
}

/* ------------------------------------------------------------------------------------------------- reading */

static diffcut_status get_counts(json_view root, diffcut_score_photo *photo, diffcut_diagnostics *diag) {
    size_t room = (size_t)PROTOCOL_MAX_CLASSES * NUMBERS_A_CLASS, count = 0;
    size_t *numbers = mem_array(room, sizeof *numbers);
    if (numbers == NULL) {
        return diag_no_memory(diag, room * sizeof *numbers, "reading a photo's figures");
    }
    diffcut_status status = json_get_size_list(root, "classes", room, numbers, &count, diag);
    if (status == DIFFCUT_OK && count % NUMBERS_A_CLASS != 0) {
        status = diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: classes has %zu numbers, not %d a class", root.file,
                           count, NUMBERS_A_CLASS);
    }
    if (status == DIFFCUT_OK) {
        photo->count = count / NUMBERS_A_CLASS;
        photo->counts = mem_array(photo->count, sizeof *photo->counts);
        status = photo->counts != NULL
                     ? DIFFCUT_OK
                     : diag_no_memory(diag, photo->count * sizeof *photo->counts, "a photo's counts");
    }
    for (size_t i = 0; status == DIFFCUT_OK && i < photo->count; i++) {
        const size_t *n = numbers + i * NUMBERS_A_CLASS;
        if (n[0] >= PROTOCOL_MAX_CLASSES || n[1] > MEASURE_MAX_PIXELS || n[2] > MEASURE_MAX_PIXELS ||
            n[3] > MEASURE_MAX_PIXELS || n[1] + n[2] + n[3] == 0) {
            status = diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: the counts of class %zu are out of range", root.file,
                               n[0]);
        }
        photo->counts[i] = (diffcut_class_counts){(uint32_t)n[0], n[1], n[2], n[3], n[4], n[5]};
    }
    mem_free(numbers);
    return status;
}

static diffcut_status decode(json_view root, diffcut_score_photo *photo, diffcut_diagnostics *diag) {
    const char *name = NULL;
    const double none = NAN;
    size_t pixels[2], segments[2], edges[4];
    diffcut_status status = json_get_text(root, "name", true, NULL, MAX_NAME, &name, diag);
    if (status == DIFFCUT_OK) {
        photo->name = mem_string(name);
        status = photo->name != NULL ? DIFFCUT_OK : diag_no_memory(diag, strlen(name) + 1, "a photo's name");
    }
    if (status == DIFFCUT_OK) {
        status = score_get_numbers(root, "pixels", 2, pixels, diag);
    }
    if (status == DIFFCUT_OK) {
        status = score_get_numbers(root, "segments", 2, segments, diag);
    }
    if (status == DIFFCUT_OK) {
        status = score_get_numbers(root, "edges", 4, edges, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_real(root, "ari", &none, -1.0, 1.0, &photo->ari, diag);
    }
    if (status == DIFFCUT_OK) {
        status = get_counts(root, photo, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (segments[0] > UINT32_MAX || segments[1] > UINT32_MAX) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: segments are out of range", root.file);
    }
    photo->pixels = pixels[0];
    photo->unassigned_pixels = pixels[1];
    photo->segments = (uint32_t)segments[0];
    photo->unassigned = (uint32_t)segments[1];
    photo->edges = edges[0];
    photo->edges_found = edges[1];
    photo->truth_edges = edges[2];
    photo->truth_edges_found = edges[3];
    measure_derive(photo);
    return DIFFCUT_OK;
}

diffcut_status diffcut_score_photo_decode(const void *data, size_t size, diffcut_score_photo *out,
                                          diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (data == NULL || out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_score_photo_decode: data or out is NULL");
    }
    json_document document = {0};
    diffcut_score_photo photo = {0};
    diffcut_status status = json_parse(data, size, "photo", &document, diag);
    if (status == DIFFCUT_OK) {
        status = decode(document.root, &photo, diag);
    }
    json_document_free(&document);
    if (status != DIFFCUT_OK) {
        diffcut_score_photo_free(&photo);
        return status == DIFFCUT_ERROR_MODEL ? DIFFCUT_ERROR_FORMAT : status; /* the JSON reader's word for both */
    }
    *out = photo;
    return DIFFCUT_OK;
}

/*
 * coherence_file.c - the counts of coherence.c as JSON and back, so that parts of a set scored on many machines are
 * put together: diffcut_coherence_save, diffcut_coherence_load. Called by `diffcut eval`.
 */
#include <inttypes.h>
#include <stdio.h>

#include "core/memory.h"
#include "eval/coherence.h"
#include "io/bytes.h"
#include "io/entry.h"
#include "io/json.h"
#include "segment/features.h"

#define FORMAT_VERSION 1

static void write_field(bytes *sink, const char *key, uint64_t value) {
    bytes_json_string(sink, key);
    bytes_text(sink, ": ");
    bytes_number(sink, value);
    bytes_text(sink, ", ");
}

static void write_counts(bytes *sink, const char *key, const uint64_t *counts, uint32_t bins) {
    bytes_json_string(sink, key);
    bytes_text(sink, ": [");
    for (uint32_t b = 0; b < bins; b++) {
        bytes_text(sink, b > 0 ? "," : "");
        bytes_number(sink, counts[b]);
    }
    bytes_text(sink, "]");
}

diffcut_status diffcut_coherence_save(const diffcut_coherence *coherence, diffcut_buffer *out,
                                      diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (coherence == NULL || out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_coherence_save: coherence or out is NULL");
    }
    const diffcut_coherence_settings *s = &coherence->settings;
    char seed[24]; /* as text: JSON readers keep 53 bits of a number */
    bytes sink = {0};
    (void)snprintf(seed, sizeof seed, "%" PRIu64, s->seed);
    bytes_text(&sink, "{");
    write_field(&sink, "coherence", FORMAT_VERSION);
    write_field(&sink, "bins", s->bins);
    write_field(&sink, "classes", s->classes);
    write_field(&sink, "max_tokens", s->max_tokens);
    bytes_text(&sink, "\"seed\": \"");
    bytes_text(&sink, seed);
    bytes_text(&sink, "\", \"photos\": [");
    bytes_number(&sink, coherence->photos);
    bytes_text(&sink, "],\n");
    write_counts(&sink, "positive", coherence->positive, s->bins);
    bytes_text(&sink, ",\n");
    write_counts(&sink, "negative", coherence->negative, s->bins);
    bytes_text(&sink, "}\n");
    return bytes_finish(&sink, "coherence", out, diag);
}

static diffcut_status read_seed(json_view root, uint64_t *out, diffcut_diagnostics *diag) {
    const char *seed = NULL;
    diffcut_status status = json_get_text(root, "seed", true, NULL, 20, &seed, diag);
    uint64_t value = 0;
    for (const char *c = seed; status == DIFFCUT_OK && (c == seed || *c != '\0'); c++) {
        const uint64_t digit = (uint64_t)(unsigned char)*c - '0';
        if (*c < '0' || *c > '9' || value > (UINT64_MAX - digit) / 10) {
            return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: seed is no number of 64 bits", root.file);
        }
        value = value * 10 + digit;
    }
    *out = value;
    return status;
}

static diffcut_status read_settings(json_view root, diffcut_coherence_settings *s, diffcut_diagnostics *diag) {
    uint32_t version;
    diffcut_status status = json_get_uint(root, "coherence", NULL, FORMAT_VERSION, FORMAT_VERSION, &version, diag);
    if (status == DIFFCUT_OK) {
        status = json_get_uint(root, "bins", NULL, 2, COHERENCE_MAX_BINS, &s->bins, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_uint(root, "classes", NULL, 1, UINT32_MAX, &s->classes, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_uint(root, "max_tokens", NULL, 2, FEATURES_MAX_TOKENS, &s->max_tokens, diag);
    }
    return status == DIFFCUT_OK ? read_seed(root, &s->seed, diag) : status;
}

static diffcut_status read_counts(json_view root, const char *key, size_t wanted, size_t *scratch, uint64_t *out,
                                  diffcut_diagnostics *diag) {
    size_t count = 0;
    const diffcut_status status = json_get_size_list(root, key, wanted, scratch, &count, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (count != wanted) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: %s has %zu numbers, expected %zu", root.file, key, count,
                         wanted);
    }
    for (size_t i = 0; i < count; i++) {
        out[i] = scratch[i];
    }
    return DIFFCUT_OK;
}

diffcut_status diffcut_coherence_load(const void *data, size_t size, const char *name, diffcut_coherence **out,
                                      diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (data == NULL || out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_coherence_load: data or out is NULL");
    }
    json_document document = {0};
    diffcut_coherence_settings settings = {0};
    diffcut_coherence *made = NULL;
    size_t *scratch = NULL;
    diffcut_status status = json_parse(data, size, name != NULL ? name : "coherence", &document, diag);
    if (status == DIFFCUT_OK) {
        status = read_settings(document.root, &settings, diag);
    }
    if (status != DIFFCUT_OK) {
        goto cleanup;
    }
    status = diffcut_coherence_create(&settings, &made, diag);
    if (status != DIFFCUT_OK) {
        goto cleanup;
    }
    scratch = mem_array(settings.bins, sizeof *scratch);
    if (scratch == NULL) {
        status = diag_no_memory(diag, settings.bins * sizeof *scratch, "coherence");
        goto cleanup;
    }
    status = read_counts(document.root, "photos", 1, scratch, &made->photos, diag);
    if (status == DIFFCUT_OK) {
        status = read_counts(document.root, "positive", settings.bins, scratch, made->positive, diag);
    }
    if (status == DIFFCUT_OK) {
        status = read_counts(document.root, "negative", settings.bins, scratch, made->negative, diag);
    }
    if (status == DIFFCUT_OK) {
        *out = made;
        made = NULL;
    }
cleanup:
    mem_free(scratch);
    diffcut_coherence_free(made);
    json_document_free(&document);
    return status == DIFFCUT_ERROR_MODEL ? DIFFCUT_ERROR_FORMAT : status;
}

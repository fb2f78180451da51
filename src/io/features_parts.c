/*
 * features_parts.c - lists of named features, and their safetensors file: diffcut_features_parts_free,
 * diffcut_encode_parts_safetensors.
 */
#include "core/memory.h"
#include "io/entry.h"
#include "io/safetensors_write.h"
#include "segment/features.h"

void diffcut_features_parts_free(diffcut_features_part *parts, size_t count) {
    for (size_t i = 0; parts != NULL && i < count; i++) {
        diffcut_features_free(parts[i].features);
    }
    mem_free(parts);
}

static diffcut_status check_arguments(const diffcut_features_part *parts, size_t count, const diffcut_note *notes,
                                      size_t note_count, const diffcut_buffer *out, diffcut_diagnostics *diag) {
    if (out == NULL || (parts == NULL && count > 0) || (notes == NULL && note_count > 0)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "diffcut_encode_parts_safetensors: parts, notes or out is NULL");
    }
    for (size_t i = 0; i < count; i++) {
        if (parts[i].features == NULL) {
            return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                             "diffcut_encode_parts_safetensors: part %zu has no features", i);
        }
    }
    return DIFFCUT_OK;
}

diffcut_status diffcut_encode_parts_safetensors(const diffcut_features_part *parts, size_t count,
                                                const diffcut_note *notes, size_t note_count, diffcut_buffer *out,
                                                diffcut_diagnostics *diagnostics) {
    enum { RANK = 3 };
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    diffcut_status status = check_arguments(parts, count, notes, note_count, out, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    safetensors_array *items = mem_array(count, sizeof *items);
    size_t *shapes = mem_array(count, RANK * sizeof *shapes);
    safetensors_text *words = mem_array(note_count, sizeof *words);
    if (items == NULL || shapes == NULL || words == NULL) {
        status = diag_no_memory(diag, count * sizeof *items, "the safetensors file");
        goto cleanup;
    }
    for (size_t i = 0; i < count; i++) {
        const diffcut_features *features = parts[i].features;
        size_t *shape = shapes + i * RANK;
        shape[0] = features->height;
        shape[1] = features->width;
        shape[2] = features->channels;
        items[i] = (safetensors_array){parts[i].name, RANK, shape, features->data};
    }
    for (size_t i = 0; i < note_count; i++) {
        words[i] = (safetensors_text){notes[i].key, notes[i].value};
    }
    status = safetensors_write(items, count, words, note_count, out, diag);
cleanup:
    mem_free(words);
    mem_free(shapes);
    mem_free(items);
    return status;
}

/* shard_index.c - see shard_index.h. */
#include "model/shard_index.h"

#include "core/memory.h"
#include "model/weights_file.h"

#include <stdlib.h>
#include <string.h>

/* The name of a file beside the index: no path, so that an index cannot reach out of its folder. */
static diffcut_status check_name(json_view view, const char *tensor, const char *file, diffcut_diagnostics *diag) {
    if (weights_file_is_pickle_name(file)) {
        return weights_file_refuse_pickle(file, diag);
    }
    if (strchr(file, '/') != NULL || file[0] == '.') {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                         "%s: weight_map puts %.100s in \"%.100s\", expected the name of a file beside the index",
                         view.file, tensor, file);
    }
    if (!weights_file_ends(file, ".safetensors")) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                         "%s: weight_map puts %.100s in \"%.100s\", expected a .safetensors file", view.file, tensor,
                         file);
    }
    return DIFFCUT_OK;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Collects the files' names and leaves each once. */
static diffcut_status collect(shard_index *index, diffcut_diagnostics *diag) {
    void *place = NULL;
    const char *tensor;
    json_view value;
    size_t count = 0;
    while (json_next(index->map, &place, &tensor, &value)) {
        const char *file;
        diffcut_status status = json_get_text(index->map, tensor, true, NULL, SHARD_MAX_NAME, &file, diag);
        if (status == DIFFCUT_OK) {
            status = check_name(index->map, tensor, file, diag);
        }
        if (status != DIFFCUT_OK) {
            return status;
        }
        index->files[count++] = file;
    }
    qsort(index->files, count, sizeof *index->files, by_text);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || strcmp(index->files[i], index->files[index->file_count - 1]) != 0) {
            index->files[index->file_count++] = index->files[i];
        }
    }
    if (index->file_count > SHARD_MAX_FILES) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "%s: weight_map names %zu files, at most %d are read",
                         index->map.file, index->file_count, SHARD_MAX_FILES);
    }
    return DIFFCUT_OK;
}

/* The document becomes the index's, on failure too. */
static diffcut_status read_document(json_document document, shard_index *out, diffcut_diagnostics *diag) {
    shard_index index = {.document = document};
    bool present;
    diffcut_status status = json_get_object(document.root, "weight_map", &present, &index.map, diag);
    if (status == DIFFCUT_OK && (!present || json_count(index.map) == 0)) {
        status = diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: weight_map is %s", document.root.file,
                           present ? "empty" : "missing");
    }
    if (status == DIFFCUT_OK) {
        size_t count = json_count(index.map);
        index.files = mem_array_zero(count, sizeof *index.files);
        status = index.files != NULL ? collect(&index, diag)
                                     : diag_no_memory(diag, count * sizeof *index.files, "an index of weight files");
    }
    if (status != DIFFCUT_OK) {
        shard_index_free(&index);
        return status;
    }
    *out = index;
    return DIFFCUT_OK;
}

diffcut_status shard_index_parse(const void *data, size_t size, const char *name, shard_index *out,
                                 diffcut_diagnostics *diag) {
    json_document document;
    diffcut_status status = json_parse(data, size, name, &document, diag);
    return status == DIFFCUT_OK ? read_document(document, out, diag) : status;
}

diffcut_status shard_index_read(const char *folder, const char *name, shard_index *out, diffcut_diagnostics *diag) {
    json_document document;
    diffcut_status status = json_read(folder, name, &document, diag);
    return status == DIFFCUT_OK ? read_document(document, out, diag) : status;
}

void shard_index_free(shard_index *index) {
    mem_free(index->files);
    json_document_free(&index->document);
    *index = (shard_index){0};
}

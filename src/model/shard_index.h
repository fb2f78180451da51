/*
 * shard_index.h - the index of weights that are split over several files: *.safetensors.index.json.
 *
 * {"metadata": {...}, "weight_map": {"tensor": "file", ...}}; the files lie beside the index. Called by
 * model/layout_folder and the fuzz target.
 */
#ifndef DIFFCUT_MODEL_SHARD_INDEX_H
#define DIFFCUT_MODEL_SHARD_INDEX_H

#include "io/json.h"

#define SHARD_MAX_FILES 1024
#define SHARD_MAX_NAME 255 /* bytes: what a folder's entry can have */

typedef struct shard_index {
    json_document document; /* holds the names */
    json_view map;
    const char **files; /* each once, in the order of their names */
    size_t file_count;
} shard_index;

/* Parses size bytes; name must outlive the index. DIFFCUT_ERROR_MODEL names the tensor whose file is not the plain
 * name of a safetensors file. */
diffcut_status shard_index_parse(const void *data, size_t size, const char *name, shard_index *out,
                                 diffcut_diagnostics *diag);
/* The same from folder/name. */
diffcut_status shard_index_read(const char *folder, const char *name, shard_index *out, diffcut_diagnostics *diag);
void shard_index_free(shard_index *index);

#endif

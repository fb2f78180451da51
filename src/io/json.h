/*
 * json.h - the one JSON reader: strict parsing, and getters that say which file, which key and what is wrong.
 *
 * Behind it is jansson. Duplicate names, nesting beyond JSON_MAX_DEPTH, NUL bytes and invalid UTF-8 are refused. A
 * key whose value is null counts as absent, as in the configurations that diffusers writes. Called by io/safetensors,
 * model/ and nn/ for every config.json.
 */
#ifndef DIFFCUT_IO_JSON_H
#define DIFFCUT_IO_JSON_H

#include "core/status.h"

#define JSON_MAX_FILE ((size_t)16 << 20) /* bytes: configurations and shard indexes are far below */
#define JSON_MAX_DEPTH 32

/* A place in a document. `file` is what messages call it; both belong to whoever made the document. */
typedef struct json_view {
    const char *file;
    const struct json_t *node;
} json_view;

/* A parsed document. */
typedef struct json_document {
    json_view root; /* always an object */
} json_document;

/* Parses size bytes. name must outlive the document. */
diffcut_status json_parse(const void *data, size_t size, const char *name, json_document *out,
                          diffcut_diagnostics *diag);
/* Reads folder/name; messages use name. A file that is not there is DIFFCUT_ERROR_IO. */
diffcut_status json_read(const char *folder, const char *name, json_document *out, diffcut_diagnostics *diag);
void json_document_free(json_document *document);

/* Getters. Each returns DIFFCUT_ERROR_MODEL with "file: key is ..., expected ..." on a wrong type or range. With
 * fallback NULL the key is required. */
diffcut_status json_get_uint(json_view view, const char *key, const uint32_t *fallback, uint32_t min, uint32_t max,
                             uint32_t *out, diffcut_diagnostics *diag);
diffcut_status json_get_real(json_view view, const char *key, const double *fallback, double min, double max,
                             double *out, diffcut_diagnostics *diag);
diffcut_status json_get_flag(json_view view, const char *key, bool fallback, bool *out, diffcut_diagnostics *diag);
/* A string of at most max_length bytes; it belongs to the document (or is the fallback). With required false and no
 * such key, *out is the fallback, which may be NULL. */
diffcut_status json_get_text(json_view view, const char *key, bool required, const char *fallback, size_t max_length,
                             const char **out, diffcut_diagnostics *diag);
/* An object under key; *present is false when there is none (node then NULL). */
diffcut_status json_get_object(json_view view, const char *key, bool *present, json_view *out,
                               diffcut_diagnostics *diag);

/* A list of 1 .. max_count strings. */
diffcut_status json_get_text_list(json_view view, const char *key, size_t max_count, const char **out, size_t *count,
                                  diffcut_diagnostics *diag);
/* A list of 1 .. max_count whole numbers. */
diffcut_status json_get_uint_list(json_view view, const char *key, uint32_t min, uint32_t max, size_t max_count,
                                  uint32_t *out, size_t *count, diffcut_diagnostics *diag);
/* One number for each of count places: a number serves all, a list has exactly count. */
diffcut_status json_get_uint_each(json_view view, const char *key, const uint32_t *fallback, uint32_t min,
                                  uint32_t max, size_t count, uint32_t *out, diffcut_diagnostics *diag);
/* The same with rows: place i has lengths[i] values, out[i * row + j]; a number or an inner list's number serves all
 * of its row, an inner list has exactly lengths[i]. */
diffcut_status json_get_uint_rows(json_view view, const char *key, const uint32_t *fallback, uint32_t min,
                                  uint32_t max, size_t count, const uint32_t *lengths, size_t row, uint32_t *out,
                                  diffcut_diagnostics *diag);

/* A list of exactly count numbers; without such a key out stays as it is. */
diffcut_status json_get_reals(json_view view, const char *key, double min, double max, size_t count, double *out,
                              diffcut_diagnostics *diag);

/* A list of 0 .. max_count sizes. */
diffcut_status json_get_size_list(json_view view, const char *key, size_t max_count, size_t *out, size_t *count,
                                  diffcut_diagnostics *diag);

/* How many items the list under key has, at least 1 and at most max_count. */
diffcut_status json_get_list(json_view view, const char *key, size_t max_count, size_t *count,
                             diffcut_diagnostics *diag);
/* An item of it; one that is no object gives a view with node NULL. */
json_view json_item(json_view view, const char *key, size_t index);

/* Walks an object's members, in the file's order: *place starts as NULL; false at the end. A member that is no object
 * gives a value with node NULL. */
bool json_next(json_view object, void **place, const char **key, json_view *value);
/* Number of members. */
size_t json_count(json_view object);

/* True when the key is there with a value other than null. */
bool json_has(json_view view, const char *key);
/* True for a value that switches nothing on: absent, null or false. */
bool json_is_off(json_view view, const char *key); /* True for a list of nothing but false and null. */
bool json_all_off(json_view view, const char *key);

/* True when the key is there and null: where that means "none", and absent a default. */
bool json_has_null(json_view view, const char *key);

/* True for a string, the empty one included. */
bool json_is_text(json_view view, const char *key);

/* True for the empty string, which json_get_text refuses. */
bool json_is_empty_text(json_view view, const char *key);

/* Appends a node to an io/bytes sink as indented text with sorted names, as diffusers writes its configurations. */
struct bytes;
void json_write(json_view view, struct bytes *sink);

/* The first key of the object that is not in known (a NULL-terminated list) and does not start with '_', or NULL. */
const char *json_unknown_key(json_view view, const char *const *known);

#endif

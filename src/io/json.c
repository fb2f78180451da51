/* json.c - see json.h. */
#include "io/json.h"

#include "core/memory.h"
#include "io/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ------------------------------------------------------------------------------------------------- parsing */

/* Deepest nesting of the text, brackets in strings left out. The parser recurses once a level, so this is looked at
 * before it runs. Malformed text gives some number; the parser refuses it afterwards. */
static size_t nesting(const char *text, size_t size) {
    size_t depth = 0;
    size_t deepest = 0;
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            depth++;
            deepest = depth > deepest ? depth : deepest;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return deepest;
}

diffcut_status json_parse(const void *data, size_t size, const char *name, json_document *out,
                          diffcut_diagnostics *diag) {
    size_t depth = nesting(data, size);
    if (depth > JSON_MAX_DEPTH) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: JSON nested %zu deep, at most %d is read", name, depth,
                         JSON_MAX_DEPTH);
    }
    json_error_t error;
    json_t *root = json_loadb(data, size, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: not valid JSON: %s (line %d, column %d)", name, error.text,
                         error.line, error.column);
    }
    if (!json_is_object(root)) {
        json_decref(root);
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: the JSON document is not an object", name);
    }
    out->root = (json_view){name, root};
    return DIFFCUT_OK;
}

void json_document_free(json_document *document) {
    if (document->root.node != NULL) {
        json_decref((json_t *)(uintptr_t)document->root.node); /* the view is const, the document owns it */
        document->root = (json_view){0};
    }
}

/* Reads fd to its end into text (room for size bytes); false with errno set on failure or when it is shorter. */
static bool read_all(int fd, char *text, size_t size) {
    size_t done = 0;
    while (done < size) {
        ssize_t got = read(fd, text + done, size - done);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            errno = got == 0 ? EIO : errno;
            return false;
        }
        done += (size_t)got;
    }
    return true;
}

diffcut_status json_read(const char *folder, const char *name, json_document *out, diffcut_diagnostics *diag) {
    diffcut_status status = DIFFCUT_OK;
    char *text = NULL;
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (length < 0 || (size_t)length >= sizeof path) {
        return diag_fail(diag, DIFFCUT_ERROR_IO, "%s: the path is too long", name);
    }
    /* Non-blocking, so that a named pipe in the folder cannot hold the opening up. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return diag_fail(diag, DIFFCUT_ERROR_IO, "%s: %s", name, strerror(errno));
    }
    struct stat info;
    if (fstat(fd, &info) != 0) {
        status = diag_fail(diag, DIFFCUT_ERROR_IO, "%s: %s", name, strerror(errno));
        goto cleanup;
    }
    if (!S_ISREG(info.st_mode)) {
        status = diag_fail(diag, DIFFCUT_ERROR_IO, "%s: not a regular file", name);
        goto cleanup;
    }
    if ((uintmax_t)info.st_size > JSON_MAX_FILE) {
        status = diag_fail(diag, DIFFCUT_ERROR_LIMIT, "%s: %jd bytes of JSON, at most %zu are read", name,
                           (intmax_t)info.st_size, JSON_MAX_FILE);
        goto cleanup;
    }
    size_t size = (size_t)info.st_size;
    text = mem_array(size + 1, 1);
    if (text == NULL) {
        status = diag_no_memory(diag, size + 1, name);
        goto cleanup;
    }
    if (!read_all(fd, text, size)) {
        status = diag_fail(diag, DIFFCUT_ERROR_IO, "%s: %s", name, strerror(errno));
        goto cleanup;
    }
    status = json_parse(text, size, name, out, diag);
cleanup:
    mem_free(text);
    close(fd);
    return status;
}

/* ------------------------------------------------------------------------------------------------- messages */

/* Writes a value as a message shows it: short, numbers and strings as they are. */
static void show(const json_t *value, char *out, size_t size) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        (void)snprintf(out, size, "an object");
        break;
    case JSON_ARRAY:
        (void)snprintf(out, size, "a list of %zu", json_array_size(value));
        break;
    case JSON_STRING:
        (void)snprintf(out, size, "\"%.60s\"", json_string_value(value));
        break;
    case JSON_INTEGER:
        (void)snprintf(out, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        (void)snprintf(out, size, "%g", json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        (void)snprintf(out, size, json_is_true(value) ? "true" : "false");
        break;
    case JSON_NULL:
        (void)snprintf(out, size, "null");
        break;
    }
}

static diffcut_status missing(json_view view, const char *key, diffcut_diagnostics *diag) {
    return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: %s is missing", view.file, key);
}

static diffcut_status wrong(json_view view, const char *key, const json_t *value, const char *expected,
                            diffcut_diagnostics *diag) {
    char shown[80];
    show(value, shown, sizeof shown);
    return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: %s is %s, expected %s", view.file, key, shown, expected);
}

/* The value under key, or NULL when it is absent or null. */
static const json_t *value_at(json_view view, const char *key) {
    const json_t *value = json_object_get(view.node, key);
    return json_is_null(value) ? NULL : value;
}

static diffcut_status to_uint(json_view view, const char *key, const json_t *value, uint32_t min, uint32_t max,
                              uint32_t *out, diffcut_diagnostics *diag) {
    json_int_t number = json_is_integer(value) ? json_integer_value(value) : -1;
    if (number < (json_int_t)min || number > (json_int_t)max) {
        char expected[64];
        (void)snprintf(expected, sizeof expected, "a whole number from %u to %u", min, max);
        return wrong(view, key, value, expected, diag);
    }
    *out = (uint32_t)number;
    return DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- getters */

diffcut_status json_get_uint(json_view view, const char *key, const uint32_t *fallback, uint32_t min, uint32_t max,
                             uint32_t *out, diffcut_diagnostics *diag) {
    const json_t *value = value_at(view, key);
    if (value == NULL) {
        if (fallback == NULL) {
            return missing(view, key, diag);
        }
        *out = *fallback;
        return DIFFCUT_OK;
    }
    return to_uint(view, key, value, min, max, out, diag);
}

diffcut_status json_get_real(json_view view, const char *key, const double *fallback, double min, double max,
                             double *out, diffcut_diagnostics *diag) {
    const json_t *value = value_at(view, key);
    if (value == NULL) {
        if (fallback == NULL) {
            return missing(view, key, diag);
        }
        *out = *fallback;
        return DIFFCUT_OK;
    }
    double number = json_is_number(value) ? json_number_value(value) : NAN;
    if (!(number >= min && number <= max)) {
        char expected[80];
        (void)snprintf(expected, sizeof expected, "a number from %g to %g", min, max);
        return wrong(view, key, value, expected, diag);
    }
    *out = number;
    return DIFFCUT_OK;
}

diffcut_status json_get_flag(json_view view, const char *key, bool fallback, bool *out, diffcut_diagnostics *diag) {
    const json_t *value = value_at(view, key);
    if (value != NULL && !json_is_boolean(value)) {
        return wrong(view, key, value, "true or false", diag);
    }
    *out = value == NULL ? fallback : json_is_true(value);
    return DIFFCUT_OK;
}

diffcut_status json_get_text(json_view view, const char *key, bool required, const char *fallback, size_t max_length,
                             const char **out, diffcut_diagnostics *diag) {
    const json_t *value = value_at(view, key);
    if (value == NULL) {
        if (required) {
            return missing(view, key, diag);
        }
        *out = fallback;
        return DIFFCUT_OK;
    }
    if (!json_is_string(value) || json_string_length(value) == 0 || json_string_length(value) > max_length) {
        char expected[64];
        (void)snprintf(expected, sizeof expected, "a string of 1 to %zu bytes", max_length);
        return wrong(view, key, value, expected, diag);
    }
    *out = json_string_value(value);
    return DIFFCUT_OK;
}

diffcut_status json_get_object(json_view view, const char *key, bool *present, json_view *out,
                               diffcut_diagnostics *diag) {
    const json_t *value = value_at(view, key);
    if (value != NULL && !json_is_object(value)) {
        return wrong(view, key, value, "an object", diag);
    }
    *present = value != NULL;
    *out = (json_view){view.file, value};
    return DIFFCUT_OK;
}

/* The list under key, of 1 .. max_count items. */
static diffcut_status list_at(json_view view, const char *key, size_t max_count, const json_t **out,
                              diffcut_diagnostics *diag) {
    const json_t *value = value_at(view, key);
    if (value == NULL) {
        return missing(view, key, diag);
    }
    size_t count = json_is_array(value) ? json_array_size(value) : 0;
    if (count < 1 || count > max_count) {
        char expected[64];
        (void)snprintf(expected, sizeof expected, "a list of 1 to %zu items", max_count);
        return wrong(view, key, value, expected, diag);
    }
    *out = value;
    return DIFFCUT_OK;
}

diffcut_status json_get_list(json_view view, const char *key, size_t max_count, size_t *count,
                             diffcut_diagnostics *diag) {
    const json_t *list = NULL;
    diffcut_status status = list_at(view, key, max_count, &list, diag);
    if (status == DIFFCUT_OK) {
        *count = json_array_size(list);
    }
    return status;
}

json_view json_item(json_view view, const char *key, size_t index) {
    const json_t *item = json_array_get(json_object_get(view.node, key), index);
    return (json_view){view.file, json_is_object(item) ? item : NULL};
}

diffcut_status json_get_text_list(json_view view, const char *key, size_t max_count, const char **out, size_t *count,
                                  diffcut_diagnostics *diag) {
    const json_t *list = NULL;
    diffcut_status status = list_at(view, key, max_count, &list, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        if (!json_is_string(item)) {
            char place[128];
            (void)snprintf(place, sizeof place, "%s[%zu]", key, i);
            return wrong(view, place, item, "a string", diag);
        }
        out[i] = json_string_value(item);
    }
    *count = json_array_size(list);
    return DIFFCUT_OK;
}

/* Items of a list, each in its range. */
static diffcut_status items(json_view view, const char *key, const json_t *list, uint32_t min, uint32_t max,
                            uint32_t *out, diffcut_diagnostics *diag) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        char place[128];
        (void)snprintf(place, sizeof place, "%s[%zu]", key, i);
        diffcut_status status = to_uint(view, place, json_array_get(list, i), min, max, &out[i], diag);
        if (status != DIFFCUT_OK) {
            return status;
        }
    }
    return DIFFCUT_OK;
}

diffcut_status json_get_uint_list(json_view view, const char *key, uint32_t min, uint32_t max, size_t max_count,
                                  uint32_t *out, size_t *count, diffcut_diagnostics *diag) {
    const json_t *list = NULL;
    diffcut_status status = list_at(view, key, max_count, &list, diag);
    if (status == DIFFCUT_OK) {
        status = items(view, key, list, min, max, out, diag);
    }
    if (status == DIFFCUT_OK) {
        *count = json_array_size(list);
    }
    return status;
}

diffcut_status json_get_reals(json_view view, const char *key, double min, double max, size_t count, double *out,
                              diffcut_diagnostics *diag) {
    const json_t *list = value_at(view, key);
    char expected[80];
    if (list == NULL) {
        return DIFFCUT_OK;
    }
    (void)snprintf(expected, sizeof expected, "a list of %zu numbers in %g .. %g", count, min, max);
    if (!json_is_array(list) || json_array_size(list) != count) {
        return wrong(view, key, list, expected, diag);
    }
    for (size_t i = 0; i < count; i++) {
        double number = json_number_value(json_array_get(list, i)); /* 0 for what is none */
        if (!json_is_number(json_array_get(list, i)) || !(number >= min && number <= max)) {
            return wrong(view, key, json_array_get(list, i), expected, diag);
        }
    }
    for (size_t i = 0; i < count; i++) {
        out[i] = json_number_value(json_array_get(list, i));
    }
    return DIFFCUT_OK;
}

diffcut_status json_get_size_list(json_view view, const char *key, size_t max_count, size_t *out, size_t *count,
                                  diffcut_diagnostics *diag) {
    const json_t *list = value_at(view, key);
    if (list == NULL) {
        return missing(view, key, diag);
    }
    if (!json_is_array(list) || json_array_size(list) > max_count) {
        char expected[64];
        (void)snprintf(expected, sizeof expected, "a list of at most %zu whole numbers", max_count);
        return wrong(view, key, list, expected, diag);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        if (!json_is_integer(item) || json_integer_value(item) < 0) {
            char place[128];
            (void)snprintf(place, sizeof place, "%s[%zu]", key, i);
            return wrong(view, place, item, "a whole number, 0 or more", diag);
        }
        out[i] = (size_t)json_integer_value(item);
    }
    *count = json_array_size(list);
    return DIFFCUT_OK;
}

/* One value or list for `count` places. */
static diffcut_status spread(json_view view, const char *key, const json_t *value, uint32_t min, uint32_t max,
                             size_t count, uint32_t *out, diffcut_diagnostics *diag) {
    if (json_is_array(value)) {
        if (json_array_size(value) != count) {
            return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: %s has %zu items, expected %zu", view.file, key,
                             json_array_size(value), count);
        }
        return items(view, key, value, min, max, out, diag);
    }
    uint32_t number = 0;
    diffcut_status status = to_uint(view, key, value, min, max, &number, diag);
    for (size_t i = 0; i < count && status == DIFFCUT_OK; i++) {
        out[i] = number;
    }
    return status;
}

diffcut_status json_get_uint_each(json_view view, const char *key, const uint32_t *fallback, uint32_t min,
                                  uint32_t max, size_t count, uint32_t *out, diffcut_diagnostics *diag) {
    const json_t *value = value_at(view, key);
    if (value != NULL) {
        return spread(view, key, value, min, max, count, out, diag);
    }
    if (fallback == NULL) {
        return missing(view, key, diag);
    }
    for (size_t i = 0; i < count; i++) {
        out[i] = *fallback;
    }
    return DIFFCUT_OK;
}

diffcut_status json_get_uint_rows(json_view view, const char *key, const uint32_t *fallback, uint32_t min,
                                  uint32_t max, size_t count, const uint32_t *lengths, size_t row, uint32_t *out,
                                  diffcut_diagnostics *diag) {
    const json_t *value = value_at(view, key);
    if (value == NULL && fallback == NULL) {
        return missing(view, key, diag);
    }
    if (json_is_array(value) && json_array_size(value) != count) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: %s has %zu items, expected %zu", view.file, key,
                         json_array_size(value), count);
    }
    for (size_t i = 0; i < count; i++) {
        if (value == NULL) {
            for (size_t j = 0; j < lengths[i]; j++) {
                out[i * row + j] = *fallback;
            }
            continue;
        }
        char place[128];
        (void)snprintf(place, sizeof place, json_is_array(value) ? "%s[%zu]" : "%s", key, i);
        const json_t *item = json_is_array(value) ? json_array_get(value, i) : value;
        diffcut_status status = spread(view, place, item, min, max, lengths[i], out + i * row, diag);
        if (status != DIFFCUT_OK) {
            return status;
        }
    }
    return DIFFCUT_OK;
}

/* jansson's iterators take the object without const, and leave it as it is. */
static json_t *writable(json_view view) {
    return (json_t *)(uintptr_t)view.node;
}

bool json_next(json_view object, void **place, const char **key, json_view *value) {
    *place = *place == NULL ? json_object_iter(writable(object)) : json_object_iter_next(writable(object), *place);
    if (*place == NULL) {
        return false;
    }
    const json_t *member = json_object_iter_value(*place);
    *key = json_object_iter_key(*place);
    *value = (json_view){object.file, json_is_object(member) ? member : NULL};
    return true;
}

size_t json_count(json_view object) {
    return json_object_size(object.node);
}

bool json_has(json_view view, const char *key) {
    return value_at(view, key) != NULL;
}

bool json_is_off(json_view view, const char *key) {
    const json_t *value = value_at(view, key);
    return value == NULL || json_is_false(value);
}

bool json_all_off(json_view view, const char *key) {
    const json_t *list = value_at(view, key);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        if (!json_is_null(item) && !json_is_false(item)) {
            return false;
        }
    }
    return json_is_array(list);
}

bool json_has_null(json_view view, const char *key) {
    return json_is_null(json_object_get(view.node, key));
}

bool json_is_empty_text(json_view view, const char *key) {
    const json_t *value = value_at(view, key);
    return json_is_string(value) && json_string_length(value) == 0;
}

bool json_is_text(json_view view, const char *key) {
    return json_is_string(json_object_get(view.node, key));
}

static int take_text(const char *text, size_t size, void *sink) {
    bytes_append(sink, text, size);
    return 0;
}

void json_write(json_view view, struct bytes *sink) {
    (void)json_dump_callback(view.node, take_text, sink, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_REAL_PRECISION(15));
    bytes_text(sink, "\n");
}

const char *json_unknown_key(json_view view, const char *const *known) {
    void *place = NULL;
    const char *key;
    json_view value;
    while (json_next(view, &place, &key, &value)) {
        bool found = key[0] == '_';
        for (size_t i = 0; known[i] != NULL && !found; i++) {
            found = strcmp(known[i], key) == 0;
        }
        if (!found) {
            return key;
        }
    }
    return NULL;
}

/*
 * npy_read.c - npy files to feature grids: npy_parse, diffcut_decode_features_npy. See npy.h.
 *
 * The header is the text of a Python dictionary with three keys. It is read by a small strict parser of exactly that:
 * each key once, in any order, strings without escapes, non-negative decimal sizes.
 */
#include "io/npy.h"

#include <string.h>

#include "core/dtype.h"
#include "core/memory.h"
#include "io/entry.h"

#define NPY_MAX_HEADER 65536 /* bytes: version 1.0 can hold no more, and a real one has about 100 */

/* The header's text and where the parser is. */
typedef struct npy_text {
    const char *at, *end;
} npy_text;

static void skip_spaces(npy_text *text) {
    while (text->at < text->end && (*text->at == ' ' || *text->at == '\t')) {
        text->at++;
    }
}

static bool next_is(npy_text *text, const char *token) {
    skip_spaces(text);
    size_t length = strlen(token);
    if ((size_t)(text->end - text->at) < length || memcmp(text->at, token, length) != 0) {
        return false;
    }
    text->at += length;
    return true;
}

/* A quoted string without escapes, into `out`; false when there is none or it does not fit. */
static bool read_string(npy_text *text, char *out, size_t room) {
    skip_spaces(text);
    if (text->at == text->end || (*text->at != '\'' && *text->at != '"')) {
        return false;
    }
    char quote = *text->at++;
    size_t length = 0;
    while (text->at < text->end && *text->at != quote) {
        if (*text->at == '\\' || length + 1 >= room) {
            return false;
        }
        out[length++] = *text->at++;
    }
    if (text->at == text->end) {
        return false;
    }
    text->at++;
    out[length] = '\0';
    return true;
}

static bool read_size(npy_text *text, size_t *out) {
    skip_spaces(text);
    const char *first = text->at;
    size_t value = 0;
    while (text->at < text->end && *text->at >= '0' && *text->at <= '9') {
        if (__builtin_mul_overflow(value, (size_t)10, &value) ||
            __builtin_add_overflow(value, (size_t)(*text->at - '0'), &value)) {
            return false;
        }
        text->at++;
    }
    *out = value;
    return text->at > first;
}

/* (), (3,), (2, 3), (2, 3,) */
static diffcut_status read_shape(npy_text *text, npy_array *array, diffcut_diagnostics *diag) {
    bool closed = next_is(text, "(") && next_is(text, ")");
    while (!closed) {
        if (array->rank == NPY_MAX_RANK) {
            return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "npy header: shape has more than %d dimensions",
                             NPY_MAX_RANK);
        }
        if (!read_size(text, &array->shape[array->rank++])) {
            return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "npy header: shape[%zu] is no size", array->rank - 1);
        }
        bool comma = next_is(text, ",");
        closed = next_is(text, ")");
        if (!comma && (!closed || array->rank == 1)) { /* (3) is a number, not a tuple */
            return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "npy header: shape is no tuple of sizes");
        }
    }
    return DIFFCUT_OK;
}

static diffcut_status read_descr(npy_text *text, npy_array *array, diffcut_diagnostics *diag) {
    static const struct {
        const char *name;
        npy_type type;
    } types[] = {{"<f2", NPY_FLOAT16}, {"<f4", NPY_FLOAT32}, {"<f8", NPY_FLOAT64}};
    char descr[32];
    skip_spaces(text);
    if (text->at < text->end && *text->at == '[') {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                         "npy: a structured dtype; float16, float32 or float64 is read");
    }
    if (!read_string(text, descr, sizeof descr)) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "npy header: descr is no short string");
    }
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(descr, types[i].name) == 0) {
            array->type = types[i].type;
            return DIFFCUT_OK;
        }
    }
    for (char *c = descr; *c != '\0'; c++) {
        *c = *c >= ' ' && *c <= '~' ? *c : '?'; /* it goes to a terminal */
    }
    return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                     "npy: dtype '%s'; little-endian float16, float32 or float64 is read", descr);
}

static diffcut_status read_order(npy_text *text, diffcut_diagnostics *diag) {
    if (next_is(text, "False")) {
        return DIFFCUT_OK;
    }
    if (next_is(text, "True")) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                         "npy: Fortran order; C order is read (numpy.ascontiguousarray)");
    }
    return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "npy header: fortran_order is neither True nor False");
}

/* One "key: value". seen[] marks the keys that were there. */
static diffcut_status read_item(npy_text *text, npy_array *array, bool seen[3], diffcut_diagnostics *diag) {
    static const char *const keys[3] = {"descr", "fortran_order", "shape"};
    char key[32];
    if (!read_string(text, key, sizeof key) || !next_is(text, ":")) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT,
                         "npy header: not a dictionary of descr, fortran_order and shape");
    }
    size_t which = 0;
    while (which < 3 && strcmp(key, keys[which]) != 0) {
        which++;
    }
    if (which == 3) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "npy header: a key other than descr, fortran_order and shape");
    }
    if (seen[which]) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "npy header: %s stands there twice", keys[which]);
    }
    seen[which] = true;
    return which == 0   ? read_descr(text, array, diag)
           : which == 1 ? read_order(text, diag)
                        : read_shape(text, array, diag);
}

static diffcut_status read_dictionary(npy_text text, npy_array *array, diffcut_diagnostics *diag) {
    bool seen[3] = {false, false, false};
    bool more = next_is(&text, "{");
    while (more) {
        diffcut_status status = read_item(&text, array, seen, diag);
        if (status != DIFFCUT_OK) {
            return status;
        }
        more = next_is(&text, ",");
        skip_spaces(&text);
        if (more && text.at < text.end && *text.at == '}') {
            more = false;
        }
    }
    bool closed = next_is(&text, "}");
    skip_spaces(&text);
    if (!closed || text.end - text.at != 1 || *text.at != '\n' || !seen[0] || !seen[1] || !seen[2]) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT,
                         "npy header: not a dictionary of descr, fortran_order and shape that ends in a newline");
    }
    return DIFFCUT_OK;
}

/* Finds the header's text and where the data begins. */
static diffcut_status find_header(const uint8_t *data, size_t size, npy_text *text, diffcut_diagnostics *diag) {
    static const uint8_t magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};
    if (size < sizeof magic || memcmp(data, magic, sizeof magic) != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, size == 0 ? "the file is empty" : "not an npy file");
    }
    size_t prefix = size > 6 && data[6] == 1 ? 10 : 12; /* magic, version, header length of 2 or 4 bytes */
    if (size < prefix) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "truncated npy header");
    }
    if (data[6] < 1 || data[6] > 3 || data[7] != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "npy version %d.%d; 1.0, 2.0 and 3.0 are read", data[6],
                         data[7]);
    }
    size_t length = (size_t)data[8] | (size_t)data[9] << 8;
    if (prefix == 12) {
        length |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
    }
    if (length > NPY_MAX_HEADER) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "npy header of %zu bytes, over the limit of %d", length,
                         NPY_MAX_HEADER);
    }
    if (length > size - prefix) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "truncated npy header: %zu bytes of %zu", size - prefix, length);
    }
    text->at = (const char *)data + prefix;
    text->end = text->at + length;
    return DIFFCUT_OK;
}

static size_t npy_item_size(npy_type type) {
    return type == NPY_FLOAT16 ? 2 : type == NPY_FLOAT32 ? 4 : 8;
}

diffcut_status npy_parse(const uint8_t *data, size_t size, npy_array *out, diffcut_diagnostics *diag) {
    npy_text text;
    npy_array array = {.count = 1};
    diffcut_status status = find_header(data, size, &text, diag);
    if (status == DIFFCUT_OK) {
        status = read_dictionary(text, &array, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    size_t needed = 0;
    bool fits = true;
    for (size_t i = 0; i < array.rank; i++) {
        fits = fits && mem_mul(array.count, array.shape[i], &array.count);
    }
    if (!fits || !mem_mul(array.count, npy_item_size(array.type), &needed)) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "npy header: the shape's sizes overflow");
    }
    array.data = (const uint8_t *)text.end;
    size_t there = size - (size_t)(array.data - data);
    if (there != needed) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s npy: the shape needs %zu bytes, there are %zu",
                         there < needed ? "truncated" : "malformed", needed, there);
    }
    *out = array;
    return DIFFCUT_OK;
}

/* Little-endian bytes to a double, on any machine. */
static double load_float64(const uint8_t *p) {
    uint64_t bits = 0;
    for (int i = 7; i >= 0; i--) {
        bits = bits << 8 | p[i];
    }
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

void npy_to_float(const npy_array *array, float *out) {
    if (array->type == NPY_FLOAT64) {
        for (size_t i = 0; i < array->count; i++) {
            out[i] = (float)load_float64(array->data + i * 8);
        }
    } else {
        dtype_to_float(array->type == NPY_FLOAT16 ? DTYPE_F16 : DTYPE_F32, array->data, array->count, out);
    }
}

/* ------------------------------------------------------------------------------------------------- features */

static size_t square_root(size_t value) {
    size_t root = 0;
    while ((root + 1) * (root + 1) <= value && root < UINT16_MAX) {
        root++;
    }
    return root;
}

/* [h, w, c] as it is; [tokens, c] as the square grid it must be of. */
static diffcut_status features_shape(const npy_array *array, uint32_t shape[3], diffcut_diagnostics *diag) {
    size_t sides[3] = {array->shape[0], array->shape[1], array->shape[2]};
    if (array->rank == 2) {
        size_t side = square_root(array->shape[0]);
        if (side * side != array->shape[0]) {
            return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                             "npy: [tokens, channels] with %zu tokens, which is no square grid; save it as "
                             "[height, width, channels]",
                             array->shape[0]);
        }
        sides[2] = array->shape[1];
        sides[0] = sides[1] = side;
    } else if (array->rank != 3) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                         "npy: %zu dimensions; features are [height, width, channels] or [tokens, channels]",
                         array->rank);
    }
    for (int i = 0; i < 3; i++) {
        if (sides[i] == 0 || sides[i] > UINT32_MAX) {
            return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "npy: the shape [%zu, %zu, %zu] is no feature grid",
                             sides[0], sides[1], sides[2]);
        }
        shape[i] = (uint32_t)sides[i];
    }
    return DIFFCUT_OK;
}

static diffcut_status decode_features(const uint8_t *data, size_t size, diffcut_features **out,
                                      diffcut_diagnostics *diag) {
    npy_array array;
    uint32_t shape[3];
    diffcut_status status = npy_parse(data, size, &array, diag);
    if (status == DIFFCUT_OK) {
        status = features_shape(&array, shape, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    float *values = mem_array(array.count, sizeof *values);
    if (values == NULL) {
        return diag_no_memory(diag, array.count * sizeof *values, "the features");
    }
    npy_to_float(&array, values);
    status = diffcut_features_create(shape[0], shape[1], shape[2], values, out, diag);
    mem_free(values);
    return status;
}

diffcut_status diffcut_decode_features_npy(const void *data, size_t size, const char *name, diffcut_features **out,
                                           diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if ((data == NULL && size > 0) || out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_decode_features_npy: data or out is NULL");
    }
    diffcut_status status = decode_features(data, size, out, diag);
    return status != DIFFCUT_OK && name != NULL ? diag_prefix(diag, status, name) : status;
}

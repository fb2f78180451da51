/*
 * npy_write.c - arrays to npy version 1.0: diffcut_encode_npy, diffcut_encode_labels_npy,
 * diffcut_encode_features_npy. The header is padded so that the data begins at a multiple of 64 bytes.
 */
#include "io/npy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "io/bytes.h"
#include "io/entry.h"
#include "segment/features.h"
#include "segment/labels.h"

#define NPY_PREFIX 10      /* magic, version, header length */
#define NPY_ALIGNMENT 64   /* of the data */
#define NPY_DICTIONARY 256 /* bytes: room for eight sizes of 20 digits and the rest */

static void append_shape(char *text, size_t room, const size_t *shape, size_t rank) {
    size_t at = strlen(text);
    for (size_t i = 0; i < rank; i++) {
        const char *after = rank == 1 ? "," : i + 1 < rank ? ", " : "";
        at += (size_t)snprintf(text + at, room - at, "%zu%s", shape[i], after);
    }
    (void)snprintf(text + at, room - at, "), }");
}

/* Everything before the data. */
static void append_header(bytes *sink, const char *descr, const size_t *shape, size_t rank) {
    char text[NPY_DICTIONARY + NPY_ALIGNMENT];
    (void)snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    append_shape(text, NPY_DICTIONARY, shape, rank);
    size_t length = strlen(text);
    size_t total = (NPY_PREFIX + length + 1 + NPY_ALIGNMENT - 1) / NPY_ALIGNMENT * NPY_ALIGNMENT;
    size_t padded = total - NPY_PREFIX;
    memset(text + length, ' ', padded - 1 - length);
    text[padded - 1] = '\n';
    const uint8_t prefix[NPY_PREFIX] = {
        0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (uint8_t)(padded & 0xFF), (uint8_t)(padded >> 8)};
    bytes_append(sink, prefix, sizeof prefix);
    bytes_append(sink, text, padded);
}

static diffcut_status encode_array(const char *descr, const void *items, const size_t *shape, size_t rank,
                                   diffcut_buffer *out, diffcut_diagnostics *diag) {
    size_t count = 1;
    size_t size = 0;
    bool fits = true;
    for (size_t i = 0; i < rank; i++) {
        fits = fits && mem_mul(count, shape[i], &count);
    }
    fits = fits && mem_mul(count, 4, &size) && size < SIZE_MAX / 4;
    if (!fits) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "npy: the shape's sizes overflow");
    }
    bytes sink = {0};
    (void)bytes_reserve(&sink, NPY_PREFIX + NPY_DICTIONARY + NPY_ALIGNMENT + size);
    append_header(&sink, descr, shape, rank);
    bytes_items32(&sink, items, count);
    return bytes_finish(&sink, "the npy file", out, diag);
}

diffcut_status diffcut_encode_npy(const float *data, const size_t *shape, size_t rank, diffcut_buffer *out,
                                  diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (shape == NULL || out == NULL || rank < 1 || rank > NPY_MAX_RANK) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "diffcut_encode_npy: shape or out is NULL, or rank %zu is not 1 .. %d", rank, NPY_MAX_RANK);
    }
    bool empty = false;
    for (size_t i = 0; i < rank; i++) {
        empty = empty || shape[i] == 0;
    }
    if (data == NULL && !empty) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_encode_npy: data is NULL");
    }
    return encode_array("<f4", data, shape, rank, out, diag);
}

diffcut_status diffcut_encode_labels_npy(const diffcut_labels *labels, diffcut_buffer *out,
                                         diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    diffcut_status status = labels_check(labels, "diffcut_encode_labels_npy", diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (out == NULL || labels->count > (uint32_t)INT32_MAX + 1) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "diffcut_encode_labels_npy: out is NULL, or the count of %" PRIu32 " is over int32's range",
                         labels->count);
    }
    const size_t shape[2] = {labels->height, labels->width};
    return encode_array("<i4", labels->data, shape, 2, out, diag);
}

diffcut_status diffcut_encode_features_npy(const diffcut_features *features, diffcut_buffer *out,
                                           diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (features == NULL || out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_encode_features_npy: features or out is NULL");
    }
    const size_t shape[3] = {features->height, features->width, features->channels};
    return encode_array("<f4", features->data, shape, 3, out, diag);
}

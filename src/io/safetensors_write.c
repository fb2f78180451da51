/* safetensors_write.c - see safetensors_write.h. */
#include "io/safetensors_write.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "io/bytes.h"
#include "io/safetensors.h"

#define HEADER_LENGTH 8 /* bytes of the number before the header */
#define ALIGNMENT 8     /* of the data */

static int by_name(const void *a, const void *b) {
    const safetensors_item *const *left = a;
    const safetensors_item *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

/* Bytes of a tensor. */
static diffcut_status item_size(const safetensors_item *item, size_t *size, diffcut_diagnostics *diag) {
    size_t elements = 1;
    if (item->name[0] == '\0' || strcmp(item->name, "__metadata__") == 0) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "safetensors: \"%s\" cannot be a tensor's name", item->name);
    }
    if (item->rank > SAFETENSORS_MAX_RANK) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "safetensors: tensor %.200s has rank %zu, at most %d is written", item->name, item->rank,
                         SAFETENSORS_MAX_RANK);
    }
    bool fits = true;
    for (size_t i = 0; i < item->rank; i++) {
        fits = fits && mem_mul(elements, item->shape[i], &elements);
    }
    if (!fits || !mem_mul(elements, sizeof *item->data, size)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "safetensors: the sizes of tensor %.200s overflow",
                         item->name);
    }
    if (item->data == NULL && elements > 0) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "safetensors: tensor %.200s has no data", item->name);
    }
    return DIFFCUT_OK;
}

static diffcut_status check_notes(const safetensors_note *notes, size_t count, diffcut_diagnostics *diag) {
    for (size_t i = 0; i < count; i++) {
        if (notes[i].key == NULL || notes[i].value == NULL) {
            return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "safetensors: metadata %zu has no key or no value", i);
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(notes[i].key, notes[j].key) == 0) {
                return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "safetensors: metadata %.200s is given twice",
                                 notes[i].key);
            }
        }
    }
    return DIFFCUT_OK;
}

/* Checks the tensors, in the order of their names, and adds up their bytes. */
static diffcut_status check_items(const safetensors_item *const *items, size_t count, size_t *total,
                                  diffcut_diagnostics *diag) {
    *total = 0;
    for (size_t i = 0; i < count; i++) {
        size_t size;
        diffcut_status status = item_size(items[i], &size, diag);
        if (status != DIFFCUT_OK) {
            return status;
        }
        if (i > 0 && strcmp(items[i - 1]->name, items[i]->name) == 0) {
            return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "safetensors: tensor %.200s is given twice",
                             items[i]->name);
        }
        if (__builtin_add_overflow(*total, size, total)) {
            return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "safetensors: the tensors' sizes overflow");
        }
    }
    return DIFFCUT_OK;
}

static void append_notes(bytes *sink, const safetensors_note *notes, size_t count) {
    bytes_text(sink, "\"__metadata__\":{");
    for (size_t i = 0; i < count; i++) {
        bytes_text(sink, i > 0 ? "," : "");
        bytes_json_string(sink, notes[i].key);
        bytes_text(sink, ":");
        bytes_json_string(sink, notes[i].value);
    }
    bytes_text(sink, "}");
}

static size_t elements_of(const safetensors_item *item) {
    size_t elements = 1; /* item_size has checked the product */
    for (size_t i = 0; i < item->rank; i++) {
        elements *= item->shape[i];
    }
    return elements;
}

/* "name":{"dtype":"F32","shape":[32,32,1280],"data_offsets":[0,5242880]}; returns where the next tensor begins. */
static size_t append_entry(bytes *sink, const safetensors_item *item, size_t begin) {
    size_t end = begin + elements_of(item) * sizeof *item->data;
    bytes_json_string(sink, item->name);
    bytes_text(sink, ":{\"dtype\":\"F32\",\"shape\":[");
    for (size_t i = 0; i < item->rank; i++) {
        bytes_text(sink, i > 0 ? "," : "");
        bytes_number(sink, item->shape[i]);
    }
    bytes_text(sink, "],\"data_offsets\":[");
    bytes_number(sink, begin);
    bytes_text(sink, ",");
    bytes_number(sink, end);
    bytes_text(sink, "]}");
    return end;
}

static void append_header(bytes *sink, const safetensors_item *const *items, size_t count,
                          const safetensors_note *notes, size_t note_count) {
    size_t begin = 0;
    bytes_text(sink, "{");
    if (note_count > 0) {
        append_notes(sink, notes, note_count);
        bytes_text(sink, count > 0 ? "," : "");
    }
    for (size_t i = 0; i < count; i++) {
        bytes_text(sink, i > 0 ? "," : "");
        begin = append_entry(sink, items[i], begin);
    }
    bytes_text(sink, "}");
    while (bytes_ok(sink) && sink->size % ALIGNMENT != 0) {
        bytes_text(sink, " ");
    }
}

static void append_length(bytes *sink, uint64_t length) {
    uint8_t little[HEADER_LENGTH];
    for (size_t i = 0; i < sizeof little; i++) {
        little[i] = (uint8_t)(length >> (8 * i));
    }
    bytes_append(sink, little, sizeof little);
}

/* Header and data of checked tensors. */
static diffcut_status write_file(const safetensors_item *const *items, size_t count, size_t total,
                                 const safetensors_note *notes, size_t note_count, diffcut_buffer *out,
                                 diffcut_diagnostics *diag) {
    bytes header = {0};
    bytes file = {0};
    append_header(&header, items, count, notes, note_count);
    if (!bytes_ok(&header)) {
        diffcut_status status = diag_no_memory(diag, header.wanted, "the safetensors header");
        bytes_free(&header);
        return status;
    }
    size_t size = header.size + HEADER_LENGTH;
    if (header.size > SAFETENSORS_MAX_HEADER || __builtin_add_overflow(size, total, &size)) {
        bytes_free(&header);
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "safetensors: %zu tensors are too many for a header", count);
    }
    (void)bytes_reserve(&file, size);
    append_length(&file, header.size);
    bytes_append(&file, header.data, header.size);
    bytes_free(&header);
    for (size_t i = 0; i < count; i++) {
        bytes_items32(&file, items[i]->data, elements_of(items[i]));
    }
    return bytes_finish(&file, "the safetensors file", out, diag);
}

diffcut_status safetensors_write(const safetensors_item *items, size_t count, const safetensors_note *notes,
                                 size_t note_count, diffcut_buffer *out, diffcut_diagnostics *diag) {
    size_t total;
    const safetensors_item **sorted = mem_array(count, sizeof *sorted);
    if (sorted == NULL) {
        return diag_no_memory(diag, count * sizeof *sorted, "the tensors' order");
    }
    diffcut_status status = check_notes(notes, note_count, diag);
    for (size_t i = 0; i < count && status == DIFFCUT_OK; i++) {
        sorted[i] = &items[i];
        if (items[i].name == NULL) { /* before names are compared */
            status = diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "safetensors: tensor %zu has no name", i);
        }
    }
    if (status == DIFFCUT_OK) {
        qsort(sorted, count, sizeof *sorted, by_name);
        status = check_items(sorted, count, &total, diag);
    }
    if (status == DIFFCUT_OK) {
        status = write_file(sorted, count, total, notes, note_count, out, diag);
    }
    mem_free(sorted);
    return status;
}

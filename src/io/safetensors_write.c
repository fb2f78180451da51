/* safetensors_write.c - see safetensors_write.h. */
#include "io/safetensors_write.h"

#include "core/memory.h"
#include "io/bytes.h"
#include "io/safetensors.h"

#include <string.h>

#define LENGTH_BYTES 8
#define ALIGNMENT 8 /* bytes: of the first tensor, and so of all float32 */
#define METADATA "__metadata__"

static diffcut_status check_names(const safetensors_array *tensors, size_t count, const safetensors_text *text,
                                  size_t text_count, diffcut_diagnostics *diag) {
    for (size_t i = 0; i < count; i++) {
        bool taken = strcmp(tensors[i].name, METADATA) == 0;
        for (size_t j = 0; j < i; j++) {
            taken = taken || strcmp(tensors[i].name, tensors[j].name) == 0;
        }
        if (taken || tensors[i].rank > SAFETENSORS_MAX_RANK) {
            return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "tensor %.120s cannot be written: %s", tensors[i].name,
                             taken ? "its name is taken" : "its shape has too many sizes");
        }
    }
    for (size_t i = 0; i < text_count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (strcmp(text[i].key, text[j].key) == 0) {
                return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "metadata %.120s is given twice", text[i].key);
            }
        }
    }
    return DIFFCUT_OK;
}

static diffcut_status tensor_bytes(const safetensors_array *tensor, size_t *size, diffcut_diagnostics *diag) {
    size_t total = sizeof *tensor->data;
    for (size_t i = 0; i < tensor->rank; i++) {
        if (!mem_mul(total, tensor->shape[i], &total)) {
            return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "tensor %.120s: the product of its shape overflows",
                             tensor->name);
        }
    }
    *size = total;
    return DIFFCUT_OK;
}

static void write_text(bytes *sink, const safetensors_text *text, size_t count) {
    bytes_text(sink, "\"" METADATA "\":{");
    for (size_t i = 0; i < count; i++) {
        bytes_text(sink, i == 0 ? "" : ",");
        bytes_json_string(sink, text[i].key);
        bytes_text(sink, ":");
        bytes_json_string(sink, text[i].value);
    }
    bytes_text(sink, "}");
}

/* "name":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]} */
static void write_entry(bytes *sink, const safetensors_array *tensor, size_t start, size_t end) {
    bytes_json_string(sink, tensor->name);
    bytes_text(sink, ":{\"dtype\":\"F32\",\"shape\":[");
    for (size_t i = 0; i < tensor->rank; i++) {
        bytes_text(sink, i == 0 ? "" : ",");
        bytes_number(sink, tensor->shape[i]);
    }
    bytes_text(sink, "],\"data_offsets\":[");
    bytes_number(sink, start);
    bytes_text(sink, ",");
    bytes_number(sink, end);
    bytes_text(sink, "]}");
}

static void write_data(bytes *sink, const float *data, size_t size) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    bytes_append(sink, data, size);
#else
    for (size_t i = 0; i < size / sizeof *data; i++) {
        uint32_t bits;
        memcpy(&bits, &data[i], sizeof bits);
        bits = __builtin_bswap32(bits);
        bytes_append(sink, &bits, sizeof bits);
    }
#endif
}

/* The header, padded, with its length before it. */
static diffcut_status write_header(bytes *sink, const safetensors_array *tensors, size_t count,
                                   const safetensors_text *text, size_t text_count, size_t *data_bytes,
                                   diffcut_diagnostics *diag) {
    static const uint8_t room[LENGTH_BYTES] = {0};
    size_t start = 0;
    bytes_append(sink, room, sizeof room);
    bytes_text(sink, "{");
    if (text_count > 0) {
        write_text(sink, text, text_count);
        bytes_text(sink, count > 0 ? "," : "");
    }
    for (size_t i = 0; i < count; i++) {
        size_t size = 0;
        size_t end = 0;
        diffcut_status status = tensor_bytes(&tensors[i], &size, diag);
        if (status != DIFFCUT_OK) {
            return status;
        }
        if (__builtin_add_overflow(start, size, &end)) {
            return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "the tensors have more bytes than memory has");
        }
        bytes_text(sink, i == 0 ? "" : ",");
        write_entry(sink, &tensors[i], start, end);
        start = end;
    }
    bytes_text(sink, "}");
    while (bytes_ok(sink) && sink->size % ALIGNMENT != 0) {
        bytes_text(sink, " ");
    }
    uint64_t length = sink->size - LENGTH_BYTES;
    for (size_t i = 0; bytes_ok(sink) && i < LENGTH_BYTES; i++) {
        sink->data[i] = (uint8_t)(length >> (8 * i) & 0xFF);
    }
    *data_bytes = start;
    return DIFFCUT_OK;
}

diffcut_status safetensors_write(const safetensors_array *tensors, size_t count, const safetensors_text *text,
                                 size_t text_count, diffcut_buffer *out, diffcut_diagnostics *diag) {
    bytes sink = {0};
    size_t total = 0;
    diffcut_status status = check_names(tensors, count, text, text_count, diag);
    if (status == DIFFCUT_OK) {
        status = write_header(&sink, tensors, count, text, text_count, &total, diag);
    }
    if (status != DIFFCUT_OK) {
        bytes_free(&sink);
        return status;
    }
    (void)bytes_reserve(&sink, total);
    for (size_t i = 0; i < count; i++) {
        size_t size = 0;
        (void)tensor_bytes(&tensors[i], &size, diag); /* the header's writer has checked it */
        write_data(&sink, tensors[i].data, size);
    }
    return bytes_finish(&sink, "a safetensors file", out, diag);
}

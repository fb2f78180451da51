/* host.c - see host.h. */
#include "backend/host.h"

#include "core/memory.h"

#include <string.h>

diffcut_status host_buffer_create(backend *self, size_t elements, backend_buffer **out, diffcut_diagnostics *diag) {
    (void)self;
    host_buffer *buffer = mem_array(1, sizeof *buffer);
    float *data = mem_array_zero(elements, sizeof *data);
    if (buffer == NULL || data == NULL) {
        mem_free(buffer);
        mem_free(data);
        return diag_no_memory(diag, elements * sizeof *data, "an activation buffer");
    }
    buffer->head.elements = elements;
    buffer->data = data;
    *out = &buffer->head;
    return DIFFCUT_OK;
}

void host_buffer_destroy(backend_buffer *buffer) {
    if (buffer != NULL) {
        mem_free(((host_buffer *)(void *)buffer)->data);
        mem_free(buffer);
    }
}

diffcut_status host_upload(backend_stream *stream, const float *host, const tensor *to, diffcut_diagnostics *diag) {
    (void)stream;
    diffcut_status status = backend_check_view("upload", "the target", to, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    float *data = host_data(to);
    for (size_t p = 0; p < tensor_positions(to); p++) {
        memcpy(data + p * to->stride, host + p * to->c, to->c * sizeof *data);
    }
    return DIFFCUT_OK;
}

diffcut_status host_download(backend_stream *stream, const tensor *from, float *host, diffcut_diagnostics *diag) {
    (void)stream;
    diffcut_status status = backend_check_view("download", "the source", from, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    const float *data = host_data(from);
    for (size_t p = 0; p < tensor_positions(from); p++) {
        memcpy(host + p * from->c, data + p * from->stride, from->c * sizeof *data);
    }
    return DIFFCUT_OK;
}

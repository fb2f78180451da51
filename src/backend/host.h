/*
 * host.h - buffers in host memory, float32, for the backends that run there: their creation and the transfers.
 * Called by backend/ref and backend/cpu.
 */
#ifndef DIFFCUT_BACKEND_HOST_H
#define DIFFCUT_BACKEND_HOST_H

#include "backend/check.h"

typedef struct host_buffer {
    struct backend_buffer head;
    float *data;
} host_buffer;

/* These have the signatures of backend_ops. New buffers are zero. */
diffcut_status host_buffer_create(backend *self, size_t elements, backend_buffer **out, diffcut_diagnostics *diag);
void host_buffer_destroy(backend_buffer *buffer);
diffcut_status host_upload(backend_stream *stream, const float *host, const tensor *to, diffcut_diagnostics *diag);
diffcut_status host_download(backend_stream *stream, const tensor *from, float *host, diffcut_diagnostics *diag);

/* Position (0, 0, 0), channel 0. The view has been checked. */
static inline float *host_data(const tensor *t) {
    return ((const host_buffer *)(const void *)t->buffer)->data + t->offset;
}

#endif

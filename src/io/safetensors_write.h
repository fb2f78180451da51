/*
 * safetensors_write.h - float32 arrays to a safetensors file (see safetensors.h for the format).
 *
 * Tensors lie in the order given, without holes; the header is padded with spaces so that they begin at a multiple of
 * 8 bytes. The same input gives the same bytes. Called by model/context_file and by what writes features.
 */
#ifndef DIFFCUT_IO_SAFETENSORS_WRITE_H
#define DIFFCUT_IO_SAFETENSORS_WRITE_H

#include "core/status.h"

/* A tensor to be written. */
typedef struct safetensors_array {
    const char *name; /* no other tensor's, and not "__metadata__" */
    size_t rank;      /* 0 .. SAFETENSORS_MAX_RANK */
    const size_t *shape;
    const float *data;
} safetensors_array;

/* An entry of "__metadata__". */
typedef struct safetensors_text {
    const char *key, *value;
} safetensors_text;

/* Makes the bytes of a file, which the caller frees with diffcut_buffer_free. text may be NULL with text_count 0.
 * DIFFCUT_ERROR_ARGUMENT for a name or key that is given twice, or a shape whose product overflows. */
diffcut_status safetensors_write(const safetensors_array *tensors, size_t count, const safetensors_text *text,
                                 size_t text_count, diffcut_buffer *out, diffcut_diagnostics *diag);

#endif

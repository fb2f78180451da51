/*
 * safetensors_write.h - float arrays with names, and a few words about them, to the bytes of a safetensors file (the
 * format: safetensors.h). Called by the features' and the text context's encoders.
 */
#ifndef DIFFCUT_IO_SAFETENSORS_WRITE_H
#define DIFFCUT_IO_SAFETENSORS_WRITE_H

#include "core/status.h"

/* One tensor: F32, C order. */
typedef struct safetensors_item {
    const char *name; /* not empty and not "__metadata__" */
    const float *data;
    const size_t *shape;
    size_t rank; /* at most SAFETENSORS_MAX_RANK; 0 is a scalar */
} safetensors_item;

/* An entry of "__metadata__". */
typedef struct safetensors_note {
    const char *key;
    const char *value; /* what is no UTF-8 becomes U+FFFD */
} safetensors_note;

/* The tensors are written in the order of their names, whatever their order here, and the notes in theirs, so that
 * the same content gives the same bytes; the data begin at a multiple of 8 bytes. A name or key that is empty,
 * reserved or given twice, a rank or a shape that cannot be written is DIFFCUT_ERROR_ARGUMENT. */
diffcut_status safetensors_write(const safetensors_item *items, size_t count, const safetensors_note *notes,
                                 size_t note_count, diffcut_buffer *out, diffcut_diagnostics *diag);

#endif

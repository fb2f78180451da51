/*
 * safetensors.h - reads the safetensors format: 8 bytes of header length (little endian), a JSON header
 * {"name": {"dtype", "shape", "data_offsets"}, ..., "__metadata__": {"text": "text"}}, then the tensors' bytes.
 *
 * The file is mapped read-only and its header checked field by field when opened; a tensor's pages are read only when
 * its data are. Every tensor's byte range lies inside the file, has exactly the size its shape asks for, and together
 * they fill the file with neither overlap nor hole. An open file is immutable and may be read from any thread.
 * Called by model/checkpoint and the tests.
 */
#ifndef DIFFCUT_IO_SAFETENSORS_H
#define DIFFCUT_IO_SAFETENSORS_H

#include "core/dtype.h"
#include "core/status.h"

#define SAFETENSORS_MAX_RANK 8
#define SAFETENSORS_MAX_HEADER ((uint64_t)100 << 20) /* bytes; the format's own reader has the same limit */

typedef struct safetensors safetensors;

typedef struct safetensors_tensor {
    const char *name;
    dtype type;            /* DTYPE_OTHER for what is listed but not computed with */
    const char *type_name; /* as the file has it: "F32", "I64", ... */
    size_t rank;
    size_t shape[SAFETENSORS_MAX_RANK];
    size_t elements;
    size_t bytes;
    const void *data; /* little endian, aligned to nothing */
} safetensors_tensor;

/* Maps and checks folder/name; messages use name. DIFFCUT_ERROR_IO when it cannot be opened, else
 * DIFFCUT_ERROR_FORMAT with the tensor and the field. */
diffcut_status safetensors_open(const char *folder, const char *name, safetensors **out, diffcut_diagnostics *diag);

/* The same from memory, which stays the caller's and must outlive the result. */
diffcut_status safetensors_parse(const void *data, size_t size, const char *name, safetensors **out,
                                 diffcut_diagnostics *diag);

/* NULL is allowed. */
void safetensors_close(safetensors *file);

/* What messages call the file. */
const char *safetensors_name(const safetensors *file);
/* Tensors in the order of their names. */
size_t safetensors_count(const safetensors *file);
const safetensors_tensor *safetensors_at(const safetensors *file, size_t index);
/* NULL when there is no such tensor. */
const safetensors_tensor *safetensors_find(const safetensors *file, const char *name);

/* A text of "__metadata__"; NULL when there is none under this key. */
const char *safetensors_metadata(const safetensors *file, const char *key);

/* Gives the whole pages between data and data + bytes back to the system when they are in this file's mapping; they
 * are fetched again when next read. Thread-safe. */
void safetensors_release(const safetensors *file, const void *data, size_t bytes);

/* "[320, 4, 3, 3]", cut to size. */
void safetensors_shape_text(const size_t *shape, size_t rank, char *out, size_t size);

#endif

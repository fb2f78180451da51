/*
 * dtype.h - element types of tensors on disk and in backends, and their conversion to float.
 * Called by io/safetensors, model/ and the backends.
 */
#ifndef DIFFCUT_CORE_DTYPE_H
#define DIFFCUT_CORE_DTYPE_H

#include <stddef.h>

typedef enum dtype { DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_OTHER } dtype;

/* Bytes of one element; 0 for DTYPE_OTHER. */
size_t dtype_size(dtype type);
/* "F32", "F16", "BF16" as safetensors writes them. */
const char *dtype_name(dtype type);
/* Widens count elements; the source may be unaligned. type is not DTYPE_OTHER. */
void dtype_to_float(dtype type, const void *source, size_t count, float *out);

#endif

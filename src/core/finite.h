/*
 * finite.h - looks for NaN and infinity in numbers as they lie in a file. Called by nn/weights and model/verify.
 */
#ifndef DIFFCUT_CORE_FINITE_H
#define DIFFCUT_CORE_FINITE_H

#include "core/dtype.h"

#include <stdint.h>

/* The index of the first NaN or infinity, or count. type is F32, F16 or BF16; data may be unaligned. */
size_t finite_first_bad(dtype type, const void *data, size_t count);
/* The same on up to `threads` threads. */
size_t finite_first_bad_of(uint32_t threads, dtype type, const void *data, size_t count);

#endif

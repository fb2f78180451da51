/*
 * npy.h - NumPy's array files (NEP 1; numpy.lib.format), the parts that features and labels need.
 * Called by npy.c's public functions; npy_parse also by tests and fuzzers.
 */
#ifndef DIFFCUT_IO_NPY_H
#define DIFFCUT_IO_NPY_H

#include "core/status.h"

#define NPY_MAX_RANK 8

typedef enum npy_type { NPY_FLOAT16, NPY_FLOAT32, NPY_FLOAT64 } npy_type;

/* An array within a file's bytes: little-endian, C order, perhaps unaligned. */
typedef struct npy_array {
    npy_type type;
    size_t rank;
    size_t shape[NPY_MAX_RANK];
    size_t count; /* product of the shape */
    const uint8_t *data;
} npy_array;

/* Parses version 1.0, 2.0 or 3.0. The data must end where the file ends. */
diffcut_status npy_parse(const uint8_t *data, size_t size, npy_array *out, diffcut_diagnostics *diag);

/* Widens or rounds all values to float. */
void npy_to_float(const npy_array *array, float *out);

#endif

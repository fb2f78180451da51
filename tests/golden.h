/*
 * golden.h - test side of the golden files: a small safetensors reader and the one way to compare arrays.
 *
 * Kept apart from src/io/safetensors on purpose, so that a mistake there cannot hide itself. Trusts its files.
 * Used by the golden tests of every room; needs jansson (the library links it already).
 */
#ifndef DIFFCUT_TESTS_GOLDEN_H
#define DIFFCUT_TESTS_GOLDEN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GOLDEN_MAX_RANK 8

typedef struct golden golden; /* an open .safetensors file */

typedef struct golden_tensor {
    const char *name;
    char dtype[8]; /* "F32", "F64", "F16", "BF16", "I64", "I32", "I16", "U8", "BOOL" */
    size_t shape[GOLDEN_MAX_RANK];
    size_t rank;
    size_t count;              /* product of the shape */
    const unsigned char *data; /* as in the file; owned by the file */
} golden_tensor;

/* printf-style path. NULL when the file is absent; a broken file fails the test. */
__attribute__((format(printf, 1, 2))) golden *golden_open(const char *format, ...);
void golden_close(golden *file);

/* NULL when there is no such tensor. */
__attribute__((format(printf, 2, 3))) const golden_tensor *golden_find(const golden *file, const char *format, ...);
/* The same; fails the test when there is none. */
__attribute__((format(printf, 2, 3))) const golden_tensor *golden_get(const golden *file, const char *format, ...);
/* The index-th tensor in the file's order; NULL past the end. */
const golden_tensor *golden_at(const golden *file, size_t index);

/* The elements converted, for the caller to free(). A dtype that does not fit the target fails the test. */
float *golden_floats(const golden_tensor *tensor);
double *golden_doubles(const golden_tensor *tensor);
int32_t *golden_ints(const golden_tensor *tensor);
uint8_t *golden_bytes(const golden_tensor *tensor);

/* A JSON file, NULL when absent; json_decref it. A broken one fails the test. */
__attribute__((format(printf, 1, 2))) json_t *golden_json(const char *format, ...);

/* True when |got - want| <= absolute + relative * |want| everywhere and NaN meets NaN only. Otherwise, and always
 * when DIFFCUT_TEST_VERBOSE is set, prints `what`, the worst element, its place and both values.
 * shape may be NULL: then the place is the flat index. */
bool golden_close_to(const char *what, const float *got, const float *want, const size_t *shape, size_t rank,
                     size_t count, double absolute, double relative);
bool golden_close_to_doubles(const char *what, const double *got, const double *want, const size_t *shape,
                             size_t rank, size_t count, double absolute, double relative);

/* True when equal everywhere; else prints how many differ and the first. */
bool golden_equal_ints(const char *what, const int32_t *got, const int32_t *want, const size_t *shape, size_t rank,
                       size_t count);

/* Adjusted Rand index of two labelings: 1 is equal up to renaming. */
double golden_rand_index(const int32_t *a, const int32_t *b, size_t count);

/* True when the folder that DIFFCUT_SHARED_DIR names is there. */
bool golden_shared_present(void);

#endif

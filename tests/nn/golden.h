/*
 * golden.h - opens a golden model folder and compares a computed tensor with a golden one, naming the worst element.
 * Used by the parity tests of nn.
 */
#ifndef DIFFCUT_TESTS_NN_GOLDEN_H
#define DIFFCUT_TESTS_NN_GOLDEN_H

#include "io/safetensors.h"

#include <stdbool.h>

/* Opens FOLDER/golden.safetensors: 0, TEST_SKIPPED where the folder is absent, or 1; but for 0 a line says why. The
 * caller closes it. */
int golden_open(const char *folder, safetensors **out);

/* max |computed - golden| / rms(golden), as the golden README recommends. data is (h, w, c), or (1, 1, c) for a
 * vector; the golden tensor is (1, c, h, w), (1, tokens, c) or (.., c). False, with a printed line that has the place
 * and both values, when the shapes differ or the error is above the tolerance. *error receives it. */
bool golden_compare(const safetensors *file, const char *name, const float *data, size_t h, size_t w, size_t c,
                    double tolerance, double *error);

/* A golden map (1, c, h, w) as (h, w, c), or a sequence as it is; the caller frees it with mem_free. */
float *golden_load(const safetensors *file, const char *name, uint32_t *h, uint32_t *w, uint32_t *c);

#endif

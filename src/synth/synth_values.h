/*
 * synth_values.h - the random numbers of a synthetic checkpoint: evenly distributed, of the spread that keeps
 * activations near unit size, made as fast as a disk takes them.
 *
 * A weight's spread is 1 / sqrt(fan in), so that a product keeps its input's size; a norm's scale is near 1, a bias
 * near 0. A tensor's numbers depend on the seed, its component and its name only. Called by synth_write.
 */
#ifndef DIFFCUT_SYNTH_VALUES_H
#define DIFFCUT_SYNTH_VALUES_H

#include "core/dtype.h"
#include "synth/synth_list.h"

#define SYNTH_LEVELS 4096 /* different numbers in a tensor: 12 random bits each */

/* A tensor's stream. */
typedef struct synth_values {
    uint64_t state;
    dtype type;
    uint32_t levels32[SYNTH_LEVELS]; /* the bits of each number, F32 */
    uint16_t levels16[SYNTH_LEVELS]; /* the same, F16 and BF16 */
} synth_values;

/* type is F32, F16 or BF16. */
void synth_values_start(synth_values *values, uint64_t seed, const char *component, const synth_tensor *tensor,
                        dtype type);
/* The next count numbers as they stand in a file. count is a multiple of 4 but in the last call. */
void synth_values_next(synth_values *values, size_t count, void *out);

#endif

/*
 * concepts_kernel.h - the loops of concepts.c that are compiled for every instruction set.
 *
 * Everything in them is element by element and without fused operations, so every level gives the same bits.
 */
#ifndef DIFFCUT_SEGMENT_CONCEPTS_KERNEL_H
#define DIFFCUT_SEGMENT_CONCEPTS_KERNEL_H

#include "core/cpu.h"

#include <stddef.h>
#include <stdint.h>

/* The pixels between four neighbouring tokens. */
typedef struct concepts_cell {
    const float *corner[4];     /* (concepts): scores of the tokens top left, top right, bottom left, bottom right */
    const uint32_t *candidates; /* (candidate_count): concepts that may win here, ascending */
    size_t candidate_count;     /* at least 1 */
    const uint32_t *labels;     /* (concepts): what to write for each */
    const float *fraction_x;    /* (columns): 0 at the left tokens, 1 at the right ones */
    const float *fraction_y;    /* (rows) */
    size_t columns, rows;
    uint32_t *out; /* (rows, columns) with out_stride between rows */
    size_t out_stride;
} concepts_cell;

typedef struct concepts_kernel {
    /* Lists the concepts that can be the largest somewhere in the cell: a bilinear patch lies between its least and
     * its largest corner, so a concept whose largest corner is below another's least one cannot. Returns how many. */
    size_t (*candidates)(const float *const corner[4], size_t concepts, uint32_t *out);
    /* The winner at every pixel of the cell; the first on ties. */
    void (*cell)(const concepts_cell *cell);
} concepts_kernel;

SIMD_DECLARE(concepts_kernel, concepts_kernel);

#endif

/*
 * median_kernel.h - the loops of the median filter that are compiled for every instruction set.
 */
#ifndef DIFFCUT_SEGMENT_MEDIAN_KERNEL_H
#define DIFFCUT_SEGMENT_MEDIAN_KERNEL_H

#include "core/cpu.h"

#include <stddef.h>
#include <stdint.h>

typedef struct median_kernel {
    /* out[x] (width) = median of the 3 x 3 window whose left column is x of the rows (width + 2). low, middle and
     * high: scratch (width + 2). */
    void (*row3)(const uint32_t *const rows[3], size_t width, uint32_t *low, uint32_t *middle, uint32_t *high,
                 uint32_t *out);
    /* least[x] and most[x] (width) = the bounds of each column of `side` rows. */
    void (*column_bounds)(const uint32_t *const *rows, size_t side, size_t width, uint32_t *least, uint32_t *most);
} median_kernel;

SIMD_DECLARE(median_kernel, median_kernel);

#endif

/* attention_map_kernels.h - the loop over one query's scores, one table for each instruction set. See
 * attention_map.c. */
#ifndef DIFFCUT_BACKEND_CPU_ATTENTION_MAP_KERNELS_H
#define DIFFCUT_BACKEND_CPU_ATTENTION_MAP_KERNELS_H

#include "core/cpu.h"

#include <stddef.h>

typedef struct attention_map_kernels {
    /* y += share * softmax(scale * scores); scores are overwritten. */
    void (*add_softmax)(size_t keys, float scale, float share, float *scores, float *y);
} attention_map_kernels;

SIMD_DECLARE(attention_map_kernels, attention_map_kernels);

#endif

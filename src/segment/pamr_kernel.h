/*
 * pamr_kernel.h - the loops of the refinement that are compiled for every instruction set.
 *
 * They work on one tile of TILE_HEIGHT x TILE_WIDTH pixels, or one block of BLOCK_HEIGHT x BLOCK_WIDTH of it. What
 * lies around has been gathered into "regions": sample (y, x) of the tile's neighbour n is
 * region[offsets[n] + y * stride + x]. Everything is element by element and without fused operations, so every level
 * gives the same bits.
 */
#ifndef DIFFCUT_SEGMENT_PAMR_KERNEL_H
#define DIFFCUT_SEGMENT_PAMR_KERNEL_H

#include "core/cpu.h"

#include <stddef.h>
#include <stdint.h>

#define TILE_HEIGHT 32
#define TILE_WIDTH 64
#define TILE_AREA (TILE_HEIGHT * TILE_WIDTH)
#define BLOCK_HEIGHT 8 /* with 32 neighbours, a block's weights and what four masks have around it fit level 1 */
#define BLOCK_WIDTH 16 /* pixels whose weights lie side by side: one cache line */
#define BLOCK_AREA (BLOCK_HEIGHT * BLOCK_WIDTH)
#define TILE_BLOCKS (TILE_AREA / BLOCK_AREA)
#define IMAGE_CHANNELS 3

typedef struct pamr_tile {
    size_t neighbours;
    const size_t *offsets; /* (neighbours), floats */
    size_t centre;         /* offset of the tile itself */
    size_t stride;         /* floats between the rows of a region */
} pamr_tile;

typedef struct pamr_kernel {
    /* weights (TILE_BLOCKS, BLOCK_HEIGHT, neighbours, BLOCK_WIDTH): softmax over the neighbours of
     * -mean_c |difference| / (1e-8 + 0.1 * deviation_c). region: one a channel. */
    void (*weigh)(const pamr_tile *tile, const float *const region[IMAGE_CHANNELS], float *weights);
    /* One block of `count` (at most 64) masks: out[m] (BLOCK_AREA) = weighted mean of region[m]'s neighbours;
     * region[m] is moved to the block's first pixel. Bit m of *present is set where out[m] reaches the threshold
     * anywhere, of *full where it comes as near to 1 everywhere. */
    void (*diffuse)(const pamr_tile *tile, const float *weights, float threshold, size_t count,
                    const float *const *region, float *const *out, uint64_t *present, uint64_t *full);
} pamr_kernel;

SIMD_DECLARE(pamr_kernel, pamr_kernel);

#endif

/*
 * pamr_kernel.h - the loops of the refinement that are compiled for every instruction set.
 *
 * They work on one tile of TILE_HEIGHT x TILE_WIDTH pixels. What lies around it has been gathered into "regions":
 * sample (y, x) of the tile's neighbour n is region[offsets[n] + y * stride + x]. Everything is element by element
 * and without fused operations, so every level gives the same bits.
 */
#ifndef DIFFCUT_SEGMENT_PAMR_KERNEL_H
#define DIFFCUT_SEGMENT_PAMR_KERNEL_H

#include "core/cpu.h"

#include <stddef.h>
#include <stdint.h>

#define TILE_HEIGHT 32
#define TILE_WIDTH 64
#define TILE_AREA (TILE_HEIGHT * TILE_WIDTH)
#define TILE_LANES 16 /* pixels whose weights lie side by side: one cache line */
#define GROUP_MASKS 4 /* masks that share one reading of the weights */
#define IMAGE_CHANNELS 3

typedef struct pamr_tile {
    size_t neighbours;
    const size_t *offsets; /* (neighbours), floats */
    size_t centre;         /* offset of the tile itself */
    size_t stride;         /* floats between the rows of a region */
} pamr_tile;

typedef struct pamr_kernel {
    /* weights (TILE_AREA / TILE_LANES, neighbours, TILE_LANES): softmax over the neighbours of
     * -mean_c |difference| / (1e-8 + 0.1 * deviation_c). region: one a channel. */
    void (*weigh)(const pamr_tile *tile, const float *const region[IMAGE_CHANNELS], float *weights);
    /* out[m] (TILE_AREA) = weighted mean of region[m]'s neighbours, for count <= GROUP_MASKS masks; least[m] and
     * most[m] are the bounds of out[m]. */
    void (*diffuse)(const pamr_tile *tile, const float *weights, size_t count, const float *const *region,
                    float *const *out, float *least, float *most);
} pamr_kernel;

SIMD_DECLARE(pamr_kernel, pamr_kernel);

#endif

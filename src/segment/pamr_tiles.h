/*
 * pamr_tiles.h - the working memory of a refinement: the image and its masks cut into tiles.
 *
 * Memory and weights are held by the tile; what there is to do is told by the block, a sixteenth of it: there a mask
 * is absent (0 everywhere), full (1 everywhere) or stored. Where everything within reach is absent or everything is
 * full nothing is computed, so the cost follows the borders between segments. Masks do not see each other: they are
 * treated in batches of at most PAMR_BATCH, one bit of a word each. Called by pamr.c and pamr_vote.c.
 */
#ifndef DIFFCUT_SEGMENT_PAMR_TILES_H
#define DIFFCUT_SEGMENT_PAMR_TILES_H

#include "core/work.h"
#include "segment/pamr_kernel.h"
#include "core/upsample.h"

#define PAMR_BATCH 64 /* bits of a word */

typedef struct pamr_tiles {
    const pamr_kernel *kernel;
    uint32_t width, height; /* of the working image */
    size_t tiles_x, tiles_y, count;
    size_t blocks_x;    /* of a row of tiles */
    const float *image; /* (height, width, 3), 0 .. 1; the caller's */

    pamr_tile shape; /* where the neighbours lie in a region */
    size_t *offsets; /* shape's */
    uint32_t near;   /* dilations up to this one share one block of a region */
    uint32_t *far;   /* (far_count): the dilations above it, a block for each of their 8 neighbours */
    size_t far_count;
    size_t region_floats;
    size_t group;   /* masks that are gathered at a time */
    float *regions; /* (threads, group, region_floats) */

    size_t weight_floats; /* of a tile */
    bool keep_weights;    /* false: too many to hold, made anew whenever they are needed */
    float *weights;       /* (count or threads, weight_floats) */
    uint8_t *weighed;     /* (count): the weights are there */

    size_t batch;         /* masks there is room for */
    size_t current;       /* which of the two sides below holds the masks */
    float *masks[2];      /* (count, batch, TILE_BLOCKS, BLOCK_AREA); what is neither absent nor full */
    uint64_t *present[2]; /* (rows of blocks, blocks_x): bit m: mask m is not absent */
    uint64_t *full[2];    /* the same: mask m is full */
    float threshold;      /* what is nearer than this to absent or full becomes it */
} pamr_tiles;

/* A label map of dense indices that is to be brought to the working size. */
typedef struct pamr_source {
    const uint32_t *labels; /* (height, width): indices into the set of labels */
    uint32_t width, height;
    const upsample_tap *x; /* (working width) */
    const upsample_tap *y; /* (working height) */
} pamr_source;

/* batch: how many masks are wanted at a time; there may be room for fewer (out->batch). Release with
 * pamr_tiles_free, also after a failure. */
diffcut_status pamr_tiles_create(const work *w, const float *image, uint32_t width, uint32_t height,
                                 const uint32_t *dilations, uint32_t dilation_count, size_t batch, float threshold,
                                 pamr_tiles *out);
void pamr_tiles_free(pamr_tiles *tiles);

/* Mask m = (source == first + m), interpolated to the working size, for m below `count` (at most batch). */
void pamr_tiles_set(pamr_tiles *tiles, uint32_t threads, const pamr_source *source, size_t first, size_t count);

/* One iteration of all masks. */
void pamr_tiles_step(pamr_tiles *tiles, uint32_t threads);

/* Which masks are present anywhere in a rectangle of pixels (or rather its blocks) is added to *any, which are not
 * full everywhere is taken from *all. What lies outside of the image repeats the edge. */
void pamr_tiles_look(const pamr_tiles *tiles, int64_t y, int64_t x, size_t rows, size_t columns, uint64_t *any,
                     uint64_t *all);

/* Copies rows x columns values of mask m from (y, x) on, which may lie outside: the edge is repeated. */
void pamr_tiles_read(const pamr_tiles *tiles, size_t mask, int64_t y, int64_t x, size_t rows, size_t columns,
                     float *out, size_t stride);

#endif

/*
 * tiles.h - overlapping tiles of a picture, and how their results blend.
 *
 * Along each axis the tiles are as large as each other, overlap their neighbours by a quarter of the asked side (or
 * a little more, so that they fill the axis), and their weights go linearly from one to the next across the overlap.
 * Everything is in units of the latent's positions. Called by nn/first_stage.
 */
#ifndef DIFFCUT_NN_TILES_H
#define DIFFCUT_NN_TILES_H

#include <stddef.h>
#include <stdint.h>

typedef struct tile_axis {
    uint32_t length;  /* of the whole axis */
    uint32_t side;    /* of a tile */
    uint32_t overlap; /* at least, between neighbours */
    uint32_t count;
} tile_axis;

/* The tiles of an axis; side is what is asked for, at least 4. One tile when it reaches over the whole axis. */
tile_axis tile_axis_plan(uint32_t length, uint32_t side);
/* Where tile i starts. */
uint32_t tile_axis_start(const tile_axis *axis, uint32_t i);
/* The weight of tile i at a place of the axis that it covers; over all tiles, the weights of a place sum to 1. */
float tile_axis_weight(const tile_axis *axis, uint32_t i, uint32_t place);

#endif

/* tiles.c - see tiles.h. */
#include "nn/tiles.h"

#define OVERLAP_PART 4 /* of the asked side */

tile_axis tile_axis_plan(uint32_t length, uint32_t side) {
    tile_axis axis = {.length = length, .side = length, .count = 1};
    if (side >= length) {
        return axis;
    }
    axis.overlap = side / OVERLAP_PART;
    uint32_t step = side - axis.overlap;
    /* As few as the asked side allows, then no larger than needed: the last one would else be mostly overlap. */
    axis.count = (length - axis.overlap + step - 1) / step;
    uint64_t sum = (uint64_t)length + (uint64_t)(axis.count - 1) * axis.overlap;
    axis.side = (uint32_t)((sum + axis.count - 1) / axis.count);
    return axis;
}

uint32_t tile_axis_start(const tile_axis *axis, uint32_t i) {
    return axis->count == 1 ? 0 : (uint32_t)((uint64_t)i * (axis->length - axis->side) / (axis->count - 1));
}

/* A tile's weight before all are made to sum to 1: it rises from its start and falls to its end over the overlap, but
 * not at the picture's own edges. 0 outside. */
static float rise(const tile_axis *axis, uint32_t i, uint32_t place) {
    uint32_t start = tile_axis_start(axis, i);
    if (place < start || place - start >= axis->side) {
        return 0.0F;
    }
    float weight = 1.0F;
    float reach = (float)axis->overlap;
    float from_start = ((float)(place - start) + 0.5F) / reach;
    float from_end = ((float)(start + axis->side - place) - 0.5F) / reach;
    if (i > 0 && from_start < weight) {
        weight = from_start;
    }
    if (i + 1 < axis->count && from_end < weight) {
        weight = from_end;
    }
    return weight;
}

float tile_axis_weight(const tile_axis *axis, uint32_t i, uint32_t place) {
    if (axis->count == 1) {
        return 1.0F;
    }
    /* The overlap is a quarter of a side, so a place is in two tiles at most, next to each other. */
    float sum = rise(axis, i, place);
    float mine = sum;
    if (i > 0) {
        sum += rise(axis, i - 1, place);
    }
    if (i + 1 < axis->count) {
        sum += rise(axis, i + 1, place);
    }
    return mine / sum;
}

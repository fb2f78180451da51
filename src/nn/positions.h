/*
 * positions.h - a grid of position embeddings brought to another grid, as PyTorch's bicubic interpolation does it
 * (half-pixel centres, edges repeated). Called by nn/vit.
 */
#ifndef DIFFCUT_NN_POSITIONS_H
#define DIFFCUT_NN_POSITIONS_H

#include "core/status.h"

/* from (side, side, c) -> to (h, w, c). Without antialias Keys' kernel with a = -0.75 over the 4 nearest; with it
 * a = -0.5, widened by the scale where the grid shrinks, its weights brought to a sum of 1, as in Pillow. */
diffcut_status positions_resize(const float *from, uint32_t side, uint32_t c, uint32_t h, uint32_t w, bool antialias,
                                float *to, diffcut_diagnostics *diag);

#endif

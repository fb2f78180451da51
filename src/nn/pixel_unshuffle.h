/*
 * pixel_unshuffle.h - the first stage of a model that works on pixels: blocks of them become channels.
 *
 * x = 2 image - 1, then channel c * f * f + dy * f + dx of position (y, x) is colour c of pixel (y f + dy, x f + dx).
 * Called by nn/first_stage.
 */
#ifndef DIFFCUT_NN_PIXEL_UNSHUFFLE_H
#define DIFFCUT_NN_PIXEL_UNSHUFFLE_H

#include <stdint.h>

/* image (height, width, 3) -> latent (height / factor, width / factor, 3 factor^2); sides are multiples of it. */
void pixel_unshuffle(const float *image, uint32_t height, uint32_t width, uint32_t factor, float *latent);

#endif

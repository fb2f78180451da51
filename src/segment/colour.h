/*
 * colour.h - features of a photo's colours, in the networks' place: what a segmentation owes to the diffusion model
 * shows against them.
 *
 * A token is the photo averaged over its cell: CIELAB (IEC 61966-2-1 for sRGB, CIE 15 for Lab, white D65) and its
 * position, 5 numbers p. The cut compares directions, so p is lifted to the unit sphere by the inverse stereographic
 * projection, (2 p, |p|^2 - 1) / (|p|^2 + 1), where the cosine of two tokens is
 * 1 - 2 |p - q|^2 / ((1 + |p|^2) (1 + |q|^2)). Called by methods.c.
 */
#ifndef DIFFCUT_SEGMENT_COLOUR_H
#define DIFFCUT_SEGMENT_COLOUR_H

#include "core/work.h"

#define COLOUR_CHANNELS 6

/* sRGB in 0 .. 1 -> L (0 .. 100), a, b. */
void colour_lab(const float rgb[3], double lab[3]);

/* out (height, width, COLOUR_CHANNELS), unit vectors. */
diffcut_status colour_features(const work *w, const diffcut_image *image, uint32_t width, uint32_t height,
                               double position_weight, float *out);

#endif

/*
 * upsample.h - where the samples of a resized grid come from: bilinear taps and nearest neighbours of one axis.
 * Called by the concepts (token scores to pixels) and by the refinement (labels to its working size, masks to the
 * photo's).
 */
#ifndef DIFFCUT_CORE_UPSAMPLE_H
#define DIFFCUT_CORE_UPSAMPLE_H

#include "core/work.h"

/* Sample i of the output is (1 - fraction) * in[low] + fraction * in[high]; low never decreases with i. */
typedef struct upsample_tap {
    uint32_t low, high; /* high is low or low + 1 */
    float fraction;     /* 0 .. 1 */
} upsample_tap;

/* Half-pixel centres, edges repeated: torch's interpolate(mode="bilinear", align_corners=False). taps: (out). */
void upsample_half_pixel(uint32_t in, uint32_t out, upsample_tap *taps);

/* The first and last samples of both grids coincide: align_corners=True. taps: (out). */
void upsample_corners(uint32_t in, uint32_t out, upsample_tap *taps);

/* A label map at another size: each pixel takes the input pixel under its centre ("nearest-exact").
 * out: (out_height, out_width). */
diffcut_status upsample_labels(uint32_t width, uint32_t height, const uint32_t *labels, uint32_t out_width,
                               uint32_t out_height, uint32_t *out, diffcut_diagnostics *diag);

#endif

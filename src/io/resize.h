/*
 * resize.h - photo to network input: resampling of 8-bit RGB to float.
 * Called by the pipeline and by the refinement (photo to its working size).
 */
#ifndef DIFFCUT_IO_RESIZE_H
#define DIFFCUT_IO_RESIZE_H

#include "core/work.h"

/* out: (height, width, 3) float in [0, 1] (value / 255). BILINEAR equals torch's interpolate(mode="bilinear",
 * align_corners=False, antialias=False); ANTIALIAS equals antialias=True (triangle filter, support widened by the
 * scale when shrinking). */
diffcut_status resize_image(const work *w, const diffcut_image *image, uint32_t width, uint32_t height,
                            diffcut_resample resample, float *out);

#endif

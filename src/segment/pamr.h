/*
 * pamr.h - pixel-adaptive mask refinement (Araslanov & Roth, CVPR 2020) of a label map on a photo, and the median
 * filter that follows it. Called by the pipeline.
 */
#ifndef DIFFCUT_SEGMENT_PAMR_H
#define DIFFCUT_SEGMENT_PAMR_H

#include "core/work.h"

/* The size that a width x height photo is refined at: its own, or with its longer side at settings->refine_size when
 * that is neither 0 nor larger. Without iterations there is nothing to save: its own. */
void pamr_working_size(const diffcut_settings *settings, uint32_t width, uint32_t height, uint32_t *working_width,
                       uint32_t *working_height);

/* Refines labels (any size) on the image with settings' iterations, dilations, median and refine_size; the result
 * has the image's size. */
diffcut_status pamr_refine(work *w, const diffcut_image *image, const diffcut_labels *labels,
                           const diffcut_settings *settings, diffcut_labels *out);

/* The same on pixels (height, width, 3) in [0, 1], at their size whatever the refine_size. */
diffcut_status pamr_refine_pixels(work *w, const float *pixels, uint32_t width, uint32_t height,
                                  const diffcut_labels *labels, const diffcut_settings *settings,
                                  diffcut_labels *out);

#endif

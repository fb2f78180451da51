/*
 * pamr.h - pixel-adaptive mask refinement (Araslanov & Roth, CVPR 2020) of a label map on a photo, and the median
 * filter that follows it. Called by the pipeline.
 */
#ifndef DIFFCUT_SEGMENT_PAMR_H
#define DIFFCUT_SEGMENT_PAMR_H

#include "core/work.h"

/* Refines labels (any size) on the image with settings' iterations, dilations, median and refine_size; the result
 * has the image's size. */
diffcut_status pamr_refine(work *w, const diffcut_image *image, const diffcut_labels *labels,
                           const diffcut_settings *settings, diffcut_labels *out);

#endif

/*
 * median.h - the median filter that follows the refinement, on label numbers.
 * Called by pamr.c. The edge is mirrored with the edge pixel repeated, as scipy.ndimage's mode "reflect".
 */
#ifndef DIFFCUT_SEGMENT_MEDIAN_H
#define DIFFCUT_SEGMENT_MEDIAN_H

#include "core/work.h"

/* Filters labels (height, width) in place with a window of side x side, odd; sides 0 and 1 change nothing. */
diffcut_status median_filter(const work *w, uint32_t width, uint32_t height, uint32_t side, uint32_t *labels);

#endif

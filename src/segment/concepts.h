/*
 * concepts.h - token segments to a label map of any size (method: masked means, upsampled features, argmax).
 * Called by the pipeline.
 */
#ifndef DIFFCUT_SEGMENT_CONCEPTS_H
#define DIFFCUT_SEGMENT_CONCEPTS_H

#include "core/work.h"

diffcut_status concepts_assign(work *w, const diffcut_features *features, const diffcut_labels *tokens,
                               uint32_t width, uint32_t height, diffcut_labels *out);

#endif

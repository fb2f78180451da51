/*
 * features.h - the grid of feature vectors between the networks and the cut.
 * Made by the pipeline or from a file; read by every method of src/segment.
 */
#ifndef DIFFCUT_SEGMENT_FEATURES_H
#define DIFFCUT_SEGMENT_FEATURES_H

#include "core/status.h"

#define FEATURES_MAX_TOKENS 16384 /* the affinity holds tokens^2 floats: 1 GiB at this size */

struct diffcut_features {
    uint32_t height, width, channels;
    float *data; /* (height * width, channels), finite */
};

#endif

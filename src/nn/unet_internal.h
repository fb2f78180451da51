/* unet_internal.h - the insides shared by unet.c (life, weights, context) and unet_encode.c (the run). */
#ifndef DIFFCUT_NN_UNET_INTERNAL_H
#define DIFFCUT_NN_UNET_INTERNAL_H

#include "nn/unet.h"

struct unet {
    backend *backend;
    const checkpoint *source;
    unet_plan plan;
    size_t prepared; /* steps whose weights are there */
};

struct unet_context {
    const unet *network;
    float *data; /* (tokens, channels) */
    float *pooled;
    uint32_t tokens, channels;
    backend_buffer **keys_values; /* by step: (tokens, 2 c), keys first; NULL where a step has none */
    size_t prepared;
};

#endif

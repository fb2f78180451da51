/* unet_internal.h - the insides shared by unet.c (life, weights, context) and the run (unet_run.h). */
#ifndef DIFFCUT_NN_UNET_INTERNAL_H
#define DIFFCUT_NN_UNET_INTERNAL_H

#include "nn/unet.h"

#include <stdatomic.h>

struct unet {
    backend *backend;
    const checkpoint *source;
    unet_plan plan;
    dtype precision; /* of the products in linear layers and attention */
    /* Steps whose weights are there. Only grows, under the owner's lock; a run reads it without. */
    atomic_size_t prepared;
};

struct unet_context {
    const unet *network;
    float *data; /* (tokens, channels) */
    float *pooled;
    uint32_t tokens, channels;
    backend_buffer **keys_values; /* by step: (tokens, 2 c), keys first; NULL where a step has none */
    atomic_size_t prepared;       /* as above: steps whose keys and values are there */
};

#endif

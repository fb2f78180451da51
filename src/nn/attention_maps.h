/*
 * attention_maps.h - a picture's self-attention maps of the whole UNet, averaged over heads and over the attentions
 * of each resolution. Called by methods.c for DiffSeg.
 */
#ifndef DIFFCUT_NN_ATTENTION_MAPS_H
#define DIFFCUT_NN_ATTENTION_MAPS_H

#include "backend/backend.h"
#include "core/work.h"
#include "nn/unet_config.h"

#define ATTENTION_MAPS_MAX_POSITIONS 16384 /* of the finest: its map is 1 GiB at this size */

typedef struct attention_level {
    uint32_t h, w;
    float *map;      /* (h * w, h * w): row q is what position q gives each position */
    uint32_t blocks; /* attentions that were averaged */
} attention_level;

typedef struct attention_maps {
    attention_level levels[UNET_MAX_BLOCKS];
    size_t count;
} attention_maps;

void attention_maps_free(attention_maps *maps);

/* Input pixels of which a side should be a multiple, so that all grids halve evenly. */
uint32_t attention_maps_multiple(const diffcut_model *model);

/* image (height, width, 3) in [0, 1], sides multiples of the first stage's factor. The latent goes in without noise.
 * Of the settings, prompt and tile are used. DIFFCUT_ERROR_MODEL or _UNSUPPORTED when the model's decoder is not
 * there or cannot be run, DIFFCUT_ERROR_LIMIT when the finest map is too large: both before any work. Dumps
 * "attention_64x64" and so on. */
diffcut_status attention_maps_compute(const diffcut_model *model, backend_stream *stream, const work *w,
                                      const float *image, uint32_t height, uint32_t width,
                                      const diffcut_settings *settings, int32_t timestep, attention_maps *out);

#endif

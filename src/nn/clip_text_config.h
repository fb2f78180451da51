/*
 * clip_text_config.h - what a text encoder's config.json says, checked. The keys and their defaults are those of
 * transformers' CLIPTextConfig. Called by model/context and nn/clip_text.
 */
#ifndef DIFFCUT_NN_CLIP_TEXT_CONFIG_H
#define DIFFCUT_NN_CLIP_TEXT_CONFIG_H

#include "backend/backend.h"
#include "io/json.h"

#define CLIP_TEXT_MAX_WIDTH 16384
#define CLIP_TEXT_MAX_LAYERS 128
#define CLIP_TEXT_MAX_POSITIONS 4096
#define CLIP_TEXT_MAX_VOCABULARY 1048576

typedef struct clip_text_config {
    uint32_t width; /* hidden_size: a multiple of heads */
    uint32_t heads;
    uint32_t layers;
    uint32_t wide;       /* intermediate_size, of the feed-forward */
    uint32_t vocabulary; /* rows of the token embedding */
    uint32_t positions;  /* the longest sequence */
    uint32_t projected;  /* projection_dim; used where the pooled text is asked for */
    activation act;
    float eps; /* of every layer norm */
} clip_text_config;

/* DIFFCUT_ERROR_MODEL for a value that is wrong, DIFFCUT_ERROR_UNSUPPORTED for one that is valid but not built. */
diffcut_status clip_text_config_read(json_view view, clip_text_config *out, diffcut_diagnostics *diag);

#endif

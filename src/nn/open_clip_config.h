/*
 * open_clip_config.h - what open_clip_config.json says of a CLIP, checked: its space, the vision tower's form, the
 * text tower, the normalisation of images. Keys and defaults are open_clip's (CLIPVisionCfg, CLIPTextCfg). What only
 * matters for training is passed over; what would change the result and is not built is refused by its key. Called by
 * nn/image_encoder and model/encoder.
 */
#ifndef DIFFCUT_NN_OPEN_CLIP_CONFIG_H
#define DIFFCUT_NN_OPEN_CLIP_CONFIG_H

#include "nn/clip_text_config.h"
#include "nn/vit_config.h"

typedef struct open_clip_config {
    uint32_t embedding; /* embed_dim */
    uint32_t image_size;
    bool timm;       /* the vision tower is a timm trunk, else a ViT */
    vit_config vit;  /* of a ViT */
    char head[16];   /* of a timm trunk: "linear" or "mlp" */
    float trunk_eps; /* of its norms */
    clip_text_config text;
    double mean[3], deviation[3];
} open_clip_config;

/* DIFFCUT_ERROR_MODEL for a value that is wrong, DIFFCUT_ERROR_UNSUPPORTED for one that is valid but not built. */
diffcut_status open_clip_config_read(json_view view, open_clip_config *out, diffcut_diagnostics *diag);

#endif

/*
 * vit_config.h - what the config.json of a Vision Transformer (Dosovitskiy et al. 2021) says, checked: DINOv2, with
 * registers or without, ViT (DINO), CLIP's and SigLIP's vision towers. The keys and their defaults are transformers'.
 *
 * The families differ in where their norms stand, in what comes before the patches and in names; those differences
 * are fields here and in nn/vit_weights, so that one run serves all. Called by nn/vit and model/encoder.
 */
#ifndef DIFFCUT_NN_VIT_CONFIG_H
#define DIFFCUT_NN_VIT_CONFIG_H

#include "backend/backend.h"
#include "io/json.h"

#define VIT_MAX_WIDTH 16384
#define VIT_MAX_LAYERS 128
#define VIT_MAX_IMAGE 16384
#define VIT_MAX_PATCH 256
#define VIT_MAX_REGISTERS 64
#define VIT_MAX_PATCHES 65536 /* of an image */

typedef enum vit_family { VIT_DINOV2, VIT_PLAIN, VIT_CLIP, VIT_SIGLIP } vit_family;

typedef struct vit_config {
    vit_family family;
    uint32_t width; /* hidden_size: a multiple of heads */
    uint32_t heads;
    uint32_t layers;
    uint32_t wide; /* of the feed-forward; with SwiGLU of each of its halves */
    uint32_t image_size, patch_size;
    uint32_t registers; /* tokens between the class token and the patches */
    uint32_t projected; /* CLIP: width of the space it shares with text */
    activation act;     /* of the feed-forward; ACTIVATION_SWIGLU where it is gated */
    bool qkv_bias;
    bool antialias; /* positions are brought to another grid with the filter widened */
    float eps;      /* of every layer norm */
} vit_config;

/* "dinov2", "vit", "clip", "siglip". */
const char *vit_family_name(vit_family family);

/* Patches a side of the grid that the positions were trained for. */
uint32_t vit_config_grid(const vit_config *config);
/* The class token, where there is one, and the registers: tokens before the patches. */
uint32_t vit_config_before(const vit_config *config);
bool vit_config_has_class(const vit_config *config);

/* True for the model_type of a configuration that is read here. */
bool vit_config_knows(const char *model_type);
/* The values of "hidden_act" that text and vision towers share. */
diffcut_status vit_config_activation(json_view view, const char *fallback, activation *out,
                                     diffcut_diagnostics *diag);

/* From config.json's root, or from its vision_config with the root's projection_dim. DIFFCUT_ERROR_MODEL for a value
 * that is wrong, DIFFCUT_ERROR_UNSUPPORTED for one that is valid but not built. */
diffcut_status vit_config_read(json_view view, vit_config *out, diffcut_diagnostics *diag);

#endif

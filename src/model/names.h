/*
 * names.h - from the names that tensors have in files to the ones diffusers gives them today.
 *
 * Pure functions on strings. The original layout is that of the CompVis and Stability releases (one file, UNet blocks
 * numbered in a row); the older diffusers layout has other names in the autoencoder's attention; open_clip's text
 * encoder stacks queries, keys and values; TAESD's own files number their layers. Called by model/single_file and
 * model/layout_folder.
 */
#ifndef DIFFCUT_MODEL_NAMES_H
#define DIFFCUT_MODEL_NAMES_H

#include "io/safetensors.h"

#define NAMES_SIZE 256      /* of a diffusers name; longer ones are not mapped */
#define NAMES_MAX_BLOCKS 64 /* numbered blocks on each side of an original UNet */

/* How a tensor is to be presented under its new name. */
typedef enum name_form {
    NAME_UNKNOWN,    /* no such key in this layout; nothing is written */
    NAME_AS_IT_IS,   /* the same numbers */
    NAME_TRANSPOSED, /* (in, out) in the file, (out, in) under the new name */
    NAME_STACKED     /* three tensors stacked along the first side; '?' in the name stands for q, k and v */
} name_form;

/* Where a numbered block of an original UNet belongs: block `block` of its side, resnet and attention `layer`. */
typedef struct unet_place {
    size_t block, layer;
    bool downsampler;
} unet_place;

/* An original UNet's plan, read from which keys there are. */
typedef struct unet_places {
    size_t input_count, output_count;
    unet_place input[NAMES_MAX_BLOCKS];
    unet_place output[NAMES_MAX_BLOCKS];
} unet_places;

/* Keys begin with prefix. */
void names_unet_places(const safetensors *file, const char *prefix, unet_places *out);
/* Levels of an original autoencoder's decoder. */
size_t names_vae_levels(const safetensors *file, const char *prefix);

/* Each takes a key without its prefix and writes the new name (at most NAMES_SIZE bytes). */
name_form names_unet(const unet_places *places, const char *key, char *out);
name_form names_vae(size_t decoder_levels, const char *key, char *out);
name_form names_taesd(const char *key, char *out);
/* A transformers CLIP, with or without "text_model.". */
name_form names_clip(const char *key, char *out);
/* open_clip's text encoder; resblocks from max_layers on are NAME_UNKNOWN. */
name_form names_open_clip(size_t max_layers, const char *key, char *out);
/* An image encoder or CLIP of transformers under the names it has today: without a prefix for what it is part of,
 * with "vision_model." for CLIP's and SigLIP's. */
name_form names_encoder(const char *key, char *out);
/* open_clip's whole model, as transformers names CLIP; a timm trunk and its heads keep their names. */
name_form names_open_clip_model(const char *key, char *out);
/* diffusers' autoencoder, today's or older names. */
name_form names_vae_diffusers(const char *key, char *out);

/* True for the weights of an autoencoder's attention that are 1x1 convolutions in some layouts and linear today. */
bool names_is_vae_attention(const char *name);

#endif

/*
 * layout_folder.h - diffusers' layout: a folder a component, with one file of weights or several and their index, in
 * one or more variants.
 *
 * Variant "fp16" of diffusion_pytorch_model.safetensors is diffusion_pytorch_model.fp16.safetensors. Its index has
 * been named in three ways over the years, all of which are looked for. Called by model/checkpoint.
 */
#ifndef DIFFCUT_MODEL_LAYOUT_FOLDER_H
#define DIFFCUT_MODEL_LAYOUT_FOLDER_H

#include "model/names.h"
#include "model/tensor_table.h"

/* Where a component's weights lie. */
typedef struct folder_place {
    const char *root;    /* the model's folder */
    const char *sub;     /* "unet/", or "" for a component that stands alone */
    const char *stem;    /* "diffusion_pytorch_model" */
    const char *variant; /* this variant and no other, or NULL: the plain one, else fp16, else bf16 */
} folder_place;

typedef enum folder_names {
    FOLDER_NAMES_AS_THEY_ARE,
    FOLDER_NAMES_VAE,
    FOLDER_NAMES_CLIP,
    FOLDER_NAMES_ENCODER,  /* transformers' image encoders and CLIP */
    FOLDER_NAMES_OPEN_CLIP /* open_clip's whole model */
} folder_names;

/* True when there are weights (a link that leads nowhere counts: opening it says so). */
bool layout_folder_has(const folder_place *place);

/* Fills an empty table, sorted. label (size bytes) becomes what messages call the weights. On failure the table is
 * to be freed. */
diffcut_status layout_folder_load(const folder_place *place, folder_names names, tensor_table *table, char *label,
                                  size_t size, diffcut_diagnostics *diag);

/* Adds all of a file's tensors under their new names. */
diffcut_status layout_folder_add(const safetensors *file, folder_names names, tensor_table *table,
                                 diffcut_diagnostics *diag);

/* True for what a variant may be called: letters, digits, '_' and '-'. */
bool layout_folder_is_variant(const char *variant);

#endif

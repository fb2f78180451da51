/*
 * single_file.h - whole checkpoints, and single autoencoders, in one file with the original projects' names.
 *
 * The family is told from the tensors, never from a name: added conditions make it SDXL's (SDXL, SSD-1B, Vega), 1x1
 * convolutions around the attentions Stable Diffusion 1, linear layers there Stable Diffusion 2. Called by
 * model/checkpoint.
 */
#ifndef DIFFCUT_MODEL_SINGLE_FILE_H
#define DIFFCUT_MODEL_SINGLE_FILE_H

#include "model/tensor_table.h"

typedef enum single_kind {
    SINGLE_SD1,
    SINGLE_SD2,
    SINGLE_SDXL,
    SINGLE_VAE,   /* an AutoencoderKL alone, original or diffusers' names */
    SINGLE_TAESD, /* an AutoencoderTiny's encoder alone */
} single_kind;

/* What a whole checkpoint's file holds. DIFFCUT_ERROR_UNSUPPORTED names a known family that is not supported,
 * DIFFCUT_ERROR_MODEL says that it is no checkpoint. */
diffcut_status single_file_identify(const safetensors *file, single_kind *kind, diffcut_diagnostics *diag);
/* The same of a file that is to be a first stage: a whole checkpoint's autoencoder, or one alone. */
diffcut_status single_file_identify_vae(const safetensors *file, single_kind *kind, diffcut_diagnostics *diag);

/* Fills an empty table with a component's tensors, sorted; it stays empty when the file has none. On failure the
 * table is to be freed. */
diffcut_status single_file_load(const safetensors *file, single_kind kind, const char *component, tensor_table *table,
                                diffcut_diagnostics *diag);

#endif

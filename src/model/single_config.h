/*
 * single_config.h - the configurations that a single file lacks, told from its tensors' shapes and from what the
 * family's releases have in common.
 *
 * What shapes cannot show and the releases agree on: 32 groups in every norm; 8 heads in Stable Diffusion 1, heads of
 * 64 channels elsewhere; heads of 64 in every text encoder, quick_gelu in CLIP-L and gelu in open_clip's; 256
 * sinusoids for each SDXL time id; latents scaled by 0.18215 (SD) or 0.13025 (SDXL); betas scaled_linear from 0.00085
 * to 0.012. A file that does not fit is refused, and its configurations must be given. Called by model/checkpoint.
 */
#ifndef DIFFCUT_MODEL_SINGLE_CONFIG_H
#define DIFFCUT_MODEL_SINGLE_CONFIG_H

#include "io/bytes.h"
#include "model/single_file.h"

/* What there is to tell from. Tables are those of single_file_load. */
typedef struct single_tables {
    const char *file; /* what messages call it */
    single_kind kind;
    bool zero_snr;         /* the file says that its betas were rescaled to zero terminal signal to noise */
    double scaling_factor; /* of an autoencoder alone: that of the UNet it is to feed; 0: not known */
    const tensor_table *unet, *vae, *text_encoder, *text_encoder_2;
} single_tables;

/* The scaling of latents that a UNet without or with added conditions (SDXL's family) was trained on. */
double single_config_scaling_factor(bool added_condition);

/* True for a name that can be told: "unet/config.json", "tokenizer_2/tokenizer_config.json", ... */
bool single_config_has(const single_tables *tables, const char *name);

/* Writes its JSON. DIFFCUT_ERROR_MODEL says what cannot be told, DIFFCUT_ERROR_UNSUPPORTED what is not built. The
 * sink is the caller's to finish or free. */
diffcut_status single_config_write(const single_tables *tables, const char *name, bytes *sink,
                                   diffcut_diagnostics *diag);

#endif

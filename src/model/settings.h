/*
 * settings.h - a model's own defaults: diffcut.json, and the paper's where a folder has none.
 *
 * diffcut.json is this project's file; it says what the other configurations cannot: which first stage feeds the
 * UNet, which context it was trained with, and at which size, timestep, hook, alpha and tau it segments best. Called
 * by model/model.
 */
#ifndef DIFFCUT_MODEL_SETTINGS_H
#define DIFFCUT_MODEL_SETTINGS_H

#include "nn/unet_config.h"

#define MODEL_NAME_SIZE 128

typedef enum model_family { MODEL_PIXEL, MODEL_SD, MODEL_SDXL } model_family;

typedef enum first_stage_kind {
    FIRST_STAGE_OWN,             /* an autoencoder, of the kind that vae/config.json says */
    FIRST_STAGE_PIXEL_UNSHUFFLE, /* factor x factor pixels become channels */
    FIRST_STAGE_AUTOENCODER_KL,  /* Stable Diffusion's autoencoder, 8 pixels a side */
    FIRST_STAGE_AUTOENCODER_TINY /* its distilled form (TAESD) */
} first_stage_kind;

typedef struct model_settings {
    char name[MODEL_NAME_SIZE]; /* "" when diffcut.json gives none */
    model_family family;
    first_stage_kind first_stage; /* what is declared; nn/first_stage knows what is there */
    uint32_t factor;              /* input pixels per latent side */
    uint32_t context_tokens;      /* zeros; 0: the empty prompt's text context */
    uint32_t size;
    int32_t timestep;
    char hook[128]; /* "": the paper's */
    double alpha, tau;
} model_settings;

/* An image encoder's: the paper's alpha and tau, whatever its features, and the size it was trained at. */
void model_settings_of_encoder(uint32_t image_size, model_settings *out);

/* The paper's defaults for the family that the UNet's configuration shows. Where its channels fit no family, only
 * diffcut.json can say more, and *known is false. */
void model_settings_init(const unet_config *config, model_settings *out, bool *known);

/* Reads diffcut.json over `base`. A key that this version does not know is an error: a misspelt one would else change
 * nothing, silently; names that start with '_' are free for remarks. */
diffcut_status model_settings_read(json_view view, const unet_config *config, const model_settings *base,
                                   model_settings *out, diffcut_diagnostics *diag);

const char *model_family_name(model_family family);
const char *first_stage_name(first_stage_kind kind);

#endif

/*
 * select.h - which files of a repository are needed.
 *
 * A diffusers folder: configurations, tokenizers, scheduler, licence, and of each component (unet, vae, text_encoder,
 * text_encoder_2) the safetensors weights of one variant, in one file or in shards with their index. A first stage
 * that stands alone (config.json at the root): the same with its one component. A single file: that one and the
 * configurations beside it. Never pickles, other frameworks' files, further variants. Called by hub/pull.
 */
#ifndef DIFFCUT_HUB_SELECT_H
#define DIFFCUT_HUB_SELECT_H

#include "hub/listing.h"

typedef struct select_settings {
    const char *variant; /* "fp16", ...; "" asks for the weights without one; NULL: fp16, else those, else bf16 */
    const char *file;    /* a single file; NULL: none */
} select_settings;

/* Sets wanted[i] for each file of the listing. name is the repository's. DIFFCUT_ERROR_MODEL, saying what is there
 * instead, when what is needed is not. */
diffcut_status select_files(const listing *all, const char *name, const select_settings *settings, bool *wanted,
                            diffcut_diagnostics *diag);

#endif

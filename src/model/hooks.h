/*
 * hooks.h - the outputs of an image encoder that can be taken as features, by name: a UNet's are its plan's. Called
 * by model/model and the pipeline.
 */
#ifndef DIFFCUT_MODEL_HOOKS_H
#define DIFFCUT_MODEL_HOOKS_H

#include "model/encoder.h"

#define HOOKS_TOKENS "last_hidden_state" /* the default */
#define HOOKS_KEYS "keys"                /* of a ViT: what TokenCut takes */

/* NULL is the default. DIFFCUT_ERROR_ARGUMENT lists those that exist. */
diffcut_status hooks_find(const model_encoder *encoder, const char *name, encoder_output *out,
                          diffcut_diagnostics *diag);

#endif

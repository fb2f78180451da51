/*
 * encoder_features.h - a picture's features from an image encoder. Called by the pipeline, as nn/encode is for a
 * diffusion model.
 */
#ifndef DIFFCUT_NN_ENCODER_FEATURES_H
#define DIFFCUT_NN_ENCODER_FEATURES_H

#include "nn/encoder_output.h"

/* What the settings' hook asks for. DIFFCUT_ERROR_ARGUMENT for settings that only a diffusion model has a use for and
 * that are not at their defaults: timesteps, noise, seed, average, prompt, tile. */
diffcut_status encoder_features_check(const diffcut_model *model, const diffcut_settings *settings,
                                      encoder_output *out, diffcut_diagnostics *diag);

/* pixels (height, width, 3) in [0, 1], sides multiples of the encoder's stride. Dumps "image", every stage that
 * nn/vit and nn/convnext tap as "encoder.<name>", and "features". */
diffcut_status encoder_features(const diffcut_model *model, backend_stream *stream, const work *w,
                                const float *pixels, uint32_t height, uint32_t width, encoder_output wanted,
                                encoder_map *out);

/* Bytes of activations at once, at most. */
uint64_t encoder_features_planned(const diffcut_model *model, uint32_t height, uint32_t width);

#endif

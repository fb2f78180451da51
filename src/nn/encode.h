/*
 * encode.h - a picture's features: first stage, noise, UNet encoder to the hook. Called by the pipeline.
 */
#ifndef DIFFCUT_NN_ENCODE_H
#define DIFFCUT_NN_ENCODE_H

#include "backend/backend.h"
#include "core/work.h"

/* image (height, width, 3) in [0, 1], sides multiples of the first stage's factor -> *features (*fh, *fw, *fc), which
 * the caller frees with mem_free. Of the settings, the features' own are used. stream belongs to the model's backend.
 * Dumps "image", "latent", "noise" (channels first, as drawn), "noisy", every module as "unet.<name>", and
 * "features". */
diffcut_status encode_features(const diffcut_model *model, backend_stream *stream, const work *w, const float *image,
                               uint32_t height, uint32_t width, const diffcut_settings *settings, float **features,
                               uint32_t *fh, uint32_t *fw, uint32_t *fc);

#endif

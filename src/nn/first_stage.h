/*
 * first_stage.h - from pixels to the latent that the UNet works on.
 *
 * Built here: pixel_unshuffle, x = 2 image - 1, then channel = c * f * f + dy * f + dx of position (y, x) is pixel
 * (y f + dy, x f + dx), colour c. Called by nn/encode.
 */
#ifndef DIFFCUT_NN_FIRST_STAGE_H
#define DIFFCUT_NN_FIRST_STAGE_H

#include "core/work.h"
#include "model/settings.h"

/* image (h, w, 3) in [0, 1] -> *latent (*lh, *lw, *lc), which the caller frees with mem_free. Sides are multiples of
 * the factor, else DIFFCUT_ERROR_ARGUMENT. DIFFCUT_ERROR_UNSUPPORTED for a first stage that is not built. */
diffcut_status first_stage_encode(const model_settings *settings, const work *w, const float *image, uint32_t height,
                                  uint32_t width, float **latent, uint32_t *lh, uint32_t *lw, uint32_t *lc);

#endif

/*
 * first_stage.h - from pixels to the latent that the UNet works on: one interface, several kinds (model/settings.h).
 *
 * pixel_unshuffle: x = 2 image - 1, then channel = c * f * f + dy * f + dx of position (y, x) is pixel
 * (y f + dy, x f + dx), colour c.
 * first_stage_prepare changes its object and is called under its owner's lock; once prepared it never changes again,
 * and first_stage_encode may run from any number of threads. Called by model/model and nn/encode.
 */
#ifndef DIFFCUT_NN_FIRST_STAGE_H
#define DIFFCUT_NN_FIRST_STAGE_H

#include "core/work.h"
#include "model/settings.h"
#include "nn/layers.h"
#include "nn/weights.h"

typedef struct first_stage first_stage;

/* Reads the first stage's configuration; reads no weights. target, settings and source must outlive it. source is the
 * model's checkpoint, or the one that takes its place as first stage. */
diffcut_status first_stage_open(backend *target, const model_settings *settings, const checkpoint *source,
                                first_stage **out, diffcut_diagnostics *diag);
/* NULL is allowed. */
void first_stage_close(first_stage *self);

/* Every weight it needs, in the order of use; stops at the first status that is not DIFFCUT_OK. */
diffcut_status first_stage_visit(const first_stage *self, weight_visit_fn visit, void *user);
/* Reads and prepares the weights; once. */
diffcut_status first_stage_prepare(first_stage *self, diffcut_diagnostics *diag);

/* image (h, w, 3) in [0, 1] -> *latent (*lh, *lw, *lc), scaled as the UNet wants it, which the caller frees with
 * mem_free. Sides are multiples of the factor, else DIFFCUT_ERROR_ARGUMENT. tile: input pixels, 0 for none (see
 * diffcut_settings). tap (may be NULL) sees every module's output. */
diffcut_status first_stage_encode(const first_stage *self, backend_stream *stream, const work *w, const float *image,
                                  uint32_t height, uint32_t width, uint32_t tile, layer_tap_fn tap, void *tap_user,
                                  float **latent, uint32_t *lh, uint32_t *lw, uint32_t *lc);

#endif

/*
 * first_stage.h - from pixels to the latent that the UNet works on: one interface, several kinds (model/settings.h).
 *
 * pixel_unshuffle needs no weights (nn/pixel_unshuffle). An autoencoder is AutoencoderKL or AutoencoderTiny, as its
 * vae/config.json says (nn/autoencoder); the latent is the posterior's mean (KL) or the output (Tiny), times the
 * configuration's scaling_factor.
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

/* What the model has to say of its first stage. */
typedef struct first_stage_wanted {
    first_stage_kind kind; /* declared; FIRST_STAGE_OWN: whatever vae/config.json says */
    uint32_t factor;       /* input pixels per latent side */
    uint32_t channels;     /* of the latent: the UNet's in_channels */
} first_stage_wanted;

/* Reads the first stage's configuration; reads no weights. target and source must outlive it. source is the model's
 * checkpoint, or the one that takes the place of the model's own first stage; an autoencoder's component is required
 * of it. One that is not what is wanted is DIFFCUT_ERROR_MODEL. */
diffcut_status first_stage_open(backend *target, const first_stage_wanted *wanted, checkpoint *source,
                                first_stage **out, diffcut_diagnostics *diag);
/* NULL is allowed. */
void first_stage_close(first_stage *self);

/* Never FIRST_STAGE_OWN. */
first_stage_kind first_stage_get_kind(const first_stage *self);
/* About how long it takes, in runs of the UNet to its usual hook: for progress. */
double first_stage_runs(const first_stage *self);

/* Elements of the buffers of a picture's run, at most, with tiles as for first_stage_encode. */
double first_stage_planned(const first_stage *self, uint32_t height, uint32_t width, uint32_t tile);

/* Every weight it needs, in the order of use; stops at the first status that is not DIFFCUT_OK. */
diffcut_status first_stage_visit(const first_stage *self, weight_visit_fn visit, void *user);
/* Reads and prepares the weights; once. */
diffcut_status first_stage_prepare(first_stage *self, diffcut_diagnostics *diag);

/* image (h, w, 3) in [0, 1] -> *latent (*lh, *lw, *lc), scaled as the UNet wants it, which the caller frees with
 * mem_free. Sides are multiples of the factor, else DIFFCUT_ERROR_ARGUMENT. A latent that is not finite is
 * DIFFCUT_ERROR_NUMERIC, with the module that made it so.
 * tile: where a side is longer than so many input pixels (rounded down to a multiple of the factor, at least 8 of
 * them), an autoencoder encodes overlapping tiles one by one, and their latents are blended; 0: always whole. Group
 * norms and attention then see a tile and not the whole picture, so the latent is close to the whole one's but not
 * equal. pixel_unshuffle has nothing to tile.
 * tap (may be NULL) sees every module's output, of a picture that is encoded whole. */
diffcut_status first_stage_encode(const first_stage *self, backend_stream *stream, const work *w, const float *image,
                                  uint32_t height, uint32_t width, uint32_t tile, layer_tap_fn tap, void *tap_user,
                                  float **latent, uint32_t *lh, uint32_t *lw, uint32_t *lc);

#endif

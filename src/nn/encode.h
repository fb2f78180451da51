/*
 * encode.h - pictures' features: first stage, noise, UNet encoder to the hooks. Called by the pipeline.
 *
 * The parts of a picture's features are the outputs of each hook at each timestep, in the order timestep, hook:
 * parts[t * hooks + k]. The first stage runs once; the UNet once for each timestep and draw of noise, and serves all
 * hooks in one pass. Several pictures of one size go through the UNet together, under the same noise; the first
 * stage, whose products are large enough alone, takes them one by one. Draw k is the k-th call on one generator, the
 * same for every timestep; a part is the mean over the draws, summed in double in their order.
 */
#ifndef DIFFCUT_NN_ENCODE_H
#define DIFFCUT_NN_ENCODE_H

#include "backend/backend.h"
#include "core/work.h"
#include "nn/unet.h"

#define ENCODE_MAX_CHANNELS 65536 /* of the features: parts side by side */

/* What the settings ask of a model's network. */
typedef struct encode_request {
    unet_hook hooks[UNET_MAX_HOOKS];
    size_t hook_count;
    size_t part_count; /* hooks times timesteps */
    uint32_t channels; /* of all parts side by side */
    uint32_t factor;   /* input pixels per latent side: what the network can take is a multiple of it */
    uint32_t
        multiple; /* input pixels per token side at the deepest hook: of its multiples every grid is a whole part */
} encode_request;

/* Finds the hooks (the model's own where the settings name none). DIFFCUT_ERROR_ARGUMENT for a name that is none or
 * is given twice, DIFFCUT_ERROR_LIMIT for more channels than ENCODE_MAX_CHANNELS. */
diffcut_status encode_request_make(const diffcut_model *model, const diffcut_settings *settings, encode_request *out,
                                   diffcut_diagnostics *diag);

/* The finest of the hooks' grids, onto which the parts are concatenated, for an input of this size. */
void encode_request_grid(const diffcut_model *model, const encode_request *request, uint32_t height, uint32_t width,
                         uint32_t *fh, uint32_t *fw);

/* image (height, width, 3) in [0, 1], sides multiples of the first stage's factor -> parts[part_count], whose data
 * the caller frees with mem_free. Of the settings, the features' own are used. stream belongs to the model's backend.
 * Dumps "image", "latent", and of the first draw "noise" (channels first, as drawn), "noisy" and every module as
 * "unet.<name>"; with several timesteps the latter two as "t50.noisy" and so on. */
diffcut_status encode_parts(const diffcut_model *model, backend_stream *stream, const work *w, const float *image,
                            uint32_t height, uint32_t width, const diffcut_settings *settings,
                            const encode_request *request, unet_features *parts);

/* The same for images of one size: parts[i * part_count + p] is image i's, equal to the bit to what encode_parts
 * makes of it. Dumps nothing of several. */
diffcut_status encode_parts_batch(const diffcut_model *model, backend_stream *stream, const work *w,
                                  const float *const *images, uint32_t count, uint32_t height, uint32_t width,
                                  const diffcut_settings *settings, const encode_request *request,
                                  unet_features *parts);

/* encode_request_make, encode_parts, and the parts side by side (nn/concatenate): *features (*fh, *fw, *fc), which
 * the caller frees with mem_free. Also dumps "features". */
diffcut_status encode_features(const diffcut_model *model, backend_stream *stream, const work *w, const float *image,
                               uint32_t height, uint32_t width, const diffcut_settings *settings, float **features,
                               uint32_t *fh, uint32_t *fw, uint32_t *fc);

/* The same for images of one size: features[i], whose data the caller frees with mem_free, is image i's. */
diffcut_status encode_features_batch(const diffcut_model *model, backend_stream *stream, const work *w,
                                     const float *const *images, uint32_t count, uint32_t height, uint32_t width,
                                     const diffcut_settings *settings, unet_features *features);

#endif

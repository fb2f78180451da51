/*
 * unet_whole.h - the whole UNet, middle block and decoder included, for those who want its attention maps or its
 * output rather than the encoder's features. Called by nn/attention_maps and the parity tests.
 *
 * Steps and weights are those of unet.h: a whole run needs unet_prepare and unet_context_prepare up to its last step,
 * and leaves the encoder's as they are for unet_encode.
 */
#ifndef DIFFCUT_NN_UNET_WHOLE_H
#define DIFFCUT_NN_UNET_WHOLE_H

#include "nn/unet.h"

/* A self-attention as it is about to be computed. */
typedef struct unet_attention {
    const char *block; /* its transformer block's name */
    tensor q, k;       /* (1, h * w, 1, c) */
    uint32_t heads;
    uint32_t h, w;
} unet_attention;

/* Sees each self-attention, in the order of computation; may use l for operations of its own, in whose status it
 * leaves a failure. */
typedef void (*unet_attention_fn)(void *user, layers *l, const unet_attention *seen);

/* How many steps a run takes: to the output, or only to the last self-attention. DIFFCUT_ERROR_MODEL or
 * DIFFCUT_ERROR_UNSUPPORTED with the reason when the configuration has no decoder, or none that can be run. */
diffcut_status unet_whole_steps(const unet *self, bool to_output, size_t *steps, diffcut_diagnostics *diag);

/* Runs the first `steps` of them on one latent. attention and tap may be NULL. */
diffcut_status unet_run_whole(const unet *self, backend_stream *stream, const work *w, const unet_input *input,
                              size_t steps, unet_attention_fn attention, void *attention_user, layer_tap_fn tap,
                              void *tap_user);

#endif

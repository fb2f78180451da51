/*
 * unet.h - the UNet's encoder: opened from a checkpoint, prepared as far as a hook needs, run to that hook.
 *
 * After U-Net denoisers of latent diffusion (Rombach et al. 2022; SDXL, Podell et al. 2023) in diffusers' layout.
 * unet_prepare and unet_context_prepare change their object and are called under its owner's lock; steps that they
 * have prepared never change again, so unet_encode up to them may run from any number of threads meanwhile.
 * Called by model/model, nn/encode and the parity tests.
 */
#ifndef DIFFCUT_NN_UNET_H
#define DIFFCUT_NN_UNET_H

#include "core/work.h"
#include "nn/layers.h"
#include "nn/unet_plan.h"

typedef struct unet unet;
typedef struct unet_context unet_context;

#define UNET_TIME_IDS 6

/* Makes the plan; reads no weights. target and source must outlive it. */
diffcut_status unet_open(backend *target, const checkpoint *source, const unet_config *config, unet **out,
                         diffcut_diagnostics *diag);
/* NULL is allowed. */
void unet_close(unet *self);

const unet_plan *unet_get_plan(const unet *self);

/* DTYPE_F32, the default, or DTYPE_BF16: of the products in linear layers, attention and direct convolutions, for
 * weights that are prepared from here on. Norms, residual sums and Winograd's convolutions are float32 always. */
void unet_set_precision(unet *self, dtype precision);

/* Every weight of the first `steps` steps, in their order; stops at the first status that is not DIFFCUT_OK. */
diffcut_status unet_visit(const unet *self, size_t steps, weight_visit_fn visit, void *user);
/* Reads and prepares the weights of the first `steps` steps; those that are prepared stay. */
diffcut_status unet_prepare(unet *self, size_t steps, diffcut_diagnostics *diag);

/* What the network is told besides the picture: data (tokens, channels), and pooled (added condition only, else
 * NULL), both copied. Keys and values are computed by unet_context_prepare, once a layer. */
diffcut_status unet_context_create(const unet *self, const float *data, uint32_t tokens, uint32_t channels,
                                   const float *pooled, uint32_t pooled_width, unet_context **out,
                                   diffcut_diagnostics *diag);
/* NULL is allowed. */
void unet_context_free(unet_context *context);
/* Keys and values for the first `steps` steps, whose weights are prepared. */
diffcut_status unet_context_prepare(unet_context *context, backend_stream *stream, size_t steps,
                                    diffcut_diagnostics *diag);

typedef struct unet_input {
    const float *noisy; /* (n, h, w, in_channels) */
    uint32_t n;         /* images, run together: at one timestep, under one context */
    uint32_t h, w;
    int32_t timestep;
    const unet_context *context;
    const float *time_ids; /* UNET_TIME_IDS numbers with an added condition, else NULL */
} unet_input;

typedef struct unet_features {
    float *data; /* (h, w, c); the caller frees it with mem_free */
    uint32_t h, w, c;
} unet_features;

/* Runs the encoder once, to the last of the hooks, whose steps are prepared in network and context; out[i *
 * hook_count + k] is hook k's output for image i, the same to the bit as when that image is run alone. No hook is
 * given twice. tap may be NULL, and with several images it is. NaN or infinity in the features is
 * DIFFCUT_ERROR_NUMERIC and names the first module that made it. */
diffcut_status unet_encode(const unet *self, backend_stream *stream, const work *w, const unet_input *input,
                           const unet_hook *hooks, size_t hook_count, layer_tap_fn tap, void *tap_user,
                           unet_features *out);

/* Elements of the buffers of a run of an h x w latent to these hooks, or the failure that the run would have. */
diffcut_status unet_planned(const unet *self, const work *w, uint32_t height, uint32_t width, const unet_hook *hooks,
                            size_t hook_count, size_t *elements);

#endif

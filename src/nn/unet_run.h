/*
 * unet_run.h - one run of a UNet's encoder: the state that its steps share, and the steps. See unet_encode.c for the
 * buffers. Called by unet_encode.c (the run) and by the files that hold the steps: unet_time.c, unet_resnet.c,
 * unet_transformer.c.
 */
#ifndef DIFFCUT_NN_UNET_RUN_H
#define DIFFCUT_NN_UNET_RUN_H

#include "nn/unet_internal.h"

/* Sizes of the buffers, in elements. */
typedef struct unet_memory {
    size_t grid, wide, extra, vectors;
} unet_memory;

typedef struct unet_run {
    const unet *network;
    layers layers; /* `done` once every hook is kept */
    const unet_input *input;
    const unet_hook *hooks;
    unet_features *kept; /* by image, then hook; data NULL until then */
    size_t hook_count, missing;
    const unet_step *step;
    size_t index;  /* of the step */
    uint32_t h, w; /* the grid at this step */
    backend_buffer *x, *y, *t, *f, *extra, *vectors;
    unet_memory memory;
    tensor temb_silu; /* silu(time embedding), which every resnet projects */
} unet_run;

/* The steps, by kind. */
void unet_run_time(unet_run *r);
void unet_run_conv_in(unet_run *r);
void unet_run_resnet(unet_run *r);
void unet_run_downsample(unet_run *r);
void unet_run_transformer_in(unet_run *r);
void unet_run_self_attention(unet_run *r);
void unet_run_cross_attention(unet_run *r);
void unet_run_feed_forward(unet_run *r);
void unet_run_transformer_out(unet_run *r);

/* The images' grids of this step with c channels in a buffer. */
tensor unet_grid(const unet_run *r, backend_buffer *buffer, uint32_t c);
/* The same positions as a sequence: channels first .. first + c of rows of `stride`. */
tensor unet_tokens(const unet_run *r, backend_buffer *buffer, uint32_t first, uint32_t c, uint32_t stride);
/* c values for each image of the vectors' buffer, whose parts are counted for one image. */
tensor unet_vector(const unet_run *r, size_t offset, uint32_t c);

/* True when somebody wants this output of the step, named by its suffix. */
bool unet_wanted(const unet_run *r, const char *suffix);
/* Hands a module's output to the tap, and keeps it if it is a hook's: a grid, or a vector. */
void unet_emit(unet_run *r, const char *suffix, const tensor *value);
void unet_emit_vector(unet_run *r, const char *suffix, const tensor *value);

#endif

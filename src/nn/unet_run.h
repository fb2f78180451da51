/*
 * unet_run.h - one run of a UNet: the state that its steps share, and the steps. See unet_encode.c for the buffers.
 * Called by unet_encode.c (the run to a hook), unet_whole.c (the run to the end) and by the files that hold the
 * steps: unet_time.c, unet_resnet.c, unet_transformer.c.
 */
#ifndef DIFFCUT_NN_UNET_RUN_H
#define DIFFCUT_NN_UNET_RUN_H

#include "nn/unet_internal.h"
#include "nn/unet_whole.h"

/* Of the encoder's outputs that go to the decoder: conv_in's, and each layer's and downsampler's. */
#define UNET_MAX_SKIPS (1 + UNET_MAX_BLOCKS * (UNET_MAX_LAYERS + 1))

/* Sizes of the buffers, in elements. */
typedef struct unet_memory {
    size_t grid, wide, extra, vectors;
} unet_memory;

/* An output of the encoder that waits for the decoder. */
typedef struct unet_skip {
    backend_buffer *buffer;
    uint32_t h, w, c;
} unet_skip;

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
    size_t steps;     /* how many are run; beyond the encoder's all are */
    /* Of a run beyond the encoder: */
    unet_skip skips[UNET_MAX_SKIPS];
    size_t skip_count;
    unet_attention_fn attention; /* may be NULL */
    void *attention_user;
} unet_run;

/* Runs the first r->steps steps; on failure nothing is kept. In unet_encode.c. */
diffcut_status unet_run_network(unet_run *r);

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
void unet_run_upsample(unet_run *r);
void unet_run_conv_out(unet_run *r);

/* Keeps a copy of x for the decoder. */
void unet_push_skip(unet_run *r);
/* x, and beside it in each position the encoder's last output that still waits, become x. */
void unet_join_skip(unet_run *r);
/* Gives back those that still wait. */
void unet_drop_skips(unet_run *r);

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

/*
 * unet_plan.h - a UNet as a list of steps, made from its configuration: the encoder's, then those of the middle block
 * and the decoder.
 *
 * A step is what runs between two points where the activation has one owner: a resnet, one attention, one
 * feed-forward. It knows its module's name in diffusers, its sizes, which weights it needs and which modules' outputs
 * pass by in it. Hooks are found here, and the network stops right after its hook's step, so steps beyond it cost
 * neither weights nor time. Only the encoder's outputs are hooks; the rest is run whole (unet_whole.h). Called by
 * nn/unet and nn/unet_encode.
 */
#ifndef DIFFCUT_NN_UNET_PLAN_H
#define DIFFCUT_NN_UNET_PLAN_H

#include "nn/unet_config.h"
#include "nn/weights.h"

#define UNET_NAME_SIZE 96
#define UNET_MAX_HOOKS 64 /* of one run */

typedef enum unet_step_kind {
    UNET_TIME, /* time embedding and added condition */
    UNET_CONV_IN,
    UNET_RESNET,
    UNET_TRANSFORMER_IN,  /* an attention module's group norm and proj_in */
    UNET_SELF_ATTENTION,  /* attn1 of a transformer block */
    UNET_CROSS_ATTENTION, /* attn2 */
    UNET_FEED_FORWARD,    /* ff */
    UNET_TRANSFORMER_OUT, /* proj_out and the attention module's residual */
    UNET_DOWNSAMPLE,
    UNET_UPSAMPLE, /* nearest neighbours to the grid of the encoder's next output, then a convolution */
    UNET_CONV_OUT, /* group norm, SiLU, convolution */
    UNET_KIND_COUNT
} unet_step_kind;

/* A step's weights, by kind. */
enum { TIME_LINEAR_1, TIME_LINEAR_2, TIME_ADD_1, TIME_ADD_2 };
enum { RESNET_NORM_1, RESNET_CONV_1, RESNET_TIME, RESNET_NORM_2, RESNET_CONV_2, RESNET_SHORTCUT };
enum { TRANSFORMER_NORM, TRANSFORMER_PROJ }; /* proj_out's step has the second only */
enum { ATTENTION_NORM, ATTENTION_IN, ATTENTION_OUT, ATTENTION_CONTEXT };
enum { FEED_NORM, FEED_UP, FEED_DOWN };
enum { CONV_WEIGHT };
enum { CONV_OUT_NORM, CONV_OUT_CONV };
#define UNET_SLOTS 6

typedef struct unet_step {
    unet_step_kind kind;
    char name[UNET_NAME_SIZE]; /* "down_blocks.1.resnets.0"; of an attention or ff its transformer block's */
    uint32_t in, out;          /* channels */
    uint32_t heads;
    uint32_t context;                    /* channels of the text context: cross-attention */
    uint32_t level;                      /* how often the grid was halved before this step */
    uint32_t skipped;                    /* decoder's resnet: so many of `in` come from the encoder */
    bool skip;                           /* encoder: what this step leaves goes to the decoder, too */
    bool linear;                         /* transformer: projections are linear layers */
    backend_weight *weights[UNET_SLOTS]; /* NULL until prepared; owned by the unet */
} unet_step;

typedef struct unet_plan {
    unet_config config;
    unet_step *steps;
    size_t count; /* of the encoder */
    size_t total; /* with the middle block and the decoder; equal to count where they cannot be run */
} unet_plan;

/* A module's output that passes by in a step; its name is the step's name + suffix. */
typedef struct unet_output {
    const char *suffix;
    bool grid; /* (h, w, c); else a vector, which is no hook */
} unet_output;

/* Where the network stops, and what is kept. */
typedef struct unet_hook {
    size_t step;
    const char *suffix;
    uint32_t channels;
    uint32_t level;
    char name[UNET_NAME_SIZE];
} unet_hook;

diffcut_status unet_plan_create(const unet_config *config, unet_plan *out, diffcut_diagnostics *diag);
/* Frees the list, not the weights. */
void unet_plan_free(unet_plan *plan);

/* A side of the grid after a downsampler: 3x3, stride 2, with one row of zeros on both sides (padding 1) or on the
 * far side only (0). */
uint32_t unet_halved(uint32_t side, uint32_t padding);

/* The outputs that a step of this plan has. */
const unet_output *unet_step_outputs(const unet_plan *plan, const unet_step *step, size_t *count);

/* What each slot holds; unused slots are WEIGHT_FORM_ABSENT. */
void unet_step_needs(const unet_plan *plan, const unet_step *step, weight_need needs[UNET_SLOTS]);

/* A side of the grid at a level, from the latent's side; 0 when that is too small. */
uint32_t unet_plan_side(const unet_plan *plan, uint32_t level, uint32_t side);

/* The hook of this name: diffusers' module name, its short form ("down" for "down_blocks", "blocks" for
 * "transformer_blocks"), or a whole block ("down_blocks.1", its last module's output). DIFFCUT_ERROR_ARGUMENT with
 * the nearest names when there is none, with the reason for a part of the network that has no grid or is not run. */
diffcut_status unet_plan_hook(const unet_plan *plan, const char *name, unet_hook *out, diffcut_diagnostics *diag);

/* The hooks of a list of names separated by commas, out[UNET_MAX_HOOKS], in the list's order.
 * DIFFCUT_ERROR_ARGUMENT for one that is none or is given twice. */
diffcut_status unet_plan_hooks(const unet_plan *plan, const char *names, unet_hook *out, size_t *count,
                               diffcut_diagnostics *diag);

/* Every hook in the order of computation; false past the end. */
bool unet_plan_hook_at(const unet_plan *plan, size_t index, unet_hook *out);

/* The paper's hook: self-attention of the last transformer block of the last attention, in the last block, or in the
 * one before where that is a plain DownBlock2D. DIFFCUT_ERROR_UNSUPPORTED when neither has attention. */
diffcut_status unet_plan_default_hook(const unet_plan *plan, unet_hook *out, diffcut_diagnostics *diag);

#endif

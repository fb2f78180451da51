/*
 * autoencoder.h - an autoencoder's encoder as a list of steps, its weights and its run.
 *
 * AutoencoderKL and AutoencoderTiny differ in which steps they are made of (autoencoder_kl, autoencoder_tiny: from
 * vae/config.json to the list); weights and the run are one. Everything is computed in float32, whatever the weights'
 * type: SDXL's encoder overflows float16. Called by nn/first_stage.
 */
#ifndef DIFFCUT_NN_AUTOENCODER_H
#define DIFFCUT_NN_AUTOENCODER_H

#include "io/json.h"
#include "nn/layers.h"
#include "nn/weights.h"

#define AUTOENCODER_COMPONENT "vae"
#define AUTOENCODER_CONFIG "vae/config.json"
#define AUTOENCODER_NAME_SIZE 64
#define AUTOENCODER_MAX_BLOCKS 8
#define AUTOENCODER_MAX_LAYERS 16 /* in a block */
#define AUTOENCODER_MAX_CHANNELS 16384
#define AUTOENCODER_MAX_LATENT 256
#define AUTOENCODER_COLOURS 3

typedef enum autoencoder_step_kind {
    AUTOENCODER_CONV,       /* 3x3, stride 1 */
    AUTOENCODER_DOWNSAMPLE, /* 3x3, stride 2 */
    AUTOENCODER_RESNET,     /* shortcut(x) + conv2(silu(norm2(conv1(silu(norm1(x)))))) */
    AUTOENCODER_ATTENTION,  /* one head over all positions, with group norm and residual */
    AUTOENCODER_NORM,       /* silu(group norm) */
    AUTOENCODER_POINT,      /* 1x1 */
    AUTOENCODER_BLOCK,      /* relu(x + conv(relu(conv(relu(conv(x)))))) */
    AUTOENCODER_KIND_COUNT
} autoencoder_step_kind;

/* A step's weights, by kind. */
enum { AUTOENCODER_WEIGHT };
enum { AUTOENCODER_NORM_1, AUTOENCODER_CONV_1, AUTOENCODER_NORM_2, AUTOENCODER_CONV_2, AUTOENCODER_SHORTCUT };
enum { AUTOENCODER_ATTENTION_NORM, AUTOENCODER_Q, AUTOENCODER_K, AUTOENCODER_V, AUTOENCODER_OUT };
#define AUTOENCODER_SLOTS 5

typedef struct autoencoder_step {
    autoencoder_step_kind kind;
    char name[AUTOENCODER_NAME_SIZE];  /* "encoder.down_blocks.0.resnets.1" */
    char whole[AUTOENCODER_NAME_SIZE]; /* the module that ends with this step, whose output is the same; or "" */
    const char *part;                  /* a convolution's tensors are named name + part */
    uint32_t in, out;                  /* channels */
    uint32_t pad_near;                 /* a downsampling's zeros above and at the left; one row and column follow */
    uint32_t pixel;                    /* side of one position of its input, in pixels of the image */
    bool bias;                         /* of a convolution */
    backend_weight *weights[AUTOENCODER_SLOTS]; /* NULL until prepared; owned by the autoencoder */
} autoencoder_step;

typedef struct autoencoder_plan {
    autoencoder_step *steps;
    size_t count;
    size_t room;              /* steps that fit */
    uint32_t norm_groups;     /* 0: no norms */
    uint32_t latent_channels; /* the first ones of the last step's output */
    uint32_t factor;          /* input pixels per latent side */
    bool posterior; /* the output is a normal distribution's mean and log-variance; the latent is its mean */
    float input_scale, input_shift; /* the first step's input is image * scale + shift */
    float shift, scale;             /* latent = (output - shift) * scale */
} autoencoder_plan;

/* Make a plan from a configuration; DIFFCUT_ERROR_MODEL for what contradicts itself, DIFFCUT_ERROR_UNSUPPORTED, with
 * the key, for what is valid but not built. */
diffcut_status autoencoder_kl_plan(json_view config, autoencoder_plan *out, diffcut_diagnostics *diag);
diffcut_status autoencoder_tiny_plan(json_view config, autoencoder_plan *out, diffcut_diagnostics *diag);

/* For those two: an empty list with room, the next step of it, and shift and scale of the configuration. */
diffcut_status autoencoder_plan_begin(size_t room, autoencoder_plan *out, diffcut_diagnostics *diag);
__attribute__((format(printf, 5, 6))) autoencoder_step *autoencoder_plan_add(autoencoder_plan *plan,
                                                                             autoencoder_step_kind kind, uint32_t in,
                                                                             uint32_t out, const char *name, ...);
diffcut_status autoencoder_read_scaling(json_view config, double scale, autoencoder_plan *plan,
                                        diffcut_diagnostics *diag);
/* Refuses keys that are not in `known`, unless they switch nothing on. */
diffcut_status autoencoder_check_keys(json_view config, const char *const *known, diffcut_diagnostics *diag);
/* Frees the list, not the weights. */
void autoencoder_plan_free(autoencoder_plan *plan);

/* What each slot holds; unused slots are WEIGHT_FORM_ABSENT. */
void autoencoder_step_needs(const autoencoder_step *step, weight_need needs[AUTOENCODER_SLOTS]);

typedef struct autoencoder {
    backend *backend;
    const checkpoint *source;
    autoencoder_plan plan;
    size_t prepared; /* steps whose weights are there; only grows, under the owner's lock */
    double piece;    /* of nn/bands; tests make it small */
} autoencoder;

/* Takes the plan over, also when it fails. target and source must outlive it. */
diffcut_status autoencoder_open(backend *target, const checkpoint *source, autoencoder_plan *plan, autoencoder **out,
                                diffcut_diagnostics *diag);
/* NULL is allowed. */
void autoencoder_close(autoencoder *self);
diffcut_status autoencoder_visit(const autoencoder *self, weight_visit_fn visit, void *user);
diffcut_status autoencoder_prepare(autoencoder *self, diffcut_diagnostics *diag);

/* Elements of the buffers that such a run has at once, at most. h and w as there. */
double autoencoder_planned(const autoencoder *self, uint32_t height, uint32_t width);

/* h x w pixels of an image (rows `stride` pixels apart, 3 colours, in [0, 1]) -> latent (h / factor, w / factor,
 * latent_channels), whose memory is the caller's. h and w are multiples of the factor. Progress goes from 0 to 1. */
diffcut_status autoencoder_encode(const autoencoder *self, backend_stream *stream, const work *w, const float *image,
                                  size_t stride, uint32_t height, uint32_t width, layer_tap_fn tap, void *tap_user,
                                  float *latent);

#endif

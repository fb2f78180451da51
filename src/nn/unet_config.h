/*
 * unet_config.h - what unet/config.json says of a UNet's encoder, checked, in the network's own terms.
 *
 * The keys and their defaults are those of diffusers' UNet2DConditionModel. A feature that is not built here is
 * refused by its key, never ignored. What concerns only the middle block and the decoder is read too, but what is
 * wrong there is kept for those who ask for them: the features need neither. Called by model/, nn/unet and synth/.
 */
#ifndef DIFFCUT_NN_UNET_CONFIG_H
#define DIFFCUT_NN_UNET_CONFIG_H

#include "io/json.h"

#define UNET_MAX_BLOCKS 8
#define UNET_MAX_LAYERS 16       /* resnets, and attentions, in a block */
#define UNET_MAX_DEPTH 64        /* transformer blocks in an attention */
#define UNET_MAX_CHANNELS 16384  /* of any activation but the feed-forward's */
#define UNET_MAX_EMBEDDING 65536 /* of the added condition's input */

/* One down block. */
typedef struct unet_block_config {
    bool attention;    /* CrossAttnDownBlock2D, else DownBlock2D */
    bool downsample;   /* all but the last */
    uint32_t channels; /* output channels */
    uint32_t layers;
    uint32_t heads;                  /* of each attention; "attention_head_dim" in the file */
    uint32_t context_channels;       /* "cross_attention_dim" */
    uint32_t depth[UNET_MAX_LAYERS]; /* transformer blocks of each attention */
} unet_block_config;

/* The middle block and the decoder: what does not follow from the encoder. */
typedef struct unet_decoder_config {
    diffcut_status status; /* DIFFCUT_OK, or why they cannot be run, with the reason */
    char reason[256];
    uint32_t out_channels;
    bool middle, middle_attention; /* mid_block: a resnet; then an attention and another resnet */
    uint32_t block_count;          /* up blocks, as many as down blocks; 0: there is no decoder */
    bool attention[UNET_MAX_BLOCKS];
    uint32_t layers[UNET_MAX_BLOCKS]; /* one more than those of the down block that is mirrored */
    uint32_t depth[UNET_MAX_BLOCKS][UNET_MAX_LAYERS + 1];
} unet_decoder_config;

typedef struct unet_config {
    uint32_t in_channels;
    uint32_t block_count;
    unet_block_config blocks[UNET_MAX_BLOCKS];
    uint32_t norm_groups;
    float norm_eps;              /* of the resnets' group norms */
    bool linear_projection;      /* proj_in and proj_out are linear layers, else 1x1 convolutions */
    uint32_t downsample_padding; /* 1: all sides; 0: right and bottom only */
    bool flip_sin_to_cos;        /* cosines first */
    float freq_shift;
    bool added_condition;    /* "text_time": pooled text and time ids enter the time embedding */
    uint32_t added_time_dim; /* sinusoids of each time id */
    uint32_t added_input;    /* pooled + 6 * added_time_dim */
    unet_decoder_config decoder;
} unet_config;

/* Reads and checks the configuration. DIFFCUT_ERROR_MODEL for what contradicts itself, DIFFCUT_ERROR_UNSUPPORTED for
 * what is valid but not built. */
diffcut_status unet_config_read(json_view view, unet_config *out, diffcut_diagnostics *diag);

/* Reads what concerns the middle block and the decoder into config->decoder, its status and reason included. The rest
 * of config has been read. */
void unet_decoder_read(json_view view, unet_config *config);

/* Width of the time embedding: 4 times the first block's channels. */
uint32_t unet_config_time_width(const unet_config *config);
/* Width of the pooled text that the added condition takes. */
uint32_t unet_config_pooled_width(const unet_config *config);

#endif

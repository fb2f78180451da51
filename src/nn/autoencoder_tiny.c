/*
 * autoencoder_tiny.c - the encoder of diffusers' AutoencoderTiny (the TAESD family of distilled first stages) as a
 * list of steps.
 *
 * Its modules stand in one row, "encoder.layers.N": for each level a convolution (of stride 2 and without bias from
 * the second level on) and some blocks; at last a convolution to the latent. No norms. The network takes (x + 1) / 2
 * of the usual x = 2 image - 1, which is the image itself. Called through autoencoder.h by nn/first_stage.
 */
#include "nn/autoencoder.h"

#include <string.h>

/* Keys that may stand in a configuration: those read below and those without effect on the encoder. latent_magnitude
 * and latent_shift only serve to show a latent as a picture. */
static const char *const known_keys[] = {"act_fn",
                                         "block_out_channels",
                                         "decoder_block_out_channels",
                                         "encoder_block_out_channels",
                                         "force_upcast",
                                         "in_channels",
                                         "latent_channels",
                                         "latent_magnitude",
                                         "latent_shift",
                                         "num_decoder_blocks",
                                         "num_encoder_blocks",
                                         "out_channels",
                                         "scaling_factor",
                                         "shift_factor",
                                         "upsample_fn",
                                         "upsampling_scaling_factor",
                                         NULL};

typedef struct tiny_config {
    uint32_t levels;
    uint32_t channels;
    uint32_t blocks[AUTOENCODER_MAX_BLOCKS]; /* of each level */
    uint32_t latent;
} tiny_config;

static diffcut_status read_levels(json_view view, tiny_config *config, diffcut_diagnostics *diag) {
    uint32_t channels[AUTOENCODER_MAX_BLOCKS];
    size_t count;
    size_t block_count;
    diffcut_status status = json_get_uint_list(view, "encoder_block_out_channels", 1, AUTOENCODER_MAX_CHANNELS,
                                               AUTOENCODER_MAX_BLOCKS, channels, &count, diag);
    if (status == DIFFCUT_OK) {
        status = json_get_uint_list(view, "num_encoder_blocks", 0, AUTOENCODER_MAX_LAYERS, AUTOENCODER_MAX_BLOCKS,
                                    config->blocks, &block_count, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (block_count != count) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                         "%s: num_encoder_blocks has %zu items, encoder_block_out_channels %zu", view.file,
                         block_count, count);
    }
    for (size_t i = 1; i < count; i++) {
        if (channels[i] != channels[0]) { /* a level's first convolution has its own channels as its input's */
            return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                             "%s: encoder_block_out_channels[%zu] is %u, the first is %u; all must be equal",
                             view.file, i, channels[i], channels[0]);
        }
    }
    config->levels = (uint32_t)count;
    config->channels = channels[0];
    return DIFFCUT_OK;
}

static diffcut_status read_config(json_view view, tiny_config *config, diffcut_diagnostics *diag) {
    const uint32_t colours = AUTOENCODER_COLOURS;
    const uint32_t four = 4;
    const char *act;
    uint32_t in;
    diffcut_status status = autoencoder_check_keys(view, known_keys, diag);
    if (status == DIFFCUT_OK) {
        status = json_get_text(view, "act_fn", false, "relu", 256, &act, diag);
    }
    if (status == DIFFCUT_OK && strcmp(act, "relu") != 0) {
        status = diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "%s: act_fn \"%.60s\" is not supported; \"relu\" is",
                           view.file, act);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_uint(view, "in_channels", &colours, colours, colours, &in, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_uint(view, "latent_channels", &four, 1, AUTOENCODER_MAX_LATENT, &config->latent, diag);
    }
    return status == DIFFCUT_OK ? read_levels(view, config, diag) : status;
}

static void add_steps(autoencoder_plan *plan, const tiny_config *config) {
    uint32_t c = config->channels;
    for (uint32_t i = 0; i < config->levels; i++) {
        uint32_t layer = (uint32_t)plan->count;
        if (i == 0) {
            autoencoder_plan_add(plan, AUTOENCODER_CONV, AUTOENCODER_COLOURS, c, "encoder.layers.%u", layer);
        } else {
            autoencoder_step *step =
                autoencoder_plan_add(plan, AUTOENCODER_DOWNSAMPLE, c, c, "encoder.layers.%u", layer);
            step->pad_near = 1;
            step->bias = false;
            plan->factor *= 2;
        }
        for (uint32_t j = 0; j < config->blocks[i]; j++) {
            autoencoder_plan_add(plan, AUTOENCODER_BLOCK, c, c, "encoder.layers.%u", (uint32_t)plan->count);
        }
    }
    autoencoder_plan_add(plan, AUTOENCODER_CONV, c, config->latent, "encoder.layers.%u", (uint32_t)plan->count);
}

diffcut_status autoencoder_tiny_plan(json_view view, autoencoder_plan *out, diffcut_diagnostics *diag) {
    tiny_config config = {0};
    autoencoder_plan plan;
    diffcut_status status = read_config(view, &config, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    size_t steps = (size_t)config.levels + 1;
    for (uint32_t i = 0; i < config.levels; i++) {
        steps += config.blocks[i];
    }
    status = autoencoder_plan_begin(steps, &plan, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    plan.factor = 1;
    plan.latent_channels = config.latent;
    plan.input_scale = 1.0F;
    add_steps(&plan, &config);
    status = autoencoder_read_scaling(view, 1.0, &plan, diag);
    if (status != DIFFCUT_OK) {
        autoencoder_plan_free(&plan);
        return status;
    }
    *out = plan;
    return DIFFCUT_OK;
}

/*
 * autoencoder_kl.c - the encoder of diffusers' AutoencoderKL (Stable Diffusion's first stage; Rombach et al., 2022)
 * as a list of steps, down to its names.
 *
 * conv_in; blocks of resnets, each but the last ending in a convolution of stride 2 that pads at the right and the
 * bottom only; resnet, attention, resnet; norm, conv_out, and quant_conv where there is one. The output is mean and
 * log-variance of the posterior. Called through autoencoder.h by nn/first_stage.
 */
#include "nn/autoencoder.h"

#include <stdio.h>
#include <string.h>

/* Keys that may stand in a configuration: those read below and those without effect on the encoder. force_upcast asks
 * for float32, which is what everything is computed in. */
static const char *const known_keys[] = {"act_fn",
                                         "block_out_channels",
                                         "down_block_types",
                                         "force_upcast",
                                         "in_channels",
                                         "latent_channels",
                                         "latents_mean",
                                         "latents_std",
                                         "layers_per_block",
                                         "norm_num_groups",
                                         "mid_block_add_attention",
                                         "out_channels",
                                         "sample_size",
                                         "scaling_factor",
                                         "shift_factor",
                                         "up_block_types",
                                         "use_post_quant_conv",
                                         "use_quant_conv",
                                         NULL};

typedef struct kl_config {
    uint32_t blocks;
    uint32_t channels[AUTOENCODER_MAX_BLOCKS];
    uint32_t layers; /* resnets in a block */
    uint32_t groups;
    uint32_t latent;
    bool attention; /* in the middle block */
    bool quant_conv;
} kl_config;

/* Refuses, by name, what is not built. */
static diffcut_status check_features(json_view view, diffcut_diagnostics *diag) {
    diffcut_status status = autoencoder_check_keys(view, known_keys, diag);
    const char *act;
    if (status == DIFFCUT_OK) {
        status = json_get_text(view, "act_fn", false, "silu", 256, &act, diag);
    }
    if (status == DIFFCUT_OK && strcmp(act, "silu") != 0 && strcmp(act, "swish") != 0) {
        status = diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "%s: act_fn \"%.60s\" is not supported; \"silu\" is",
                           view.file, act);
    }
    static const char *const unbuilt[] = {"latents_mean", "latents_std"};
    for (size_t i = 0; i < sizeof unbuilt / sizeof *unbuilt && status == DIFFCUT_OK; i++) {
        if (!json_is_off(view, unbuilt[i])) {
            status = diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "%s: %s is not supported; it must be null", view.file,
                               unbuilt[i]);
        }
    }
    return status;
}

static diffcut_status read_blocks(json_view view, kl_config *config, diffcut_diagnostics *diag) {
    const char *types[AUTOENCODER_MAX_BLOCKS];
    size_t count;
    size_t channel_count;
    diffcut_status status = json_get_text_list(view, "down_block_types", AUTOENCODER_MAX_BLOCKS, types, &count, diag);
    if (status == DIFFCUT_OK) {
        status = json_get_uint_list(view, "block_out_channels", 1, AUTOENCODER_MAX_CHANNELS, AUTOENCODER_MAX_BLOCKS,
                                    config->channels, &channel_count, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (channel_count != count) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: block_out_channels has %zu items, down_block_types %zu",
                         view.file, channel_count, count);
    }
    config->blocks = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(types[i], "DownEncoderBlock2D") != 0) {
            return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                             "%s: down_block_types[%zu] is \"%.60s\"; DownEncoderBlock2D is supported", view.file, i,
                             types[i]);
        }
        if (config->channels[i] % config->groups != 0) {
            return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                             "%s: block_out_channels[%zu] is %u, not a multiple of norm_num_groups %u", view.file, i,
                             config->channels[i], config->groups);
        }
    }
    return DIFFCUT_OK;
}

static diffcut_status read_config(json_view view, kl_config *config, diffcut_diagnostics *diag) {
    const uint32_t one = 1;
    const uint32_t four = 4;
    const uint32_t colours = AUTOENCODER_COLOURS;
    const uint32_t groups = 32;
    uint32_t in;
    bool upcast;
    diffcut_status status = check_features(view, diag);
    if (status == DIFFCUT_OK) {
        status = json_get_uint(view, "in_channels", &colours, colours, colours, &in, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_uint(view, "latent_channels", &four, 1, AUTOENCODER_MAX_LATENT, &config->latent, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_uint(view, "layers_per_block", &one, 1, AUTOENCODER_MAX_LAYERS, &config->layers, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_uint(view, "norm_num_groups", &groups, 1, AUTOENCODER_MAX_CHANNELS, &config->groups, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_flag(view, "mid_block_add_attention", true, &config->attention, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_flag(view, "use_quant_conv", true, &config->quant_conv, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_flag(view, "force_upcast", true, &upcast, diag);
    }
    return status == DIFFCUT_OK ? read_blocks(view, config, diag) : status;
}

/* The last step added ends this module. */
static void ends(autoencoder_plan *plan, const char *whole) {
    autoencoder_step *step = &plan->steps[plan->count - 1];
    (void)snprintf(step->whole, sizeof step->whole, "%s", whole);
}

static void add_down_block(autoencoder_plan *plan, const kl_config *config, uint32_t i) {
    uint32_t c = config->channels[i];
    for (uint32_t j = 0; j < config->layers; j++) {
        uint32_t in = i > 0 && j == 0 ? config->channels[i - 1] : c;
        autoencoder_plan_add(plan, AUTOENCODER_RESNET, in, c, "encoder.down_blocks.%u.resnets.%u", i, j);
    }
    if (i + 1 < config->blocks) {
        autoencoder_step *step =
            autoencoder_plan_add(plan, AUTOENCODER_DOWNSAMPLE, c, c, "encoder.down_blocks.%u.downsamplers.0", i);
        step->part = ".conv";
        plan->factor *= 2;
    }
    char whole[AUTOENCODER_NAME_SIZE];
    (void)snprintf(whole, sizeof whole, "encoder.down_blocks.%u", i);
    ends(plan, whole);
}

static void add_steps(autoencoder_plan *plan, const kl_config *config) {
    uint32_t c = config->channels[config->blocks - 1];
    uint32_t moments = 2 * config->latent;
    autoencoder_plan_add(plan, AUTOENCODER_CONV, AUTOENCODER_COLOURS, config->channels[0], "encoder.conv_in");
    for (uint32_t i = 0; i < config->blocks; i++) {
        add_down_block(plan, config, i);
    }
    autoencoder_plan_add(plan, AUTOENCODER_RESNET, c, c, "encoder.mid_block.resnets.0");
    if (config->attention) {
        autoencoder_plan_add(plan, AUTOENCODER_ATTENTION, c, c, "encoder.mid_block.attentions.0");
    }
    autoencoder_plan_add(plan, AUTOENCODER_RESNET, c, c, "encoder.mid_block.resnets.1");
    ends(plan, "encoder.mid_block");
    autoencoder_plan_add(plan, AUTOENCODER_NORM, c, c, "encoder.conv_norm_out");
    autoencoder_plan_add(plan, AUTOENCODER_CONV, c, moments, "encoder.conv_out");
    if (config->quant_conv) {
        autoencoder_plan_add(plan, AUTOENCODER_POINT, moments, moments, "quant_conv");
    }
    ends(plan, "moments");
}

diffcut_status autoencoder_kl_plan(json_view view, autoencoder_plan *out, diffcut_diagnostics *diag) {
    const double default_scale = 0.18215;
    kl_config config = {0};
    autoencoder_plan plan;
    diffcut_status status = read_config(view, &config, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    /* Around the blocks: conv_in, three of the middle, norm, conv_out, quant_conv. */
    status = autoencoder_plan_begin((size_t)config.blocks * (config.layers + 1) + 7, &plan, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    plan.factor = 1;
    plan.norm_groups = config.groups;
    plan.latent_channels = config.latent;
    plan.posterior = true;
    plan.input_scale = 2.0F; /* from [0, 1] to [-1, 1] */
    plan.input_shift = -1.0F;
    add_steps(&plan, &config);
    status = autoencoder_read_scaling(view, default_scale, &plan, diag);
    if (status != DIFFCUT_OK) {
        autoencoder_plan_free(&plan);
        return status;
    }
    *out = plan;
    return DIFFCUT_OK;
}

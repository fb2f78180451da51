/*
 * synth_unet.c - every tensor of a UNet, middle block and decoder included, as diffusers' UNet2DConditionModel names
 * them. The configuration is read by nn/unet_config.
 */
#include "synth/synth_list.h"

#include "nn/unet_config.h"

#include <stdio.h>

/* ------------------------------------------------------------------------------------------------- modules */

/* One transformer block: self-attention, attention to the text, gated feed-forward. */
static void transformer_block(synth_list *list, const char *name, size_t c, size_t context) {
    static const char *const attentions[] = {".attn1", ".attn2"};
    synth_norm(list, name, ".norm1", c);
    synth_norm(list, name, ".norm2", c);
    synth_norm(list, name, ".norm3", c);
    for (size_t i = 0; i < 2; i++) {
        char attention[SYNTH_NAME_SIZE];
        size_t source = i == 0 ? c : context;
        (void)snprintf(attention, sizeof attention, "%.90s%s", name, attentions[i]);
        synth_linear(list, attention, ".to_q", c, c, false);
        synth_linear(list, attention, ".to_k", c, source, false);
        synth_linear(list, attention, ".to_v", c, source, false);
        synth_linear(list, attention, ".to_out.0", c, c, true);
    }
    synth_linear(list, name, ".ff.net.0.proj", 8 * c, c, true);
    synth_linear(list, name, ".ff.net.2", c, 4 * c, true);
}

static void transformer(synth_list *list, const unet_config *config, const char *name, size_t c, uint32_t depth) {
    static const char *const projections[] = {".proj_in", ".proj_out"};
    synth_norm(list, name, ".norm", c);
    for (size_t i = 0; i < 2; i++) {
        if (config->linear_projection) {
            synth_linear(list, name, projections[i], c, c, true);
        } else {
            synth_conv(list, name, projections[i], c, c, 1);
        }
    }
    for (uint32_t k = 0; k < depth; k++) {
        char block[SYNTH_NAME_SIZE];
        (void)snprintf(block, sizeof block, "%.60s.transformer_blocks.%u", name, k);
        transformer_block(list, block, c, config->blocks[0].context_channels);
    }
}

static void encoder(synth_list *list, const unet_config *config) {
    char name[SYNTH_NAME_SIZE];
    size_t time = unet_config_time_width(config);
    size_t in = config->blocks[0].channels;
    synth_linear(list, "time_embedding", ".linear_1", time, in, true);
    synth_linear(list, "time_embedding", ".linear_2", time, time, true);
    if (config->added_condition) {
        synth_linear(list, "add_embedding", ".linear_1", time, config->added_input, true);
        synth_linear(list, "add_embedding", ".linear_2", time, time, true);
    }
    synth_conv(list, "conv_in", "", in, config->in_channels, 3);
    for (uint32_t i = 0; i < config->block_count; i++) {
        const unet_block_config *block = &config->blocks[i];
        for (uint32_t j = 0; j < block->layers; j++) {
            (void)snprintf(name, sizeof name, "down_blocks.%u.resnets.%u", i, j);
            synth_resnet(list, name, in, block->channels, time);
            in = block->channels;
            if (block->attention) {
                (void)snprintf(name, sizeof name, "down_blocks.%u.attentions.%u", i, j);
                transformer(list, config, name, in, block->depth[j]);
            }
        }
        if (block->downsample) {
            (void)snprintf(name, sizeof name, "down_blocks.%u.downsamplers.0.conv", i);
            synth_conv(list, name, "", in, in, 3);
        }
    }
}

static void middle(synth_list *list, const unet_config *config) {
    const unet_block_config *last = &config->blocks[config->block_count - 1];
    size_t time = unet_config_time_width(config);
    if (!config->decoder.middle) {
        return;
    }
    synth_resnet(list, "mid_block.resnets.0", last->channels, last->channels, time);
    if (config->decoder.middle_attention) {
        transformer(list, config, "mid_block.attentions.0", last->channels, last->depth[0]);
        synth_resnet(list, "mid_block.resnets.1", last->channels, last->channels, time);
    }
}

/* Each layer's resnet takes the activation so far beside the encoder's output of the mirrored layer. */
static void decoder(synth_list *list, const unet_config *config) {
    const unet_decoder_config *net = &config->decoder;
    char name[SYNTH_NAME_SIZE];
    size_t count = net->block_count;
    size_t in = config->blocks[count - 1].channels;
    for (size_t i = 0; i < count; i++) {
        size_t out = config->blocks[count - 1 - i].channels;
        size_t shallower = config->blocks[i + 1 < count ? count - 2 - i : 0].channels;
        for (uint32_t j = 0; j < net->layers[i]; j++) {
            size_t skipped = j + 1 == net->layers[i] ? shallower : out;
            (void)snprintf(name, sizeof name, "up_blocks.%zu.resnets.%u", i, j);
            synth_resnet(list, name, in + skipped, out, unet_config_time_width(config));
            in = out;
            if (net->attention[i]) {
                (void)snprintf(name, sizeof name, "up_blocks.%zu.attentions.%u", i, j);
                transformer(list, config, name, out, net->depth[i][j]);
            }
        }
        if (i + 1 < count) {
            (void)snprintf(name, sizeof name, "up_blocks.%zu.upsamplers.0.conv", i);
            synth_conv(list, name, "", out, out, 3);
        }
    }
    synth_norm(list, "conv_norm_out", "", config->blocks[0].channels);
    synth_conv(list, "conv_out", "", net->out_channels, config->blocks[0].channels, 3);
}

diffcut_status synth_unet(json_view config, synth_list *out, diffcut_diagnostics *diag) {
    unet_config net;
    diffcut_status status = unet_config_read(config, &net, diag);
    if (status == DIFFCUT_OK && net.decoder.status != DIFFCUT_OK) {
        status = diag_fail(diag, net.decoder.status, "%s", net.decoder.reason);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    encoder(out, &net);
    if (net.decoder.block_count > 0) {
        middle(out, &net);
        decoder(out, &net);
    }
    return DIFFCUT_OK;
}

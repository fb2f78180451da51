/*
 * synth_unet.c - every tensor of a UNet, middle block and decoder included, as diffusers' UNet2DConditionModel names
 * them. The encoder's configuration is read by nn/unet_config; what concerns only the rest is read here.
 */
#include "synth/synth_list.h"

#include "nn/unet_config.h"

#include <stdio.h>
#include <string.h>

/* What the encoder's configuration does not hold. */
typedef struct whole_unet {
    unet_config encoder;
    uint32_t out_channels;
    bool middle, middle_attention;
    size_t up_count; /* 0: the checkpoint ends with the encoder */
    bool up_attention[UNET_MAX_BLOCKS];
    uint32_t up_layers[UNET_MAX_BLOCKS];
    uint32_t up_depth[UNET_MAX_BLOCKS][UNET_MAX_LAYERS + 1];
} whole_unet;

static diffcut_status read_middle(json_view view, whole_unet *net, diffcut_diagnostics *diag) {
    static const char crossed[] = "UNetMidBlock2DCrossAttn";
    if (json_has_null(view, "mid_block_type")) { /* absent is another thing: the default */
        return DIFFCUT_OK;
    }
    const char *type;
    diffcut_status status = json_get_text(view, "mid_block_type", false, crossed, 256, &type, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    net->middle = true;
    net->middle_attention = strcmp(type, crossed) == 0;
    if (!net->middle_attention && strcmp(type, "UNetMidBlock2D") != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                         "%s: mid_block_type \"%.60s\" is not supported; null, UNetMidBlock2D and %s are", view.file,
                         type, crossed);
    }
    return DIFFCUT_OK;
}

/* The decoder's transformer depths: listed of their own, or the encoder's mirrored. */
static diffcut_status read_up_depth(json_view view, whole_unet *net, diffcut_diagnostics *diag) {
    static const char own[] = "reverse_transformer_layers_per_block";
    size_t count = net->up_count;
    uint32_t lengths[UNET_MAX_BLOCKS];
    for (size_t i = 0; i < count; i++) {
        lengths[i] = net->up_layers[i];
    }
    if (json_has(view, own)) {
        return json_get_uint_rows(view, own, NULL, 0, UNET_MAX_DEPTH, count, lengths, UNET_MAX_LAYERS + 1,
                                  net->up_depth[0], diag);
    }
    for (size_t i = 0; i < count; i++) {
        const unet_block_config *mirror = &net->encoder.blocks[count - 1 - i];
        for (uint32_t j = 0; j < net->up_layers[i]; j++) {
            if (j < mirror->layers && mirror->depth[j] != mirror->depth[0]) {
                return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                                 "%s: transformer_layers_per_block differs within a block, and there is no %s",
                                 view.file, own);
            }
            net->up_depth[i][j] = mirror->depth[0];
        }
    }
    return DIFFCUT_OK;
}

static diffcut_status read_decoder(json_view view, whole_unet *net, diffcut_diagnostics *diag) {
    const char *types[UNET_MAX_BLOCKS];
    if (!json_has(view, "up_block_types")) {
        return DIFFCUT_OK;
    }
    diffcut_status status = json_get_text_list(view, "up_block_types", UNET_MAX_BLOCKS, types, &net->up_count, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (net->up_count != net->encoder.block_count) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: up_block_types has %zu items, down_block_types %u",
                         view.file, net->up_count, net->encoder.block_count);
    }
    for (size_t i = 0; i < net->up_count; i++) {
        net->up_attention[i] = strcmp(types[i], "CrossAttnUpBlock2D") == 0;
        net->up_layers[i] = net->encoder.blocks[net->up_count - 1 - i].layers + 1;
        if (!net->up_attention[i] && strcmp(types[i], "UpBlock2D") != 0) {
            return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                             "%s: up_block_types[%zu] is \"%.60s\"; UpBlock2D and CrossAttnUpBlock2D are supported",
                             view.file, i, types[i]);
        }
    }
    const uint32_t four = 4;
    status = json_get_uint(view, "out_channels", &four, 1, UNET_MAX_CHANNELS, &net->out_channels, diag);
    if (status == DIFFCUT_OK) {
        status = read_middle(view, net, diag);
    }
    return status == DIFFCUT_OK ? read_up_depth(view, net, diag) : status;
}

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

static void middle(synth_list *list, const whole_unet *net) {
    const unet_block_config *last = &net->encoder.blocks[net->encoder.block_count - 1];
    size_t time = unet_config_time_width(&net->encoder);
    if (!net->middle) {
        return;
    }
    synth_resnet(list, "mid_block.resnets.0", last->channels, last->channels, time);
    if (net->middle_attention) {
        transformer(list, &net->encoder, "mid_block.attentions.0", last->channels, last->depth[0]);
        synth_resnet(list, "mid_block.resnets.1", last->channels, last->channels, time);
    }
}

/* Each layer's resnet takes the activation so far beside the encoder's output of the mirrored layer. */
static void decoder(synth_list *list, const whole_unet *net) {
    const unet_config *config = &net->encoder;
    char name[SYNTH_NAME_SIZE];
    size_t count = net->up_count;
    size_t in = config->blocks[count - 1].channels;
    for (size_t i = 0; i < count; i++) {
        size_t out = config->blocks[count - 1 - i].channels;
        size_t shallower = config->blocks[i + 1 < count ? count - 2 - i : 0].channels;
        for (uint32_t j = 0; j < net->up_layers[i]; j++) {
            size_t skipped = j + 1 == net->up_layers[i] ? shallower : out;
            (void)snprintf(name, sizeof name, "up_blocks.%zu.resnets.%u", i, j);
            synth_resnet(list, name, in + skipped, out, unet_config_time_width(config));
            in = out;
            if (net->up_attention[i]) {
                (void)snprintf(name, sizeof name, "up_blocks.%zu.attentions.%u", i, j);
                transformer(list, config, name, out, net->up_depth[i][j]);
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
    whole_unet net = {.up_count = 0};
    diffcut_status status = unet_config_read(config, &net.encoder, diag);
    if (status == DIFFCUT_OK) {
        status = read_decoder(config, &net, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    encoder(out, &net.encoder);
    middle(out, &net);
    if (net.up_count > 0) {
        decoder(out, &net);
    }
    return DIFFCUT_OK;
}

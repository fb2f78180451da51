/*
 * synth_vae.c - every tensor of an AutoencoderKL, decoder included, under diffusers' names.
 */
#include "synth/synth_list.h"

#include <stdio.h>
#include <string.h>

#define MAX_BLOCKS 8
#define MAX_LAYERS 16
#define MAX_CHANNELS 16384

typedef struct whole_vae {
    uint32_t channels[MAX_BLOCKS];
    size_t blocks;
    uint32_t layers, in, out, latent;
    bool attention, quant, post_quant;
} whole_vae;

static diffcut_status read_numbers(json_view view, whole_vae *vae, diffcut_diagnostics *diag) {
    const uint32_t one = 1;
    const uint32_t three = 3;
    const uint32_t four = 4;
    diffcut_status status = json_get_uint_list(view, "block_out_channels", 1, MAX_CHANNELS, MAX_BLOCKS, vae->channels,
                                               &vae->blocks, diag);
    if (status == DIFFCUT_OK) {
        status = json_get_uint(view, "layers_per_block", &one, 1, MAX_LAYERS, &vae->layers, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_uint(view, "in_channels", &three, 1, MAX_CHANNELS, &vae->in, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_uint(view, "out_channels", &three, 1, MAX_CHANNELS, &vae->out, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_uint(view, "latent_channels", &four, 1, MAX_CHANNELS, &vae->latent, diag);
    }
    return status;
}

static diffcut_status read_config(json_view view, whole_vae *vae, diffcut_diagnostics *diag) {
    const char *type;
    diffcut_status status = json_get_text(view, "_class_name", false, "AutoencoderKL", 256, &type, diag);
    if (status == DIFFCUT_OK && strcmp(type, "AutoencoderKL") != 0) {
        status = diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                           "%s: _class_name \"%.60s\" cannot be made of random numbers; AutoencoderKL can", view.file,
                           type);
    }
    if (status == DIFFCUT_OK) {
        status = read_numbers(view, vae, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_flag(view, "mid_block_add_attention", true, &vae->attention, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_flag(view, "use_quant_conv", true, &vae->quant, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_flag(view, "use_post_quant_conv", true, &vae->post_quant, diag);
    }
    return status;
}

/* side: "encoder" or "decoder", whose middle blocks are alike. */
static void middle(synth_list *list, const whole_vae *vae, const char *side) {
    static const char *const products[] = {".to_q", ".to_k", ".to_v", ".to_out.0"};
    char name[SYNTH_NAME_SIZE];
    size_t c = vae->channels[vae->blocks - 1];
    for (size_t j = 0; j < 2; j++) {
        (void)snprintf(name, sizeof name, "%s.mid_block.resnets.%zu", side, j);
        synth_resnet(list, name, c, c, 0);
    }
    if (vae->attention) {
        (void)snprintf(name, sizeof name, "%s.mid_block.attentions.0", side);
        synth_norm(list, name, ".group_norm", c);
        for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
            synth_linear(list, name, products[i], c, c, true);
        }
    }
}

static void encoder(synth_list *list, const whole_vae *vae) {
    char name[SYNTH_NAME_SIZE];
    size_t in = vae->channels[0];
    synth_conv(list, "encoder.conv_in", "", in, vae->in, 3);
    for (size_t i = 0; i < vae->blocks; i++) {
        for (uint32_t j = 0; j < vae->layers; j++) {
            (void)snprintf(name, sizeof name, "encoder.down_blocks.%zu.resnets.%u", i, j);
            synth_resnet(list, name, in, vae->channels[i], 0);
            in = vae->channels[i];
        }
        if (i + 1 < vae->blocks) {
            (void)snprintf(name, sizeof name, "encoder.down_blocks.%zu.downsamplers.0.conv", i);
            synth_conv(list, name, "", in, in, 3);
        }
    }
    middle(list, vae, "encoder");
    synth_norm(list, "encoder.conv_norm_out", "", in);
    synth_conv(list, "encoder.conv_out", "", 2 * (size_t)vae->latent, in, 3); /* mean and log variance */
}

static void decoder(synth_list *list, const whole_vae *vae) {
    char name[SYNTH_NAME_SIZE];
    size_t in = vae->channels[vae->blocks - 1];
    synth_conv(list, "decoder.conv_in", "", in, vae->latent, 3);
    middle(list, vae, "decoder");
    for (size_t i = 0; i < vae->blocks; i++) {
        size_t out = vae->channels[vae->blocks - 1 - i];
        for (uint32_t j = 0; j <= vae->layers; j++) {
            (void)snprintf(name, sizeof name, "decoder.up_blocks.%zu.resnets.%u", i, j);
            synth_resnet(list, name, in, out, 0);
            in = out;
        }
        if (i + 1 < vae->blocks) {
            (void)snprintf(name, sizeof name, "decoder.up_blocks.%zu.upsamplers.0.conv", i);
            synth_conv(list, name, "", in, in, 3);
        }
    }
    synth_norm(list, "decoder.conv_norm_out", "", in);
    synth_conv(list, "decoder.conv_out", "", vae->out, in, 3);
}

diffcut_status synth_vae(json_view config, synth_list *out, diffcut_diagnostics *diag) {
    whole_vae vae = {.blocks = 0};
    diffcut_status status = read_config(config, &vae, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    encoder(out, &vae);
    decoder(out, &vae);
    if (vae.quant) {
        synth_conv(out, "quant_conv", "", 2 * (size_t)vae.latent, 2 * (size_t)vae.latent, 1);
    }
    if (vae.post_quant) {
        synth_conv(out, "post_quant_conv", "", vae.latent, vae.latent, 1);
    }
    return DIFFCUT_OK;
}

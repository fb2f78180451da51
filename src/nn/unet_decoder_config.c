/*
 * unet_decoder_config.c - the part of unet/config.json that concerns the middle block and the decoder. See
 * unet_config.h; called by unet_config.c.
 */
#include "nn/unet_config.h"

#include <stdio.h>
#include <string.h>

static diffcut_status read_middle(json_view view, unet_decoder_config *decoder, diffcut_diagnostics *diag) {
    static const char crossed[] = "UNetMidBlock2DCrossAttn";
    if (json_has_null(view, "mid_block_type")) { /* absent is another thing: the default */
        return DIFFCUT_OK;
    }
    const char *type;
    diffcut_status status = json_get_text(view, "mid_block_type", false, crossed, 256, &type, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    decoder->middle = true;
    decoder->middle_attention = strcmp(type, crossed) == 0;
    if (!decoder->middle_attention && strcmp(type, "UNetMidBlock2D") != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                         "%s: mid_block_type \"%.60s\" is not supported; null, UNetMidBlock2D and %s are", view.file,
                         type, crossed);
    }
    return DIFFCUT_OK;
}

/* The decoder's transformer depths: listed of their own, or the encoder's mirrored. */
static diffcut_status read_depth(json_view view, unet_config *config, diffcut_diagnostics *diag) {
    static const char own[] = "reverse_transformer_layers_per_block";
    unet_decoder_config *decoder = &config->decoder;
    size_t count = decoder->block_count;
    if (json_has(view, own)) {
        return json_get_uint_rows(view, own, NULL, 0, UNET_MAX_DEPTH, count, decoder->layers, UNET_MAX_LAYERS + 1,
                                  decoder->depth[0], diag);
    }
    for (size_t i = 0; i < count; i++) {
        const unet_block_config *mirror = &config->blocks[count - 1 - i];
        for (uint32_t j = 0; j < decoder->layers[i]; j++) {
            if (j < mirror->layers && mirror->depth[j] != mirror->depth[0]) {
                return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                                 "%s: transformer_layers_per_block differs within a block, and there is no %s",
                                 view.file, own);
            }
            decoder->depth[i][j] = mirror->depth[0];
        }
    }
    return DIFFCUT_OK;
}

static diffcut_status read_blocks(json_view view, unet_config *config, diffcut_diagnostics *diag) {
    const char *types[UNET_MAX_BLOCKS];
    unet_decoder_config *decoder = &config->decoder;
    size_t count;
    diffcut_status status = json_get_text_list(view, "up_block_types", UNET_MAX_BLOCKS, types, &count, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (count != config->block_count) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: up_block_types has %zu items, down_block_types %u",
                         view.file, count, config->block_count);
    }
    for (size_t i = 0; i < count; i++) {
        decoder->attention[i] = strcmp(types[i], "CrossAttnUpBlock2D") == 0;
        decoder->layers[i] = config->blocks[count - 1 - i].layers + 1;
        if (!decoder->attention[i] && strcmp(types[i], "UpBlock2D") != 0) {
            return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                             "%s: up_block_types[%zu] is \"%.60s\"; UpBlock2D and CrossAttnUpBlock2D are supported",
                             view.file, i, types[i]);
        }
    }
    decoder->block_count = (uint32_t)count;
    return read_depth(view, config, diag);
}

/* What is not built, refused by its key. */
static diffcut_status check_features(json_view view, diffcut_diagnostics *diag) {
    const uint32_t three = 3;
    const double one = 1.0;
    uint32_t kernel;
    double scale;
    if (!json_is_off(view, "mid_block_only_cross_attention")) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "%s: mid_block_only_cross_attention is not supported",
                         view.file);
    }
    diffcut_status status = json_get_real(view, "mid_block_scale_factor", &one, -1e6, 1e6, &scale, diag);
    if (status == DIFFCUT_OK && scale != 1.0) {
        status = diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "%s: mid_block_scale_factor %g is not supported; 1 is",
                           view.file, scale);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_uint(view, "conv_out_kernel", &three, 1, 99, &kernel, diag);
    }
    if (status == DIFFCUT_OK && kernel != 3) {
        status = diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "%s: conv_out_kernel %u is not supported; 3 is",
                           view.file, kernel);
    }
    return status;
}

/* The middle attention's heads, and each up block's, are the mirrored down block's, which are checked only where that
 * one has attention itself. */
static diffcut_status check_heads(json_view view, const unet_config *config, diffcut_diagnostics *diag) {
    const unet_decoder_config *decoder = &config->decoder;
    for (uint32_t i = 0; i < config->block_count; i++) {
        const unet_block_config *block = &config->blocks[i];
        bool used = decoder->attention[config->block_count - 1 - i] ||
                    (decoder->middle_attention && i + 1 == config->block_count);
        if (used && block->channels % block->heads != 0) {
            return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                             "%s: block_out_channels[%u] is %u, not a multiple of its %u heads", view.file, i,
                             block->channels, block->heads);
        }
    }
    return DIFFCUT_OK;
}

static diffcut_status read_all(json_view view, unet_config *config, diffcut_diagnostics *diag) {
    if (!json_has(view, "up_block_types")) {
        return DIFFCUT_OK;
    }
    const uint32_t four = 4;
    diffcut_status status =
        json_get_uint(view, "out_channels", &four, 1, UNET_MAX_CHANNELS, &config->decoder.out_channels, diag);
    if (status == DIFFCUT_OK) {
        status = read_middle(view, &config->decoder, diag);
    }
    if (status == DIFFCUT_OK) {
        status = read_blocks(view, config, diag);
    }
    if (status == DIFFCUT_OK) {
        status = check_features(view, diag);
    }
    return status == DIFFCUT_OK ? check_heads(view, config, diag) : status;
}

void unet_decoder_read(json_view view, unet_config *config) {
    diffcut_diagnostics diag = {.message = ""};
    config->decoder = (unet_decoder_config){.status = DIFFCUT_OK};
    diffcut_status status = read_all(view, config, &diag);
    if (status != DIFFCUT_OK) {
        config->decoder = (unet_decoder_config){.status = status};
        (void)snprintf(config->decoder.reason, sizeof config->decoder.reason, "%.*s",
                       (int)sizeof config->decoder.reason - 1, diag.message);
    }
}

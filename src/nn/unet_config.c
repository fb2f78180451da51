/* unet_config.c - see unet_config.h. */
#include "nn/unet_config.h"

#include <string.h>

#define TIME_IDS 6 /* original size, crop corner, target size: two numbers each */

/* Keys that may stand in a configuration: those read below and those without effect on the encoder. */
static const char *const known_keys[] = {"act_fn",
                                         "addition_embed_type",
                                         "addition_embed_type_num_heads",
                                         "addition_time_embed_dim",
                                         "attention_head_dim",
                                         "attention_type",
                                         "block_out_channels",
                                         "center_input_sample",
                                         "class_embed_type",
                                         "class_embeddings_concat",
                                         "conv_in_kernel",
                                         "conv_out_kernel",
                                         "cross_attention_dim",
                                         "cross_attention_norm",
                                         "down_block_types",
                                         "downsample_padding",
                                         "dropout",
                                         "dual_cross_attention",
                                         "encoder_hid_dim",
                                         "encoder_hid_dim_type",
                                         "flip_sin_to_cos",
                                         "freq_shift",
                                         "in_channels",
                                         "layers_per_block",
                                         "mid_block_only_cross_attention",
                                         "mid_block_scale_factor",
                                         "mid_block_type",
                                         "norm_eps",
                                         "norm_num_groups",
                                         "num_attention_heads",
                                         "num_class_embeds",
                                         "only_cross_attention",
                                         "out_channels",
                                         "projection_class_embeddings_input_dim",
                                         "resnet_out_scale_factor",
                                         "resnet_skip_time_act",
                                         "resnet_time_scale_shift",
                                         "reverse_transformer_layers_per_block",
                                         "sample_size",
                                         "time_cond_proj_dim",
                                         "time_embedding_act_fn",
                                         "time_embedding_dim",
                                         "time_embedding_type",
                                         "timestep_post_act",
                                         "transformer_layers_per_block",
                                         "up_block_types",
                                         "upcast_attention",
                                         "use_linear_projection",
                                         NULL};

/* Features that are off when absent, null or false, and not built when on. */
static const char *const unbuilt_keys[] = {"center_input_sample",     "class_embed_type",
                                           "class_embeddings_concat", "cross_attention_norm",
                                           "dual_cross_attention",    "encoder_hid_dim",
                                           "encoder_hid_dim_type",    "num_class_embeds",
                                           "resnet_skip_time_act",    "time_cond_proj_dim",
                                           "time_embedding_act_fn",   "time_embedding_dim",
                                           "timestep_post_act",       NULL};

/* A text key that has one built value (and possibly a synonym). */
typedef struct one_choice {
    const char *key, *value, *synonym;
} one_choice;

static const one_choice choices[] = {
    {"act_fn", "silu", "swish"},
    {"attention_type", "default", "default"},
    {"resnet_time_scale_shift", "default", "default"},
    {"time_embedding_type", "positional", "positional"},
};

static diffcut_status check_choices(json_view view, diffcut_diagnostics *diag) {
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
        const char *value;
        diffcut_status status = json_get_text(view, choices[i].key, false, choices[i].value, 256, &value, diag);
        if (status != DIFFCUT_OK) {
            return status;
        }
        if (strcmp(value, choices[i].value) != 0 && strcmp(value, choices[i].synonym) != 0) {
            return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "%s: %s \"%.60s\" is not supported; \"%s\" is",
                             view.file, choices[i].key, value, choices[i].value);
        }
    }
    return DIFFCUT_OK;
}

/* only_cross_attention: a flag, or a list of them. */
static diffcut_status check_self_attention(json_view view, diffcut_diagnostics *diag) {
    if (!json_is_off(view, "only_cross_attention") && !json_all_off(view, "only_cross_attention")) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                         "%s: only_cross_attention is not supported: the features come from self-attention",
                         view.file);
    }
    return DIFFCUT_OK;
}

/* Refuses, by name, what is not built. */
static diffcut_status check_features(json_view view, diffcut_diagnostics *diag) {
    const char *unknown = json_unknown_key(view, known_keys);
    if (unknown != NULL && !json_is_off(view, unknown)) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "%s: %.80s is not a key that this version knows", view.file,
                         unknown);
    }
    for (size_t i = 0; unbuilt_keys[i] != NULL; i++) {
        if (!json_is_off(view, unbuilt_keys[i])) {
            return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "%s: %s is not supported; it must be null or false",
                             view.file, unbuilt_keys[i]);
        }
    }
    diffcut_status status = check_choices(view, diag);
    if (status == DIFFCUT_OK) {
        status = check_self_attention(view, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    const double one = 1.0;
    double scale;
    status = json_get_real(view, "resnet_out_scale_factor", &one, -1e6, 1e6, &scale, diag);
    if (status == DIFFCUT_OK && scale != 1.0) {
        status = diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "%s: resnet_out_scale_factor %g is not supported; 1 is",
                           view.file, scale);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    const uint32_t three = 3;
    uint32_t kernel;
    status = json_get_uint(view, "conv_in_kernel", &three, 1, 99, &kernel, diag);
    if (status == DIFFCUT_OK && kernel != 3) {
        status = diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "%s: conv_in_kernel %u is not supported; 3 is", view.file,
                           kernel);
    }
    return status;
}

/* Block types and their channels, which must be multiples of the norm groups. */
static diffcut_status read_blocks(json_view view, unet_config *config, diffcut_diagnostics *diag) {
    const char *types[UNET_MAX_BLOCKS];
    uint32_t channels[UNET_MAX_BLOCKS];
    size_t count;
    size_t channel_count;
    const uint32_t groups = 32;
    diffcut_status status = json_get_text_list(view, "down_block_types", UNET_MAX_BLOCKS, types, &count, diag);
    if (status == DIFFCUT_OK) {
        status = json_get_uint_list(view, "block_out_channels", 1, UNET_MAX_CHANNELS, UNET_MAX_BLOCKS, channels,
                                    &channel_count, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_uint(view, "norm_num_groups", &groups, 1, UNET_MAX_CHANNELS, &config->norm_groups, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (channel_count != count) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: block_out_channels has %zu items, down_block_types %zu",
                         view.file, channel_count, count);
    }
    config->block_count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        unet_block_config *block = &config->blocks[i];
        block->attention = strcmp(types[i], "CrossAttnDownBlock2D") == 0;
        if (!block->attention && strcmp(types[i], "DownBlock2D") != 0) {
            return diag_fail(
                diag, DIFFCUT_ERROR_UNSUPPORTED,
                "%s: down_block_types[%zu] is \"%.60s\"; DownBlock2D and CrossAttnDownBlock2D are supported",
                view.file, i, types[i]);
        }
        if (channels[i] % config->norm_groups != 0) {
            return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                             "%s: block_out_channels[%zu] is %u, not a multiple of norm_num_groups %u", view.file, i,
                             channels[i], config->norm_groups);
        }
        block->channels = channels[i];
        block->downsample = i + 1 < count;
    }
    if (channels[0] % 2 != 0) {
        return diag_fail(
            diag, DIFFCUT_ERROR_MODEL,
            "%s: block_out_channels[0] is %u; the time embedding's sines and cosines need an even number", view.file,
            channels[0]);
    }
    return DIFFCUT_OK;
}

/* Layers, heads, context width and transformer depth of each block. */
static diffcut_status read_attention(json_view view, unet_config *config, diffcut_diagnostics *diag) {
    const uint32_t two = 2;
    const uint32_t eight = 8;
    const uint32_t one = 1;
    const uint32_t context = 1280;
    uint32_t layers[UNET_MAX_BLOCKS];
    uint32_t heads[UNET_MAX_BLOCKS];
    uint32_t widths[UNET_MAX_BLOCKS];
    uint32_t depth[UNET_MAX_BLOCKS][UNET_MAX_LAYERS];
    size_t count = config->block_count;
    /* diffusers reads attention_head_dim as the number of heads, unless num_attention_heads is given. */
    const char *heads_key = json_has(view, "num_attention_heads") ? "num_attention_heads" : "attention_head_dim";
    diffcut_status status =
        json_get_uint_each(view, "layers_per_block", &two, 1, UNET_MAX_LAYERS, count, layers, diag);
    if (status == DIFFCUT_OK) {
        status = json_get_uint_each(view, heads_key, &eight, 1, UNET_MAX_CHANNELS, count, heads, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_uint_each(view, "cross_attention_dim", &context, 1, UNET_MAX_CHANNELS, count, widths, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_uint_rows(view, "transformer_layers_per_block", &one, 1, UNET_MAX_DEPTH, count, layers,
                                    UNET_MAX_LAYERS, depth[0], diag);
    }
    for (size_t i = 0; i < count && status == DIFFCUT_OK; i++) {
        unet_block_config *block = &config->blocks[i];
        block->layers = layers[i];
        block->heads = heads[i];
        block->context_channels = widths[i];
        memcpy(block->depth, depth[i], layers[i] * sizeof depth[i][0]);
        if (block->attention && block->channels % heads[i] != 0) {
            status = diag_fail(diag, DIFFCUT_ERROR_MODEL,
                               "%s: block_out_channels[%zu] is %u, not a multiple of its %u heads (%s)", view.file, i,
                               block->channels, heads[i], heads_key);
        }
        if (status == DIFFCUT_OK && widths[i] != widths[0]) { /* needs a projection of the text for each block */
            status = diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                               "%s: cross_attention_dim[%zu] is %u, the first is %u; one width is supported",
                               view.file, i, widths[i], widths[0]);
        }
    }
    return status;
}

/* The added condition of SDXL's family. */
static diffcut_status read_added_condition(json_view view, unet_config *config, diffcut_diagnostics *diag) {
    const char *type;
    diffcut_status status = json_get_text(view, "addition_embed_type", false, NULL, 256, &type, diag);
    if (status != DIFFCUT_OK || type == NULL) {
        return status;
    }
    if (strcmp(type, "text_time") != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                         "%s: addition_embed_type \"%.60s\" is not supported; null and \"text_time\" are", view.file,
                         type);
    }
    config->added_condition = true;
    status =
        json_get_uint(view, "addition_time_embed_dim", NULL, 2, UNET_MAX_CHANNELS, &config->added_time_dim, diag);
    if (status == DIFFCUT_OK) {
        status = json_get_uint(view, "projection_class_embeddings_input_dim", NULL, 1, UNET_MAX_EMBEDDING,
                               &config->added_input, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (config->added_time_dim % 2 != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: addition_time_embed_dim is %u, expected an even number",
                         view.file, config->added_time_dim);
    }
    if (config->added_input <= TIME_IDS * config->added_time_dim) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                         "%s: projection_class_embeddings_input_dim is %u, expected more than the %u of the time ids",
                         view.file, config->added_input, TIME_IDS * config->added_time_dim);
    }
    return DIFFCUT_OK;
}

static diffcut_status read_scalars(json_view view, unet_config *config, diffcut_diagnostics *diag) {
    const uint32_t four = 4;
    const uint32_t one = 1;
    const double default_eps = 1e-5;
    const double zero = 0.0;
    double eps;
    double shift;
    diffcut_status status =
        json_get_uint(view, "in_channels", &four, 1, UNET_MAX_CHANNELS, &config->in_channels, diag);
    if (status == DIFFCUT_OK) {
        status = json_get_real(view, "norm_eps", &default_eps, 1e-12, 1.0, &eps, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_real(view, "freq_shift", &zero, 0.0, 1.0, &shift, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_uint(view, "downsample_padding", &one, 0, 1, &config->downsample_padding, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_flag(view, "flip_sin_to_cos", true, &config->flip_sin_to_cos, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_flag(view, "use_linear_projection", false, &config->linear_projection, diag);
    }
    bool upcast; /* attention in f32: it always is here */
    if (status == DIFFCUT_OK) {
        status = json_get_flag(view, "upcast_attention", false, &upcast, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    config->norm_eps = (float)eps;
    config->freq_shift = (float)shift;
    return DIFFCUT_OK;
}

diffcut_status unet_config_read(json_view view, unet_config *out, diffcut_diagnostics *diag) {
    unet_config config = {0};
    diffcut_status status = check_features(view, diag);
    if (status == DIFFCUT_OK) {
        status = read_scalars(view, &config, diag);
    }
    if (status == DIFFCUT_OK) {
        status = read_blocks(view, &config, diag);
    }
    if (status == DIFFCUT_OK) {
        status = read_attention(view, &config, diag);
    }
    if (status == DIFFCUT_OK) {
        status = read_added_condition(view, &config, diag);
    }
    /* With one frequency, freq_shift 1 would divide by zero. */
    if (status == DIFFCUT_OK && config.freq_shift >= (float)config.blocks[0].channels / 2.0F) {
        status = diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: freq_shift is %g, too large for block_out_channels[0] %u",
                           view.file, (double)config.freq_shift, config.blocks[0].channels);
    }
    if (status == DIFFCUT_OK) {
        unet_decoder_read(view, &config);
        *out = config;
    }
    return status;
}

uint32_t unet_config_time_width(const unet_config *config) {
    return 4 * config->blocks[0].channels;
}

uint32_t unet_config_pooled_width(const unet_config *config) {
    return config->added_input - TIME_IDS * config->added_time_dim;
}

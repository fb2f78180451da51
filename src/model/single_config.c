/* single_config.c - see single_config.h. */
#include "model/single_config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define GROUPS 32
#define HEAD_SIZE 64
#define SD1_HEADS 8
#define TIME_ID_SINUSOIDS 256
#define SD_SCALING 0.18215
#define SDXL_SCALING 0.13025
#define MAX_LEVELS 16
#define MAX_LAYERS 64 /* of anything that is counted */

/* Appends text, printf style; a piece is short. */
__attribute__((format(printf, 2, 3))) static void put(bytes *sink, const char *format, ...) {
    char piece[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    bytes_text(sink, piece);
}

/* A tensor by its printf-style name, of at least this rank; NULL when there is none. */
__attribute__((format(printf, 3, 4))) static const safetensors_tensor *find(const tensor_table *table, size_t rank,
                                                                            const char *format, ...) {
    char name[192];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(name, sizeof name, format, args);
    va_end(args);
    const tensor_entry *entry = tensor_table_find(table, name);
    return entry != NULL && entry->tensor.rank >= rank ? &entry->tensor : NULL;
}

static diffcut_status cannot_tell(const single_tables *tables, const char *what, diffcut_diagnostics *diag) {
    return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                     "%s: its configuration cannot be told from its tensors: %s; give a folder with the model's "
                     "configurations (unet/config.json, ...)",
                     tables->file, what);
}

static diffcut_status lacks(const single_tables *tables, const char *tensor, diffcut_diagnostics *diag) {
    char what[160];
    (void)snprintf(what, sizeof what, "%.120s is missing", tensor);
    return cannot_tell(tables, what, diag);
}

/* Refuses channels that the releases' rules do not fit. */
static diffcut_status check_multiple(const single_tables *tables, const char *what, size_t channels, size_t of,
                                     diffcut_diagnostics *diag) {
    char text[160];
    if (channels > 0 && channels % of == 0) {
        return DIFFCUT_OK;
    }
    (void)snprintf(text, sizeof text, "%.80s has %zu channels, not a multiple of %zu as all releases have", what,
                   channels, of);
    return cannot_tell(tables, text, diag);
}

/* ------------------------------------------------------------------------------------------------- UNet */

/* What is counted in a UNet's down blocks. */
typedef struct unet_shape {
    size_t levels, layers, context;
    size_t channels[MAX_LEVELS];
    bool attention[MAX_LEVELS];
    size_t depth[MAX_LEVELS][MAX_LAYERS];
} unet_shape;

static size_t count_depth(const tensor_table *table, size_t level, size_t layer) {
    size_t depth = 0;
    while (depth < MAX_LAYERS && find(table, 1, "down_blocks.%zu.attentions.%zu.transformer_blocks.%zu.norm1.weight",
                                      level, layer, depth) != NULL) {
        depth++;
    }
    return depth;
}

static diffcut_status measure_level(const single_tables *tables, size_t level, unet_shape *shape,
                                    diffcut_diagnostics *diag) {
    const tensor_table *table = tables->unet;
    size_t layers = 0;
    size_t attentions = 0;
    const safetensors_tensor *first = find(table, 4, "down_blocks.%zu.resnets.0.conv1.weight", level);
    while (layers < MAX_LAYERS && find(table, 4, "down_blocks.%zu.resnets.%zu.conv1.weight", level, layers) != NULL) {
        size_t depth = count_depth(table, level, layers);
        shape->depth[level][layers] = depth;
        attentions += depth > 0 ? 1 : 0;
        layers++;
    }
    shape->channels[level] = first->shape[0];
    shape->attention[level] = attentions > 0;
    if ((attentions != 0 && attentions != layers) || (level > 0 && layers != shape->layers)) {
        return cannot_tell(tables, "its blocks have different numbers of layers or attentions", diag);
    }
    shape->layers = layers;
    const safetensors_tensor *context =
        find(table, 2, "down_blocks.%zu.attentions.0.transformer_blocks.0.attn2.to_k.weight", level);
    if (context != NULL) {
        shape->context = context->shape[1];
    }
    return check_multiple(tables, "a UNet block", shape->channels[level], GROUPS, diag);
}

static diffcut_status measure_unet(const single_tables *tables, unet_shape *shape, diffcut_diagnostics *diag) {
    *shape = (unet_shape){0};
    while (shape->levels < MAX_LEVELS &&
           find(tables->unet, 4, "down_blocks.%zu.resnets.0.conv1.weight", shape->levels) != NULL) {
        diffcut_status status = measure_level(tables, shape->levels, shape, diag);
        if (status != DIFFCUT_OK) {
            return status;
        }
        shape->levels++;
    }
    return shape->levels > 0 && shape->context > 0 ? DIFFCUT_OK
                                                   : lacks(tables, "a down block with cross-attention", diag);
}

/* "key": one number a level, or a list of them where a level's layers differ. */
static void put_depths(const unet_shape *shape, bytes *sink) {
    put(sink, "\"transformer_layers_per_block\": [");
    for (size_t i = 0; i < shape->levels; i++) {
        bool same = true;
        for (size_t j = 1; j < shape->layers; j++) {
            same = same && shape->depth[i][j] == shape->depth[i][0];
        }
        put(sink, i > 0 ? ", %s" : "%s", same ? "" : "[");
        for (size_t j = 0; j < (same ? 1 : shape->layers); j++) {
            put(sink, j > 0 ? ", %zu" : "%zu", shape->attention[i] ? shape->depth[i][j] : 1);
        }
        put(sink, "%s", same ? "" : "]");
    }
    put(sink, "],\n");
}

static diffcut_status put_heads(const single_tables *tables, const unet_shape *shape, bytes *sink,
                                diffcut_diagnostics *diag) {
    if (tables->kind == SINGLE_SD1) {
        put(sink, "\"attention_head_dim\": %d,\n", SD1_HEADS);
        return DIFFCUT_OK;
    }
    put(sink, "\"attention_head_dim\": [");
    for (size_t i = 0; i < shape->levels; i++) {
        diffcut_status status = check_multiple(tables, "a UNet block", shape->channels[i], HEAD_SIZE, diag);
        if (status != DIFFCUT_OK) {
            return status;
        }
        put(sink, i > 0 ? ", %zu" : "%zu", shape->channels[i] / HEAD_SIZE);
    }
    put(sink, "],\n");
    return DIFFCUT_OK;
}

static diffcut_status put_added(const single_tables *tables, bytes *sink, diffcut_diagnostics *diag) {
    if (tables->kind != SINGLE_SDXL) {
        return DIFFCUT_OK;
    }
    const safetensors_tensor *added = find(tables->unet, 2, "add_embedding.linear_1.weight");
    if (added == NULL) {
        return lacks(tables, "add_embedding.linear_1.weight", diag);
    }
    put(sink, "\"addition_embed_type\": \"text_time\",\n\"addition_time_embed_dim\": %d,\n", TIME_ID_SINUSOIDS);
    put(sink, "\"projection_class_embeddings_input_dim\": %zu,\n", added->shape[1]);
    return DIFFCUT_OK;
}

static diffcut_status write_unet(const single_tables *tables, bytes *sink, diffcut_diagnostics *diag) {
    unet_shape shape;
    diffcut_status status = measure_unet(tables, &shape, diag);
    const safetensors_tensor *in = find(tables->unet, 4, "conv_in.weight");
    if (status == DIFFCUT_OK && in == NULL) {
        status = lacks(tables, "conv_in.weight", diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    put(sink, "{\n\"_class_name\": \"UNet2DConditionModel\",\n\"in_channels\": %zu,\n", in->shape[1]);
    put(sink, "\"block_out_channels\": [");
    for (size_t i = 0; i < shape.levels; i++) {
        put(sink, i > 0 ? ", %zu" : "%zu", shape.channels[i]);
    }
    put(sink, "],\n\"down_block_types\": [");
    for (size_t i = 0; i < shape.levels; i++) {
        put(sink, "%s\"%s\"", i > 0 ? ", " : "", shape.attention[i] ? "CrossAttnDownBlock2D" : "DownBlock2D");
    }
    put(sink, "],\n\"layers_per_block\": %zu,\n\"cross_attention_dim\": %zu,\n", shape.layers, shape.context);
    put_depths(&shape, sink);
    status = put_heads(tables, &shape, sink, diag);
    if (status == DIFFCUT_OK) {
        status = put_added(tables, sink, diag);
    }
    put(sink, "\"use_linear_projection\": %s,\n", tables->kind == SINGLE_SD1 ? "false" : "true");
    put(sink,
        "\"act_fn\": \"silu\",\n\"norm_num_groups\": %d,\n\"norm_eps\": 1e-05,\n\"downsample_padding\": 1,\n"
        "\"flip_sin_to_cos\": true,\n\"freq_shift\": 0\n}\n",
        GROUPS);
    return status;
}

/* ------------------------------------------------------------------------------------------------- first stages */

double single_config_scaling_factor(bool added_condition) {
    return added_condition ? SDXL_SCALING : SD_SCALING;
}

static diffcut_status write_kl(const single_tables *tables, bytes *sink, diffcut_diagnostics *diag) {
    const tensor_table *table = tables->vae;
    const safetensors_tensor *in = find(table, 4, "encoder.conv_in.weight");
    const safetensors_tensor *out = find(table, 4, "encoder.conv_out.weight");
    size_t channels[MAX_LEVELS];
    size_t levels = 0;
    size_t layers = 0;
    if (in == NULL || out == NULL) {
        return lacks(tables, in == NULL ? "encoder.conv_in.weight" : "encoder.conv_out.weight", diag);
    }
    for (const safetensors_tensor *first;
         levels < MAX_LEVELS &&
         (first = find(table, 4, "encoder.down_blocks.%zu.resnets.0.conv1.weight", levels)) != NULL;
         levels++) {
        channels[levels] = first->shape[0];
        diffcut_status status = check_multiple(tables, "an autoencoder block", first->shape[0], GROUPS, diag);
        if (status != DIFFCUT_OK) {
            return status;
        }
    }
    while (layers < MAX_LAYERS && find(table, 4, "encoder.down_blocks.0.resnets.%zu.conv1.weight", layers) != NULL) {
        layers++;
    }
    double scaling = tables->kind == SINGLE_VAE ? tables->scaling_factor
                                                : single_config_scaling_factor(tables->kind == SINGLE_SDXL);
    if (levels == 0 || !(scaling > 0.0)) {
        return levels == 0 ? lacks(tables, "encoder.down_blocks.0", diag)
                           : cannot_tell(tables, "an autoencoder's scaling_factor is not in its tensors", diag);
    }
    put(sink, "{\n\"_class_name\": \"AutoencoderKL\",\n\"in_channels\": %zu,\n\"latent_channels\": %zu,\n",
        in->shape[1], out->shape[0] / 2);
    put(sink, "\"block_out_channels\": [");
    for (size_t i = 0; i < levels; i++) {
        put(sink, i > 0 ? ", %zu" : "%zu", channels[i]);
    }
    put(sink, "],\n\"down_block_types\": [");
    for (size_t i = 0; i < levels; i++) {
        put(sink, "%s\"DownEncoderBlock2D\"", i > 0 ? ", " : "");
    }
    put(sink, "],\n\"layers_per_block\": %zu,\n\"norm_num_groups\": %d,\n\"act_fn\": \"silu\",\n", layers, GROUPS);
    put(sink, "\"mid_block_add_attention\": %s,\n",
        find(table, 1, "encoder.mid_block.attentions.0.group_norm.weight") != NULL ? "true" : "false");
    put(sink, "\"use_quant_conv\": %s,\n\"scaling_factor\": %.9g\n}\n",
        find(table, 2, "quant_conv.weight") != NULL ? "true" : "false", scaling);
    return DIFFCUT_OK;
}

/* AutoencoderTiny: a convolution, then blocks, with a convolution of stride 2 and no bias before each level but the
 * first, then a convolution to the latent. */
static diffcut_status write_taesd(const single_tables *tables, bytes *sink, diffcut_diagnostics *diag) {
    const tensor_table *table = tables->vae;
    size_t channels[MAX_LEVELS];
    size_t blocks[MAX_LEVELS] = {0};
    size_t level = 0;
    size_t layer = 1;
    const safetensors_tensor *in = find(table, 4, "encoder.layers.0.weight");
    const safetensors_tensor *conv;
    if (in == NULL) {
        return lacks(tables, "encoder.layers.0.weight", diag);
    }
    channels[0] = in->shape[0];
    for (;; layer++) {
        if (find(table, 4, "encoder.layers.%zu.conv.0.weight", layer) != NULL) {
            blocks[level]++;
            continue;
        }
        conv = find(table, 4, "encoder.layers.%zu.weight", layer);
        if (conv == NULL || find(table, 1, "encoder.layers.%zu.bias", layer) != NULL || level + 1 == MAX_LEVELS) {
            break;
        }
        channels[++level] = conv->shape[0];
    }
    if (conv == NULL) {
        return lacks(tables, "the encoder's last convolution", diag);
    }
    put(sink, "{\n\"_class_name\": \"AutoencoderTiny\",\n\"in_channels\": %zu,\n\"latent_channels\": %zu,\n",
        in->shape[1], conv->shape[0]);
    for (int list = 0; list < 2; list++) {
        put(sink, list == 0 ? "\"encoder_block_out_channels\": [" : "\"num_encoder_blocks\": [");
        for (size_t i = 0; i <= level; i++) {
            put(sink, i > 0 ? ", %zu" : "%zu", list == 0 ? channels[i] : blocks[i]);
        }
        put(sink, "],\n");
    }
    put(sink,
        "\"act_fn\": \"relu\",\n\"scaling_factor\": 1.0,\n\"latent_magnitude\": 3,\n\"latent_shift\": 0.5\n}\n");
    return DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- text */

/* open_clip's encoders are SD 2's only one and SDXL's second. */
static bool is_open_clip(const single_tables *tables, bool second) {
    return second || tables->kind == SINGLE_SD2;
}

static diffcut_status write_text(const single_tables *tables, bool second, bytes *sink, diffcut_diagnostics *diag) {
    const tensor_table *table = second ? tables->text_encoder_2 : tables->text_encoder;
    const safetensors_tensor *tokens = find(table, 2, "text_model.embeddings.token_embedding.weight");
    const safetensors_tensor *places = find(table, 2, "text_model.embeddings.position_embedding.weight");
    const safetensors_tensor *fc1 = find(table, 2, "text_model.encoder.layers.0.mlp.fc1.weight");
    const safetensors_tensor *projection = find(table, 2, "text_projection.weight");
    size_t layers = 0;
    if (tokens == NULL || places == NULL || fc1 == NULL) {
        return lacks(tables,
                     second ? "text_encoder_2's embedding or first layer" : "text_encoder's embedding or first layer",
                     diag);
    }
    while (find(table, 1, "text_model.encoder.layers.%zu.layer_norm1.weight", layers) != NULL) {
        layers++;
    }
    diffcut_status status = check_multiple(tables, "a text encoder", tokens->shape[1], HEAD_SIZE, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    put(sink, "{\n\"architectures\": [\"%s\"],\n", second ? "CLIPTextModelWithProjection" : "CLIPTextModel");
    put(sink, "\"model_type\": \"clip_text_model\",\n\"vocab_size\": %zu,\n\"hidden_size\": %zu,\n", tokens->shape[0],
        tokens->shape[1]);
    put(sink, "\"max_position_embeddings\": %zu,\n\"num_hidden_layers\": %zu,\n", places->shape[0], layers);
    put(sink, "\"intermediate_size\": %zu,\n\"num_attention_heads\": %zu,\n", fc1->shape[0],
        tokens->shape[1] / HEAD_SIZE);
    put(sink, "\"projection_dim\": %zu,\n", projection != NULL ? projection->shape[0] : tokens->shape[1]);
    put(sink, "\"hidden_act\": \"%s\",\n", is_open_clip(tables, second) ? "gelu" : "quick_gelu");
    put(sink, "\"layer_norm_eps\": 1e-05,\n\"bos_token_id\": 0,\n\"eos_token_id\": 2,\n\"pad_token_id\": 1\n}\n");
    return DIFFCUT_OK;
}

/* CLIP-L's prompts are padded with the end token, open_clip's with token 0, "!". */
static void write_tokenizer(const single_tables *tables, bool second, bytes *sink) {
    put(sink, "{\n\"tokenizer_class\": \"CLIPTokenizer\",\n\"model_max_length\": 77,\n\"do_lower_case\": true,\n");
    put(sink, "\"bos_token\": \"<|startoftext|>\",\n\"eos_token\": \"<|endoftext|>\",\n");
    put(sink, "\"unk_token\": \"<|endoftext|>\",\n\"pad_token\": \"%s\"\n}\n",
        is_open_clip(tables, second) ? "!" : "<|endoftext|>");
}

static void write_scheduler(const single_tables *tables, bytes *sink) {
    put(sink, "{\n\"beta_schedule\": \"scaled_linear\",\n\"beta_start\": 0.00085,\n\"beta_end\": 0.012,\n");
    put(sink, "\"num_train_timesteps\": 1000,\n\"rescale_betas_zero_snr\": %s\n}\n",
        tables->zero_snr ? "true" : "false");
}

/* ------------------------------------------------------------------------------------------------- by name */

typedef enum config_name {
    CONFIG_NONE,
    CONFIG_UNET,
    CONFIG_VAE,
    CONFIG_TEXT,
    CONFIG_TEXT_2,
    CONFIG_TOKENIZER,
    CONFIG_TOKENIZER_2,
    CONFIG_SCHEDULER
} config_name;

/* What a name asks for; CONFIG_NONE for what this file cannot tell. */
static config_name which(const single_tables *tables, const char *name) {
    const struct known {
        const char *name;
        config_name which;
        bool there;
    } known[] = {
        {"unet/config.json", CONFIG_UNET, tables->unet->count > 0},
        {"vae/config.json", CONFIG_VAE, tables->vae->count > 0},
        {"text_encoder/config.json", CONFIG_TEXT, tables->text_encoder->count > 0},
        {"text_encoder_2/config.json", CONFIG_TEXT_2, tables->text_encoder_2->count > 0},
        {"tokenizer/tokenizer_config.json", CONFIG_TOKENIZER, tables->text_encoder->count > 0},
        {"tokenizer_2/tokenizer_config.json", CONFIG_TOKENIZER_2, tables->text_encoder_2->count > 0},
        {"scheduler/scheduler_config.json", CONFIG_SCHEDULER, tables->unet->count > 0},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].there && strcmp(known[i].name, name) == 0) {
            return known[i].which;
        }
    }
    return CONFIG_NONE;
}

bool single_config_has(const single_tables *tables, const char *name) {
    return which(tables, name) != CONFIG_NONE;
}

diffcut_status single_config_write(const single_tables *tables, const char *name, bytes *sink,
                                   diffcut_diagnostics *diag) {
    switch (which(tables, name)) {
    case CONFIG_UNET:
        return write_unet(tables, sink, diag);
    case CONFIG_VAE:
        return tables->kind == SINGLE_TAESD ? write_taesd(tables, sink, diag) : write_kl(tables, sink, diag);
    case CONFIG_TEXT:
        return write_text(tables, false, sink, diag);
    case CONFIG_TEXT_2:
        return write_text(tables, true, sink, diag);
    case CONFIG_TOKENIZER:
        write_tokenizer(tables, false, sink);
        return DIFFCUT_OK;
    case CONFIG_TOKENIZER_2:
        write_tokenizer(tables, true, sink);
        return DIFFCUT_OK;
    case CONFIG_SCHEDULER:
        write_scheduler(tables, sink);
        return DIFFCUT_OK;
    case CONFIG_NONE:
        break;
    }
    return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                     "%s: a single file, which has no %s; give a folder with the model's "
                     "configurations",
                     tables->file, name);
}

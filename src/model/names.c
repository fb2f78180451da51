/* names.c - see names.h. */
#include "model/names.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One beginning of a key, and what takes its place. */
typedef struct renaming {
    const char *from, *to;
} renaming;

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* Steps over a literal. */
static bool take(const char **key, const char *literal) {
    size_t length = strlen(literal);
    if (strncmp(*key, literal, length) != 0) {
        return false;
    }
    *key += length;
    return true;
}

/* Steps over a number of at most 4 digits and the dot after it. */
static bool take_number(const char **key, size_t *number) {
    size_t value = 0;
    const char *at = *key;
    while (at - *key < 4 && *at >= '0' && *at <= '9') {
        value = 10 * value + (size_t)(*at - '0');
        at++;
    }
    if (at == *key || *at != '.') {
        return false;
    }
    *number = value;
    *key = at + 1;
    return true;
}

/* Writes the name, or nothing when it is too long. The arguments may lie in out. */
__attribute__((format(printf, 2, 3))) static name_form write_name(char *out, const char *format, ...) {
    char name[NAMES_SIZE];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(name, sizeof name, format, args);
    va_end(args);
    if (length <= 0 || (size_t)length >= sizeof name) {
        return NAME_UNKNOWN;
    }
    memcpy(out, name, (size_t)length + 1);
    return NAME_AS_IT_IS;
}

/* base + the key with its beginning renamed. */
static name_form rename_start(const renaming *table, size_t count, const char *base, const char *key, char *out) {
    for (size_t i = 0; i < count; i++) {
        const char *rest = key;
        if (take(&rest, table[i].from)) {
            return write_name(out, "%s%s%s", base, table[i].to, rest);
        }
    }
    return NAME_UNKNOWN;
}

/* ------------------------------------------------------------------------------------------------- UNet */

static bool has(const safetensors *file, const char *prefix, const char *side, size_t number, const char *rest) {
    char key[NAMES_SIZE];
    int length = snprintf(key, sizeof key, "%s%s.%zu.%s", prefix, side, number, rest);
    return length > 0 && (size_t)length < sizeof key && safetensors_find(file, key) != NULL;
}

void names_unet_places(const safetensors *file, const char *prefix, unet_places *out) {
    static const char resnet[] = "0.in_layers.0.weight";
    unet_places places = {.input_count = 1}; /* block 0 is the first convolution */
    unet_place next = {0};
    for (size_t n = 1; n < NAMES_MAX_BLOCKS; n++) {
        next.downsampler = has(file, prefix, "input_blocks", n, "0.op.weight");
        if (!next.downsampler && !has(file, prefix, "input_blocks", n, resnet)) {
            break;
        }
        places.input[places.input_count++] = next;
        next.block += next.downsampler ? 1 : 0;
        next.layer = next.downsampler ? 0 : next.layer + 1;
    }
    next = (unet_place){0};
    for (size_t n = 0; n < NAMES_MAX_BLOCKS && has(file, prefix, "output_blocks", n, resnet); n++) {
        places.output[places.output_count++] = next;
        bool last = has(file, prefix, "output_blocks", n, "1.conv.weight") ||
                    has(file, prefix, "output_blocks", n, "2.conv.weight");
        next.block += last ? 1 : 0;
        next.layer = last ? 0 : next.layer + 1;
    }
    *out = places;
}

/* The inside of a resnet. */
static name_form unet_resnet(const char *base, const char *key, char *out) {
    static const renaming inner[] = {{"in_layers.0.", "norm1."},          {"in_layers.2.", "conv1."},
                                     {"emb_layers.1.", "time_emb_proj."}, {"out_layers.0.", "norm2."},
                                     {"out_layers.3.", "conv2."},         {"skip_connection.", "conv_shortcut."}};
    return rename_start(inner, COUNT(inner), base, key, out);
}

/* Resnets are entry 0 of a block, attentions entry 1; an upsampler follows whichever was last. */
static name_form unet_numbered(const char *side, const unet_place *place, const char *key, char *out) {
    char base[96];
    size_t entry;
    if (!take_number(&key, &entry)) {
        return NAME_UNKNOWN;
    }
    if (place->downsampler) {
        return entry == 0 && take(&key, "op.")
                   ? write_name(out, "%s.%zu.downsamplers.0.conv.%s", side, place->block, key)
                   : NAME_UNKNOWN;
    }
    if (entry == 0) {
        (void)snprintf(base, sizeof base, "%s.%zu.resnets.%zu.", side, place->block, place->layer);
        return unet_resnet(base, key, out);
    }
    if (take(&key, "conv.")) {
        return write_name(out, "%s.%zu.upsamplers.0.conv.%s", side, place->block, key);
    }
    return entry == 1 ? write_name(out, "%s.%zu.attentions.%zu.%s", side, place->block, place->layer, key)
                      : NAME_UNKNOWN;
}

/* Resnets and attentions take turns. */
static name_form unet_middle(const char *key, char *out) {
    size_t entry;
    if (!take_number(&key, &entry)) {
        return NAME_UNKNOWN;
    }
    if (entry % 2 == 1) {
        return write_name(out, "mid_block.attentions.%zu.%s", entry / 2, key);
    }
    char base[64];
    (void)snprintf(base, sizeof base, "mid_block.resnets.%zu.", entry / 2);
    return unet_resnet(base, key, out);
}

name_form names_unet(const unet_places *places, const char *key, char *out) {
    static const renaming fixed[] = {
        {"time_embed.0.", "time_embedding.linear_1."},
        {"time_embed.2.", "time_embedding.linear_2."},
        {"label_emb.0.0.", "add_embedding.linear_1."},
        {"label_emb.0.2.", "add_embedding.linear_2."},
        {"input_blocks.0.0.", "conv_in."},
        {"out.0.", "conv_norm_out."},
        {"out.2.", "conv_out."},
    };
    name_form form = rename_start(fixed, COUNT(fixed), "", key, out);
    if (form != NAME_UNKNOWN) {
        return form;
    }
    size_t number;
    if (take(&key, "middle_block.")) {
        return unet_middle(key, out);
    }
    if (take(&key, "input_blocks.") && take_number(&key, &number) && number > 0 && number < places->input_count) {
        return unet_numbered("down_blocks", &places->input[number], key, out);
    }
    if (take(&key, "output_blocks.") && take_number(&key, &number) && number < places->output_count) {
        return unet_numbered("up_blocks", &places->output[number], key, out);
    }
    return NAME_UNKNOWN;
}

/* ------------------------------------------------------------------------------------------------- autoencoders */

size_t names_vae_levels(const safetensors *file, const char *prefix) {
    size_t levels = 0;
    while (levels < NAMES_MAX_BLOCKS && has(file, prefix, "decoder.up", levels, "block.0.norm1.weight")) {
        levels++;
    }
    return levels;
}

static name_form vae_resnet(const char *base, const char *key, char *out) {
    const char *rest = key;
    return take(&rest, "nin_shortcut.") ? write_name(out, "%sconv_shortcut.%s", base, rest)
                                        : write_name(out, "%s%s", base, key);
}

/* A level's resnets and its resampling; number is the level's in diffusers' order. */
static name_form vae_level(const char *blocks, const char *sampler, size_t number, const char *key, char *out) {
    char base[96];
    size_t resnet;
    if (take(&key, "block.") && take_number(&key, &resnet)) {
        (void)snprintf(base, sizeof base, "%s.%zu.resnets.%zu.", blocks, number, resnet);
        return vae_resnet(base, key, out);
    }
    if (take(&key, "downsample.") || take(&key, "upsample.")) {
        return write_name(out, "%s.%zu.%s.0.%s", blocks, number, sampler, key);
    }
    return NAME_UNKNOWN;
}

static name_form vae_middle(const char *side, const char *key, char *out) {
    static const renaming attention[] = {
        {"norm.", "group_norm."}, {"q.", "to_q."}, {"k.", "to_k."}, {"v.", "to_v."}, {"proj_out.", "to_out.0."}};
    char base[64];
    size_t number;
    if (take(&key, "block_") && take_number(&key, &number) && number > 0) {
        (void)snprintf(base, sizeof base, "%s.mid_block.resnets.%zu.", side, number - 1);
        return vae_resnet(base, key, out);
    }
    if (take(&key, "attn_") && take_number(&key, &number) && number > 0) {
        (void)snprintf(base, sizeof base, "%s.mid_block.attentions.%zu.", side, number - 1);
        return rename_start(attention, COUNT(attention), base, key, out);
    }
    return NAME_UNKNOWN;
}

name_form names_vae(size_t decoder_levels, const char *key, char *out) {
    static const renaming fixed[] = {{"quant_conv.", "quant_conv."}, {"post_quant_conv.", "post_quant_conv."}};
    static const renaming ends[] = {
        {"conv_in.", "conv_in."}, {"conv_out.", "conv_out."}, {"norm_out.", "conv_norm_out."}};
    size_t level;
    bool encoder = take(&key, "encoder.");
    if (!encoder && !take(&key, "decoder.")) {
        return rename_start(fixed, COUNT(fixed), "", key, out);
    }
    const char *side = encoder ? "encoder" : "decoder";
    if (take(&key, "mid.")) {
        return vae_middle(side, key, out);
    }
    if (encoder && take(&key, "down.") && take_number(&key, &level)) {
        return vae_level("encoder.down_blocks", "downsamplers", level, key, out);
    }
    /* The original counts from the finest level, diffusers in the order of computing. */
    if (!encoder && take(&key, "up.") && take_number(&key, &level) && level < decoder_levels) {
        return vae_level("decoder.up_blocks", "upsamplers", decoder_levels - 1 - level, key, out);
    }
    return rename_start(ends, COUNT(ends), encoder ? "encoder." : "decoder.", key, out);
}

name_form names_taesd(const char *key, char *out) {
    size_t layer;
    const char *rest = key;
    return take_number(&rest, &layer) ? write_name(out, "encoder.layers.%s", key) : NAME_UNKNOWN;
}

name_form names_vae_diffusers(const char *key, char *out) {
    static const renaming older[] = {
        {"query.", "to_q."}, {"key.", "to_k."}, {"value.", "to_v."}, {"proj_attn.", "to_out.0."}};
    const char *place = strstr(key, ".attentions.");
    if (key[0] >= '0' && key[0] <= '9') { /* an original file that lies beside diffusers' configuration */
        return names_taesd(key, out);
    }
    if (place != NULL) {
        char base[NAMES_SIZE];
        size_t number;
        const char *rest = place + strlen(".attentions.");
        if (take_number(&rest, &number) && (size_t)(rest - key) < sizeof base) {
            memcpy(base, key, (size_t)(rest - key));
            base[rest - key] = '\0';
            name_form form = rename_start(older, COUNT(older), base, rest, out);
            if (form != NAME_UNKNOWN) {
                return form;
            }
        }
    }
    return write_name(out, "%s", key);
}

bool names_is_vae_attention(const char *name) {
    static const char *const ends[] = {"to_q.weight", "to_k.weight", "to_v.weight", "to_out.0.weight"};
    const char *place = strstr(name, ".attentions.");
    size_t number;
    if (place == NULL) {
        return false;
    }
    place += strlen(".attentions.");
    if (!take_number(&place, &number)) {
        return false;
    }
    for (size_t i = 0; i < COUNT(ends); i++) {
        if (strcmp(place, ends[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* ------------------------------------------------------------------------------------------------- text encoders */

name_form names_clip(const char *key, char *out) {
    static const renaming parts[] = {{"embeddings.", "text_model.embeddings."},
                                     {"encoder.", "text_model.encoder."},
                                     {"final_layer_norm.", "text_model.final_layer_norm."}};
    name_form form = rename_start(parts, COUNT(parts), "", key, out);
    return form != NAME_UNKNOWN ? form : write_name(out, "%s", key);
}

static name_form open_clip_layer(const char *tower, size_t layer, const char *key, char *out) {
    static const renaming inner[] = {{"attn.out_proj.", "self_attn.out_proj."},
                                     {"ln_1.", "layer_norm1."},
                                     {"ln_2.", "layer_norm2."},
                                     {"mlp.c_fc.", "mlp.fc1."},
                                     {"mlp.c_proj.", "mlp.fc2."}};
    char base[64];
    (void)snprintf(base, sizeof base, "%s.encoder.layers.%zu.", tower, layer);
    if (take(&key, "attn.in_proj_")) {
        return write_name(out, "%sself_attn.?_proj.%s", base, key) != NAME_UNKNOWN ? NAME_STACKED : NAME_UNKNOWN;
    }
    return rename_start(inner, COUNT(inner), base, key, out);
}

name_form names_open_clip(size_t max_layers, const char *key, char *out) {
    static const renaming fixed[] = {
        {"positional_embedding", "text_model.embeddings.position_embedding.weight"},
        {"token_embedding.", "text_model.embeddings.token_embedding."},
        {"ln_final.", "text_model.final_layer_norm."},
        {"logit_scale", "logit_scale"},
    };
    size_t layer;
    if (strcmp(key, "text_projection") == 0) {
        return write_name(out, "text_projection.weight") != NAME_UNKNOWN ? NAME_TRANSPOSED : NAME_UNKNOWN;
    }
    if (strcmp(key, "text_projection.weight") == 0) { /* a linear layer in some re-saved files */
        return write_name(out, "%s", key);
    }
    if (take(&key, "transformer.resblocks.")) {
        return take_number(&key, &layer) && layer < max_layers ? open_clip_layer("text_model", layer, key, out)
                                                               : NAME_UNKNOWN;
    }
    return rename_start(fixed, COUNT(fixed), "", key, out);
}

/* ------------------------------------------------------------------------------------------------- image encoders */

name_form names_encoder(const char *key, char *out) {
    static const char *const owners[] = {"dinov2.", "dinov2_with_registers.", "vit."};
    static const char *const vision[] = {"embeddings.class_embedding",
                                         "embeddings.patch_embedding.",
                                         "embeddings.position_embedding.",
                                         "pre_layrnorm.",
                                         "encoder.layers.",
                                         "post_layernorm.",
                                         "head."};
    for (size_t i = 0; i < COUNT(owners); i++) {
        if (take(&key, owners[i])) {
            return write_name(out, "%s", key);
        }
    }
    for (size_t i = 0; i < COUNT(vision); i++) {
        if (strncmp(key, vision[i], strlen(vision[i])) == 0) {
            return write_name(out, "vision_model.%s", key);
        }
    }
    return write_name(out, "%s", key);
}

static name_form open_clip_vision(const char *key, char *out) {
    static const renaming fixed[] = {
        {"conv1.", "embeddings.patch_embedding."},
        {"class_embedding", "embeddings.class_embedding"},
        {"positional_embedding", "embeddings.position_embedding.weight"},
        {"ln_pre.", "pre_layrnorm."}, /* as transformers spells it */
        {"ln_post.", "post_layernorm."},
    };
    size_t layer;
    if (strcmp(key, "proj") == 0) {
        return write_name(out, "visual_projection.weight") != NAME_UNKNOWN ? NAME_TRANSPOSED : NAME_UNKNOWN;
    }
    if (take(&key, "transformer.resblocks.")) {
        return take_number(&key, &layer) ? open_clip_layer("vision_model", layer, key, out) : NAME_UNKNOWN;
    }
    name_form form = rename_start(fixed, COUNT(fixed), "vision_model.", key, out);
    return form != NAME_UNKNOWN ? form : write_name(out, "visual.%s", key);
}

name_form names_open_clip_model(const char *key, char *out) {
    const char *rest = key;
    if (take(&rest, "visual.")) {
        return open_clip_vision(rest, out);
    }
    (void)take(&rest, "text."); /* a text tower that is a module of its own */
    name_form form = names_open_clip(SIZE_MAX, rest, out);
    return form != NAME_UNKNOWN ? form : write_name(out, "%s", key);
}

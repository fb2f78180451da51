/*
 * synth_text.c - every tensor of a CLIP text encoder, under the names of transformers' CLIPTextModel and
 * CLIPTextModelWithProjection.
 */
#include "synth/synth_list.h"

#include <stdio.h>
#include <string.h>

#define MAX_WIDTH 16384
#define MAX_LAYERS 128
#define MAX_VOCABULARY 1048576
#define MAX_POSITIONS 4096

typedef struct whole_text {
    uint32_t width, inner, layers, vocabulary, positions, projection;
    bool projected;
} whole_text;

static diffcut_status read_config(json_view view, whole_text *text, diffcut_diagnostics *diag) {
    const uint32_t vocabulary = 49408;
    const uint32_t positions = 77;
    const char *architecture = "CLIPTextModel";
    size_t count = 1;
    diffcut_status status = json_get_uint(view, "hidden_size", NULL, 1, MAX_WIDTH, &text->width, diag);
    if (status == DIFFCUT_OK) {
        status = json_get_uint(view, "intermediate_size", NULL, 1, 8 * MAX_WIDTH, &text->inner, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_uint(view, "num_hidden_layers", NULL, 1, MAX_LAYERS, &text->layers, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_uint(view, "vocab_size", &vocabulary, 1, MAX_VOCABULARY, &text->vocabulary, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_uint(view, "max_position_embeddings", &positions, 1, MAX_POSITIONS, &text->positions, diag);
    }
    if (status == DIFFCUT_OK && json_has(view, "architectures")) {
        status = json_get_text_list(view, "architectures", 1, &architecture, &count, diag);
    }
    text->projected = strcmp(architecture, "CLIPTextModelWithProjection") == 0;
    if (status == DIFFCUT_OK && !text->projected && strcmp(architecture, "CLIPTextModel") != 0) {
        status = diag_fail(
            diag, DIFFCUT_ERROR_UNSUPPORTED,
            "%s: architectures[0] is \"%.60s\"; CLIPTextModel and CLIPTextModelWithProjection are supported",
            view.file, architecture);
    }
    if (status == DIFFCUT_OK && text->projected) {
        status = json_get_uint(view, "projection_dim", NULL, 1, MAX_WIDTH, &text->projection, diag);
    }
    return status;
}

static void layer(synth_list *list, const whole_text *text, const char *name) {
    static const char *const products[] = {".self_attn.q_proj", ".self_attn.k_proj", ".self_attn.v_proj",
                                           ".self_attn.out_proj"};
    synth_norm(list, name, ".layer_norm1", text->width);
    synth_norm(list, name, ".layer_norm2", text->width);
    for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
        synth_linear(list, name, products[i], text->width, text->width, true);
    }
    synth_linear(list, name, ".mlp.fc1", text->inner, text->width, true);
    synth_linear(list, name, ".mlp.fc2", text->width, text->inner, true);
}

diffcut_status synth_text(json_view config, bool bare, synth_list *out, diffcut_diagnostics *diag) {
    whole_text text = {.width = 0};
    diffcut_status status = read_config(config, &text, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    const char *prefix = bare ? "" : "text_model.";
    synth_embedding(out, prefix, "embeddings.token_embedding", text.vocabulary, text.width);
    synth_embedding(out, prefix, "embeddings.position_embedding", text.positions, text.width);
    for (uint32_t i = 0; i < text.layers; i++) {
        char name[SYNTH_NAME_SIZE];
        (void)snprintf(name, sizeof name, "%sencoder.layers.%u", prefix, i);
        layer(out, &text, name);
    }
    synth_norm(out, prefix, "final_layer_norm", text.width);
    if (text.projected) {
        synth_linear(out, "text_projection", "", text.projection, text.width, false);
    }
    return DIFFCUT_OK;
}

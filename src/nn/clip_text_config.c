/* clip_text_config.c - see clip_text_config.h. */
#include "nn/clip_text_config.h"

#include <string.h>

#define MODEL_TYPE "clip_text_model"

static diffcut_status read_activation(json_view view, activation *out, diffcut_diagnostics *diag) {
    static const struct {
        const char *name;
        activation act;
    } known[] = {{"quick_gelu", ACTIVATION_QUICK_GELU}, {"gelu", ACTIVATION_GELU}};
    const char *name;
    diffcut_status status = json_get_text(view, "hidden_act", false, "quick_gelu", 64, &name, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].name, name) == 0) {
            *out = known[i].act;
            return DIFFCUT_OK;
        }
    }
    return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                     "%s: hidden_act \"%.60s\" is not supported; \"quick_gelu\" and \"gelu\" are", view.file, name);
}

static diffcut_status check_type(json_view view, diffcut_diagnostics *diag) {
    const char *type;
    diffcut_status status = json_get_text(view, "model_type", false, MODEL_TYPE, 64, &type, diag);
    if (status == DIFFCUT_OK && strcmp(type, MODEL_TYPE) != 0) {
        status = diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                           "%s: model_type \"%.60s\" is not supported; \"" MODEL_TYPE "\" is", view.file, type);
    }
    return status;
}

diffcut_status clip_text_config_read(json_view view, clip_text_config *out, diffcut_diagnostics *diag) {
    clip_text_config config = {0};
    /* transformers leaves out what equals its defaults, those of CLIP ViT-B/32's text encoder. */
    const struct {
        const char *key;
        uint32_t fallback, max;
        uint32_t *value;
    } numbers[] = {
        {"hidden_size", 512, CLIP_TEXT_MAX_WIDTH, &config.width},
        {"num_attention_heads", 8, CLIP_TEXT_MAX_WIDTH, &config.heads},
        {"num_hidden_layers", 12, CLIP_TEXT_MAX_LAYERS, &config.layers},
        {"intermediate_size", 2048, 4 * CLIP_TEXT_MAX_WIDTH, &config.wide},
        {"vocab_size", 49408, CLIP_TEXT_MAX_VOCABULARY, &config.vocabulary},
        {"max_position_embeddings", 77, CLIP_TEXT_MAX_POSITIONS, &config.positions},
        {"projection_dim", 512, CLIP_TEXT_MAX_WIDTH, &config.projected},
    };
    diffcut_status status = check_type(view, diag);
    for (size_t i = 0; status == DIFFCUT_OK && i < sizeof numbers / sizeof *numbers; i++) {
        status = json_get_uint(view, numbers[i].key, &numbers[i].fallback, 1, numbers[i].max, numbers[i].value, diag);
    }
    if (status == DIFFCUT_OK) {
        status = read_activation(view, &config.act, diag);
    }
    const double default_eps = 1e-5;
    double eps;
    if (status == DIFFCUT_OK) {
        status = json_get_real(view, "layer_norm_eps", &default_eps, 1e-12, 1.0, &eps, diag);
    }
    if (status == DIFFCUT_OK && config.width % config.heads != 0) {
        status =
            diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: hidden_size is %u, not a multiple of num_attention_heads %u",
                      view.file, config.width, config.heads);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    config.eps = (float)eps;
    *out = config;
    return DIFFCUT_OK;
}

/* vit_config.c - see vit_config.h. */
#include "nn/vit_config.h"

#include <string.h>

/* A model_type, and transformers' defaults for it, which its configurations leave out. */
typedef struct vit_type {
    const char *name;
    vit_family family;
    const char *vision; /* the object that holds the vision tower's part; NULL: the root */
    uint32_t patch_size, registers;
    const char *act;
    double eps;
    bool antialias;
} vit_type;

static const vit_type types[] = {
    {"dinov2", VIT_DINOV2, NULL, 14, 0, "gelu", 1e-6, false},
    {"dinov2_with_registers", VIT_DINOV2, NULL, 16, 4, "gelu", 1e-6, true},
    {"vit", VIT_PLAIN, NULL, 16, 0, "gelu", 1e-12, false},
    {"clip", VIT_CLIP, "vision_config", 32, 0, "quick_gelu", 1e-5, false},
    {"clip_vision_model", VIT_CLIP, NULL, 32, 0, "quick_gelu", 1e-5, false},
    {"siglip", VIT_SIGLIP, "vision_config", 16, 0, "gelu_pytorch_tanh", 1e-6, false},
    {"siglip_vision_model", VIT_SIGLIP, NULL, 16, 0, "gelu_pytorch_tanh", 1e-6, false},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const vit_type *find_type(const char *name) {
    for (size_t i = 0; i < COUNT(types); i++) {
        if (strcmp(types[i].name, name) == 0) {
            return &types[i];
        }
    }
    return NULL;
}

bool vit_config_knows(const char *model_type) {
    return find_type(model_type) != NULL;
}

const char *vit_family_name(vit_family family) {
    static const char *const names[] = {"dinov2", "vit", "clip", "siglip"};
    return names[family];
}

uint32_t vit_config_grid(const vit_config *config) {
    return config->image_size / config->patch_size;
}

bool vit_config_has_class(const vit_config *config) {
    return config->family != VIT_SIGLIP;
}

uint32_t vit_config_before(const vit_config *config) {
    return (vit_config_has_class(config) ? 1 : 0) + config->registers;
}

diffcut_status vit_config_activation(json_view view, const char *fallback, activation *out,
                                     diffcut_diagnostics *diag) {
    static const struct {
        const char *name;
        activation act;
    } known[] = {{"quick_gelu", ACTIVATION_QUICK_GELU},
                 {"gelu", ACTIVATION_GELU},
                 {"gelu_pytorch_tanh", ACTIVATION_GELU_TANH},
                 {"gelu_new", ACTIVATION_GELU_TANH}};
    const char *name;
    diffcut_status status = json_get_text(view, "hidden_act", false, fallback, 64, &name, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    for (size_t i = 0; i < COUNT(known); i++) {
        if (strcmp(known[i].name, name) == 0) {
            *out = known[i].act;
            return DIFFCUT_OK;
        }
    }
    return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                     "%s: hidden_act \"%.60s\" is not supported; \"gelu\", \"quick_gelu\" and \"gelu_pytorch_tanh\" "
                     "are",
                     view.file, name);
}

/* The feed-forward's width: given, or for DINOv2 a multiple of the model's; its gated form takes two thirds of that,
 * rounded up to a multiple of 8. */
static diffcut_status read_feed(json_view view, vit_config *config, diffcut_diagnostics *diag) {
    const uint32_t usual = 3072;
    const double four = 4.0;
    double ratio;
    bool gated = false;
    if (config->family != VIT_DINOV2) {
        return json_get_uint(view, "intermediate_size", &usual, 1, 4 * VIT_MAX_WIDTH, &config->wide, diag);
    }
    diffcut_status status = json_get_real(view, "mlp_ratio", &four, 0.01, 16.0, &ratio, diag);
    if (status == DIFFCUT_OK) {
        status = json_get_flag(view, "use_swiglu_ffn", false, &gated, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    config->wide = (uint32_t)(config->width * ratio);
    if (gated) {
        config->act = ACTIVATION_SWIGLU;
        config->wide = (config->wide * 2 / 3 + 7) / 8 * 8;
    }
    return config->wide > 0 ? DIFFCUT_OK
                            : diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: mlp_ratio %g of hidden_size %u is nothing",
                                        view.file, ratio, config->width);
}

static diffcut_status check(json_view view, const vit_config *config, diffcut_diagnostics *diag) {
    if (config->width % config->heads != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: hidden_size is %u, not a multiple of num_attention_heads %u",
                         view.file, config->width, config->heads);
    }
    if (config->patch_size > config->image_size) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: patch_size is %u, more than image_size %u", view.file,
                         config->patch_size, config->image_size);
    }
    return DIFFCUT_OK;
}

static diffcut_status read_numbers(json_view view, const vit_type *type, vit_config *config,
                                   diffcut_diagnostics *diag) {
    uint32_t channels;
    const struct {
        const char *key;
        uint32_t fallback, min, max;
        uint32_t *value;
    } numbers[] = {
        {"hidden_size", 768, 1, VIT_MAX_WIDTH, &config->width},
        {"num_attention_heads", 12, 1, VIT_MAX_WIDTH, &config->heads},
        {"num_hidden_layers", 12, 1, VIT_MAX_LAYERS, &config->layers},
        {"image_size", 224, 1, VIT_MAX_IMAGE, &config->image_size},
        {"patch_size", type->patch_size, 1, VIT_MAX_PATCH, &config->patch_size},
        {"num_channels", 3, 3, 3, &channels},
    };
    diffcut_status status = DIFFCUT_OK;
    for (size_t i = 0; i < COUNT(numbers) && status == DIFFCUT_OK; i++) {
        status = json_get_uint(view, numbers[i].key, &numbers[i].fallback, numbers[i].min, numbers[i].max,
                               numbers[i].value, diag);
    }
    if (status == DIFFCUT_OK && type->registers > 0) {
        status = json_get_uint(view, "num_register_tokens", &type->registers, 0, VIT_MAX_REGISTERS,
                               &config->registers, diag);
    }
    return status;
}

diffcut_status vit_config_read(json_view view, vit_config *out, diffcut_diagnostics *diag) {
    vit_config config = {0};
    const uint32_t usual_projection = 512;
    const char *name;
    double eps;
    bool present = true;
    json_view vision = view;
    diffcut_status status = json_get_text(view, "model_type", true, NULL, 64, &name, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    const vit_type *type = find_type(name);
    if (type == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                         "%s: model_type \"%.60s\" is no image encoder that is built; \"dinov2\", "
                         "\"dinov2_with_registers\", \"vit\", \"clip\", \"clip_vision_model\", \"siglip\" and "
                         "\"siglip_vision_model\" are",
                         view.file, name);
    }
    config.family = type->family;
    config.antialias = type->antialias;
    if (type->vision != NULL) {
        status = json_get_object(view, type->vision, &present, &vision, diag);
    }
    if (status == DIFFCUT_OK && !present) {
        status = diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: %s is missing", view.file, type->vision);
    }
    if (status == DIFFCUT_OK) {
        status = read_numbers(vision, type, &config, diag);
    }
    if (status == DIFFCUT_OK) {
        status = vit_config_activation(vision, type->act, &config.act, diag);
    }
    if (status == DIFFCUT_OK) {
        status = read_feed(vision, &config, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_real(vision, "layer_norm_eps", &type->eps, 1e-12, 1.0, &eps, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_flag(vision, "qkv_bias", true, &config.qkv_bias, diag);
    }
    if (status == DIFFCUT_OK && type->family == VIT_CLIP) {
        status = json_get_uint(view, "projection_dim", &usual_projection, 1, VIT_MAX_WIDTH, &config.projected, diag);
    }
    if (status == DIFFCUT_OK) {
        status = check(vision, &config, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    config.eps = (float)eps;
    *out = config;
    return DIFFCUT_OK;
}

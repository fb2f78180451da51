/* open_clip_config.c - see open_clip_config.h. */
#include "nn/open_clip_config.h"

#include <stdio.h>
#include <string.h>

/* OpenAI's of CLIP, open_clip's default. */
static const double clip_mean[3] = {0.48145466, 0.4578275, 0.40821073};
static const double clip_deviation[3] = {0.26862954, 0.26130258, 0.27577711};

#define EPS 1e-5 /* torch.nn.LayerNorm's, of both of CLIP's own towers */
/* timm's of ConvNeXt; it makes the one model of this name with another. */
#define TRUNK_EPS 1e-6F
#define TRUNK_OTHER "convnext_xxlarge"
#define TRUNK_OTHER_EPS 1e-5F

/* A key that is not known might change the result. */
static diffcut_status check_keys(json_view view, const char *section, const char *const *known,
                                 diffcut_diagnostics *diag) {
    const char *unknown = json_unknown_key(view, known);
    if (unknown == NULL) {
        return DIFFCUT_OK;
    }
    return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "%s: %s.%.60s is not supported", view.file, section, unknown);
}

static diffcut_status read_normalisation(json_view root, open_clip_config *config, diffcut_diagnostics *diag) {
    bool present;
    json_view preprocess;
    memcpy(config->mean, clip_mean, sizeof clip_mean);
    memcpy(config->deviation, clip_deviation, sizeof clip_deviation);
    diffcut_status status = json_get_object(root, "preprocess_cfg", &present, &preprocess, diag);
    if (status != DIFFCUT_OK || !present) {
        return status;
    }
    status = json_get_reals(preprocess, "mean", -10.0, 10.0, 3, config->mean, diag);
    return status == DIFFCUT_OK ? json_get_reals(preprocess, "std", 1e-6, 100.0, 3, config->deviation, diag) : status;
}

static diffcut_status read_timm(json_view vision, const char *name, open_clip_config *config,
                                diffcut_diagnostics *diag) {
    const char *pool = "avg"; /* "" leaves the trunk's own, which is that of a ConvNeXt */
    const char *head;
    diffcut_status status = DIFFCUT_OK;
    if (!json_is_empty_text(vision, "timm_pool")) {
        status = json_get_text(vision, "timm_pool", false, "avg", 32, &pool, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_text(vision, "timm_proj", false, "linear", 32, &head, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (strncmp(name, "convnext", strlen("convnext")) != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                         "%s: vision_cfg.timm_model_name \"%.60s\" is not supported; a convnext is", vision.file,
                         name);
    }
    if (strcmp(pool, "avg") != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                         "%s: vision_cfg.timm_pool \"%.30s\" is not supported; \"\" and \"avg\" are", vision.file,
                         pool);
    }
    if (strcmp(head, "linear") != 0 && strcmp(head, "mlp") != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                         "%s: vision_cfg.timm_proj \"%.30s\" is not supported; \"linear\" and \"mlp\" are",
                         vision.file, head);
    }
    config->timm = true;
    config->trunk_eps = strcmp(name, TRUNK_OTHER) == 0 ? TRUNK_OTHER_EPS : TRUNK_EPS;
    (void)snprintf(config->head, sizeof config->head, "%s", head);
    return DIFFCUT_OK;
}

static diffcut_status read_vit(json_view vision, activation act, open_clip_config *config,
                               diffcut_diagnostics *diag) {
    const uint32_t layers = 12, width = 768, head_width = 64, patch = 16;
    const double four = 4.0;
    vit_config vit = {.family = VIT_CLIP,
                      .image_size = config->image_size,
                      .projected = config->embedding,
                      .act = act,
                      .qkv_bias = true,
                      .eps = (float)EPS};
    uint32_t per_head = head_width;
    double ratio = four;
    diffcut_status status = json_get_uint(vision, "layers", &layers, 1, VIT_MAX_LAYERS, &vit.layers, diag);
    if (status == DIFFCUT_OK) {
        status = json_get_uint(vision, "width", &width, 1, VIT_MAX_WIDTH, &vit.width, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_uint(vision, "head_width", &head_width, 1, VIT_MAX_WIDTH, &per_head, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_uint(vision, "patch_size", &patch, 1, VIT_MAX_PATCH, &vit.patch_size, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_real(vision, "mlp_ratio", &four, 0.01, 16.0, &ratio, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    vit.heads = vit.width / per_head;
    vit.wide = (uint32_t)(vit.width * ratio);
    if (vit.width % per_head != 0 || vit.wide == 0 || vit.patch_size > vit.image_size) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                         "%s: vision_cfg: width %u, head_width %u, mlp_ratio %g, patch_size %u and image_size %u do "
                         "not go together",
                         vision.file, vit.width, per_head, ratio, vit.patch_size, vit.image_size);
    }
    config->vit = vit;
    return DIFFCUT_OK;
}

static diffcut_status read_vision(json_view vision, activation act, open_clip_config *config,
                                  diffcut_diagnostics *diag) {
    static const char *const known[] = {"layers",        "width",           "head_width",
                                        "mlp_ratio",     "patch_size",      "image_size",
                                        "patch_dropout", "timm_model_name", "timm_model_pretrained",
                                        "timm_pool",     "timm_proj",       "timm_proj_bias",
                                        "timm_drop",     "timm_drop_path",  NULL};
    const uint32_t usual = 224;
    const char *name;
    diffcut_status status = check_keys(vision, "vision_cfg", known, diag);
    if (status == DIFFCUT_OK) {
        status = json_get_uint(vision, "image_size", &usual, 1, VIT_MAX_IMAGE, &config->image_size, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_text(vision, "timm_model_name", false, NULL, 128, &name, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    return name != NULL ? read_timm(vision, name, config, diag) : read_vit(vision, act, config, diag);
}

static diffcut_status read_text(json_view text, activation act, open_clip_config *config, diffcut_diagnostics *diag) {
    static const char *const known[] = {"context_length", "vocab_size", "width", "heads",
                                        "layers",         "mlp_ratio",  NULL};
    clip_text_config *out = &config->text;
    const double four = 4.0;
    double ratio = four;
    const struct {
        const char *key;
        uint32_t fallback, max;
        uint32_t *value;
    } numbers[] = {
        {"context_length", 77, CLIP_TEXT_MAX_POSITIONS, &out->positions},
        {"vocab_size", 49408, CLIP_TEXT_MAX_VOCABULARY, &out->vocabulary},
        {"width", 512, CLIP_TEXT_MAX_WIDTH, &out->width},
        {"heads", 8, CLIP_TEXT_MAX_WIDTH, &out->heads},
        {"layers", 12, CLIP_TEXT_MAX_LAYERS, &out->layers},
    };
    diffcut_status status = check_keys(text, "text_cfg", known, diag);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && status == DIFFCUT_OK; i++) {
        status = json_get_uint(text, numbers[i].key, &numbers[i].fallback, 1, numbers[i].max, numbers[i].value, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_real(text, "mlp_ratio", &four, 0.01, 16.0, &ratio, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    out->wide = (uint32_t)(out->width * ratio);
    out->projected = config->embedding;
    out->act = act;
    out->eps = (float)EPS;
    if (out->width % out->heads != 0 || out->wide == 0) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                         "%s: text_cfg: width %u, heads %u and mlp_ratio %g do not go together", text.file,
                         out->width, out->heads, ratio);
    }
    return DIFFCUT_OK;
}

diffcut_status open_clip_config_read(json_view view, open_clip_config *out, diffcut_diagnostics *diag) {
    static const char *const known[] = {"embed_dim",        "vision_cfg", "text_cfg",    "quick_gelu",
                                        "init_logit_scale", "cast_dtype", "custom_text", NULL};
    static const char *const parts[] = {"vision_cfg", "text_cfg"};
    open_clip_config config = {.embedding = 0};
    json_view model;
    json_view towers[2] = {{0}};
    bool present;
    bool quick = false;
    diffcut_status status = json_get_object(view, "model_cfg", &present, &model, diag);
    if (status == DIFFCUT_OK && !present) {
        status = diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: model_cfg is missing", view.file);
    }
    if (status == DIFFCUT_OK) {
        status = check_keys(model, "model_cfg", known, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_uint(model, "embed_dim", NULL, 1, VIT_MAX_WIDTH, &config.embedding, diag);
    }
    for (size_t i = 0; i < 2 && status == DIFFCUT_OK; i++) {
        status = json_get_object(model, parts[i], &present, &towers[i], diag);
        if (status == DIFFCUT_OK && !present) {
            status = diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: model_cfg.%s is missing", view.file, parts[i]);
        }
    }
    if (status == DIFFCUT_OK) {
        status = json_get_flag(model, "quick_gelu", false, &quick, diag);
    }
    activation act = quick ? ACTIVATION_QUICK_GELU : ACTIVATION_GELU;
    if (status == DIFFCUT_OK) {
        status = read_vision(towers[0], act, &config, diag);
    }
    if (status == DIFFCUT_OK) {
        status = read_text(towers[1], act, &config, diag);
    }
    if (status == DIFFCUT_OK) {
        status = read_normalisation(view, &config, diag);
    }
    if (status == DIFFCUT_OK) {
        *out = config;
    }
    return status;
}

/* vit.c - see vit.h: life and weights; the run is in vit_run.c. */
#include "nn/vit_internal.h"

#include "core/memory.h"

#include <stdio.h>

#define COMPONENT "encoder"
#define NAME_SIZE 96

/* What a family calls its parts; NULL where it has none. */
typedef struct vit_names {
    const char *layers; /* a layer's prefix, up to its number */
    const char *class_token, *registers, *positions, *patch, *pre_norm, *final_norm;
    const char *norm_1, *query, *key, *value, *attention_end, *scale_1;
    const char *norm_2, *feed_up, *feed_down, *scale_2;
} vit_names;

static const vit_names dinov2_names = {
    .layers = "encoder.layer.",
    .class_token = "embeddings.cls_token",
    .registers = "embeddings.register_tokens",
    .positions = "embeddings.position_embeddings",
    .patch = "embeddings.patch_embeddings.projection",
    .final_norm = "layernorm",
    .norm_1 = "norm1",
    .query = "attention.attention.query",
    .key = "attention.attention.key",
    .value = "attention.attention.value",
    .attention_end = "attention.output.dense",
    .scale_1 = "layer_scale1.lambda1",
    .norm_2 = "norm2",
    .feed_up = "mlp.fc1",
    .feed_down = "mlp.fc2",
    .scale_2 = "layer_scale2.lambda1",
};

static const vit_names plain_names = {
    .layers = "encoder.layer.",
    .class_token = "embeddings.cls_token",
    .positions = "embeddings.position_embeddings",
    .patch = "embeddings.patch_embeddings.projection",
    .final_norm = "layernorm",
    .norm_1 = "layernorm_before",
    .query = "attention.attention.query",
    .key = "attention.attention.key",
    .value = "attention.attention.value",
    .attention_end = "attention.output.dense",
    .norm_2 = "layernorm_after",
    .feed_up = "intermediate.dense",
    .feed_down = "output.dense",
};

/* CLIP's; SigLIP's differ in which of the single parts there are. */
static const vit_names clip_names = {
    .layers = "vision_model.encoder.layers.",
    .class_token = "vision_model.embeddings.class_embedding",
    .positions = "vision_model.embeddings.position_embedding.weight",
    .patch = "vision_model.embeddings.patch_embedding",
    .pre_norm = "vision_model.pre_layrnorm",
    .norm_1 = "layer_norm1",
    .query = "self_attn.q_proj",
    .key = "self_attn.k_proj",
    .value = "self_attn.v_proj",
    .attention_end = "self_attn.out_proj",
    .norm_2 = "layer_norm2",
    .feed_up = "mlp.fc1",
    .feed_down = "mlp.fc2",
};

static vit_names names_of(const vit_config *config) {
    vit_names names = config->family == VIT_DINOV2  ? dinov2_names
                      : config->family == VIT_PLAIN ? plain_names
                                                    : clip_names;
    if (config->family == VIT_SIGLIP) {
        names.pre_norm = NULL;
        names.final_norm = "vision_model.post_layernorm";
    }
    if (config->act == ACTIVATION_SWIGLU) {
        names.feed_up = "mlp.weights_in";
        names.feed_down = "mlp.weights_out";
    }
    return names;
}

/* ------------------------------------------------------------------------------------------------- needs */

static weight_need norm(const char *name, uint32_t width) {
    return (weight_need){
        .parts = {name}, .form = name != NULL ? WEIGHT_FORM_NORM : WEIGHT_FORM_ABSENT, .out = width, .bias = true};
}

static weight_need linear(const vit *self, const char *name, uint32_t out, uint32_t in, bool bias,
                          const char *scale) {
    return (weight_need){.parts = {name},
                         .form = WEIGHT_FORM_LINEAR,
                         .out = out,
                         .in = in,
                         .bias = bias,
                         .precision = self->precision,
                         .scale = scale};
}

static weight_need table(const char *name, uint32_t rows, uint32_t width) {
    return (weight_need){
        .parts = {name}, .form = rows > 0 ? WEIGHT_FORM_TABLE : WEIGHT_FORM_ABSENT, .out = rows, .in = width};
}

static void layer_needs(const vit *self, weight_need needs[VIT_LAYER_SLOTS]) {
    const vit_config *config = &self->config;
    const vit_names n = names_of(config);
    uint32_t c = config->width;
    uint32_t up = config->act == ACTIVATION_SWIGLU ? 2 * config->wide : config->wide;
    needs[VIT_NORM_1] = norm(n.norm_1, c);
    needs[VIT_QUERY] = linear(self, n.query, c, c, config->qkv_bias, NULL);
    needs[VIT_KEY] = linear(self, n.key, c, c, config->qkv_bias, NULL);
    needs[VIT_VALUE] = linear(self, n.value, c, c, config->qkv_bias, NULL);
    needs[VIT_ATTENTION_END] = linear(self, n.attention_end, c, c, true, n.scale_1);
    needs[VIT_NORM_2] = norm(n.norm_2, c);
    needs[VIT_FEED_UP] = linear(self, n.feed_up, up, c, true, NULL);
    needs[VIT_FEED_DOWN] = linear(self, n.feed_down, c, config->wide, true, n.scale_2);
}

static void single_needs(const vit *self, weight_need needs[VIT_SINGLE_SLOTS]) {
    const vit_config *config = &self->config;
    const vit_names n = names_of(config);
    needs[VIT_PATCH] = (weight_need){.parts = {n.patch},
                                     .form = WEIGHT_FORM_CONV,
                                     .out = config->width,
                                     .in = 3,
                                     .kernel = config->patch_size,
                                     .bias = config->family != VIT_CLIP,
                                     .stride = config->patch_size};
    needs[VIT_PRE_NORM] = norm(n.pre_norm, config->width);
    needs[VIT_FINAL_NORM] = norm(n.final_norm, config->width);
}

static void table_needs(const vit *self, weight_need needs[VIT_TABLES]) {
    const vit_config *config = &self->config;
    const vit_names n = names_of(config);
    uint32_t grid = vit_config_grid(config);
    uint32_t has_class = vit_config_has_class(config) ? 1 : 0;
    needs[VIT_CLASS] = table(n.class_token, has_class, config->width);
    needs[VIT_REGISTERS] = table(n.registers, config->registers, config->width);
    needs[VIT_POSITIONS] = table(n.positions, grid * grid + has_class, config->width);
}

static void layer_prefix(const vit *self, size_t layer, char out[NAME_SIZE]) {
    (void)snprintf(out, NAME_SIZE, "%s%zu.", names_of(&self->config).layers, layer);
}

diffcut_status vit_visit(const vit *self, weight_visit_fn visit, void *user) {
    weight_need tables[VIT_TABLES];
    weight_need singles[VIT_SINGLE_SLOTS];
    weight_need needs[VIT_LAYER_SLOTS];
    table_needs(self, tables);
    single_needs(self, singles);
    layer_needs(self, needs);
    diffcut_status status = weights_visit(COMPONENT, "", tables, VIT_TABLES, visit, user);
    if (status == DIFFCUT_OK) {
        status = weights_visit(COMPONENT, "", singles, VIT_SINGLE_SLOTS, visit, user);
    }
    for (size_t i = 0; i < self->config.layers && status == DIFFCUT_OK; i++) {
        char prefix[NAME_SIZE];
        layer_prefix(self, i, prefix);
        status = weights_visit(COMPONENT, prefix, needs, VIT_LAYER_SLOTS, visit, user);
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------- life */

diffcut_status vit_open(backend *target, const checkpoint *source, const vit_config *config, vit **out,
                        diffcut_diagnostics *diag) {
    vit *self = mem_array_zero(1, sizeof *self);
    if (self == NULL) {
        return diag_no_memory(diag, sizeof *self, "an image encoder");
    }
    *self = (vit){.backend = target, .source = source, .config = *config};
    self->layers = mem_array_zero(config->layers, sizeof *self->layers);
    if (self->layers == NULL) {
        mem_free(self);
        return diag_no_memory(diag, config->layers * sizeof *self->layers, "an image encoder");
    }
    *out = self;
    return DIFFCUT_OK;
}

void vit_close(vit *self) {
    if (self == NULL) {
        return;
    }
    for (size_t i = 0; i < self->config.layers; i++) {
        weights_destroy(self->backend, self->layers[i].weights, VIT_LAYER_SLOTS);
    }
    weights_destroy(self->backend, self->singles, VIT_SINGLE_SLOTS);
    for (size_t i = 0; i < VIT_TABLES; i++) {
        mem_free(self->tables[i]);
    }
    mem_free(self->layers);
    mem_free(self);
}

void vit_set_precision(vit *self, dtype precision) {
    self->precision = precision;
}

static diffcut_status load_table(vit *self, size_t index, const weight_need *need, diffcut_diagnostics *diag) {
    if (need->form == WEIGHT_FORM_ABSENT || self->tables[index] != NULL) {
        return DIFFCUT_OK;
    }
    size_t elements;
    float *values = mem_mul(need->out, need->in, &elements) ? mem_array(elements, sizeof *values) : NULL;
    if (values == NULL) {
        return diag_no_memory(diag, (size_t)need->out * need->in * sizeof *values, need->parts[0]);
    }
    diffcut_status status = weight_read(self->source, COMPONENT, "", need, values, diag);
    if (status != DIFFCUT_OK) {
        mem_free(values);
        return status;
    }
    self->tables[index] = values;
    return DIFFCUT_OK;
}

diffcut_status vit_prepare(vit *self, diffcut_diagnostics *diag) {
    weight_need tables[VIT_TABLES];
    weight_need singles[VIT_SINGLE_SLOTS];
    weight_need needs[VIT_LAYER_SLOTS];
    if (self->prepared) {
        return DIFFCUT_OK;
    }
    table_needs(self, tables);
    single_needs(self, singles);
    layer_needs(self, needs);
    diffcut_status status =
        weights_load(self->source, COMPONENT, "", singles, VIT_SINGLE_SLOTS, self->backend, self->singles, diag);
    for (size_t i = 0; i < VIT_TABLES && status == DIFFCUT_OK; i++) {
        status = load_table(self, i, &tables[i], diag);
    }
    for (size_t i = 0; i < self->config.layers && status == DIFFCUT_OK; i++) {
        char prefix[NAME_SIZE];
        layer_prefix(self, i, prefix);
        status = weights_load(self->source, COMPONENT, prefix, needs, VIT_LAYER_SLOTS, self->backend,
                              self->layers[i].weights, diag);
    }
    self->prepared = status == DIFFCUT_OK;
    return status;
}

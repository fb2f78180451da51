/* encoder.c - see encoder.h. */
#include "model/encoder.h"

#include "core/memory.h"

#include <math.h>
#include <string.h>

#define COMPONENT "encoder"
#define CONFIG "config.json"
#define PREPROCESSOR "preprocessor_config.json"
#define OPEN_CLIP_CONFIG "open_clip_config.json"
#define OWN_CONFIG "diffcut.json"
#define MAX_LOGIT_SCALE 100.0F /* CLIP's own bound (Radford et al. 2021, 2.5) */

/* One number, if it is there. */
static diffcut_status read_logit_scale(const checkpoint *source, float *out, diffcut_diagnostics *diag) {
    const safetensors_tensor *stored;
    const char *file;
    float value;
    diffcut_diagnostics ignored;
    *out = 0.0F;
    if (checkpoint_find(source, COMPONENT, "logit_scale", &stored, &file, &ignored) != DIFFCUT_OK) {
        return DIFFCUT_OK;
    }
    if (stored->elements != 1 || stored->type == DTYPE_OTHER) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: tensor logit_scale is not one F32, F16 or BF16 number",
                         file);
    }
    dtype_to_float(stored->type, stored->data, 1, &value);
    if (!isfinite(value)) {
        return diag_fail(diag, DIFFCUT_ERROR_NUMERIC, "%s: tensor logit_scale holds NaN or infinity", file);
    }
    *out = fminf(expf(value), MAX_LOGIT_SCALE);
    return DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- transformers */

static diffcut_status open_image(model_encoder *self, backend *target, const checkpoint *source, json_view config,
                                 diffcut_diagnostics *diag) {
    json_document preprocessor = {0};
    diffcut_status status = DIFFCUT_OK;
    if (checkpoint_has(source, PREPROCESSOR)) {
        status = checkpoint_json(source, PREPROCESSOR, &preprocessor, diag);
    }
    if (status == DIFFCUT_OK) {
        status = image_encoder_open(target, source, config, preprocessor.root, &self->image, diag);
    }
    json_document_free(&preprocessor);
    return status;
}

/* CLIP's whole configuration has its text tower's under a name; both share the root's projection_dim. */
static diffcut_status open_text(model_encoder *self, checkpoint *source, json_view config, const char *words,
                                diffcut_diagnostics *diag) {
    clip_text_config text;
    json_view view;
    bool present;
    diffcut_status status = json_get_object(config, "text_config", &present, &view, diag);
    if (status != DIFFCUT_OK || !present || strcmp(self->image.kind, "clip") != 0) {
        return status;
    }
    status = clip_text_config_read(view, &text, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    const uint32_t usual = 512;
    status = json_get_uint(config, "projection_dim", &usual, 1, CLIP_TEXT_MAX_WIDTH, &text.projected, diag);
    return status == DIFFCUT_OK ? text_tower_open(source, &text, TOKENIZER_TRANSFORMERS, words, &self->text, diag)
                                : status;
}

static diffcut_status open_transformers(model_encoder *self, backend *target, checkpoint *source, const char *words,
                                        diffcut_diagnostics *diag) {
    json_document config;
    diffcut_status status = checkpoint_json(source, CONFIG, &config, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    status = open_image(self, target, source, config.root, diag);
    if (status == DIFFCUT_OK) {
        status = open_text(self, source, config.root, words, diag);
    }
    json_document_free(&config);
    return status;
}

/* ------------------------------------------------------------------------------------------------- open_clip */

static diffcut_status open_clip(model_encoder *self, backend *target, checkpoint *source, const char *words,
                                diffcut_diagnostics *diag) {
    open_clip_config config;
    json_document document;
    diffcut_status status = checkpoint_json(source, OPEN_CLIP_CONFIG, &document, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    status = open_clip_config_read(document.root, &config, diag);
    json_document_free(&document);
    if (status == DIFFCUT_OK) {
        status = image_encoder_open_clip(target, source, &config, &self->image, diag);
    }
    return status == DIFFCUT_OK ? text_tower_open(source, &config.text, TOKENIZER_OPEN_CLIP, words, &self->text, diag)
                                : status;
}

/* ------------------------------------------------------------------------------------------------- life */

diffcut_status model_encoder_open(backend *target, checkpoint *source, const char *words, model_encoder **out,
                                  diffcut_diagnostics *diag) {
    if (checkpoint_has(source, OWN_CONFIG)) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                         OWN_CONFIG ": an image encoder has no defaults of its own beside its configuration");
    }
    model_encoder *self = mem_array_zero(1, sizeof *self);
    if (self == NULL) {
        return diag_no_memory(diag, sizeof *self, "an image encoder");
    }
    bool transformers = checkpoint_get_kind(source) == CHECKPOINT_TRANSFORMERS;
    diffcut_status status = transformers ? open_transformers(self, target, source, words, diag)
                                         : open_clip(self, target, source, words, diag);
    if (status == DIFFCUT_OK) {
        status = read_logit_scale(source, &self->logit_scale, diag);
    }
    if (status == DIFFCUT_OK && words != NULL && !self->text.present) {
        status = diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                           "%.200s: this model has no text tower that a tokenizer could serve", words);
    }
    if (status != DIFFCUT_OK) {
        model_encoder_close(self);
        return status;
    }
    *out = self;
    return DIFFCUT_OK;
}

void model_encoder_close(model_encoder *self) {
    if (self != NULL) {
        image_encoder_close(&self->image);
        text_tower_close(&self->text);
        mem_free(self);
    }
}

void model_encoder_set_precision(model_encoder *self, dtype precision) {
    image_encoder_set_precision(&self->image, precision);
    self->text.network.precision = precision;
}

diffcut_status model_encoder_visit(const model_encoder *self, weight_visit_fn visit, void *user) {
    diffcut_status status = image_encoder_visit(&self->image, visit, user);
    return status == DIFFCUT_OK && self->text.present ? clip_text_visit(&self->text.network, visit, user) : status;
}

/* model.c - see model.h; the public functions on models are here. */
#include "model/model.h"

#include "core/memory.h"
#include "model/hooks.h"
#include "model/single_config.h"

#include <stdio.h>

void diffcut_model_settings_init(diffcut_model_settings *settings) {
    if (settings != NULL) {
        *settings = (diffcut_model_settings){.backend = NULL}; /* the best one built in */
    }
}

/* ------------------------------------------------------------------------------------------------- opening */

#define UNET_CONFIG "unet/config.json"
#define SCHEDULER_CONFIG "scheduler/scheduler_config.json"
#define OWN_CONFIG "diffcut.json"
#define PROMPT_CUT "the prompt was cut to %u tokens, its start and end included"

static diffcut_status read_unet(diffcut_model *model, unet_config *config, diffcut_diagnostics *diag) {
    json_document document;
    diffcut_status status = checkpoint_json(model->source, UNET_CONFIG, &document, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    status = unet_config_read(document.root, config, diag);
    json_document_free(&document);
    if (status == DIFFCUT_OK) {
        status = unet_open(model->backend, model->source, config, &model->network, diag);
    }
    return status;
}

static diffcut_status read_scheduler(diffcut_model *model, diffcut_diagnostics *diag) {
    scheduler_init(&model->noise);
    if (!checkpoint_has(model->source, SCHEDULER_CONFIG)) {
        return DIFFCUT_OK;
    }
    json_document document;
    diffcut_status status = checkpoint_json(model->source, SCHEDULER_CONFIG, &document, diag);
    if (status == DIFFCUT_OK) {
        status = scheduler_read(document.root, &model->noise, diag);
        json_document_free(&document);
    }
    return status;
}

/* For a model that gives no name. */
static void name_by_path(diffcut_model *model) {
    (void)snprintf(model->settings.name, sizeof model->settings.name, "%.*s", MODEL_NAME_SIZE - 1,
                   checkpoint_name(model->source));
}

static diffcut_status read_settings(diffcut_model *model, const unet_config *config, diffcut_diagnostics *diag) {
    bool known;
    model_settings base;
    model_settings_init(config, &base, &known);
    model->settings = base;
    if (checkpoint_has(model->source, OWN_CONFIG)) {
        json_document document;
        diffcut_status status = checkpoint_json(model->source, OWN_CONFIG, &document, diag);
        if (status != DIFFCUT_OK) {
            return status;
        }
        status = model_settings_read(document.root, config, &base, &model->settings, diag);
        json_document_free(&document);
        if (status != DIFFCUT_OK) {
            return status;
        }
    }
    if (!known && model->settings.family != MODEL_PIXEL) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                         UNET_CONFIG ": in_channels is %u; 4 is supported, or what " OWN_CONFIG
                                     " says of a pixel_unshuffle first stage",
                         config->in_channels);
    }
    if (model->settings.name[0] == '\0') {
        name_by_path(model);
    }
    return DIFFCUT_OK;
}

static diffcut_status choose_hook(diffcut_model *model, diffcut_diagnostics *diag) {
    const unet_plan *plan = unet_get_plan(model->network);
    if (model->settings.hook[0] == '\0') {
        return unet_plan_default_hook(plan, &model->hook, diag);
    }
    if (unet_plan_hook(plan, model->settings.hook, &model->hook, diag) != DIFFCUT_OK) {
        return diag_prefix(diag, DIFFCUT_ERROR_MODEL, OWN_CONFIG ": hook");
    }
    return DIFFCUT_OK;
}

static diffcut_status check_timestep(const diffcut_model *model, diffcut_diagnostics *diag) {
    if ((uint32_t)model->settings.timestep < model->noise.steps) {
        return DIFFCUT_OK;
    }
    return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                     "the default timestep is %d (" OWN_CONFIG
                     "'s, else the paper's); scheduler/scheduler_config.json "
                     "has 0 .. %u",
                     model->settings.timestep, model->noise.steps - 1);
}

typedef struct need_sum {
    const checkpoint *source;
    weight_totals *totals;
    diffcut_diagnostics *diag;
} need_sum;

static diffcut_status add_need(void *user, const char *component, const char *prefix, const weight_need *need) {
    const need_sum *sum = user;
    return weight_check(sum->source, component, prefix, need, sum->totals, sum->diag);
}

/* Checks by their headers all tensors that the features need, and adds them up. */
static diffcut_status check_weights(diffcut_model *model, diffcut_diagnostics *diag) {
    need_sum sum = {model->source, &model->needed, diag};
    if (model->encoder != NULL) {
        return model_encoder_visit(model->encoder, add_need, &sum);
    }
    diffcut_status status = unet_visit(model->network, model->hook.step + 1, add_need, &sum);
    if (status == DIFFCUT_OK) {
        status = context_source_visit(model->text, add_need, &sum);
    }
    sum.source = model->other != NULL ? model->other : model->source;
    return status == DIFFCUT_OK ? first_stage_visit(model->first_stage, add_need, &sum) : status;
}

static diffcut_status open_first_stage(diffcut_model *model, const diffcut_model_settings *settings,
                                       diffcut_diagnostics *diag) {
    checkpoint *source = model->source;
    first_stage_wanted wanted = {.kind = model->settings.first_stage,
                                 .factor = model->settings.factor,
                                 .channels = unet_get_plan(model->network)->config.in_channels};
    if (settings->first_stage != NULL) {
        diffcut_status status = checkpoint_open_component(settings->first_stage, "vae", NULL, &model->other, diag);
        if (status != DIFFCUT_OK) {
            return status;
        }
        source = model->other;
        wanted.kind = FIRST_STAGE_OWN;
    }
    return first_stage_open(model->backend, &wanted, source, &model->first_stage, diag);
}

/* Below this many parameters a UNet's products are a small part of a photo's time, which bf16 would not shorten much,
 * and the model stays with the numbers that it was made with. */
#define BF16_LEAST_PARAMETERS 50000000U

/* Adds a weight's numbers up by its shape: its tensors need not be there. */
static diffcut_status add_parameters(void *user, const char *component, const char *prefix, const weight_need *need) {
    uint64_t *sum = user;
    uint64_t parts = 0;
    (void)component;
    (void)prefix;
    while (parts < WEIGHT_MAX_PARTS && need->parts[parts] != NULL) {
        parts++;
    }
    *sum += parts * need->out * need->in * (need->form == WEIGHT_FORM_CONV3X3 ? 9 : 1);
    return DIFFCUT_OK;
}

/* Of the network that features go through. */
static uint64_t count_parameters(const diffcut_model *model) {
    uint64_t parameters = 0;
    if (model->encoder != NULL) {
        (void)image_encoder_visit(&model->encoder->image, add_parameters, &parameters);
    } else {
        (void)unet_visit(model->network, model->hook.step + 1, add_parameters, &parameters);
    }
    return parameters;
}

static diffcut_status choose_precision(diffcut_model *model, diffcut_precision wanted, diffcut_diagnostics *diag) {
    if ((int)wanted < DIFFCUT_PRECISION_AUTO || wanted > DIFFCUT_PRECISION_BF16) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "precision %d is none of the precisions", (int)wanted);
    }
    const backend_ops *ops = model->backend->ops;
    backend_bf16 support = ops->bf16(model->backend);
    if (wanted == DIFFCUT_PRECISION_BF16 && support == BACKEND_BF16_NONE) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "precision bf16: backend %s computes in f32 only",
                         ops->name);
    }
    bool large = count_parameters(model) >= BF16_LEAST_PARAMETERS;
    bool reduce = wanted == DIFFCUT_PRECISION_BF16 ||
                  (wanted == DIFFCUT_PRECISION_AUTO && support == BACKEND_BF16_FAST && large);
    model->precision = reduce ? DTYPE_BF16 : DTYPE_F32;
    if (model->encoder != NULL) {
        model_encoder_set_precision(model->encoder, model->precision);
    } else {
        unet_set_precision(model->network, model->precision);
        context_source_set_precision(model->text, model->precision);
    }
    return DIFFCUT_OK;
}

/* What only a diffusion model has a use for is refused, not ignored. */
static diffcut_status check_encoder_settings(const diffcut_model_settings *settings, diffcut_diagnostics *diag) {
    const char *what = settings->first_stage != NULL ? "first stage" : settings->context != NULL ? "context" : NULL;
    if (what == NULL) {
        return DIFFCUT_OK;
    }
    return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "an image encoder takes no %s", what);
}

static diffcut_status open_encoder(diffcut_model *model, const diffcut_model_settings *settings,
                                   diffcut_diagnostics *diag) {
    diffcut_status status = check_encoder_settings(settings, diag);
    if (status == DIFFCUT_OK) {
        status = checkpoint_require(model->source, "encoder", diag);
    }
    if (status == DIFFCUT_OK) {
        status = backend_open(settings->backend, &model->backend, diag);
    }
    if (status == DIFFCUT_OK) {
        status = model_encoder_open(model->backend, model->source, settings->tokenizer, &model->encoder, diag);
    }
    if (status == DIFFCUT_OK) {
        status = model_about_read(model->source, &model->about, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    model_settings_of_encoder(model->encoder->image.image_size, &model->settings);
    name_by_path(model);
    return choose_precision(model, settings->precision, diag);
}

static diffcut_status open_parts(diffcut_model *model, const char *path, const diffcut_model_settings *settings,
                                 diffcut_diagnostics *diag) {
    unet_config config;
    const checkpoint_settings layout = {.variant = settings->variant, .config = settings->config};
    diffcut_status status = checkpoint_open(path, &layout, &model->source, diag);
    if (status == DIFFCUT_OK && checkpoint_get_kind(model->source) != CHECKPOINT_DIFFUSION) {
        return open_encoder(model, settings, diag);
    }
    if (status == DIFFCUT_OK && settings->tokenizer != NULL) {
        status =
            diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                      "%.200s: a tokenizer beside the model's can be given for a CLIP only", settings->tokenizer);
    }
    if (status == DIFFCUT_OK) {
        status = checkpoint_require(model->source, "unet", diag);
    }
    if (status == DIFFCUT_OK) {
        status = backend_open(settings->backend, &model->backend, diag);
    }
    if (status == DIFFCUT_OK) {
        status = read_unet(model, &config, diag);
    }
    if (status == DIFFCUT_OK) {
        status = read_scheduler(model, diag);
    }
    if (status == DIFFCUT_OK) {
        status = read_settings(model, &config, diag);
    }
    if (status == DIFFCUT_OK) {
        status = check_timestep(model, diag);
    }
    if (status == DIFFCUT_OK) {
        status = choose_hook(model, diag);
    }
    if (status == DIFFCUT_OK) {
        status = open_first_stage(model, settings, diag);
    }
    if (status == DIFFCUT_OK) {
        status = context_source_open(model->source, &unet_get_plan(model->network)->config, &model->settings,
                                     settings->context, &model->text, diag);
    }
    if (status == DIFFCUT_OK) {
        status = model_about_read(model->source, &model->about, diag);
    }
    if (status == DIFFCUT_OK) {
        status = choose_precision(model, settings->precision, diag);
    }
    return status;
}

static void free_model(diffcut_model *model) {
    context_cache_free(&model->contexts);
    model_encoder_close(model->encoder);
    context_source_close(model->text);
    unet_close(model->network);
    first_stage_close(model->first_stage);
    if (model->backend != NULL) {
        model->backend->ops->close(model->backend);
    }
    checkpoint_close(model->other);
    checkpoint_close(model->source);
    (void)pthread_mutex_destroy(&model->preparing);
    mem_free(model);
}

diffcut_status model_open_unchecked(const char *path, const diffcut_model_settings *settings, diffcut_model **out,
                                    diffcut_diagnostics *diag) {
    diffcut_model *model = mem_array_zero(1, sizeof *model);
    if (model == NULL) {
        return diag_no_memory(diag, sizeof *model, "a model");
    }
    if (pthread_mutex_init(&model->preparing, NULL) != 0) {
        mem_free(model);
        return diag_fail(diag, DIFFCUT_ERROR_MEMORY, "no memory for a model's lock");
    }
    atomic_init(&model->owners, 1);
    diffcut_model_settings defaults;
    diffcut_model_settings_init(&defaults);
    diffcut_status status = open_parts(model, path, settings != NULL ? settings : &defaults, diag);
    if (status != DIFFCUT_OK) {
        free_model(model);
        return status;
    }
    *out = model;
    return DIFFCUT_OK;
}

static diffcut_status open_model(const char *path, const diffcut_model_settings *settings, diffcut_model **out,
                                 diffcut_diagnostics *diag) {
    diffcut_model *model = NULL;
    diffcut_status status = model_open_unchecked(path, settings, &model, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    status = check_weights(model, diag);
    if (status != DIFFCUT_OK) {
        free_model(model);
        return status;
    }
    *out = model;
    return DIFFCUT_OK;
}

diffcut_status diffcut_model_open(const char *path, const diffcut_model_settings *settings, diffcut_model **out,
                                  diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = diagnostics != NULL ? diagnostics : &local;
    diag_clear(diag);
    if (out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_model_open: out is NULL");
    }
    if (path != NULL) {
        return open_model(path, settings, out, diag);
    }
    char *embedded;
    diffcut_status status = model_find_embedded(&embedded, diag);
    if (status == DIFFCUT_OK) {
        status = open_model(embedded, settings, out, diag);
        mem_free(embedded);
    }
    return status;
}

diffcut_model *diffcut_model_retain(diffcut_model *model) {
    atomic_fetch_add_explicit(&model->owners, 1, memory_order_relaxed);
    return model;
}

void diffcut_model_release(diffcut_model *model) {
    if (model != NULL && atomic_fetch_sub_explicit(&model->owners, 1, memory_order_acq_rel) == 1) {
        free_model(model);
    }
}

/* ------------------------------------------------------------------------------------------------- use */

/* How many text encoders a prompt's context takes; none where the model was trained with zeros. */
static uint32_t encoders_needed(const diffcut_model *model) {
    if (model->settings.family == MODEL_PIXEL || model->settings.context_tokens > 0) {
        return 0;
    }
    return model->settings.family == MODEL_SDXL ? 2 : 1;
}

/* What the two kinds of model tell in different ways. */
typedef struct info_parts {
    const char *family, *first_stage, *hook;
    uint32_t stride, channels, encoders, encoders_needed;
} info_parts;

static info_parts parts_of(const diffcut_model *model) {
    if (model->encoder != NULL) {
        const image_encoder *image = &model->encoder->image;
        return (info_parts){.family = image->kind,
                            .first_stage = "none",
                            .hook = HOOKS_TOKENS,
                            .stride = image->stride,
                            .channels = image->channels,
                            .encoders = model->encoder->text.present ? 1 : 0};
    }
    return (info_parts){.family = model_family_name(model->settings.family),
                        .first_stage = first_stage_name(first_stage_get_kind(model->first_stage)),
                        .hook = model->hook.name,
                        .stride = model->settings.factor << model->hook.level,
                        .channels = model->hook.channels,
                        .encoders = model->about.text_encoders,
                        .encoders_needed = encoders_needed(model)};
}

void diffcut_model_get_info(const diffcut_model *model, diffcut_model_info *info) {
    const info_parts parts = parts_of(model);
    *info = (diffcut_model_info){
        .name = model->settings.name,
        .path = checkpoint_path(model->source),
        .family = parts.family,
        .first_stage = parts.first_stage,
        .backend = model->backend->ops->name,
        .precision = model->precision == DTYPE_BF16 ? "bf16" : "f32",
        .dtype = weight_totals_type(&model->needed),
        .hook = parts.hook,
        .size = model->settings.size,
        .multiple = parts.stride, /* so that every token covers as many pixels as the others */
        .timestep = model->settings.timestep,
        .alpha = model->settings.alpha,
        .tau = model->settings.tau,
        .parameters_needed = model->needed.parameters,
        .parameters_total = model->about.parameters,
        .bytes_needed = model->needed.bytes,
        .feature_channels = parts.channels,
        .feature_stride = parts.stride,
        .bytes_total = model->about.bytes,
        .layout = model->about.layout,
        .variant = model->about.variant,
        .cached = model->about.cached,
        .license = model->about.license,
        .license_file = model->about.license_file,
        .text_encoders = parts.encoders,
        .text_encoders_needed = parts.encoders_needed,
    };
}

diffcut_status model_need_diffusion(const diffcut_model *model, const char *what, diffcut_diagnostics *diag) {
    if (model->encoder == NULL) {
        return DIFFCUT_OK;
    }
    return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "%s: %s is an image encoder (%s), which has none", what,
                     model->settings.name, model->encoder->image.kind);
}

diffcut_status model_prepare_encoder(const diffcut_model *model, const work *w, bool head) {
    diffcut_model *self = (diffcut_model *)(uintptr_t)model; /* as below */
    (void)pthread_mutex_lock(&self->preparing);
    diffcut_status status = image_encoder_prepare(&self->encoder->image, head, w->diag);
    (void)pthread_mutex_unlock(&self->preparing);
    return status;
}

diffcut_status model_prepare_words(const diffcut_model *model, const work *w) {
    diffcut_model *self = (diffcut_model *)(uintptr_t)model; /* as below */
    (void)pthread_mutex_lock(&self->preparing);
    diffcut_status status = text_tower_prepare(&self->encoder->text, w->diag);
    (void)pthread_mutex_unlock(&self->preparing);
    return status;
}

diffcut_status model_encode_text(const diffcut_model *model, backend_stream *stream, const work *w,
                                 const char *prompt, context_arrays *out) {
    uint32_t cut_to;
    context_arrays arrays;
    prompt = prompt != NULL ? prompt : "";
    diffcut_status status = context_source_encode(model->text, model->backend, stream, w, prompt, &arrays, &cut_to);
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (cut_to > 0) {
        work_note(w, PROMPT_CUT, cut_to);
    }
    *out = arrays;
    return DIFFCUT_OK;
}

/* A prompt's context, computed now and kept. With the lock held. */
static diffcut_status make_context(diffcut_model *model, backend_stream *stream, const work *w, const char *prompt,
                                   const context_entry **out) {
    context_arrays arrays;
    unet_context *context = NULL;
    uint32_t cut_to;
    diffcut_status status = context_source_encode(model->text, model->backend, stream, w, prompt, &arrays, &cut_to);
    if (status != DIFFCUT_OK) {
        return status;
    }
    status = unet_context_create(model->network, arrays.data, arrays.tokens, arrays.channels, arrays.pooled,
                                 arrays.pooled_width, &context, w->diag);
    if (status == DIFFCUT_OK) {
        status = context_cache_add(&model->contexts, prompt, context, cut_to, out, w->diag);
    }
    if (status != DIFFCUT_OK) {
        unet_context_free(context);
    }
    context_arrays_free(&arrays);
    return status;
}

/* The prompt's context with one more user, computed if it is not there. With the lock held. */
static diffcut_status take_context(diffcut_model *self, backend_stream *stream, const work *w, const char *prompt,
                                   const context_entry **entry) {
    *entry = context_cache_take(&self->contexts, prompt);
    return *entry != NULL ? DIFFCUT_OK : make_context(self, stream, w, prompt, entry);
}

diffcut_status model_prepare_text(const diffcut_model *model, backend_stream *stream, const work *w,
                                  const char *prompt) {
    diffcut_model *self = (diffcut_model *)(uintptr_t)model; /* as below */
    const context_entry *entry = NULL;
    (void)pthread_mutex_lock(&self->preparing);
    diffcut_status status = take_context(self, stream, w, prompt != NULL ? prompt : "", &entry);
    if (status == DIFFCUT_OK) {
        context_cache_release(&self->contexts, entry->context);
    }
    (void)pthread_mutex_unlock(&self->preparing);
    return status;
}

diffcut_status model_prepare_first_stage(const diffcut_model *model, const work *w) {
    diffcut_model *self = (diffcut_model *)(uintptr_t)model; /* as below */
    (void)pthread_mutex_lock(&self->preparing);
    diffcut_status status = first_stage_prepare(self->first_stage, w->diag);
    (void)pthread_mutex_unlock(&self->preparing);
    return status;
}

/* With the lock held: everything that a run up to `steps` needs but the first stage. */
static diffcut_status prepare(diffcut_model *self, backend_stream *stream, const work *w, size_t steps,
                              const char *prompt, const context_entry **entry) {
    diffcut_status status = take_context(self, stream, w, prompt, entry);
    if (status == DIFFCUT_OK) {
        status = unet_prepare(self->network, steps, w->diag);
    }
    if (status == DIFFCUT_OK) {
        status = unet_context_prepare((*entry)->context, stream, steps, w->diag);
    }
    if (status != DIFFCUT_OK && *entry != NULL) {
        context_cache_release(&self->contexts, (*entry)->context);
    }
    return status;
}

diffcut_status model_prepare(const diffcut_model *model, backend_stream *stream, const work *w, const unet_hook *hook,
                             const char *prompt, unet_context **context) {
    /* A model is const to its users; what is prepared late is guarded here and never changes once prepared. */
    diffcut_model *self = (diffcut_model *)(uintptr_t)model;
    const context_entry *entry = NULL;
    (void)pthread_mutex_lock(&self->preparing);
    diffcut_status status = prepare(self, stream, w, hook->step + 1, prompt != NULL ? prompt : "", &entry);
    if (status == DIFFCUT_OK) {
        *context = entry->context;
        if (entry->cut_to > 0) {
            work_note(w, PROMPT_CUT, entry->cut_to);
        }
    }
    (void)pthread_mutex_unlock(&self->preparing);
    return status;
}

void model_release_context(const diffcut_model *model, unet_context *context) {
    diffcut_model *self = (diffcut_model *)(uintptr_t)model;
    if (context == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&self->preparing);
    context_cache_release(&self->contexts, context);
    (void)pthread_mutex_unlock(&self->preparing);
}

/* settings.c - see settings.h. */
#include "model/settings.h"

#include <stdio.h>
#include <string.h>

/* The paper: 1024 pixels for SDXL's family, 512 for Stable Diffusion 1 and 2, t = 50, alpha 10, tau 0.5. */
#define SDXL_SIZE 1024
#define SD_SIZE 512
#define PAPER_TIMESTEP 50
#define PAPER_ALPHA 10.0
#define PAPER_TAU 0.5

#define AUTOENCODER_FACTOR 8
#define AUTOENCODER_CHANNELS 4

#define FORMAT 1
#define MAX_FACTOR 64
#define MAX_SIZE 16384
#define MAX_ALPHA 1000.0
#define MAX_TIMESTEP 9999
#define MAX_CONTEXT_TOKENS 1024

static const char *const first_stages[] = {[FIRST_STAGE_OWN] = "vae",
                                           [FIRST_STAGE_PIXEL_UNSHUFFLE] = "pixel_unshuffle",
                                           [FIRST_STAGE_AUTOENCODER_KL] = "AutoencoderKL",
                                           [FIRST_STAGE_AUTOENCODER_TINY] = "AutoencoderTiny"};

const char *model_family_name(model_family family) {
    static const char *const names[] = {"pixel", "sd", "sdxl"};
    return names[family];
}

const char *first_stage_name(first_stage_kind kind) {
    return first_stages[kind];
}

void model_settings_init(const unet_config *config, model_settings *out, bool *known) {
    *out = (model_settings){
        .family = config->added_condition ? MODEL_SDXL : MODEL_SD,
        .first_stage = FIRST_STAGE_OWN,
        .factor = AUTOENCODER_FACTOR,
        .size = config->added_condition ? SDXL_SIZE : SD_SIZE,
        .timestep = PAPER_TIMESTEP,
        .alpha = PAPER_ALPHA,
        .tau = PAPER_TAU,
    };
    *known = config->in_channels == AUTOENCODER_CHANNELS;
}

void model_settings_of_encoder(uint32_t image_size, model_settings *out) {
    *out = (model_settings){.size = image_size, .alpha = PAPER_ALPHA, .tau = PAPER_TAU};
}

static diffcut_status read_first_stage(json_view view, const unet_config *config, model_settings *settings,
                                       diffcut_diagnostics *diag) {
    static const char *const known[] = {"type", "factor", NULL};
    bool present;
    json_view stage;
    const char *type;
    diffcut_status status = json_get_object(view, "first_stage", &present, &stage, diag);
    if (status != DIFFCUT_OK || !present) {
        return status;
    }
    const char *unknown = json_unknown_key(stage, known);
    if (unknown != NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: first_stage.%.60s is not a key that this version knows",
                         view.file, unknown);
    }
    status = json_get_text(stage, "type", true, NULL, 64, &type, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    static const first_stage_kind autoencoders[] = {FIRST_STAGE_AUTOENCODER_KL, FIRST_STAGE_AUTOENCODER_TINY};
    for (size_t i = 0; i < sizeof autoencoders / sizeof *autoencoders; i++) {
        if (strcmp(type, first_stages[autoencoders[i]]) == 0) {
            const uint32_t factor = AUTOENCODER_FACTOR;
            settings->first_stage = autoencoders[i];
            return json_get_uint(stage, "factor", &factor, factor, factor, &settings->factor, diag);
        }
    }
    if (strcmp(type, first_stages[FIRST_STAGE_PIXEL_UNSHUFFLE]) != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                         "%s: first_stage.type \"%s\" is not supported; \"pixel_unshuffle\", \"AutoencoderKL\" and "
                         "\"AutoencoderTiny\" are",
                         view.file, type);
    }
    status = json_get_uint(stage, "factor", NULL, 1, MAX_FACTOR, &settings->factor, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    uint32_t channels = 3 * settings->factor * settings->factor;
    if (config->in_channels != channels) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                         "%s: first_stage.factor %u gives %u channels, unet/config.json has in_channels %u",
                         view.file, settings->factor, channels, config->in_channels);
    }
    if (config->added_condition) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                         "%s: pixel_unshuffle with addition_embed_type \"text_time\" is not supported", view.file);
    }
    settings->first_stage = FIRST_STAGE_PIXEL_UNSHUFFLE;
    settings->family = MODEL_PIXEL;
    return DIFFCUT_OK;
}

/* context: "zeros" (context_tokens of them) or "empty-prompt". */
static diffcut_status read_context(json_view view, model_settings *settings, diffcut_diagnostics *diag) {
    const char *fallback = settings->family == MODEL_PIXEL ? "zeros" : "empty-prompt";
    const uint32_t one = 1;
    const char *context;
    uint32_t tokens;
    diffcut_status status = json_get_text(view, "context", false, fallback, 64, &context, diag);
    if (status == DIFFCUT_OK) {
        status = json_get_uint(view, "context_tokens", &one, 1, MAX_CONTEXT_TOKENS, &tokens, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (strcmp(context, "zeros") == 0) {
        settings->context_tokens = tokens;
    } else if (strcmp(context, "empty-prompt") != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                         "%s: context \"%s\" is not supported; \"zeros\" and \"empty-prompt\" are", view.file,
                         context);
    } else if (settings->family == MODEL_PIXEL) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                         "%s: context \"empty-prompt\" is not supported with pixel_unshuffle; \"zeros\" is",
                         view.file);
    }
    return DIFFCUT_OK;
}

static diffcut_status read_defaults(json_view view, model_settings *settings, diffcut_diagnostics *diag) {
    const uint32_t base_timestep = (uint32_t)settings->timestep;
    uint32_t timestep;
    const char *name;
    const char *hook;
    diffcut_status status =
        json_get_text(view, "name", false, settings->name, sizeof settings->name - 1, &name, diag);
    if (status == DIFFCUT_OK) {
        status = json_get_text(view, "hook", false, settings->hook, sizeof settings->hook - 1, &hook, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_uint(view, "size", &settings->size, settings->factor, MAX_SIZE, &settings->size, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_uint(view, "timestep", &base_timestep, 0, MAX_TIMESTEP, &timestep, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_real(view, "alpha", &settings->alpha, 1e-6, MAX_ALPHA, &settings->alpha, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_real(view, "tau", &settings->tau, 0.0, 1.0, &settings->tau, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    settings->timestep = (int32_t)timestep;
    if (name != settings->name) {
        (void)snprintf(settings->name, sizeof settings->name, "%s", name);
    }
    if (hook != settings->hook) {
        (void)snprintf(settings->hook, sizeof settings->hook, "%s", hook);
    }
    return DIFFCUT_OK;
}

diffcut_status model_settings_read(json_view view, const unet_config *config, const model_settings *base,
                                   model_settings *out, diffcut_diagnostics *diag) {
    static const char *const known[] = {"format",         "name", "first_stage", "context",
                                        "context_tokens", "size", "timestep",    "hook",
                                        "alpha",          "tau",  NULL};
    const char *unknown = json_unknown_key(view, known);
    if (unknown != NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                         "%s: %.60s is not a key that this version knows (format, name, first_stage, context, "
                         "context_tokens, size, timestep, hook, alpha, tau)",
                         view.file, unknown);
    }
    const uint32_t format = FORMAT;
    uint32_t has;
    diffcut_status status = json_get_uint(view, "format", &format, 1, UINT32_MAX, &has, diag);
    if (status == DIFFCUT_OK && has != FORMAT) {
        status = diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "%s: format is %u, this version reads %d", view.file, has,
                           FORMAT);
    }
    model_settings settings = *base;
    if (status == DIFFCUT_OK) {
        status = read_first_stage(view, config, &settings, diag);
    }
    if (status == DIFFCUT_OK) {
        status = read_context(view, &settings, diag);
    }
    if (status == DIFFCUT_OK) {
        status = read_defaults(view, &settings, diag);
    }
    if (status == DIFFCUT_OK) {
        *out = settings;
    }
    return status;
}

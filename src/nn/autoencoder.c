/* autoencoder.c - an autoencoder's list of steps and its weights. See autoencoder.h. */
#include "nn/autoencoder.h"

#include "core/memory.h"
#include "nn/bands.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------- plan */

diffcut_status autoencoder_plan_begin(size_t room, autoencoder_plan *out, diffcut_diagnostics *diag) {
    autoencoder_plan plan = {.room = room};
    plan.steps = mem_array_zero(room, sizeof *plan.steps);
    if (plan.steps == NULL) {
        return diag_no_memory(diag, room * sizeof *plan.steps, "the first stage's steps");
    }
    *out = plan;
    return DIFFCUT_OK;
}

autoencoder_step *autoencoder_plan_add(autoencoder_plan *plan, autoencoder_step_kind kind, uint32_t in, uint32_t out,
                                       const char *name, ...) {
    autoencoder_step *step = &plan->steps[plan->count++]; /* the planners count their steps before */
    *step = (autoencoder_step){.kind = kind, .part = "", .in = in, .out = out, .pixel = plan->factor, .bias = true};
    va_list args;
    va_start(args, name);
    (void)vsnprintf(step->name, sizeof step->name, name, args);
    va_end(args);
    return step;
}

void autoencoder_plan_free(autoencoder_plan *plan) {
    mem_free(plan->steps);
    *plan = (autoencoder_plan){0};
}

diffcut_status autoencoder_read_scaling(json_view config, double scale, autoencoder_plan *plan,
                                        diffcut_diagnostics *diag) {
    const double none = 0.0;
    double shift;
    diffcut_status status = json_get_real(config, "scaling_factor", &scale, 1e-6, 1e6, &scale, diag);
    if (status == DIFFCUT_OK) {
        status = json_get_real(config, "shift_factor", &none, -1e6, 1e6, &shift, diag);
    }
    if (status == DIFFCUT_OK) {
        plan->scale = (float)scale;
        plan->shift = (float)shift;
    }
    return status;
}

diffcut_status autoencoder_check_keys(json_view config, const char *const *known, diffcut_diagnostics *diag) {
    const char *unknown = json_unknown_key(config, known);
    if (unknown != NULL && !json_is_off(config, unknown)) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "%s: %.80s is not a key that this version knows",
                         config.file, unknown);
    }
    return DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- weights */

/* Grids whose positions are at most this many pixels wide are large: 256 x 256 positions of a photo of 1024. */
#define LARGE_GRID_PIXEL 4

static weight_need conv(const autoencoder_step *step, const char *part, uint32_t in, bool bias, uint32_t stride) {
    return (weight_need){.parts = {part},
                         .form = WEIGHT_FORM_CONV3X3,
                         .out = step->out,
                         .in = in,
                         .bias = bias,
                         .stride = stride,
                         .large_grid = step->pixel <= LARGE_GRID_PIXEL};
}

static weight_need norm(const char *part, uint32_t channels) {
    return (weight_need){.parts = {part}, .form = WEIGHT_FORM_NORM, .out = channels, .in = 1, .bias = true};
}

static weight_need product(const char *part, enum weight_form form, uint32_t out, uint32_t in) {
    return (weight_need){.parts = {part}, .form = form, .out = out, .in = in, .bias = true};
}

void autoencoder_step_needs(const autoencoder_step *step, weight_need needs[AUTOENCODER_SLOTS]) {
    memset(needs, 0, AUTOENCODER_SLOTS * sizeof *needs);
    uint32_t in = step->in;
    uint32_t out = step->out;
    switch (step->kind) {
    case AUTOENCODER_CONV:
    case AUTOENCODER_DOWNSAMPLE:
        needs[AUTOENCODER_WEIGHT] =
            conv(step, step->part, in, step->bias, step->kind == AUTOENCODER_DOWNSAMPLE ? 2 : 1);
        break;
    case AUTOENCODER_RESNET:
        needs[AUTOENCODER_NORM_1] = norm(".norm1", in);
        needs[AUTOENCODER_CONV_1] = conv(step, ".conv1", in, true, 1);
        needs[AUTOENCODER_NORM_2] = norm(".norm2", out);
        needs[AUTOENCODER_CONV_2] = conv(step, ".conv2", out, true, 1);
        if (in != out) {
            needs[AUTOENCODER_SHORTCUT] = product(".conv_shortcut", WEIGHT_FORM_POINT, out, in);
        }
        break;
    case AUTOENCODER_ATTENTION:
        needs[AUTOENCODER_ATTENTION_NORM] = norm(".group_norm", in);
        needs[AUTOENCODER_Q] = product(".to_q", WEIGHT_FORM_PROJECTION, in, in);
        needs[AUTOENCODER_K] = product(".to_k", WEIGHT_FORM_PROJECTION, in, in);
        needs[AUTOENCODER_V] = product(".to_v", WEIGHT_FORM_PROJECTION, in, in);
        needs[AUTOENCODER_OUT] = product(".to_out.0", WEIGHT_FORM_PROJECTION, in, in);
        break;
    case AUTOENCODER_NORM:
        needs[AUTOENCODER_WEIGHT] = norm("", in);
        break;
    case AUTOENCODER_POINT:
        needs[AUTOENCODER_WEIGHT] = product("", WEIGHT_FORM_POINT, out, in);
        break;
    case AUTOENCODER_BLOCK:
        needs[0] = conv(step, ".conv.0", in, true, 1);
        needs[1] = conv(step, ".conv.2", out, true, 1);
        needs[2] = conv(step, ".conv.4", out, true, 1);
        break;
    case AUTOENCODER_KIND_COUNT:
        break;
    }
}

/* ------------------------------------------------------------------------------------------------- life */

diffcut_status autoencoder_open(backend *target, const checkpoint *source, autoencoder_plan *plan, autoencoder **out,
                                diffcut_diagnostics *diag) {
    autoencoder *self = mem_array_zero(1, sizeof *self);
    if (self == NULL) {
        autoencoder_plan_free(plan);
        return diag_no_memory(diag, sizeof *self, "an autoencoder");
    }
    *self = (autoencoder){.backend = target, .source = source, .plan = *plan, .piece = BANDS_PIECE};
    *plan = (autoencoder_plan){0};
    *out = self;
    return DIFFCUT_OK;
}

void autoencoder_close(autoencoder *self) {
    if (self == NULL) {
        return;
    }
    for (size_t i = 0; i < self->prepared; i++) {
        weights_destroy(self->backend, self->plan.steps[i].weights, AUTOENCODER_SLOTS);
    }
    autoencoder_plan_free(&self->plan);
    mem_free(self);
}

diffcut_status autoencoder_visit(const autoencoder *self, weight_visit_fn visit, void *user) {
    for (size_t i = 0; i < self->plan.count; i++) {
        weight_need needs[AUTOENCODER_SLOTS];
        const autoencoder_step *step = &self->plan.steps[i];
        autoencoder_step_needs(step, needs);
        diffcut_status status =
            weights_visit(AUTOENCODER_COMPONENT, step->name, needs, AUTOENCODER_SLOTS, visit, user);
        if (status != DIFFCUT_OK) {
            return status;
        }
    }
    return DIFFCUT_OK;
}

/* A step is there as a whole or not at all. */
static diffcut_status prepare_step(const autoencoder *self, autoencoder_step *step, diffcut_diagnostics *diag) {
    weight_need needs[AUTOENCODER_SLOTS];
    autoencoder_step_needs(step, needs);
    diffcut_status status = weights_load(self->source, AUTOENCODER_COMPONENT, step->name, needs, AUTOENCODER_SLOTS,
                                         self->backend, step->weights, diag);
    if (status != DIFFCUT_OK) {
        weights_destroy(self->backend, step->weights, AUTOENCODER_SLOTS);
    }
    return status;
}

diffcut_status autoencoder_prepare(autoencoder *self, diffcut_diagnostics *diag) {
    while (self->prepared < self->plan.count) {
        diffcut_status status = prepare_step(self, &self->plan.steps[self->prepared], diag);
        if (status != DIFFCUT_OK) {
            return status;
        }
        self->prepared++;
    }
    return DIFFCUT_OK;
}

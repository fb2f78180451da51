/* unet.c - a UNet's life, its weights and its text context. See unet.h. */
#include "nn/unet_internal.h"

#include "core/memory.h"

#include <string.h>

#define COMPONENT "unet"

diffcut_status unet_open(backend *target, const checkpoint *source, const unet_config *config, unet **out,
                         diffcut_diagnostics *diag) {
    unet *self = mem_array_zero(1, sizeof *self);
    if (self == NULL) {
        return diag_no_memory(diag, sizeof *self, "a UNet");
    }
    self->backend = target;
    self->source = source;
    diffcut_status status = unet_plan_create(config, &self->plan, diag);
    if (status != DIFFCUT_OK) {
        mem_free(self);
        return status;
    }
    *out = self;
    return DIFFCUT_OK;
}

void unet_close(unet *self) {
    if (self == NULL) {
        return;
    }
    for (size_t i = 0; i < self->prepared; i++) {
        weights_destroy(self->backend, self->plan.steps[i].weights, UNET_SLOTS);
    }
    unet_plan_free(&self->plan);
    mem_free(self);
}

const unet_plan *unet_get_plan(const unet *self) {
    return &self->plan;
}

void unet_set_precision(unet *self, dtype precision) {
    self->precision = precision;
}

diffcut_status unet_visit(const unet *self, size_t steps, weight_visit_fn visit, void *user) {
    for (size_t i = 0; i < steps; i++) {
        weight_need needs[UNET_SLOTS];
        const unet_step *step = &self->plan.steps[i];
        unet_step_needs(&self->plan, step, needs);
        diffcut_status status = weights_visit(COMPONENT, step->name, needs, UNET_SLOTS, visit, user);
        if (status != DIFFCUT_OK) {
            return status;
        }
    }
    return DIFFCUT_OK;
}

/* A step is there as a whole or not at all. */
static diffcut_status prepare_step(const unet *self, unet_step *step, diffcut_diagnostics *diag) {
    weight_need needs[UNET_SLOTS];
    unet_step_needs(&self->plan, step, needs);
    for (size_t slot = 0; slot < UNET_SLOTS; slot++) {
        needs[slot].precision = self->precision;
    }
    diffcut_status status =
        weights_load(self->source, COMPONENT, step->name, needs, UNET_SLOTS, self->backend, step->weights, diag);
    if (status != DIFFCUT_OK) {
        weights_destroy(self->backend, step->weights, UNET_SLOTS);
    }
    return status;
}

diffcut_status unet_prepare(unet *self, size_t steps, diffcut_diagnostics *diag) {
    while (self->prepared < steps) {
        diffcut_status status = prepare_step(self, &self->plan.steps[self->prepared], diag);
        if (status != DIFFCUT_OK) {
            return status;
        }
        self->prepared++;
    }
    return DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- context */

/* A copy of count floats. */
static diffcut_status copy_floats(const float *from, size_t count, float **out, diffcut_diagnostics *diag) {
    *out = mem_array(count, sizeof **out);
    if (*out == NULL) {
        return diag_no_memory(diag, count * sizeof **out, "the text context");
    }
    memcpy(*out, from, count * sizeof **out);
    return DIFFCUT_OK;
}

/* The context has the width that the attentions ask for, and a pooled part if there is an added condition. */
static diffcut_status check_context(const unet_plan *plan, uint32_t channels, const float *pooled,
                                    uint32_t pooled_width, diffcut_diagnostics *diag) {
    for (size_t i = 0; i < plan->count; i++) {
        const unet_step *step = &plan->steps[i];
        if (step->kind == UNET_CROSS_ATTENTION && step->context != channels) {
            return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s.attn2 asks for a text context of %u channels, it has %u",
                             step->name, step->context, channels);
        }
    }
    if (plan->config.added_condition && (pooled == NULL || pooled_width != unet_config_pooled_width(&plan->config))) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "add_embedding asks for a pooled text of %u channels, it has %u",
                         unet_config_pooled_width(&plan->config), pooled == NULL ? 0 : pooled_width);
    }
    return DIFFCUT_OK;
}

diffcut_status unet_context_create(const unet *self, const float *data, uint32_t tokens, uint32_t channels,
                                   const float *pooled, uint32_t pooled_width, unet_context **out,
                                   diffcut_diagnostics *diag) {
    diffcut_status status = check_context(&self->plan, channels, pooled, pooled_width, diag);
    size_t count;
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (tokens == 0 || !mem_mul(tokens, channels, &count)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "a text context of %u tokens", tokens);
    }
    unet_context *context = mem_array_zero(1, sizeof *context);
    if (context == NULL) {
        return diag_no_memory(diag, sizeof *context, "the text context");
    }
    context->network = self;
    context->tokens = tokens;
    context->channels = channels;
    status = copy_floats(data, count, &context->data, diag);
    if (status == DIFFCUT_OK && self->plan.config.added_condition) {
        status = copy_floats(pooled, pooled_width, &context->pooled, diag);
    }
    if (status == DIFFCUT_OK) {
        context->keys_values = mem_array_zero(self->plan.total, sizeof *context->keys_values);
        if (context->keys_values == NULL) {
            status = diag_no_memory(diag, self->plan.total * sizeof *context->keys_values, "the text context");
        }
    }
    if (status != DIFFCUT_OK) {
        unet_context_free(context);
        return status;
    }
    *out = context;
    return DIFFCUT_OK;
}

void unet_context_free(unet_context *context) {
    if (context == NULL) {
        return;
    }
    const backend_ops *ops = context->network->backend->ops;
    for (size_t i = 0; i < context->prepared; i++) {
        if (context->keys_values[i] != NULL) {
            ops->buffer_destroy(context->keys_values[i]);
        }
    }
    mem_free(context->keys_values);
    mem_free(context->pooled);
    mem_free(context->data);
    mem_free(context);
}

/* Keys and values of one cross-attention: (tokens, 2 c) = context * [to_k; to_v]^T. */
static diffcut_status prepare_keys(unet_context *context, backend_stream *stream, const tensor *text, size_t index,
                                   diffcut_diagnostics *diag) {
    const unet_step *step = &context->network->plan.steps[index];
    backend *target = context->network->backend;
    backend_buffer *buffer = NULL;
    size_t elements = (size_t)context->tokens * 2 * step->out; /* both are bounded by the configuration's limits */
    diffcut_status status = target->ops->buffer_create(target, elements, &buffer, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    const tensor both = {
        .buffer = buffer, .n = 1, .h = context->tokens, .w = 1, .c = 2 * step->out, .stride = 2 * step->out};
    const epilogue plain = {.act = ACTIVATION_NONE};
    status = target->ops->linear(stream, text, step->weights[ATTENTION_CONTEXT], &plain, &both, diag);
    if (status == DIFFCUT_OK) {
        status = target->ops->stream_wait(stream, diag);
    }
    if (status != DIFFCUT_OK) {
        target->ops->buffer_destroy(buffer);
        return status;
    }
    context->keys_values[index] = buffer;
    return DIFFCUT_OK;
}

diffcut_status unet_context_prepare(unet_context *context, backend_stream *stream, size_t steps,
                                    diffcut_diagnostics *diag) {
    if (context->prepared >= steps) {
        return DIFFCUT_OK;
    }
    backend *target = context->network->backend;
    backend_buffer *buffer = NULL;
    size_t elements = (size_t)context->tokens * context->channels;
    diffcut_status status = target->ops->buffer_create(target, elements, &buffer, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    const tensor text = {
        .buffer = buffer, .n = 1, .h = context->tokens, .w = 1, .c = context->channels, .stride = context->channels};
    status = target->ops->upload(stream, context->data, &text, diag);
    while (status == DIFFCUT_OK && context->prepared < steps) {
        if (context->network->plan.steps[context->prepared].kind == UNET_CROSS_ATTENTION) {
            status = prepare_keys(context, stream, &text, context->prepared, diag);
        }
        context->prepared += status == DIFFCUT_OK ? 1 : 0;
    }
    target->ops->buffer_destroy(buffer);
    return status;
}

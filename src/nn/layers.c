/* layers.c - see layers.h. */
#include "nn/layers.h"

#include "backend/check.h"
#include "core/memory.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

static bool going(const layers *l) {
    return l->status == DIFFCUT_OK && !l->done;
}

void layers_end(layers *l) {
    mem_free(l->host);
    l->host = NULL;
    l->host_elements = 0;
}

void layers_take(layers *l, size_t elements, backend_buffer **out) {
    if (going(l) && elements > 0) {
        l->status = l->backend->ops->buffer_create(l->backend, elements, out, l->work->diag);
    }
}

void layers_give_back(const layers *l, backend_buffer *buffer) {
    if (buffer != NULL) {
        l->backend->ops->buffer_destroy(buffer);
    }
}

static void wait(layers *l) {
    if (going(l)) {
        l->status = l->backend->ops->stream_wait(l->stream, l->work->diag);
    }
}

void layers_upload(layers *l, const float *host, const tensor *to) {
    if (going(l)) {
        l->status = l->backend->ops->upload(l->stream, host, to, l->work->diag);
    }
    wait(l);
}

void layers_download(layers *l, const tensor *from, float *host) {
    if (going(l)) {
        l->status = l->backend->ops->download(l->stream, from, host, l->work->diag);
    }
    wait(l);
}

/* ------------------------------------------------------------------------------------------------- operations */

/* The clock before an operation; nothing where nobody asks. */
static double begin(const layers *l) {
    return l->work->operation != NULL ? work_clock() : 0.0;
}

/* Tells of an operation that has been done, its shape printf style. */
__attribute__((format(printf, 5, 6))) static void end(layers *l, double started, const char *kind, double flop,
                                                      const char *shape, ...) {
    if (l->work->operation == NULL) {
        return;
    }
    wait(l); /* a backend may compute later */
    if (!going(l)) {
        return;
    }
    char text[96];
    va_list args;
    va_start(args, shape);
    (void)vsnprintf(text, sizeof text, shape, args);
    va_end(args);
    const diffcut_operation done = {kind, text, flop, work_clock() - started};
    l->work->operation(l->work->operation_user, &done);
}

void layers_linear(layers *l, const tensor *x, const backend_weight *weight, activation act, const tensor *residual,
                   const tensor *y) {
    const epilogue e = {.act = act, .residual = residual};
    if (going(l)) {
        double started = begin(l);
        double positions = (double)tensor_positions(x);
        l->status = l->backend->ops->linear(l->stream, x, weight, &e, y, l->work->diag);
        end(l, started, "linear", 2.0 * positions * x->c * weight->out, "%.0fx%u -> %u", positions, x->c,
            weight->out);
    }
}

void layers_conv(layers *l, const tensor *x, const backend_weight *weight, const conv_geometry *geometry,
                 const tensor *per_image, activation act, const tensor *residual, const tensor *y) {
    const epilogue e = {.per_image = per_image, .act = act, .residual = residual};
    if (going(l)) {
        double started = begin(l);
        l->status = l->backend->ops->conv2d(l->stream, x, weight, geometry, &e, y, l->work->diag);
        end(l, started, "conv2d",
            2.0 * (double)tensor_positions(y) * y->c * x->c * weight->kernel_h * weight->kernel_w,
            "%ux%ux%u -> %ux%ux%u, %ux%u", x->h, x->w, x->c, y->h, y->w, y->c, weight->kernel_h, weight->kernel_w);
    }
}

void layers_depthwise(layers *l, const tensor *x, const backend_weight *weight, const tensor *y) {
    if (going(l)) {
        double started = begin(l);
        l->status = l->backend->ops->depthwise(l->stream, x, weight, y, l->work->diag);
        end(l, started, "depthwise", 2.0 * (double)tensor_positions(y) * y->c * weight->kernel_h * weight->kernel_w,
            "%ux%ux%u, %ux%u", x->h, x->w, x->c, weight->kernel_h, weight->kernel_w);
    }
}

void layers_group_norm(layers *l, const tensor *x, const backend_weight *norm, uint32_t groups, float eps,
                       activation act, const tensor *y) {
    if (going(l)) {
        double started = begin(l);
        l->status = l->backend->ops->group_norm(l->stream, x, norm, groups, eps, act, y, l->work->diag);
        end(l, started, "group_norm", 0.0, "%ux%ux%u", x->h, x->w, x->c);
    }
}

void layers_layer_norm(layers *l, const tensor *x, const backend_weight *norm, float eps, const tensor *y) {
    if (going(l)) {
        double started = begin(l);
        l->status = l->backend->ops->layer_norm(l->stream, x, norm, eps, y, l->work->diag);
        end(l, started, "layer_norm", 0.0, "%zux%u", tensor_positions(x), x->c);
    }
}

void layers_attention(layers *l, const tensor *q, const tensor *k, const tensor *v, uint32_t heads, bool causal,
                      const tensor *y) {
    float scale = 1.0F / sqrtf((float)(q->c / heads));
    if (going(l)) {
        double started = begin(l);
        l->status = l->backend->ops->attention(l->stream, q, k, v, heads, scale, causal, y, l->work->diag);
        end(l, started, "attention", 4.0 * (double)tensor_positions(q) * (double)tensor_positions(k) * q->c,
            "%zu x %zu, %u heads of %u", tensor_positions(q), tensor_positions(k), heads, q->c / heads);
    }
}

void layers_attention_map(layers *l, const tensor *q, const tensor *k, uint32_t heads, const tensor *y) {
    float scale = 1.0F / sqrtf((float)(q->c / heads));
    if (going(l)) {
        double started = begin(l);
        l->status = l->backend->ops->attention_map(l->stream, q, k, heads, scale, y, l->work->diag);
        end(l, started, "attention_map", 2.0 * (double)tensor_positions(q) * (double)tensor_positions(k) * q->c,
            "%zu x %zu, %u heads of %u", tensor_positions(q), tensor_positions(k), heads, q->c / heads);
    }
}

void layers_add(layers *l, const tensor *a, const tensor *b, activation act, const tensor *y) {
    if (going(l)) {
        double started = begin(l);
        l->status = l->backend->ops->add(l->stream, a, b, act, y, l->work->diag);
        end(l, started, "add", 0.0, "%ux%ux%u", a->h, a->w, a->c);
    }
}

void layers_tap(layers *l, const char *module, const tensor *value, uint32_t h, uint32_t w) {
    if (!going(l) || l->tap == NULL) {
        return;
    }
    size_t elements = tensor_positions(value) * value->c;
    if (elements > l->host_elements) {
        mem_free(l->host);
        l->host = mem_array(elements, sizeof *l->host);
        l->host_elements = l->host != NULL ? elements : 0;
        if (l->host == NULL) {
            l->status = diag_no_memory(l->work->diag, elements * sizeof *l->host, "a module's output");
            return;
        }
    }
    layers_download(l, value, l->host);
    if (going(l)) {
        l->status = l->tap(l->tap_user, module, l->host, h, w, value->c);
    }
}

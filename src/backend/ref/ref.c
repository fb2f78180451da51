/*
 * ref.c - the reference backend: every operation as the one obvious loop over its definition in backend.h.
 *
 * The truth that the other backends are checked against, so clarity comes first: sums run in double in the order of
 * the formula, results are stored as float32, weights are widened to float32 and keep PyTorch's layout. One thread.
 */
#include "backend/host.h"

#include "core/memory.h"

#include <math.h>

struct backend_stream {
    backend *owner;
};

typedef struct ref_weight {
    struct backend_weight head;
    size_t bytes;
    float *data; /* (out, in, kernel_h, kernel_w), or gamma */
    float *bias; /* (out), beta, or NULL */
} ref_weight;

/* ------------------------------------------------------------------------------------------------- life, memory */

static diffcut_status ref_open(backend **out, diffcut_diagnostics *diag) {
    backend *self = mem_array(1, sizeof *self);
    if (self == NULL) {
        return diag_no_memory(diag, sizeof *self, "the ref backend");
    }
    self->ops = &backend_ref_ops;
    *out = self;
    return DIFFCUT_OK;
}

static void ref_close(backend *self) {
    mem_free(self);
}

static diffcut_status ref_stream_create(backend *self, uint32_t threads, backend_stream **out,
                                        diffcut_diagnostics *diag) {
    (void)threads;
    backend_stream *stream = mem_array(1, sizeof *stream);
    if (stream == NULL) {
        return diag_no_memory(diag, sizeof *stream, "a stream");
    }
    stream->owner = self;
    *out = stream;
    return DIFFCUT_OK;
}

static void ref_stream_destroy(backend_stream *stream) {
    mem_free(stream);
}

static backend_bf16 ref_bf16(const backend *self) {
    (void)self;
    return BACKEND_BF16_NONE;
}

/* The truth is in float32. */
static void ref_stream_precision(backend_stream *stream, dtype precision) {
    (void)stream;
    (void)precision;
}

static diffcut_status ref_stream_wait(backend_stream *stream, diffcut_diagnostics *diag) {
    (void)stream;
    (void)diag;
    return DIFFCUT_OK;
}

static void ref_weight_destroy(backend_weight *weight) {
    if (weight != NULL) {
        ref_weight *w = (ref_weight *)(void *)weight;
        mem_free(w->data);
        mem_free(w->bias);
        mem_free(w);
    }
}

static diffcut_status ref_weight_create(backend *self, const weight_source *source, backend_weight **out,
                                        diffcut_diagnostics *diag) {
    (void)self;
    struct backend_weight head;
    size_t elements;
    diffcut_status status = backend_check_weight(source, &head, &elements, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    size_t bytes = (elements + (source->bias != NULL ? head.out : 0)) * sizeof(float);
    ref_weight *weight = mem_array_zero(1, sizeof *weight);
    if (weight == NULL) {
        return diag_no_memory(diag, sizeof *weight, "a weight");
    }
    weight->head = head;
    weight->bytes = bytes;
    weight->data = mem_array(elements, sizeof(float));
    weight->bias = source->bias != NULL ? mem_array(head.out, sizeof(float)) : NULL;
    if (weight->data == NULL || (source->bias != NULL && weight->bias == NULL)) {
        ref_weight_destroy(&weight->head);
        return diag_no_memory(diag, bytes, "a weight");
    }
    dtype_to_float(source->type, source->data, elements, weight->data);
    if (source->bias != NULL) {
        dtype_to_float(source->bias_type, source->bias, head.out, weight->bias);
    }
    *out = &weight->head;
    return DIFFCUT_OK;
}

static size_t ref_weight_bytes(const backend_weight *weight) {
    return ((const ref_weight *)(const void *)weight)->bytes;
}

/* ------------------------------------------------------------------------------------------------- epilogue */

static double activate(activation act, double x) {
    switch (act) {
    case ACTIVATION_SILU:
    case ACTIVATION_SWIGLU: /* the gate's function, as below */
        return x / (1.0 + exp(-x));
    case ACTIVATION_GELU:
    case ACTIVATION_GEGLU:
        return 0.5 * x * erfc(-x * M_SQRT1_2);
    case ACTIVATION_RELU:
        return x > 0.0 ? x : 0.0;
    case ACTIVATION_QUICK_GELU:
        return x / (1.0 + exp(-1.702 * x));
    case ACTIVATION_GELU_TANH: /* 0.5 (1 + tanh(u)) = 1 / (1 + exp(-2 u)) */
        return x / (1.0 + exp(-2.0 * sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
    case ACTIVATION_NONE:
        break;
    }
    return x;
}

/* Element `channel` of position `position`, positions counted over all images. */
static double element(const tensor *t, size_t position, size_t channel) {
    return (double)host_data(t)[position * t->stride + channel];
}

static void set_element(const tensor *t, size_t position, size_t channel, double value) {
    host_data(t)[position * t->stride + channel] = (float)value;
}

/* product + bias + per_image for one output. */
static double biased(double product, const ref_weight *weight, const epilogue *tail, size_t image, size_t out) {
    double value = product;
    if (weight->bias != NULL) {
        value += (double)weight->bias[out];
    }
    if (tail != NULL && tail->per_image != NULL) {
        value += element(tail->per_image, image, out);
    }
    return value;
}

/* Stores act(value) + residual. */
static void finish(double value, const epilogue *tail, const tensor *y, size_t position, size_t channel) {
    double result = value;
    if (tail != NULL && tail->residual != NULL) {
        result += element(tail->residual, position, channel);
    }
    set_element(y, position, channel, result);
}

/* ------------------------------------------------------------------------------------------------- operations */

/* The sum over kernel and input channels for one output position and channel; outside the image is zero. */
static double conv_sum(const tensor *x, const ref_weight *weight, const conv_geometry *geometry, size_t image,
                       size_t oy, size_t ox, size_t out) {
    const struct backend_weight *shape = &weight->head;
    double sum = 0.0;
    for (size_t in = 0; in < shape->in; in++) {
        for (size_t ky = 0; ky < shape->kernel_h; ky++) {
            for (size_t kx = 0; kx < shape->kernel_w; kx++) {
                /* Where the padding makes a coordinate negative the subtraction wraps past the image's size. */
                size_t iy = oy * geometry->stride + ky - geometry->pad_top;
                size_t ix = ox * geometry->stride + kx - geometry->pad_left;
                if (iy < x->h && ix < x->w) {
                    size_t tap = ((out * shape->in + in) * shape->kernel_h + ky) * shape->kernel_w + kx;
                    sum += element(x, (image * x->h + iy) * x->w + ix, in) * (double)weight->data[tap];
                }
            }
        }
    }
    return sum;
}

static diffcut_status ref_conv2d(backend_stream *stream, const tensor *x, const backend_weight *weight,
                                 const conv_geometry *geometry, const epilogue *tail, const tensor *y,
                                 diffcut_diagnostics *diag) {
    (void)stream;
    diffcut_status status = backend_check_conv2d(x, weight, geometry, tail, y, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    const ref_weight *w = (const ref_weight *)(const void *)weight;
    activation act = tail != NULL ? tail->act : ACTIVATION_NONE;
    for (size_t image = 0; image < y->n; image++) {
        for (size_t oy = 0; oy < y->h; oy++) {
            for (size_t ox = 0; ox < y->w; ox++) {
                for (size_t out = 0; out < y->c; out++) {
                    double sum = conv_sum(x, w, geometry, image, oy, ox, out);
                    double value = activate(act, biased(sum, w, tail, image, out));
                    finish(value, tail, y, (image * y->h + oy) * y->w + ox, out);
                }
            }
        }
    }
    return DIFFCUT_OK;
}

/* The sum under one channel's kernel, its middle at (oy, ox); outside the image is zero. */
static double depthwise_sum(const tensor *x, const ref_weight *weight, size_t image, size_t oy, size_t ox, size_t c) {
    const struct backend_weight *shape = &weight->head;
    double sum = 0.0;
    for (size_t ky = 0; ky < shape->kernel_h; ky++) {
        for (size_t kx = 0; kx < shape->kernel_w; kx++) {
            size_t iy = oy + ky - shape->kernel_h / 2; /* before the image it wraps past its size */
            size_t ix = ox + kx - shape->kernel_w / 2;
            if (iy < x->h && ix < x->w) {
                sum += element(x, (image * x->h + iy) * x->w + ix, c) *
                       (double)weight->data[(c * shape->kernel_h + ky) * shape->kernel_w + kx];
            }
        }
    }
    return sum;
}

static diffcut_status ref_depthwise(backend_stream *stream, const tensor *x, const backend_weight *weight,
                                    const tensor *y, diffcut_diagnostics *diag) {
    (void)stream;
    diffcut_status status = backend_check_depthwise(x, weight, y, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    const ref_weight *w = (const ref_weight *)(const void *)weight;
    for (size_t position = 0; position < tensor_positions(y); position++) {
        size_t ox = position % y->w;
        size_t oy = position / y->w % y->h;
        for (size_t c = 0; c < y->c; c++) {
            double sum = depthwise_sum(x, w, position / y->w / y->h, oy, ox, c);
            set_element(y, position, c, sum + (w->bias != NULL ? (double)w->bias[c] : 0.0));
        }
    }
    return DIFFCUT_OK;
}

/* Output `out` of one position, with bias and per_image. */
static double linear_output(const tensor *x, const ref_weight *weight, const epilogue *tail, size_t position,
                            size_t out) {
    double sum = 0.0;
    for (size_t in = 0; in < x->c; in++) {
        sum += element(x, position, in) * (double)weight->data[out * x->c + in];
    }
    return biased(sum, weight, tail, position / ((size_t)x->h * x->w), out);
}

static diffcut_status ref_linear(backend_stream *stream, const tensor *x, const backend_weight *weight,
                                 const epilogue *tail, const tensor *y, diffcut_diagnostics *diag) {
    (void)stream;
    diffcut_status status = backend_check_linear(x, weight, tail, y, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    const ref_weight *w = (const ref_weight *)(const void *)weight;
    activation act = tail != NULL ? tail->act : ACTIVATION_NONE;
    for (size_t position = 0; position < tensor_positions(y); position++) {
        for (size_t out = 0; out < y->c; out++) {
            double value = linear_output(x, w, tail, position, out);
            if (activation_is_gated(act)) {
                double second = linear_output(x, w, tail, position, y->c + out);
                value = act == ACTIVATION_SWIGLU ? activate(act, value) * second : value * activate(act, second);
            } else {
                value = activate(act, value);
            }
            finish(value, tail, y, position, out);
        }
    }
    return DIFFCUT_OK;
}

/* Normalises `positions` x `channels` elements from (position, channel) on, in two passes. */
static void normalize(const tensor *x, size_t position, size_t positions, size_t channel, size_t channels,
                      const ref_weight *norm, double eps, activation act, const tensor *y) {
    double count = (double)positions * (double)channels;
    double mean = 0.0;
    for (size_t p = position; p < position + positions; p++) {
        for (size_t c = channel; c < channel + channels; c++) {
            mean += element(x, p, c) / count;
        }
    }
    double variance = 0.0;
    for (size_t p = position; p < position + positions; p++) {
        for (size_t c = channel; c < channel + channels; c++) {
            double distance = element(x, p, c) - mean;
            variance += distance * distance / count;
        }
    }
    for (size_t p = position; p < position + positions; p++) {
        for (size_t c = channel; c < channel + channels; c++) {
            double unit = (element(x, p, c) - mean) / sqrt(variance + eps);
            set_element(y, p, c, activate(act, unit * (double)norm->data[c] + (double)norm->bias[c]));
        }
    }
}

static diffcut_status ref_group_norm(backend_stream *stream, const tensor *x, const backend_weight *norm,
                                     uint32_t groups, float eps, activation act, const tensor *y,
                                     diffcut_diagnostics *diag) {
    (void)stream;
    diffcut_status status = backend_check_norm("group_norm", x, norm, groups, eps, act, y, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    size_t positions = (size_t)x->h * x->w;
    size_t channels = x->c / groups;
    for (size_t image = 0; image < x->n; image++) {
        for (size_t group = 0; group < groups; group++) {
            normalize(x, image * positions, positions, group * channels, channels,
                      (const ref_weight *)(const void *)norm, (double)eps, act, y);
        }
    }
    return DIFFCUT_OK;
}

static diffcut_status ref_layer_norm(backend_stream *stream, const tensor *x, const backend_weight *norm, float eps,
                                     const tensor *y, diffcut_diagnostics *diag) {
    (void)stream;
    diffcut_status status = backend_check_norm("layer_norm", x, norm, 1, eps, ACTIVATION_NONE, y, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    for (size_t position = 0; position < tensor_positions(x); position++) {
        normalize(x, position, 1, 0, x->c, (const ref_weight *)(const void *)norm, (double)eps, ACTIVATION_NONE, y);
    }
    return DIFFCUT_OK;
}

/* softmax(scale * q k^T) over the first `keys` keys, for one query and head; weights: (keys). q_row is the query's
 * position over all images, key_row the first key's, channel the head's first channel. */
static void attention_weights(const tensor *q, size_t q_row, const tensor *k, size_t key_row, size_t keys,
                              size_t channel, size_t channels, double scale, double *weights) {
    double most = -INFINITY;
    for (size_t j = 0; j < keys; j++) {
        double dot = 0.0;
        for (size_t c = channel; c < channel + channels; c++) {
            dot += element(q, q_row, c) * element(k, key_row + j, c);
        }
        weights[j] = scale * dot;
        most = weights[j] > most ? weights[j] : most;
    }
    double sum = 0.0;
    for (size_t j = 0; j < keys; j++) {
        weights[j] = exp(weights[j] - most);
        sum += weights[j];
    }
    for (size_t j = 0; j < keys; j++) {
        weights[j] /= sum;
    }
}

static diffcut_status ref_attention(backend_stream *stream, const tensor *q, const tensor *k, const tensor *v,
                                    uint32_t heads, float scale, bool causal, const tensor *y,
                                    diffcut_diagnostics *diag) {
    (void)stream;
    diffcut_status status = backend_check_attention(q, k, v, heads, y, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    double *weights = mem_array(k->h, sizeof *weights);
    if (weights == NULL) {
        return diag_no_memory(diag, k->h * sizeof *weights, "attention weights");
    }
    size_t channels = q->c / heads;
    for (size_t row = 0; row < tensor_positions(q); row++) {
        size_t query = row % q->h;
        size_t key_row = k->n == 1 ? 0 : row / q->h * k->h;
        size_t keys = causal && query + 1 < k->h ? query + 1 : k->h;
        for (size_t head = 0; head < heads; head++) {
            size_t first = head * channels;
            attention_weights(q, row, k, key_row, keys, first, channels, (double)scale, weights);
            for (size_t c = first; c < first + channels; c++) {
                double sum = 0.0;
                for (size_t j = 0; j < keys; j++) {
                    sum += weights[j] * element(v, key_row + j, c);
                }
                set_element(y, row, c, sum);
            }
        }
    }
    mem_free(weights);
    return DIFFCUT_OK;
}

static diffcut_status ref_attention_map(backend_stream *stream, const tensor *q, const tensor *k, uint32_t heads,
                                        float scale, const tensor *y, diffcut_diagnostics *diag) {
    (void)stream;
    diffcut_status status = backend_check_attention_map(q, k, heads, y, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    double *weights = mem_array(k->h, 2 * sizeof *weights);
    if (weights == NULL) {
        return diag_no_memory(diag, k->h * 2 * sizeof *weights, "attention weights");
    }
    double *mean = weights + k->h;
    size_t channels = q->c / heads;
    for (size_t row = 0; row < tensor_positions(q); row++) {
        size_t key_row = k->n == 1 ? 0 : row / q->h * k->h;
        for (size_t j = 0; j < k->h; j++) {
            mean[j] = 0.0;
        }
        for (size_t head = 0; head < heads; head++) {
            attention_weights(q, row, k, key_row, k->h, head * channels, channels, (double)scale, weights);
            for (size_t j = 0; j < k->h; j++) {
                mean[j] += weights[j] / heads;
            }
        }
        for (size_t j = 0; j < k->h; j++) {
            set_element(y, row, j, mean[j]);
        }
    }
    mem_free(weights);
    return DIFFCUT_OK;
}

static diffcut_status ref_add(backend_stream *stream, const tensor *a, const tensor *b, activation act,
                              const tensor *y, diffcut_diagnostics *diag) {
    (void)stream;
    diffcut_status status = backend_check_add(a, b, act, y, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    for (size_t position = 0; position < tensor_positions(a); position++) {
        for (size_t c = 0; c < a->c; c++) {
            double sum = element(a, position, c) + (b != NULL ? element(b, position, c) : 0.0);
            set_element(y, position, c, activate(act, sum));
        }
    }
    return DIFFCUT_OK;
}

const backend_ops backend_ref_ops = {
    .name = "ref",
    .description = "plain C, one thread, sums in double: the reference",
    .open = ref_open,
    .close = ref_close,
    .bf16 = ref_bf16,
    .stream_create = ref_stream_create,
    .stream_destroy = ref_stream_destroy,
    .stream_wait = ref_stream_wait,
    .stream_precision = ref_stream_precision,
    .buffer_create = host_buffer_create,
    .buffer_destroy = host_buffer_destroy,
    .upload = host_upload,
    .download = host_download,
    .weight_create = ref_weight_create,
    .weight_destroy = ref_weight_destroy,
    .weight_bytes = ref_weight_bytes,
    .conv2d = ref_conv2d,
    .depthwise = ref_depthwise,
    .linear = ref_linear,
    .group_norm = ref_group_norm,
    .layer_norm = ref_layer_norm,
    .attention = ref_attention,
    .attention_map = ref_attention_map,
    .add = ref_add,
};

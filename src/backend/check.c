/* check.c - see check.h. */
#include "backend/check.h"

#include "core/memory.h"

#include <stdio.h>

/* A shape as a message shows it. */
typedef struct shape_text {
    char text[80];
} shape_text;

static shape_text shape_of(const tensor *t) {
    shape_text shape;
    (void)snprintf(shape.text, sizeof shape.text, "(%u, %u, %u, %u)", (unsigned)t->n, (unsigned)t->h, (unsigned)t->w,
                   (unsigned)t->c);
    return shape;
}

/* a + b and a * b that stay at SIZE_MAX instead of wrapping. */
static size_t saturating_add(size_t a, size_t b) {
    size_t sum;
    return __builtin_add_overflow(a, b, &sum) ? SIZE_MAX : sum;
}

static size_t saturating_mul(size_t a, size_t b) {
    size_t product;
    return mem_mul(a, b, &product) ? product : SIZE_MAX;
}

size_t tensor_positions(const tensor *t) {
    return saturating_mul(saturating_mul(t->n, t->h), t->w);
}

size_t tensor_extent(const tensor *t) {
    size_t positions = tensor_positions(t);
    if (positions == 0 || t->c == 0) {
        return t->offset;
    }
    return saturating_add(t->offset, saturating_add(saturating_mul(positions - 1, t->stride), t->c));
}

diffcut_status backend_check_view(const char *operation, const char *part, const tensor *t,
                                  diffcut_diagnostics *diag) {
    if (t == NULL || t->buffer == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "%s: %s has no buffer", operation, part);
    }
    if (t->n == 0 || t->h == 0 || t->w == 0 || t->c == 0) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "%s: %s %s is empty", operation, part, shape_of(t).text);
    }
    if (t->stride < t->c) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "%s: %s has stride %u, less than its %u channels", operation,
                         part, (unsigned)t->stride, (unsigned)t->c);
    }
    if (tensor_extent(t) > t->buffer->elements) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "%s: %s %s, offset %zu, stride %u, reaches past its buffer of %zu elements", operation, part,
                         shape_of(t).text, t->offset, (unsigned)t->stride, t->buffer->elements);
    }
    return DIFFCUT_OK;
}

diffcut_status backend_check_same(const char *operation, const tensor *a, const tensor *b,
                                  diffcut_diagnostics *diag) {
    if (a->n != b->n || a->h != b->h || a->w != b->w || a->c != b->c) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "%s: shapes %s and %s differ", operation, shape_of(a).text,
                         shape_of(b).text);
    }
    return DIFFCUT_OK;
}

/* t is a valid view of shape (n, h, w, c). */
static diffcut_status check_shape(const char *operation, const char *part, const tensor *t, uint32_t n, uint32_t h,
                                  uint32_t w, uint32_t c, diffcut_diagnostics *diag) {
    diffcut_status status = backend_check_view(operation, part, t, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (t->n != n || t->h != h || t->w != w || t->c != c) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "%s: %s is %s, expected (%u, %u, %u, %u)", operation, part,
                         shape_of(t).text, (unsigned)n, (unsigned)h, (unsigned)w, (unsigned)c);
    }
    return DIFFCUT_OK;
}

static diffcut_status check_activation(const char *operation, activation act, bool gated, diffcut_diagnostics *diag) {
    if ((int)act < 0 || act > ACTIVATION_SWIGLU || (activation_is_gated(act) && !gated)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "%s: activation %d cannot be used here", operation, (int)act);
    }
    return DIFFCUT_OK;
}

static diffcut_status check_weight_use(const char *operation, const backend_weight *weight, enum weight_kind kind,
                                       uint32_t channels, diffcut_diagnostics *diag) {
    static const char *const kinds[] = {"linear", "convolution", "norm", "depthwise"};
    if (weight == NULL || weight->kind != kind) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "%s: needs a %s weight, got %s", operation, kinds[kind],
                         weight == NULL ? "none" : kinds[weight->kind]);
    }
    uint32_t expected = kind == WEIGHT_NORM || kind == WEIGHT_DEPTHWISE ? weight->out : weight->in;
    if (channels != expected) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "%s: x has %u channels, the weight takes %u", operation,
                         (unsigned)channels, (unsigned)expected);
    }
    return DIFFCUT_OK;
}

/* y is (x->n, h, w, out or half of it), and the parts of the epilogue fit it. */
static diffcut_status check_output(const char *operation, const tensor *x, uint32_t h, uint32_t w, uint32_t out,
                                   const epilogue *tail, const tensor *y, diffcut_diagnostics *diag) {
    bool gated = tail != NULL && activation_is_gated(tail->act);
    if (gated && out % 2 != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "%s: a gate needs an even number of outputs, not %u",
                         operation, (unsigned)out);
    }
    uint32_t channels = gated ? out / 2 : out;
    diffcut_status status = check_shape(operation, "y", y, x->n, h, w, channels, diag);
    if (status == DIFFCUT_OK && tail != NULL && tail->per_image != NULL) {
        status = check_shape(operation, "per_image", tail->per_image, x->n, 1, 1, out, diag);
    }
    if (status == DIFFCUT_OK && tail != NULL && tail->residual != NULL) {
        status = check_shape(operation, "residual", tail->residual, x->n, h, w, channels, diag);
    }
    return status;
}

/* Output size along one axis; 0 when the kernel does not fit. */
static uint32_t conv_size(uint32_t size, uint32_t before, uint32_t after, uint32_t kernel, uint32_t stride) {
    uint64_t padded = (uint64_t)size + before + after;
    uint64_t result = padded < kernel ? 0 : (padded - kernel) / stride + 1;
    return result > UINT32_MAX ? 0 : (uint32_t)result;
}

diffcut_status backend_check_conv2d(const tensor *x, const backend_weight *weight, const conv_geometry *geometry,
                                    const epilogue *tail, const tensor *y, diffcut_diagnostics *diag) {
    diffcut_status status = backend_check_view("conv2d", "x", x, diag);
    if (status == DIFFCUT_OK) {
        status = check_weight_use("conv2d", weight, WEIGHT_CONV, x->c, diag);
    }
    if (status == DIFFCUT_OK && tail != NULL) {
        status = check_activation("conv2d", tail->act, false, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (geometry->stride == 0) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "conv2d: the stride is 0");
    }
    if (weight->stride != 0 && weight->stride != geometry->stride) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "conv2d: the weight was made for stride %u, not %u",
                         (unsigned)weight->stride, (unsigned)geometry->stride);
    }
    uint32_t h = conv_size(x->h, geometry->pad_top, geometry->pad_bottom, weight->kernel_h, geometry->stride);
    uint32_t w = conv_size(x->w, geometry->pad_left, geometry->pad_right, weight->kernel_w, geometry->stride);
    if (h == 0 || w == 0) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "conv2d: a %u x %u kernel does not fit x %s with its padding",
                         (unsigned)weight->kernel_h, (unsigned)weight->kernel_w, shape_of(x).text);
    }
    return check_output("conv2d", x, h, w, weight->out, tail, y, diag);
}

diffcut_status backend_check_depthwise(const tensor *x, const backend_weight *weight, const tensor *y,
                                       diffcut_diagnostics *diag) {
    diffcut_status status = backend_check_view("depthwise", "x", x, diag);
    if (status == DIFFCUT_OK) {
        status = check_weight_use("depthwise", weight, WEIGHT_DEPTHWISE, x->c, diag);
    }
    if (status == DIFFCUT_OK) {
        status = check_shape("depthwise", "y", y, x->n, x->h, x->w, x->c, diag);
    }
    return status;
}

diffcut_status backend_check_linear(const tensor *x, const backend_weight *weight, const epilogue *tail,
                                    const tensor *y, diffcut_diagnostics *diag) {
    diffcut_status status = backend_check_view("linear", "x", x, diag);
    if (status == DIFFCUT_OK) {
        status = check_weight_use("linear", weight, WEIGHT_LINEAR, x->c, diag);
    }
    if (status == DIFFCUT_OK && tail != NULL) {
        status = check_activation("linear", tail->act, true, diag);
    }
    return status != DIFFCUT_OK ? status : check_output("linear", x, x->h, x->w, weight->out, tail, y, diag);
}

diffcut_status backend_check_norm(const char *operation, const tensor *x, const backend_weight *norm, uint32_t groups,
                                  float eps, activation act, const tensor *y, diffcut_diagnostics *diag) {
    diffcut_status status = backend_check_view(operation, "x", x, diag);
    if (status == DIFFCUT_OK) {
        status = check_weight_use(operation, norm, WEIGHT_NORM, x->c, diag);
    }
    if (status == DIFFCUT_OK) {
        status = check_activation(operation, act, false, diag);
    }
    if (status == DIFFCUT_OK) {
        status = check_shape(operation, "y", y, x->n, x->h, x->w, x->c, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (groups == 0 || x->c % groups != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "%s: %u channels do not split into %u groups", operation,
                         (unsigned)x->c, (unsigned)groups);
    }
    if (!(eps >= 0.0F)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "%s: eps is %g", operation, (double)eps);
    }
    return DIFFCUT_OK;
}

diffcut_status backend_check_attention(const tensor *q, const tensor *k, const tensor *v, uint32_t heads,
                                       const tensor *y, diffcut_diagnostics *diag) {
    diffcut_status status = backend_check_view("attention", "q", q, diag);
    if (status == DIFFCUT_OK) {
        status = check_shape("attention", "q", q, q->n, q->h, 1, q->c, diag);
    }
    if (status == DIFFCUT_OK) {
        status = backend_check_view("attention", "k", k, diag);
    }
    if (status == DIFFCUT_OK) {
        status = check_shape("attention", "k", k, k->n == 1 ? 1 : q->n, k->h, 1, q->c, diag);
    }
    if (status == DIFFCUT_OK) {
        status = check_shape("attention", "v", v, k->n, k->h, 1, k->c, diag);
    }
    if (status == DIFFCUT_OK) {
        status = check_shape("attention", "y", y, q->n, q->h, 1, q->c, diag);
    }
    if (status == DIFFCUT_OK && (heads == 0 || q->c % heads != 0)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "attention: %u channels do not split into %u heads",
                         (unsigned)q->c, (unsigned)heads);
    }
    return status;
}

diffcut_status backend_check_attention_map(const tensor *q, const tensor *k, uint32_t heads, const tensor *y,
                                           diffcut_diagnostics *diag) {
    diffcut_status status = backend_check_view("attention_map", "q", q, diag);
    if (status == DIFFCUT_OK) {
        status = check_shape("attention_map", "q", q, q->n, q->h, 1, q->c, diag);
    }
    if (status == DIFFCUT_OK) {
        status = backend_check_view("attention_map", "k", k, diag);
    }
    if (status == DIFFCUT_OK) {
        status = check_shape("attention_map", "k", k, k->n == 1 ? 1 : q->n, k->h, 1, q->c, diag);
    }
    if (status == DIFFCUT_OK) {
        status = check_shape("attention_map", "y", y, q->n, q->h, 1, k->h, diag);
    }
    if (status == DIFFCUT_OK && (heads == 0 || q->c % heads != 0)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "attention_map: %u channels do not split into %u heads",
                         (unsigned)q->c, (unsigned)heads);
    }
    return status;
}

diffcut_status backend_check_add(const tensor *a, const tensor *b, activation act, const tensor *y,
                                 diffcut_diagnostics *diag) {
    diffcut_status status = backend_check_view("add", "a", a, diag);
    if (status == DIFFCUT_OK && b != NULL) {
        status = check_shape("add", "b", b, a->n, a->h, a->w, a->c, diag);
    }
    if (status == DIFFCUT_OK) {
        status = check_activation("add", act, false, diag);
    }
    return status != DIFFCUT_OK ? status : check_shape("add", "y", y, a->n, a->h, a->w, a->c, diag);
}

diffcut_status backend_check_weight(const weight_source *source, struct backend_weight *shape, size_t *elements,
                                    diffcut_diagnostics *diag) {
    bool convolution = source->kind == WEIGHT_CONV;
    bool depthwise = source->kind == WEIGHT_DEPTHWISE;
    struct backend_weight s = {source->kind,
                               source->out,
                               source->kind == WEIGHT_NORM || depthwise ? 1 : source->in,
                               convolution || depthwise ? source->kernel_h : 1,
                               convolution || depthwise ? source->kernel_w : 1,
                               convolution ? source->stride : 0};
    if ((int)s.kind < 0 || s.kind > WEIGHT_DEPTHWISE) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "weight: unknown kind %d", (int)s.kind);
    }
    if (s.out == 0 || s.in == 0 || s.kernel_h == 0 || s.kernel_w == 0) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "weight: shape (%u, %u, %u, %u) is empty", (unsigned)s.out,
                         (unsigned)s.in, (unsigned)s.kernel_h, (unsigned)s.kernel_w);
    }
    if (depthwise && (s.kernel_h % 2 == 0 || s.kernel_w % 2 == 0)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "weight: a depthwise kernel of %u x %u has no middle",
                         (unsigned)s.kernel_h, (unsigned)s.kernel_w);
    }
    if (source->data == NULL || (s.kind == WEIGHT_NORM && source->bias == NULL)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "weight: no %s", source->data == NULL ? "data" : "bias");
    }
    if (dtype_size(source->type) == 0 || (source->bias != NULL && dtype_size(source->bias_type) == 0)) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "weight: element type is none of F32, F16, BF16");
    }
    size_t count = saturating_mul(saturating_mul(s.out, s.in), saturating_mul(s.kernel_h, s.kernel_w));
    if (count > SIZE_MAX / sizeof(double)) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "weight: shape (%u, %u, %u, %u) is too large", (unsigned)s.out,
                         (unsigned)s.in, (unsigned)s.kernel_h, (unsigned)s.kernel_w);
    }
    *shape = s;
    *elements = count;
    return DIFFCUT_OK;
}

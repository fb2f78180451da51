/*
 * backend.h - the table of tensor operations that the networks are written in.
 *
 * A backend is a struct of function pointers. `ref` (backend/ref) is plain C, one obvious loop an operation: the
 * truth. `cpu` (backend/cpu) is the fast one; more may come (a GPU). tests/backend/check_backend.c runs every
 * operation of every backend against `ref` over a table of shapes.
 *
 * - Buffers are handles that the backend owns; host memory goes in and out by upload and download only. Operations
 *   never read host pointers, so a backend may live on another device.
 * - Weights are given once (weight_create), in PyTorch's layout and the file's dtype; the backend keeps them in
 *   whatever form, precision and blocking suits it. They are immutable and shared between streams.
 * - Activations are position-major: (n, h, w, c), channels innermost, so that a feature map is its own token sequence
 *   (tokens = h * w) and no transpose stands between a convolution and a linear layer. `stride` is the distance
 *   between positions in elements (>= c), so that one buffer can hold several tensors side by side (fused q, k, v;
 *   concatenation). Elements are float32 to the caller; a backend may store a reduced precision.
 * - Operations take an epilogue, so that bias, time embedding, residual and activation cost no pass of their own.
 * - A stream is one session's queue and scratch memory; operations on it run in order. A backend and its weights may
 *   be used through many streams from many threads; a stream belongs to one thread at a time.
 *
 * Called by nn/. Knows nothing of what a UNet is.
 */
#ifndef DIFFCUT_BACKEND_BACKEND_H
#define DIFFCUT_BACKEND_BACKEND_H

#include "core/dtype.h"
#include "core/status.h"

struct backend_ops;

/* The common head of every backend's own struct. */
typedef struct backend {
    const struct backend_ops *ops;
} backend;

typedef struct backend_stream backend_stream; /* opaque, the backend's own */
typedef struct backend_buffer backend_buffer;
typedef struct backend_weight backend_weight;

/* A view of an activation in a buffer. A sequence of T tokens is (n, T, 1, c); a vector is (n, 1, 1, c). */
typedef struct tensor {
    backend_buffer *buffer;
    size_t offset; /* elements from the buffer's start to position (0,0,0), channel 0 */
    uint32_t n, h, w, c;
    uint32_t stride; /* elements between consecutive positions; positions of an image, and images, are consecutive */
} tensor;

typedef enum activation {
    ACTIVATION_NONE,
    ACTIVATION_SILU,
    ACTIVATION_GELU, /* exact, by erf */
    ACTIVATION_RELU,
    ACTIVATION_QUICK_GELU, /* x * sigmoid(1.702 x) */
    ACTIVATION_GELU_TANH,  /* 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) */
    /* Linear only; y has half as many outputs as the weight. */
    ACTIVATION_GEGLU,  /* the first half of the outputs times gelu(second half) */
    ACTIVATION_SWIGLU, /* silu(first half) times the second half */
} activation;

static inline bool activation_is_gated(activation act) {
    return act >= ACTIVATION_GEGLU;
}

/* y = act(product + bias + per_image) + residual. Unused parts are NULL or ACTIVATION_NONE. The bias is the
 * weight's own. residual may be y itself; no other overlap of inputs and y is allowed. */
typedef struct epilogue {
    const tensor *per_image; /* (n, 1, 1, c), added at every position of its image: the time embedding */
    activation act;
    const tensor *residual; /* y's shape */
} epilogue;

/* A weight as the file has it. The data need not stay valid after weight_create returns, unless it is lent. */
typedef struct weight_source {
    enum weight_kind {
        WEIGHT_LINEAR,    /* (out, in) */
        WEIGHT_CONV,      /* (out, in, kernel_h, kernel_w) */
        WEIGHT_NORM,      /* gamma in `data`, beta in `bias`: (out) each */
        WEIGHT_DEPTHWISE, /* (out, 1, kernel_h, kernel_w): a kernel a channel, both sides odd */
    } kind;
    dtype type; /* of data */
    const void *data;
    dtype bias_type;
    const void *bias; /* NULL: none */
    uint32_t out, in, kernel_h, kernel_w;
    uint32_t stride; /* convolution: the only stride it will be used with, which may save memory; 0: any */
    bool large_grid; /* convolution: it will run over so many positions that a form of the weight which takes more
                        memory and less time pays */
    dtype precision; /* of a layer's product: DTYPE_F32, or DTYPE_BF16 where the network allows it (operands
                        rounded to bf16, sums in float32). The reference computes in float32 whatever it says. */
    bool lent;       /* linear layer: the data stay valid and unchanged until weight_destroy, and are used about once,
                        so that a backend may read them in place where making them ready would cost more */
} weight_source;

typedef struct conv_geometry {
    uint32_t stride;
    uint32_t pad_top, pad_left, pad_bottom, pad_right; /* zeros */
} conv_geometry;

/* What a backend makes of products in bf16. */
typedef enum backend_bf16 {
    BACKEND_BF16_NONE, /* it computes them in float32 */
    BACKEND_BF16_SLOW, /* with half the memory for weights, but no faster than float32 */
    BACKEND_BF16_FAST
} backend_bf16;

typedef struct backend_ops {
    const char *name;        /* "ref", "cpu" */
    const char *description; /* one line: what it uses */

    /* Life. close frees everything but what the caller still holds (weights, buffers and streams are freed first). */
    diffcut_status (*open)(backend **out, diffcut_diagnostics *diag);
    void (*close)(backend *self);
    backend_bf16 (*bf16)(const backend *self);
    diffcut_status (*stream_create)(backend *self, uint32_t threads, backend_stream **out, diffcut_diagnostics *diag);
    void (*stream_destroy)(backend_stream *stream);
    /* Waits until everything asked of the stream is done; reports what failed meanwhile. */
    diffcut_status (*stream_wait)(backend_stream *stream, diffcut_diagnostics *diag);
    /* Of the products in the stream's attention from here on: DTYPE_F32, which a new stream has, or DTYPE_BF16; the
     * softmax and all sums stay in float32. */
    void (*stream_precision)(backend_stream *stream, dtype precision);

    /* Memory. `elements` counts float32 elements of activations; a new buffer's contents are undefined, and a
     * backend may keep the memory of destroyed ones for the next. */
    diffcut_status (*buffer_create)(backend *self, size_t elements, backend_buffer **out, diffcut_diagnostics *diag);
    void (*buffer_destroy)(backend_buffer *buffer);
    /* Host float32, dense (n, h, w, c), to and from a tensor. */
    diffcut_status (*upload)(backend_stream *stream, const float *host, const tensor *to, diffcut_diagnostics *diag);
    diffcut_status (*download)(backend_stream *stream, const tensor *from, float *host, diffcut_diagnostics *diag);

    diffcut_status (*weight_create)(backend *self, const weight_source *source, backend_weight **out,
                                    diffcut_diagnostics *diag);
    void (*weight_destroy)(backend_weight *weight); /* NULL is allowed */
    size_t (*weight_bytes)(const backend_weight *weight);

    /* y (n, ho, wo, out) = conv(x (n, h, w, in)); ho = (h + pad_top + pad_bottom - kernel_h) / stride + 1. */
    diffcut_status (*conv2d)(backend_stream *stream, const tensor *x, const backend_weight *weight,
                             const conv_geometry *geometry, const epilogue *epilogue, const tensor *y,
                             diffcut_diagnostics *diag);
    /* y (n, h, w, c): each channel of x (n, h, w, c) convolved with its own kernel, stride 1, zeros around the image
     * so that it keeps its size, plus bias. y is not x. */
    diffcut_status (*depthwise)(backend_stream *stream, const tensor *x, const backend_weight *weight,
                                const tensor *y, diffcut_diagnostics *diag);
    /* y (n, h, w, out) = x (n, h, w, in) * weight^T. */
    diffcut_status (*linear)(backend_stream *stream, const tensor *x, const backend_weight *weight,
                             const epilogue *epilogue, const tensor *y, diffcut_diagnostics *diag);
    /* y = act(gamma * (x - mean) / sqrt(var + eps) + beta): statistics over the positions and c / groups channels of
     * each image and group; biased variance. y may be x. */
    diffcut_status (*group_norm)(backend_stream *stream, const tensor *x, const backend_weight *norm, uint32_t groups,
                                 float eps, activation act, const tensor *y, diffcut_diagnostics *diag);
    /* The same over the channels of each position. y may be x. */
    diffcut_status (*layer_norm)(backend_stream *stream, const tensor *x, const backend_weight *norm, float eps,
                                 const tensor *y, diffcut_diagnostics *diag);
    /* y (n, tq, 1, c) = softmax(scale * q k^T) v, head by head: q (n, tq, 1, c), k and v (n, tk, 1, c), head i in
     * channels i * c / heads ... causal: query i sees keys 0 .. i. No tq x tk matrix need exist in memory.
     * k and v with n = 1 serve every image. */
    diffcut_status (*attention)(backend_stream *stream, const tensor *q, const tensor *k, const tensor *v,
                                uint32_t heads, float scale, bool causal, const tensor *y, diffcut_diagnostics *diag);
    /* y (n, tq, 1, tk): the weights themselves, the mean over the heads of softmax(scale * q k^T), not causal. */
    diffcut_status (*attention_map)(backend_stream *stream, const tensor *q, const tensor *k, uint32_t heads,
                                    float scale, const tensor *y, diffcut_diagnostics *diag);
    /* y = act(a + b); b may be NULL. a, b and y have one shape and y may be either. */
    diffcut_status (*add)(backend_stream *stream, const tensor *a, const tensor *b, activation act, const tensor *y,
                          diffcut_diagnostics *diag);
} backend_ops;

/* The backends built in, `ref` first; count is set. */
const backend_ops *const *backend_list(size_t *count);

/* Looks a backend up; NULL or "" is the best one built in. Names those that exist when there is no such one. */
diffcut_status backend_open(const char *name, backend **out, diffcut_diagnostics *diag);

/* Elements a buffer needs to hold t, from its offset 0. */
size_t tensor_extent(const tensor *t);
/* Positions of t: n * h * w. */
size_t tensor_positions(const tensor *t);

/* Shape checks shared by the backends: DIFFCUT_ERROR_ARGUMENT with both shapes and `operation` on a mismatch. */
diffcut_status backend_check_same(const char *operation, const tensor *a, const tensor *b, diffcut_diagnostics *diag);

extern const backend_ops backend_ref_ops;
extern const backend_ops backend_cpu_ops;

#endif

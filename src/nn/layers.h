/*
 * layers.h - what every network's run is made of: backend operations in a row, of which the first failure stays and
 * ends the rest, and taps that see each module's output.
 *
 * A run makes one `layers`, calls operations on it in order and reads `status` at the end; no call needs its own
 * check. Called by the runs of the UNet, the first stages and the text encoders.
 */
#ifndef DIFFCUT_NN_LAYERS_H
#define DIFFCUT_NN_LAYERS_H

#include "backend/backend.h"
#include "core/work.h"

/* Receives a module's output by diffusers' name as it is made, in the order of computation. data is valid during the
 * call: (h, w, c); a vector is (1, 1, c), a sequence (tokens, 1, c). */
typedef diffcut_status (*layer_tap_fn)(void *user, const char *module, const float *data, uint32_t h, uint32_t w,
                                       uint32_t c);

typedef struct layers {
    backend *backend;
    backend_stream *stream;
    const work *work;
    layer_tap_fn tap; /* may be NULL */
    void *tap_user;
    diffcut_status status; /* of the first operation that failed; start with DIFFCUT_OK */
    bool done;             /* set when all that was asked for is there: the rest does nothing */
    float *host;           /* a module's output on its way to the tap */
    size_t host_elements;
} layers;

/* Frees what the taps needed. */
void layers_end(layers *l);

/* A buffer of this many elements; none for 0. */
void layers_take(layers *l, size_t elements, backend_buffer **out);
/* NULL is allowed. */
void layers_give_back(const layers *l, backend_buffer *buffer);

/* Each waits until the data has arrived. */
void layers_upload(layers *l, const float *host, const tensor *to);
void layers_download(layers *l, const tensor *from, float *host);

/* y = act(x weight^T + bias) + residual; residual may be NULL. */
void layers_linear(layers *l, const tensor *x, const backend_weight *weight, activation act, const tensor *residual,
                   const tensor *y);
/* y = act(conv(x) + bias + per_image) + residual; per_image and residual may be NULL. */
void layers_conv(layers *l, const tensor *x, const backend_weight *weight, const conv_geometry *geometry,
                 const tensor *per_image, activation act, const tensor *residual, const tensor *y);
/* Each channel with a kernel of its own, stride 1, the grid keeps its size. */
void layers_depthwise(layers *l, const tensor *x, const backend_weight *weight, const tensor *y);
void layers_group_norm(layers *l, const tensor *x, const backend_weight *norm, uint32_t groups, float eps,
                       activation act, const tensor *y);
void layers_layer_norm(layers *l, const tensor *x, const backend_weight *norm, float eps, const tensor *y);
/* Scaled by 1 / sqrt(channels of a head). */
void layers_attention(layers *l, const tensor *q, const tensor *k, const tensor *v, uint32_t heads, bool causal,
                      const tensor *y);
/* y (1, tq, 1, tk): what each query gives each key in that attention, the mean over the heads. */
void layers_attention_map(layers *l, const tensor *q, const tensor *k, uint32_t heads, const tensor *y);
/* y = act(a + b); b may be NULL. */
void layers_add(layers *l, const tensor *a, const tensor *b, activation act, const tensor *y);

/* Hands value to the tap, if there is one, as (h, w, value->c) under the module's name. */
void layers_tap(layers *l, const char *module, const tensor *value, uint32_t h, uint32_t w);

#endif

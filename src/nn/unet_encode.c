/*
 * unet_encode.c - runs a UNet's encoder up to a hook. See unet.h.
 *
 * Three grids and one wide buffer serve the whole run, each as large as the largest step asks for:
 *   x  the activation between steps (h, w, c); inside a transformer its residual
 *   y  a resnet's output, which then changes places with x; inside a transformer the normalised tokens
 *   t  a resnet's middle; inside a transformer the hidden tokens (h*w, c)
 *   f  wide: q, k, v side by side (3 c), or the feed-forward's gated products (4 c)
 * A module's output that the fused operations never form (before a residual, before an activation) is computed once
 * more into `extra`, for taps and hooks only.
 */
#include "nn/unet_internal.h"

#include "core/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TRANSFORMER_NORM_EPS 1e-6F /* diffusers' Transformer2DModel: group norm */
#define LAYER_NORM_EPS 1e-5F       /* torch's default, which BasicTransformerBlock keeps */
#define MAX_PERIOD 10000.0F        /* of the sinusoids */

/* One run. The first failure stays in `status`, and everything after it does nothing. */
typedef struct run {
    const unet *network;
    const backend_ops *ops;
    backend_stream *stream;
    const work *work;
    const unet_input *input;
    const unet_hook *hook;
    layer_tap_fn tap;
    void *tap_user;
    diffcut_status status;
    const unet_step *step;
    size_t index;
    bool hooked; /* the hook's output is in `features` */
    unet_features features;
    float *host; /* a module's output on its way to the tap */
    size_t host_elements;
    uint32_t h, w; /* the grid at this step */
    backend_buffer *x, *y, *t, *f, *extra, *vectors;
    size_t grid_elements, wide_elements, extra_elements, vector_elements;
    tensor temb_silu; /* silu(time embedding), which every resnet projects */
} run;

/* ------------------------------------------------------------------------------------------------- operations */

static bool going(const run *r) {
    return r->status == DIFFCUT_OK && !r->hooked;
}

/* The grid of this step with c channels in a buffer. */
static tensor grid(const run *r, backend_buffer *buffer, uint32_t c) {
    return (tensor){.buffer = buffer, .n = 1, .h = r->h, .w = r->w, .c = c, .stride = c};
}

/* The same positions as a sequence: channels first .. first + c of rows of `stride`. */
static tensor tokens(const run *r, backend_buffer *buffer, uint32_t first, uint32_t c, uint32_t stride) {
    return (tensor){.buffer = buffer, .offset = first, .n = 1, .h = r->h * r->w, .w = 1, .c = c, .stride = stride};
}

static tensor vector(const run *r, size_t offset, uint32_t c) {
    return (tensor){.buffer = r->vectors, .offset = offset, .n = 1, .h = 1, .w = 1, .c = c, .stride = c};
}

static void linear(run *r, const tensor *x, unsigned slot, activation act, const tensor *residual, const tensor *y) {
    const epilogue e = {.act = act, .residual = residual};
    if (going(r)) {
        r->status = r->ops->linear(r->stream, x, r->step->weights[slot], &e, y, r->work->diag);
    }
}

static void conv(run *r, const tensor *x, unsigned slot, const conv_geometry *geometry, const tensor *per_image,
                 const tensor *residual, const tensor *y) {
    const epilogue e = {.per_image = per_image, .act = ACTIVATION_NONE, .residual = residual};
    if (going(r)) {
        r->status = r->ops->conv2d(r->stream, x, r->step->weights[slot], geometry, &e, y, r->work->diag);
    }
}

static void group_norm(run *r, const tensor *x, unsigned slot, float eps, activation act, const tensor *y) {
    if (going(r)) {
        r->status = r->ops->group_norm(r->stream, x, r->step->weights[slot], r->network->plan.config.norm_groups, eps,
                                       act, y, r->work->diag);
    }
}

static void layer_norm(run *r, const tensor *x, unsigned slot, const tensor *y) {
    if (going(r)) {
        r->status = r->ops->layer_norm(r->stream, x, r->step->weights[slot], LAYER_NORM_EPS, y, r->work->diag);
    }
}

static void add(run *r, const tensor *a, const tensor *b, activation act, const tensor *y) {
    if (going(r)) {
        r->status = r->ops->add(r->stream, a, b, act, y, r->work->diag);
    }
}

/* ------------------------------------------------------------------------------------------------- outputs */

static bool is_hook(const run *r, const char *suffix) {
    return r->index == r->hook->step && strcmp(suffix, r->hook->suffix) == 0;
}

/* True when somebody wants this output of the step. */
static bool wanted(const run *r, const char *suffix) {
    return going(r) && (r->tap != NULL || is_hook(r, suffix));
}

static void fetch(run *r, const tensor *from, float *to) {
    r->status = r->ops->download(r->stream, from, to, r->work->diag);
    if (r->status == DIFFCUT_OK) {
        r->status = r->ops->stream_wait(r->stream, r->work->diag);
    }
}

static void tap_output(run *r, const char *suffix, const tensor *value, uint32_t h, uint32_t w) {
    size_t elements = tensor_positions(value) * value->c;
    if (elements > r->host_elements) {
        mem_free(r->host);
        r->host = mem_array(elements, sizeof *r->host);
        r->host_elements = r->host != NULL ? elements : 0;
        if (r->host == NULL) {
            r->status = diag_no_memory(r->work->diag, elements * sizeof *r->host, "a module's output");
            return;
        }
    }
    fetch(r, value, r->host);
    if (r->status == DIFFCUT_OK) {
        char module[UNET_NAME_SIZE];
        (void)snprintf(module, sizeof module, "%.70s%s", r->step->name, suffix);
        r->status = r->tap(r->tap_user, module, r->host, h, w, value->c);
    }
}

static void keep_features(run *r, const tensor *value, uint32_t h, uint32_t w) {
    size_t elements = tensor_positions(value) * value->c;
    float *data = mem_array(elements, sizeof *data);
    if (data == NULL) {
        r->status = diag_no_memory(r->work->diag, elements * sizeof *data, "the features");
        return;
    }
    fetch(r, value, data);
    if (r->status != DIFFCUT_OK) {
        mem_free(data);
        return;
    }
    r->features = (unet_features){data, h, w, value->c};
    r->hooked = true;
}

/* Hands a module's output (h, w, c) to the tap, and keeps it if it is the hook's. */
static void emit_sized(run *r, const char *suffix, const tensor *value, uint32_t h, uint32_t w) {
    if (going(r) && r->tap != NULL) {
        tap_output(r, suffix, value, h, w);
    }
    if (going(r) && is_hook(r, suffix)) {
        keep_features(r, value, h, w);
    }
}

static void emit(run *r, const char *suffix, const tensor *value) {
    emit_sized(r, suffix, value, r->h, r->w);
}

static void emit_vector(run *r, const char *suffix, const tensor *value) {
    emit_sized(r, suffix, value, 1, 1);
}

/* ------------------------------------------------------------------------------------------------- time */

/* Sinusoids of a number, as diffusers' get_timestep_embedding computes them in float32: the exponent, the frequency
 * and the angle are each rounded, which shows at large angles. out has `width` values, an even number. */
static void sinusoids(float value, uint32_t width, bool cosines_first, float shift, float *out) {
    uint32_t half = width / 2;
    for (uint32_t i = 0; i < half; i++) {
        float exponent = -logf(MAX_PERIOD) * (float)i / ((float)half - shift);
        float angle = value * expf(exponent);
        out[cosines_first ? half + i : i] = sinf(angle);
        out[cosines_first ? i : half + i] = cosf(angle);
    }
}

/* The added condition's input: pooled text, then the sinusoids of each time id. */
static void add_condition(run *r, const tensor *in, const tensor *hidden, const tensor *embedding,
                          const tensor *temb) {
    const unet_config *config = &r->network->plan.config;
    uint32_t pooled = unet_config_pooled_width(config);
    uint32_t each = config->added_time_dim;
    float *values = mem_array(config->added_input, sizeof *values);
    if (values == NULL) {
        r->status = diag_no_memory(r->work->diag, config->added_input * sizeof *values, "the added condition");
        return;
    }
    memcpy(values, r->input->context->pooled, pooled * sizeof *values);
    for (uint32_t i = 0; i < UNET_TIME_IDS; i++) {
        sinusoids(r->input->time_ids[i], each, config->flip_sin_to_cos, config->freq_shift,
                  values + pooled + (size_t)i * each);
    }
    if (going(r)) {
        r->status = r->ops->upload(r->stream, values, in, r->work->diag);
    }
    if (going(r)) {
        r->status = r->ops->stream_wait(r->stream, r->work->diag);
    }
    mem_free(values);
    tensor ids = *in;
    ids.offset += pooled;
    ids.c = UNET_TIME_IDS * each;
    emit_vector(r, "add_time_proj", &ids);
    linear(r, in, TIME_ADD_1, ACTIVATION_SILU, NULL, hidden);
    linear(r, hidden, TIME_ADD_2, ACTIVATION_NONE, NULL, temb);
    emit_vector(r, "add_embedding", temb);
    add(r, embedding, temb, ACTIVATION_NONE, temb);
}

static void run_time(run *r) {
    const unet_config *config = &r->network->plan.config;
    uint32_t width = r->step->out;
    float *values = mem_array(r->step->in, sizeof *values);
    if (values == NULL) {
        r->status = diag_no_memory(r->work->diag, r->step->in * sizeof *values, "the time embedding");
        return;
    }
    sinusoids((float)r->input->timestep, r->step->in, config->flip_sin_to_cos, config->freq_shift, values);
    /* The vectors' buffer: 4 of the embedding's width, then the inputs; the resnets' projections use the latter. */
    tensor hidden = vector(r, 0, width);
    tensor embedding = vector(r, width, width);
    tensor temb = vector(r, 2 * (size_t)width, width);
    r->temb_silu = vector(r, 3 * (size_t)width, width);
    tensor in = vector(r, 4 * (size_t)width, r->step->in);
    r->status = r->ops->upload(r->stream, values, &in, r->work->diag);
    if (going(r)) {
        r->status = r->ops->stream_wait(r->stream, r->work->diag);
    }
    mem_free(values);
    emit_vector(r, "time_proj", &in);
    linear(r, &in, TIME_LINEAR_1, ACTIVATION_SILU, NULL, &hidden);
    linear(r, &hidden, TIME_LINEAR_2, ACTIVATION_NONE, NULL, &embedding);
    emit_vector(r, "time_embedding", &embedding);
    if (config->added_condition && going(r)) {
        tensor added = vector(r, 4 * (size_t)width, config->added_input);
        add_condition(r, &added, &hidden, &embedding, &temb);
    } else {
        temb = embedding;
    }
    emit_vector(r, "temb", &temb);
    add(r, &temb, NULL, ACTIVATION_SILU, &r->temb_silu);
}

/* ------------------------------------------------------------------------------------------------- convolutions */

static const conv_geometry same = {.stride = 1, .pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1};

static void exchange_x_y(run *r) {
    backend_buffer *x = r->x;
    r->x = r->y;
    r->y = x;
}

static void run_conv_in(run *r) {
    tensor in = grid(r, r->y, r->step->in);
    tensor out = grid(r, r->x, r->step->out);
    r->status = r->ops->upload(r->stream, r->input->noisy, &in, r->work->diag);
    conv(r, &in, CONV_WEIGHT, &same, NULL, NULL, &out);
    emit(r, "", &out);
}

/* y = shortcut(x) + conv2(silu(norm2(conv1(silu(norm1(x))) + time))) */
static void run_resnet(run *r) {
    float eps = r->network->plan.config.norm_eps;
    tensor x = grid(r, r->x, r->step->in);
    tensor normed = grid(r, r->y, r->step->in);
    tensor y = grid(r, r->y, r->step->out);
    tensor middle = grid(r, r->t, r->step->out);
    tensor extra_in = grid(r, r->extra, r->step->in);
    tensor extra = grid(r, r->extra, r->step->out);
    tensor time = vector(r, 4 * (size_t)r->temb_silu.c, r->step->out);
    if (wanted(r, ".norm1")) {
        group_norm(r, &x, RESNET_NORM_1, eps, ACTIVATION_NONE, &extra_in);
        emit(r, ".norm1", &extra_in);
    }
    group_norm(r, &x, RESNET_NORM_1, eps, ACTIVATION_SILU, &normed);
    if (wanted(r, ".conv1")) {
        conv(r, &normed, RESNET_CONV_1, &same, NULL, NULL, &extra);
        emit(r, ".conv1", &extra);
    }
    linear(r, &r->temb_silu, RESNET_TIME, ACTIVATION_NONE, NULL, &time);
    emit_vector(r, ".time_emb_proj", &time);
    conv(r, &normed, RESNET_CONV_1, &same, &time, NULL, &middle);
    if (wanted(r, ".norm2")) {
        group_norm(r, &middle, RESNET_NORM_2, eps, ACTIVATION_NONE, &extra);
        emit(r, ".norm2", &extra);
    }
    group_norm(r, &middle, RESNET_NORM_2, eps, ACTIVATION_SILU, &middle);
    if (wanted(r, ".conv2")) {
        conv(r, &middle, RESNET_CONV_2, &same, NULL, NULL, &extra);
        emit(r, ".conv2", &extra);
    }
    const tensor *residual = &x;
    if (r->step->weights[RESNET_SHORTCUT] != NULL) {
        linear(r, &x, RESNET_SHORTCUT, ACTIVATION_NONE, NULL, &y);
        emit(r, ".conv_shortcut", &y);
        residual = &y;
    }
    conv(r, &middle, RESNET_CONV_2, &same, NULL, residual, &y);
    emit(r, "", &y);
    exchange_x_y(r);
}

/* A side after the 3x3 convolution of stride 2 with one column of zeros on both sides, or on the far side only. */
static uint32_t halved(uint32_t side, uint32_t padding) {
    return (side + 1 + padding - 3) / 2 + 1;
}

static void run_downsample(run *r) {
    uint32_t padding = r->network->plan.config.downsample_padding;
    const conv_geometry geometry = {
        .stride = 2, .pad_top = padding, .pad_left = padding, .pad_bottom = 1, .pad_right = 1};
    tensor x = grid(r, r->x, r->step->in);
    r->h = halved(r->h, padding);
    r->w = halved(r->w, padding);
    tensor y = grid(r, r->y, r->step->out);
    conv(r, &x, CONV_WEIGHT, &geometry, NULL, NULL, &y);
    emit(r, "", &y);
    exchange_x_y(r);
}

/* ------------------------------------------------------------------------------------------------- transformer */

static void run_transformer_in(run *r) {
    uint32_t c = r->step->out;
    tensor x = grid(r, r->x, c);
    tensor normed = grid(r, r->y, c);
    tensor hidden = grid(r, r->t, c);
    group_norm(r, &x, TRANSFORMER_NORM, TRANSFORMER_NORM_EPS, ACTIVATION_NONE, &normed);
    emit(r, ".norm", &normed);
    linear(r, &normed, TRANSFORMER_PROJ, ACTIVATION_NONE, NULL, &hidden);
    emit(r, ".proj_in", &hidden);
}

/* The end of an attention or feed-forward: hidden += product. */
static void add_to_hidden(run *r, const tensor *in, unsigned slot, const char *suffix) {
    uint32_t c = r->step->out;
    tensor hidden = tokens(r, r->t, 0, c, c);
    if (wanted(r, suffix)) {
        tensor extra = tokens(r, r->extra, 0, c, c);
        linear(r, in, slot, ACTIVATION_NONE, NULL, &extra);
        emit(r, suffix, &extra);
    }
    linear(r, in, slot, ACTIVATION_NONE, &hidden, &hidden);
}

static void attention(run *r, const tensor *q, const tensor *k, const tensor *v, const tensor *y) {
    float scale = 1.0F / sqrtf((float)(r->step->out / r->step->heads));
    if (going(r)) {
        r->status = r->ops->attention(r->stream, q, k, v, r->step->heads, scale, false, y, r->work->diag);
    }
}

static void run_self_attention(run *r) {
    uint32_t c = r->step->out;
    tensor hidden = tokens(r, r->t, 0, c, c);
    tensor normed = tokens(r, r->y, 0, c, c);
    tensor qkv = tokens(r, r->f, 0, 3 * c, 3 * c);
    tensor q = tokens(r, r->f, 0, c, 3 * c);
    tensor k = tokens(r, r->f, c, c, 3 * c);
    tensor v = tokens(r, r->f, 2 * c, c, 3 * c);
    layer_norm(r, &hidden, ATTENTION_NORM, &normed);
    linear(r, &normed, ATTENTION_IN, ACTIVATION_NONE, NULL, &qkv);
    attention(r, &q, &k, &v, &normed);
    add_to_hidden(r, &normed, ATTENTION_OUT, ".attn1");
}

static void run_cross_attention(run *r) {
    uint32_t c = r->step->out;
    const unet_context *context = r->input->context;
    tensor hidden = tokens(r, r->t, 0, c, c);
    tensor normed = tokens(r, r->y, 0, c, c);
    tensor q = tokens(r, r->f, 0, c, c);
    tensor k = {
        .buffer = context->keys_values[r->index], .n = 1, .h = context->tokens, .w = 1, .c = c, .stride = 2 * c};
    tensor v = k;
    v.offset = c;
    layer_norm(r, &hidden, ATTENTION_NORM, &normed);
    linear(r, &normed, ATTENTION_IN, ACTIVATION_NONE, NULL, &q);
    attention(r, &q, &k, &v, &normed);
    add_to_hidden(r, &normed, ATTENTION_OUT, ".attn2");
}

static void run_feed_forward(run *r) {
    uint32_t c = r->step->out;
    tensor hidden = tokens(r, r->t, 0, c, c);
    tensor normed = tokens(r, r->y, 0, c, c);
    tensor gated = tokens(r, r->f, 0, 4 * c, 4 * c);
    layer_norm(r, &hidden, FEED_NORM, &normed);
    linear(r, &normed, FEED_UP, ACTIVATION_GEGLU, NULL, &gated);
    add_to_hidden(r, &gated, FEED_DOWN, ".ff");
    emit(r, "", &hidden);
}

static void run_transformer_out(run *r) {
    uint32_t c = r->step->out;
    tensor hidden = grid(r, r->t, c);
    tensor x = grid(r, r->x, c);
    linear(r, &hidden, TRANSFORMER_PROJ, ACTIVATION_NONE, &x, &x);
    emit(r, "", &x);
}

/* ------------------------------------------------------------------------------------------------- the run */

static void (*const run_step[UNET_KIND_COUNT])(run *) = {
    [UNET_TIME] = run_time,
    [UNET_CONV_IN] = run_conv_in,
    [UNET_RESNET] = run_resnet,
    [UNET_TRANSFORMER_IN] = run_transformer_in,
    [UNET_SELF_ATTENTION] = run_self_attention,
    [UNET_CROSS_ATTENTION] = run_cross_attention,
    [UNET_FEED_FORWARD] = run_feed_forward,
    [UNET_TRANSFORMER_OUT] = run_transformer_out,
    [UNET_DOWNSAMPLE] = run_downsample,
};

/* Raises *most to h * w * c. */
static bool raise_to(size_t *most, uint32_t h, uint32_t w, uint32_t c) {
    size_t elements;
    if (!mem_mul(h, w, &elements) || elements > UINT32_MAX || !mem_mul(elements, c, &elements)) {
        return false;
    }
    *most = elements > *most ? elements : *most;
    return true;
}

/* Sizes of the buffers: what the largest step up to the hook asks for. */
static diffcut_status plan_memory(run *r) {
    const unet_plan *plan = &r->network->plan;
    uint32_t padding = plan->config.downsample_padding;
    uint32_t h = r->h;
    uint32_t w = r->w;
    uint32_t inputs = plan->config.added_input;
    bool fits = true;
    for (size_t i = 0; i <= r->hook->step && fits; i++) {
        const unet_step *step = &plan->steps[i];
        uint32_t c = step->in > step->out ? step->in : step->out;
        if (step->kind == UNET_TIME) {
            inputs = step->in > inputs ? step->in : inputs;
            continue;
        }
        fits = raise_to(&r->grid_elements, h, w, c);
        inputs = step->kind == UNET_RESNET && step->out > inputs ? step->out : inputs;
        uint32_t wide = step->kind == UNET_SELF_ATTENTION    ? 3 * c
                        : step->kind == UNET_CROSS_ATTENTION ? c
                        : step->kind == UNET_FEED_FORWARD    ? 4 * c
                                                             : 0;
        fits = fits && raise_to(&r->wide_elements, h, w, wide);
        if (r->tap != NULL || i == r->hook->step) {
            fits = fits && raise_to(&r->extra_elements, h, w, c);
        }
        if (step->kind == UNET_DOWNSAMPLE) {
            if (h + padding < 2 || w + padding < 2) {
                return diag_fail(r->work->diag, DIFFCUT_ERROR_ARGUMENT, "the picture is too small for %s",
                                 step->name);
            }
            h = halved(h, padding);
            w = halved(w, padding);
        }
    }
    r->vector_elements = 4 * (size_t)unet_config_time_width(&plan->config) + inputs;
    return fits ? DIFFCUT_OK
                : diag_fail(r->work->diag, DIFFCUT_ERROR_LIMIT, "a %ux%u latent is too large", r->w, r->h);
}

static void take(run *r, size_t elements, backend_buffer **out) {
    if (r->status == DIFFCUT_OK && elements > 0) {
        r->status = r->ops->buffer_create(r->network->backend, elements, out, r->work->diag);
    }
}

static void give_back(run *r) {
    backend_buffer *const buffers[] = {r->x, r->y, r->t, r->f, r->extra, r->vectors};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        if (buffers[i] != NULL) {
            r->ops->buffer_destroy(buffers[i]);
        }
    }
    mem_free(r->host);
}

static diffcut_status run_network(run *r) {
    r->h = r->input->h;
    r->w = r->input->w;
    r->status = plan_memory(r);
    take(r, r->grid_elements, &r->x);
    take(r, r->grid_elements, &r->y);
    take(r, r->grid_elements, &r->t);
    take(r, r->wide_elements, &r->f);
    take(r, r->extra_elements, &r->extra);
    take(r, r->vector_elements, &r->vectors);
    r->ops->stream_precision(r->stream, r->network->precision);
    for (size_t i = 0; i <= r->hook->step && going(r); i++) {
        r->status = work_progress(r->work, (double)i / (double)(r->hook->step + 1));
        r->index = i;
        r->step = &r->network->plan.steps[i];
        if (going(r)) {
            run_step[r->step->kind](r);
        }
    }
    r->ops->stream_precision(r->stream, DTYPE_F32); /* other networks run on this stream too */
    give_back(r);
    if (r->status == DIFFCUT_OK) {
        r->status = work_progress(r->work, 1.0);
    }
    if (r->status != DIFFCUT_OK) {
        mem_free(r->features.data);
    }
    return r->status;
}

static bool all_finite(const float *data, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(data[i])) {
            return false;
        }
    }
    return true;
}

/* A tap that stops at the first output that is not finite, with the message. */
static diffcut_status find_not_finite(void *user, const char *module, const float *data, uint32_t h, uint32_t w,
                                      uint32_t c) {
    if (all_finite(data, (size_t)h * w * c)) {
        return DIFFCUT_OK;
    }
    return diag_fail(user, DIFFCUT_ERROR_NUMERIC, "the features hold NaN or infinity, first made by unet module %s",
                     module);
}

static diffcut_status explain_not_finite(const run *done) {
    const unet_input *input = done->input;
    size_t count = (size_t)input->h * input->w * done->network->plan.config.in_channels;
    if (!all_finite(input->noisy, count)) {
        return diag_fail(done->work->diag, DIFFCUT_ERROR_NUMERIC, "the UNet's input holds NaN or infinity");
    }
    work quiet = *done->work; /* the steps have been reported once */
    quiet.progress = NULL;
    run again = {.network = done->network,
                 .ops = done->ops,
                 .stream = done->stream,
                 .work = &quiet,
                 .input = input,
                 .hook = done->hook,
                 .tap = find_not_finite,
                 .tap_user = done->work->diag};
    diffcut_status status = run_network(&again);
    if (status == DIFFCUT_OK) {
        mem_free(again.features.data);
        status = diag_fail(done->work->diag, DIFFCUT_ERROR_NUMERIC, "the features hold NaN or infinity");
    }
    return status;
}

static diffcut_status check_input(const unet *self, const unet_input *input, const unet_hook *hook,
                                  diffcut_diagnostics *diag) {
    if (input->h == 0 || input->w == 0) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "a latent of %ux%u", input->w, input->h);
    }
    if (hook->step >= self->prepared || input->context == NULL || hook->step >= input->context->prepared) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "the UNet is not prepared up to %s", hook->name);
    }
    if (self->plan.config.added_condition && input->time_ids == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "this UNet needs time ids");
    }
    return DIFFCUT_OK;
}

diffcut_status unet_encode(const unet *self, backend_stream *stream, const work *w, const unet_input *input,
                           const unet_hook *hook, layer_tap_fn tap, void *tap_user, unet_features *out) {
    diffcut_status status = check_input(self, input, hook, w->diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    run r = {.network = self,
             .ops = self->backend->ops,
             .stream = stream,
             .work = w,
             .input = input,
             .hook = hook,
             .tap = tap,
             .tap_user = tap_user};
    status = run_network(&r);
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (!all_finite(r.features.data, (size_t)r.features.h * r.features.w * r.features.c)) {
        status = explain_not_finite(&r);
        mem_free(r.features.data);
        return status;
    }
    *out = r.features;
    return DIFFCUT_OK;
}

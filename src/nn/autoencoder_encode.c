/*
 * autoencoder_encode.c - runs an autoencoder's encoder. See autoencoder.h.
 *
 * At 1024 x 1024 and 128 channels one grid is half a gigabyte, so the run keeps as few as the arithmetic allows:
 *   x  the activation between steps, and the residual within one
 *   t  a resnet's or block's inside: its first convolution works in place, in bands (nn/bands)
 * and a third, y, only where a step changes the channels or the size. A resnet writes its sum onto x. Buffers are
 * made for the level at hand, and given back before the next, smaller one.
 */
#include "nn/autoencoder.h"

#include "core/memory.h"
#include "nn/bands.h"

#define NORM_EPS 1e-6F /* of every group norm of AutoencoderKL */

typedef struct run {
    const autoencoder *network;
    layers layers;
    bands bands;
    const autoencoder_step *step;
    uint32_t h, w; /* the grid at this step */
    backend_buffer *x, *y, *t;
    size_t t_elements;
} run;

static const conv_geometry same = {.stride = 1, .pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1};

static const backend_weight *weight(const run *r, unsigned slot) {
    return r->step->weights[slot];
}

/* The grid of this step with c channels in a buffer, `rows` rows from its start. */
static tensor grid_below(const run *r, backend_buffer *buffer, uint32_t rows, uint32_t c) {
    return (tensor){
        .buffer = buffer, .offset = (size_t)rows * r->w * c, .n = 1, .h = r->h, .w = r->w, .c = c, .stride = c};
}

static tensor grid(const run *r, backend_buffer *buffer, uint32_t c) {
    return grid_below(r, buffer, 0, c);
}

/* Its positions as a sequence: channels first .. first + c of rows of `stride`. */
static tensor tokens(const run *r, backend_buffer *buffer, uint32_t first, uint32_t c, uint32_t stride) {
    return (tensor){.buffer = buffer, .offset = first, .n = 1, .h = r->h * r->w, .w = 1, .c = c, .stride = stride};
}

/* ------------------------------------------------------------------------------------------------- memory */

/* Elements of h + rows rows of this step's grid; 0, with the failure, when they are too many to count. */
static size_t elements_of(run *r, uint32_t rows, uint32_t c) {
    size_t elements;
    /* Positions are counted in 32 bits by tensors. */
    if (mem_mul((size_t)r->h + rows, r->w, &elements) && elements <= UINT32_MAX && mem_mul(elements, c, &elements)) {
        return elements;
    }
    if (r->layers.status == DIFFCUT_OK) {
        r->layers.status =
            diag_fail(r->layers.work->diag, DIFFCUT_ERROR_LIMIT,
                      "a grid of %ux%u with %u channels is too large for %s", r->w, r->h, c, r->step->name);
    }
    return 0;
}

static void give_back(run *r, backend_buffer **buffer) {
    layers_give_back(&r->layers, *buffer);
    *buffer = NULL;
}

/* A new y with c channels. */
static void take_y(run *r, uint32_t c) {
    layers_take(&r->layers, elements_of(r, 0, c), &r->y);
}

/* A t with room for h + rows rows of c channels; it is kept while it is large enough. */
static void take_t(run *r, uint32_t rows, uint32_t c) {
    size_t elements = elements_of(r, rows, c);
    if (r->t == NULL || elements > r->t_elements) {
        give_back(r, &r->t);
        layers_take(&r->layers, elements, &r->t);
        r->t_elements = elements;
    }
}

/* y becomes the activation. */
static void move_on(run *r) {
    give_back(r, &r->x);
    r->x = r->y;
    r->y = NULL;
}

/* ------------------------------------------------------------------------------------------------- steps */

static void emit(run *r, const tensor *value) {
    layers_tap(&r->layers, r->step->name, value, r->h, r->w);
    if (r->step->whole[0] != '\0') {
        layers_tap(&r->layers, r->step->whole, value, r->h, r->w);
    }
}

static void group_norm(run *r, const tensor *x, unsigned slot, activation act, const tensor *y) {
    layers_group_norm(&r->layers, x, weight(r, slot), r->network->plan.norm_groups, NORM_EPS, act, y);
}

static void conv(run *r, const tensor *x, unsigned slot, activation act, const tensor *residual, const tensor *y) {
    bands_conv(&r->bands, x, weight(r, slot), &same, act, residual, y);
}

static void run_conv(run *r) {
    take_y(r, r->step->out);
    tensor x = grid(r, r->x, r->step->in);
    tensor y = grid(r, r->y, r->step->out);
    conv(r, &x, AUTOENCODER_WEIGHT, ACTIVATION_NONE, NULL, &y);
    emit(r, &y);
    move_on(r);
}

/* Sides are even here, so that both paddings halve them: pad_near 0 leaves out the first row and column. */
static void run_downsample(run *r) {
    const conv_geometry geometry = {.stride = 2,
                                    .pad_top = r->step->pad_near,
                                    .pad_left = r->step->pad_near,
                                    .pad_bottom = 1 - r->step->pad_near,
                                    .pad_right = 1 - r->step->pad_near};
    tensor x = grid(r, r->x, r->step->in);
    give_back(r, &r->t);
    r->h /= 2;
    r->w /= 2;
    take_y(r, r->step->out);
    tensor y = grid(r, r->y, r->step->out);
    bands_conv(&r->bands, &x, weight(r, AUTOENCODER_WEIGHT), &geometry, ACTIVATION_NONE, NULL, &y);
    emit(r, &y);
    move_on(r);
}

/* Channels stay: t = silu(norm1(x)), lying a band below where its convolution goes; x += conv2(silu(norm2(t))). */
static void run_plain_resnet(run *r) {
    uint32_t c = r->step->in;
    uint32_t rows = bands_rows(&r->bands, r->h, r->w, c, c) + 1;
    take_t(r, rows, c);
    tensor x = grid(r, r->x, c);
    tensor normed = grid_below(r, r->t, rows, c);
    tensor middle = grid(r, r->t, c);
    group_norm(r, &x, AUTOENCODER_NORM_1, ACTIVATION_SILU, &normed);
    conv(r, &normed, AUTOENCODER_CONV_1, ACTIVATION_NONE, NULL, &middle);
    group_norm(r, &middle, AUTOENCODER_NORM_2, ACTIVATION_SILU, &middle);
    conv(r, &middle, AUTOENCODER_CONV_2, ACTIVATION_NONE, &x, &x);
    emit(r, &x);
}

/* Channels change: y = shortcut(x), after which x itself can be normalised; y += conv2(silu(norm2(conv1(x)))). */
static void run_widening_resnet(run *r) {
    uint32_t c = r->step->out;
    give_back(r, &r->t);
    take_y(r, c);
    take_t(r, 0, c);
    tensor x = grid(r, r->x, r->step->in);
    tensor y = grid(r, r->y, c);
    tensor middle = grid(r, r->t, c);
    layers_linear(&r->layers, &x, weight(r, AUTOENCODER_SHORTCUT), ACTIVATION_NONE, NULL, &y);
    group_norm(r, &x, AUTOENCODER_NORM_1, ACTIVATION_SILU, &x);
    conv(r, &x, AUTOENCODER_CONV_1, ACTIVATION_NONE, NULL, &middle);
    group_norm(r, &middle, AUTOENCODER_NORM_2, ACTIVATION_SILU, &middle);
    conv(r, &middle, AUTOENCODER_CONV_2, ACTIVATION_NONE, &y, &y);
    emit(r, &y);
    move_on(r);
}

static void run_resnet(run *r) {
    if (r->step->in == r->step->out) {
        run_plain_resnet(r);
    } else {
        run_widening_resnet(r);
    }
}

/* x += to_out(attention(q, k, v of norm(x))); q, k and v side by side in y. */
static void run_attention(run *r) {
    uint32_t c = r->step->in;
    take_t(r, 0, c);
    take_y(r, 3 * c);
    tensor whole = grid(r, r->x, c);
    tensor normed_grid = grid(r, r->t, c);
    tensor x = tokens(r, r->x, 0, c, c);
    tensor normed = tokens(r, r->t, 0, c, c);
    tensor q = tokens(r, r->y, 0, c, 3 * c);
    tensor k = tokens(r, r->y, c, c, 3 * c);
    tensor v = tokens(r, r->y, 2 * c, c, 3 * c);
    group_norm(r, &whole, AUTOENCODER_ATTENTION_NORM, ACTIVATION_NONE, &normed_grid);
    layers_linear(&r->layers, &normed, weight(r, AUTOENCODER_Q), ACTIVATION_NONE, NULL, &q);
    layers_linear(&r->layers, &normed, weight(r, AUTOENCODER_K), ACTIVATION_NONE, NULL, &k);
    layers_linear(&r->layers, &normed, weight(r, AUTOENCODER_V), ACTIVATION_NONE, NULL, &v);
    bands_attention(&r->bands, &q, &k, &v, &normed);
    layers_linear(&r->layers, &normed, weight(r, AUTOENCODER_OUT), ACTIVATION_NONE, &x, &x);
    give_back(r, &r->y);
    emit(r, &whole);
}

static void run_norm(run *r) {
    tensor x = grid(r, r->x, r->step->in);
    group_norm(r, &x, AUTOENCODER_WEIGHT, ACTIVATION_NONE, &x);
    emit(r, &x);
    layers_add(&r->layers, &x, NULL, ACTIVATION_SILU, &x);
}

static void run_point(run *r) {
    take_y(r, r->step->out);
    tensor x = grid(r, r->x, r->step->in);
    tensor y = grid(r, r->y, r->step->out);
    layers_linear(&r->layers, &x, weight(r, AUTOENCODER_WEIGHT), ACTIVATION_NONE, NULL, &y);
    emit(r, &y);
    move_on(r);
}

/* As in a plain resnet, the second convolution works in place. */
static void run_block(run *r) {
    uint32_t c = r->step->in;
    uint32_t rows = bands_rows(&r->bands, r->h, r->w, c, c) + 1;
    take_t(r, rows, c);
    tensor x = grid(r, r->x, c);
    tensor first = grid_below(r, r->t, rows, c);
    tensor second = grid(r, r->t, c);
    conv(r, &x, 0, ACTIVATION_RELU, NULL, &first);
    conv(r, &first, 1, ACTIVATION_RELU, NULL, &second);
    conv(r, &second, 2, ACTIVATION_NONE, &x, &x);
    layers_add(&r->layers, &x, NULL, ACTIVATION_RELU, &x);
    emit(r, &x);
}

static void (*const run_step[AUTOENCODER_KIND_COUNT])(run *) = {
    [AUTOENCODER_CONV] = run_conv,     [AUTOENCODER_DOWNSAMPLE] = run_downsample,
    [AUTOENCODER_RESNET] = run_resnet, [AUTOENCODER_ATTENTION] = run_attention,
    [AUTOENCODER_NORM] = run_norm,     [AUTOENCODER_POINT] = run_point,
    [AUTOENCODER_BLOCK] = run_block,
};

/* ------------------------------------------------------------------------------------------------- the run */

/* What bands_advance will have counted at the end. */
static double count_operations(const autoencoder_plan *plan, uint32_t h, uint32_t w) {
    double total = 0.0;
    for (size_t i = 0; i < plan->count; i++) {
        const autoencoder_step *step = &plan->steps[i];
        switch (step->kind) {
        case AUTOENCODER_DOWNSAMPLE:
            h /= 2;
            w /= 2;
            total += bands_conv_operations(h, w, step->in, step->out);
            break;
        case AUTOENCODER_CONV:
            total += bands_conv_operations(h, w, step->in, step->out);
            break;
        case AUTOENCODER_RESNET:
            total +=
                bands_conv_operations(h, w, step->in, step->out) + bands_conv_operations(h, w, step->out, step->out);
            break;
        case AUTOENCODER_BLOCK:
            total += 3.0 * bands_conv_operations(h, w, step->out, step->out);
            break;
        case AUTOENCODER_ATTENTION:
            total += bands_attention_operations((size_t)h * w, (size_t)h * w, step->in);
            break;
        case AUTOENCODER_NORM:
        case AUTOENCODER_POINT:
        case AUTOENCODER_KIND_COUNT:
            break;
        }
    }
    return total;
}

/* What take_y, take_t and move_on will have done, step by step. */
double autoencoder_planned(const autoencoder *self, uint32_t h, uint32_t w) {
    const bands b = {.piece = self->piece};
    double x = (double)h * w * AUTOENCODER_COLOURS;
    double t = 0.0;
    double most = x;
    for (size_t i = 0; i < self->plan.count; i++) {
        const autoencoder_step *step = &self->plan.steps[i];
        bool plain = step->kind == AUTOENCODER_BLOCK || (step->kind == AUTOENCODER_RESNET && step->in == step->out);
        bool widening = step->kind == AUTOENCODER_RESNET && !plain;
        if (step->kind == AUTOENCODER_DOWNSAMPLE) {
            h /= 2;
            w /= 2;
        }
        double here = (double)h * w * step->out;
        double y = plain || step->kind == AUTOENCODER_NORM ? 0.0 : here;
        if (step->kind == AUTOENCODER_DOWNSAMPLE) {
            t = 0.0;
        } else if (widening) {
            t = here;
        } else if (plain || step->kind == AUTOENCODER_ATTENTION) {
            uint32_t rows = plain ? bands_rows(&b, h, w, step->in, step->out) + 1 : 0;
            double needed = ((double)h + rows) * w * step->out;
            t = needed > t ? needed : t;
        }
        if (step->kind == AUTOENCODER_ATTENTION) {
            most = x + t + 3.0 * here > most ? x + t + 3.0 * here : most;
            continue;
        }
        most = x + t + y > most ? x + t + y : most;
        x = y > 0.0 ? y : x;
    }
    return most;
}

/* x = image * scale + shift. */
static void put_image(run *r, const float *image, size_t stride) {
    const autoencoder_plan *plan = &r->network->plan;
    size_t row = (size_t)r->w * AUTOENCODER_COLOURS;
    size_t elements = elements_of(r, 0, AUTOENCODER_COLOURS);
    layers_take(&r->layers, elements, &r->x);
    if (r->layers.status != DIFFCUT_OK) {
        return;
    }
    float *pixels = mem_array(elements, sizeof *pixels);
    if (pixels == NULL) {
        r->layers.status = diag_no_memory(r->layers.work->diag, elements * sizeof *pixels, "the first stage's input");
        return;
    }
    for (size_t y = 0; y < r->h; y++) {
        const float *from = image + y * stride * AUTOENCODER_COLOURS;
        for (size_t i = 0; i < row; i++) {
            pixels[y * row + i] = from[i] * plan->input_scale + plan->input_shift;
        }
    }
    tensor x = grid(r, r->x, AUTOENCODER_COLOURS);
    layers_upload(&r->layers, pixels, &x);
    mem_free(pixels);
}

/* latent = (the output's first channels - shift) * scale. */
static void get_latent(run *r, float *latent) {
    const autoencoder_plan *plan = &r->network->plan;
    tensor x = grid(r, r->x, plan->steps[plan->count - 1].out);
    x.c = plan->latent_channels;
    if (plan->posterior) {
        layers_tap(&r->layers, "posterior_mean", &x, r->h, r->w);
    }
    layers_download(&r->layers, &x, latent);
    size_t elements = (size_t)r->h * r->w * plan->latent_channels;
    for (size_t i = 0; i < elements && r->layers.status == DIFFCUT_OK; i++) {
        latent[i] = (latent[i] - plan->shift) * plan->scale;
    }
}

diffcut_status autoencoder_encode(const autoencoder *self, backend_stream *stream, const work *w, const float *image,
                                  size_t stride, uint32_t height, uint32_t width, layer_tap_fn tap, void *tap_user,
                                  float *latent) {
    const autoencoder_plan *plan = &self->plan;
    if (self->prepared < plan->count) {
        return diag_fail(w->diag, DIFFCUT_ERROR_ARGUMENT, "the first stage is not prepared");
    }
    run r = {.network = self,
             .layers = {.backend = self->backend, .stream = stream, .work = w, .tap = tap, .tap_user = tap_user},
             .step = plan->steps,
             .h = height,
             .w = width};
    r.bands = (bands){.layers = &r.layers, .piece = self->piece, .total = count_operations(plan, height, width)};
    put_image(&r, image, stride);
    for (size_t i = 0; i < plan->count && r.layers.status == DIFFCUT_OK; i++) {
        r.step = &plan->steps[i];
        run_step[r.step->kind](&r);
    }
    get_latent(&r, latent);
    give_back(&r, &r.x);
    give_back(&r, &r.y);
    give_back(&r, &r.t);
    layers_end(&r.layers);
    return r.layers.status;
}

/* fixture.c - see fixture.h. */
#include "fixture.h"

#include "core/dtype.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CANARY (-7.5e11F) /* what lies around the views */

/* ------------------------------------------------------------------------------------------------- sides */

bool side_open(side *s, const char *name, uint32_t threads) {
    *s = (side){0};
    if (backend_open(name, &s->backend, &s->diag) != DIFFCUT_OK) {
        return false;
    }
    if (s->backend->ops->stream_create(s->backend, threads, &s->stream, &s->diag) != DIFFCUT_OK) {
        s->backend->ops->close(s->backend);
        return false;
    }
    return true;
}

void side_close(side *s) {
    s->backend->ops->stream_destroy(s->stream);
    s->backend->ops->close(s->backend);
}

/* ------------------------------------------------------------------------------------------------- cases */

const char *operation_name(operation op) {
    static const char *const names[OP_COUNT] = {"linear",     "conv2d",    "depthwise",     "group_norm",
                                                "layer_norm", "attention", "attention_map", "add"};
    return names[op];
}

/* Takes queries and keys. */
static bool attends(const op_case *k) {
    return k->op == OP_ATTENTION || k->op == OP_ATTENTION_MAP;
}

static uint32_t at_least_one(uint32_t value) {
    return value > 0 ? value : 1;
}

static uint32_t conv_output(uint32_t size, uint32_t before, uint32_t after, uint32_t kernel, uint32_t stride) {
    return (size + before + after - kernel) / stride + 1;
}

void case_result_shape(const op_case *k, uint32_t shape[4]) {
    const conv_geometry *g = &k->geometry;
    bool product = k->op == OP_LINEAR || k->op == OP_CONV2D;
    shape[0] = k->n;
    shape[1] = k->h;
    shape[2] = k->w;
    shape[3] = !product ? k->c : activation_is_gated(k->act) ? k->out / 2 : k->out;
    if (k->op == OP_ATTENTION_MAP) {
        shape[3] = k->keys;
    }
    if (k->op == OP_CONV2D) {
        shape[1] = conv_output(k->h, g->pad_top, g->pad_bottom, k->kernel_h, g->stride);
        shape[2] = conv_output(k->w, g->pad_left, g->pad_right, k->kernel_w, g->stride);
    }
}

size_t case_result_elements(const op_case *k) {
    uint32_t shape[4];
    case_result_shape(k, shape);
    return (size_t)shape[0] * shape[1] * shape[2] * shape[3];
}

double case_flops(const op_case *k) {
    double elements = (double)case_result_elements(k);
    switch (k->op) {
    case OP_LINEAR:
        return 2.0 * elements / (activation_is_gated(k->act) ? 0.5 : 1.0) * k->c;
    case OP_CONV2D:
        return 2.0 * elements * k->c * k->kernel_h * k->kernel_w;
    case OP_DEPTHWISE:
        return 2.0 * elements * k->kernel_h * k->kernel_w;
    case OP_ATTENTION:
        return 4.0 * elements * k->keys;
    case OP_ATTENTION_MAP:
        return 2.0 * elements * k->c;
    case OP_GROUP_NORM:
    case OP_LAYER_NORM:
        return 8.0 * elements;
    case OP_ADD:
    case OP_COUNT:
        break;
    }
    return elements;
}

void case_describe(const op_case *k, char *text, size_t size) {
    static const char *const acts[] = {"",           " silu",  " gelu",  " relu", " quick_gelu",
                                       " gelu_tanh", " geglu", " swiglu"};
    static const char *const flavours[] = {"", " denormal", " huge", " offset", " constant"};
    static const char *const residuals[] = {"", " residual", " residual=y"};
    char shape[96];
    int length = snprintf(shape, sizeof shape, "%ux%ux%ux%u", k->n, k->h, k->w, k->c);
    char *more = shape + length;
    size_t left = sizeof shape - (size_t)length;
    if (k->op == OP_LINEAR) {
        (void)snprintf(more, left, " -> %u", k->out);
    } else if (k->op == OP_CONV2D) {
        const conv_geometry *g = &k->geometry;
        (void)snprintf(more, left, " -> %u, %ux%u stride %u pad %u,%u,%u,%u", k->out, k->kernel_h, k->kernel_w,
                       g->stride, g->pad_top, g->pad_left, g->pad_bottom, g->pad_right);
    } else if (k->op == OP_DEPTHWISE) {
        (void)snprintf(more, left, ", %ux%u", k->kernel_h, k->kernel_w);
    } else if (attends(k)) {
        (void)snprintf(more, left, ", %u keys x %u, %u heads%s", k->keys, k->key_images, k->parts,
                       k->causal ? " causal" : "");
    } else if (k->op == OP_GROUP_NORM) {
        (void)snprintf(more, left, ", %u groups", k->parts);
    }
    (void)snprintf(text, size, "%s %s%s%s%s%s%s%s%s%s%s %s", operation_name(k->op), shape,
                   k->precision == DTYPE_BF16 ? " bf16" : "", k->bias ? " bias" : "",
                   k->per_image ? " per_image" : "", acts[k->act], residuals[k->residual],
                   k->in_place ? " in place" : "", flavours[k->flavour], k->sharpness > 1.0F ? " sharp" : "",
                   k->strided ? " strided" : "", k->op <= OP_DEPTHWISE ? dtype_name(k->weight_type) : "");
}

/* ------------------------------------------------------------------------------------------------- inputs */

static uint32_t draw(uint64_t *state) {
    *state += 0x9E3779B97F4A7C15U; /* splitmix64 */
    uint64_t z = *state;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
    z = (z ^ z >> 27) * 0x94D049BB133111EBU;
    return (uint32_t)((z ^ z >> 31) >> 32);
}

/* About normal: the sum of four uniform values, standard deviation 1. */
static float draw_normal(uint64_t *state) {
    double sum = 0.0;
    for (int i = 0; i < 4; i++) {
        sum += (double)draw(state) * 0x1p-32 - 0.5;
    }
    return (float)(sum * sqrt(3.0));
}

static float *draw_values(uint64_t *state, size_t count, flavour kind, float spread) {
    float *values = malloc((count > 0 ? count : 1) * sizeof *values);
    for (size_t i = 0; values != NULL && i < count; i++) {
        float v = draw_normal(state) * spread;
        switch (kind) {
        case FLAVOUR_DENORMAL:
            v *= 1e-40F;
            break;
        case FLAVOUR_HUGE:
            v *= 1e15F;
            break;
        case FLAVOUR_OFFSET:
            v += 1000.0F;
            break;
        case FLAVOUR_CONSTANT:
            v = 3.25F;
            break;
        case FLAVOUR_NORMAL:
        case FLAVOUR_COUNT:
            break;
        }
        values[i] = v;
    }
    return values;
}

/* Leaves what bf16 can hold. */
static void shorten(float *values, size_t count) {
    for (size_t i = 0; values != NULL && i < count; i++) {
        uint32_t bits;
        memcpy(&bits, values + i, sizeof bits);
        bits &= 0xFFFF0000U;
        memcpy(values + i, &bits, sizeof bits);
    }
}

/* Elements of any type between 2^-8 and 2 in size, now and then 0 or, for F16, subnormal. */
static void *draw_weights(uint64_t *state, size_t count, dtype type, bool brief) {
    unsigned char *bytes = malloc((count > 0 ? count : 1) * dtype_size(type));
    for (size_t i = 0; bytes != NULL && i < count; i++) {
        uint32_t random = draw(state);
        uint32_t sign = random >> 31;
        uint32_t exponent = random >> 20 & 7U;
        bool rare = (random >> 23 & 63U) == 0;
        if (type == DTYPE_F32) {
            uint32_t bits =
                rare ? 0 : sign << 31 | (120 + exponent) << 23 | (draw(state) & (brief ? 0x7F0000U : 0x7FFFFFU));
            memcpy(bytes + 4 * i, &bits, 4);
        } else {
            uint32_t half = sign << 15 | (rare ? 0 : 8 + exponent) << 10 | (random & (brief ? 0x3F8U : 0x3FFU));
            uint32_t brain = sign << 15 | (rare ? 0 : (120 + exponent) << 7 | (random & 0x7FU));
            uint16_t bits = (uint16_t)(type == DTYPE_F16 ? half : brain);
            memcpy(bytes + 2 * i, &bits, 2);
        }
    }
    return bytes;
}

bool inputs_create(const op_case *k, uint64_t seed, op_inputs *inputs) {
    uint64_t state = seed;
    bool brief = k->precision == DTYPE_BF16;
    bool product = k->op == OP_LINEAR || k->op == OP_CONV2D;
    bool norm = k->op == OP_GROUP_NORM || k->op == OP_LAYER_NORM;
    size_t x = (size_t)k->n * k->h * k->w * k->c;
    size_t second = attends(k) ? (size_t)k->key_images * k->keys * k->c : k->op == OP_ADD ? x : 0;
    size_t taps = (size_t)k->kernel_h * k->kernel_w;
    size_t inner = k->op == OP_CONV2D ? k->c * taps : k->op == OP_DEPTHWISE ? taps : k->c;
    size_t outputs = product ? k->out : k->op == OP_DEPTHWISE || norm ? k->c : 0;
    float spread = product || k->op == OP_DEPTHWISE ? 3.0F / sqrtf((float)inner) : norm ? 2.5F : 1.0F;
    *inputs = (op_inputs){
        .x = draw_values(&state, x, k->flavour, spread),
        .second = draw_values(&state, second, k->flavour, 1.0F),
        .third = draw_values(&state, second, k->flavour, 1.0F),
        .per_image = draw_values(&state, (size_t)k->n * at_least_one(k->out), FLAVOUR_NORMAL, 1.0F),
        .residual = draw_values(&state, case_result_elements(k), FLAVOUR_NORMAL, 1.0F),
        .weight = draw_weights(&state, norm ? outputs : inner * outputs, k->weight_type, brief),
        .bias = draw_weights(&state, outputs, k->weight_type, brief),
    };
    if (brief) {
        shorten(inputs->x, x);
        shorten(inputs->second, second);
        shorten(inputs->third, second);
    }
    if (inputs->x == NULL || inputs->second == NULL || inputs->third == NULL || inputs->per_image == NULL ||
        inputs->residual == NULL || inputs->weight == NULL || inputs->bias == NULL) {
        inputs_destroy(inputs);
        return false;
    }
    return true;
}

void inputs_destroy(op_inputs *inputs) {
    free(inputs->x);
    free(inputs->second);
    free(inputs->third);
    free(inputs->per_image);
    free(inputs->residual);
    free(inputs->weight);
    free(inputs->bias);
    *inputs = (op_inputs){0};
}

/* ------------------------------------------------------------------------------------------------- running */

/* A new buffer full of canaries with a view in it, filled from host unless that is NULL. */
static diffcut_status place(side *s, op_setup *setup, bool strided, const uint32_t shape[4], const float *host,
                            tensor *view) {
    const backend_ops *ops = s->backend->ops;
    tensor t = {.n = shape[0], .h = shape[1], .w = shape[2], .c = shape[3], .stride = shape[3]};
    if (strided) {
        t.offset = 3 + setup->buffer_count;
        t.stride += 5 + (uint32_t)setup->buffer_count;
    }
    size_t elements = tensor_extent(&t) + (strided ? 7 : 0);
    diffcut_status status = ops->buffer_create(s->backend, elements, &t.buffer, &s->diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    setup->buffers[setup->buffer_count++] = t.buffer;
    float *canaries = malloc(elements * sizeof *canaries);
    if (canaries == NULL) {
        return DIFFCUT_ERROR_MEMORY;
    }
    for (size_t i = 0; i < elements; i++) {
        canaries[i] = CANARY;
    }
    tensor whole = {
        .buffer = t.buffer, .n = 1, .h = 1, .w = 1, .c = (uint32_t)elements, .stride = (uint32_t)elements};
    status = ops->upload(s->stream, canaries, &whole, &s->diag);
    free(canaries);
    if (status == DIFFCUT_OK && host != NULL) {
        status = ops->upload(s->stream, host, &t, &s->diag);
    }
    *view = t;
    return status;
}

static diffcut_status create_weight(side *s, const op_case *k, const op_inputs *inputs, backend_weight **out) {
    bool norm = k->op == OP_GROUP_NORM || k->op == OP_LAYER_NORM;
    weight_source source = {
        .kind = norm                    ? WEIGHT_NORM
                : k->op == OP_CONV2D    ? WEIGHT_CONV
                : k->op == OP_DEPTHWISE ? WEIGHT_DEPTHWISE
                                        : WEIGHT_LINEAR,
        .type = k->weight_type,
        .data = inputs->weight,
        .bias_type = k->weight_type,
        .bias = norm || k->bias ? inputs->bias : NULL,
        .out = norm || k->op == OP_DEPTHWISE ? k->c : k->out,
        .in = k->c,
        .kernel_h = k->kernel_h,
        .kernel_w = k->kernel_w,
        .precision = k->precision,
    };
    return s->backend->ops->weight_create(s->backend, &source, out, &s->diag);
}

diffcut_status setup_create(side *s, const op_case *k, const op_inputs *inputs, op_setup *setup) {
    *setup = (op_setup){0};
    uint32_t y[4];
    case_result_shape(k, y);
    const uint32_t x[4] = {k->n, k->h, k->w, k->c};
    const uint32_t keys[4] = {at_least_one(k->key_images), at_least_one(k->keys), 1, k->c};
    const uint32_t image[4] = {k->n, 1, 1, at_least_one(k->out)};
    const uint32_t *second = attends(k) ? keys : x;
    diffcut_status status = place(s, setup, k->strided, x, inputs->x, &setup->x);
    if (status == DIFFCUT_OK && (attends(k) || k->op == OP_ADD)) {
        status = place(s, setup, k->strided, second, inputs->second, &setup->second);
    }
    if (status == DIFFCUT_OK && k->op == OP_ATTENTION) {
        status = place(s, setup, k->strided, keys, inputs->third, &setup->third);
    }
    if (status == DIFFCUT_OK && k->per_image) {
        status = place(s, setup, k->strided, image, inputs->per_image, &setup->per_image);
    }
    if (status == DIFFCUT_OK && k->residual == RESIDUAL_OWN) {
        status = place(s, setup, k->strided, y, inputs->residual, &setup->residual);
    }
    if (status == DIFFCUT_OK && k->in_place) {
        setup->y = setup->x;
    } else if (status == DIFFCUT_OK) {
        const float *before = k->residual == RESIDUAL_IS_Y ? inputs->residual : NULL;
        status = place(s, setup, k->strided, y, before, &setup->y);
    }
    if (k->residual == RESIDUAL_IS_Y) {
        setup->residual = setup->y;
    }
    if (status == DIFFCUT_OK && !attends(k) && k->op != OP_ADD) {
        status = create_weight(s, k, inputs, &setup->weight);
    }
    if (status != DIFFCUT_OK) {
        setup_destroy(s, setup);
    }
    return status;
}

void setup_destroy(side *s, op_setup *setup) {
    for (size_t i = 0; i < setup->buffer_count; i++) {
        s->backend->ops->buffer_destroy(setup->buffers[i]);
    }
    s->backend->ops->weight_destroy(setup->weight);
    *setup = (op_setup){0};
}

diffcut_status setup_run(side *s, const op_case *k, op_setup *setup) {
    const backend_ops *ops = s->backend->ops;
    epilogue tail = {
        .per_image = k->per_image ? &setup->per_image : NULL,
        .act = k->act,
        .residual = k->residual != RESIDUAL_NONE ? &setup->residual : NULL,
    };
    ops->stream_precision(s->stream, k->precision);
    float sharpness = k->sharpness > 0.0F ? k->sharpness : 1.0F;
    switch (k->op) {
    case OP_LINEAR:
        return ops->linear(s->stream, &setup->x, setup->weight, &tail, &setup->y, &s->diag);
    case OP_CONV2D:
        return ops->conv2d(s->stream, &setup->x, setup->weight, &k->geometry, &tail, &setup->y, &s->diag);
    case OP_DEPTHWISE:
        return ops->depthwise(s->stream, &setup->x, setup->weight, &setup->y, &s->diag);
    case OP_GROUP_NORM:
        return ops->group_norm(s->stream, &setup->x, setup->weight, k->parts, 1e-5F, k->act, &setup->y, &s->diag);
    case OP_LAYER_NORM:
        return ops->layer_norm(s->stream, &setup->x, setup->weight, 1e-5F, &setup->y, &s->diag);
    case OP_ATTENTION:
        return ops->attention(s->stream, &setup->x, &setup->second, &setup->third, k->parts,
                              sharpness / sqrtf((float)(k->c / k->parts)), k->causal, &setup->y, &s->diag);
    case OP_ATTENTION_MAP:
        return ops->attention_map(s->stream, &setup->x, &setup->second, k->parts,
                                  sharpness / sqrtf((float)(k->c / k->parts)), &setup->y, &s->diag);
    case OP_ADD:
        return ops->add(s->stream, &setup->x, k->bias ? &setup->second : NULL, k->act, &setup->y, &s->diag);
    case OP_COUNT:
        break;
    }
    return DIFFCUT_ERROR_ARGUMENT;
}

/* Everything in y's buffer that is not in its view still holds the canary. */
static diffcut_status check_canaries(side *s, const tensor *y, bool *intact) {
    size_t elements = tensor_extent(y) + (y->stride > y->c ? 7 : 0);
    float *all = malloc(elements * sizeof *all);
    if (all == NULL) {
        return DIFFCUT_ERROR_MEMORY;
    }
    tensor whole = {
        .buffer = y->buffer, .n = 1, .h = 1, .w = 1, .c = (uint32_t)elements, .stride = (uint32_t)elements};
    diffcut_status status = s->backend->ops->download(s->stream, &whole, all, &s->diag);
    *intact = true;
    for (size_t i = 0; status == DIFFCUT_OK && i < elements; i++) {
        bool inside =
            i >= y->offset && (i - y->offset) % y->stride < y->c && (i - y->offset) / y->stride < tensor_positions(y);
        if (!inside && all[i] != CANARY) {
            *intact = false;
        }
    }
    free(all);
    return status;
}

diffcut_status case_run(side *s, const op_case *k, const op_inputs *inputs, float *result, bool *intact) {
    op_setup setup;
    diffcut_status status = setup_create(s, k, inputs, &setup);
    if (status != DIFFCUT_OK) {
        return status;
    }
    status = setup_run(s, k, &setup);
    if (status == DIFFCUT_OK) {
        status = s->backend->ops->stream_wait(s->stream, &s->diag);
    }
    if (status == DIFFCUT_OK) {
        status = s->backend->ops->download(s->stream, &setup.y, result, &s->diag);
    }
    if (status == DIFFCUT_OK) {
        status = check_canaries(s, &setup.y, intact);
    }
    setup_destroy(s, &setup);
    return status;
}

static double seconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double case_time(side *s, const op_case *k) {
    double best = INFINITY;
    op_inputs inputs;
    op_setup setup;
    if (!inputs_create(k, 1, &inputs)) {
        return best;
    }
    if (setup_create(s, k, &inputs, &setup) == DIFFCUT_OK) {
        double end = seconds() + 0.3;
        do {
            double start = seconds();
            diffcut_status status = setup_run(s, k, &setup);
            double taken = seconds() - start;
            best = status == DIFFCUT_OK && taken < best ? taken : best;
        } while (seconds() < end);
        setup_destroy(s, &setup);
    }
    inputs_destroy(&inputs);
    return best;
}

/*
 * convnext_run.c - a ConvNeXt trunk's run. See convnext.h.
 *
 * Buffers: x the residual (positions, c) of the running stage, y what the depthwise convolution and its norm make of
 * it, f the inner, wider activations of a band of positions: those of all would be four times x, and would leave
 * every cache between the two products.
 */
#include "nn/convnext_internal.h"

#include "core/memory.h"

#include <stdarg.h>
#include <stdio.h>

#define BAND_FLOATS ((size_t)4 << 20) /* of a band's inner activations: 16 MB */
#define BAND_STEP 168                 /* positions: what the cpu backend's tiles are a part of */

typedef struct convnext_pass {
    const convnext *network;
    layers *l;
    uint32_t stage, h, w; /* running stage and its grid */
    double done, steps;   /* blocks, for progress */
    backend_buffer *x, *y, *f;
} convnext_pass;

static tensor grid(const convnext_pass *p, backend_buffer *buffer) {
    uint32_t c = p->network->shape.widths[p->stage];
    return (tensor){.buffer = buffer, .n = 1, .h = p->h, .w = p->w, .c = c, .stride = c};
}

__attribute__((format(printf, 3, 4))) static void tap(convnext_pass *p, const tensor *value, const char *format,
                                                      ...) {
    char name[CONVNEXT_NAME_SIZE] = CONVNEXT_TRUNK;
    size_t used = sizeof CONVNEXT_TRUNK - 1;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(name + used, sizeof name - used, format, args);
    va_end(args);
    layers_tap(p->l, name, value, value->h, value->w);
}

/* Positions of a band of a stage. */
static size_t band_of(const convnext_shape *shape, uint32_t stage, size_t positions) {
    size_t band = BAND_FLOATS / shape->wide[stage] / BAND_STEP * BAND_STEP;
    band = band > BAND_STEP ? band : BAND_STEP;
    return band < positions ? band : positions;
}

/* x += fc2(gelu(fc1(y))), band by band. */
static void feed(convnext_pass *p, const convnext_block *block) {
    const convnext_shape *shape = &p->network->shape;
    uint32_t c = shape->widths[p->stage];
    uint32_t wide = shape->wide[p->stage];
    size_t positions = (size_t)p->h * p->w;
    size_t band = band_of(shape, p->stage, positions);
    for (size_t first = 0; first < positions; first += band) {
        uint32_t count = (uint32_t)(positions - first < band ? positions - first : band);
        const tensor y = {.buffer = p->y, .offset = first * c, .n = 1, .h = count, .w = 1, .c = c, .stride = c};
        const tensor f = {.buffer = p->f, .n = 1, .h = count, .w = 1, .c = wide, .stride = wide};
        tensor x = y;
        x.buffer = p->x;
        layers_linear(p->l, &y, block->weights[CONVNEXT_UP], ACTIVATION_GELU, NULL, &f);
        layers_linear(p->l, &f, block->weights[CONVNEXT_DOWN], ACTIVATION_NONE, &x, &x);
    }
}

static void run_block(convnext_pass *p, uint32_t index) {
    const convnext_block *block = &p->network->stages[p->stage].blocks[index];
    const tensor x = grid(p, p->x);
    const tensor y = grid(p, p->y);
    layers_depthwise(p->l, &x, block->weights[CONVNEXT_DEPTHWISE], &y);
    tap(p, &y, "stages.%u.blocks.%u.conv_dw", p->stage, index);
    layers_layer_norm(p->l, &y, block->weights[CONVNEXT_NORM], p->network->eps, &y);
    feed(p, block);
    tap(p, &x, "stages.%u.blocks.%u", p->stage, index);
}

/* The image to the first grid. */
static void run_stem(convnext_pass *p, const encoder_input *input) {
    backend_weight *const *stem = p->network->stages[0].entry;
    backend_buffer *image = NULL;
    layers_take(p->l, (size_t)input->h * input->w * 3, &image);
    const tensor pixels = {.buffer = image, .n = 1, .h = input->h, .w = input->w, .c = 3, .stride = 3};
    const tensor x = grid(p, p->x);
    const conv_geometry cut = {.stride = p->network->shape.stem};
    layers_upload(p->l, input->pixels, &pixels);
    layers_conv(p->l, &pixels, stem[CONVNEXT_ENTRY_CONV], &cut, NULL, ACTIVATION_NONE, NULL, &x);
    tap(p, &x, "stem.0");
    layers_give_back(p->l, image);
    layers_layer_norm(p->l, &x, stem[CONVNEXT_ENTRY_NORM], p->network->eps, &x);
    tap(p, &x, "stem");
}

/* The last stage's grid, normed, to half its sides: the pass then runs `stage`. */
static void enter_stage(convnext_pass *p, uint32_t stage) {
    backend_weight *const *entry = p->network->stages[stage].entry;
    const conv_geometry halve = {.stride = 2};
    const tensor before = grid(p, p->x);
    const tensor normed = grid(p, p->y);
    layers_layer_norm(p->l, &before, entry[CONVNEXT_ENTRY_NORM], p->network->eps, &normed);
    p->stage = stage;
    p->h /= 2;
    p->w /= 2;
    const tensor x = grid(p, p->x);
    layers_conv(p->l, &normed, entry[CONVNEXT_ENTRY_CONV], &halve, NULL, ACTIVATION_NONE, NULL, &x);
    tap(p, &x, "stages.%u.downsample", stage);
}

static void run_stages(convnext_pass *p) {
    const convnext_shape *shape = &p->network->shape;
    for (uint32_t s = 0; s < shape->stages; s++) {
        if (s > 0) {
            enter_stage(p, s);
        }
        for (uint32_t b = 0; b < shape->depths[s] && p->l->status == DIFFCUT_OK; b++) {
            p->l->status = work_progress(p->l->work, p->done / p->steps);
            run_block(p, b);
            p->done += 1.0;
        }
        const tensor x = grid(p, p->x);
        tap(p, &x, "stages.%u", s);
    }
}

/* ------------------------------------------------------------------------------------------------- the run */

/* Elements of the buffers for a first grid of this size. */
static void measure(const convnext_shape *shape, uint32_t h, uint32_t w, size_t *residual, size_t *inner) {
    *residual = 0;
    *inner = 0;
    for (uint32_t s = 0; s < shape->stages; s++) {
        size_t positions = (size_t)(h >> s) * (w >> s);
        size_t needs = positions * shape->widths[s];
        size_t band = band_of(shape, s, positions) * shape->wide[s];
        *residual = needs > *residual ? needs : *residual;
        *inner = band > *inner ? band : *inner;
    }
}

double convnext_planned(const convnext *self, uint32_t h, uint32_t w) {
    size_t residual;
    size_t inner;
    double image = (double)h * w * 3.0;
    measure(&self->shape, h / self->shape.stem, w / self->shape.stem, &residual, &inner);
    double rest = (double)(residual + inner);
    return (double)residual + (image > rest ? image : rest);
}

static diffcut_status check_input(const convnext *self, const encoder_input *input, encoder_output wanted,
                                  diffcut_diagnostics *diag) {
    uint32_t stride = convnext_stride(self);
    if (wanted == ENCODER_KEYS) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "a ConvNeXt has no attention whose keys could be taken");
    }
    if (input->h == 0 || input->w == 0 || input->h % stride != 0 || input->w % stride != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "the image encoder takes sides that are multiples of %u pixels, not %ux%u", stride, input->w,
                         input->h);
    }
    return DIFFCUT_OK;
}

/* (positions, c) to its mean over the positions, summed in double, in the same memory. */
static void pool(encoder_map *map) {
    size_t positions = (size_t)map->h * map->w;
    for (size_t c = 0; c < map->c; c++) {
        double sum = 0.0;
        for (size_t i = 0; i < positions; i++) {
            sum += (double)map->data[i * map->c + c];
        }
        map->data[c] = (float)(sum / (double)positions); /* of position 0, which this channel has passed */
    }
    map->h = 1;
    map->w = 1;
}

diffcut_status convnext_run(const convnext *self, backend_stream *stream, const work *w, const encoder_input *input,
                            encoder_output wanted, layer_tap_fn tap_fn, void *tap_user, encoder_map *out) {
    diffcut_status status = check_input(self, input, wanted, w->diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    layers l = {.backend = self->backend, .stream = stream, .work = w, .tap = tap_fn, .tap_user = tap_user};
    convnext_pass p = {.network = self, .l = &l};
    encoder_map map = {.data = NULL};
    size_t residual;
    size_t inner;
    p.h = input->h / self->shape.stem;
    p.w = input->w / self->shape.stem;
    for (uint32_t s = 0; s < self->shape.stages; s++) {
        p.steps += self->shape.depths[s];
    }
    measure(&self->shape, p.h, p.w, &residual, &inner);
    layers_take(&l, residual, &p.x);
    run_stem(&p, input);
    layers_take(&l, residual, &p.y);
    layers_take(&l, inner, &p.f);
    run_stages(&p);
    const tensor result = grid(&p, p.x);
    encoder_take(&l, &result, p.h, p.w, &map);
    layers_give_back(&l, p.x);
    layers_give_back(&l, p.y);
    layers_give_back(&l, p.f);
    layers_end(&l);
    if (l.status != DIFFCUT_OK) {
        mem_free(map.data);
        return l.status;
    }
    if (wanted == ENCODER_POOLED) {
        pool(&map);
    }
    *out = map;
    return DIFFCUT_OK;
}

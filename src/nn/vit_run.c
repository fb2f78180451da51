/*
 * vit_run.c - a Vision Transformer's run. See vit.h.
 *
 * Buffers: x the residual (tokens, c), n its normed copy and what comes out of attention, f wide (3 c or the
 * feed-forward). The patches' product is added onto the positions, which lie in x already.
 */
#include "nn/vit_internal.h"

#include "core/memory.h"
#include "nn/positions.h"

#include <stdio.h>
#include <string.h>

typedef struct vit_pass {
    const vit *network;
    layers *l;
    uint32_t h, w;           /* of the grid of patches */
    uint32_t before, tokens; /* tokens before the patches, and all */
    backend_buffer *x, *n, *f;
} vit_pass;

/* `count` tokens from `first` on, c channels from `channel` on. */
static tensor rows(backend_buffer *buffer, uint32_t first, uint32_t count, uint32_t channel, uint32_t c,
                   uint32_t stride) {
    return (tensor){.buffer = buffer,
                    .offset = (size_t)first * stride + channel,
                    .n = 1,
                    .h = count,
                    .w = 1,
                    .c = c,
                    .stride = stride};
}

static tensor all(const vit_pass *p, backend_buffer *buffer) {
    uint32_t c = p->network->config.width;
    return rows(buffer, 0, p->tokens, 0, c, c);
}

static size_t feed_width(const vit_config *config) {
    size_t attention = 3 * (size_t)config->width;
    return config->wide > attention ? config->wide : attention;
}

/* ------------------------------------------------------------------------------------------------- embedding */

/* out (tokens, c): class token with its position, registers, the patches' positions on this grid. */
static diffcut_status place_tokens(const vit_pass *p, float *out, diffcut_diagnostics *diag) {
    const vit *self = p->network;
    size_t c = self->config.width;
    uint32_t grid = vit_config_grid(&self->config);
    const float *positions = self->tables[VIT_POSITIONS];
    if (vit_config_has_class(&self->config)) {
        for (size_t i = 0; i < c; i++) {
            out[i] = self->tables[VIT_CLASS][i] + positions[i];
        }
        out += c;
        positions += c;
    }
    if (self->config.registers > 0) {
        memcpy(out, self->tables[VIT_REGISTERS], self->config.registers * c * sizeof *out);
        out += self->config.registers * c;
    }
    if (p->h == grid && p->w == grid) {
        memcpy(out, positions, (size_t)grid * grid * c * sizeof *out);
        return DIFFCUT_OK;
    }
    return positions_resize(positions, grid, (uint32_t)c, p->h, p->w, self->config.antialias, out, diag);
}

static void upload_tokens(vit_pass *p) {
    size_t elements = (size_t)p->tokens * p->network->config.width;
    const tensor x = all(p, p->x);
    float *placed = NULL;
    if (p->l->status == DIFFCUT_OK) {
        placed = mem_array(elements, sizeof *placed);
        p->l->status = placed != NULL ? place_tokens(p, placed, p->l->work->diag)
                                      : diag_no_memory(p->l->work->diag, elements * sizeof *placed, "the positions");
    }
    layers_upload(p->l, placed, &x);
    mem_free(placed);
}

static void embed(vit_pass *p, const encoder_input *input) {
    const vit *self = p->network;
    uint32_t c = self->config.width;
    backend_buffer *image = NULL;
    layers_take(p->l, (size_t)input->h * input->w * 3, &image);
    const tensor pixels = {.buffer = image, .n = 1, .h = input->h, .w = input->w, .c = 3, .stride = 3};
    tensor patches = rows(p->x, p->before, p->h, 0, c, c);
    patches.w = p->w;
    const conv_geometry cut = {.stride = self->config.patch_size};
    upload_tokens(p);
    layers_upload(p->l, input->pixels, &pixels);
    layers_conv(p->l, &pixels, self->singles[VIT_PATCH], &cut, NULL, ACTIVATION_NONE, &patches, &patches);
    layers_give_back(p->l, image);
    if (self->singles[VIT_PRE_NORM] != NULL) {
        const tensor x = all(p, p->x);
        layers_layer_norm(p->l, &x, self->singles[VIT_PRE_NORM], self->config.eps, &x);
    }
}

/* ------------------------------------------------------------------------------------------------- layers */

/* Norm and queries, keys and values side by side in f; those that `slots` names. */
static void project(vit_pass *p, const vit_layer *layer, bool query, bool key, bool value) {
    uint32_t c = p->network->config.width;
    const bool wanted[3] = {query, key, value};
    const tensor x = all(p, p->x);
    const tensor n = all(p, p->n);
    layers_layer_norm(p->l, &x, layer->weights[VIT_NORM_1], p->network->config.eps, &n);
    for (uint32_t i = 0; i < 3; i++) {
        const tensor part = rows(p->f, 0, p->tokens, i * c, c, 3 * c);
        if (wanted[i]) {
            layers_linear(p->l, &n, layer->weights[VIT_QUERY + i], ACTIVATION_NONE, NULL, &part);
        }
    }
}

static void run_layer(vit_pass *p, const vit_layer *layer) {
    const vit_config *config = &p->network->config;
    uint32_t c = config->width;
    const tensor x = all(p, p->x);
    const tensor n = all(p, p->n);
    const tensor q = rows(p->f, 0, p->tokens, 0, c, 3 * c);
    const tensor k = rows(p->f, 0, p->tokens, c, c, 3 * c);
    const tensor v = rows(p->f, 0, p->tokens, 2 * c, c, 3 * c);
    const tensor wide = rows(p->f, 0, p->tokens, 0, config->wide, config->wide);
    project(p, layer, true, true, true);
    layers_attention(p->l, &q, &k, &v, config->heads, false, &n);
    layers_linear(p->l, &n, layer->weights[VIT_ATTENTION_END], ACTIVATION_NONE, &x, &x);
    layers_layer_norm(p->l, &x, layer->weights[VIT_NORM_2], config->eps, &n);
    layers_linear(p->l, &n, layer->weights[VIT_FEED_UP], config->act, NULL, &wide);
    layers_linear(p->l, &wide, layer->weights[VIT_FEED_DOWN], ACTIVATION_NONE, &x, &x);
}

static void tap_tokens(vit_pass *p, const char *name, const tensor *value) {
    layers_tap(p->l, name, value, p->tokens, 1);
}

/* Layers 0 .. count. */
static void run_layers(vit_pass *p, size_t count) {
    const tensor x = all(p, p->x);
    char name[32];
    tap_tokens(p, "hidden_states.0", &x);
    for (size_t i = 0; i < count && p->l->status == DIFFCUT_OK; i++) {
        p->l->status = work_progress(p->l->work, (double)i / (double)p->network->config.layers);
        run_layer(p, &p->network->layers[i]);
        (void)snprintf(name, sizeof name, "hidden_states.%zu", i + 1);
        tap_tokens(p, name, &x);
    }
}

/* The view of what was asked for. */
static tensor run_to(vit_pass *p, encoder_output wanted) {
    const vit *self = p->network;
    const vit_config *config = &self->config;
    const vit_layer *last = &self->layers[config->layers - 1];
    uint32_t c = config->width;
    uint32_t patches = p->tokens - p->before;
    const tensor x = all(p, p->x);
    const tensor n = all(p, p->n);
    if (wanted == ENCODER_KEYS || wanted == ENCODER_DENSE) {
        run_layers(p, config->layers - 1);
        project(p, last, false, wanted == ENCODER_KEYS, wanted == ENCODER_DENSE);
        if (wanted == ENCODER_KEYS) {
            return rows(p->f, p->before, patches, c, c, 3 * c);
        }
        const tensor v = rows(p->f, 0, p->tokens, 2 * c, c, 3 * c);
        layers_linear(p->l, &v, last->weights[VIT_ATTENTION_END], ACTIVATION_NONE, NULL, &n);
        return rows(p->n, p->before, patches, 0, c, c);
    }
    backend_buffer *end = p->x;
    run_layers(p, config->layers);
    if (self->singles[VIT_FINAL_NORM] != NULL) {
        layers_layer_norm(p->l, &x, self->singles[VIT_FINAL_NORM], config->eps, &n);
        end = p->n;
    }
    const tensor state = all(p, end);
    tap_tokens(p, "last_hidden_state", &state);
    return wanted == ENCODER_POOLED ? rows(end, 0, 1, 0, c, c) : rows(end, p->before, patches, 0, c, c);
}

/* ------------------------------------------------------------------------------------------------- the run */

static diffcut_status check_input(const vit_config *config, const encoder_input *input, diffcut_diagnostics *diag) {
    uint32_t patch = config->patch_size;
    if (input->h == 0 || input->w == 0 || input->h % patch != 0 || input->w % patch != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "the image encoder takes sides that are multiples of %u pixels, not %ux%u", patch, input->w,
                         input->h);
    }
    uint64_t patches = (uint64_t)(input->h / patch) * (input->w / patch);
    if (patches > VIT_MAX_PATCHES) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "a %ux%u input has %llu patches, at most %d are encoded",
                         input->w, input->h, (unsigned long long)patches, VIT_MAX_PATCHES);
    }
    return DIFFCUT_OK;
}

double vit_planned(const vit *self, uint32_t h, uint32_t w) {
    const vit_config *config = &self->config;
    double patches = (double)(h / config->patch_size) * (w / config->patch_size);
    double tokens = patches + vit_config_before(config);
    double image = (double)h * w * 3.0;
    double rest = tokens * (double)(config->width + feed_width(config));
    return tokens * config->width + (image > rest ? image : rest);
}

diffcut_status vit_run(const vit *self, backend_stream *stream, const work *w, const encoder_input *input,
                       encoder_output wanted, layer_tap_fn tap, void *tap_user, encoder_map *out) {
    const vit_config *config = &self->config;
    diffcut_status status = check_input(config, input, w->diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    layers l = {.backend = self->backend, .stream = stream, .work = w, .tap = tap, .tap_user = tap_user};
    vit_pass p = {.network = self, .l = &l};
    p.h = input->h / config->patch_size;
    p.w = input->w / config->patch_size;
    p.before = vit_config_before(config);
    p.tokens = p.before + p.h * p.w;
    bool pooled = wanted == ENCODER_POOLED;
    encoder_map map = {.data = NULL};
    self->backend->ops->stream_precision(stream, self->precision);
    layers_take(&l, (size_t)p.tokens * config->width, &p.x);
    embed(&p, input);
    layers_take(&l, (size_t)p.tokens * config->width, &p.n);
    layers_take(&l, p.tokens * feed_width(config), &p.f);
    const tensor result = run_to(&p, wanted);
    encoder_take(&l, &result, pooled ? 1 : p.h, pooled ? 1 : p.w, &map);
    self->backend->ops->stream_precision(stream, DTYPE_F32);
    layers_give_back(&l, p.x);
    layers_give_back(&l, p.n);
    layers_give_back(&l, p.f);
    layers_end(&l);
    if (l.status != DIFFCUT_OK) {
        mem_free(map.data);
        return l.status;
    }
    *out = map;
    return DIFFCUT_OK;
}

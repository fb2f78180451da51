/* clip_text.c - see clip_text.h. */
#include "nn/clip_text_internal.h"

#include "core/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define NAME_SIZE 96
#define TOKEN_EMBEDDING "text_model.embeddings.token_embedding"
#define POSITION_EMBEDDING "text_model.embeddings.position_embedding"
#define FINAL_NORM "text_model.final_layer_norm"
#define PROJECTION "text_projection"

/* Up to so many rows a linear layer's tensor is read in place; beyond, making it ready takes less than it saves. */
#define ONCE_ROWS 256
#define ATTENTION_TEXTS 256 /* at once: their keys and values are packed beside them */

/* A layer's weights. Queries, keys and values have a bias each, so they are three products. */
enum { NORM_1, QUERY, KEY, VALUE, ATTENTION_END, NORM_2, FEED_UP, FEED_DOWN, LAYER_SLOTS };

static weight_need norm(const char *name, uint32_t width) {
    return (weight_need){.parts = {name}, .form = WEIGHT_FORM_NORM, .out = width, .bias = true};
}

static weight_need linear(const char *name, uint32_t out, uint32_t in, bool bias) {
    return (weight_need){.parts = {name}, .form = WEIGHT_FORM_LINEAR, .out = out, .in = in, .bias = bias};
}

static void layer_needs(const clip_text_config *config, weight_need needs[LAYER_SLOTS]) {
    uint32_t c = config->width;
    uint32_t wide = config->wide;
    needs[NORM_1] = norm("layer_norm1", c);
    needs[QUERY] = linear("self_attn.q_proj", c, c, true);
    needs[KEY] = linear("self_attn.k_proj", c, c, true);
    needs[VALUE] = linear("self_attn.v_proj", c, c, true);
    needs[ATTENTION_END] = linear("self_attn.out_proj", c, c, true);
    needs[NORM_2] = norm("layer_norm2", c);
    needs[FEED_UP] = linear("mlp.fc1", wide, c, true);
    needs[FEED_DOWN] = linear("mlp.fc2", c, wide, true);
}

static void layer_prefix(size_t layer, char out[NAME_SIZE]) {
    (void)snprintf(out, NAME_SIZE, "text_model.encoder.layers.%zu.", layer);
}

static weight_need final_norm(const clip_text_config *config) {
    return norm(FINAL_NORM, config->width);
}

static weight_need projection(const clip_text_config *config) {
    return linear(PROJECTION, config->projected, config->width, false);
}

/* The embeddings are tables of rows, checked as linear weights are. */
static weight_need embedding(const char *name, uint32_t rows, uint32_t width) {
    return linear(name, rows, width, false);
}

/* How far the run goes: the pooled text and the normed state need all of it. */
static bool is_whole(const clip_text *self) {
    return self->pooled || !self->penultimate;
}

static size_t layers_run(const clip_text *self) {
    return is_whole(self) ? self->config.layers : self->config.layers - 1;
}

diffcut_status clip_text_visit(const clip_text *self, weight_visit_fn visit, void *user) {
    const clip_text_config *config = &self->config;
    const weight_need tokens = embedding(TOKEN_EMBEDDING, config->vocabulary, config->width);
    const weight_need positions = embedding(POSITION_EMBEDDING, config->positions, config->width);
    diffcut_status status = visit(user, self->component, "", &tokens);
    if (status == DIFFCUT_OK) {
        status = visit(user, self->component, "", &positions);
    }
    weight_need needs[LAYER_SLOTS];
    layer_needs(config, needs);
    for (size_t i = 0; i < layers_run(self); i++) {
        char prefix[NAME_SIZE];
        layer_prefix(i, prefix);
        for (size_t slot = 0; slot < LAYER_SLOTS && status == DIFFCUT_OK; slot++) {
            status = visit(user, self->component, prefix, &needs[slot]);
        }
    }
    if (status == DIFFCUT_OK && is_whole(self)) {
        const weight_need norm = final_norm(config);
        status = visit(user, self->component, "", &norm);
    }
    if (status == DIFFCUT_OK && self->pooled) {
        const weight_need need = projection(config);
        status = visit(user, self->component, "", &need);
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------- embedding */

/* Adds row `row` of a table (rows, width) to out. */
static diffcut_status add_row(const safetensors_tensor *table, const char *file, size_t row, size_t width,
                              float *scratch, float *out, diffcut_diagnostics *diag) {
    size_t size = dtype_size(table->type);
    dtype_to_float(table->type, (const uint8_t *)table->data + row * width * size, width, scratch);
    for (size_t i = 0; i < width; i++) {
        if (!isfinite(scratch[i])) {
            return diag_fail(diag, DIFFCUT_ERROR_NUMERIC, "%s: tensor %s holds NaN or infinity (row %zu, column %zu)",
                             file, table->name, row, i);
        }
        out[i] += scratch[i];
    }
    return DIFFCUT_OK;
}

/* A table's tensor, its shape checked. */
static diffcut_status find_table(const clip_text *self, const char *name, uint32_t rows,
                                 const safetensors_tensor **out, const char **file, diffcut_diagnostics *diag) {
    char full[NAME_SIZE];
    weight_totals ignored = {0};
    const weight_need need = embedding(name, rows, self->config.width);
    diffcut_status status = weight_check(self->source, self->component, "", &need, &ignored, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    (void)snprintf(full, sizeof full, "%s.weight", name);
    return checkpoint_find(self->source, self->component, full, out, file, diag);
}

/* out (rows, width) = token rows + position rows. Only those rows of the tables are touched. */
static diffcut_status embed(const clip_text *self, const clip_text_batch *batch, float *out,
                            diffcut_diagnostics *diag) {
    size_t width = self->config.width;
    const safetensors_tensor *tokens;
    const safetensors_tensor *positions;
    const char *token_file;
    const char *position_file;
    diffcut_status status = find_table(self, TOKEN_EMBEDDING, self->config.vocabulary, &tokens, &token_file, diag);
    if (status == DIFFCUT_OK) {
        status = find_table(self, POSITION_EMBEDDING, self->config.positions, &positions, &position_file, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    float *scratch = mem_array(width, sizeof *scratch);
    if (scratch == NULL) {
        return diag_no_memory(diag, width * sizeof *scratch, "a row of the token embedding");
    }
    memset(out, 0, batch->rows * width * sizeof *out);
    for (size_t g = 0; g < batch->group_count && status == DIFFCUT_OK; g++) {
        const clip_text_group *group = &batch->groups[g];
        size_t end = group->first + (size_t)group->texts * group->length;
        for (size_t i = group->first; i < end && status == DIFFCUT_OK; i++) {
            status = add_row(tokens, token_file, batch->ids[i], width, scratch, out + i * width, diag);
            if (status == DIFFCUT_OK) {
                status = add_row(positions, position_file, (i - group->first) % group->length, width, scratch,
                                 out + i * width, diag);
            }
        }
    }
    mem_free(scratch);
    checkpoint_release(self->source, tokens);
    checkpoint_release(self->source, positions);
    return status;
}

/* ------------------------------------------------------------------------------------------------- the run */

/* One run: x the residual (rows, c), n its normed copy and what comes out of the norm, f wide (3 c or `wide`). */
typedef struct run {
    const clip_text *encoder;
    layers *l;
    const clip_text_batch *batch;
    uint32_t count; /* rows */
    backend_buffer *x, *n, *f;
} run;

static tensor rows(const run *r, backend_buffer *buffer, size_t first, uint32_t c, uint32_t stride) {
    return (tensor){.buffer = buffer, .offset = first, .n = 1, .h = r->count, .w = 1, .c = c, .stride = stride};
}

static void load(const run *r, const char *prefix, const weight_need *need, backend_weight **out) {
    weight_need once = *need;
    once.precision = r->encoder->precision;
    once.once = need->form == WEIGHT_FORM_LINEAR && r->count <= ONCE_ROWS;
    if (r->l->status == DIFFCUT_OK) {
        r->l->status = weight_load(r->encoder->source, r->encoder->component, prefix, &once, r->l->backend, out,
                                   r->l->work->diag);
    }
}

static void drop(const run *r, const char *prefix, const weight_need *need, backend_weight *weight) {
    r->l->backend->ops->weight_destroy(weight);
    weight_release(r->encoder->source, r->encoder->component, prefix, need);
}

/* Attention within each text, of which the backend packs the keys of so many together. */
static void attend(run *r, const tensor *q, const tensor *k, const tensor *v, const tensor *y) {
    for (size_t g = 0; g < r->batch->group_count; g++) {
        const clip_text_group *group = &r->batch->groups[g];
        for (uint32_t done = 0; done < group->texts; done += ATTENTION_TEXTS) {
            uint32_t texts = group->texts - done < ATTENTION_TEXTS ? group->texts - done : ATTENTION_TEXTS;
            size_t first = group->first + (size_t)done * group->length;
            tensor views[4] = {*q, *k, *v, *y};
            for (size_t i = 0; i < 4; i++) {
                views[i].offset += first * views[i].stride;
                views[i].n = texts;
                views[i].h = group->length;
            }
            layers_attention(r->l, &views[0], &views[1], &views[2], r->encoder->config.heads, true, &views[3]);
        }
    }
}

static void run_layer(run *r, size_t index) {
    const clip_text_config *config = &r->encoder->config;
    uint32_t c = config->width;
    weight_need needs[LAYER_SLOTS];
    backend_weight *weights[LAYER_SLOTS] = {NULL};
    char prefix[NAME_SIZE];
    layer_needs(config, needs);
    layer_prefix(index, prefix);
    for (size_t slot = 0; slot < LAYER_SLOTS; slot++) {
        load(r, prefix, &needs[slot], &weights[slot]);
    }
    const tensor x = rows(r, r->x, 0, c, c);
    const tensor n = rows(r, r->n, 0, c, c);
    const tensor q = rows(r, r->f, 0, c, 3 * c);
    const tensor k = rows(r, r->f, c, c, 3 * c);
    const tensor v = rows(r, r->f, 2 * (size_t)c, c, 3 * c);
    const tensor wide = rows(r, r->f, 0, config->wide, config->wide);
    layers_layer_norm(r->l, &x, weights[NORM_1], config->eps, &n);
    layers_linear(r->l, &n, weights[QUERY], ACTIVATION_NONE, NULL, &q);
    layers_linear(r->l, &n, weights[KEY], ACTIVATION_NONE, NULL, &k);
    layers_linear(r->l, &n, weights[VALUE], ACTIVATION_NONE, NULL, &v);
    attend(r, &q, &k, &v, &n);
    layers_linear(r->l, &n, weights[ATTENTION_END], ACTIVATION_NONE, &x, &x);
    layers_layer_norm(r->l, &x, weights[NORM_2], config->eps, &n);
    layers_linear(r->l, &n, weights[FEED_UP], config->act, NULL, &wide);
    layers_linear(r->l, &wide, weights[FEED_DOWN], ACTIVATION_NONE, &x, &x);
    if (r->l->status == DIFFCUT_OK) { /* the weights go: nothing may still be using them */
        r->l->status = r->l->backend->ops->stream_wait(r->l->stream, r->l->work->diag);
    }
    for (size_t slot = 0; slot < LAYER_SLOTS; slot++) {
        drop(r, prefix, &needs[slot], weights[slot]);
    }
}

/* Texts of the batch. */
static size_t texts_of(const clip_text_batch *batch) {
    size_t texts = 0;
    for (size_t g = 0; g < batch->group_count; g++) {
        texts += batch->groups[g].texts;
    }
    return texts;
}

/* The texts' vectors, at the start of f. */
static tensor pooled_in(const run *r) {
    uint32_t width = r->encoder->config.projected;
    return (tensor){.buffer = r->f, .n = 1, .h = (uint32_t)texts_of(r->batch), .w = 1, .c = width, .stride = width};
}

/* Each text's normed vector at its end, projected. */
static void pool(run *r, const backend_weight *project) {
    const clip_text_config *config = &r->encoder->config;
    uint32_t c = config->width;
    tensor to = pooled_in(r);
    for (size_t g = 0; g < r->batch->group_count; g++) {
        const clip_text_group *group = &r->batch->groups[g];
        const tensor ends = {.buffer = r->n,
                             .offset = (group->first + group->end) * c,
                             .n = 1,
                             .h = group->texts,
                             .w = 1,
                             .c = c,
                             .stride = group->length * c};
        to.h = group->texts;
        layers_linear(r->l, &ends, project, ACTIVATION_NONE, NULL, &to);
        to.offset += (size_t)group->texts * config->projected;
    }
}

/* The final norm into n, and from it the texts' vectors into the start of f. */
static void run_end(run *r) {
    const clip_text_config *config = &r->encoder->config;
    uint32_t c = config->width;
    const weight_need norm_need = final_norm(config);
    const weight_need projection_need = projection(config);
    backend_weight *norm = NULL;
    backend_weight *project = NULL;
    const tensor x = rows(r, r->x, 0, c, c);
    const tensor n = rows(r, r->n, 0, c, c);
    load(r, "", &norm_need, &norm);
    layers_layer_norm(r->l, &x, norm, config->eps, &n);
    layers_tap(r->l, "last_hidden_state", &n, r->count, 1);
    if (r->encoder->pooled) {
        const tensor pooled = pooled_in(r);
        load(r, "", &projection_need, &project);
        pool(r, project);
        layers_tap(r->l, "text_embeds", &pooled, pooled.h, 1);
    }
    if (r->l->status == DIFFCUT_OK) {
        r->l->status = r->l->backend->ops->stream_wait(r->l->stream, r->l->work->diag);
    }
    drop(r, "", &norm_need, norm);
    if (r->encoder->pooled) {
        drop(r, "", &projection_need, project);
    }
}

static void tap_hidden(run *r, size_t index) {
    char name[NAME_SIZE];
    const tensor x = rows(r, r->x, 0, r->encoder->config.width, r->encoder->config.width);
    (void)snprintf(name, sizeof name, "hidden_states.%zu", index);
    layers_tap(r->l, name, &x, r->count, 1);
}

/* The first of the largest ids: where the end of the text is. */
static size_t text_end(const uint32_t *ids, size_t count) {
    size_t end = 0;
    for (size_t i = 1; i < count; i++) {
        end = ids[i] > ids[end] ? i : end;
    }
    return end;
}

/* Embedding to outputs; out's arrays are there. vectors: the tokens' are asked for, too. */
static void run_encoder(run *r, bool vectors, const clip_text_output *out) {
    const clip_text *self = r->encoder;
    const clip_text_config *config = &self->config;
    uint32_t c = config->width;
    const tensor x = rows(r, r->x, 0, c, c);
    const tensor n = rows(r, r->n, 0, c, c);
    if (r->l->status == DIFFCUT_OK) {
        r->l->status = embed(self, r->batch, out->tokens, r->l->work->diag);
    }
    layers_upload(r->l, out->tokens, &x);
    tap_hidden(r, 0);
    for (size_t i = 0; i < layers_run(self) && r->l->status == DIFFCUT_OK; i++) {
        /* A large encoder takes seconds: it can be cancelled. */
        double fraction = vectors ? 0.0 : (double)i / (double)layers_run(self);
        r->l->status = work_progress(r->l->work, fraction);
        if (self->penultimate && i + 1 == config->layers) {
            layers_download(r->l, &x, out->tokens);
        }
        run_layer(r, i);
        tap_hidden(r, i + 1);
    }
    if (!is_whole(self)) {
        layers_download(r->l, &x, out->tokens);
        return;
    }
    run_end(r);
    if (!self->penultimate && vectors) {
        layers_download(r->l, &n, out->tokens);
    }
    if (self->pooled) {
        const tensor pooled = pooled_in(r);
        layers_download(r->l, &pooled, out->pooled);
    }
}

diffcut_status clip_text_check_ids(const clip_text *self, const uint32_t *ids, size_t count,
                                   diffcut_diagnostics *diag) {
    if (count < 1 || count > self->config.positions) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                         "%s/config.json: max_position_embeddings is %u, the text has %zu tokens", self->component,
                         self->config.positions, count);
    }
    for (size_t i = 0; i < count; i++) {
        if (ids[i] >= self->config.vocabulary) {
            return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s/config.json: vocab_size is %u, the text has token %u",
                             self->component, self->config.vocabulary, ids[i]);
        }
    }
    return DIFFCUT_OK;
}

static diffcut_status check_finite(const clip_text *self, const float *values, size_t count,
                                   diffcut_diagnostics *diag) {
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i])) {
            return diag_fail(diag, DIFFCUT_ERROR_NUMERIC, "%s: its output holds NaN or infinity", self->component);
        }
    }
    return DIFFCUT_OK;
}

diffcut_status clip_text_pass(const clip_text *self, backend *target, backend_stream *stream, const work *w,
                              const clip_text_batch *batch, bool vectors, layer_tap_fn tap, void *tap_user,
                              clip_text_output *out) {
    const clip_text_config *config = &self->config;
    /* Sizes are bounded by the configuration's limits. */
    size_t texts = texts_of(batch);
    size_t elements = batch->rows * config->width;
    size_t wide = batch->rows * (config->wide > 3 * config->width ? config->wide : 3 * config->width);
    size_t pooled = texts * config->projected;
    layers l = {.backend = target, .stream = stream, .work = w, .tap = tap, .tap_user = tap_user};
    run r = {.encoder = self, .l = &l, .batch = batch, .count = (uint32_t)batch->rows};
    clip_text_output result = {.tokens = mem_array(elements, sizeof *result.tokens)};
    result.pooled = self->pooled ? mem_array(pooled, sizeof *result.pooled) : NULL;
    if (result.tokens == NULL || (self->pooled && result.pooled == NULL)) {
        l.status = diag_no_memory(w->diag, elements * sizeof *result.tokens, "the text's vectors");
    }
    layers_take(&l, elements, &r.x);
    layers_take(&l, elements, &r.n);
    layers_take(&l, wide > pooled ? wide : pooled, &r.f);
    target->ops->stream_precision(stream, self->precision);
    if (l.status == DIFFCUT_OK) {
        run_encoder(&r, vectors, &result);
    }
    target->ops->stream_precision(stream, DTYPE_F32); /* other networks run on this stream too */
    if (l.status == DIFFCUT_OK && vectors) {
        l.status = check_finite(self, result.tokens, elements, w->diag);
    }
    if (l.status == DIFFCUT_OK && self->pooled) {
        l.status = check_finite(self, result.pooled, pooled, w->diag);
    }
    layers_give_back(&l, r.x);
    layers_give_back(&l, r.n);
    layers_give_back(&l, r.f);
    layers_end(&l);
    if (l.status != DIFFCUT_OK || !vectors) {
        mem_free(result.tokens);
        result.tokens = NULL;
    }
    if (l.status != DIFFCUT_OK) {
        mem_free(result.pooled);
        return l.status;
    }
    *out = result;
    return DIFFCUT_OK;
}

diffcut_status clip_text_encode(const clip_text *self, backend *target, backend_stream *stream, const work *w,
                                const uint32_t *ids, size_t count, layer_tap_fn tap, void *tap_user,
                                clip_text_output *out) {
    diffcut_status status = clip_text_check_ids(self, ids, count, w->diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    const clip_text_group alone = {.texts = 1, .length = (uint32_t)count, .end = (uint32_t)text_end(ids, count)};
    const clip_text_batch batch = {.ids = ids, .rows = count, .groups = &alone, .group_count = 1};
    return clip_text_pass(self, target, stream, w, &batch, true, tap, tap_user, out);
}

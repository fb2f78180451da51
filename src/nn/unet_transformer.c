/*
 * unet_transformer.c - the steps of an attention module: in, self-attention, cross-attention, feed-forward, out.
 * Called by unet_encode.c.
 */
#include "nn/unet_run.h"

#define TRANSFORMER_NORM_EPS 1e-6F /* diffusers' Transformer2DModel: group norm */
#define LAYER_NORM_EPS 1e-5F       /* torch's default, which BasicTransformerBlock keeps */

void unet_run_transformer_in(unet_run *r) {
    layers *l = &r->layers;
    uint32_t groups = r->network->plan.config.norm_groups;
    uint32_t c = r->step->out;
    tensor x = unet_grid(r, r->x, c);
    tensor normed = unet_grid(r, r->y, c);
    tensor hidden = unet_grid(r, r->t, c);
    layers_group_norm(l, &x, r->step->weights[TRANSFORMER_NORM], groups, TRANSFORMER_NORM_EPS, ACTIVATION_NONE,
                      &normed);
    unet_emit(r, ".norm", &normed);
    layers_linear(l, &normed, r->step->weights[TRANSFORMER_PROJ], ACTIVATION_NONE, NULL, &hidden);
    unet_emit(r, ".proj_in", &hidden);
}

/* The end of an attention or feed-forward: hidden += product. */
static void add_to_hidden(unet_run *r, const tensor *in, unsigned slot, const char *suffix) {
    layers *l = &r->layers;
    uint32_t c = r->step->out;
    tensor hidden = unet_tokens(r, r->t, 0, c, c);
    if (unet_wanted(r, suffix)) {
        tensor extra = unet_tokens(r, r->extra, 0, c, c);
        layers_linear(l, in, r->step->weights[slot], ACTIVATION_NONE, NULL, &extra);
        unet_emit(r, suffix, &extra);
    }
    layers_linear(l, in, r->step->weights[slot], ACTIVATION_NONE, &hidden, &hidden);
}

void unet_run_self_attention(unet_run *r) {
    layers *l = &r->layers;
    uint32_t c = r->step->out;
    tensor hidden = unet_tokens(r, r->t, 0, c, c);
    tensor normed = unet_tokens(r, r->y, 0, c, c);
    tensor qkv = unet_tokens(r, r->f, 0, 3 * c, 3 * c);
    tensor q = unet_tokens(r, r->f, 0, c, 3 * c);
    tensor k = unet_tokens(r, r->f, c, c, 3 * c);
    tensor v = unet_tokens(r, r->f, 2 * c, c, 3 * c);
    layers_layer_norm(l, &hidden, r->step->weights[ATTENTION_NORM], LAYER_NORM_EPS, &normed);
    layers_linear(l, &normed, r->step->weights[ATTENTION_IN], ACTIVATION_NONE, NULL, &qkv);
    unet_emit(r, ".attn1.to_q", &q);
    unet_emit(r, ".attn1.to_k", &k);
    unet_emit(r, ".attn1.to_v", &v);
    if (r->attention != NULL && l->status == DIFFCUT_OK) {
        const unet_attention seen = {r->step->name, q, k, r->step->heads, r->h, r->w};
        r->attention(r->attention_user, l, &seen);
    }
    layers_attention(l, &q, &k, &v, r->step->heads, false, &normed);
    add_to_hidden(r, &normed, ATTENTION_OUT, ".attn1");
}

void unet_run_cross_attention(unet_run *r) {
    layers *l = &r->layers;
    uint32_t c = r->step->out;
    const unet_context *context = r->input->context;
    tensor hidden = unet_tokens(r, r->t, 0, c, c);
    tensor normed = unet_tokens(r, r->y, 0, c, c);
    tensor q = unet_tokens(r, r->f, 0, c, c);
    tensor k = {
        .buffer = context->keys_values[r->index], .n = 1, .h = context->tokens, .w = 1, .c = c, .stride = 2 * c};
    tensor v = k;
    v.offset = c;
    layers_layer_norm(l, &hidden, r->step->weights[ATTENTION_NORM], LAYER_NORM_EPS, &normed);
    layers_linear(l, &normed, r->step->weights[ATTENTION_IN], ACTIVATION_NONE, NULL, &q);
    unet_emit(r, ".attn2.to_q", &q);
    layers_attention(l, &q, &k, &v, r->step->heads, false, &normed);
    add_to_hidden(r, &normed, ATTENTION_OUT, ".attn2");
}

void unet_run_feed_forward(unet_run *r) {
    layers *l = &r->layers;
    uint32_t c = r->step->out;
    tensor hidden = unet_tokens(r, r->t, 0, c, c);
    tensor normed = unet_tokens(r, r->y, 0, c, c);
    tensor gated = unet_tokens(r, r->f, 0, 4 * c, 4 * c);
    layers_layer_norm(l, &hidden, r->step->weights[FEED_NORM], LAYER_NORM_EPS, &normed);
    layers_linear(l, &normed, r->step->weights[FEED_UP], ACTIVATION_GEGLU, NULL, &gated);
    add_to_hidden(r, &gated, FEED_DOWN, ".ff");
    unet_emit(r, "", &hidden);
}

void unet_run_transformer_out(unet_run *r) {
    layers *l = &r->layers;
    uint32_t c = r->step->out;
    tensor hidden = unet_grid(r, r->t, c);
    tensor x = unet_grid(r, r->x, c);
    layers_linear(l, &hidden, r->step->weights[TRANSFORMER_PROJ], ACTIVATION_NONE, &x, &x);
    unet_emit(r, "", &x);
}

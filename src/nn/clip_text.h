/*
 * clip_text.h - CLIP's text encoder (Radford et al. 2021; OpenCLIP's larger ones have the same form): token ids in,
 * one vector a token and, if asked for, one for the text out.
 *
 * A transformer with causal attention: x += attention(norm1(x)); x += fc2(act(fc1(norm2(x)))); norm at the end.
 * It runs once per prompt, or once over all of a list's texts, so it keeps nothing: the token embedding is read by
 * the rows that occur, and each layer's weights are read in place, where they are mapped, and their pages given back
 * before the next layer's. Called by model/context and its parity test.
 */
#ifndef DIFFCUT_NN_CLIP_TEXT_H
#define DIFFCUT_NN_CLIP_TEXT_H

#include "nn/clip_text_config.h"
#include "nn/layers.h"
#include "nn/weights.h"

typedef struct clip_text {
    const checkpoint *source; /* in which `component` is required */
    const char *component;    /* "text_encoder", "text_encoder_2" */
    clip_text_config config;
    dtype precision;  /* of the products in linear layers and attention: DTYPE_F32 or DTYPE_BF16 */
    bool penultimate; /* the tokens' vectors are the input of the last layer, without a norm; else normed output */
    bool pooled;      /* the projected vector of the text, too */
} clip_text;

/* Every weight that it needs, in the order of use: an encoder whose penultimate state alone is asked for needs no
 * last layer. Stops at the first status that is not DIFFCUT_OK. */
diffcut_status clip_text_visit(const clip_text *self, weight_visit_fn visit, void *user);

typedef struct clip_text_output {
    float *tokens; /* (count, width) */
    float *pooled; /* (projected), or NULL */
} clip_text_output;

/* Encodes count ids (1 .. positions, each below vocabulary). tap (may be NULL) sees "hidden_states.N", and
 * "last_hidden_state" and "text_embeds" where they are computed. Pooled is the projection of the normed vector at the
 * first of the largest ids, which is the end of the text. Both outputs are freed by the caller with mem_free. */
diffcut_status clip_text_encode(const clip_text *self, backend *target, backend_stream *stream, const work *w,
                                const uint32_t *ids, size_t count, layer_tap_fn tap, void *tap_user,
                                clip_text_output *out);

typedef struct clip_text_ids {
    const uint32_t *ids; /* (count): to the text's end, which is the last of them */
    size_t count;        /* 1 .. positions */
} clip_text_ids;

/* Only the pooled vectors of many texts: out (texts, projected). Attention is causal, so that nothing behind a text's
 * end can matter: each runs no longer than it is, beside others of its length, and all texts go through a layer
 * together. Equal texts give equal bits. The encoder is `pooled` and not `penultimate`. */
diffcut_status clip_text_embed(const clip_text *self, backend *target, backend_stream *stream, const work *w,
                               const clip_text_ids *texts, size_t count, float *out);

#endif

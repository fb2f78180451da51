/*
 * image_head.h - from an image encoder's vectors to the space that it shares with texts: a norm and one or two
 * products. CLIP's ViT: post_layernorm, visual_projection. A timm trunk in open_clip: the trunk's own head norm, then
 * a projection, or fc1, gelu, fc2. Called by nn/image_encoder.
 */
#ifndef DIFFCUT_NN_IMAGE_HEAD_H
#define DIFFCUT_NN_IMAGE_HEAD_H

#include "nn/layers.h"
#include "nn/weights.h"

enum { IMAGE_HEAD_NORM, IMAGE_HEAD_FIRST, IMAGE_HEAD_SECOND, IMAGE_HEAD_SLOTS };

typedef struct image_head {
    backend *backend;
    const checkpoint *source;
    weight_need needs[IMAGE_HEAD_SLOTS]; /* the second product may be absent; gelu stands before it */
    float eps;
    uint32_t channels, embedding;
    backend_weight *weights[IMAGE_HEAD_SLOTS];
} image_head;

/* CLIP's; false where the checkpoint has no visual_projection. */
bool image_head_clip(backend *target, const checkpoint *source, uint32_t channels, uint32_t embedding, float eps,
                     image_head *out);
/* open_clip's of a timm trunk; kind as its timm_proj: "linear" or "mlp", whose inner width its tensor tells. */
diffcut_status image_head_timm(backend *target, const checkpoint *source, uint32_t channels, uint32_t embedding,
                               float eps, const char *kind, image_head *out, diffcut_diagnostics *diag);
void image_head_close(image_head *self);

diffcut_status image_head_visit(const image_head *self, weight_visit_fn visit, void *user);
diffcut_status image_head_prepare(image_head *self, diffcut_diagnostics *diag);

/* vectors (count, channels) -> out (count, embedding). tap (may be NULL) sees "head.norm" and "head". */
diffcut_status image_head_run(const image_head *self, backend_stream *stream, const work *w, const float *vectors,
                              uint32_t count, layer_tap_fn tap, void *tap_user, float *out);

#endif

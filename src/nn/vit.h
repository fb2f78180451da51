/*
 * vit.h - a Vision Transformer: an image cut into patches, each a token; class token and registers before them.
 *
 * x += attention(norm1(x)); x += feed(norm2(x)), where DINOv2 multiplies what is added by a vector, which is in the
 * weights here. Another image size than the trained one takes the positions from a grid that is brought to its own.
 * Weights are read and prepared when first computed with. Called by nn/image_encoder and its parity test.
 */
#ifndef DIFFCUT_NN_VIT_H
#define DIFFCUT_NN_VIT_H

#include "nn/encoder_output.h"
#include "nn/vit_config.h"
#include "nn/weights.h"

typedef struct vit vit;

/* source has the component "encoder" required and outlives it. */
diffcut_status vit_open(backend *target, const checkpoint *source, const vit_config *config, vit **out,
                        diffcut_diagnostics *diag);
/* NULL is allowed. */
void vit_close(vit *self);
/* DTYPE_F32, the default, or DTYPE_BF16: of the products in linear layers and attention. Before it is prepared. */
void vit_set_precision(vit *self, dtype precision);

/* Every weight that it needs. Stops at the first status that is not DIFFCUT_OK. */
diffcut_status vit_visit(const vit *self, weight_visit_fn visit, void *user);
/* Makes them ready. Under the owner's lock; runs of other threads may go on. */
diffcut_status vit_prepare(vit *self, diffcut_diagnostics *diag);

/* Elements of the activations that a run has at once, at most. */
double vit_planned(const vit *self, uint32_t h, uint32_t w);

/* input's sides are multiples of the patch. tap (may be NULL) sees "hidden_states.N" and "last_hidden_state", whole:
 * class token, registers, patches. ENCODER_POOLED is the class token's vector. DIFFCUT_ERROR_NUMERIC when the output
 * holds NaN or infinity. */
diffcut_status vit_run(const vit *self, backend_stream *stream, const work *w, const encoder_input *input,
                       encoder_output wanted, layer_tap_fn tap, void *tap_user, encoder_map *out);

#endif

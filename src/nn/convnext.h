/*
 * convnext.h - a ConvNeXt trunk (Liu et al. 2022) under timm's names: the dense map after its last stage.
 *
 * A 4x4 convolution of stride 4 and a norm, then stages of blocks x += scale * fc2(gelu(fc1(norm(depthwise(x))))),
 * each later stage behind a norm and a 2x2 convolution of stride 2. open_clip's configuration only names timm's
 * model, so depths and widths are told from which tensors there are and from their shapes: smaller and larger
 * relatives are one code path. Weights are read and prepared when first computed with. Called by nn/image_encoder.
 */
#ifndef DIFFCUT_NN_CONVNEXT_H
#define DIFFCUT_NN_CONVNEXT_H

#include "nn/encoder_output.h"
#include "nn/weights.h"

#define CONVNEXT_MAX_STAGES 8
#define CONVNEXT_MAX_BLOCKS 128 /* of a stage */
#define CONVNEXT_MAX_WIDTH 16384

typedef struct convnext convnext;

/* What the tensors tell. */
typedef struct convnext_shape {
    uint32_t stages;
    uint32_t depths[CONVNEXT_MAX_STAGES];
    uint32_t widths[CONVNEXT_MAX_STAGES];
    uint32_t wide[CONVNEXT_MAX_STAGES]; /* of the feed-forward */
    uint32_t stem;                      /* side of the first convolution and its stride */
    uint32_t kernel;                    /* side of the depthwise ones */
    bool scaled;                        /* what a block adds is multiplied by its gamma */
} convnext_shape;

/* source has the component "encoder" required and outlives it. DIFFCUT_ERROR_MODEL: the tensors are no ConvNeXt.
 * DIFFCUT_ERROR_UNSUPPORTED: a form of it that is not built (another stem, global response norms). */
diffcut_status convnext_open(backend *target, const checkpoint *source, float eps, convnext **out,
                             diffcut_diagnostics *diag);
/* NULL is allowed. */
void convnext_close(convnext *self);
/* DTYPE_F32, the default, or DTYPE_BF16: of the products. Before it is prepared. */
void convnext_set_precision(convnext *self, dtype precision);
const convnext_shape *convnext_get_shape(const convnext *self);
/* Input pixels per side of a position of the map, and its channels. */
uint32_t convnext_stride(const convnext *self);
uint32_t convnext_channels(const convnext *self);

/* As nn/vit's. */
diffcut_status convnext_visit(const convnext *self, weight_visit_fn visit, void *user);
diffcut_status convnext_prepare(convnext *self, diffcut_diagnostics *diag);
double convnext_planned(const convnext *self, uint32_t h, uint32_t w);

/* input's sides are multiples of the stride. tap (may be NULL) sees "visual.trunk.stem.0", ".stem", ".stages.N",
 * ".stages.N.downsample", ".stages.N.blocks.M", ".stages.N.blocks.M.conv_dw". ENCODER_POOLED is the mean over all
 * positions; ENCODER_KEYS is refused. DIFFCUT_ERROR_NUMERIC when the output holds NaN or infinity. */
diffcut_status convnext_run(const convnext *self, backend_stream *stream, const work *w, const encoder_input *input,
                            encoder_output wanted, layer_tap_fn tap, void *tap_user, encoder_map *out);

#endif

/*
 * image_encoder.h - an image encoder of either form, ViT or ConvNeXt, with its normalisation and its head into the
 * space it shares with texts. Which it is, and of what size, is told from its configuration. Called by model/encoder,
 * the pipeline and the functions of encoder.h.
 */
#ifndef DIFFCUT_NN_IMAGE_ENCODER_H
#define DIFFCUT_NN_IMAGE_ENCODER_H

#include "nn/convnext.h"
#include "nn/image_head.h"
#include "nn/open_clip_config.h"
#include "nn/vit.h"

typedef struct image_encoder {
    const char *kind; /* "dinov2", "vit", "clip", "siglip", "convnext" */
    vit *vit;         /* or NULL */
    convnext *trunk;  /* or NULL */
    bool has_head;    /* into a space of head.embedding channels */
    image_head head;
    uint32_t image_size, stride, channels;
    float mean[3], deviation[3];
} image_encoder;

/* transformers': config.json's root, and preprocessor_config.json's (node NULL: there is none). source has the
 * component "encoder" required and outlives it. */
diffcut_status image_encoder_open(backend *target, const checkpoint *source, json_view config, json_view preprocessor,
                                  image_encoder *out, diffcut_diagnostics *diag);
/* open_clip's. */
diffcut_status image_encoder_open_clip(backend *target, const checkpoint *source, const open_clip_config *config,
                                       image_encoder *out, diffcut_diagnostics *diag);
/* One that was zeroed and never opened is allowed. */
void image_encoder_close(image_encoder *self);
void image_encoder_set_precision(image_encoder *self, dtype precision);

/* Every weight that features and, where there is a head, embeddings need. */
diffcut_status image_encoder_visit(const image_encoder *self, weight_visit_fn visit, void *user);
/* Makes them ready; head: that one's, too. Under the owner's lock. */
diffcut_status image_encoder_prepare(image_encoder *self, bool head, diffcut_diagnostics *diag);
/* Elements of activations at once, at most. */
double image_encoder_planned(const image_encoder *self, uint32_t h, uint32_t w);

/* pixels (h, w, 3) in [0, 1], sides multiples of the stride; normalize: brought to mean 0 and deviation 1 as the
 * encoder was trained. See nn/vit and nn/convnext for the rest. */
diffcut_status image_encoder_run(const image_encoder *self, backend_stream *stream, const work *w,
                                 const float *pixels, uint32_t height, uint32_t width, bool normalize,
                                 encoder_output wanted, layer_tap_fn tap, void *tap_user, encoder_map *out);

#endif

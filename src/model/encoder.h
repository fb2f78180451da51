/*
 * encoder.h - what a model is as an image encoder, of transformers' layout or open_clip's: the image's network and,
 * of a CLIP, the text tower with its tokenizer. Called by model/model and the functions of the public encoder.h.
 */
#ifndef DIFFCUT_MODEL_ENCODER_H
#define DIFFCUT_MODEL_ENCODER_H

#include "model/checkpoint.h"
#include "model/text_tower.h"
#include "nn/image_encoder.h"

typedef struct model_encoder {
    image_encoder image;
    text_tower text;   /* empty where the checkpoint has none */
    float logit_scale; /* min(exp(logit_scale), 100); 0: none */
} model_encoder;

/* source has the component "encoder" required and outlives it. words: a folder of the tokenizer's files, or NULL:
 * beside the weights. Opening reads configurations and which tensors there are; weights are not read. The caller
 * closes it with model_encoder_close. */
diffcut_status model_encoder_open(backend *target, checkpoint *source, const char *words, model_encoder **out,
                                  diffcut_diagnostics *diag);
/* NULL is allowed. */
void model_encoder_close(model_encoder *self);
void model_encoder_set_precision(model_encoder *self, dtype precision);

/* Every weight of both towers. */
diffcut_status model_encoder_visit(const model_encoder *self, weight_visit_fn visit, void *user);

#endif

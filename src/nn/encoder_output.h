/*
 * encoder_output.h - what an image encoder is asked for, and what it gives: shared by nn/vit, nn/convnext and their
 * owner nn/image_encoder.
 */
#ifndef DIFFCUT_NN_ENCODER_OUTPUT_H
#define DIFFCUT_NN_ENCODER_OUTPUT_H

#include "nn/layers.h"

typedef enum encoder_output {
    ENCODER_TOKENS, /* the last layer's patches, with the family's last norm where it has one */
    ENCODER_KEYS,   /* ViT: the patches' keys in the last attention */
    ENCODER_DENSE,  /* what the head takes at each position */
    ENCODER_POOLED  /* what the head takes of the whole image: (1, 1, c) */
} encoder_output;

/* An image, normalised: (h, w, 3). */
typedef struct encoder_input {
    const float *pixels;
    uint32_t h, w;
} encoder_input;

/* (h, w, c); data is freed with mem_free. */
typedef struct encoder_map {
    uint32_t h, w, c;
    float *data;
} encoder_map;

/* A run's result to the host, as (h, w, c); NaN or infinity in it is the run's failure. The caller frees out->data
 * with mem_free on failure too. */
void encoder_take(layers *l, const tensor *result, uint32_t h, uint32_t w, encoder_map *out);

#endif

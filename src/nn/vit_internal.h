/* vit_internal.h - the insides shared by vit.c (life, weights) and vit_run.c. */
#ifndef DIFFCUT_NN_VIT_INTERNAL_H
#define DIFFCUT_NN_VIT_INTERNAL_H

#include "nn/vit.h"

enum {
    VIT_NORM_1,
    VIT_QUERY,
    VIT_KEY,
    VIT_VALUE,
    VIT_ATTENTION_END,
    VIT_NORM_2,
    VIT_FEED_UP,
    VIT_FEED_DOWN,
    VIT_LAYER_SLOTS
};
enum { VIT_PATCH, VIT_PRE_NORM, VIT_FINAL_NORM, VIT_SINGLE_SLOTS };
enum { VIT_CLASS, VIT_REGISTERS, VIT_POSITIONS, VIT_TABLES };

typedef struct vit_layer {
    backend_weight *weights[VIT_LAYER_SLOTS];
} vit_layer;

struct vit {
    backend *backend;
    const checkpoint *source;
    vit_config config;
    dtype precision;
    bool prepared; /* read and written under the owner's lock */
    vit_layer *layers;
    backend_weight *singles[VIT_SINGLE_SLOTS]; /* NULL where the family has none */
    float *tables[VIT_TABLES];                 /* the same */
};

#endif

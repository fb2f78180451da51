/* convnext_internal.h - the insides shared by convnext.c (shape, life, weights) and convnext_run.c. */
#ifndef DIFFCUT_NN_CONVNEXT_INTERNAL_H
#define DIFFCUT_NN_CONVNEXT_INTERNAL_H

#include "nn/convnext.h"

#define CONVNEXT_TRUNK "visual.trunk."
#define CONVNEXT_NAME_SIZE 96

enum { CONVNEXT_DEPTHWISE, CONVNEXT_NORM, CONVNEXT_UP, CONVNEXT_DOWN, CONVNEXT_BLOCK_SLOTS };
enum { CONVNEXT_ENTRY_NORM, CONVNEXT_ENTRY_CONV, CONVNEXT_ENTRY_SLOTS };

typedef struct convnext_block {
    backend_weight *weights[CONVNEXT_BLOCK_SLOTS];
} convnext_block;

typedef struct convnext_stage {
    backend_weight *entry[CONVNEXT_ENTRY_SLOTS]; /* of the first stage: the stem's */
    convnext_block *blocks;
} convnext_stage;

struct convnext {
    backend *backend;
    const checkpoint *source;
    convnext_shape shape;
    float eps; /* of every layer norm */
    dtype precision;
    bool prepared; /* read and written under the owner's lock */
    convnext_stage stages[CONVNEXT_MAX_STAGES];
};

#endif

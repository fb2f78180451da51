/*
 * fixture.h - one operation of a backend as data: its shape, options and inputs, so that the same case can be run on
 * two backends and compared. Used by check_backend.c and the cmocka tests of this folder.
 */
#ifndef DIFFCUT_TESTS_BACKEND_FIXTURE_H
#define DIFFCUT_TESTS_BACKEND_FIXTURE_H

#include "backend/backend.h"

typedef enum operation {
    OP_LINEAR,
    OP_CONV2D,
    OP_DEPTHWISE,
    OP_GROUP_NORM,
    OP_LAYER_NORM,
    OP_ATTENTION,
    OP_ATTENTION_MAP,
    OP_ADD,
    OP_COUNT
} operation;

/* What the inputs look like. */
typedef enum flavour {
    FLAVOUR_NORMAL,   /* around 0, results of the size of 1 */
    FLAVOUR_DENORMAL, /* around 1e-40 */
    FLAVOUR_HUGE,     /* around 1e15 */
    FLAVOUR_OFFSET,   /* 1000 + normal: a mean far from 0 */
    FLAVOUR_CONSTANT, /* 3.25 everywhere */
    FLAVOUR_COUNT
} flavour;

typedef enum residual_use { RESIDUAL_NONE, RESIDUAL_OWN, RESIDUAL_IS_Y } residual_use;

/* Zero means: no such part, or the smallest one. */
typedef struct op_case {
    operation op;
    uint32_t n, h, w, c; /* of x, a or q (w = 1) */
    uint32_t out;        /* outputs of the weight */
    uint32_t kernel_h, kernel_w;
    conv_geometry geometry;
    uint32_t parts;            /* groups or heads */
    uint32_t keys, key_images; /* attention */
    float sharpness;           /* attention: scale on top of 1 / sqrt(channels of a head); 0 is 1 */
    bool causal, bias, per_image, in_place;
    activation act;
    residual_use residual;
    dtype weight_type;
    dtype precision; /* linear and attention; for DTYPE_BF16 all operands are drawn with no more bits than that */
    flavour flavour;
    bool strided; /* views at odd offsets with gaps between positions */
} op_case;

/* Dense host data of a case; NULL where it has none. */
typedef struct op_inputs {
    float *x, *second, *third, *per_image, *residual; /* second and third: k and v, or b */
    void *weight, *bias;
} op_inputs;

typedef struct side {
    backend *backend;
    backend_stream *stream;
    diffcut_diagnostics diag;
} side;

/* False (with s->diag set) when the backend does not open. */
bool side_open(side *s, const char *name, uint32_t threads);
void side_close(side *s);

const char *operation_name(operation op);
/* A line that tells the case from others. */
void case_describe(const op_case *k, char *text, size_t size);
/* Size of the result: positions and channels. */
void case_result_shape(const op_case *k, uint32_t shape[4]);
size_t case_result_elements(const op_case *k);
/* Multiplications and additions. */
double case_flops(const op_case *k);

/* Reproducible inputs; false when memory is short. */
bool inputs_create(const op_case *k, uint64_t seed, op_inputs *inputs);
void inputs_destroy(op_inputs *inputs);

/* The case set up on a backend: weights and buffers made and filled, ready to run any number of times. */
typedef struct op_setup {
    backend_buffer *buffers[6];
    size_t buffer_count;
    backend_weight *weight;
    tensor x, second, third, per_image, residual, y;
} op_setup;

diffcut_status setup_create(side *s, const op_case *k, const op_inputs *inputs, op_setup *setup);
void setup_destroy(side *s, op_setup *setup);
diffcut_status setup_run(side *s, const op_case *k, op_setup *setup);

/* Sets up, runs and downloads; false in *intact when elements outside of y's view were written. */
diffcut_status case_run(side *s, const op_case *k, const op_inputs *inputs, float *result, bool *intact);

/* The best time of several runs, in seconds; at least 0.3 s are spent. Infinity when the case cannot run. */
double case_time(side *s, const op_case *k);

#endif

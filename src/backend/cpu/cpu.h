/*
 * cpu.h - what the files of the cpu backend share: its weights, its streams with their scratch memory.
 *
 * Work is cut into tiles by the problem's size alone; each tile is one thread's work from the first product to the
 * last activation, so results do not depend on the thread count. Called by the files of backend/cpu.
 */
#ifndef DIFFCUT_BACKEND_CPU_CPU_H
#define DIFFCUT_BACKEND_CPU_CPU_H

#include "backend/cpu/depthwise_kernels.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/panel.h"
#include "backend/cpu/pool.h"
#include "backend/cpu/winograd_kernels.h"
#include "backend/host.h"

typedef struct cpu_backend {
    backend head;
    cpu_level level;
    const cpu_kernels *kernels; /* of its instruction set */
    const panel_kernels *panels;
    const winograd_kernels *winograd;
    const depthwise_kernels *depthwise;
    cpu_pool *pool; /* of buffers */
} cpu_backend;

struct backend_stream {
    const cpu_backend *owner;
    uint32_t threads;
    dtype precision; /* of attention's products: DTYPE_F32 or DTYPE_BF16 */
    float *scratch;  /* of the largest operation yet */
    size_t scratch_floats;
};

/* A weight in the order that its product takes it: immutable, shared by all streams. */
typedef struct cpu_weight {
    struct backend_weight head;
    size_t bytes;
    panel_matrix panels; /* (kernel_h * kernel_w * in, out); empty for a norm, and where Winograd's form is enough */
    float *gamma;        /* norm: (out); depthwise: (kernel_h, kernel_w, out) */
    float *bias;         /* (out), beta, or NULL */
    winograd_form form;
    float *winograd; /* convolution with a form: its transformed weights, see winograd_kernels.h */
} cpu_weight;

static inline const cpu_weight *cpu_weight_of(const backend_weight *weight) {
    return (const cpu_weight *)(const void *)weight;
}

/* weight.c */
diffcut_status cpu_weight_create(backend *self, const weight_source *source, backend_weight **out,
                                 diffcut_diagnostics *diag);
/* The same, for tests that ask for a form instead of winograd_choose's. Only 3x3 convolutions have one. */
diffcut_status cpu_weight_create_form(backend *self, const weight_source *source, winograd_form form,
                                      backend_weight **out, diffcut_diagnostics *diag);
void cpu_weight_destroy(backend_weight *weight);
size_t cpu_weight_bytes(const backend_weight *weight);

/* Scratch memory of the stream, valid until the next call: `shared` floats, then `each` floats for every one of
 * `workers`. Both are rounded up to whole cache lines. */
typedef struct cpu_scratch {
    float *shared;
    float *workers;
    size_t each; /* floats from one worker's to the next's */
} cpu_scratch;
diffcut_status cpu_scratch_get(backend_stream *stream, size_t shared, size_t each, uint32_t workers,
                               cpu_scratch *scratch, diffcut_diagnostics *diag);

/* How many threads to use for `pieces` pieces of `work` elementary steps in all: one where starting others takes
 * longer than the work. */
uint32_t cpu_workers(const backend_stream *stream, size_t pieces, double work);

/* The operations, as in backend_ops. product.c */
diffcut_status cpu_conv2d(backend_stream *stream, const tensor *x, const backend_weight *weight,
                          const conv_geometry *geometry, const epilogue *tail, const tensor *y,
                          diffcut_diagnostics *diag);
diffcut_status cpu_linear(backend_stream *stream, const tensor *x, const backend_weight *weight, const epilogue *tail,
                          const tensor *y, diffcut_diagnostics *diag);
/* depthwise.c */
diffcut_status cpu_depthwise(backend_stream *stream, const tensor *x, const backend_weight *weight, const tensor *y,
                             diffcut_diagnostics *diag);
/* norm.c */
diffcut_status cpu_group_norm(backend_stream *stream, const tensor *x, const backend_weight *norm, uint32_t groups,
                              float eps, activation act, const tensor *y, diffcut_diagnostics *diag);
diffcut_status cpu_layer_norm(backend_stream *stream, const tensor *x, const backend_weight *norm, float eps,
                              const tensor *y, diffcut_diagnostics *diag);
/* attention.c */
diffcut_status cpu_attention(backend_stream *stream, const tensor *q, const tensor *k, const tensor *v,
                             uint32_t heads, float scale, bool causal, const tensor *y, diffcut_diagnostics *diag);
/* add.c */
diffcut_status cpu_attention_map(backend_stream *stream, const tensor *q, const tensor *k, uint32_t heads,
                                 float scale, const tensor *y, diffcut_diagnostics *diag);
diffcut_status cpu_add(backend_stream *stream, const tensor *a, const tensor *b, activation act, const tensor *y,
                       diffcut_diagnostics *diag);

#endif

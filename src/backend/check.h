/*
 * check.h - what every backend's buffers and weights begin with, and the shape checks that all backends share.
 *
 * An operation calls its check first, so that a mismatch is one clear message naming the operation, the part and both
 * shapes, and the loops behind it need no checks of their own. Called by backend/ref and backend/cpu.
 */
#ifndef DIFFCUT_BACKEND_CHECK_H
#define DIFFCUT_BACKEND_CHECK_H

#include "backend/backend.h"

/* The common head of every backend's buffer. */
struct backend_buffer {
    size_t elements;
};

/* The common head of every backend's weight: its shape. */
struct backend_weight {
    enum weight_kind kind;
    uint32_t out, in, kernel_h, kernel_w; /* in and the kernel are 1 where the kind has none */
    uint32_t stride;                      /* of the convolution it is for; 0: any */
};

/* Fills the head of a weight from its source and counts the elements of `data`. Missing data, zero sizes, an unknown
 * dtype and sizes past the address space are refused. */
diffcut_status backend_check_weight(const weight_source *source, struct backend_weight *shape, size_t *elements,
                                    diffcut_diagnostics *diag);

/* The view has positions and channels, and lies inside its buffer. `part` names it in the message. */
diffcut_status backend_check_view(const char *operation, const char *part, const tensor *t,
                                  diffcut_diagnostics *diag);

diffcut_status backend_check_conv2d(const tensor *x, const backend_weight *weight, const conv_geometry *geometry,
                                    const epilogue *tail, const tensor *y, diffcut_diagnostics *diag);
diffcut_status backend_check_depthwise(const tensor *x, const backend_weight *weight, const tensor *y,
                                       diffcut_diagnostics *diag);
diffcut_status backend_check_linear(const tensor *x, const backend_weight *weight, const epilogue *tail,
                                    const tensor *y, diffcut_diagnostics *diag);
/* layer_norm passes groups = 1 and ACTIVATION_NONE. */
diffcut_status backend_check_norm(const char *operation, const tensor *x, const backend_weight *norm, uint32_t groups,
                                  float eps, activation act, const tensor *y, diffcut_diagnostics *diag);
diffcut_status backend_check_attention(const tensor *q, const tensor *k, const tensor *v, uint32_t heads,
                                       const tensor *y, diffcut_diagnostics *diag);
diffcut_status backend_check_attention_map(const tensor *q, const tensor *k, uint32_t heads, const tensor *y,
                                           diffcut_diagnostics *diag);
diffcut_status backend_check_add(const tensor *a, const tensor *b, activation act, const tensor *y,
                                 diffcut_diagnostics *diag);

#endif

/*
 * winograd.h - 3x3 convolutions of stride 1 by Winograd's minimal filtering, for the cpu backend: F(4x4, 3x3) takes a
 * quarter of the direct convolution's multiplications, F(6x6, 3x3) a fifth.
 *
 * Which form a weight gets is decided when it is made, by its channels and what is known of its grid
 * (winograd_choose); any padding and any picture size can then be asked for. Called by backend/cpu/weight.c and
 * product.c.
 */
#ifndef DIFFCUT_BACKEND_CPU_WINOGRAD_H
#define DIFFCUT_BACKEND_CPU_WINOGRAD_H

#include "backend/cpu/cpu.h"

/* The form for a 3x3 convolution of these channels, over a large grid or not; WINOGRAD_NONE where the direct one is
 * better. */
winograd_form winograd_choose(uint32_t in, uint32_t out, bool large_grid);

/* Floats of the transformed weights; false when they do not fit the address space. */
bool winograd_floats(const winograd_kernels *kernels, winograd_form form, uint32_t in, uint32_t out, size_t *floats);

/* Transforms a convolution's weights (out, in, 3, 3) into `to` of winograd_floats(). */
diffcut_status winograd_transform(const winograd_kernels *kernels, winograd_form form, const weight_source *source,
                                  float *to, diffcut_diagnostics *diag);

/* y = conv(x) with a weight that has a form and geometry->stride 1; arguments have been checked. */
diffcut_status winograd_conv2d(backend_stream *stream, const tensor *x, const cpu_weight *weight,
                               const conv_geometry *geometry, const epilogue *tail, const tensor *y,
                               diffcut_diagnostics *diag);

#endif

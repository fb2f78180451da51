/*
 * gather.h - the patches under a convolution's kernel, as rows of a matrix (im2col), for a block of output positions
 * and a range of kernel taps at a time. Called by backend/cpu/product.c.
 */
#ifndef DIFFCUT_BACKEND_CPU_GATHER_H
#define DIFFCUT_BACKEND_CPU_GATHER_H

#include "backend/host.h"

/* rows x (taps * x->c), row-major: row i holds, for kernel taps tap .. tap + taps - 1 (ky * kernel_w + kx), the input
 * channels that output position `position` + i sees there, zeros outside the image. y gives the output's size. */
void gather_patches(const tensor *x, const tensor *y, const struct backend_weight *shape,
                    const conv_geometry *geometry, size_t position, size_t rows, size_t tap, size_t taps,
                    float *patches);

#endif

/* gather.c - see gather.h. */
#include "backend/cpu/gather.h"

#include <string.h>

static size_t min_size(size_t a, size_t b) {
    return a < b ? a : b;
}

/* `count` taps along one kernel row, their first at column `left` of the padded image (left counts from pad_left
 * before column 0): zeros, then what lies inside the image, then zeros. row is the image row, NULL outside. */
static void gather_span(const tensor *x, const float *row, size_t left, size_t pad, size_t count, float *patch) {
    size_t channels = x->c;
    size_t before = left < pad ? min_size(pad - left, count) : 0;
    size_t column = left < pad ? 0 : left - pad;
    size_t inside = row == NULL || column >= x->w ? 0 : min_size(x->w - column, count - before);
    memset(patch, 0, before * channels * sizeof *patch);
    patch += before * channels;
    if (inside > 0 && x->stride == x->c) {
        memcpy(patch, row + column * channels, inside * channels * sizeof *patch);
    } else {
        for (size_t i = 0; i < inside; i++) {
            memcpy(patch + i * channels, row + (column + i) * x->stride, channels * sizeof *patch);
        }
    }
    memset(patch + inside * channels, 0, (count - before - inside) * channels * sizeof *patch);
}

void gather_patches(const tensor *x, const tensor *y, const struct backend_weight *shape,
                    const conv_geometry *geometry, size_t position, size_t rows, size_t tap, size_t taps,
                    float *patches) {
    const float *data = host_data(x);
    for (size_t i = position; i < position + rows; i++) {
        size_t ox = i % y->w;
        size_t oy = i / y->w % y->h;
        size_t image = i / y->w / y->h;
        for (size_t t = tap; t < tap + taps;) {
            size_t ky = t / shape->kernel_w;
            size_t kx = t % shape->kernel_w;
            size_t span = min_size(shape->kernel_w - kx, tap + taps - t);
            /* A row in the top padding wraps to beyond the image's height. */
            size_t iy = oy * geometry->stride + ky - geometry->pad_top;
            const float *row = iy < x->h ? data + (image * x->h + iy) * x->w * x->stride : NULL;
            gather_span(x, row, ox * geometry->stride + kx, geometry->pad_left, span, patches);
            patches += span * x->c;
            t += span;
        }
    }
}

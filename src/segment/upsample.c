/* upsample.c - see upsample.h. Positions are computed in float32 in torch's order, so that its taps are met. */
#include "segment/upsample.h"

static upsample_tap tap_at(float position, uint32_t in) {
    position = position > 0.0F ? position : 0.0F;
    uint32_t low = (uint32_t)position;
    low = low < in - 1 ? low : in - 1;
    float fraction = position - (float)low;
    fraction = fraction < 1.0F ? fraction : 1.0F;
    return (upsample_tap){low, low < in - 1 ? low + 1 : low, fraction};
}

void upsample_half_pixel(uint32_t in, uint32_t out, upsample_tap *taps) {
    float scale = (float)in / (float)out;
    for (uint32_t i = 0; i < out; i++) {
        taps[i] = tap_at(scale * ((float)i + 0.5F) - 0.5F, in);
    }
}

void upsample_corners(uint32_t in, uint32_t out, upsample_tap *taps) {
    float scale = out > 1 ? (float)(in - 1) / (float)(out - 1) : 0.0F;
    for (uint32_t i = 0; i < out; i++) {
        taps[i] = tap_at(scale * (float)i, in);
    }
}

uint32_t upsample_nearest(uint32_t in, uint32_t out, uint32_t i) {
    /* floor((i + 1/2) * in / out) in whole numbers. */
    uint64_t position = (2 * (uint64_t)i + 1) * in / (2 * (uint64_t)out);
    return position < in ? (uint32_t)position : in - 1;
}

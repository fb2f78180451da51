/* shrink.c - see shrink.h. */
#include "shrink.h"

#include <stdlib.h>

/* The samples that output i of `out` covers among `in`: at least one. */
static void span(uint32_t i, uint32_t in, uint32_t out, uint32_t *begin, uint32_t *end) {
    *begin = (uint32_t)((uint64_t)i * in / out);
    const uint64_t last = ((uint64_t)i + 1) * in / out;
    *end = last > *begin ? (uint32_t)last : *begin + 1;
}

static void mean_pixel(const diffcut_image *image, const uint32_t x[2], const uint32_t y[2], uint8_t out[3]) {
    uint64_t sum[3] = {0};
    for (uint32_t row = y[0]; row < y[1]; row++) {
        const uint8_t *at = image->rgb + ((size_t)row * image->width + x[0]) * 3;
        for (uint32_t column = x[0]; column < x[1]; column++, at += 3) {
            sum[0] += at[0];
            sum[1] += at[1];
            sum[2] += at[2];
        }
    }
    const uint64_t count = (uint64_t)(x[1] - x[0]) * (y[1] - y[0]);
    for (int channel = 0; channel < 3; channel++) {
        out[channel] = (uint8_t)((sum[channel] + count / 2) / count);
    }
}

bool shrink_image(const diffcut_image *image, uint32_t width, uint32_t height, diffcut_image *out) {
    uint8_t *rgb = malloc((size_t)width * height * 3);
    if (rgb == NULL) {
        return false;
    }
    for (uint32_t row = 0; row < height; row++) {
        uint32_t x[2];
        uint32_t y[2];
        span(row, image->height, height, &y[0], &y[1]);
        for (uint32_t column = 0; column < width; column++) {
            span(column, image->width, width, &x[0], &x[1]);
            mean_pixel(image, x, y, rgb + ((size_t)row * width + column) * 3);
        }
    }
    *out = (diffcut_image){width, height, rgb};
    return true;
}

/* pixel_unshuffle.c - see pixel_unshuffle.h. */
#include "nn/pixel_unshuffle.h"

#include <stddef.h>

/* One row of the latent. */
static void unshuffle_row(const float *image, size_t y, size_t latent_width, size_t factor, float *row) {
    size_t width = latent_width * factor;
    for (size_t x = 0; x < latent_width; x++) {
        for (size_t dy = 0; dy < factor; dy++) {
            for (size_t dx = 0; dx < factor; dx++) {
                const float *pixel = image + ((y * factor + dy) * width + x * factor + dx) * 3;
                for (size_t c = 0; c < 3; c++) {
                    row[x * 3 * factor * factor + (c * factor + dy) * factor + dx] = 2.0F * pixel[c] - 1.0F;
                }
            }
        }
    }
}

void pixel_unshuffle(const float *image, uint32_t height, uint32_t width, uint32_t factor, float *latent) {
    size_t rows = height / factor;
    for (size_t y = 0; y < rows; y++) {
        unshuffle_row(image, y, width / factor, factor, latent + y * width * 3 * factor);
    }
}

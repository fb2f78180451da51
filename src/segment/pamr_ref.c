/*
 * pamr_ref.c - see pamr_ref.h. Araslanov & Roth, "Single-Stage Semantic Segmentation from Image Labels", CVPR 2020,
 * section 4.2, with the constants of the published code:
 *
 *   k_c(i, j) = -|x_c(i) - x_c(j)| / (1e-8 + 0.1 * sigma_c(i))     sigma: unbiased, over the 9 samples a dilation
 *   a(i, j)   = softmax over the 8 neighbours of every dilation of mean_c k_c(i, j)
 *   m(i)      = sum_j a(i, j) m(j), iterated
 */
#include "segment/pamr_ref.h"

#include "core/memory.h"

#include <math.h>
#include <string.h>

#define CHANNELS 3

typedef struct neighbourhood {
    int64_t width, height;
    const uint32_t *dilations;
    uint32_t dilation_count;
} neighbourhood;

/* Pixel index of sample (dy, dx) around pixel i, the edge repeated. */
static size_t sample_at(const neighbourhood *around, size_t i, int64_t dy, int64_t dx) {
    int64_t y = (int64_t)i / around->width + dy, x = (int64_t)i % around->width + dx;
    y = y < 0 ? 0 : y >= around->height ? around->height - 1 : y;
    x = x < 0 ? 0 : x >= around->width ? around->width - 1 : x;
    return (size_t)(y * around->width + x);
}

/* The 9 samples of a dilation in reading order; the fifth is the centre. */
static size_t ninth(const neighbourhood *around, size_t i, size_t dilation, int64_t k) {
    int64_t d = around->dilations[dilation];
    return sample_at(around, i, (k / 3 - 1) * d, (k % 3 - 1) * d);
}

static double deviation(const neighbourhood *around, const float *image, size_t i, size_t channel) {
    double mean = 0.0, squares = 0.0, samples = 9.0 * around->dilation_count;
    for (size_t d = 0; d < around->dilation_count; d++) {
        for (int64_t k = 0; k < 9; k++) {
            mean += (double)image[ninth(around, i, d, k) * CHANNELS + channel] / samples;
        }
    }
    for (size_t d = 0; d < around->dilation_count; d++) {
        for (int64_t k = 0; k < 9; k++) {
            double difference = (double)image[ninth(around, i, d, k) * CHANNELS + channel] - mean;
            squares += difference * difference;
        }
    }
    return sqrt(squares / (samples - 1.0));
}

/* neighbours, weights: (dilation_count * 8) */
static void weigh_pixel(const neighbourhood *around, const float *image, size_t i, size_t *neighbours,
                        float *weights) {
    double sigma[CHANNELS], total = 0.0;
    for (size_t c = 0; c < CHANNELS; c++) {
        sigma[c] = deviation(around, image, i, c);
    }
    size_t n = 0;
    for (size_t d = 0; d < around->dilation_count; d++) {
        for (int64_t k = 0; k < 9; k++) {
            if (k == 4) {
                continue;
            }
            neighbours[n] = ninth(around, i, d, k);
            double mean = 0.0;
            for (size_t c = 0; c < CHANNELS; c++) {
                double difference = (double)image[i * CHANNELS + c] - (double)image[neighbours[n] * CHANNELS + c];
                mean -= fabs(difference) / (1e-8 + 0.1 * sigma[c]) / CHANNELS;
            }
            weights[n] = (float)exp(mean);
            total += (double)weights[n++];
        }
    }
    for (size_t j = 0; j < n; j++) {
        weights[j] = (float)((double)weights[j] / total);
    }
}

diffcut_status pamr_reference(uint32_t width, uint32_t height, const float *image, const uint32_t *dilations,
                              uint32_t dilation_count, uint32_t iterations, size_t count, float *masks,
                              diffcut_diagnostics *diag) {
    neighbourhood around = {width, height, dilations, dilation_count};
    size_t pixels = (size_t)width * height, neighbours = (size_t)dilation_count * 8;
    size_t *where = mem_array(pixels, neighbours * sizeof *where);
    float *weights = mem_array(pixels, neighbours * sizeof *weights);
    float *next = mem_array(pixels, sizeof *next);
    diffcut_status status = DIFFCUT_OK;
    if (where == NULL || weights == NULL || next == NULL) {
        status = diag_no_memory(diag, pixels * neighbours * sizeof *where, "the plain refinement");
        goto cleanup;
    }
    for (size_t i = 0; i < pixels; i++) {
        weigh_pixel(&around, image, i, where + i * neighbours, weights + i * neighbours);
    }
    for (size_t m = 0; m < count; m++) {
        float *mask = masks + m * pixels;
        for (uint32_t iteration = 0; iteration < iterations; iteration++) {
            for (size_t i = 0; i < pixels; i++) {
                float sum = 0.0F;
                for (size_t j = 0; j < neighbours; j++) {
                    sum += weights[i * neighbours + j] * mask[where[i * neighbours + j]];
                }
                next[i] = sum;
            }
            memcpy(mask, next, pixels * sizeof *next);
        }
    }

cleanup:
    mem_free(where);
    mem_free(weights);
    mem_free(next);
    return status;
}

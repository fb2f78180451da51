/* depthwise_kernels.c - see depthwise_kernels.h. Built once for every instruction set by diffcut_simd_source(). */
#include "backend/cpu/depthwise_kernels.h"
#include "backend/cpu/vector.h"

#define RUN 6 /* outputs whose sums are held in registers, two vectors each: 12 of the 16 that AVX2 has */

#define ALWAYS_INLINE inline __attribute__((always_inline))

/* `outputs` outputs, which the compiler knows, in two full vectors of channels from channel c on. */
static ALWAYS_INLINE void whole(const depthwise_taps *taps, size_t channels, size_t c, const float *bias,
                                const size_t outputs, float *y, size_t y_step) {
    vfloat sums[RUN][2];
#pragma GCC unroll 8
    for (size_t o = 0; o < outputs; o++) {
        for (size_t half = 0; half < 2; half++) {
            sums[o][half] = bias != NULL ? vector_load(bias + c + half * LANES, LANES, 0.0F) : vector_all(0.0F);
        }
    }
    for (size_t ky = 0; ky < taps->rows; ky++) {
        const float *x = taps->x + ky * taps->x_row + c;
        const float *weight = taps->weights + ky * taps->weight_row + c;
        for (size_t kx = 0; kx < taps->columns; kx++, x += taps->x_step, weight += channels) {
            vfloat left = vector_load(weight, LANES, 0.0F);
            vfloat right = vector_load(weight + LANES, LANES, 0.0F);
#pragma GCC unroll 8
            for (size_t o = 0; o < outputs; o++) {
                const float *from = x + o * taps->x_step;
                sums[o][0] = vector_fma(vector_load(from, LANES, 0.0F), left, sums[o][0]);
                sums[o][1] = vector_fma(vector_load(from + LANES, LANES, 0.0F), right, sums[o][1]);
            }
        }
    }
#pragma GCC unroll 8
    for (size_t o = 0; o < outputs; o++) {
        vector_store(y + o * y_step + c, LANES, sums[o][0]);
        vector_store(y + o * y_step + c + LANES, LANES, sums[o][1]);
    }
}

/* One output, the n channels from c on: what is left of a row of channels. */
static void rest(const depthwise_taps *taps, size_t channels, size_t c, size_t n, const float *bias, float *y) {
    vfloat sum = bias != NULL ? vector_load(bias + c, n, 0.0F) : vector_all(0.0F);
    for (size_t ky = 0; ky < taps->rows; ky++) {
        const float *x = taps->x + ky * taps->x_row + c;
        const float *weight = taps->weights + ky * taps->weight_row + c;
        for (size_t kx = 0; kx < taps->columns; kx++) {
            sum = vector_fma(vector_load(x + kx * taps->x_step, n, 0.0F),
                             vector_load(weight + kx * channels, n, 0.0F), sum);
        }
    }
    vector_store(y + c, n, sum);
}

/* A run of `outputs` outputs, which the compiler knows, and all channels. */
static ALWAYS_INLINE void all_channels(const depthwise_taps *taps, size_t channels, const float *bias,
                                       const size_t outputs, float *y, size_t y_step) {
    size_t c = 0;
    for (; c + 2 * LANES <= channels; c += 2 * LANES) {
        whole(taps, channels, c, bias, outputs, y, y_step);
    }
    for (; c < channels; c += LANES) {
        size_t n = channels - c < LANES ? channels - c : LANES;
        for (size_t o = 0; o < outputs; o++) {
            depthwise_taps one = *taps;
            one.x += o * taps->x_step;
            rest(&one, channels, c, n, bias, y + o * y_step);
        }
    }
}

static void run(const depthwise_taps *taps, size_t channels, const float *bias, size_t outputs, float *y,
                size_t y_step) {
    depthwise_taps here = *taps;
    size_t done = 0;
    for (; done + RUN <= outputs; done += RUN) {
        here.x = taps->x + done * taps->x_step;
        all_channels(&here, channels, bias, RUN, y + done * y_step, y_step);
    }
    for (; done < outputs; done++) {
        here.x = taps->x + done * taps->x_step;
        all_channels(&here, channels, bias, 1, y + done * y_step, y_step);
    }
}

const depthwise_kernels SIMD_NAME(depthwise_kernels_table) = {.run = run};

/* diffseg_kernels.c - see diffseg_kernels.h. */
#include "segment/diffseg_kernels.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define LANES 16

/* A float that half precision holds: 11 significant bits, and no finer than its denormals' 2^-24. Adding and taking
 * away 1.5 * 2^13 times the value's power of two leaves just these bits, rounded to even. Below 65504 only. */
static inline float to_half(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t power = bits & 0x7F800000U;
    power = (power > 0x38800000U ? power : 0x38800000U) + (13U << 23); /* at least 2^-14, the least normal number */
    power |= 0x00400000U;                                              /* times 1.5 */
    float large;
    memcpy(&large, &power, sizeof large);
    return (value + large) - large;
}

static bool halve(size_t count, const float *row, float *value, float *logarithm) {
    bool positive = true;
    for (size_t i = 0; i < count; i++) {
        value[i] = to_half(row[i]);
        positive = positive && value[i] > 0.0F;
        logarithm[i] = value[i] > 0.0F ? to_half(logf(value[i])) : 0.0F;
    }
    return positive;
}

static float half_divergence(size_t count, const float *x, const float *lx, const float *y, const float *ly) {
    float first[LANES] = {0}, second[LANES] = {0};
    size_t whole = count - count % LANES;
    for (size_t i = 0; i < whole; i += LANES) {
        for (size_t k = 0; k < LANES; k++) {
            float quotient = to_half(lx[i + k] - ly[i + k]);
            first[k] += to_half(x[i + k] * quotient);
            second[k] += to_half(y[i + k] * quotient);
        }
    }
    for (size_t i = whole; i < count; i++) {
        float quotient = to_half(lx[i] - ly[i]);
        first[i - whole] += to_half(x[i] * quotient);
        second[i - whole] += to_half(y[i] * quotient);
    }
    float sum_first = 0.0F, sum_second = 0.0F;
    for (size_t k = 0; k < LANES; k++) {
        sum_first += first[k];
        sum_second += second[k];
    }
    return to_half(to_half(sum_first) / 2.0F - to_half(sum_second) / 2.0F);
}

const diffseg_kernels SIMD_NAME(diffseg_kernels) = {.halve = halve, .half_divergence = half_divergence};

/* affinity_kernels.c - see affinity_kernels.h. Plain loops that the compiler turns into vectors. */
#include "segment/affinity_kernels.h"

#include <math.h>

#define LANES 32 /* independent minima: none waits for the one before */
#define CHUNK 64

static void range(const float *values, size_t count, float *low, float *high) {
    float least[LANES], most[LANES];
    for (size_t lane = 0; lane < LANES; lane++) {
        least[lane] = *low;
        most[lane] = *high;
    }
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        for (size_t lane = 0; lane < LANES; lane++) {
            float value = values[i + lane];
            least[lane] = value < least[lane] ? value : least[lane];
            most[lane] = value > most[lane] ? value : most[lane];
        }
    }
    for (size_t lane = 0; i < count; i++, lane++) {
        least[lane] = values[i] < least[lane] ? values[i] : least[lane];
        most[lane] = values[i] > most[lane] ? values[i] : most[lane];
    }
    for (size_t lane = 0; lane < LANES; lane++) {
        *low = least[lane] < *low ? least[lane] : *low;
        *high = most[lane] > *high ? most[lane] : *high;
    }
}

static void whole_power(float *values, size_t count, float low, float width, unsigned exponent) {
    for (size_t begin = 0; begin < count; begin += CHUNK) {
        size_t size = count - begin < CHUNK ? count - begin : CHUNK;
        float *chunk = values + begin;
        double base[CHUNK], power[CHUNK];
        for (size_t i = 0; i < size; i++) {
            base[i] = (double)((chunk[i] - low) / width);
            power[i] = 1.0;
        }
        for (unsigned left = exponent; left > 0; left >>= 1) {
            if ((left & 1U) != 0) {
                for (size_t i = 0; i < size; i++) {
                    power[i] *= base[i];
                }
            }
            for (size_t i = 0; i < size; i++) {
                base[i] *= base[i];
            }
        }
        for (size_t i = 0; i < size; i++) {
            chunk[i] = (float)power[i];
        }
    }
}

static void real_power(float *values, size_t count, float low, float width, float exponent) {
    for (size_t i = 0; i < count; i++) {
        values[i] = powf((values[i] - low) / width, exponent);
    }
}

extern const affinity_kernels SIMD_NAME(affinity_kernels);
const affinity_kernels SIMD_NAME(affinity_kernels) = {range, whole_power, real_power};

/* pamr_kernel.c - see pamr_kernel.h. Compiled once for every level of core/cpu.h. */
#include "segment/pamr_kernel.h"

#include <math.h>
#include <string.h>

#if defined(__AVX512F__)
#define VECTOR_FLOATS 16
#elif defined(__AVX__)
#define VECTOR_FLOATS 8
#else
#define VECTOR_FLOATS 4
#endif
#define LANE_VECTORS (TILE_LANES / VECTOR_FLOATS)

typedef float vector __attribute__((vector_size(VECTOR_FLOATS * sizeof(float))));

static inline vector load(const float *from) {
    vector v;
    memcpy(&v, from, sizeof v);
    return v;
}

static inline void store(float *to, vector v) {
    memcpy(to, &v, sizeof v);
}

/* e^-t for t >= 0, to 2 ulp; 0 < result <= 1 (from t = 87 on it stays at 1.6e-38).
 * e^-t = 2^k e^r with k the nearest whole number to -t / ln 2 and |r| <= ln 2 / 2; e^r by its Taylor polynomial. */
static inline float exp_negative(float t) {
    t = t < 87.0F ? t : 87.0F;
    float k = (t * -1.44269504F + 12582912.0F) - 12582912.0F; /* adding 1.5 * 2^23 rounds to a whole number */
    float r = (-t - k * 0.693145752F) - k * 1.42860682e-6F;   /* ln 2 in two parts, the first of 15 bits */
    float e = 1.0F + r * (1.0F + r * (0.5F + r * (1.0F / 6 + r * (1.0F / 24 + r * (1.0F / 120 + r * (1.0F / 720))))));
    int32_t bits = ((int32_t)k + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return e * power;
}

/* scale[] = 1 / (3 * (1e-8 + 0.1 * deviation)) of one row and channel: the unbiased deviation over 9 samples a
 * dilation, the centre counted once for each. Shifted by the centre, the variance loses at most a factor 9 to
 * cancellation, as at least a ninth of the samples are the centre. */
static void scale_row(const pamr_tile *tile, const float *region, float *restrict scale) {
    float sum[TILE_WIDTH] = {0}, squares[TILE_WIDTH] = {0};
    const float *restrict centre = region + tile->centre;
    for (size_t n = 0; n < tile->neighbours; n++) {
        const float *restrict sample = region + tile->offsets[n];
        for (size_t x = 0; x < TILE_WIDTH; x++) {
            float difference = sample[x] - centre[x];
            sum[x] += difference;
            squares[x] += difference * difference;
        }
    }
    float samples = (float)(tile->neighbours / 8 * 9);
    for (size_t x = 0; x < TILE_WIDTH; x++) {
        float variance = (squares[x] - sum[x] * sum[x] / samples) / (samples - 1.0F);
        variance = variance > 0.0F ? variance : 0.0F;
        scale[x] = 1.0F / ((float)IMAGE_CHANNELS * (1e-8F + 0.1F * sqrtf(variance)));
    }
}

/* The softmax needs no maximum taken off first: over the neighbours the mean of |difference| / deviation is at most
 * its root mean square, which the n centres among the 9n samples bound by sqrt(9 * (9n - 1) / 8n) < 3.2. So the
 * largest exponent is above -32, and the sum above 1e-14. */
static void weigh_row(const pamr_tile *tile, const float *const region[IMAGE_CHANNELS], float *restrict weights) {
    float scale[IMAGE_CHANNELS][TILE_WIDTH], total[TILE_WIDTH] = {0};
    for (size_t c = 0; c < IMAGE_CHANNELS; c++) {
        scale_row(tile, region[c], scale[c]);
    }
    const float *restrict centre0 = region[0] + tile->centre;
    const float *restrict centre1 = region[1] + tile->centre;
    const float *restrict centre2 = region[2] + tile->centre;
    for (size_t n = 0; n < tile->neighbours; n++) {
        const float *restrict sample0 = region[0] + tile->offsets[n];
        const float *restrict sample1 = region[1] + tile->offsets[n];
        const float *restrict sample2 = region[2] + tile->offsets[n];
        float weight[TILE_WIDTH];
        for (size_t x = 0; x < TILE_WIDTH; x++) {
            float distance = fabsf(sample0[x] - centre0[x]) * scale[0][x] +
                             fabsf(sample1[x] - centre1[x]) * scale[1][x] +
                             fabsf(sample2[x] - centre2[x]) * scale[2][x];
            weight[x] = exp_negative(distance);
            total[x] += weight[x];
        }
        for (size_t x = 0; x < TILE_WIDTH; x += TILE_LANES) {
            memcpy(weights + (x / TILE_LANES * tile->neighbours + n) * TILE_LANES, weight + x,
                   TILE_LANES * sizeof *weight);
        }
    }
    for (size_t x = 0; x < TILE_WIDTH; x++) {
        total[x] = 1.0F / total[x];
    }
    for (size_t x = 0; x < TILE_WIDTH; x += TILE_LANES) {
        for (size_t n = 0; n < tile->neighbours; n++, weights += TILE_LANES) {
            for (size_t lane = 0; lane < TILE_LANES; lane++) {
                weights[lane] *= total[x + lane];
            }
        }
    }
}

static void weigh(const pamr_tile *tile, const float *const region[IMAGE_CHANNELS], float *weights) {
    for (size_t y = 0; y < TILE_HEIGHT; y++) {
        size_t row = y * tile->stride;
        const float *at[IMAGE_CHANNELS] = {region[0] + row, region[1] + row, region[2] + row};
        weigh_row(tile, at, weights + y * TILE_WIDTH * tile->neighbours);
    }
}

/* `masks` is a constant where this is called, so that the sums stay in registers. */
static inline __attribute__((always_inline)) void diffuse_masks(const pamr_tile *tile, const float *restrict weights,
                                                                const size_t masks, const float *const *region,
                                                                float *const *out) {
    for (size_t y = 0; y < TILE_HEIGHT; y++) {
        for (size_t x = 0; x < TILE_WIDTH; x += TILE_LANES) {
            size_t at = y * tile->stride + x;
            vector sum[GROUP_MASKS][LANE_VECTORS] = {0};
            for (size_t n = 0; n < tile->neighbours; n++, weights += TILE_LANES) {
                size_t sample = tile->offsets[n] + at;
                for (size_t v = 0; v < LANE_VECTORS; v++) {
                    vector weight = load(weights + v * VECTOR_FLOATS);
                    for (size_t m = 0; m < masks; m++) {
                        sum[m][v] += weight * load(region[m] + sample + v * VECTOR_FLOATS);
                    }
                }
            }
            for (size_t m = 0; m < masks; m++) {
                for (size_t v = 0; v < LANE_VECTORS; v++) {
                    store(out[m] + y * TILE_WIDTH + x + v * VECTOR_FLOATS, sum[m][v]);
                }
            }
        }
    }
}

static void bounds(const float *restrict values, float *least, float *most) {
    float low[TILE_LANES], high[TILE_LANES];
    memcpy(low, values, sizeof low);
    memcpy(high, values, sizeof high);
    for (size_t i = TILE_LANES; i < TILE_AREA; i += TILE_LANES) {
        for (size_t lane = 0; lane < TILE_LANES; lane++) {
            low[lane] = values[i + lane] < low[lane] ? values[i + lane] : low[lane];
            high[lane] = values[i + lane] > high[lane] ? values[i + lane] : high[lane];
        }
    }
    *least = low[0];
    *most = high[0];
    for (size_t lane = 1; lane < TILE_LANES; lane++) {
        *least = low[lane] < *least ? low[lane] : *least;
        *most = high[lane] > *most ? high[lane] : *most;
    }
}

static void diffuse(const pamr_tile *tile, const float *weights, size_t count, const float *const *region,
                    float *const *out, float *least, float *most) {
    switch (count) {
    case 4:
        diffuse_masks(tile, weights, 4, region, out);
        break;
    case 3:
        diffuse_masks(tile, weights, 3, region, out);
        break;
    case 2:
        diffuse_masks(tile, weights, 2, region, out);
        break;
    default:
        diffuse_masks(tile, weights, 1, region, out);
        break;
    }
    for (size_t m = 0; m < count; m++) {
        bounds(out[m], &least[m], &most[m]);
    }
}

const pamr_kernel SIMD_NAME(pamr_kernel) = {weigh, diffuse};

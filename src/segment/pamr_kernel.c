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

/* Vectors are spelled out: at AVX2 GCC 12 leaves the loops scalar whose ternaries it takes for branches, which made
 * the weights five times as slow. */
typedef int32_t integers __attribute__((vector_size(VECTOR_FLOATS * sizeof(int32_t))));

static inline vector absolute(vector v) {
    return (vector)((integers)v & INT32_MAX);
}

/* Element by element `mask` (all bits or none) ? a : b. */
static inline vector choose(integers mask, vector a, vector b) {
    return (vector)((mask & (integers)a) | (~mask & (integers)b));
}

static inline vector square_root(vector v) {
    float lanes[VECTOR_FLOATS];
    store(lanes, v);
    for (size_t i = 0; i < VECTOR_FLOATS; i++) {
        lanes[i] = sqrtf(lanes[i]);
    }
    return load(lanes);
}

/* e^-t for t >= 0, to 2 ulp; 0 < result <= 1 (from t = 87 on it stays at 1.6e-38).
 * e^-t = 2^k e^r with k the nearest whole number to -t / ln 2 and |r| <= ln 2 / 2; e^r by its Taylor polynomial. */
static inline vector exp_negative(vector t) {
    const vector zero = {0.0F}, limit = zero + 87.0F;
    t = choose(t < limit, t, limit);
    vector k = (t * -1.44269504F + 12582912.0F) - 12582912.0F; /* adding 1.5 * 2^23 rounds to a whole number */
    vector r = (-t - k * 0.693145752F) - k * 1.42860682e-6F;   /* ln 2 in two parts, the first of 15 bits */
    vector e =
        1.0F + r * (1.0F + r * (0.5F + r * (1.0F / 6 + r * (1.0F / 24 + r * (1.0F / 120 + r * (1.0F / 720))))));
    integers bits = (__builtin_convertvector(k, integers) + 127) << 23;
    return e * (vector)bits;
}

/* 1 / (3 * (1e-8 + 0.1 * deviation)) of one channel at a vector of pixels: the unbiased deviation over 9 samples a
 * dilation, the centre counted once for each. Shifted by the centre, the variance loses at most a factor 9 to
 * cancellation, as at least a ninth of the samples are the centre. */
static inline vector scale_of(const pamr_tile *tile, const float *region) {
    const vector zero = {0.0F};
    vector centre = load(region + tile->centre), sum = zero, squares = zero;
    for (size_t n = 0; n < tile->neighbours; n++) {
        vector difference = load(region + tile->offsets[n]) - centre;
        sum += difference;
        squares += difference * difference;
    }
    float samples = (float)(tile->neighbours / 8 * 9);
    vector variance = (squares - sum * sum / samples) / (samples - 1.0F);
    variance = choose(variance > zero, variance, zero);
    return 1.0F / ((float)IMAGE_CHANNELS * (1e-8F + 0.1F * square_root(variance)));
}

/* The weights of a vector of pixels, those of one neighbour TILE_LANES apart from the next one's. The softmax needs
 * no maximum taken off first: over the neighbours the mean of |difference| / deviation is at most its root mean
 * square, which the n centres among the 9n samples bound by sqrt(9 * (9n - 1) / 8n) < 3.2. So the largest exponent is
 * above -32, and the sum above 1e-14. */
static inline void weigh_pixels(const pamr_tile *tile, const float *const region[IMAGE_CHANNELS],
                                float *restrict weights) {
    const vector scale0 = scale_of(tile, region[0]), centre0 = load(region[0] + tile->centre);
    const vector scale1 = scale_of(tile, region[1]), centre1 = load(region[1] + tile->centre);
    const vector scale2 = scale_of(tile, region[2]), centre2 = load(region[2] + tile->centre);
    vector total = {0.0F};
    for (size_t n = 0; n < tile->neighbours; n++) {
        size_t at = tile->offsets[n];
        vector distance = absolute(load(region[0] + at) - centre0) * scale0 +
                          absolute(load(region[1] + at) - centre1) * scale1 +
                          absolute(load(region[2] + at) - centre2) * scale2;
        vector weight = exp_negative(distance);
        total += weight;
        store(weights + n * TILE_LANES, weight);
    }
    total = 1.0F / total;
    for (size_t n = 0; n < tile->neighbours; n++) {
        store(weights + n * TILE_LANES, load(weights + n * TILE_LANES) * total);
    }
}

static void weigh(const pamr_tile *tile, const float *const region[IMAGE_CHANNELS], float *weights) {
    for (size_t y = 0; y < TILE_HEIGHT; y++) {
        for (size_t x = 0; x < TILE_WIDTH; x += TILE_LANES, weights += tile->neighbours * TILE_LANES) {
            for (size_t lane = 0; lane < TILE_LANES; lane += VECTOR_FLOATS) {
                size_t at = y * tile->stride + x + lane;
                const float *pixels[IMAGE_CHANNELS] = {region[0] + at, region[1] + at, region[2] + at};
                weigh_pixels(tile, pixels, weights + lane);
            }
        }
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

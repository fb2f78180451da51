/* pamr_kernel.c - see pamr_kernel.h. Compiled once for every level of core/cpu.h. */
#include "segment/pamr_kernel.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* SUMS: running sums that stay in registers beside weights and samples. */
#if defined(__AVX512F__)
#define VECTOR_FLOATS 16
#define SUMS 24
#elif defined(__AVX__)
#define VECTOR_FLOATS 8
#define SUMS 12
#else
#define VECTOR_FLOATS 4
#define SUMS 12
#endif
#define ROW_VECTORS (BLOCK_WIDTH / VECTOR_FLOATS)
#define MOST_MASKS (SUMS / ROW_VECTORS < 6 ? SUMS / ROW_VECTORS : 6) /* that share one reading of the weights */

typedef float vector __attribute__((vector_size(VECTOR_FLOATS * sizeof(float))));
typedef int32_t vector_bits __attribute__((vector_size(VECTOR_FLOATS * sizeof(float))));

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
static inline vector exp_negative(vector t) {
    const vector most = (vector){0} + 87.0F;
    vector_bits below = t < most;
    t = (vector)((below & (vector_bits)t) | (~below & (vector_bits)most));
    vector k = (t * -1.44269504F + 12582912.0F) - 12582912.0F; /* adding 1.5 * 2^23 rounds to a whole number */
    vector r = (-t - k * 0.693145752F) - k * 1.42860682e-6F;   /* ln 2 in two parts, the first of 15 bits */
    vector e =
        1.0F + r * (1.0F + r * (0.5F + r * (1.0F / 6 + r * (1.0F / 24 + r * (1.0F / 120 + r * (1.0F / 720))))));
    return e * (vector)((__builtin_convertvector(k, vector_bits) + 127) << 23);
}

static inline vector absolute(vector v) {
    return (vector)((vector_bits)v & 0x7fffffff);
}

/* scale[] = 1 / (3 * (1e-8 + 0.1 * deviation)) of one row of a block and channel: the unbiased deviation over 9
 * samples a dilation, the centre counted once for each. Shifted by the centre, the variance loses at most a factor 9
 * to cancellation, as at least a ninth of the samples are the centre. */
static void scale_row(const pamr_tile *tile, const float *region, float *restrict scale) {
    vector centre[ROW_VECTORS], sum[ROW_VECTORS] = {0}, squares[ROW_VECTORS] = {0};
    for (size_t v = 0; v < ROW_VECTORS; v++) {
        centre[v] = load(region + tile->centre + v * VECTOR_FLOATS);
    }
    for (size_t n = 0; n < tile->neighbours; n++) {
        const float *sample = region + tile->offsets[n];
        for (size_t v = 0; v < ROW_VECTORS; v++) {
            vector difference = load(sample + v * VECTOR_FLOATS) - centre[v];
            sum[v] += difference;
            squares[v] += difference * difference;
        }
    }
    float samples = (float)(tile->neighbours / 8 * 9);
    for (size_t v = 0; v < ROW_VECTORS; v++) {
        store(scale + v * VECTOR_FLOATS, (squares[v] - sum[v] * sum[v] / samples) / (samples - 1.0F));
    }
    for (size_t x = 0; x < BLOCK_WIDTH; x++) {
        float variance = scale[x] > 0.0F ? scale[x] : 0.0F;
        scale[x] = 1.0F / ((float)IMAGE_CHANNELS * (1e-8F + 0.1F * sqrtf(variance)));
    }
}

/* distances (neighbours, BLOCK_WIDTH): mean over the channels of |difference| / (1e-8 + 0.1 * deviation). */
static void measure_row(const pamr_tile *tile, const float *const region[IMAGE_CHANNELS], float *distances) {
    vector centre[IMAGE_CHANNELS][ROW_VECTORS], scale[IMAGE_CHANNELS][ROW_VECTORS];
    for (size_t c = 0; c < IMAGE_CHANNELS; c++) {
        float row[BLOCK_WIDTH];
        scale_row(tile, region[c], row);
        for (size_t v = 0; v < ROW_VECTORS; v++) {
            scale[c][v] = load(row + v * VECTOR_FLOATS);
            centre[c][v] = load(region[c] + tile->centre + v * VECTOR_FLOATS);
        }
    }
    for (size_t n = 0; n < tile->neighbours; n++, distances += BLOCK_WIDTH) {
        for (size_t v = 0; v < ROW_VECTORS; v++) {
            size_t sample = tile->offsets[n] + v * VECTOR_FLOATS;
            store(distances + v * VECTOR_FLOATS, absolute(load(region[0] + sample) - centre[0][v]) * scale[0][v] +
                                                     absolute(load(region[1] + sample) - centre[1][v]) * scale[1][v] +
                                                     absolute(load(region[2] + sample) - centre[2][v]) * scale[2][v]);
        }
    }
}

/* The softmax needs no maximum taken off first: over the neighbours the mean of |difference| / deviation is at most
 * its root mean square, which the n centres among the 9n samples bound by sqrt(9 * (9n - 1) / 8n) < 3.2. So the
 * largest exponent is above -32, and the sum above 1e-14. */
static void weigh_row(const pamr_tile *tile, const float *const region[IMAGE_CHANNELS], float *restrict weights) {
    size_t count = tile->neighbours * BLOCK_WIDTH;
    measure_row(tile, region, weights);
    for (size_t v = 0; v < BLOCK_WIDTH; v += VECTOR_FLOATS) {
        vector total = {0};
        for (size_t i = v; i < count; i += BLOCK_WIDTH) {
            vector weight = exp_negative(load(weights + i));
            store(weights + i, weight);
            total += weight;
        }
        total = 1.0F / total;
        for (size_t i = v; i < count; i += BLOCK_WIDTH) {
            store(weights + i, load(weights + i) * total);
        }
    }
}

static void weigh(const pamr_tile *tile, const float *const region[IMAGE_CHANNELS], float *weights) {
    for (size_t y = 0; y < TILE_HEIGHT; y += BLOCK_HEIGHT) {
        for (size_t x = 0; x < TILE_WIDTH; x += BLOCK_WIDTH) {
            for (size_t row = y; row < y + BLOCK_HEIGHT; row++, weights += tile->neighbours * BLOCK_WIDTH) {
                size_t at = row * tile->stride + x;
                weigh_row(tile, (const float *const[]){region[0] + at, region[1] + at, region[2] + at}, weights);
            }
        }
    }
}

static inline bool any_lane(const vector_bits vectors[ROW_VECTORS]) {
    int32_t lanes[BLOCK_WIDTH], any = 0;
    memcpy(lanes, vectors, sizeof lanes);
    for (size_t i = 0; i < BLOCK_WIDTH; i++) {
        any |= lanes[i];
    }
    return any != 0;
}

/* `masks` and `rows` (at a time) are constants where this is called, so that the sums stay in registers; few masks
 * take several rows, as one sum has to wait for itself. */
static inline __attribute__((always_inline)) void
diffuse_masks(const pamr_tile *tile, const float *restrict weights, float threshold, const size_t masks,
              const size_t rows, const float *const *region, float *const *out, uint64_t *present, uint64_t *full) {
    vector_bits reached[MOST_MASKS][ROW_VECTORS] = {0}, missed[MOST_MASKS][ROW_VECTORS] = {0};
    for (size_t y = 0; y < BLOCK_HEIGHT; y += rows, weights += rows * tile->neighbours * BLOCK_WIDTH) {
        vector sum[SUMS] = {0}; /* (masks, rows, ROW_VECTORS) */
        for (size_t n = 0; n < tile->neighbours; n++) {
            size_t sample = tile->offsets[n] + y * tile->stride;
            for (size_t i = 0; i < rows * ROW_VECTORS; i++) {
                size_t row = i / ROW_VECTORS, column = i % ROW_VECTORS * VECTOR_FLOATS;
                vector weight = load(weights + (row * tile->neighbours + n) * BLOCK_WIDTH + column);
                for (size_t m = 0; m < masks; m++) {
                    sum[m * rows * ROW_VECTORS + i] +=
                        weight * load(region[m] + sample + row * tile->stride + column);
                }
            }
        }
        for (size_t m = 0; m < masks; m++) {
            for (size_t i = 0; i < rows * ROW_VECTORS; i++) {
                vector value = sum[m * rows * ROW_VECTORS + i];
                store(out[m] + y * BLOCK_WIDTH + i * VECTOR_FLOATS, value);
                reached[m][i % ROW_VECTORS] |= value >= threshold;
                missed[m][i % ROW_VECTORS] |= value < 1.0F - threshold;
            }
        }
    }
    for (size_t m = 0; m < masks; m++) {
        *present |= (uint64_t)any_lane(reached[m]) << m;
        *full |= (uint64_t)!any_lane(missed[m]) << m;
    }
}

#define ROWS_THAT_FIT(masks) (SUMS / ((masks)*ROW_VECTORS))
#define ROWS(masks)                                                                                                  \
    (ROWS_THAT_FIT(masks) >= 8 ? 8U : ROWS_THAT_FIT(masks) >= 4 ? 4U : ROWS_THAT_FIT(masks) >= 2 ? 2U : 1U)
#define DIFFUSE(masks) diffuse_masks(tile, weights, threshold, masks, ROWS(masks), region, out, present, full)

static void diffuse_group(const pamr_tile *tile, const float *weights, float threshold, size_t count,
                          const float *const *region, float *const *out, uint64_t *present, uint64_t *full) {
    switch (count) {
#if SUMS / ROW_VECTORS >= 6
    case 6:
        DIFFUSE(6);
        break;
    case 5:
        DIFFUSE(5);
        break;
    case 4:
        DIFFUSE(4);
        break;
#endif
    case 3:
        DIFFUSE(3);
        break;
    case 2:
        DIFFUSE(2);
        break;
    default:
        DIFFUSE(1);
        break;
    }
}

static void diffuse(const pamr_tile *tile, const float *weights, float threshold, size_t count,
                    const float *const *region, float *const *out, uint64_t *present, uint64_t *full) {
    *present = 0;
    *full = 0;
    for (size_t done = 0, next; done < count; done += next) {
        size_t left = count - done, groups = (left + MOST_MASKS - 1) / MOST_MASKS;
        uint64_t group_present = 0, group_full = 0;
        next = (left + groups - 1) / groups; /* 7 as 4 and 3, not 6 and 1 */
        diffuse_group(tile, weights, threshold, next, region + done, out + done, &group_present, &group_full);
        *present |= group_present << done;
        *full |= group_full << done;
    }
}

const pamr_kernel SIMD_NAME(pamr_kernel) = {weigh, diffuse};

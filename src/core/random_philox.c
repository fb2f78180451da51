/* random_philox.c - see random_philox.h. */
#include "core/random_philox.h"

#include <math.h>

#define ROUNDS 10
#define MULTIPLIER_0 0xd2511f53U
#define MULTIPLIER_1 0xcd9e8d57U
#define WEYL_0 0x9e3779b9U
#define WEYL_1 0xbb67ae85U
#define TWO_PI 6.2831855F /* float32 */

void random_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t c0 = counter[0];
    uint32_t c1 = counter[1];
    uint32_t c2 = counter[2];
    uint32_t c3 = counter[3];
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint64_t first = (uint64_t)MULTIPLIER_0 * c0;
        uint64_t second = (uint64_t)MULTIPLIER_1 * c2;
        c0 = (uint32_t)(second >> 32) ^ c1 ^ (key[0] + round * WEYL_0);
        c1 = (uint32_t)second;
        c2 = (uint32_t)(first >> 32) ^ c3 ^ (key[1] + round * WEYL_1);
        c3 = (uint32_t)first;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* The first of Box-Muller's pair, the sine, from two words. Words become the middles of 2^32 steps of (0, 1) and of
 * (0, 2 pi), in float32 with one rounding each (the GPU's multiply-add). */
static float first_normal(uint32_t radius_word, uint32_t angle_word) {
    const float step = TWO_PI * 0x1p-32F;
    float u = fmaf((float)radius_word, 0x1p-32F, 0x1p-33F);
    float angle = fmaf((float)angle_word, step, step * 0.5F);
    return (float)(sqrt(-2.0 * log((double)u)) * sin((double)angle));
}

void random_philox_normal(uint64_t seed, uint64_t call, size_t count, float *out) {
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    for (size_t i = 0; i < count; i++) {
        /* A call moves the generator on by four words of every subsequence: one counter. */
        const uint32_t counter[4] = {(uint32_t)call, (uint32_t)(call >> 32), (uint32_t)i,
                                     (uint32_t)((uint64_t)i >> 32)};
        uint32_t words[4];
        random_philox(counter, key, words);
        out[i] = first_normal(words[0], words[1]);
    }
}

/* synth_values.c - see synth_values.h. */
#include "synth/synth_values.h"

#include <math.h>
#include <string.h>

#define DRAWS 4 /* numbers from one 64-bit draw */

/* Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (SplitMix64). */
static uint64_t draw(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15U;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
    z = (z ^ z >> 27) * 0x94D049BB133111EBU;
    return z ^ z >> 31;
}

/* FNV-1a. */
static uint64_t hash_text(uint64_t hash, const char *text) {
    for (; *text != '\0'; text++) {
        hash = (hash ^ (uint8_t)*text) * 0x100000001B3U;
    }
    return hash;
}

static uint32_t float_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* To the nearest, even on ties; the levels are far below a half's limit. */
static uint16_t to_half(float value) {
    uint32_t bits = float_bits(value);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000U);
    float size = fabsf(value);
    if (size < 0x1p-14F) { /* subnormal: a whole number of 2^-24 */
        return (uint16_t)(sign | (uint16_t)lrintf(size * 0x1p24F));
    }
    uint32_t magnitude = (bits & 0x7FFFFFFFU) - (112U << 23); /* exponent bias 127 to 15 */
    uint32_t rounded = (magnitude + 0xFFFU + (magnitude >> 13 & 1U)) >> 13;
    return (uint16_t)(sign | rounded);
}

static uint16_t to_bfloat(float value) {
    uint32_t bits = float_bits(value);
    return (uint16_t)((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
}

/* Mean and standard deviation of a tensor's numbers. */
static void distribution(const synth_tensor *tensor, double *centre, double *spread) {
    *centre = 0.0;
    *spread = 0.02;
    if (tensor->kind == SYNTH_WEIGHT) {
        *spread = 1.0 / sqrt((double)tensor->fan_in);
    } else if (tensor->kind == SYNTH_SCALE) {
        *centre = 1.0;
        *spread = 0.05;
    }
}

void synth_values_start(synth_values *values, uint64_t seed, const char *component, const synth_tensor *tensor,
                        dtype type) {
    double centre;
    double spread;
    distribution(tensor, &centre, &spread);
    uint64_t start = seed ^ 0xCBF29CE484222325U;
    values->state = hash_text(hash_text(hash_text(draw(&start), component), "/"), tensor->name);
    values->type = type;
    for (size_t i = 0; i < SYNTH_LEVELS; i++) {
        double even = ((double)i + 0.5) / SYNTH_LEVELS * 2.0 - 1.0;
        float value = (float)(centre + spread * sqrt(3.0) * even); /* an even distribution on -1 .. 1 has 1/sqrt 3 */
        values->levels32[i] = float_bits(value);
        values->levels16[i] = type == DTYPE_BF16 ? to_bfloat(value) : to_half(value);
    }
}

void synth_values_next(synth_values *values, size_t count, void *out) {
    uint32_t *wide = out;
    uint16_t *narrow = out;
    for (size_t i = 0; i < count; i += DRAWS) {
        uint64_t bits = draw(&values->state);
        size_t here = count - i < DRAWS ? count - i : DRAWS;
        for (size_t j = 0; j < here; j++) {
            size_t level = bits >> 16 * j & (SYNTH_LEVELS - 1);
            if (values->type == DTYPE_F32) {
                wide[i + j] = values->levels32[level];
            } else {
                narrow[i + j] = values->levels16[level];
            }
        }
    }
}

/*
 * random.c - see random.h; the stream of a CUDA generator is in random_philox.c.
 *
 * The CPU generator is MT19937 (Matsumoto & Nishimura, ACM TOMACS 8(1), 1998), seeded with the low 32 bits of the
 * seed. Normal values come in pairs by Box-Muller. torch's CPU generator has two paths, told apart by the count:
 *  - from 16 values on: 24-bit uniforms fill the whole array, then every block of 16 becomes 8 cosines followed by 8
 *    sines; where the count is no multiple of 16 the last 16 values are drawn anew;
 *  - below 16: 53-bit uniforms in double, one pair at a time, cosine first; a second number left over at the
 *    end is kept and opens the next such call.
 * The transforms are computed in double and rounded once, so that libraries' sinf and logf do not matter.
 */
#include "core/random.h"

#include "core/random_philox.h"

#include <math.h>

#define MT_SIZE RANDOM_TWISTER_SIZE
#define MT_SHIFT 397
#define BLOCK 16 /* values of one Box-Muller block of the long path */
#define TWO_PI 6.283185307179586476925286766559

static void twister_seed(random_stream *t, uint32_t seed) {
    t->state[0] = seed;
    for (uint32_t i = 1; i < MT_SIZE; i++) {
        uint32_t previous = t->state[i - 1];
        t->state[i] = 1812433253U * (previous ^ (previous >> 30)) + i;
    }
    t->next = MT_SIZE;
}

static void twister_refill(random_stream *t) {
    for (size_t i = 0; i < MT_SIZE; i++) {
        uint32_t y = (t->state[i] & 0x80000000U) | (t->state[(i + 1) % MT_SIZE] & 0x7fffffffU);
        t->state[i] = t->state[(i + MT_SHIFT) % MT_SIZE] ^ (y >> 1) ^ ((y & 1U) != 0 ? 0x9908b0dfU : 0U);
    }
    t->next = 0;
}

static uint32_t twister_draw(random_stream *t) {
    if (t->next == MT_SIZE) {
        twister_refill(t);
    }
    uint32_t y = t->state[t->next++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680U;
    y ^= (y << 15) & 0xefc60000U;
    return y ^ (y >> 18);
}

/* Uniform on [0, 1): a float's 24 bits. */
static float uniform24(random_stream *t) {
    return (float)(twister_draw(t) & 0xffffffU) * 0x1p-24F;
}

/* Uniform on [0, 1): a double's 53 bits, the first draw in the high word. */
static double uniform53(random_stream *t) {
    uint64_t high = twister_draw(t);
    uint64_t bits = (high << 32 | twister_draw(t)) & ((UINT64_C(1) << 53) - 1);
    return (double)bits * 0x1p-53;
}

/* 16 uniforms in place to 16 normal values. */
static void box_muller_block(float values[BLOCK]) {
    for (size_t i = 0; i < BLOCK / 2; i++) {
        double radius = sqrt(-2.0 * log(1.0 - (double)values[i]));
        double angle = TWO_PI * (double)values[i + BLOCK / 2];
        values[i] = (float)(radius * cos(angle));
        values[i + BLOCK / 2] = (float)(radius * sin(angle));
    }
}

static void draw_long(random_stream *t, size_t count, float *out) {
    for (size_t i = 0; i < count; i++) {
        out[i] = uniform24(t);
    }
    for (size_t i = 0; i + BLOCK <= count; i += BLOCK) {
        box_muller_block(out + i);
    }
    if (count % BLOCK != 0) {
        float *last = out + count - BLOCK;
        for (size_t i = 0; i < BLOCK; i++) {
            last[i] = uniform24(t);
        }
        box_muller_block(last);
    }
}

static void draw_short(random_stream *t, size_t count, float *out) {
    for (size_t i = 0; i < count; i++) {
        if (t->has_spare) {
            out[i] = (float)t->spare;
            t->has_spare = false;
            continue;
        }
        double angle = TWO_PI * uniform53(t);
        double radius = sqrt(-2.0 * log1p(-uniform53(t)));
        out[i] = (float)(radius * cos(angle));
        t->spare = radius * sin(angle);
        t->has_spare = true;
    }
}

void random_stream_init(random_stream *stream, diffcut_noise kind, uint64_t seed) {
    *stream = (random_stream){.kind = kind, .seed = seed};
    if (kind == DIFFCUT_NOISE_CPU) {
        twister_seed(stream, (uint32_t)(seed & 0xffffffffU));
    }
}

void random_stream_normal(random_stream *stream, size_t count, float *out) {
    if (stream->kind == DIFFCUT_NOISE_CUDA) {
        random_philox_normal(stream->seed, stream->calls, count, out);
        stream->calls += count > 0 ? 1 : 0; /* a call for nothing draws nothing */
    } else if (count >= BLOCK) {
        draw_long(stream, count, out);
    } else {
        draw_short(stream, count, out);
    }
}

void random_normal(uint64_t seed, size_t count, float *out) {
    random_stream stream;
    random_stream_init(&stream, DIFFCUT_NOISE_CPU, seed);
    random_stream_normal(&stream, count, out);
}

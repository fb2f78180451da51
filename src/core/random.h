/*
 * random.h - the noise: streams of standard normal numbers, equal to those that torch.randn draws from a generator.
 *
 * A stream is what one generator gives, call after call. The same seed gives the same noise on every machine. Called
 * by nn/encode.
 */
#ifndef DIFFCUT_CORE_RANDOM_H
#define DIFFCUT_CORE_RANDOM_H

#include "diffcut/diffcut.h"

#define RANDOM_TWISTER_SIZE 624

typedef struct random_stream {
    diffcut_noise kind;
    /* DIFFCUT_NOISE_CPU: MT19937; `next` is the next word of the state to be used, `spare` the second number of a
     * pair whose first was the last of a short call */
    uint32_t state[RANDOM_TWISTER_SIZE];
    size_t next;
    bool has_spare;
    double spare;
    /* DIFFCUT_NOISE_CUDA: the key, and how many calls there were */
    uint64_t seed;
    uint64_t calls;
} random_stream;

/* The generator that manual_seed(seed) makes. */
void random_stream_init(random_stream *stream, diffcut_noise kind, uint64_t seed);

/* The next count values, as torch.randn(count, generator=...) draws them in float32: calls on one stream equal calls
 * on one generator. On the CPU fewer than 16 values take another path there, and so here. What a CUDA generator gives
 * is in random_philox.h, with its limits. */
void random_stream_normal(random_stream *stream, size_t count, float *out);

/* The first call on a CPU generator of this seed. */
void random_normal(uint64_t seed, size_t count, float *out);

#endif

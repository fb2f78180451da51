/*
 * random.h - the noise: torch.randn's CPU stream (MT19937, Box-Muller), bit-compatible up to libm rounding.
 *
 * Called by the pipeline. The same seed gives the same noise on every machine.
 */
#ifndef DIFFCUT_CORE_RANDOM_H
#define DIFFCUT_CORE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* count standard normal values, as torch.randn(count, generator=torch.Generator().manual_seed(seed)) draws them in
 * float32. Fewer than 16 values take another path there, and so here. */
void random_normal(uint64_t seed, size_t count, float *out);

#endif

/*
 * random_philox.h - the stream of a CUDA generator: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy
 * as 1, 2, 3", SC 2011) and Box-Muller, laid out as PyTorch's kernels lay it out.
 *
 * There a call runs threads in blocks of 256. Thread i is subsequence i of the seed; from four words of it come four
 * normal numbers, of which the first goes to element i and the others to elements that lie one, two and three whole
 * grids further on. As long as the grid has a thread for every element the first is the only one used, so element i
 * is the first number of subsequence i whatever the GPU. That is what is drawn here. The grid is limited by the GPU
 * to (multiprocessors) * (resident threads of each): at least 65536, the 128x128 latent of a 1024x1024 photo, on GPUs
 * with 32 multiprocessors of 2048 threads, 43 of 1536 or 64 of 1024. On a smaller GPU the numbers of such a latent
 * are its own from some element on, and are not reproduced.
 *
 * Uniforms are rounded to float32 as there; logarithm, root and sine are computed in double, where a GPU's fast sine
 * is off by some 1e-6. No GPU was at hand: the words are checked against the generator's published test vectors, the
 * numbers against what torch.randn has been seen to print on CUDA, to its four digits (tests/core/test_philox.c).
 */
#ifndef DIFFCUT_CORE_RANDOM_PHILOX_H
#define DIFFCUT_CORE_RANDOM_PHILOX_H

#include <stddef.h>
#include <stdint.h>

/* Ten rounds: four words from a counter of 128 bits (low word first) and a key of 64. */
void random_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* The values of the call-th torch.randn(count) (from 0) of a CUDA generator with this seed. */
void random_philox_normal(uint64_t seed, uint64_t call, size_t count, float *out);

#endif

/*
 * parallel.h - the one way to use several threads.
 *
 * Work is cut into `count` pieces by the caller, from the problem's size only, never from the thread count: so the
 * arithmetic, and with it every bit of the result, is the same for any number of threads. Pieces run in any order
 * and must not write to the same place. A loop within a piece runs on that piece's thread. Each thread that calls in
 * has helpers of its own, which end with it; where the system refuses threads, the caller does the pieces itself.
 * Called by the backends, the cut, the refinement and the resampler.
 */
#ifndef DIFFCUT_CORE_PARALLEL_H
#define DIFFCUT_CORE_PARALLEL_H

#include <stddef.h>
#include <stdint.h>

typedef void (*parallel_fn)(void *context, size_t piece);

/* Runs fn(context, 0 .. count-1) on up to `threads` threads; returns when all are done. */
void parallel_for(uint32_t threads, size_t count, parallel_fn fn, void *context);

/* As parallel_for; fn is also told which of the `threads` workers runs it, to pick that worker's scratch memory. */
typedef void (*parallel_worker_fn)(void *context, size_t piece, uint32_t worker);
void parallel_for_workers(uint32_t threads, size_t count, parallel_worker_fn fn, void *context);

/* How many threads the process may use, at least 1: OMP_NUM_THREADS if set, else the affinity mask's processors and
 * no more than the control group's quota. */
uint32_t parallel_default_threads(void);

#endif

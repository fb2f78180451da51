/* parallel.c - see parallel.h. */
#include "core/parallel.h"

#ifdef _OPENMP
#include <omp.h>
#endif

#ifdef _OPENMP
/* More threads than any machine profits from cost memory, and the OpenMP runtime ends the process when the system
 * refuses it one. Results do not depend on the count. */
#define MOST_THREADS 512

static int team_size(uint32_t threads, size_t count) {
    size_t size = threads < MOST_THREADS ? threads : MOST_THREADS;
    return (int)(size < count ? size : count);
}
#endif

void parallel_for(uint32_t threads, size_t count, parallel_fn fn, void *context) {
#ifdef _OPENMP
    if (threads > 1 && count > 1) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(team_size(threads, count))
        for (size_t piece = 0; piece < count; piece++) {
            fn(context, piece);
        }
        return;
    }
#endif
    (void)threads;
    for (size_t piece = 0; piece < count; piece++) {
        fn(context, piece);
    }
}

void parallel_for_workers(uint32_t threads, size_t count, parallel_worker_fn fn, void *context) {
#ifdef _OPENMP
    if (threads > 1 && count > 1) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(team_size(threads, count))
        for (size_t piece = 0; piece < count; piece++) {
            fn(context, piece, (uint32_t)omp_get_thread_num());
        }
        return;
    }
#endif
    (void)threads;
    for (size_t piece = 0; piece < count; piece++) {
        fn(context, piece, 0);
    }
}

uint32_t parallel_default_threads(void) {
#ifdef _OPENMP
    int threads = omp_get_max_threads();
    return threads > 0 ? (uint32_t)threads : 1;
#else
    return 1;
#endif
}

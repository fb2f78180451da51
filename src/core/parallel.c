/*
 * parallel.c - see parallel.h. A team of helper threads for each thread that calls in, made on first use.
 *
 * OpenMP would do but for its barriers: they wait for every thread of the team, spinning, so on a machine whose cores
 * other programs want too, each of the hundreds of short loops of a photo costs a time slice. Here the caller does
 * all pieces itself if nobody comes, and waits only for helpers that have a piece in hand. A helper that finds
 * nothing to do spins for some microseconds, the distance between two loops, then sleeps.
 */
#include "core/parallel.h"

#include "core/memory.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* More threads than any machine profits from only cost memory. Results do not depend on the count. */
#define MOST_HELPERS 511
#define SPIN_NANOSECONDS 20000
#define SPIN_LOOKS 64 /* between two looks at the clock */

typedef struct team {
    pthread_mutex_t lock;
    pthread_cond_t work, idle; /* a job was opened, or the end came; the last helper inside has left */
    pthread_t helpers[MOST_HELPERS];
    uint32_t helper_count;
    /* The open job; all but `next` under the lock. */
    parallel_worker_fn fn;
    void *context;
    size_t count;
    uint32_t places;     /* helpers that may still join */
    uint32_t inside;     /* helpers that have joined and not left */
    uint32_t last_place; /* worker number of the last one who joined; the caller is 0 */
    bool ended;
    atomic_size_t next;     /* piece */
    atomic_uint generation; /* counts jobs: what a spinning helper looks at */
} team;

static _Thread_local team *own_team;  /* of this thread, as a caller */
static _Thread_local bool in_a_piece; /* a loop within a piece runs on its own thread */

static double nanoseconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Waits a short while for the generation to change. */
static void spin(team *t, unsigned seen) {
    double end = nanoseconds() + SPIN_NANOSECONDS;
    do {
        for (int i = 0; i < SPIN_LOOKS; i++) {
            if (atomic_load_explicit(&t->generation, memory_order_relaxed) != seen) {
                return;
            }
#if defined(__x86_64__)
            __builtin_ia32_pause();
#endif
        }
    } while (nanoseconds() < end);
}

static void run_pieces(team *t, parallel_worker_fn fn, void *context, size_t count, uint32_t worker) {
    in_a_piece = true;
    size_t piece;
    while ((piece = atomic_fetch_add_explicit(&t->next, 1, memory_order_relaxed)) < count) {
        fn(context, piece, worker);
    }
    in_a_piece = false;
}

static void *help(void *argument) {
    team *t = argument;
    unsigned seen = 0;
    (void)pthread_mutex_lock(&t->lock);
    while (!t->ended) {
        if (t->places == 0) {
            seen = atomic_load_explicit(&t->generation, memory_order_relaxed);
            (void)pthread_mutex_unlock(&t->lock);
            spin(t, seen);
            (void)pthread_mutex_lock(&t->lock);
            while (!t->ended && t->places == 0 &&
                   atomic_load_explicit(&t->generation, memory_order_relaxed) == seen) {
                (void)pthread_cond_wait(&t->work, &t->lock);
            }
            continue;
        }
        t->places--;
        t->inside++;
        uint32_t worker = ++t->last_place;
        parallel_worker_fn fn = t->fn;
        void *context = t->context;
        size_t count = t->count;
        (void)pthread_mutex_unlock(&t->lock);
        run_pieces(t, fn, context, count, worker);
        (void)pthread_mutex_lock(&t->lock);
        if (--t->inside == 0) {
            (void)pthread_cond_signal(&t->idle);
        }
    }
    (void)pthread_mutex_unlock(&t->lock);
    return NULL;
}

/* ------------------------------------------------------------------------------------------------- a team's life */

static pthread_key_t team_key; /* its destructor ends the team of a thread that ends */
static pthread_once_t team_key_once = PTHREAD_ONCE_INIT;
static bool team_key_made;

static void team_end(void *argument) {
    team *t = argument;
    (void)pthread_mutex_lock(&t->lock);
    t->ended = true;
    atomic_fetch_add_explicit(&t->generation, 1, memory_order_relaxed);
    (void)pthread_cond_broadcast(&t->work);
    (void)pthread_mutex_unlock(&t->lock);
    for (uint32_t i = 0; i < t->helper_count; i++) {
        (void)pthread_join(t->helpers[i], NULL);
    }
    (void)pthread_cond_destroy(&t->idle);
    (void)pthread_cond_destroy(&t->work);
    (void)pthread_mutex_destroy(&t->lock);
    mem_free(t);
    own_team = NULL;
}

static void make_team_key(void) {
    team_key_made = pthread_key_create(&team_key, team_end) == 0;
}

/* The main thread ends by exit, which runs no thread's destructors. */
__attribute__((destructor)) static void end_of_library(void) {
    if (own_team != NULL && !in_a_piece) {
        (void)pthread_setspecific(team_key, NULL);
        team_end(own_team);
    }
}

/* This thread's team with up to `wanted` helpers; fewer, or no team, where the system has no more to give. */
static team *team_get(size_t wanted) {
    if (own_team == NULL) {
        (void)pthread_once(&team_key_once, make_team_key);
        team *t = team_key_made ? mem_array_zero(1, sizeof *t) : NULL;
        if (t == NULL) {
            return NULL;
        }
        if (pthread_setspecific(team_key, t) != 0) {
            mem_free(t);
            return NULL;
        }
        (void)pthread_mutex_init(&t->lock, NULL);
        (void)pthread_cond_init(&t->work, NULL);
        (void)pthread_cond_init(&t->idle, NULL);
        own_team = t;
    }
    wanted = wanted < MOST_HELPERS ? wanted : MOST_HELPERS;
    while (own_team->helper_count < wanted &&
           pthread_create(&own_team->helpers[own_team->helper_count], NULL, help, own_team) == 0) {
        own_team->helper_count++;
    }
    return own_team;
}

/* ------------------------------------------------------------------------------------------------- loops */

void parallel_for_workers(uint32_t threads, size_t count, parallel_worker_fn fn, void *context) {
    size_t helpers = (threads < count ? threads : count);
    team *t = helpers > 1 && !in_a_piece ? team_get(helpers - 1) : NULL;
    if (t == NULL || t->helper_count == 0) {
        bool outer = in_a_piece;
        in_a_piece = true; /* also in a loop of one piece: what it promises does not hang on the count */
        for (size_t piece = 0; piece < count; piece++) {
            fn(context, piece, 0);
        }
        in_a_piece = outer;
        return;
    }
    (void)pthread_mutex_lock(&t->lock);
    t->fn = fn;
    t->context = context;
    t->count = count;
    t->places = helpers - 1 < t->helper_count ? (uint32_t)(helpers - 1) : t->helper_count;
    t->last_place = 0;
    atomic_store_explicit(&t->next, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&t->generation, 1, memory_order_relaxed);
    (void)pthread_cond_broadcast(&t->work);
    (void)pthread_mutex_unlock(&t->lock);
    run_pieces(t, fn, context, count, 0);
    (void)pthread_mutex_lock(&t->lock);
    t->places = 0; /* who has not come yet is not needed */
    while (t->inside > 0) {
        (void)pthread_cond_wait(&t->idle, &t->lock);
    }
    (void)pthread_mutex_unlock(&t->lock);
}

struct plain_loop {
    parallel_fn fn;
    void *context;
};

static void run_plain(void *context, size_t piece, uint32_t worker) {
    (void)worker;
    const struct plain_loop *loop = context;
    loop->fn(loop->context, piece);
}

void parallel_for(uint32_t threads, size_t count, parallel_fn fn, void *context) {
    struct plain_loop loop = {fn, context};
    parallel_for_workers(threads, count, run_plain, &loop);
}

/* ------------------------------------------------------------------------------------------------- how many */

/* Whole processors that the control group (version 2) lets the process use; 0 where there is no limit. */
static uint32_t control_group_limit(void) {
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    double quota = 0.0;
    double period = 0.0;
    bool limited = file != NULL && fscanf(file, "%lf %lf", &quota, &period) == 2 && quota > 0.0 && period > 0.0;
    if (file != NULL) {
        (void)fclose(file);
    }
    if (!limited) {
        return 0;
    }
    double processors = quota / period;
    return processors < 1.0 ? 1 : processors < MOST_HELPERS ? (uint32_t)(processors + 0.5) : MOST_HELPERS;
}

uint32_t parallel_default_threads(void) {
    const char *asked = getenv("OMP_NUM_THREADS");
    long number = asked != NULL ? strtol(asked, NULL, 10) : 0; /* of a list, the first: the outermost level */
    if (number > 0) {
        return number <= MOST_HELPERS ? (uint32_t)number : MOST_HELPERS;
    }
    cpu_set_t allowed;
    uint32_t threads = 1;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
        int set = CPU_COUNT(&allowed);
        threads = set > 0 ? (uint32_t)set : 1;
    }
    uint32_t limit = control_group_limit();
    return limit > 0 && limit < threads ? limit : threads;
}

/* Every piece is run once, by a worker whose number is in range, for any number of threads. */
#include "test.h"

#include "core/memory.h"
#include "core/parallel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define PIECES 1000

typedef struct counters {
    atomic_int runs[PIECES];
    uint32_t threads;
    atomic_int bad_workers;
} counters;

static void count_piece(void *context, size_t piece) {
    counters *c = context;
    atomic_fetch_add(&c->runs[piece], 1);
}

static void count_worker(void *context, size_t piece, uint32_t worker) {
    counters *c = context;
    atomic_fetch_add(&c->runs[piece], 1);
    if (worker >= c->threads) {
        atomic_fetch_add(&c->bad_workers, 1);
    }
}

static void expect_runs(const counters *c, size_t count) {
    for (size_t i = 0; i < PIECES; i++) {
        assert_int_equal(atomic_load(&c->runs[i]), i < count ? 1 : 0);
    }
    assert_int_equal(atomic_load(&c->bad_workers), 0);
}

static void every_piece_runs_once(void **state) {
    (void)state;
    static const uint32_t threads[] = {1, 2, 3, 7, 100000, UINT32_MAX};
    static const size_t counts[] = {0, 1, 2, PIECES};
    static counters c;
    for (size_t t = 0; t < sizeof threads / sizeof threads[0]; t++) {
        for (size_t n = 0; n < sizeof counts / sizeof counts[0]; n++) {
            memset(&c, 0, sizeof c);
            c.threads = threads[t];
            parallel_for(threads[t], counts[n], count_piece, &c);
            expect_runs(&c, counts[n]);
            memset(&c, 0, sizeof c);
            c.threads = threads[t];
            parallel_for_workers(threads[t], counts[n], count_worker, &c);
            expect_runs(&c, counts[n]);
        }
    }
}

/* ------------------------------------------------------------------------------------------------- many callers */

#define CALLERS 4
#define LOOPS 200

typedef struct sums {
    size_t squares[64]; /* plain memory: what a piece wrote must be seen when its loop is over */
    size_t inner[64];
} sums;

static void add_inner(void *context, size_t piece) {
    *(size_t *)context += piece;
}

static void square_piece(void *context, size_t piece) {
    sums *s = context;
    s->squares[piece] = piece * piece;
    s->inner[piece] = 0;
    parallel_for(3, 5, add_inner, &s->inner[piece]); /* a loop within a piece: one thread, no race */
}

static void *call_loops(void *argument) {
    size_t *wrong = argument;
    for (size_t loop = 0; loop < LOOPS; loop++) {
        sums s;
        size_t count = 1 + loop % 64;
        memset(&s, 0xFF, sizeof s);
        parallel_for(3, count, square_piece, &s);
        for (size_t i = 0; i < count; i++) {
            *wrong += s.squares[i] != i * i || s.inner[i] != 10;
        }
    }
    return NULL;
}

/* The helpers of a thread end with it: under the sanitizers a thread or a block left over is an error. */
static void many_threads_call_at_once(void **state) {
    (void)state;
    for (int round = 0; round < 5; round++) {
        pthread_t threads[CALLERS];
        size_t wrong[CALLERS] = {0};
        for (int i = 0; i < CALLERS; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, call_loops, &wrong[i]), 0);
        }
        size_t own_wrong = 0;
        call_loops(&own_wrong);
        assert_int_equal(own_wrong, 0);
        for (int i = 0; i < CALLERS; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            assert_int_equal(wrong[i], 0);
        }
    }
}

static void without_memory_the_caller_does_the_work(void **state) {
    (void)state;
    pthread_t thread;
    size_t wrong = 0;
    mem_fail_after(0);
    int made = pthread_create(&thread, NULL, call_loops, &wrong);
    (void)pthread_join(thread, NULL);
    mem_fail_after(-1);
    assert_int_equal(made, 0);
    assert_int_equal(wrong, 0);
}

static void the_environment_sets_the_count(void **state) {
    (void)state;
    char before[64] = "";
    const char *asked = getenv("OMP_NUM_THREADS");
    if (asked != NULL) {
        (void)snprintf(before, sizeof before, "%s", asked);
    }
    (void)setenv("OMP_NUM_THREADS", "3,2", 1);
    assert_int_equal(parallel_default_threads(), 3);
    (void)setenv("OMP_NUM_THREADS", "many", 1);
    assert_true(parallel_default_threads() >= 1);
    if (asked != NULL) {
        (void)setenv("OMP_NUM_THREADS", before, 1);
    } else {
        (void)unsetenv("OMP_NUM_THREADS");
    }
}

static void there_is_at_least_one_thread(void **state) {
    (void)state;
    assert_true(parallel_default_threads() >= 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_piece_runs_once),
        cmocka_unit_test(many_threads_call_at_once),
        cmocka_unit_test(without_memory_the_caller_does_the_work),
        cmocka_unit_test(the_environment_sets_the_count),
        cmocka_unit_test(there_is_at_least_one_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

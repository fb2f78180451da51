/* Every piece is run once, by a worker whose number is in range, for any number of threads. */
#include "test.h"

#include "core/parallel.h"

#include <stdatomic.h>
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

static void there_is_at_least_one_thread(void **state) {
    (void)state;
    assert_true(parallel_default_threads() >= 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_piece_runs_once),
        cmocka_unit_test(there_is_at_least_one_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

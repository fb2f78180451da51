/*
 * test_queue.c - what the command's queue and budget promise between threads: order is kept, no more waits than fits,
 * an item heavier than the limit passes alone, closing ends every wait and loses nothing.
 */
#include "test.h"

#include "budget.h"
#include "queue.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

enum { ITEMS = 2000 };

static int numbers[ITEMS];

typedef struct pair {
    queue q;
    budget b;
    atomic_int pushed, popped, most; /* most: items that were pushed and not popped */
    uint64_t weight;
} pair;

static void *produce(void *user) {
    pair *p = user;
    for (int i = 0; i < ITEMS; i++) {
        numbers[i] = i;
        if (!queue_push(&p->q, &numbers[i], p->weight)) {
            return NULL;
        }
        int waiting = atomic_fetch_add(&p->pushed, 1) + 1 - atomic_load(&p->popped);
        if (waiting > atomic_load(&p->most)) {
            atomic_store(&p->most, waiting);
        }
    }
    queue_close(&p->q);
    return NULL;
}

/* The count of what waited at most, of a queue with this room. */
static int run_through(size_t capacity, uint64_t most_weight, uint64_t weight) {
    pair p = {.weight = weight};
    pthread_t producer;
    assert_true(queue_open(&p.q, capacity, most_weight));
    assert_int_equal(pthread_create(&producer, NULL, produce, &p), 0);
    for (int i = 0; i < ITEMS; i++) {
        const int *item = queue_pop(&p.q);
        assert_non_null(item);
        assert_int_equal(*item, i);
        atomic_fetch_add(&p.popped, 1);
    }
    assert_null(queue_pop(&p.q));
    assert_int_equal(pthread_join(producer, NULL), 0);
    queue_free(&p.q);
    return atomic_load(&p.most);
}

static void items_come_out_in_order_and_no_more_wait_than_fit(void **state) {
    (void)state;
    /* An item may be out of the queue and not counted yet. */
    assert_in_range(run_through(3, 0, 0), 1, 3 + 1);
    assert_in_range(run_through(100, 10, 5), 1, 2 + 1);
}

static void an_item_heavier_than_the_limit_passes_alone(void **state) {
    (void)state;
    assert_in_range(run_through(100, 10, 11), 1, 1 + 1);
    assert_in_range(run_through(100, 10, UINT64_MAX), 1, 1 + 1);
}

static void closing_ends_a_wait_and_keeps_what_is_there(void **state) {
    (void)state;
    pair p = {.weight = 0};
    pthread_t producer;
    assert_true(queue_open(&p.q, 2, 0));
    assert_int_equal(pthread_create(&producer, NULL, produce, &p), 0);
    const struct timespec moment = {.tv_nsec = 1000000};
    while (atomic_load(&p.pushed) < 2) {
        (void)nanosleep(&moment, NULL);
    }
    queue_close(&p.q); /* the producer waits for room, or is about to */
    assert_int_equal(pthread_join(producer, NULL), 0);
    assert_false(queue_push(&p.q, &numbers[0], 0));
    assert_ptr_equal(queue_pop(&p.q), &numbers[0]);
    assert_ptr_equal(queue_pop(&p.q), &numbers[1]);
    assert_null(queue_pop(&p.q));
    queue_free(&p.q);
}

/* Photos of 40 pixels under a limit of 100 and 5: three are in memory at most, the third having begun at 80. */
static void *take_photos(void *user) {
    pair *p = user;
    for (int i = 0; i < ITEMS && budget_wait(&p->b); i++) {
        budget_take(&p->b, p->weight);
        int held = atomic_fetch_add(&p->pushed, 1) + 1 - atomic_load(&p->popped);
        if (held > atomic_load(&p->most)) {
            atomic_store(&p->most, held);
        }
    }
    return NULL;
}

static int most_photos(uint64_t pixels) {
    pair p = {.weight = pixels};
    pthread_t reader;
    budget_open(&p.b, 5, 100);
    assert_int_equal(pthread_create(&reader, NULL, take_photos, &p), 0);
    for (int i = 0; i < ITEMS; i++) {
        while (atomic_load(&p.pushed) == i) {
            (void)sched_yield();
        }
        atomic_fetch_add(&p.popped, 1); /* before: the reader may be quick */
        budget_give_back(&p.b, pixels);
    }
    assert_int_equal(pthread_join(reader, NULL), 0);
    assert_int_equal(p.b.photos, 0);
    assert_int_equal(p.b.pixels, 0);
    budget_free(&p.b);
    return atomic_load(&p.most);
}

static void photos_in_memory_are_bounded_by_number_and_pixels(void **state) {
    (void)state;
    assert_in_range(most_photos(0), 1, 5);
    assert_in_range(most_photos(40), 1, 3);
    assert_in_range(most_photos(1000), 1, 1); /* larger than the limit: one after the other */
}

static void a_closed_budget_ends_the_wait(void **state) {
    (void)state;
    pair p = {.weight = 1000};
    pthread_t reader;
    budget_open(&p.b, 5, 100);
    assert_int_equal(pthread_create(&reader, NULL, take_photos, &p), 0);
    const struct timespec moment = {.tv_nsec = 1000000};
    while (atomic_load(&p.pushed) < 1) {
        (void)nanosleep(&moment, NULL);
    }
    budget_close(&p.b);
    assert_int_equal(pthread_join(reader, NULL), 0);
    assert_int_equal(atomic_load(&p.pushed), 1);
    budget_free(&p.b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_come_out_in_order_and_no_more_wait_than_fit),
        cmocka_unit_test(an_item_heavier_than_the_limit_passes_alone),
        cmocka_unit_test(closing_ends_a_wait_and_keeps_what_is_there),
        cmocka_unit_test(photos_in_memory_are_bounded_by_number_and_pixels),
        cmocka_unit_test(a_closed_budget_ends_the_wait),
    };
    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}

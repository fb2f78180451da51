/*
 * queue.h - a bounded first-in, first-out queue between two threads.
 *
 * What waits in it is limited in number and in weight (memory, in a unit of the user's), so that a quick producer
 * does not run away from a slow consumer; an item heavier than the limit passes when the queue is empty. Called by
 * segment_flow.c.
 */
#ifndef DIFFCUT_TOOLS_QUEUE_H
#define DIFFCUT_TOOLS_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct queue_entry {
    void *item;
    uint64_t weight;
} queue_entry;

typedef struct queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    queue_entry *entries; /* a ring */
    size_t capacity, first, count;
    uint64_t weight, most_weight; /* of what waits */
    bool closed;
} queue;

/* False without memory. */
bool queue_open(queue *q, size_t capacity, uint64_t most_weight);
/* Waits for room; false when the queue is closed: the item is still the caller's. */
bool queue_push(queue *q, void *item, uint64_t weight);
/* Waits for an item; NULL when the queue is closed and empty. */
void *queue_pop(queue *q);
/* Nothing goes in any more; what is there still comes out. */
void queue_close(queue *q);
/* When no thread uses it any more; items that are still in it are not freed. */
void queue_free(queue *q);

#endif

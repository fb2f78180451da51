/* queue.c - see queue.h. */
#include "queue.h"

#include <stdlib.h>

bool queue_open(queue *q, size_t capacity, uint64_t most_weight) {
    *q = (queue){.capacity = capacity, .most_weight = most_weight};
    q->entries = calloc(capacity, sizeof *q->entries);
    if (q->entries == NULL) {
        return false;
    }
    /* On the systems this runs on, neither can fail with default attributes. */
    (void)pthread_mutex_init(&q->lock, NULL);
    (void)pthread_cond_init(&q->changed, NULL);
    return true;
}

static bool has_room(const queue *q, uint64_t weight) {
    return q->count == 0 ||
           (q->count < q->capacity && weight <= q->most_weight && q->weight <= q->most_weight - weight);
}

bool queue_push(queue *q, void *item, uint64_t weight) {
    (void)pthread_mutex_lock(&q->lock);
    while (!q->closed && !has_room(q, weight)) {
        (void)pthread_cond_wait(&q->changed, &q->lock);
    }
    const bool open = !q->closed;
    if (open) {
        q->entries[(q->first + q->count) % q->capacity] = (queue_entry){item, weight};
        q->count++;
        q->weight += weight;
        (void)pthread_cond_broadcast(&q->changed);
    }
    (void)pthread_mutex_unlock(&q->lock);
    return open;
}

void *queue_pop(queue *q) {
    queue_entry taken = {0};
    (void)pthread_mutex_lock(&q->lock);
    while (!q->closed && q->count == 0) {
        (void)pthread_cond_wait(&q->changed, &q->lock);
    }
    if (q->count > 0) {
        taken = q->entries[q->first];
        q->first = (q->first + 1) % q->capacity;
        q->count--;
        q->weight -= taken.weight;
        (void)pthread_cond_broadcast(&q->changed);
    }
    (void)pthread_mutex_unlock(&q->lock);
    return taken.item;
}

void queue_close(queue *q) {
    (void)pthread_mutex_lock(&q->lock);
    q->closed = true;
    (void)pthread_cond_broadcast(&q->changed);
    (void)pthread_mutex_unlock(&q->lock);
}

void queue_free(queue *q) {
    if (q->entries == NULL) {
        return;
    }
    (void)pthread_cond_destroy(&q->changed);
    (void)pthread_mutex_destroy(&q->lock);
    free(q->entries);
    *q = (queue){0};
}

/*
 * budget.h - how many photos, and how many pixels of them, may be in memory at once.
 *
 * The reader waits for room before it decodes a photo, whose size nobody knows until then, and whoever is done with a
 * photo last gives its share back. So there are never more than the limit and one photo: what lies ahead of the
 * network and behind it together. Called by segment_flow.c.
 */
#ifndef DIFFCUT_TOOLS_BUDGET_H
#define DIFFCUT_TOOLS_BUDGET_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct budget {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t photos, pixels;           /* in memory */
    uint64_t most_photos, most_pixels; /* no further photo is begun at these */
    bool closed;
} budget;

void budget_open(budget *b, uint64_t most_photos, uint64_t most_pixels);
/* Waits until a further photo may be decoded; false when the budget is closed. For one thread. */
bool budget_wait(budget *b);
/* Waits until no photo is in memory; false when the budget is closed. For the same thread. */
bool budget_drain(budget *b);
/* That photo is there. */
void budget_take(budget *b, uint64_t pixels);
/* It is gone. */
void budget_give_back(budget *b, uint64_t pixels);
/* Nobody is to wait any more. */
void budget_close(budget *b);
void budget_free(budget *b);

#endif

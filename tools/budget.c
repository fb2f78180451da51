/* budget.c - see budget.h. */
#include "budget.h"

void budget_open(budget *b, uint64_t most_photos, uint64_t most_pixels) {
    *b = (budget){.most_photos = most_photos, .most_pixels = most_pixels};
    /* On the systems this runs on, neither can fail with default attributes. */
    (void)pthread_mutex_init(&b->lock, NULL);
    (void)pthread_cond_init(&b->changed, NULL);
}

bool budget_wait(budget *b) {
    (void)pthread_mutex_lock(&b->lock);
    while (!b->closed && b->photos > 0 && (b->photos >= b->most_photos || b->pixels >= b->most_pixels)) {
        (void)pthread_cond_wait(&b->changed, &b->lock);
    }
    const bool open = !b->closed;
    (void)pthread_mutex_unlock(&b->lock);
    return open;
}

bool budget_drain(budget *b) {
    (void)pthread_mutex_lock(&b->lock);
    while (!b->closed && b->photos > 0) {
        (void)pthread_cond_wait(&b->changed, &b->lock);
    }
    const bool open = !b->closed;
    (void)pthread_mutex_unlock(&b->lock);
    return open;
}

void budget_take(budget *b, uint64_t pixels) {
    (void)pthread_mutex_lock(&b->lock);
    b->photos++;
    b->pixels += pixels;
    (void)pthread_mutex_unlock(&b->lock);
}

void budget_give_back(budget *b, uint64_t pixels) {
    (void)pthread_mutex_lock(&b->lock);
    b->photos--;
    b->pixels -= pixels;
    (void)pthread_cond_broadcast(&b->changed);
    (void)pthread_mutex_unlock(&b->lock);
}

void budget_close(budget *b) {
    (void)pthread_mutex_lock(&b->lock);
    b->closed = true;
    (void)pthread_cond_broadcast(&b->changed);
    (void)pthread_mutex_unlock(&b->lock);
}

void budget_free(budget *b) {
    (void)pthread_cond_destroy(&b->changed);
    (void)pthread_mutex_destroy(&b->lock);
}

/*
 * context_cache.h - the contexts of a model's latest prompts, each computed once: at most CONTEXT_CACHE_KEPT, of
 * which the one not asked for the longest goes first. One that is in use stays, however many there are. Called by
 * model/model, under its lock.
 */
#ifndef DIFFCUT_MODEL_CONTEXT_CACHE_H
#define DIFFCUT_MODEL_CONTEXT_CACHE_H

#include "nn/unet.h"

#define CONTEXT_CACHE_KEPT 8

typedef struct context_entry {
    char *prompt;
    unet_context *context; /* owned */
    uint32_t cut_to;       /* tokens that the prompt was cut to, or 0 */
    size_t users;
    uint64_t asked; /* the cache's clock when it was last asked for */
    struct context_entry *next;
} context_entry;

typedef struct context_cache {
    context_entry *first;
    size_t count;
    uint64_t clock;
} context_cache;

/* The prompt's entry with one more user, or NULL. */
const context_entry *context_cache_take(context_cache *self, const char *prompt);
/* Adds a prompt's context, with one user. On failure the context stays the caller's. */
diffcut_status context_cache_add(context_cache *self, const char *prompt, unet_context *context, uint32_t cut_to,
                                 const context_entry **out, diffcut_diagnostics *diag);
/* One user less. */
void context_cache_release(context_cache *self, const unet_context *context);
void context_cache_free(context_cache *self);

#endif

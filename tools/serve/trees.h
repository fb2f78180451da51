/*
 * trees.h - the trees that answers refer to by id, the least recently used of which make room for new ones.
 *
 * A stored tree shares its photo and features with the trees that were cut anew from it; a photo counts once. The
 * store is bounded in bytes and in age. A tree that is let go stays alive while a job or a request holds it.
 * Thread-safe. Called by the loop and the workers.
 */
#ifndef DIFFCUT_TOOLS_SERVE_TREES_H
#define DIFFCUT_TOOLS_SERVE_TREES_H

#include <pthread.h>

#include "params.h"
#include "tree_data.h"

enum { TREES_ID_SIZE = 33 }; /* 128 random bits in hexadecimal: not to be guessed */

/* A photo and its features. */
typedef struct stored_photo {
    unsigned owners; /* trees, under the store's lock */
    unsigned listed; /* of them in the store */
    size_t bytes;
    diffcut_image image;
    diffcut_features *features;
} stored_photo;

typedef struct stored_tree {
    struct stored_tree *newer, *older; /* in the order of use */
    char id[TREES_ID_SIZE];
    unsigned owners; /* the store is one */
    bool listed;
    double used; /* when */
    size_t bytes;
    stored_photo *photo;
    tree_data data;
    double alpha;
    uint32_t min_tokens;
} stored_tree;

typedef struct trees {
    pthread_mutex_t lock;
    stored_tree *newest, *oldest;
    size_t bytes, most_bytes, count;
    double most_age;    /* seconds without use */
    uint64_t evictions; /* for room or for age */
} trees;

void trees_open(trees *t, size_t most_bytes, double most_age);
void trees_close(trees *t);

/* A random id. False when the system gives no random numbers. */
bool trees_make_id(char id[TREES_ID_SIZE]);

/* Takes image, features and data over, whatever comes of it; NULL without memory. The caller is its owner. */
stored_tree *trees_create(trees *t, diffcut_image *image, diffcut_features *features, tree_data *data);
/* Another tree on the photo of `from`. */
stored_tree *trees_create_like(trees *t, stored_tree *from, tree_data *data);
/* Into the store, where others make room for it; false when it alone is larger than the store. */
bool trees_add(trees *t, stored_tree *tree);
/* The tree of an id, now its most recently used, or NULL. The caller becomes an owner. */
stored_tree *trees_find(trees *t, const char *id);
void trees_release(trees *t, stored_tree *tree);
/* Out of the store; false when it is not there. */
bool trees_remove(trees *t, const char *id);
/* Lets go of what nobody used for most_age. */
void trees_expire(trees *t);

#endif

/* trees.c - see trees.h. */
#include "trees.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "progress.h"

void trees_open(trees *t, size_t most_bytes, double most_age) {
    *t = (trees){.most_bytes = most_bytes, .most_age = most_age};
    (void)pthread_mutex_init(&t->lock, NULL); /* cannot fail with default attributes on the systems this runs on */
}

bool trees_make_id(char id[TREES_ID_SIZE]) {
    unsigned char bytes[(TREES_ID_SIZE - 1) / 2];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        return false;
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        (void)snprintf(id + 2 * i, 3, "%02x", bytes[i]);
    }
    return true;
}

static void free_photo(stored_photo *photo) {
    diffcut_image_free(&photo->image);
    diffcut_features_free(photo->features);
    free(photo);
}

/* Under the lock. */
static void drop(stored_tree *tree) {
    if (--tree->owners > 0) {
        return;
    }
    if (--tree->photo->owners == 0) {
        free_photo(tree->photo);
    }
    tree_data_free(&tree->data);
    free(tree);
}

static void unlink_tree(trees *t, stored_tree *tree) {
    *(tree->newer != NULL ? &tree->newer->older : &t->newest) = tree->older;
    *(tree->older != NULL ? &tree->older->newer : &t->oldest) = tree->newer;
    tree->newer = NULL;
    tree->older = NULL;
}

static void link_newest(trees *t, stored_tree *tree) {
    tree->older = t->newest;
    tree->newer = NULL;
    *(t->newest != NULL ? &t->newest->newer : &t->oldest) = tree;
    t->newest = tree;
    tree->used = progress_clock();
}

static void unlist(trees *t, stored_tree *tree) {
    unlink_tree(t, tree);
    tree->listed = false;
    t->count--;
    t->bytes -= tree->bytes;
    if (--tree->photo->listed == 0) {
        t->bytes -= tree->photo->bytes;
    }
    drop(tree);
}

void trees_close(trees *t) {
    while (t->oldest != NULL) {
        unlist(t, t->oldest);
    }
    (void)pthread_mutex_destroy(&t->lock);
}

/* Of a photo that has one owner more now. */
static stored_tree *create(stored_photo *photo, tree_data *data) {
    stored_tree *tree = calloc(1, sizeof *tree);
    if (tree == NULL || !trees_make_id(tree->id)) {
        free(tree);
        tree_data_free(data);
        return NULL;
    }
    tree->owners = 1;
    tree->photo = photo;
    tree->data = *data;
    tree->bytes = sizeof *tree + tree_data_bytes(data);
    *data = (tree_data){0};
    return tree;
}

stored_tree *trees_create(trees *t, diffcut_image *image, diffcut_features *features, tree_data *data) {
    (void)t;
    stored_photo *photo = calloc(1, sizeof *photo);
    if (photo == NULL) {
        diffcut_image_free(image);
        diffcut_features_free(features);
        tree_data_free(data);
        return NULL;
    }
    const size_t tokens = (size_t)diffcut_features_width(features) * diffcut_features_height(features);
    photo->owners = 1;
    photo->image = *image;
    photo->features = features;
    photo->bytes = sizeof *photo + (size_t)image->width * image->height * 3 +
                   tokens * diffcut_features_channels(features) * sizeof(float);
    *image = (diffcut_image){0};
    stored_tree *tree = create(photo, data);
    if (tree == NULL) {
        free_photo(photo);
    }
    return tree;
}

stored_tree *trees_create_like(trees *t, stored_tree *from, tree_data *data) {
    stored_tree *tree = create(from->photo, data);
    if (tree != NULL) {
        (void)pthread_mutex_lock(&t->lock);
        from->photo->owners++;
        (void)pthread_mutex_unlock(&t->lock);
    }
    return tree;
}

bool trees_add(trees *t, stored_tree *tree) {
    (void)pthread_mutex_lock(&t->lock);
    const bool fits = tree->bytes + tree->photo->bytes <= t->most_bytes;
    if (fits) {
        tree->owners++;
        tree->listed = true;
        t->count++;
        t->bytes += tree->bytes;
        if (tree->photo->listed++ == 0) {
            t->bytes += tree->photo->bytes;
        }
        link_newest(t, tree);
        while (t->bytes > t->most_bytes && t->oldest != tree) {
            unlist(t, t->oldest);
            t->evictions++;
        }
    }
    (void)pthread_mutex_unlock(&t->lock);
    return fits;
}

/* Under the lock. */
static stored_tree *look_up(trees *t, const char *id) {
    for (stored_tree *tree = t->newest; tree != NULL; tree = tree->older) {
        if (strcmp(tree->id, id) == 0) {
            return tree;
        }
    }
    return NULL;
}

stored_tree *trees_find(trees *t, const char *id) {
    (void)pthread_mutex_lock(&t->lock);
    stored_tree *tree = look_up(t, id);
    if (tree != NULL) {
        unlink_tree(t, tree);
        link_newest(t, tree);
        tree->owners++;
    }
    (void)pthread_mutex_unlock(&t->lock);
    return tree;
}

void trees_release(trees *t, stored_tree *tree) {
    if (tree == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&t->lock);
    drop(tree);
    (void)pthread_mutex_unlock(&t->lock);
}

bool trees_remove(trees *t, const char *id) {
    (void)pthread_mutex_lock(&t->lock);
    stored_tree *tree = look_up(t, id);
    if (tree != NULL) {
        unlist(t, tree);
    }
    (void)pthread_mutex_unlock(&t->lock);
    return tree != NULL;
}

void trees_expire(trees *t) {
    const double now = progress_clock();
    (void)pthread_mutex_lock(&t->lock);
    while (t->oldest != NULL && now - t->oldest->used > t->most_age) {
        unlist(t, t->oldest);
        t->evictions++;
    }
    (void)pthread_mutex_unlock(&t->lock);
}

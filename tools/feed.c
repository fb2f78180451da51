/* feed.c - see feed.h. */
#include "feed.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_POSTPONED = 4096 }; /* photos in the hands of killed processes; more than that are not kept for last */

typedef struct postponed {
    char *path, *name;
    double times; /* it was started */
} postponed;

struct feed {
    listing *list;
    feed_share share;
    manifest *record;
    postponed *last;
    size_t count, next;
    bool listed; /* to the end */
};

feed *feed_open(const listing_settings *settings, feed_share share, manifest *record) {
    feed *f = calloc(1, sizeof *f);
    if (f == NULL) {
        return NULL;
    }
    *f = (feed){.list = listing_open(settings), .share = share, .record = record};
    if (f->list == NULL) {
        free(f);
        return NULL;
    }
    return f;
}

void feed_close(feed *f) {
    if (f == NULL) {
        return;
    }
    listing_close(f->list);
    for (size_t i = 0; i < f->count; i++) {
        free(f->last[i].path);
        free(f->last[i].name);
    }
    free(f->last);
    free(f);
}

/* The same on every machine and in every run. */
static bool is_ours(const feed *f, const listing_item *item) {
    const char *key = item->name != NULL && item->name[0] != '\0' ? item->name : item->path;
    return f->share.count <= 1 || journal_hash(key, strlen(key)) % f->share.count == f->share.index - 1;
}

/* False where it is not kept for last after all. */
static bool postpone(feed *f, const listing_item *item) {
    if (f->last == NULL) {
        f->last = calloc(MOST_POSTPONED, sizeof *f->last);
    }
    if (f->last == NULL || f->count == MOST_POSTPONED) {
        return false;
    }
    const char *line = manifest_find(f->record, item->name);
    const double times = line != NULL ? journal_number(journal_field(line, "times"), 0) : 0;
    postponed one = {strdup(item->path), strdup(item->name), times};
    if (one.path == NULL || one.name == NULL) {
        free(one.path);
        free(one.name);
        return false;
    }
    f->last[f->count++] = one;
    return true;
}

static int by_times(const void *a, const void *b) {
    const postponed *x = a;
    const postponed *y = b;
    return x->times != y->times ? (x->times > y->times) - (x->times < y->times) : strcmp(x->name, y->name);
}

listing_result feed_next(feed *f, listing_item *item) {
    while (!f->listed) {
        const listing_result kind = listing_next(f->list, item);
        if (kind == LISTING_END) {
            f->listed = true;
            if (f->count > 0) {
                qsort(f->last, f->count, sizeof *f->last, by_times);
            }
            break;
        }
        if (!is_ours(f, item)) {
            continue;
        }
        item->alone = kind == LISTING_PHOTO && f->record != NULL && manifest_is_suspect(f->record, item->name);
        if (!item->alone || !postpone(f, item)) {
            return kind;
        }
    }
    if (f->next == f->count) {
        return LISTING_END;
    }
    const postponed *one = &f->last[f->next++];
    *item = (listing_item){.path = one->path, .name = one->name, .alone = true};
    return LISTING_PHOTO;
}

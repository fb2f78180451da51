/*
 * feed.h - the items of a listing that are this process's to work on.
 *
 * With --shard i/n those whose name's hash says so: photos whose results would have one name come to one process,
 * which sees that they clash. Photos that an earlier, killed run had in hand come last, those tried the fewest times
 * first, and alone: one that takes more memory than there is then keeps no other from being done. Called by source,
 * and by the first of several MPI processes, whose items are everybody's.
 */
#ifndef DIFFCUT_TOOLS_FEED_H
#define DIFFCUT_TOOLS_FEED_H

#include <stdint.h>

#include "listing.h"
#include "manifest.h"

typedef struct feed feed;

/* The share of this process: 1 <= index <= count. */
typedef struct feed_share {
    uint32_t index, count;
} feed_share;

/* NULL without memory. record: NULL without a manifest. settings and record must outlive the feed. */
feed *feed_open(const listing_settings *settings, feed_share share, manifest *record);
/* As listing_next. */
listing_result feed_next(feed *f, listing_item *item);
void feed_close(feed *f);

#endif

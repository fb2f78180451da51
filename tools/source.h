/*
 * source.h - photos to work on, one at a time: those of a feed, and those inside its archives.
 *
 * An archive is read as a stream, a photo's bytes with it; its members that are no photos by their names are passed
 * over. Called by segment_flow.
 */
#ifndef DIFFCUT_TOOLS_SOURCE_H
#define DIFFCUT_TOOLS_SOURCE_H

#include <stdint.h>

#include "feed.h"

/* Where the items come from: feed_next, or a team's. */
typedef listing_result (*source_feed_fn)(void *user, listing_item *item);

typedef struct source source;

typedef struct source_item {
    listing_item item;
    bool in_archive;
    uint8_t *bytes; /* of a photo in an archive: malloc'ed, the caller's */
    size_t size;
    int64_t modified; /* as the archive says, seconds since 1970 */
} source_item;

/* NULL without memory. record as in feed.h: of photos in an archive it says which are to be worked on alone. */
source *source_open(source_feed_fn next, void *user, manifest *record, bool full_names);
/* LISTING_PHOTO, LISTING_ERROR or LISTING_END. */
listing_result source_next(source *s, source_item *out);
void source_close(source *s);

#endif

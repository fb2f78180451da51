/*
 * team.h - several processes at one list of photos: what `diffcut segment` asks of whatever started them.
 *
 * Each of the team runs the whole command with the same line. The leader (rank 0) reads the list and holds the
 * manifest; all of them take items from the list, whoever is free the next, and record in a part of the manifest of
 * their own. Calls marked "all" are made by every process at the same point. Filled in by mpi_team.c.
 */
#ifndef DIFFCUT_TOOLS_TEAM_H
#define DIFFCUT_TOOLS_TEAM_H

#include <stdbool.h>
#include <stdint.h>

#include "feed.h"

/* Says whether an item's results are nobody else's; else why not, in an error. */
typedef bool (*team_claim_fn)(void *user, listing_result kind, const listing_item *item,
                              diffcut_diagnostics *diagnostics);

typedef struct team {
    void *user;
    uint32_t rank, size;
    uint32_t threads; /* of this process, so that those of one machine have the processors between them */

    /* All: whether all are fine. */
    bool (*agree)(void *user, bool fine);
    /* All: the leader writes the feed's items (NULL for the others) to a file in the folder, from which they are
     * taken. False, with a message in the leader, when that failed. */
    bool (*deal)(void *user, feed *items, const char *folder, team_claim_fn claim, void *claim_user,
                 diffcut_diagnostics *diagnostics);
    /* A source_feed_fn: the next item that nobody has taken. */
    listing_result (*next)(void *user, listing_item *item);
    /* A shards_number_fn: a number that nobody has taken. */
    uint64_t (*next_shard)(void *user);
    /* All: adds the counts up, for the leader. */
    void (*sum)(void *user, uint64_t *counts, uint32_t count);
    /* How many photos were dealt out; 0 where archives keep that unknown. */
    uint64_t (*dealt)(void *user);
} team;

#endif

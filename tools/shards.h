/*
 * shards.h - results in tar shards as WebDataset has them, each whole or absent.
 *
 * A photo's results share a key, the name up to the first dot, and lie side by side: garden/rose.png,
 * garden/rose.json. A shard is written under its name with .part behind, flushed, renamed, and only then are its
 * photos recorded in the manifest: whatever ends a run, photos of an unfinished shard are done again, and those of
 * finished ones are not. Called by segment_write and segment_record.
 */
#ifndef DIFFCUT_TOOLS_SHARDS_H
#define DIFFCUT_TOOLS_SHARDS_H

#include "manifest.h"

/* The number of the next shard to try; one that is finished already is passed over. */
typedef uint64_t (*shards_number_fn)(void *user);

typedef struct shards {
    const char *folder, *pattern; /* "out-%06d.tar" */
    uint64_t most_bytes, most_photos;
    shards_number_fn number;
    void *user;
    manifest *record;
    int file; /* of the shard at hand; -1: none */
    text name, path, part;
    char make[17];          /* tells this shard from an unfinished one that had its name */
    uint64_t bytes, photos; /* in it */
    text lines;             /* of its photos, for the manifest; each ended by NUL */
} shards;

/* Whether the pattern is a file's name with one %d or %0Nd in it that ends in .tar; an option_parse_fn's error. */
bool shards_check_pattern(const char *pattern, text *error);

/* Removes what a killed run left unfinished. All fields above `file` are set. */
diffcut_status shards_open(shards *s, diffcut_diagnostics *diagnostics);
/* Adds a photo: its members, written by tar_write, and the fields of its line but the shard. */
diffcut_status shards_add(shards *s, const text *members, const char *fields, diffcut_diagnostics *diagnostics);
/* Finishes the shard at hand, if any, and records its photos. */
diffcut_status shards_finish(shards *s, diffcut_diagnostics *diagnostics);
/* Drops the shard at hand. */
void shards_close(shards *s);

/* Whether the shard that a photo's line names is finished and there, of the size it had. */
bool shards_has(const manifest *record, const char *folder, const char *line);

#endif

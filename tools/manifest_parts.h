/*
 * manifest_parts.h - a manifest's lines as they are read, and the parts that several processes leave.
 *
 * Called by manifest.c, and by segment_record for the values of a line.
 */
#ifndef DIFFCUT_TOOLS_MANIFEST_PARTS_H
#define DIFFCUT_TOOLS_MANIFEST_PARTS_H

#include "journal.h"

/* A line of a manifest, read. */
typedef struct manifest_line {
    char *text;
    size_t room;
    long long start, end; /* in the file */
    uint64_t id;          /* of a photo's line; 0 for the others */
    bool started;
    uint64_t settings; /* of a line that tells what settings are: their hash */
    const char *shard; /* of a shard's line: the value of its name */
} manifest_line;

/* The next line of a kind that is known; others, and broken ones, count as damaged. False at the end. */
bool manifest_read_line(FILE *file, manifest_line *line, uint64_t *damaged);
void manifest_line_free(manifest_line *line);

/* A string as manifest_add_string wrote it; false if there is none. */
bool manifest_string(const char *line, const char *key, text *out);
/* , "KEY": "...", and where the bytes are no UTF-8 "KEY_hex" with all of them. */
void manifest_add_string(const char *key, const char *value, text *out);

/* "DIR/manifest.jsonl" and "rank-3": "DIR/manifest.rank-3.jsonl". */
void manifest_part_path(const char *path, const char *part, text *out);

#endif

/*
 * manifest.h - what a batch has done, on disk: the record by which a later run does only what is missing or changed.
 *
 * A file of lines as journal.h has them. Photos are known by the name of their results ("garden/rose"), the last line
 * of a name counts:
 *
 *   {"sum", "id", "status": "started", "times": 1, "alone": 0, "photo", "name", "bytes", "modified"}
 *   {"sum", "id", "status": "done",    "photo", "name", "bytes", "modified", "sha256", "settings", "outputs": [...],
 * ...}
 *   {"sum", "id", "status": "failed",  ..., "error": "...", "again": false}
 *   {"sum", "id", "status": "held", ...}   done, but its shard is not finished: as good as not done
 *   {"sum", "settings": "0123456789abcdef", ...}   what the hash stands for, before the first photo of these settings
 *   {"sum", "shard": "out-000001.tar", "state": "begun", "make", ...} and "finished" with its size
 *
 * "started" is written before a photo is read: where it stays the last line, the process was killed with the photo in
 * its hands. Only one process has a manifest for writing. Of several that work together each writes a part of its own
 * (manifest.rank-3.jsonl, manifest.shard-2-of-5.jsonl) and looks things up in the manifest too; the next run alone
 * takes the parts in. What is held in memory does not grow (table.h). Called by segment_record and shards.
 */
#ifndef DIFFCUT_TOOLS_MANIFEST_H
#define DIFFCUT_TOOLS_MANIFEST_H

#include <pthread.h>

#include "journal.h"
#include "table.h"

#define MANIFEST_NAME "manifest.jsonl"

typedef struct manifest {
    text path, part_path;    /* part_path is path where there are no parts */
    FILE *base, *own;        /* for reading lines back; base NULL where there are no parts */
    journal_writer writer;   /* of the part */
    journal_writer lock;     /* of a manifest that is held without being written to */
    int shared;              /* a shared lock on the manifest, or -1 */
    table lines;             /* by the id of a name: where its last line is, and of which status */
    table settings, shards;  /* hashes of settings that were written; finished shards, by name and as photos' lines
                                name them, to their sizes */
    text begun;              /* names of shards that were begun and not finished, each ended by NUL */
    uint64_t suspects;       /* photos whose last line is "started" */
    uint64_t damaged;        /* lines left out */
    pthread_mutex_t writing; /* the writer is used by the reader of photos and by the writer of results */
    char *line;              /* of the last manifest_find */
    size_t room;
} manifest;

typedef enum manifest_use {
    MANIFEST_WHOLE, /* this process alone; takes parts in first */
    MANIFEST_PART,  /* one of several independent processes: a shared lock on the manifest, a part to write to */
    MANIFEST_RANK   /* one of several that another process, which holds the manifest's lock, has started */
} manifest_use;

/* Opens or makes the manifest of this path; part ("rank-3") says which part is written to, NULL for MANIFEST_WHOLE.
 * folder is where a large table's file goes. Damaged lines are left out. DIFFCUT_ERROR_EXISTS: another process has
 * it. On failure everything is closed. */
diffcut_status manifest_open(manifest *m, const char *path, manifest_use use, const char *part, const char *folder,
                             diffcut_diagnostics *diagnostics);
diffcut_status manifest_close(manifest *m, diffcut_diagnostics *diagnostics);

/* Takes the parts of the manifest in: of each name in a part its last line, then the part is removed. Cut short, it
 * is simply done again. writer has the manifest open and locked. */
diffcut_status manifest_take_parts(journal_writer *writer, const char *path, const char *folder,
                                   diffcut_diagnostics *diagnostics);

/* The last line about the photo whose results have this name, NULL if there is none; valid until the next call. Only
 * lines that were there when the manifest was opened count. For one thread. */
const char *manifest_find(manifest *m, const char *name);

/* Whether the last line about the name is "started". For the same thread. */
bool manifest_is_suspect(const manifest *m, const char *name);

/* Appends a line of these fields. Thread-safe. */
diffcut_status manifest_append(manifest *m, const char *fields, diffcut_diagnostics *diagnostics);
/* What was appended is on the disk when this returns. Thread-safe. */
diffcut_status manifest_flush(manifest *m, diffcut_diagnostics *diagnostics);

/* The first fields of a photo's line: id and status. */
void manifest_line_begin(const char *name, const char *status, text *out);

#endif

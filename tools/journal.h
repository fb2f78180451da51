/*
 * journal.h - files of JSON lines that survive a crash: each line carries a checksum of the rest of it.
 *
 * Lines are appended whole and flushed to the disk in groups; one that a crash left broken is seen as such and cut
 * off when the file is written to again. The values of a line are read in place: only lines whose checksum is right
 * are read, so they are as journal_append wrote them. Called by eval_journal and manifest.
 */
#ifndef DIFFCUT_TOOLS_JOURNAL_H
#define DIFFCUT_TOOLS_JOURNAL_H

#include <stdint.h>
#include <stdio.h>

#include "diffcut/diffcut.h"
#include "text.h"

/* FNV-1a of 64 bits (Fowler, Noll, Vo), its high bits mixed down; never 0. */
uint64_t journal_hash(const void *bytes, size_t size);

/* "PATH: REASON" as the message; returns the status. */
diffcut_status journal_fail(diffcut_diagnostics *diagnostics, diffcut_status status, const char *path,
                            const char *reason);

/* ------------------------------------------------------------------------------------------------- reading */

/* Whether these bytes are one line, its end included, with the right checksum. */
bool journal_is_whole(const char *line, size_t size);

/* The next whole line of the file, without its end, in *line (grown by getline; the caller frees it); its place in
 * the file in *start and the end in *end, each of which may be NULL. Damaged lines are counted and left out. False at
 * the end. */
bool journal_read_line(FILE *file, char **line, size_t *room, long long *start, long long *end, uint64_t *damaged);

/* Whether the file, as far as it goes, starts as ours do; an empty one does. Leaves it at its start. */
bool journal_is_ours(FILE *file);

/* A value of an object of ours by its name at the top level, NULL if there is none. */
const char *journal_field(const char *object, const char *name);
/* A string's text; false when value is NULL or no string. */
bool journal_string(const char *value, text *out);
/* A number; fallback when value is NULL or no number (null is NaN's name). */
double journal_number(const char *value, double fallback);
/* Walks a list: *place is the list at first; the item's extent; false at the end. */
bool journal_next_item(const char **place, const char **item, size_t *size);
/* The extent of one value: object, list, string, number or word. */
size_t journal_extent(const char *value);

/* ------------------------------------------------------------------------------------------------- writing */

typedef struct journal_writer {
    int descriptor; /* -1: not open; locked while it is */
    text path, line;
    unsigned unflushed; /* lines */
    double flushed;     /* when, by the monotonic clock */
} journal_writer;

/* Opens the file for one process alone; flags are O_CREAT or 0. DIFFCUT_ERROR_EXISTS: another is at work on it. On
 * failure the writer is still to be finished. */
diffcut_status journal_open_writer(journal_writer *writer, const char *path, int flags,
                                   diffcut_diagnostics *diagnostics);
/* Goes on at `good_end`; what is beyond, a broken line, is cut off. */
diffcut_status journal_go_on(journal_writer *writer, long long good_end, diffcut_diagnostics *diagnostics);
/* A line as it is written: the object of these fields (without their braces) with its checksum, and its end. False
 * when it would be too long, or without memory. */
bool journal_make_line(const char *fields, text *line);
/* Appends a line: fields are the object's without its braces. DIFFCUT_ERROR_IO takes back what was written of it. */
diffcut_status journal_append(journal_writer *writer, const char *fields, diffcut_diagnostics *diagnostics);
/* All that was appended is on the disk. */
diffcut_status journal_flush(journal_writer *writer, diffcut_diagnostics *diagnostics);
/* Flushes and closes. */
diffcut_status journal_finish(journal_writer *writer, diffcut_diagnostics *diagnostics);

#endif

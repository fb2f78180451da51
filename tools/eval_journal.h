/*
 * eval_journal.h - what an evaluation has done so far, on disk: the file from which results are summed.
 *
 * DIR/journal.jsonl: a line of JSON each, every one with a checksum of the rest of it. The first tells what is
 * evaluated; each other is a photo with its counts under all settings, or a photo that failed and why. Lines are
 * appended whole and flushed to the disk in groups; a line that a crash left broken is cut off when the file is
 * opened again, and its photo done again. A photo is known by a hash of its name, so that none is counted twice.
 * Called by eval_run, eval_totals and eval_merge.
 */
#ifndef DIFFCUT_TOOLS_EVAL_JOURNAL_H
#define DIFFCUT_TOOLS_EVAL_JOURNAL_H

#include <stdio.h>

#include "diffcut/diffcut.h"
#include "text.h"

#define JOURNAL_NAME "journal.jsonl"

/* Photos by the hash of their names: 8 to 16 bytes each. */
typedef struct photo_set {
    uint64_t *slots; /* open addressing; 0 is an empty slot */
    size_t capacity, count;
} photo_set;

uint64_t photo_id(const char *name);
bool photo_set_has(const photo_set *set, uint64_t id);
/* 1: added; 0: was there; -1: out of memory. */
int photo_set_add(photo_set *set, uint64_t id);
void photo_set_free(photo_set *set);

/* ------------------------------------------------------------------------------------------------- reading */

typedef enum journal_kind { JOURNAL_SCORED, JOURNAL_FAILED, JOURNAL_END, JOURNAL_UNREADABLE } journal_kind;

/* One line; the texts are valid until the next. */
typedef struct journal_line {
    uint64_t id;
    const char *scores; /* SCORED: the list of the settings' counts, for journal_next_item */
    text file, reason;  /* FAILED */
} journal_line;

typedef struct journal_reader {
    FILE *file;
    char *line;
    size_t room;
    long long good_end; /* bytes up to the end of the last whole line */
    uint64_t damaged;   /* lines that were no whole line */
    text path, header;  /* the first line */
    journal_line last;
} journal_reader;

/* Opens DIR's journal and reads its first line. DIFFCUT_ERROR_IO: there is none; DIFFCUT_ERROR_FORMAT: it is no
 * journal, or of another version. */
diffcut_status journal_open(journal_reader *reader, const char *folder, diffcut_diagnostics *diagnostics);
/* Back to the first photo. */
bool journal_rewind(journal_reader *reader);
/* The next whole line; damaged ones are counted and left out. *line belongs to the reader. */
journal_kind journal_next(journal_reader *reader, const journal_line **line);
void journal_close(journal_reader *reader);

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

/* Makes DIR's journal with this header (an object without its braces: "\"a\": 1"). One that is there is replaced if
 * `replace`, else DIFFCUT_ERROR_EXISTS. */
diffcut_status journal_create(journal_writer *writer, const char *folder, const char *header, bool replace,
                              diffcut_diagnostics *diagnostics);
/* Opens one that is there to go on at `good_end`. DIFFCUT_ERROR_EXISTS: another process is at work on it. */
diffcut_status journal_continue(journal_writer *writer, const char *folder, long long good_end,
                                diffcut_diagnostics *diagnostics);
/* Appends a photo: fields are the object's without its braces. DIFFCUT_ERROR_IO takes back what was written of it. */
diffcut_status journal_append(journal_writer *writer, const char *fields, diffcut_diagnostics *diagnostics);
/* Flushes and closes. */
diffcut_status journal_finish(journal_writer *writer, diffcut_diagnostics *diagnostics);

/* The fields of a line: of a photo's counts (count encoded JSON objects), or of its failure. */
void journal_scored_fields(uint64_t id, const diffcut_buffer *scores, size_t count, text *out);
void journal_failed_fields(uint64_t id, const char *file, const char *reason, text *out);

#endif

/*
 * eval_journal.h - what an evaluation has done so far, on disk: the file from which results are summed.
 *
 * DIR/journal.jsonl: lines of JSON as journal.h has them. The first tells what is evaluated; each other is a photo
 * with its counts under all settings, or a photo that failed and why. A photo whose line a crash left broken is done
 * again. A photo is known by a hash of its name, so that none is counted twice.
 * Called by eval_run, eval_totals and eval_merge.
 */
#ifndef DIFFCUT_TOOLS_EVAL_JOURNAL_H
#define DIFFCUT_TOOLS_EVAL_JOURNAL_H

#include "journal.h"

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

/* ------------------------------------------------------------------------------------------------- writing */

/* Makes DIR's journal with this header (an object without its braces: "\"a\": 1"). One that is there is replaced if
 * `replace`, else DIFFCUT_ERROR_EXISTS. */
diffcut_status journal_create(journal_writer *writer, const char *folder, const char *header, bool replace,
                              diffcut_diagnostics *diagnostics);
/* Opens one that is there to go on at `good_end`. DIFFCUT_ERROR_EXISTS: another process is at work on it. */
diffcut_status journal_continue(journal_writer *writer, const char *folder, long long good_end,
                                diffcut_diagnostics *diagnostics);
/* The fields of a line: of a photo's counts (count encoded JSON objects), or of its failure. */
void journal_scored_fields(uint64_t id, const diffcut_buffer *scores, size_t count, text *out);
void journal_failed_fields(uint64_t id, const char *file, const char *reason, text *out);

#endif

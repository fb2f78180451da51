/*
 * segment_record.h - a batch's manifest as `diffcut segment` uses it: what is done already, what is done now.
 *
 * Called by segment.c (opening), segment_photo.c (looking up, before a photo is read) and segment_write.c (what came
 * of it).
 */
#ifndef DIFFCUT_TOOLS_SEGMENT_RECORD_H
#define DIFFCUT_TOOLS_SEGMENT_RECORD_H

#include "segment.h"

/* Opens the manifest and the shards that the options ask for. Returns -1 when the command may go on, else the exit
 * status, all being said. */
int record_open(segment_run *run);
/* Finishes both; false, after a message, when something that was done could not be recorded. */
bool record_close(segment_run *run);

/* What the manifest says of a photo. */
typedef enum record_verdict {
    RECORD_WANTED,
    RECORD_DONE,
    RECORD_FAILED, /* before: the piece's message says how */
    RECORD_OTHERS, /* its results' name is taken by another photo: the piece's message says whose */
    RECORD_UNREAD  /* it had to be read to be compared and could not be: status and message are the piece's */
} record_verdict;

record_verdict record_look(photo_piece *p);

/* Removes what a killed process may have left beside the results of this name. While no other process writes there.
 */
void record_sweep(const segment_run *run, const char *name);

/* Work on the photo begins: recorded, so that a killed process is known by what it leaves. False, with the piece's
 * message, when that cannot be written. */
bool record_start(photo_piece *p);
/* One of its results is written. */
void record_output(photo_piece *p, output_kind kind, double tau, const void *data, size_t size);
/* It is done, with all its results; times as in the --json line. False with p->unwritten's message. */
bool record_done(photo_piece *p, const summary_times *times);
/* It has failed; `again`: for a reason that may pass, so that the next run tries again. */
void record_failed(photo_piece *p, const char *message, bool again);
/* It is left in the middle, by an orderly end. */
void record_left(photo_piece *p);

#endif

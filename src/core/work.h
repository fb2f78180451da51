/*
 * work.h - what a stage is given to work with: threads, where its message goes, progress, times, dumps.
 *
 * Made by the session for one public call; a stage takes it first and passes it on. Stages know nothing of sessions.
 */
#ifndef DIFFCUT_CORE_WORK_H
#define DIFFCUT_CORE_WORK_H

#include "core/status.h"

typedef struct work {
    uint32_t threads;             /* at least 1 */
    diffcut_diagnostics *diag;    /* never NULL: the message of a failure */
    diffcut_diagnostics *note;    /* NULL, or where a remark that is no failure goes */
    diffcut_stage stage;          /* named in progress calls, and whose time runs; changed by work_enter */
    double *seconds;              /* NULL, or DIFFCUT_STAGE_COUNT sums */
    double entered;               /* clock when the running stage was entered */
    diffcut_progress_fn progress; /* may be NULL */
    void *progress_user;
    double before, after; /* parts of the stage that lie before and after this work: see work_part */
    diffcut_dump_fn dump; /* may be NULL */
    void *dump_user;
    diffcut_operation_fn operation; /* may be NULL */
    void *operation_user;
} work;

/* Seconds of a clock that only goes forward. */
double work_clock(void);

/* Starts a stage: the time since the last one was entered is added to that one's sum. */
void work_enter(work *w, diffcut_stage stage);

/* Adds the running stage's time to its sum. Called by whoever made the work, at its end. */
void work_leave(work *w);

/* Tells the caller how far the stage is (0 .. 1); DIFFCUT_ERROR_CANCELLED when asked to stop. Call it from the
 * thread that entered the library, several times a second at best, never from inside parallel_for. */
diffcut_status work_progress(const work *w, double fraction);

/* The same work for a part of what is done with it: 0 .. 1 of its progress is from .. to of this one's. */
work work_part(const work *w, double from, double to);

/* Hands an intermediate result to the dump callback, if there is one. */
void work_dump(const work *w, const char *name, const float *data, const size_t *shape, size_t rank);

/* True when a dump is wanted: spares making data for nobody. */
bool work_dumps(const work *w);

/* Leaves a remark (printf style); a later one replaces it. */
__attribute__((format(printf, 2, 3))) void work_note(const work *w, const char *format, ...);

#endif

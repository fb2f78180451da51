/*
 * progress.h - a bar with rate and time left, for a terminal.
 *
 *   [########          ]  12/340  3.2 photos/s  1:42 left  chelsea.png: features
 *
 * Drawn on stderr at each photo's start, and at most ten times a second besides; never when stderr is no terminal.
 * Called by segment.
 */
#ifndef DIFFCUT_TOOLS_PROGRESS_H
#define DIFFCUT_TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "diffcut/diffcut.h"
#include "text.h"

typedef struct progress {
    bool enabled;
    bool shown;       /* a bar is on the screen's current line */
    bool renamed;     /* the photo's name has not been drawn yet */
    uint64_t total;   /* photos; 0: not known */
    uint64_t done;    /* finished, whatever came of them */
    uint64_t worked;  /* of those, the ones that took work: what the rate counts */
    double started;   /* seconds of the monotonic clock */
    double drawn;     /* when the bar was drawn last */
    const char *name; /* the photo being worked on; belongs to the caller */
} progress;

/* Whether stderr is a terminal that can show a bar. */
bool progress_possible(void);

void progress_start(progress *p, uint64_t total);
/* The photo to be named in the bar. */
void progress_photo(progress *p, const char *name);
/* How far the photo is. */
void progress_stage(progress *p, diffcut_stage stage, double fraction);
void progress_photo_done(progress *p, bool worked);
/* Clears the bar's line; the next progress_stage draws it again. */
void progress_erase(progress *p);

/* The bar itself, without the escape that clears the line; columns is the terminal's width. */
void progress_render(const progress *p, diffcut_stage stage, double fraction, double now, unsigned columns,
                     text *out);

/* Seconds of a clock that only goes forward. */
double progress_clock(void);

#endif

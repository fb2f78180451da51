/*
 * segment.h - what segment.c (the command: line, batch, totals) and segment_photo.c (one photo) share.
 */
#ifndef DIFFCUT_TOOLS_SEGMENT_H
#define DIFFCUT_TOOLS_SEGMENT_H

#include "console.h"
#include "dump.h"
#include "engine.h"
#include "listing.h"
#include "output.h"
#include "progress.h"
#include "settings.h"

typedef struct segment_options {
    settings_options settings;
    console says;
    const char *files_from;
    bool nul_separated;
    const char *folder; /* of the outputs */
    unsigned kinds;     /* --outputs */
    bool coco, npy, features_npy;
    bool full_names;
    bool force;
    bool json;
    const char *dump;
    diffcut_overlay_settings overlay;
} segment_options;

typedef struct segment_run {
    segment_options options;
    engine engine;
    output_settings outputs;
    output_claims claims;
    dump dump;
    progress bar;
    uint64_t segmented, skipped, failed; /* photos */
} segment_run;

typedef enum photo_outcome {
    PHOTO_SEGMENTED,
    PHOTO_SKIPPED,     /* all of its outputs exist */
    PHOTO_FAILED,      /* reported; the next one may do better */
    PHOTO_HOPELESS,    /* reported; every further one would fail too */
    PHOTO_INTERRUPTED, /* Ctrl-C: nothing was reported */
} photo_outcome;

/* Segments one photo and writes its outputs; reports by itself. */
photo_outcome segment_photo(segment_run *run, const listing_item *item);

/* Reports a failure on stderr and, with --json, on stdout. */
void segment_report_failure(segment_run *run, const char *path, const char *message);

#endif

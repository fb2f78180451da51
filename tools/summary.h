/*
 * summary.h - what is told of a segmented photo in JSON: the file NAME.json and the line of --json.
 *
 * Called by segment_photo.c.
 */
#ifndef DIFFCUT_TOOLS_SUMMARY_H
#define DIFFCUT_TOOLS_SUMMARY_H

#include "diffcut/diffcut.h"
#include "naming.h"
#include "output.h"
#include "text.h"

/* Seconds of a photo's steps around the library's stages. */
typedef struct summary_times {
    double decode, write, total;
    double name; /* label's */
    double stages[DIFFCUT_STAGE_COUNT];
} summary_times;

/* One label map of a photo. */
typedef struct summary {
    const char *path;      /* as named on the line */
    const char *base_name; /* of the photo */
    uint64_t bytes;        /* of the photo's file */
    const char *note;      /* the session's, "" for none */
    const diffcut_model *model;
    const diffcut_settings *settings; /* tau being this map's */
    const diffcut_features *features;
    const diffcut_labels *labels;
    const diffcut_segment_info *segments; /* labels->count */
    const output_settings *outputs;
    const char *name;            /* of the outputs */
    const naming *naming;        /* NULL: segments have no names */
    const named_segments *named; /* their names */
    summary_times times;
} summary;

/* How many labels occur. */
size_t summary_segments(const summary *s);

/* The whole NAME.json. */
void summary_file(const summary *s, text *out);

/* {"tau": 0.3, "segments": 7, "outputs": {...}}, on one line. */
void summary_result(const summary *s, text *out);

/* {"decode": 0.01, ...}, on one line. */
void summary_seconds(const summary_times *times, text *out);

/* "model": {...}, on one line. */
void summary_model(const diffcut_model *model, text *out);

/* The settings as an object {...}, in the options' words, so that a run can be repeated from its summary; on several
 * lines. */
void summary_settings(const diffcut_model *model, const diffcut_settings *settings, text *out);

/* "label": 0, "area": 1234, ... of a map of so many pixels, on one line; its colour is that of label `shown`. */
void summary_segment(const diffcut_segment_info *segment, double pixels, uint32_t shown, text *out);

/* , "class": ..., ... "top": [...]: the segment's class with its score, and the nearest ones. */
void summary_names(const naming *by, const named_segments *named, uint32_t label, text *out);

/* "photo": "..." with, for a name that is no UTF-8, "photo_hex" holding its bytes. */
void summary_photo(const char *path, text *out);

#endif

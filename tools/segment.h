/*
 * segment.h - what the parts of `diffcut segment` share.
 *
 *   segment.c        the command: its line, its settings, its totals
 *   label.c          the command label, which names the segments besides
 *   segment_flow.c   who does what: a thread reads photos ahead, the session's thread computes, one writes behind
 *   segment_photo.c  a photo's reading (what is there already, decoding) and its computation
 *   segment_write.c  a photo's results: encoded, written, reported
 *
 * A photo_piece goes from the reader to the computation; its label maps, and at last its end, go from there to the
 * writer as photo_results. Both ways keep the order of the line, so files, messages and lines of JSON are those of
 * one photo after the other.
 */
#ifndef DIFFCUT_TOOLS_SEGMENT_H
#define DIFFCUT_TOOLS_SEGMENT_H

#include <pthread.h>
#include <stdatomic.h>

#include "budget.h"
#include "console.h"
#include "dump.h"
#include "engine.h"
#include "listing.h"
#include "naming.h"
#include "output.h"
#include "progress.h"
#include "settings.h"
#include "summary.h"

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
    uint32_t batch; /* photos that go through the network together */
    const char *dump;
    diffcut_overlay_settings overlay;
    naming_options naming; /* label's */
} segment_options;

typedef struct segment_run {
    segment_options options; /* constant while photos are worked on */
    engine engine;
    naming naming;      /* label's */
    const char **names; /* of its classes; NULL: segments have no names */
    size_t name_count;
    output_settings outputs;
    output_claims claims; /* the reader's */
    dump dump;            /* the computation's */
    progress bar;
    pthread_mutex_t screen;              /* whoever draws the bar or says something holds it */
    budget budget;                       /* of photos in memory */
    atomic_bool stop;                    /* the rest is left out: nothing can be written any more */
    bool stdout_works;                   /* the writer's, as are the counts */
    uint64_t segmented, skipped, failed; /* photos */
} segment_run;

typedef enum photo_outcome {
    PHOTO_SEGMENTED,
    PHOTO_SKIPPED,     /* all of its outputs exist */
    PHOTO_FAILED,      /* the next one may do better */
    PHOTO_INTERRUPTED, /* Ctrl-C: nothing is reported */
} photo_outcome;

typedef struct photo_result photo_result;

/* A photo on its way, from the reader to the writer, who frees it. */
typedef struct photo_piece {
    segment_run *run;
    char *path, *name; /* of the photo; of its outputs */
    const char *base_name;
    uint64_t bytes;          /* of the file */
    photo_outcome outcome;   /* PHOTO_SEGMENTED while nothing is against it */
    photo_result *end;       /* of this photo: there from the start, so that it never fails */
    bool has_share;          /* of the budget */
    diffcut_image image;     /* read only once the photo is computed */
    double decode_seconds;   /* all of the reading */
    diffcut_diagnostics why; /* it could not be read or computed */
    /* the computation's */
    diffcut_features *features; /* read only once they are there */
    diffcut_tree *tree;
    text note; /* the remarks of all stages */
    double stages[DIFFCUT_STAGE_COUNT];
    double compute_seconds; /* without waiting */
    /* the writer's */
    atomic_bool unwritable;        /* a result could not be written; read by the computation too */
    diffcut_diagnostics unwritten; /* why */
    size_t failed_size;            /* bytes of the write that failed; 0: it was no write */
    double write_seconds;
    text results;         /* JSON objects of the taus done, comma-separated */
    text output;          /* path of the one at hand */
    size_t segment_count; /* of the last tau */
} photo_piece;

/* A label map on its way to its files, or, without one, the end of its photo. */
struct photo_result {
    photo_piece *piece;
    double tau;
    diffcut_labels labels; /* data NULL: the end */
    named_segments named;  /* label's */
    summary_times times;   /* decode, stages, and in total what the computation took */
    text note;             /* the remarks so far */
};

/* segment.c */

extern const option segment_input_rows[], segment_output_rows[], segment_batch_rows[];

/* Either command, from its line to its exit status. named: label. */
int segment_main(const command *self, int argc, char **argv, bool named);

/* segment_photo.c */

/* The photo of a listing's item, read and decoded unless its outputs exist; NULL without memory. */
photo_piece *segment_read(segment_run *run, listing_result kind, const listing_item *item);
void segment_piece_free(photo_piece *piece);
/* Whether it is to be computed. */
bool segment_is_wanted(const photo_piece *piece);
/* Pixels it holds in memory. */
uint64_t segment_pixels(const photo_piece *piece);

/* Takes a result, for the writer. */
typedef void (*segment_take_fn)(void *user, photo_result *result);

/* Computes the wanted photos, their features together, and hands all their results and ends over in order. The pieces
 * belong to their ends. */
void segment_compute(segment_run *run, photo_piece *const *pieces, size_t count, segment_take_fn take, void *user);

/* segment_write.c */

/* Writes a label map's outputs, or reports a photo's end and frees it. Frees the result. */
void segment_write(photo_result *result);

/* segment_flow.c */

/* All photos of the list; false without memory to begin. One photo needs no threads. */
bool segment_all(segment_run *run, const listing_settings *list, bool several);

#endif

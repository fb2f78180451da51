/*
 * segment.h - what the parts of `diffcut segment` share.
 *
 *   segment.c        the command: its line, its settings, its totals
 *   label.c          the command label, which names the segments besides
 *   segment_flow.c   who does what: a thread reads photos ahead, the session's thread computes, one writes behind
 *   segment_photo.c  a photo's reading (what is there already, decoding) and its computation
 *   segment_write.c  a photo's results: encoded, written, reported
 *   segment_record.c the manifest of a batch: what a photo's results were made from, and what came of it
 *   team.h           several processes at one list
 *
 * A photo_piece goes from the reader to the computation; its label maps, and at last its end, go from there to the
 * writer as photo_results. Both ways keep the order of the line, so files, messages and lines of JSON are those of
 * one photo after the other.
 */
#ifndef DIFFCUT_TOOLS_SEGMENT_H
#define DIFFCUT_TOOLS_SEGMENT_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "budget.h"
#include "console.h"
#include "dump.h"
#include "engine.h"
#include "feed.h"
#include "listing.h"
#include "manifest.h"
#include "naming.h"
#include "output.h"
#include "photo.h"
#include "progress.h"
#include "settings.h"
#include "shards.h"
#include "source.h"
#include "summary.h"
#include "table.h"
#include "team.h"

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
    bool resume;          /* keep a manifest and go by it */
    const char *manifest; /* where; NULL: in the folder */
    bool retry_failed, checksum;
    feed_share share;
    bool archives;             /* --in-shards */
    const char *shard_pattern; /* --out-shards */
    uint64_t shard_bytes, shard_photos;
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
    table claims;     /* the reader's */
    const team *team; /* NULL: this process is alone */
    manifest record;  /* where `recording`; looking up is the reader's */
    bool recording;
    char settings_hash[17];
    shards shards; /* the writer's, where there is a pattern */
    uint64_t next_shard;
    dump dump; /* the computation's */
    progress bar;
    pthread_mutex_t screen;              /* whoever draws the bar or says something holds it */
    budget budget;                       /* of photos in memory */
    bool several;                        /* photos may follow the first */
    atomic_bool stop;                    /* the rest is left out: it cannot be computed or written either */
    atomic_bool unrecorded;              /* the manifest cannot be written */
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
    photo_bytes file;        /* between reading and decoding */
    bool alone;              /* nothing else is in hand meanwhile */
    diffcut_status status;   /* of what failed in reading or computing */
    double decode_seconds;   /* all of the reading */
    diffcut_diagnostics why; /* it could not be read or computed */
    bool hits_all;           /* and no other photo could be computed */
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
    /* of a manifest */
    struct stat looked;                    /* st_size and st_mtim are what the photo was looked up with */
    bool has_time;                         /* st_mtim is known */
    char sha256[DIFFCUT_FINGERPRINT_SIZE]; /* of its file; "" until it is read */
    bool started, ended;                   /* recorded as such */
    bool said;                             /* what came of it was recorded by an earlier run */
    text crash_line;                       /* written if it takes the process down */
    text outputs;                          /* JSON objects of the results written, comma-separated */
    text members;                          /* the results, for a shard */
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

/* Either command, from its line to its exit status, for one process (crew NULL) or one of several. named: label. */
int segment_main(const command *self, int argc, char **argv, const team *crew, bool named);

/* segment_photo.c */

/* The photo of a source's item, read and decoded unless its outputs exist; NULL without memory. Takes the item's
 * bytes. */
photo_piece *segment_read(segment_run *run, listing_result kind, source_item *item);
void segment_piece_free(photo_piece *piece);
/* Reads the photo's file, unless that is done, and for a manifest its hash; the message is the piece's. */
diffcut_status segment_fetch(photo_piece *piece);
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
bool segment_all(segment_run *run, const listing_settings *list);

/* segment.c */

/* The whole list: the exit status, all being said. Closes the manifest. */
int segment_list(segment_run *run, const listing_settings *list);

/* segment_team.c */

/* The list as one of a team; status is -1 where this process may go on, else the exit status it has come to. */
int segment_in_team(segment_run *run, const listing_settings *list, int status);

#endif

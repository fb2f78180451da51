/*
 * eval.h - what eval.c (the line, what is found, the report) and eval_run.c (photo after photo) share; coherence.c
 * uses their data sets, caches and preparation.
 */
#ifndef DIFFCUT_TOOLS_EVAL_H
#define DIFFCUT_TOOLS_EVAL_H

#include "console.h"
#include "engine.h"
#include "eval_header.h"
#include "eval_journal.h"
#include "eval_photo.h"
#include "eval_plan.h"
#include "progress.h"
#include "settings.h"

#define EVAL_CACHE_MIB 20480 /* what the features cache may hold */

/* --shard I/N. */
typedef struct eval_shard {
    uint32_t index, count; /* index 1 .. count; count 0: not given */
} eval_shard;

typedef struct eval_options {
    settings_options settings;
    console says;
    const char *set, *data, *split, *list_file, *images, *labels, *classes;
    diffcut_label_values label_values;
    int32_t ignore, background;
    eval_methods methods;
    eval_sweep sweep;
    uint32_t size; /* of the network's input; 0: the model's */
    uint64_t limit;
    eval_shard shard;
    bool full_resolution, boundary, coherence;
    bool open_vocabulary;
    naming_options naming;
    uint32_t replicates;
    const char *output, *predictions, *cache;
    uint32_t cache_mib;
    bool no_cache, force, list, json;
} eval_options;

typedef struct eval_run {
    eval_options options;
    engine engine;
    eval_plan plan;
    eval_classes classes;
    diffcut_dataset *dataset;
    diffcut_protocol *protocol;
    diffcut_cache *cache;
    char fingerprint[DIFFCUT_FINGERPRINT_SIZE];
    text preparation_words;
    eval_bench bench;
    naming naming;
    eval_header header;
    journal_writer journal;
    photo_set done;
    progress bar;
    uint64_t scored, failed;     /* in this run */
    double cut_seconds, seconds; /* of the scored: affinity and cut; all else besides reading and features */
} eval_run;

/* eval.c: option rows that coherence has too, all with an eval_options as their base, and what is wrong with them: -1
 * or the exit status. */
extern const option eval_data_rows[], eval_size_rows[], eval_cache_rows[];
int eval_check_data(const command *self, const eval_options *options);

/* After the line is read and the session opened: data set, protocol, cache, bench, header. -1 or the exit status. */
int eval_prepare(eval_run *run, int argc, char **argv);
/* Opens or goes on with the journal and does every photo that is not in it. -1 or the exit status. */
int eval_photos_run(eval_run *run);
/* The picture callback of eval_photos; user is the eval_run. */
bool eval_run_picture(eval_run *run, size_t setting, const char *name, eval_picture *out);
void eval_run_free(eval_run *run);

#endif

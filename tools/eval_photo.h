/*
 * eval_photo.h - one photo of a data set, segmented and scored under every setting of a plan.
 *
 * The paper's protocol: the centre square, features at the network's size, label maps of 128 x 128 pixels, refined
 * there. Features come from the cache where they are in it; one tree serves all tau of an alpha, and settings whose
 * cuts are equal share the rest of the work. Called by eval_run.c.
 */
#ifndef DIFFCUT_TOOLS_EVAL_PHOTO_H
#define DIFFCUT_TOOLS_EVAL_PHOTO_H

#include "diffcut/diffcut.h"
#include "eval_plan.h"
#include "eval_results.h"
#include "naming.h"

/* What all photos of a run share; nothing here is owned. */
typedef struct eval_bench {
    diffcut_session *session;
    const diffcut_protocol *protocol;
    const eval_plan *plan;
    diffcut_settings settings; /* features and cut; refinement as the protocol has it */
    diffcut_eval_settings preparation;
    diffcut_score_settings score;
    diffcut_decode_limits limits;
    uint32_t grid_width, grid_height; /* tokens of the model, for colour */
    bool reference;
    naming *naming;                /* NULL: segments are matched to classes, not named */
    diffcut_cache *cache;          /* NULL: none */
    const char *fingerprint;       /* of the model */
    const char *preparation_words; /* of how a photo is prepared, for the cache's key */
    const char *predictions;       /* folder to write label maps to; NULL: none */
    char cache_remark[512];        /* why features could not be kept, the first time; "" before */
} eval_bench;

/* What became of a photo: counts under each setting, or which file failed. */
typedef struct eval_outcome {
    diffcut_buffer *scores; /* (settings) JSON of diffcut_score_photo_encode */
    size_t count;
    char file[DIFFCUT_PATH_SIZE]; /* after a failure: the photo or the label map */
    double cut_seconds;           /* affinity and cut */
    double seconds;               /* segments, refinement and scores: all besides those, reading and features */
} eval_outcome;

/* On failure the diagnostics have the reason without the file's name in front. Release with eval_outcome_free. */
diffcut_status eval_photo_score(eval_bench *bench, const diffcut_dataset_item *item, eval_outcome *out,
                                diffcut_diagnostics *diagnostics);
void eval_outcome_free(eval_outcome *outcome);

/* The photo with its prediction and truth under one setting, for people to look at. */
diffcut_status eval_photo_picture(eval_bench *bench, const diffcut_dataset_item *item, size_t setting,
                                  eval_picture *out, diffcut_diagnostics *diagnostics);

/* The photo's features of a kind (COLOUR: of its colours, else the model's), and the truth as classes at the centre
 * square's own size (class_count: left out), for coherence. */
diffcut_status eval_photo_features(eval_bench *bench, const diffcut_dataset_item *item, diffcut_method kind,
                                   diffcut_features **features, diffcut_labels *truth,
                                   diffcut_diagnostics *diagnostics);

#endif

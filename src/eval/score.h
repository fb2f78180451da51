/*
 * score.h - the sums over photos. All are whole numbers: adding is exact, whatever the order.
 * Made by score.c; read and written by score_file.c.
 */
#ifndef DIFFCUT_EVAL_SCORE_H
#define DIFFCUT_EVAL_SCORE_H

#include "eval/protocol.h"
#include "io/json.h"

#define SCORE_FRACTION 4294967296.0          /* 2^32: means are kept as sums of whole parts of this */
#define SCORE_MAX_PIXELS ((uint64_t)1 << 58) /* of all photos: times a replicate's weight it fits in 64 bits */
#define SCORE_MAX_PHOTOS ((uint64_t)1 << 30)

/* Totals, in the order of their file. */
typedef enum score_total {
    SCORE_PHOTOS,
    SCORE_EMPTY,
    SCORE_PIXELS,
    SCORE_CORRECT,
    SCORE_UNASSIGNED,
    SCORE_SEGMENTS,
    SCORE_MIOU, /* of photos that are not empty, times SCORE_FRACTION */
    SCORE_ARI,  /* the same of 1 + ari */
    SCORE_EDGES,
    SCORE_EDGES_FOUND,
    SCORE_TRUTH_EDGES,
    SCORE_TRUTH_EDGES_FOUND,
    SCORE_TOTAL_COUNT
} score_total;

/* Sums of a class, in the order of their file. */
typedef enum score_sum {
    SCORE_TP,
    SCORE_FP,
    SCORE_FN,
    SCORE_BAND_INTERSECTION,
    SCORE_BAND_UNION,
    SCORE_CLASS_PHOTOS,
    SCORE_SUM_COUNT
} score_sum;

struct diffcut_score {
    const diffcut_protocol *protocol;
    diffcut_score_settings settings;
    uint64_t totals[SCORE_TOTAL_COUNT];
    uint64_t *sums;      /* (classes, SCORE_SUM_COUNT) */
    uint64_t *bootstrap; /* (replicates, classes, 2); see bootstrap.h */
};

/* A list of exactly count numbers; used by the readers of sums and of photos (score_photo_file.c). */
diffcut_status score_get_numbers(json_view view, const char *key, size_t count, size_t *numbers,
                                 diffcut_diagnostics *diag);

#endif

/*
 * eval_results.h - what an evaluation has found, as the reports read it (eval_report.h): plain data, owned by whoever
 * ran the evaluation and unchanged by the reports. Filled by `diffcut eval`.
 *
 * A figure that was not made, or does not exist (the IoU of a class that does not occur), is NaN. Per-photo rows are
 * read through functions, from disk, so that nothing here grows with the number of photos.
 */
#ifndef DIFFCUT_TOOLS_EVAL_RESULTS_H
#define DIFFCUT_TOOLS_EVAL_RESULTS_H

#include "diffcut/diffcut.h"

/* Sums over the set for one class under one setting. */
typedef struct eval_class_score {
    uint64_t tp, fp, fn; /* pixels */
    double iou;          /* tp / (tp + fp + fn); NaN: the class does not occur */
} eval_class_score;

/* One way of segmenting: a method and its parameters, and how it scored over the whole set. */
typedef struct eval_setting {
    const char *method;              /* "diffcut", "tokencut", ... */
    const char *name;                /* the method with its parameters, no two alike: "diffcut tau=0.5 alpha=10" */
    double tau, alpha;               /* NaN where the method has none */
    bool refined;                    /* by PAMR */
    uint32_t k;                      /* clusters asked for; 0 where the method has none */
    double miou;                     /* 0 .. 1, as all figures below; NaN when no photo was scored */
    double miou_low, miou_high;      /* 95 % bootstrap interval; NaN: not made */
    double photo_miou;               /* mean over the photos of each one's; NaN: not told */
    double accuracy;                 /* share of the pixels that count with the right class */
    double rand_index;               /* adjusted Rand index, mean over the photos */
    double boundary_iou, boundary_f; /* NaN: not asked for */
    double segments;                 /* mean number a photo */
    double seconds;                  /* mean a photo, features left out; NaN: not measured */
    const eval_class_score *classes; /* class_count of the results */
} eval_setting;

/* A photo that could not be scored. */
typedef struct eval_failure {
    const char *file;   /* the photo's or the label's path, any bytes */
    const char *reason; /* one line */
} eval_failure;

/* One photo under one setting. */
typedef struct eval_photo_row {
    const char *name; /* unique in the set; valid until the next row is read */
    size_t setting;   /* index into the results' settings */
    double miou;      /* mean over the classes that occur in the photo's truth or matched prediction */
    double accuracy;
    double rand_index;
    double boundary_iou, boundary_f;
    uint32_t segments;
} eval_photo_row;

/* A photo for people to look at: what was compared, all of one size, and freed by the reports. */
typedef struct eval_picture {
    diffcut_image image;
    diffcut_labels prediction; /* each segment by the class that it was matched to; class_count: by none */
    diffcut_labels truth;      /* classes; class_count: ignored */
} eval_picture;

/* Where the per-photo rows come from. Rows may come in any order, the same in each pass. */
typedef struct eval_photos {
    void *user;
    bool (*rewind)(void *user);                   /* to the first row; false: cannot be read */
    int (*next)(void *user, eval_photo_row *row); /* 1: a row; 0: no more; -1: cannot be read */
    bool (*picture)(void *user, size_t setting, const char *name,
                    eval_picture *out); /* NULL, or made anew for a few photos; false: cannot be made */
} eval_photos;

/* The ROC curve of "of one class" against "similar features", over pairs of tokens (diffcut_coherence_...). */
typedef struct eval_roc_point {
    double threshold;                     /* cosine similarity: pairs at or above it are called positive */
    double false_positive, true_positive; /* rates */
} eval_roc_point;

typedef struct eval_coherence {
    const char *name;             /* of the features: model, hook, timestep */
    double auc;                   /* NaN: there were no pairs of one kind */
    double auc_error;             /* at most, from sorting similarities into bins */
    double bin_width;             /* of the cosine */
    uint64_t positive, negative;  /* pairs */
    const eval_roc_point *points; /* ascending rates, from (0, 0) to (1, 1) */
    size_t point_count;
} eval_coherence;

typedef struct eval_results {
    const char *dataset;      /* the protocol's name: "voc", "context", "coco-object", ..., "generic" */
    const char *title;        /* the set as people call it */
    const char *model;        /* name, and hook or timestep where they are not its own */
    const char *machine;      /* processor and its share in use; NULL: not told */
    const char *version;      /* of this program */
    const char *command_line; /* as typed */
    const char *remarks; /* what a reader must know (subset, reference ties, unassigned clusters); NULL: nothing */
    uint64_t listed;     /* photos of the set */
    uint64_t scored;
    uint64_t failed;              /* listed = scored + failed unless the run was stopped early or limited */
    const eval_failure *failures; /* the first failure_count of `failed` */
    size_t failure_count;
    const char *const *class_names;
    size_t class_count;
    const eval_setting *settings;
    size_t setting_count;
    const eval_coherence *coherence; /* NULL where not asked for */
    size_t coherence_count;
    eval_photos photos; /* next NULL: no per-photo rows */
} eval_results;

#endif

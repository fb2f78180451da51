/*
 * dataset_layouts.h - where the known data sets keep their photos, labels and lists: a table of facts.
 *
 * A layout is tried root by root below the folder that was given, and each of photos, labels and list from its
 * candidates in order: downloads of one set differ in where they are unpacked. "%s" stands for the split. Called by
 * eval/dataset.
 */
#ifndef DIFFCUT_EVAL_DATASET_LAYOUTS_H
#define DIFFCUT_EVAL_DATASET_LAYOUTS_H

#include "diffcut/diffcut.h"

#define LAYOUT_CANDIDATES 6 /* of each kind, NULL after the last */

typedef struct dataset_layout {
    diffcut_dataset_kind kind;
    const char *roots[LAYOUT_CANDIDATES];  /* below the folder; "": itself */
    const char *photos[LAYOUT_CANDIDATES]; /* folders below the root */
    const char *labels[LAYOUT_CANDIDATES];
    const char *lists[LAYOUT_CANDIDATES]; /* files below the root; none: the folder of photos is walked */
    const char *photo_ending;             /* after a name; NULL: any ending that photos have */
    const char *label_ending;
    bool list_needed; /* without its list the folder holds photos that do not belong to the set */
    bool splits;      /* false: photos and labels are as the settings say */
    bool long_splits; /* its folders are called "validation" and "training" */
} dataset_layout;

/* The index-th layout, NULL past the last. */
const dataset_layout *dataset_layout_at(size_t index);

#endif

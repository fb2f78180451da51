/*
 * dataset_names.h - the names of a data set's photos: read from a list or found by walking a folder.
 *
 * A name is a path below the folder of photos without the ending that all of them share. All names lie one after the
 * other in one block: a set of a million photos takes some tens of megabytes. Called by eval/dataset.
 */
#ifndef DIFFCUT_EVAL_DATASET_NAMES_H
#define DIFFCUT_EVAL_DATASET_NAMES_H

#include "core/status.h"

typedef struct dataset_names {
    char *text; /* every name with its NUL */
    size_t size, capacity;
    size_t *starts; /* of each name in text */
    size_t count, room;
} dataset_names;

void dataset_names_free(dataset_names *names);

/* The index-th name; index < count. */
const char *dataset_names_at(const dataset_names *names, size_t index);

/* Names one a line; white space at a line's end, empty lines and an ending of photos or labels do not count. Refuses
 * an empty list, a name that is there twice, and one that leads out of the folder. On failure *names is as it was. */
diffcut_status dataset_names_read(const char *path, const char *photo_ending, const char *label_ending,
                                  dataset_names *names, diffcut_diagnostics *diag);

/* All photos below a folder, sorted by name; ending NULL: any that photos have, which then stays in the name, so that
 * the file is known. Hidden names are left out, links to folders not followed. */
diffcut_status dataset_names_walk(const char *folder, const char *ending, dataset_names *names,
                                  diffcut_diagnostics *diag);

/* The length of a name without a photo's ending (.jpg, .jpeg, .png, .webp, in either case), or all of it. */
size_t dataset_stem_length(const char *name);

#endif

/*
 * label_set.h - the labels that occur in a map, in ascending order: dense indices for sparse numbers.
 *
 * Work follows the labels that occur and not the largest number, which may be anything. Called by the concepts and
 * the refinement.
 */
#ifndef DIFFCUT_SEGMENT_LABEL_SET_H
#define DIFFCUT_SEGMENT_LABEL_SET_H

#include "core/work.h"

typedef struct label_set {
    uint32_t *labels; /* (count), ascending, distinct */
    size_t count;
} label_set;

/* The distinct values of data (count of them, at least 1). Release with label_set_free. */
diffcut_status label_set_create(const uint32_t *data, size_t count, label_set *out, diffcut_diagnostics *diag);
void label_set_free(label_set *set);

/* Replaces every value of data by its index in the set, which holds them all. */
void label_set_indices(const label_set *set, size_t count, uint32_t *data);

#endif

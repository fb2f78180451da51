/*
 * rle.h - COCO's compressed run-length masks: runs of a mask read column by column, written as text.
 * Called by coco.c.
 */
#ifndef DIFFCUT_IO_RLE_H
#define DIFFCUT_IO_RLE_H

#include "core/status.h"
#include "io/bytes.h"

/* Stretches of one label in the map read column by column (top to bottom, then the next column): where each begins
 * and how long it is, those of a label together and in order. */
typedef struct rle_runs {
    uint32_t *start;
    uint32_t *length;
    size_t *first; /* (count + 1): the runs of label k are first[k] .. first[k + 1] - 1 */
} rle_runs;

/* labels has been checked. A map of 2^32 pixels and more is DIFFCUT_ERROR_LIMIT: COCO's counts are 32-bit. */
diffcut_status rle_find_runs(const diffcut_labels *labels, rle_runs *out, diffcut_diagnostics *diag);
void rle_free_runs(rle_runs *runs);

/* The text of one label's mask, as pycocotools' "counts". pixels: of the whole map. */
void rle_append_counts(const rle_runs *runs, uint32_t label, size_t pixels, bytes *sink);

#endif

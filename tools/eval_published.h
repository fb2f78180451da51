/*
 * eval_published.h - the figures that were published for the benchmarks, to stand beside one's own.
 * Called by the evaluation's reports.
 */
#ifndef DIFFCUT_TOOLS_EVAL_PUBLISHED_H
#define DIFFCUT_TOOLS_EVAL_PUBLISHED_H

#include <stddef.h>

typedef struct eval_published_row {
    const char *method; /* this program's name of it; "" where it has none */
    const char *name;   /* as published */
    const char *note;   /* how it was run; "" where that is the method's own way */
    double miou[6];     /* per cent, in the order of eval_published_sets; NaN: not published */
} eval_published_row;

/* The index-th row; NULL past the last. */
const eval_published_row *eval_published_at(size_t index);

/* The column of a data set, by the protocol's name; -1 where nothing was published on it. */
int eval_published_column(const char *dataset);

/* The published mIoU (per cent) of one of this program's methods; NaN where there is none. */
double eval_published_miou(const char *dataset, const char *method);

/* Where the figures are from, for people. */
extern const char eval_published_source[];

#endif

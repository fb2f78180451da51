/*
 * eval_totals.h - journals summed into results: the one way from counts to figures, for a run and for a merge.
 *
 * Counts are whole numbers, so neither the order of photos nor how they were spread over journals matters. A photo
 * that is in several journals counts once. The journals are read as often as the bootstraps of all settings need to
 * stay within a fixed memory. Called by eval.c and eval_merge.c.
 */
#ifndef DIFFCUT_TOOLS_EVAL_TOTALS_H
#define DIFFCUT_TOOLS_EVAL_TOTALS_H

#include "diffcut/diffcut.h"
#include "eval_header.h"
#include "eval_journal.h"
#include "eval_results.h"

enum { TOTALS_MAX_FAILURES = 100 };

typedef struct eval_totals {
    const char *const *folders; /* of the journals; the caller's */
    size_t folder_count;
    eval_header header; /* the first journal's */
    diffcut_protocol *protocol;
    eval_results results; /* points into what follows */
    eval_setting *settings;
    eval_class_score *classes; /* (settings, classes) */
    const char **class_names;
    eval_failure *failures;
    uint64_t repeated, damaged; /* photos in more than one journal; lines that were left out */
    text remarks, data_title, dataset;
    /* of the rows' walk */
    journal_reader reader;
    size_t folder;
    photo_set seen;
    const char *item; /* in the line at hand */
    size_t setting;
    diffcut_score_photo row;
} eval_totals;

/* Reads and sums. The journals' identities must be equal: DIFFCUT_ERROR_ARGUMENT names the one that differs. */
diffcut_status eval_totals_make(const char *const *folders, size_t count, eval_totals *out,
                                diffcut_diagnostics *diagnostics);
/* The results' rows are read through this structure: it must not be moved after. */
void eval_totals_free(eval_totals *totals);

#endif

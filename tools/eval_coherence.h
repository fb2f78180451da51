/*
 * eval_coherence.h - eval --coherence: whether like features mean like things, over the pairs of patches of each
 * photo that is scored, for the model's features and, beside them, for what colour and position alone give.
 *
 * The counts are kept as DIR/coherence-model.json and DIR/coherence-colour.json, which add up exactly over shards.
 * Called by eval.c, eval_merge.c and coherence.c.
 */
#ifndef DIFFCUT_TOOLS_EVAL_COHERENCE_H
#define DIFFCUT_TOOLS_EVAL_COHERENCE_H

#include "eval.h"
#include "eval_results.h"

enum { COHERENCE_KINDS = 2 };

#define COHERENCE_COLOUR "colour and position" /* what the features of no model are called */

/* The curves as the reports read them; they stay valid until curves_free. */
typedef struct coherence_curves {
    diffcut_coherence *counts[COHERENCE_KINDS];
    eval_roc_point *points[COHERENCE_KINDS];
    eval_coherence curves[COHERENCE_KINDS];
    text names[COHERENCE_KINDS];
} coherence_curves;

void coherence_curves_free(coherence_curves *curves);

/* Counts as a curve for the reports; *points, which it holds, is freed with free, and name must outlive it. */
diffcut_status eval_coherence_curve(const diffcut_coherence *counts, const char *name, eval_roc_point **points,
                                    eval_coherence *out, diffcut_diagnostics *diagnostics);

/* Goes through the photos that the run has scored, whose features are in the cache or made again, and writes the
 * counts to the run's folder. Returns -1, or the exit status after a failure, which was reported. */
int eval_coherence_measure(eval_run *run, coherence_curves *out);

/* Sums the counts of several folders. DIFFCUT_ERROR_IO when one has none. */
diffcut_status eval_coherence_merge(const char *const *folders, size_t count, const char *model,
                                    coherence_curves *out, diffcut_diagnostics *diagnostics);

#endif

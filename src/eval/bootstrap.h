/*
 * bootstrap.h - the interval of a mean IoU over photos, from sums that do not grow with their number.
 *
 * The Poisson bootstrap (J. Hanley and B. MacGibbon, Computer Methods and Programs in Biomedicine 83, 2006): instead
 * of drawing photos, each replicate gives each photo a weight from the Poisson distribution of mean 1 and keeps
 * weighted sums. The weights come from the photo's name and the seed alone, so order and shards do not matter.
 * Called by score.c and score_file.c.
 */
#ifndef DIFFCUT_EVAL_BOOTSTRAP_H
#define DIFFCUT_EVAL_BOOTSTRAP_H

#include "core/status.h"

#define BOOTSTRAP_MAX_WEIGHT 20

/* Hash of a photo's name as JSON writes it: a name that is not UTF-8 has the same one after it was in a file. */
diffcut_status bootstrap_key(const char *name, uint64_t seed, uint64_t *key, diffcut_diagnostics *diag);

/* The photo's weight in a replicate, 0 .. BOOTSTRAP_MAX_WEIGHT. */
uint32_t bootstrap_weight(uint64_t key, uint32_t replicate);

/* Adds a photo to sums (replicates, classes, 2): true positives, and those and the false ones together. */
void bootstrap_add(const diffcut_score_photo *photo, uint64_t key, uint32_t replicates, uint32_t classes,
                   uint64_t *sums);

/* The 2.5th and the 97.5th percentile of the replicates' mean IoU, between neighbours by proportion; NaN without any.
 */
diffcut_status bootstrap_interval(const uint64_t *sums, uint32_t replicates, uint32_t classes, double *low,
                                  double *high, diffcut_diagnostics *diag);

#endif

/*
 * boundary.h - how well the lines between segments lie: boundary F and boundary IoU. Called by measure.c.
 */
#ifndef DIFFCUT_EVAL_BOUNDARY_H
#define DIFFCUT_EVAL_BOUNDARY_H

#include "core/status.h"

/* A share of the diagonal of width x height in whole pixels, at least 1. */
uint32_t boundary_pixels(uint32_t width, uint32_t height, double share);

typedef struct boundary_counts {
    uint64_t edges, found;             /* edge pixels of the prediction; those within reach of one of the truth */
    uint64_t truth_edges, truth_found; /* the other way round */
} boundary_counts;

/* Edge pixels are those whose right or lower neighbour has another value, lines next to pixels that are left out
 * (truth == left_out) not counted. Two are within reach when their distance is at most `reach` pixels. Precision =
 * found / edges, recall = truth_found / truth_edges: the boundary measure of D. Martin, C. Fowlkes and J. Malik (PAMI
 * 2004), with each pixel looked up on its own instead of a one-to-one matching (as G. Csurka et al., BMVC 2013). */
diffcut_status boundary_compare(const diffcut_labels *prediction, const diffcut_labels *truth, uint32_t left_out,
                                uint32_t reach, boundary_counts *out, diffcut_diagnostics *diag);

/* Boundary IoU (B. Cheng et al., CVPR 2021): a class's band is its pixels that are at most `width` pixels (the larger
 * of the two coordinates' differences) from a pixel that is not its, or that is outside the map. Sums, for each of
 * `classes` classes, the pixels in both maps' bands and in either's. Values from `classes` on are no class. Pixels
 * with truth == classes are left out; both maps end there, so that neither gains a line that the other has not. */
diffcut_status boundary_bands(const diffcut_labels *prediction, const diffcut_labels *truth, uint32_t classes,
                              uint32_t width, uint64_t *intersection, uint64_t *united, diffcut_diagnostics *diag);

#endif

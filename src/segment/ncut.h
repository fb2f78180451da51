/*
 * ncut.h - one node of the recursion (DiffCut, section 3.2; Shi & Malik 2000): its eigenvector, and the best of 100
 * thresholds on it. Called by tree.c.
 */
#ifndef DIFFCUT_SEGMENT_NCUT_H
#define DIFFCUT_SEGMENT_NCUT_H

#include "segment/eigen.h"

#define NCUT_THRESHOLDS 100

/* Scratch memory for nodes of up to n tokens, and what the last node solved left there. */
typedef struct ncut_scratch {
    eigen_scratch *eigen;
    double *degree, *vector, *below, *above; /* (n) each */
    float *value;                            /* (n) the eigenvector v, its sign fixed */
    int32_t *bin;                            /* (n) how many thresholds the value is above */
    uint8_t *side;                           /* (n) 1: above the best threshold */
} ncut_scratch;

diffcut_status ncut_scratch_create(size_t n, diffcut_diagnostics *diag, ncut_scratch *out);
void ncut_scratch_free(ncut_scratch *scratch);

typedef struct ncut_split {
    double cost; /* +infinity: the node cannot be split */
    int best;    /* index of the threshold, -1 when there is none */
    float threshold;
    size_t positives; /* tokens above it */
} ncut_split;

/* 0.99 min .. 0.99 max in 100 even steps, in float and in the order of operations of the published code: from both
 * ends with fused multiply-adds, so that the same tokens fall on the same side. */
void ncut_thresholds(float least, float most, float out[NCUT_THRESHOLDS]);

/* Cost of splitting at each threshold: x = +-1, k = volume(x > 0) / volume, b = k / (1 - k), y = (1 + x) - b (1 - x),
 * y^T (D - W) y / y^T D y. That is cut * volume / (volume(+) * volume(-)), so only the cut and the volumes are
 * summed, for all thresholds in one pass over the affinity. NaN where a side is empty. scratch: degree and value are
 * read, bin, below and above written. positives[k]: tokens above threshold k. */
void ncut_curve(uint32_t threads, const eigen_graph *graph, ncut_scratch *scratch,
                const float threshold[NCUT_THRESHOLDS], double cost[NCUT_THRESHOLDS],
                size_t positives[NCUT_THRESHOLDS]);

typedef struct ncut_rules {
    diffcut_eigen_solver solver;
    size_t min_tokens; /* no side may be smaller; the least cost among the thresholds that obey is taken */
    size_t dropped;    /* tokens that are not in the graph but go with the negative side */
} ncut_rules;

/* Solves a node of any size (below two tokens it cannot be split). A threshold with an empty side has no cost, and a
 * node with such a threshold is not split, as in the published code. pair: see eigen.h; its vector may be NULL.
 * scratch->value and ->side hold the result; pair->block is changed on success only. */
diffcut_status ncut_solve(const work *w, const eigen_graph *graph, const ncut_rules *rules, double fraction,
                          ncut_scratch *scratch, eigen_pair *pair, ncut_split *out);

#endif

/*
 * eigen.h - the second smallest eigenpair of a node's normalised Laplacian (Shi & Malik, "Normalized Cuts and Image
 * Segmentation", 2000): D^-1/2 (D - W) D^-1/2 u = lambda u.
 *
 * Solved as the largest eigenpair of M = D^-1/2 W D^-1/2 (lambda = 1 - theta) on the complement of the trivial vector
 * q = D^1/2 1, whose theta is 1. Where the graph is disconnected, lambda is 0 and u is one of the vectors, orthogonal
 * to q, that are constant on its parts. A token of zero degree has no edge at all, not even to itself: it gets 0.
 * Called by ncut.
 */
#ifndef DIFFCUT_SEGMENT_EIGEN_H
#define DIFFCUT_SEGMENT_EIGEN_H

#include "core/work.h"
#include "segment/eigen_kernels.h"

/* Up to this many tokens a node is solved whole by eigen_small. */
#define EIGEN_SMALL_NODE 48

/* Where the result goes, and what the iteration may start from. */
typedef struct eigen_pair {
    double value;   /* lambda */
    double *vector; /* (n): v = D^-1/2 u, |u| = 1, sign as it comes */
    /* Further vectors v, a block a token: matrix-wide, row = the token's number. On entry those of the parent node
     * (or warm = false), from which the iteration starts; on success those of this node. */
    float *block; /* (tokens of the whole map, EIGEN_BLOCK) */
    bool warm;
    uint32_t passes; /* over the affinity, of this node: for benches */
    size_t failures; /* nodes so far at which the iteration did not converge; counted up */
} eigen_pair;

/* Scratch memory for nodes of up to n tokens, reused from node to node. */
typedef struct eigen_scratch eigen_scratch;
diffcut_status eigen_scratch_create(size_t n, diffcut_diagnostics *diag, eigen_scratch **out);
void eigen_scratch_free(eigen_scratch *scratch);

/* graph->n at least 2; degree (n): row sums, not all 0. fraction is for progress. pair is changed on success only. */
diffcut_status eigen_second(const work *w, const eigen_graph *graph, const double *degree,
                            diffcut_eigen_solver solver, double fraction, eigen_scratch *scratch, eigen_pair *pair);

/* scale[i] = d_i^-1/2 (0 for a zero degree); trivial = D^1/2 1, of length 1. */
void eigen_scaling(size_t n, const double *degree, double *scale, double *trivial);

#endif

/*
 * eigen_block.h - the iterative solver behind eigen.h: a block Krylov method with thick restarts.
 *
 * The subspace grows by one block of EIGEN_BLOCK residuals at a time; each step costs one pass over the affinity and
 * a small projected problem (Rayleigh-Ritz). At EIGEN_BASIS blocks it is cut back to the leading two blocks of Ritz
 * vectors. It starts from the parent node's vectors where there are any, so that a node that lost a few tokens is
 * solved in a pass or two. Called by eigen.c only.
 */
#ifndef DIFFCUT_SEGMENT_EIGEN_BLOCK_H
#define DIFFCUT_SEGMENT_EIGEN_BLOCK_H

#include "segment/eigen.h"

#define EIGEN_PASS_LIMIT 600
#define EIGEN_BASIS 5 /* blocks in the subspace: 40 vectors */

typedef struct eigen_block_result {
    bool converged;
    double theta;
    const double *ritz; /* (n, EIGEN_BLOCK) leading Ritz vectors u, lane 0 the wanted one; in the scratch memory */
    uint32_t passes;
} eigen_block_result;

struct eigen_scratch {
    uint32_t pass_limit;                             /* passes after which the iteration gives up; tests lower it */
    double *scale, *trivial, *scaled;                /* d^-1/2 (n), q (n), d^-1/2 x (n, EIGEN_BLOCK) */
    double *basis[EIGEN_BASIS], *image[EIGEN_BASIS]; /* V and M V, blocks (n, EIGEN_BLOCK) */
    double *ritz[2], *ritz_image[2], *residual;      /* leading Ritz vectors X, M X, and M X - X theta */
    double *memory;
};

/* scratch->scale and ->trivial are filled in. Needs n > EIGEN_SMALL_NODE. */
diffcut_status eigen_block_solve(const work *w, const eigen_graph *graph, double fraction, const eigen_pair *start,
                                 eigen_scratch *scratch, eigen_block_result *result);

#endif

/*
 * cluster_qr.h - clusters from spectral vectors without iteration or random start (Damle, Minden & Ying, "Simple,
 * direct and efficient multi-way spectral clustering", 2019).
 *
 * The tokens that a QR decomposition with column pivoting of V^T picks first stand for the clusters; the vectors are
 * turned by the orthogonal matrix nearest to those tokens' rows, after which each token belongs to the column of its
 * largest entry. Neither signs nor a rotation of the vectors among each other change the result. Called by autosc.
 */
#ifndef DIFFCUT_SEGMENT_CLUSTER_QR_H
#define DIFFCUT_SEGMENT_CLUSTER_QR_H

#include "core/work.h"

/* vectors[k * tokens + i]: entry of token i in vector k; count of them, 1 .. tokens. labels (tokens): 0 .. count - 1
 * in the order of the pivots; one that is nobody's largest does not occur. */
diffcut_status cluster_qr(const work *w, size_t tokens, size_t count, const double *vectors, uint32_t *labels);

#endif

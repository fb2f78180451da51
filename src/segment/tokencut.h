/*
 * tokencut.h - one object and the rest, by one Normalized Cut of a graph of alike tokens (Wang et al.,
 * "Self-supervised Transformers for Unsupervised Object Discovery using Normalized Cut", CVPR 2022, section 3.2).
 *
 * Two tokens are joined with weight 1 where the cosine of their features is above a threshold, else with a weight of
 * almost nothing. The second eigenvector is split at its mean; the object is the side of the entry of the largest
 * magnitude, and of that side the connected part that holds the entry. MaskCut repeats the same cut. Called by
 * cluster and maskcut.
 */
#ifndef DIFFCUT_SEGMENT_TOKENCUT_H
#define DIFFCUT_SEGMENT_TOKENCUT_H

#include "core/work.h"
#include "segment/eigen.h"
#include "segment/features.h"

#define TOKENCUT_APART 1e-5F /* weight of two tokens that are not alike: keeps the graph connected */

typedef struct tokencut_rules {
    float threshold;
    bool weighted; /* pairs from the threshold up keep their cosine as weight */
    diffcut_eigen_solver solver;
} tokencut_rules;

/* Scratch memory of the cuts of one map. */
typedef struct tokencut_scratch {
    eigen_scratch *eigen;
    float *weights; /* (tokens, tokens) of the graph */
    double *degree; /* (tokens) */
    double *vector; /* (tokens) second eigenvector, entry of the largest magnitude positive */
    uint8_t *side;  /* (tokens) 1: above the vector's mean */
    float *block;   /* (tokens, EIGEN_BLOCK) the solver's further vectors */
    uint32_t *token;
    size_t failures; /* of the iterative solver */
} tokencut_scratch;

diffcut_status tokencut_scratch_create(size_t tokens, diffcut_diagnostics *diag, tokencut_scratch *out);
void tokencut_scratch_free(tokencut_scratch *scratch);

/* Cuts the graph of cosines (tokens, tokens), of at least 2 tokens. masked (tokens) or NULL: tokens that are joined
 * to nothing any more. scratch->vector and ->side hold the result; *cut is false, and they do not, where all pairs
 * have the same weight: no vector is then better than another. */
diffcut_status tokencut_cut(const work *w, const float *cosines, const uint8_t *masked, const tokencut_rules *rules,
                            size_t tokens, double fraction, tokencut_scratch *scratch, bool *cut);

/* The first entry that is the largest, those within the solver's error of it counting as equal to it: among tokens
 * that are alike, rounding must not choose. sign -1 looks for the smallest, 0 for the largest magnitude. */
size_t tokencut_seed(const double *vector, size_t tokens, int sign);

/* out: 1 for the tokens of side (0 or 1) that are 4-connected to the seed within it; returns how many. queue:
 * (height * width). */
size_t tokencut_component(const uint8_t *side, uint32_t height, uint32_t width, size_t seed, uint32_t *queue,
                          uint8_t *out);

/* The object, 1, and the rest, 0. out: (height * width). *found is false where there is nothing to cut. */
diffcut_status tokencut_object(const work *w, const diffcut_features *features, const tokencut_rules *rules,
                               uint8_t *out, bool *found);

#endif

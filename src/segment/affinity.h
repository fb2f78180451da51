/*
 * affinity.h - the affinity between tokens (DiffCut, section 3.2): cosine of their features, brought to 0 .. 1 over
 * the whole matrix, raised to alpha. Called by tree.c and by the other methods on features.
 */
#ifndef DIFFCUT_SEGMENT_AFFINITY_H
#define DIFFCUT_SEGMENT_AFFINITY_H

#include "core/work.h"
#include "segment/features.h"

/* A range of cosines up to this is rounding: every token has the same direction, and the scaling would be 0 / 0. */
#define AFFINITY_CONSTANT_RANGE 2e-6F

/* *out: (tokens, tokens) floats, exactly symmetric, for mem_free; NULL when the map is constant. A token of length 0
 * has cosine 0 with all. Everything is float but the power, whose factors are double (alpha a whole number). */
diffcut_status affinity_create(const work *w, const diffcut_features *features, double alpha, float **out);

/* The same matrix before the scaling and the power: the cosines themselves, for the methods that have a threshold. */
diffcut_status affinity_cosines(const work *w, const diffcut_features *features, float **out);

/* out (tokens, channels): each token divided by its length, at least 1e-12. */
void affinity_normalise(const diffcut_features *features, float *out);

#endif

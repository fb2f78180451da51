/*
 * classifier.h - what the files around a classifier share. Called by classifier.c, classifier_embed.c and
 * classifier_map.c.
 */
#ifndef DIFFCUT_VOCABULARY_CLASSIFIER_H
#define DIFFCUT_VOCABULARY_CLASSIFIER_H

#include "vocabulary/vocabulary.h"

/* A classifier whose embeddings are still to be filled in. */
diffcut_status classifier_new(const diffcut_vocabulary *vocabulary, uint32_t width, float scale,
                              diffcut_classifier **out, diffcut_diagnostics *diag);

/* Brings a vector to length 1 and returns the length that it had; one of zeros stays. */
double classifier_normalise(float *vector, uint32_t width);

/* The cosine of each class's best name with a unit vector, and (names NULL: not asked for) which name that is. */
void classifier_score(const diffcut_classifier *c, const float *unit, float *cosines, uint32_t *names);

#endif

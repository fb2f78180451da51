/* cut_fixture.h - what the tests of the cut share: a work, fixtures as features, random maps, trees compared. */
#ifndef DIFFCUT_TESTS_CUT_FIXTURE_H
#define DIFFCUT_TESTS_CUT_FIXTURE_H

#include "core/memory.h"
#include "core/work.h"
#include "golden.h"
#include "segment/features.h"
#include "segment/tree.h"
#include "test.h"

typedef struct cut_work {
    work w;
    diffcut_diagnostics diag, note;
} cut_work;

/* A work of so many threads with nobody listening. */
void cut_work_init(cut_work *c, uint32_t threads);

/* The paper's settings: alpha 10, tau 0.5, the default solver. */
diffcut_settings cut_settings(double alpha, double tau, bool reference);

/* "features" of a golden file, height x width from its JSON. Free with cut_features_free. */
diffcut_features *cut_features_golden(const golden *file, const json_t *json);

typedef enum cut_map {
    CUT_MAP_REGIONS,    /* smooth regions with noise: a few clear segments */
    CUT_MAP_NOISE,      /* independent tokens: single ones peel off */
    CUT_MAP_DUPLICATES, /* few distinct tokens */
    CUT_MAP_BLOCKS,     /* two groups without a common channel: disconnected at alpha > 0 */
    CUT_MAP_CONSTANT,
    CUT_MAP_COUNT
} cut_map;
const char *cut_map_name(cut_map kind);
diffcut_features *cut_features_random(cut_map kind, uint32_t height, uint32_t width, uint32_t channels,
                                      uint64_t seed);
void cut_features_free(diffcut_features *features);

/* Builds; fails the test with the message on an error. */
diffcut_tree *cut_build(cut_work *c, const diffcut_features *features, const diffcut_settings *settings);
/* Token labels at tau as int32, for free(); *count segments. */
int32_t *cut_labels(cut_work *c, diffcut_tree *tree, double tau, size_t *count);

/* Uniform in 0 .. 1. */
double cut_random(uint64_t *state);

#endif

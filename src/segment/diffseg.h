/*
 * diffseg.h - segments from the self-attention maps of a diffusion model (Tian et al., "Diffuse, Attend, and
 * Segment", CVPR 2024, section 3): aggregation over resolutions, merging of anchors' maps by their divergence,
 * argmax.
 *
 * A map is a distribution over the positions of a grid. Called by methods.c with what nn/attention_maps makes.
 */
#ifndef DIFFCUT_SEGMENT_DIFFSEG_H
#define DIFFCUT_SEGMENT_DIFFSEG_H

#include "core/work.h"

/* The mean self-attention of one resolution: row q, what position q gives each position. */
typedef struct diffseg_level {
    uint32_t h, w;
    float *map; /* (h * w, h * w) */
} diffseg_level;

/* Replaces the finest level's map by the aggregate, and says which that is: each level's rows brought to the finest
 * grid bilinearly (half-pixel centres), made to sum to 1, repeated for all positions that lie in theirs, and averaged
 * with weights in proportion to the level's side. Levels have distinct sizes. */
diffcut_status diffseg_aggregate(const work *w, diffseg_level *levels, size_t count, size_t *finest);

/* A grid of points x points positions (fewer where a side is shorter), evenly spaced about the middle; each y * w +
 * x. out: (points * points). Returns how many. */
size_t diffseg_anchors(uint32_t h, uint32_t w, uint32_t points, uint32_t *out);

/* out (count, tokens): half the sum of both Kullback-Leibler divergences between each anchor's row of the aggregate
 * (tokens, tokens) and every row. With half, in the published code's half precision: NaN where either row has an
 * entry that is 0 in it. */
diffcut_status diffseg_divergence(const work *w, const float *aggregate, size_t tokens, const uint32_t *anchors,
                                  size_t count, bool half, float *out);

/* What the merging leaves. */
typedef struct diffseg_proposals {
    float *maps; /* (count, tokens); for mem_free */
    size_t count;
    size_t after[DIFFCUT_DIFFSEG_MAX_ROUNDS]; /* how many there were after each round */
} diffseg_proposals;

diffcut_status diffseg_merge(const work *w, const float *aggregate, uint32_t h, uint32_t width,
                             const diffcut_diffseg_settings *settings, diffseg_proposals *out);

/* Each pixel's largest map, upsampled bilinearly to settings->label_size on the longer side; the first on ties. */
diffcut_status diffseg_labels(const work *w, const diffseg_proposals *proposals, uint32_t h, uint32_t width,
                              const diffcut_diffseg_settings *settings, diffcut_labels *out);

#endif

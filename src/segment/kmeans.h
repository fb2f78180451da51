/*
 * kmeans.h - k-means on unit features: the plainest way to segment with the same features (Lloyd's algorithm; starts
 * by k-means++, Arthur & Vassilvitskii 2007; the number of clusters by the mean silhouette, Rousseeuw 1987).
 *
 * Everything is deterministic: the starts are drawn from the project's random stream, sums run in double in the
 * tokens' order, and the first of equals wins. Called by cluster.
 */
#ifndef DIFFCUT_SEGMENT_KMEANS_H
#define DIFFCUT_SEGMENT_KMEANS_H

#include "core/work.h"
#include "segment/features.h"

#define KMEANS_MAX_ITERATIONS 100

typedef struct kmeans_rules {
    size_t clusters; /* 0: from 2 to max_clusters, that of the largest silhouette; at most as many as tokens */
    size_t max_clusters;
    uint32_t restarts;
    uint64_t seed;
} kmeans_rules;

/* labels (tokens): numbered by each cluster's first token. *clusters: how many have tokens. A constant map is one
 * cluster. */
diffcut_status kmeans_cluster(const work *w, const diffcut_features *features, const kmeans_rules *rules,
                              uint32_t *labels, size_t *clusters);

#endif

/*
 * cluster.h - one door to the methods on features: DiffCut's cut and its peers (tokencut, maskcut, autosc, kmeans).
 * Called by methods.c, which has checked the settings.
 */
#ifndef DIFFCUT_SEGMENT_CLUSTER_H
#define DIFFCUT_SEGMENT_CLUSTER_H

#include "core/work.h"
#include "segment/features.h"

diffcut_status cluster_features(work *w, const diffcut_features *features, const diffcut_settings *settings,
                                const diffcut_cluster_settings *cluster, diffcut_labels *out);

#endif

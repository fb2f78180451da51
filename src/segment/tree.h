/*
 * tree.h - the partition tree: recursive Normalized Cut, expanded on demand, cut at any tau.
 * Called by the pipeline. diffcut_tree_free, _nodes and _node_tokens are implemented beside it.
 */
#ifndef DIFFCUT_SEGMENT_TREE_H
#define DIFFCUT_SEGMENT_TREE_H

#include "core/work.h"

/* Affinity and the nodes down to settings->tau (alpha, tau, min_tokens, reference, eigen_solver are used). */
diffcut_status tree_build(work *w, const diffcut_features *features, const diffcut_settings *settings,
                          diffcut_tree **out);

/* Segments at tau on the feature grid, in the published code's order; expands where needed. */
diffcut_status tree_cut(work *w, diffcut_tree *tree, double tau, diffcut_labels *out);

#endif

/*
 * tree_data.h - what is kept of a partition tree: its nodes, and which leaf each token is in.
 *
 * A diffcut_tree holds tokens^2 floats, to be expanded with; once built down to max_tau, cutting it below needs the
 * nodes only, here and in the browser. Immutable once made, so any thread may cut it. Called by compute, render and
 * the tests.
 */
#ifndef DIFFCUT_TOOLS_SERVE_TREE_DATA_H
#define DIFFCUT_TOOLS_SERVE_TREE_DATA_H

#include "diffcut/diffcut.h"
#include "text.h"

typedef struct tree_data {
    uint32_t width, height; /* of the grid */
    double max_tau;         /* cuts up to here are whole */
    diffcut_tree_node *nodes;
    size_t node_count;
    uint32_t *leaf_of_token; /* (height, width): node */
    uint32_t *order;         /* the leaves, by the label that each has at max_tau */
    uint32_t leaf_count;
} tree_data;

/* From a tree that was built down to max_tau. */
diffcut_status tree_data_create(diffcut_session *session, diffcut_tree *tree, double max_tau, tree_data *out,
                                diffcut_diagnostics *diagnostics);
void tree_data_free(tree_data *data);
size_t tree_data_bytes(const tree_data *data);

/* Token labels at tau <= max_tau, numbered as diffcut_tree_cut does; nodes[label] is the label's node and has room
 * for leaf_count of them. nodes may be NULL. */
diffcut_status tree_data_cut(const tree_data *data, double tau, diffcut_labels *out, uint32_t *nodes,
                             diffcut_diagnostics *diagnostics);

/* "grid": ..., "max_tau": ..., "nodes": ..., "leaf_of_token": ..., "order": ... */
void tree_data_json(const tree_data *data, text *out);

#endif

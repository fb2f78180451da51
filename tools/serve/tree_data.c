/*
 * tree_data.c - see tree_data.h.
 *
 * Labels are numbered by the published code's rule: of a node, first the segment at the end of its negative sides,
 * then all of its positive child, then the rest of its negative child. So the segments of any cut come in the order
 * of their first leaves: a node that is a segment at a smaller tau begins with the leaf at the end of its own
 * negative sides. One list of the leaves in their order at max_tau therefore numbers every cut.
 */
#include "tree_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_LABEL UINT32_MAX

void tree_data_free(tree_data *data) {
    free(data->nodes);
    free(data->leaf_of_token);
    free(data->order);
    *data = (tree_data){0};
}

size_t tree_data_bytes(const tree_data *data) {
    return data->node_count * sizeof *data->nodes + data->leaf_count * sizeof *data->order +
           (size_t)data->width * data->height * sizeof *data->leaf_of_token;
}

static diffcut_status no_memory(diffcut_diagnostics *diagnostics) {
    (void)snprintf(diagnostics->message, sizeof diagnostics->message, "out of memory for a partition tree");
    return DIFFCUT_ERROR_MEMORY;
}

/* Which leaf each token is in, and which label that leaf has. */
static bool place_leaves(const diffcut_tree *tree, const diffcut_labels *labels, tree_data *data) {
    for (size_t i = 0; i < data->node_count; i++) {
        if (data->nodes[i].positive >= 0) {
            continue;
        }
        size_t count = 0;
        const uint32_t *tokens = diffcut_tree_node_tokens(tree, i, &count);
        if (tokens == NULL || count == 0) {
            return false;
        }
        data->order[labels->data[tokens[0]]] = (uint32_t)i;
        for (size_t t = 0; t < count; t++) {
            data->leaf_of_token[tokens[t]] = (uint32_t)i;
        }
    }
    return true;
}

diffcut_status tree_data_create(diffcut_session *session, diffcut_tree *tree, double max_tau, tree_data *out,
                                diffcut_diagnostics *diagnostics) {
    diffcut_labels labels = {0};
    const diffcut_status status = diffcut_tree_cut(session, tree, max_tau, &labels);
    if (status != DIFFCUT_OK) {
        (void)snprintf(diagnostics->message, sizeof diagnostics->message, "%s", diffcut_session_message(session));
        return status;
    }
    tree_data data = {.width = labels.width, .height = labels.height, .max_tau = max_tau, .leaf_count = labels.count};
    const diffcut_tree_node *nodes = diffcut_tree_nodes(tree, &data.node_count);
    data.nodes = calloc(data.node_count, sizeof *data.nodes);
    data.leaf_of_token = calloc((size_t)data.width * data.height, sizeof *data.leaf_of_token);
    data.order = calloc(data.leaf_count, sizeof *data.order);
    bool good = data.nodes != NULL && data.leaf_of_token != NULL && data.order != NULL;
    if (good) {
        memcpy(data.nodes, nodes, data.node_count * sizeof *data.nodes);
        good = place_leaves(tree, &labels, &data);
    }
    diffcut_labels_free(&labels);
    if (!good) {
        tree_data_free(&data);
        return no_memory(diagnostics);
    }
    *out = data;
    return DIFFCUT_OK;
}

/* segment[node]: the node that it belongs to at tau, itself or the nearest to the root that does not split. Children
 * follow their parents. */
static void find_segments(const tree_data *data, double tau, uint32_t *segment) {
    segment[0] = 0;
    for (uint32_t i = 0; i < data->node_count; i++) {
        const diffcut_tree_node *node = &data->nodes[i];
        if (node->positive < 0) {
            continue;
        }
        const bool splits = segment[i] == i && node->cost < tau;
        segment[node->positive] = splits ? (uint32_t)node->positive : segment[i];
        segment[node->negative] = splits ? (uint32_t)node->negative : segment[i];
    }
}

diffcut_status tree_data_cut(const tree_data *data, double tau, diffcut_labels *out, uint32_t *nodes,
                             diffcut_diagnostics *diagnostics) {
    uint32_t *segment = calloc(data->node_count, sizeof *segment);
    uint32_t *label = malloc(data->node_count * sizeof *label);
    diffcut_labels cut = {0};
    diffcut_status status = segment == NULL || label == NULL ? no_memory(diagnostics) : DIFFCUT_OK;
    if (status == DIFFCUT_OK) {
        status = diffcut_labels_create(data->width, data->height, NULL, &cut, diagnostics);
    }
    if (status == DIFFCUT_OK) {
        find_segments(data, tau, segment);
        memset(label, 0xFF, data->node_count * sizeof *label);
        cut.count = 0;
        for (uint32_t i = 0; i < data->leaf_count; i++) {
            const uint32_t node = segment[data->order[i]];
            if (label[node] == NO_LABEL) {
                if (nodes != NULL) {
                    nodes[cut.count] = node;
                }
                label[node] = cut.count++;
            }
        }
        for (size_t t = 0; t < (size_t)data->width * data->height; t++) {
            cut.data[t] = label[segment[data->leaf_of_token[t]]];
        }
        *out = cut;
    }
    free(segment);
    free(label);
    return status;
}

static void add_numbers(const uint32_t *values, size_t count, text *out) {
    text_add(out, "[");
    for (size_t i = 0; i < count; i++) {
        text_print(out, "%s%u", i > 0 ? "," : "", values[i]);
    }
    text_add(out, "]");
}

void tree_data_json(const tree_data *data, text *out) {
    text_print(out, "\"grid\": {\"width\": %u, \"height\": %u}, \"max_tau\": ", data->width, data->height);
    json_real(out, data->max_tau, 17);
    text_add(out, ",\n\"nodes\": [");
    for (size_t i = 0; i < data->node_count; i++) {
        const diffcut_tree_node *node = &data->nodes[i];
        text_add(out, i > 0 ? ",[" : "[");
        json_real(out, node->cost, 17); /* all its digits: the page compares costs with tau as the library does */
        text_print(out, ",%d,%d,%u,%u]", node->positive, node->negative, node->tokens, node->level);
    }
    text_add(out, "],\n\"leaf_of_token\": ");
    add_numbers(data->leaf_of_token, (size_t)data->width * data->height, out);
    text_add(out, ",\n\"order\": ");
    add_numbers(data->order, data->leaf_count, out);
}

/* cluster.c - see cluster.h. */
#include "segment/cluster.h"

#include "core/memory.h"
#include "segment/autosc.h"
#include "segment/kmeans.h"
#include "segment/maskcut.h"
#include "segment/tokencut.h"
#include "segment/tree.h"

#include <string.h>

static diffcut_status cut(work *w, const diffcut_features *features, const diffcut_settings *settings,
                          diffcut_labels *out) {
    diffcut_tree *tree = NULL;
    diffcut_status status = tree_build(w, features, settings, &tree);
    if (status == DIFFCUT_OK) {
        status = tree_cut(w, tree, settings->tau, out);
    }
    diffcut_tree_free(tree);
    return status;
}

static tokencut_rules graph_rules(const diffcut_settings *settings, const diffcut_cluster_settings *cluster) {
    return (tokencut_rules){
        .threshold = (float)cluster->threshold, .weighted = cluster->weighted, .solver = settings->eigen_solver};
}

static diffcut_status one_object(const work *w, const diffcut_features *features, const diffcut_settings *settings,
                                 const diffcut_cluster_settings *cluster, uint32_t *labels, size_t *count) {
    size_t tokens = (size_t)features->height * features->width;
    const tokencut_rules rules = graph_rules(settings, cluster);
    bool found = false;
    uint8_t *mask = mem_array_zero(tokens, sizeof *mask);
    if (mask == NULL) {
        return diag_no_memory(w->diag, tokens, "the object's mask");
    }
    diffcut_status status = tokencut_object(w, features, &rules, mask, &found);
    for (size_t i = 0; status == DIFFCUT_OK && i < tokens; i++) {
        labels[i] = found ? mask[i] : 0;
    }
    *count = found ? 2 : 1;
    mem_free(mask);
    return status;
}

/* The masks do not overlap; those that were dropped take no number. */
static diffcut_status some_objects(const work *w, const diffcut_features *features, const diffcut_settings *settings,
                                   const diffcut_cluster_settings *cluster, uint32_t *labels, size_t *count) {
    size_t tokens = (size_t)features->height * features->width, number = 0;
    const tokencut_rules rules = graph_rules(settings, cluster);
    uint8_t *masks = mem_array(tokens, cluster->masks);
    if (masks == NULL) {
        return diag_no_memory(w->diag, tokens * cluster->masks, "the objects' masks");
    }
    diffcut_status status = maskcut_objects(w, features, &rules, cluster->masks, masks);
    memset(labels, 0, tokens * sizeof *labels);
    for (size_t k = 0; status == DIFFCUT_OK && k < cluster->masks; k++) {
        bool any = false;
        for (size_t i = 0; i < tokens; i++) {
            if (masks[k * tokens + i] != 0) {
                number += any ? 0 : 1;
                any = true;
                labels[i] = (uint32_t)number;
            }
        }
    }
    *count = number + 1;
    mem_free(masks);
    return status;
}

static diffcut_status run(const work *w, const diffcut_features *features, const diffcut_settings *settings,
                          const diffcut_cluster_settings *cluster, uint32_t *labels, size_t *count) {
    switch (cluster->method) {
    case DIFFCUT_METHOD_TOKENCUT:
        return one_object(w, features, settings, cluster, labels, count);
    case DIFFCUT_METHOD_MASKCUT:
        return some_objects(w, features, settings, cluster, labels, count);
    case DIFFCUT_METHOD_AUTOSC: {
        const autosc_rules rules = {cluster->clusters, settings->alpha, cluster->reference};
        autosc_choice choice;
        diffcut_status status = autosc_cluster(w, features, &rules, labels, &choice);
        *count = status == DIFFCUT_OK ? choice.clusters : 0;
        return status;
    }
    case DIFFCUT_METHOD_KMEANS: {
        const kmeans_rules rules = {cluster->clusters, cluster->max_clusters, cluster->restarts, cluster->seed};
        return kmeans_cluster(w, features, &rules, labels, count);
    }
    default:
        return diag_fail(w->diag, DIFFCUT_ERROR_ARGUMENT, "%s does not work on features: it needs the photo",
                         diffcut_method_name(cluster->method));
    }
}

diffcut_status cluster_features(work *w, const diffcut_features *features, const diffcut_settings *settings,
                                const diffcut_cluster_settings *cluster, diffcut_labels *out) {
    size_t tokens = (size_t)features->height * features->width, count = 0;
    if (cluster->method == DIFFCUT_METHOD_DIFFCUT || cluster->method == DIFFCUT_METHOD_COLOUR) {
        return cut(w, features, settings, out);
    }
    if (cluster->clusters > tokens) {
        return diag_fail(w->diag, DIFFCUT_ERROR_ARGUMENT, "%u clusters are more than the features' %zu tokens",
                         cluster->clusters, tokens);
    }
    uint32_t *labels = mem_array(tokens, sizeof *labels);
    if (labels == NULL) {
        return diag_no_memory(w->diag, tokens * sizeof *labels, "token labels");
    }
    diffcut_status status = run(w, features, settings, cluster, labels, &count);
    if (status != DIFFCUT_OK) {
        mem_free(labels);
        return status;
    }
    *out = (diffcut_labels){features->width, features->height, (uint32_t)count, labels};
    return DIFFCUT_OK;
}

/*
 * methods.c - DiffCut's peers behind the public interface: their names, settings and entry points.
 *
 * As pipeline.c: arguments are checked, the stage's `work` is made from the session, the method is called. The
 * methods: segment/cluster (tokencut, maskcut, autosc, kmeans), segment/colour, nn/diffseg and segment/diffseg.
 */
#include "core/memory.h"
#include "io/entry.h"
#include "segment/cluster.h"
#include "segment/colour.h"
#include "segment/features.h"
#include "session.h"

#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------- names */

static const char *const names[DIFFCUT_METHOD_COUNT] = {"diffcut", "autosc", "tokencut", "maskcut",
                                                        "kmeans",  "colour", "diffseg"};

const char *diffcut_method_name(diffcut_method method) {
    return (unsigned)method < DIFFCUT_METHOD_COUNT ? names[method] : NULL;
}

diffcut_status diffcut_method_find(const char *name, diffcut_method *out, diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    char list[128] = "";
    if (name == NULL || out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_method_find: name or out is NULL");
    }
    for (int i = 0; i < DIFFCUT_METHOD_COUNT; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (diffcut_method)i;
            return DIFFCUT_OK;
        }
        size_t used = strlen(list);
        (void)snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "", names[i]);
    }
    return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "there is no method \"%.64s\"; there are %s", name, list);
}

/* ------------------------------------------------------------------------------------------------- settings */

void diffcut_cluster_settings_init(diffcut_cluster_settings *cluster, diffcut_method method) {
    memset(cluster, 0, sizeof *cluster);
    cluster->method = method;
    cluster->threshold = method == DIFFCUT_METHOD_MASKCUT ? 0.15 : 0.2;
    cluster->masks = 5;
    cluster->max_clusters = 16;
    cluster->restarts = 8;
    cluster->seed = 42;
}

diffcut_status diffcut_cluster_settings_check(const diffcut_cluster_settings *cluster,
                                              diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (cluster == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "cluster settings is NULL");
    }
    if ((unsigned)cluster->method >= DIFFCUT_METHOD_COUNT) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "method %d is none of the methods", (int)cluster->method);
    }
    if (!(cluster->threshold >= -1.0 && cluster->threshold <= 1.0)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "threshold %g is outside -1 .. 1", cluster->threshold);
    }
    if (cluster->masks < 1 || cluster->masks > 64) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "masks %u is outside 1 .. 64", cluster->masks);
    }
    if (cluster->max_clusters < 2 || cluster->max_clusters > 256) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "max_clusters %u is outside 2 .. 256", cluster->max_clusters);
    }
    if (cluster->restarts < 1 || cluster->restarts > 64) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "restarts %u is outside 1 .. 64", cluster->restarts);
    }
    return DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- clustering */

diffcut_status diffcut_features_cluster(diffcut_session *session, const diffcut_features *features,
                                        const diffcut_settings *settings, const diffcut_cluster_settings *cluster,
                                        diffcut_labels *tokens) {
    if (session == NULL) {
        return DIFFCUT_ERROR_ARGUMENT;
    }
    work w = session_begin(session, DIFFCUT_STAGE_CUT);
    diffcut_status status = diffcut_settings_check(settings, w.diag);
    if (status == DIFFCUT_OK) {
        status = diffcut_cluster_settings_check(cluster, w.diag);
    }
    if (status == DIFFCUT_OK && (features == NULL || tokens == NULL)) {
        status = diag_fail(w.diag, DIFFCUT_ERROR_ARGUMENT, "features or tokens is NULL");
    }
    if (status == DIFFCUT_OK) {
        status = cluster_features(&w, features, settings, cluster, tokens);
    }
    return session_end(&w, status);
}

static diffcut_status make_colour_features(const work *w, const diffcut_image *image, uint32_t width, uint32_t height,
                                           double position_weight, diffcut_features **out) {
    diffcut_features *features = NULL;
    float *values = mem_array((size_t)width * height, COLOUR_CHANNELS * sizeof *values);
    if (values == NULL) {
        return diag_no_memory(w->diag, (size_t)width * height * COLOUR_CHANNELS * sizeof *values,
                              "the photo's colours");
    }
    diffcut_status status = colour_features(w, image, width, height, position_weight, values);
    if (status == DIFFCUT_OK) {
        status = diffcut_features_create(height, width, COLOUR_CHANNELS, values, &features, w->diag);
    }
    mem_free(values);
    if (status == DIFFCUT_OK) {
        *out = features;
    }
    return status;
}

diffcut_status diffcut_features_from_colour(diffcut_session *session, const diffcut_image *image, uint32_t width,
                                            uint32_t height, double position_weight, diffcut_features **out) {
    if (session == NULL) {
        return DIFFCUT_ERROR_ARGUMENT;
    }
    work w = session_begin(session, DIFFCUT_STAGE_FEATURES);
    diffcut_status status = DIFFCUT_OK;
    if (image == NULL || image->rgb == NULL || image->width == 0 || image->height == 0 || out == NULL) {
        status = diag_fail(w.diag, DIFFCUT_ERROR_ARGUMENT, "the image is empty, or out is NULL");
    } else if (width == 0 || height == 0 || (uint64_t)width * height > FEATURES_MAX_TOKENS) {
        status = diag_fail(w.diag, DIFFCUT_ERROR_ARGUMENT, "a grid of %ux%u has no token, or more than %d", width,
                           height, FEATURES_MAX_TOKENS);
    } else if (!(position_weight >= 0.0 && position_weight <= 100.0)) {
        status = diag_fail(w.diag, DIFFCUT_ERROR_ARGUMENT, "position_weight %g is outside 0 .. 100", position_weight);
    }
    if (status == DIFFCUT_OK) {
        status = make_colour_features(&w, image, width, height, position_weight, out);
    }
    return session_end(&w, status);
}

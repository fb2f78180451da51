/*
 * methods.c - DiffCut's peers behind the public interface: their names, settings and entry points.
 *
 * As pipeline.c: arguments are checked, the stage's `work` is made from the session, the method is called. The
 * methods: segment/cluster (tokencut, maskcut, autosc, kmeans), segment/colour, nn/attention_maps and
 * segment/diffseg.
 */
#include "core/memory.h"
#include "io/entry.h"
#include "io/resize.h"
#include "model/model.h"
#include "nn/attention_maps.h"
#include "pipeline.h"
#include "segment/cluster.h"
#include "segment/colour.h"
#include "segment/diffseg.h"
#include "segment/features.h"
#include "session.h"

#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------- names */

static const char *const names[DIFFCUT_METHOD_COUNT] = {"diffcut", "autosc", "tokencut", "maskcut",
                                                        "kmeans",  "colour", "diffseg",  "maskclip"};

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

/* ------------------------------------------------------------------------------------------------- DiffSeg */

void diffcut_diffseg_settings_init(diffcut_diffseg_settings *diffseg) {
    memset(diffseg, 0, sizeof *diffseg);
    diffseg->timestep = 300;
    diffseg->points = 16;
    diffseg->round_count = 3;
    for (int i = 0; i < DIFFCUT_DIFFSEG_MAX_ROUNDS; i++) {
        diffseg->thresholds[i] = 1.0;
    }
    diffseg->label_size = 512;
}

diffcut_status diffcut_diffseg_settings_check(const diffcut_diffseg_settings *diffseg,
                                              diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (diffseg == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffseg settings is NULL");
    }
    if (diffseg->timestep < 0 || diffseg->timestep > 999) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "timestep %d is outside 0 .. 999", diffseg->timestep);
    }
    if (diffseg->points < 1 || diffseg->points > 64) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "points %u is outside 1 .. 64", diffseg->points);
    }
    if (diffseg->round_count < 1 || diffseg->round_count > DIFFCUT_DIFFSEG_MAX_ROUNDS) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "round_count %u is outside 1 .. %d", diffseg->round_count,
                         DIFFCUT_DIFFSEG_MAX_ROUNDS);
    }
    for (uint32_t i = 0; i < diffseg->round_count; i++) {
        if (!(diffseg->thresholds[i] > 0.0)) {
            return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "thresholds[%u] is %g, not above 0", i,
                             diffseg->thresholds[i]);
        }
    }
    if (diffseg->label_size < 64 || diffseg->label_size > 4096) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "label_size %u is outside 64 .. 4096", diffseg->label_size);
    }
    return DIFFCUT_OK;
}

/* Attention maps to labels. maps loses what is no longer needed on the way. */
static diffcut_status segment_maps(const work *w, attention_maps *maps, const diffcut_diffseg_settings *diffseg,
                                   diffcut_labels *out) {
    diffseg_level levels[UNET_MAX_BLOCKS];
    diffseg_proposals proposals = {.maps = NULL};
    size_t finest = 0;
    for (size_t i = 0; i < maps->count; i++) {
        levels[i] = (diffseg_level){maps->levels[i].h, maps->levels[i].w, maps->levels[i].map};
    }
    const work first = work_part(w, 0.0, 0.1), rest = work_part(w, 0.1, 1.0);
    diffcut_status status = diffseg_aggregate(&first, levels, maps->count, &finest);
    if (status != DIFFCUT_OK) {
        return status;
    }
    uint32_t h = levels[finest].h, width = levels[finest].w;
    status = diffseg_merge(&rest, levels[finest].map, h, width, diffseg, &proposals);
    if (status == DIFFCUT_OK) {
        status = diffseg_labels(w, &proposals, h, width, diffseg, out);
    }
    mem_free(proposals.maps);
    return status;
}

static diffcut_status run_diffseg(work *w, const diffcut_session *session, const diffcut_image *image,
                                  const diffcut_settings *settings, const diffcut_diffseg_settings *diffseg,
                                  diffcut_labels *out) {
    const diffcut_model *model = session->model;
    attention_maps maps = {.count = 0};
    uint32_t width, height;
    diffcut_status status = pipeline_input_size(image, settings, attention_maps_multiple(model),
                                                model->settings.factor, &width, &height, w->diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    float *pixels = mem_array((size_t)width * height, 3 * sizeof *pixels);
    if (pixels == NULL) {
        return diag_no_memory(w->diag, (size_t)width * height * 3 * sizeof *pixels, "the resized photo");
    }
    status = resize_image(w, image, width, height, settings->resample, pixels);
    if (status == DIFFCUT_OK) {
        status = attention_maps_compute(model, session->stream, w, pixels, height, width, settings, diffseg->timestep,
                                        &maps);
    }
    mem_free(pixels);
    work_enter(w, DIFFCUT_STAGE_CUT);
    if (status == DIFFCUT_OK) {
        status = segment_maps(w, &maps, diffseg, out);
    }
    attention_maps_free(&maps);
    return status;
}

/* What diffcut_diffseg is given. */
static diffcut_status check_diffseg_call(const diffcut_session *session, const diffcut_image *image,
                                         const diffcut_settings *settings, const diffcut_diffseg_settings *diffseg,
                                         const diffcut_labels *out, diffcut_diagnostics *diag) {
    diffcut_status status = diffcut_settings_check(settings, diag);
    if (status == DIFFCUT_OK) {
        status = diffcut_diffseg_settings_check(diffseg, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (image == NULL || image->rgb == NULL || image->width == 0 || image->height == 0 || out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "the image is empty, or out is NULL");
    }
    if (session->model == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "the session was opened without a model");
    }
    if (model_need_diffusion(session->model, "DiffSeg's attention maps of a UNet", diag) != DIFFCUT_OK) {
        return DIFFCUT_ERROR_UNSUPPORTED;
    }
    if ((uint32_t)diffseg->timestep >= session->model->noise.steps) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "timestep is %d, the scheduler has 0 .. %u", diffseg->timestep,
                         session->model->noise.steps - 1);
    }
    return DIFFCUT_OK;
}

diffcut_status diffcut_diffseg(diffcut_session *session, const diffcut_image *image, const diffcut_settings *settings,
                               const diffcut_diffseg_settings *diffseg, diffcut_labels *out) {
    if (session == NULL) {
        return DIFFCUT_ERROR_ARGUMENT;
    }
    work w = session_begin(session, DIFFCUT_STAGE_FEATURES);
    diffcut_status status = check_diffseg_call(session, image, settings, diffseg, out, w.diag);
    if (status == DIFFCUT_OK) {
        status = run_diffseg(&w, session, image, settings, diffseg, out);
    }
    return session_end(&w, status);
}

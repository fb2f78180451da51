/*
 * compute.c - what a worker's thread does with a job: a photo to its tree, kept features to another one, and the
 * results that are asked of a tree (render.c).
 *
 * Called by jobs.c.
 */
#include <stdio.h>
#include <string.h>

#include "jobs.h"
#include "progress.h"
#include "render.h"

static bool session_failed(const job_worker *worker, job *what, diffcut_status status) {
    return job_failed(what, status, diffcut_session_message(worker->session));
}

/* Tokens that a photo of this size will have at least about, so that a request for many is refused before it is
 * computed: the affinity has their square of entries. */
static bool check_tokens(const jobs *j, job *what, const diffcut_image *image, const diffcut_settings *settings) {
    diffcut_model_info info;
    diffcut_model_get_info(j->settings.model, &info);
    uint64_t width = image->width;
    uint64_t height = image->height;
    const uint64_t longest = width > height ? width : height;
    if (settings->size_mode == DIFFCUT_SIZE_EXACT) {
        width = settings->size_width;
        height = settings->size_height;
    } else if (settings->size_mode == DIFFCUT_SIZE_SQUARE) {
        width = settings->size;
        height = settings->size;
    } else if (settings->size_mode == DIFFCUT_SIZE_LONG_SIDE) {
        width = width * settings->size / longest;
        height = height * settings->size / longest;
    }
    const uint64_t stride = info.feature_stride > 0 ? info.feature_stride : 1;
    const uint64_t tokens = (width / stride) * (height / stride);
    if (tokens <= j->settings.max_tokens) {
        return true;
    }
    return problem_set(&what->error, 422, "too_large", "size",
                       "size: a network input of %llux%llu pixels has %llu tokens, more than the %llu allowed here",
                       (unsigned long long)width, (unsigned long long)height, (unsigned long long)tokens,
                       (unsigned long long)j->settings.max_tokens);
}

static bool build_tree(job_worker *worker, job *what, const diffcut_features *features, tree_data *out) {
    diffcut_settings settings = params_settings(&what->query);
    settings.tau = what->query.max_tau;
    diffcut_tree *tree = NULL;
    diffcut_status status = diffcut_tree_build(worker->session, features, &settings, &tree);
    if (status != DIFFCUT_OK) {
        return session_failed(worker, what, status);
    }
    diffcut_diagnostics diagnostics = {{0}};
    status = tree_data_create(worker->session, tree, settings.tau, out, &diagnostics);
    diffcut_tree_free(tree);
    return status == DIFFCUT_OK || job_failed(what, status, diagnostics.message);
}

/* The new tree, stored, in the job. */
static bool store(job *what, stored_tree *tree) {
    trees *t = what->jobs->settings.store;
    if (tree == NULL) {
        return job_no_memory(what);
    }
    tree->alpha = what->query.settings.values.alpha;
    tree->min_tokens = what->query.settings.values.min_tokens;
    trees_release(t, what->tree);
    what->tree = tree;
    if (!trees_add(t, tree)) {
        return problem_set(&what->error, 413, "too_large", "photo",
                           "the photo and its features are larger than the server keeps");
    }
    (void)snprintf(what->tree_id, sizeof what->tree_id, "%s", tree->id);
    return true;
}

static bool decode(job *what, diffcut_image *image) {
    const jobs *j = what->jobs;
    const diffcut_decode_limits limits = {.max_pixels = j->settings.max_pixels};
    diffcut_diagnostics diagnostics = {{0}};
    const diffcut_status status =
        diffcut_decode_image(what->photo.data, what->photo.length, "photo", &limits, image, &diagnostics);
    return status == DIFFCUT_OK || job_failed(what, status, diagnostics.message);
}

/* A photo to its tree, stored. */
static bool analyse(job_worker *worker, job *what) {
    const diffcut_settings settings = params_settings(&what->query);
    diffcut_image image = {0};
    diffcut_features *features = NULL;
    tree_data data = {0};
    bool good = decode(what, &image) && check_tokens(what->jobs, what, &image, &settings);
    if (good) {
        const diffcut_status status = diffcut_features_compute(worker->session, &image, &settings, &features);
        good = status == DIFFCUT_OK || session_failed(worker, what, status);
    }
    good = good && build_tree(worker, what, features, &data);
    if (!good) {
        diffcut_features_free(features);
        diffcut_image_free(&image);
        return false;
    }
    return store(what, trees_create(what->jobs->settings.store, &image, features, &data));
}

static bool recut(job_worker *worker, job *what) {
    tree_data data = {0};
    if (!build_tree(worker, what, what->tree->photo->features, &data)) {
        return false;
    }
    if (!store(what, trees_create_like(what->jobs->settings.store, what->tree, &data))) {
        return false;
    }
    what->result.status = 201;
    what->result.type = ANSWER_JSON;
    text_print(&what->result.body, "{\"tree\": \"%s\"}\n", what->tree_id);
    answer_header_add(&what->result, "Location", "/v1/trees/%s", what->tree_id);
    return true;
}

bool compute_run(job_worker *worker, job *what) {
    bool good = false;
    switch (what->kind) {
    case JOB_ANALYSE:
        good = analyse(worker, what);
        break;
    case JOB_SEGMENT:
        good = analyse(worker, what) && render_labels(worker, what);
        break;
    case JOB_RECUT:
        good = recut(worker, what);
        break;
    case JOB_LABELS:
        good = render_labels(worker, what);
        break;
    case JOB_LEAVES:
        good = render_leaves(worker, what);
        break;
    case JOB_SIMILARITY:
        good = render_similarity(worker, what);
        break;
    case JOB_NAMES:
        good = render_names(worker, what);
        break;
    }
    if (good && what->result.body.failed) {
        good = job_no_memory(what);
    }
    return good;
}

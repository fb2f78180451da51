/*
 * pipeline.c - the stages put together behind the public interface.
 *
 * Each public function checks its arguments, makes the stage's `work` from the session and calls the stage; no
 * arithmetic of the method is here. The stages: io/resize, nn/encode, segment/tree, segment/concepts, segment/pamr.
 */
#include "core/memory.h"
#include "io/resize.h"
#include "model/model.h"
#include "nn/encode.h"
#include "nn/peak.h"
#include "segment/concepts.h"
#include "segment/features.h"
#include "segment/labels.h"
#include "segment/pamr.h"
#include "segment/tree.h"
#include "session.h"

#include <math.h>
#include <stdio.h>

/* ------------------------------------------------------------------------------------------------- arguments */

static diffcut_status check_image(const diffcut_image *image, diffcut_diagnostics *diag) {
    if (image == NULL || image->rgb == NULL || image->width == 0 || image->height == 0) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "the image is empty");
    }
    return DIFFCUT_OK;
}

static diffcut_status check_output(const void *out, diffcut_diagnostics *diag) {
    return out != NULL ? DIFFCUT_OK : diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "out is NULL");
}

/* ------------------------------------------------------------------------------------------------- features */

static uint32_t round_to_multiple(double side, uint32_t multiple) {
    double units = floor(side / multiple + 0.5);
    return (uint32_t)(units < 1.0 ? 1.0 : units) * multiple;
}

/*
 * The network's input size for a photo. Sides are rounded to the nearest multiple of what the network divides by, and
 * the photo is resized to that, not padded: the shape changes by at most half a token a side, and no made-up pixels
 * enter the affinity, where they would become segments of their own and shift the min-max of the real ones.
 */
static diffcut_status input_size(const diffcut_image *image, const diffcut_settings *settings, uint32_t multiple,
                                 uint32_t *width, uint32_t *height, diffcut_diagnostics *diag) {
    switch (settings->size_mode) {
    case DIFFCUT_SIZE_LONG_SIDE: {
        double scale = (double)settings->size / (image->width > image->height ? image->width : image->height);
        *width = round_to_multiple(image->width * scale, multiple);
        *height = round_to_multiple(image->height * scale, multiple);
        return DIFFCUT_OK;
    }
    case DIFFCUT_SIZE_SQUARE:
        *width = *height = round_to_multiple(settings->size, multiple);
        return DIFFCUT_OK;
    case DIFFCUT_SIZE_EXACT:
        *width = settings->size_width;
        *height = settings->size_height;
        break;
    case DIFFCUT_SIZE_NATIVE:
        *width = image->width;
        *height = image->height;
        break;
    }
    if (*width % multiple != 0 || *height % multiple != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "the network takes sides that are multiples of %u pixels, not %ux%u; nearest: %ux%u",
                         multiple, *width, *height, round_to_multiple(*width, multiple),
                         round_to_multiple(*height, multiple));
    }
    return DIFFCUT_OK;
}

static diffcut_status compute_features(work *w, const diffcut_session *session, const diffcut_image *image,
                                       const diffcut_settings *settings, diffcut_features **out) {
    diffcut_model_info info;
    diffcut_model_get_info(session->model, &info);
    uint32_t width = 0;
    uint32_t height = 0;
    diffcut_status status = input_size(image, settings, info.multiple, &width, &height, w->diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    /* Told before the work rather than after it; features_create has the last word for other hooks. */
    uint64_t tokens = (uint64_t)(width / info.feature_stride) * (height / info.feature_stride);
    if (tokens > FEATURES_MAX_TOKENS) {
        return diag_fail(
            w->diag, DIFFCUT_ERROR_LIMIT,
            "a %ux%u input gives %llu tokens, more than the %d whose affinity fits; ask for a smaller size", width,
            height, (unsigned long long)tokens, FEATURES_MAX_TOKENS);
    }
    float *pixels = mem_array((size_t)width * height, 3 * sizeof *pixels);
    if (pixels == NULL) {
        return diag_no_memory(w->diag, (size_t)width * height * 3 * sizeof *pixels, "the resized photo");
    }
    diffcut_features *features = mem_array_zero(1, sizeof *features);
    if (features == NULL) {
        status = diag_no_memory(w->diag, sizeof *features, "features");
        goto cleanup;
    }
    status = resize_image(w, image, width, height, settings->resample, pixels);
    if (status != DIFFCUT_OK) {
        goto cleanup;
    }
    status = encode_features(session->model, session->stream, w, pixels, height, width, settings, &features->data,
                             &features->height, &features->width, &features->channels);
    if (status == DIFFCUT_OK) {
        *out = features;
        features = NULL;
    }
cleanup:
    mem_free(features);
    mem_free(pixels);
    return status;
}

diffcut_status diffcut_features_compute(diffcut_session *session, const diffcut_image *image,
                                        const diffcut_settings *settings, diffcut_features **out) {
    if (session == NULL) {
        return DIFFCUT_ERROR_ARGUMENT;
    }
    work w = session_begin(session, DIFFCUT_STAGE_FEATURES);
    diffcut_status status = diffcut_settings_check(settings, w.diag);
    if (status == DIFFCUT_OK) {
        status = check_image(image, w.diag);
    }
    if (status == DIFFCUT_OK) {
        status = check_output(out, w.diag);
    }
    if (status == DIFFCUT_OK && session->model == NULL) {
        status = diag_fail(w.diag, DIFFCUT_ERROR_ARGUMENT, "the session was opened without a model");
    }
    if (status == DIFFCUT_OK) {
        status = compute_features(&w, session, image, settings, out);
    }
    return session_end(&w, status);
}

diffcut_status diffcut_session_peak(diffcut_session *session, double *flops) {
    if (session == NULL) {
        return DIFFCUT_ERROR_ARGUMENT;
    }
    work w = session_begin(session, DIFFCUT_STAGE_FEATURES);
    w.seconds = NULL; /* no photo's time */
    diffcut_status status = check_output(flops, w.diag);
    if (status == DIFFCUT_OK && session->model == NULL) {
        status = diag_fail(w.diag, DIFFCUT_ERROR_ARGUMENT, "the session was opened without a model");
    }
    if (status == DIFFCUT_OK) {
        status = peak_measure(session->model->backend, session->stream, &w, flops);
    }
    return session_end(&w, status);
}

/* ------------------------------------------------------------------------------------------------- cut */

diffcut_status diffcut_tree_build(diffcut_session *session, const diffcut_features *features,
                                  const diffcut_settings *settings, diffcut_tree **out) {
    if (session == NULL) {
        return DIFFCUT_ERROR_ARGUMENT;
    }
    work w = session_begin(session, DIFFCUT_STAGE_AFFINITY);
    diffcut_status status = diffcut_settings_check(settings, w.diag);
    if (status == DIFFCUT_OK) {
        status = check_output(out, w.diag);
    }
    if (status == DIFFCUT_OK && features == NULL) {
        status = diag_fail(w.diag, DIFFCUT_ERROR_ARGUMENT, "features is NULL");
    }
    if (status == DIFFCUT_OK) {
        status = tree_build(&w, features, settings, out);
    }
    return session_end(&w, status);
}

/* A label map as float, for the dump callback. A dump that finds no memory is left out. */
static void dump_labels(const work *w, const char *name, const diffcut_labels *labels) {
    size_t pixels = (size_t)labels->width * labels->height;
    float *values = work_dumps(w) ? mem_array(pixels, sizeof *values) : NULL;
    if (values != NULL) {
        for (size_t i = 0; i < pixels; i++) {
            values[i] = (float)labels->data[i];
        }
        const size_t shape[2] = {labels->height, labels->width};
        work_dump(w, name, values, shape, 2);
        mem_free(values);
    }
}

diffcut_status diffcut_tree_cut(diffcut_session *session, diffcut_tree *tree, double tau, diffcut_labels *out) {
    if (session == NULL) {
        return DIFFCUT_ERROR_ARGUMENT;
    }
    work w = session_begin(session, DIFFCUT_STAGE_CUT);
    diffcut_status status = check_output(out, w.diag);
    if (status == DIFFCUT_OK && tree == NULL) {
        status = diag_fail(w.diag, DIFFCUT_ERROR_ARGUMENT, "tree is NULL");
    }
    if (status == DIFFCUT_OK && !(tau >= 0.0 && tau <= 1.0)) {
        status = diag_fail(w.diag, DIFFCUT_ERROR_ARGUMENT, "tau %g is outside 0 .. 1", tau);
    }
    if (status == DIFFCUT_OK) {
        status = tree_cut(&w, tree, tau, out);
    }
    if (status == DIFFCUT_OK) {
        char name[48];
        (void)snprintf(name, sizeof name, "tokens_tau_%g", tau);
        dump_labels(&w, name, out);
    }
    return session_end(&w, status);
}

/* ------------------------------------------------------------------------------------------------- label maps */

diffcut_status diffcut_labels_assign(diffcut_session *session, const diffcut_features *features,
                                     const diffcut_labels *tokens, uint32_t width, uint32_t height,
                                     diffcut_labels *out) {
    if (session == NULL) {
        return DIFFCUT_ERROR_ARGUMENT;
    }
    work w = session_begin(session, DIFFCUT_STAGE_ASSIGN);
    diffcut_status status = labels_check(tokens, "diffcut_labels_assign", w.diag);
    if (status == DIFFCUT_OK) {
        status = check_output(out, w.diag);
    }
    if (status == DIFFCUT_OK && features == NULL) {
        status = diag_fail(w.diag, DIFFCUT_ERROR_ARGUMENT, "features is NULL");
    }
    if (status == DIFFCUT_OK) {
        status = concepts_assign(&w, features, tokens, width, height, out);
    }
    if (status == DIFFCUT_OK) {
        dump_labels(&w, "assigned", out);
    }
    return session_end(&w, status);
}

diffcut_status diffcut_labels_refine(diffcut_session *session, const diffcut_image *image,
                                     const diffcut_labels *labels, const diffcut_settings *settings,
                                     diffcut_labels *out) {
    if (session == NULL) {
        return DIFFCUT_ERROR_ARGUMENT;
    }
    work w = session_begin(session, DIFFCUT_STAGE_REFINE);
    diffcut_status status = diffcut_settings_check(settings, w.diag);
    if (status == DIFFCUT_OK) {
        status = check_image(image, w.diag);
    }
    if (status == DIFFCUT_OK) {
        status = check_output(out, w.diag);
    }
    if (status == DIFFCUT_OK) {
        status = pamr_refine(&w, image, labels, settings, out);
    }
    if (status == DIFFCUT_OK) {
        dump_labels(&w, "refined", out);
    }
    return session_end(&w, status);
}

diffcut_status diffcut_labels_finish(diffcut_session *session, const diffcut_image *image,
                                     const diffcut_features *features, const diffcut_labels *tokens,
                                     const diffcut_settings *settings, diffcut_labels *out) {
    if (session == NULL) {
        return DIFFCUT_ERROR_ARGUMENT;
    }
    work w = session_begin(session, DIFFCUT_STAGE_ASSIGN);
    diffcut_status status = diffcut_settings_check(settings, w.diag);
    if (status == DIFFCUT_OK) {
        status = check_image(image, w.diag);
    }
    session_end(&w, status);
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (!settings->refine) {
        return diffcut_labels_assign(session, features, tokens, image->width, image->height, out);
    }
    /* Labels are made at the size they are refined at: the refinement brings them to the photo's. */
    uint32_t width;
    uint32_t height;
    pamr_working_size(settings, image->width, image->height, &width, &height);
    diffcut_labels coarse = {0};
    status = diffcut_labels_assign(session, features, tokens, width, height, &coarse);
    if (status == DIFFCUT_OK) {
        status = diffcut_labels_refine(session, image, &coarse, settings, out);
    }
    diffcut_labels_free(&coarse);
    return status;
}

diffcut_status diffcut_segment(diffcut_session *session, const diffcut_image *image, const diffcut_settings *settings,
                               diffcut_labels *out) {
    diffcut_features *features = NULL;
    diffcut_tree *tree = NULL;
    diffcut_labels tokens = {0};
    diffcut_status status = diffcut_features_compute(session, image, settings, &features);
    if (status == DIFFCUT_OK) {
        status = diffcut_tree_build(session, features, settings, &tree);
    }
    if (status == DIFFCUT_OK) {
        status = diffcut_tree_cut(session, tree, settings->tau, &tokens);
    }
    if (status == DIFFCUT_OK) {
        status = diffcut_labels_finish(session, image, features, &tokens, settings, out);
    }
    diffcut_labels_free(&tokens);
    diffcut_tree_free(tree);
    diffcut_features_free(features);
    return status;
}

/*
 * pipeline_cut.c - features to label maps behind the public interface, and all stages in one call.
 *
 * As pipeline.c, whose photos' features come in here. The stages: segment/tree, segment/concepts, segment/pamr.
 */
#include "core/memory.h"
#include "pipeline.h"
#include "segment/concepts.h"
#include "segment/labels.h"
#include "segment/pamr.h"
#include "segment/tree.h"
#include "session.h"

#include <stdio.h>

/* ------------------------------------------------------------------------------------------------- cut */

diffcut_status diffcut_tree_build(diffcut_session *session, const diffcut_features *features,
                                  const diffcut_settings *settings, diffcut_tree **out) {
    if (session == NULL) {
        return DIFFCUT_ERROR_ARGUMENT;
    }
    work w = session_begin(session, DIFFCUT_STAGE_AFFINITY);
    diffcut_status status = diffcut_settings_check(settings, w.diag);
    if (status == DIFFCUT_OK) {
        status = pipeline_check_output(out, w.diag);
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

/* session_end after what makes a label map, which is dumped under the name where it was made. */
static diffcut_status end_with_labels(work *w, diffcut_status status, const char *name, const diffcut_labels *made) {
    if (status == DIFFCUT_OK) {
        dump_labels(w, name, made);
    }
    return session_end(w, status);
}

diffcut_status diffcut_tree_cut(diffcut_session *session, diffcut_tree *tree, double tau, diffcut_labels *out) {
    if (session == NULL) {
        return DIFFCUT_ERROR_ARGUMENT;
    }
    work w = session_begin(session, DIFFCUT_STAGE_CUT);
    diffcut_status status = pipeline_check_output(out, w.diag);
    if (status == DIFFCUT_OK && tree == NULL) {
        status = diag_fail(w.diag, DIFFCUT_ERROR_ARGUMENT, "tree is NULL");
    }
    if (status == DIFFCUT_OK && !(tau >= 0.0 && tau <= 1.0)) {
        status = diag_fail(w.diag, DIFFCUT_ERROR_ARGUMENT, "tau %g is outside 0 .. 1", tau);
    }
    if (status == DIFFCUT_OK) {
        status = tree_cut(&w, tree, tau, out);
    }
    char name[48];
    (void)snprintf(name, sizeof name, "tokens_tau_%g", tau);
    return end_with_labels(&w, status, name, out);
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
        status = pipeline_check_output(out, w.diag);
    }
    if (status == DIFFCUT_OK && features == NULL) {
        status = diag_fail(w.diag, DIFFCUT_ERROR_ARGUMENT, "features is NULL");
    }
    if (status == DIFFCUT_OK) {
        status = concepts_assign(&w, features, tokens, width, height, out);
    }
    return end_with_labels(&w, status, "assigned", out);
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
        status = pipeline_check_image(image, w.diag);
    }
    if (status == DIFFCUT_OK) {
        status = pipeline_check_output(out, w.diag);
    }
    if (status == DIFFCUT_OK) {
        status = pamr_refine(&w, image, labels, settings, out);
    }
    return end_with_labels(&w, status, "refined", out);
}

diffcut_status diffcut_eval_refine(diffcut_session *session, const diffcut_eval_photo *photo,
                                   const diffcut_labels *labels, const diffcut_settings *settings,
                                   diffcut_labels *out) {
    if (session == NULL) {
        return DIFFCUT_ERROR_ARGUMENT;
    }
    work w = session_begin(session, DIFFCUT_STAGE_REFINE);
    diffcut_status status = diffcut_settings_check(settings, w.diag);
    if (status == DIFFCUT_OK && (photo == NULL || photo->small == NULL)) {
        status = diag_fail(w.diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_eval_refine: no prepared photo");
    }
    if (status == DIFFCUT_OK) {
        status = pipeline_check_output(out, w.diag);
    }
    if (status == DIFFCUT_OK) {
        status = pamr_refine_pixels(&w, photo->small, photo->size, photo->size, labels, settings, out);
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
        status = pipeline_check_image(image, w.diag);
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

/*
 * classifier.c - a vocabulary as vectors, and the classes nearest to one: see the public vocabulary.h.
 *
 * A class's score is its best name's cosine, as in OpenSeg and FC-CLIP, times the model's scale. Called through the
 * public interface and by classifier_embed.c.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "io/entry.h"
#include "vocabulary/classifier.h"

void diffcut_classifier_free(diffcut_classifier *classifier) {
    if (classifier != NULL) {
        mem_free(classifier->class_of);
        mem_free(classifier->embeddings);
        mem_free(classifier);
    }
}

void diffcut_classifier_get_info(const diffcut_classifier *classifier, diffcut_classifier_info *info) {
    *info = (diffcut_classifier_info){
        .classes = classifier->classes,
        .names = (uint32_t)classifier->names,
        .width = classifier->width,
        .scale = classifier->scale,
        .truncated = classifier->truncated,
        .cached = classifier->cached,
        .embeddings = classifier->embeddings,
    };
}

diffcut_status classifier_new(const diffcut_vocabulary *vocabulary, uint32_t width, float scale,
                              diffcut_classifier **out, diffcut_diagnostics *diag) {
    size_t floats = 0;
    if (!mem_mul(vocabulary->count, width, &floats)) {
        return diag_no_memory(diag, SIZE_MAX, "a classifier");
    }
    diffcut_classifier *made = mem_array_zero(1, sizeof *made);
    uint32_t *class_of = mem_array(vocabulary->count, sizeof *class_of);
    float *embeddings = mem_array(floats, sizeof *embeddings);
    if (made == NULL || class_of == NULL || embeddings == NULL) {
        mem_free(made);
        mem_free(class_of);
        mem_free(embeddings);
        return diag_no_memory(diag, floats * sizeof *embeddings, "a classifier");
    }
    memcpy(class_of, vocabulary->class_of, vocabulary->count * sizeof *class_of);
    *made = (diffcut_classifier){.classes = vocabulary->classes,
                                 .width = width,
                                 .names = vocabulary->count,
                                 .scale = scale,
                                 .class_of = class_of,
                                 .embeddings = embeddings,
                                 .unnamed = vocabulary->unnamed};
    *out = made;
    return DIFFCUT_OK;
}

double classifier_normalise(float *vector, uint32_t width) {
    double sum = 0;
    for (uint32_t i = 0; i < width; i++) {
        sum += (double)vector[i] * (double)vector[i];
    }
    const double length = sqrt(sum);
    for (uint32_t i = 0; i < width && length > 0; i++) {
        vector[i] = (float)((double)vector[i] / length);
    }
    return length;
}

diffcut_status diffcut_classifier_create(const diffcut_vocabulary *vocabulary, const float *embeddings,
                                         uint32_t width, float scale, diffcut_classifier **out,
                                         diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (vocabulary == NULL || embeddings == NULL || out == NULL || width == 0) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "diffcut_classifier_create: an argument is NULL or width is 0");
    }
    if (!(scale > 0) || !isfinite(scale)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_classifier_create: scale is %g, not above 0",
                         (double)scale);
    }
    diffcut_classifier *made = NULL;
    diffcut_status status = classifier_new(vocabulary, width, scale, &made, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    memcpy(made->embeddings, embeddings, made->names * width * sizeof *embeddings);
    for (size_t n = 0; n < made->names && status == DIFFCUT_OK; n++) {
        const double length = classifier_normalise(made->embeddings + n * width, width);
        if (!(length > 0) || !isfinite(length)) {
            status = diag_fail(diag, DIFFCUT_ERROR_NUMERIC, "the embedding of '%.80s' is %s", vocabulary->names[n],
                               isfinite(length) ? "all zeros" : "not finite");
        }
    }
    if (status == DIFFCUT_OK) {
        *out = made;
    } else {
        diffcut_classifier_free(made);
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------- naming */

/* Summed in double, in order: the same on every machine. */
static float dot(const float *a, const float *b, uint32_t width) {
    double sum = 0;
    for (uint32_t i = 0; i < width; i++) {
        sum += (double)a[i] * (double)b[i];
    }
    return (float)sum;
}

void classifier_score(const diffcut_classifier *c, const float *unit, float *cosines, uint32_t *names) {
    for (size_t n = 0; n < c->names; n++) {
        const uint32_t class = c->class_of[n];
        const float cosine = dot(c->embeddings + n * c->width, unit, c->width);
        if (n == 0 || class != c->class_of[n - 1] || cosine > cosines[class]) {
            cosines[class] = cosine;
            if (names != NULL) {
                names[class] = (uint32_t)n;
            }
        }
    }
}

/* Keeps the best `room` of them, in order: each goes before the first that it beats. */
static size_t rank(const diffcut_classifier *c, const float *scores, const uint32_t *which, diffcut_match *matches,
                   size_t room) {
    size_t count = 0;
    for (uint32_t class = 0; class < c->classes; class ++) {
        if ((int64_t) class == c->unnamed) {
            continue;
        }
        size_t at = count < room ? count : room;
        while (at > 0 && scores[class] > matches[at - 1].cosine) {
            at--;
        }
        if (at == room) {
            continue;
        }
        count += count < room ? 1 : 0;
        memmove(matches + at + 1, matches + at, (count - at - 1) * sizeof *matches);
        matches[at] = (diffcut_match){.index = class, .name = which[class], .cosine = scores[class]};
    }
    return count;
}

static void add_probabilities(const diffcut_classifier *c, const float *scores, diffcut_match *matches,
                              size_t count) {
    double best = -INFINITY;
    double sum = 0;
    for (uint32_t class = 0; class < c->classes; class ++) {
        best = (int64_t) class == c->unnamed ? best : fmax(best, (double)scores[class]);
    }
    for (uint32_t class = 0; class < c->classes; class ++) {
        sum += (int64_t) class == c->unnamed ? 0 : exp((double)c->scale * ((double)scores[class] - best));
    }
    for (size_t i = 0; i < count; i++) {
        matches[i].probability = exp((double)c->scale * ((double)matches[i].cosine - best)) / sum;
    }
}

diffcut_status diffcut_classifier_name(const diffcut_classifier *classifier, const float *embedding,
                                       diffcut_match *matches, size_t room, size_t *count,
                                       diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (classifier == NULL || embedding == NULL || matches == NULL || room == 0 || count == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_classifier_name: an argument is NULL or room is 0");
    }
    const uint32_t width = classifier->width;
    float *unit = mem_array(width, sizeof *unit);
    float *scores = mem_array(classifier->classes, sizeof *scores);
    uint32_t *which = mem_array(classifier->classes, sizeof *which);
    diffcut_status status = DIFFCUT_OK;
    if (unit == NULL || scores == NULL || which == NULL) {
        status = diag_no_memory(diag, (size_t)classifier->classes * 8, "naming a segment");
        goto cleanup;
    }
    memcpy(unit, embedding, width * sizeof *unit);
    const double length = classifier_normalise(unit, width);
    if (!isfinite(length)) {
        status = diag_fail(diag, DIFFCUT_ERROR_NUMERIC, "an embedding to be named is not finite");
        goto cleanup;
    }
    size_t found = 0;
    if (length > 0) {
        classifier_score(classifier, unit, scores, which);
        found = rank(classifier, scores, which, matches, room);
        add_probabilities(classifier, scores, matches, found);
    }
    *count = found;
cleanup:
    mem_free(unit);
    mem_free(scores);
    mem_free(which);
    return status;
}

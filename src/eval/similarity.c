/*
 * similarity.c - cosine similarity of one patch's features to every patch of the same or another photo:
 * diffcut_similarity. The values behind the heat maps of similarity_heatmap.c.
 */
#include <inttypes.h>
#include <math.h>

#include "io/entry.h"
#include "segment/features.h"

/* Sums in double: the order of 1280 float sums would show in the last digits that a reader compares. */
static double dot(const float *a, const float *b, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)a[i] * (double)b[i];
    }
    return sum;
}

static float cosine(double product, double norm_a, double norm_b) {
    const double norms = norm_a * norm_b;
    if (!(norms > 0)) {
        return 0;
    }
    const double value = product / norms;
    return (float)(value > 1 ? 1 : value < -1 ? -1 : value);
}

diffcut_status diffcut_similarity(const diffcut_features *features, uint32_t token, const diffcut_features *other,
                                  float *out, diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (features == NULL || other == NULL || out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_similarity: features, other or out is NULL");
    }
    if (token >= features->height * features->width) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "diffcut_similarity: token %" PRIu32 " is outside the grid of %" PRIu32 "x%" PRIu32
                         " (height x width)",
                         token, features->height, features->width);
    }
    if (features->channels != other->channels) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "diffcut_similarity: %" PRIu32 " channels against %" PRIu32 ": not of one model and hook",
                         features->channels, other->channels);
    }
    const size_t channels = features->channels;
    const size_t tokens = (size_t)other->height * other->width;
    const float *chosen = features->data + token * channels;
    const double norm = sqrt(dot(chosen, chosen, channels));
    for (size_t i = 0; i < tokens; i++) {
        const float *row = other->data + i * channels;
        out[i] = cosine(dot(chosen, row, channels), norm, sqrt(dot(row, row, channels)));
    }
    return DIFFCUT_OK;
}

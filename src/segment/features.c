/*
 * features.c - feature grids: made from floats, checked once, immutable afterwards. See features.h and diffcut.h.
 */
#include "segment/features.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "io/entry.h"

/* DIFFCUT_OK and *values = height * width * channels, or why there is no such grid. */
static diffcut_status features_check_shape(uint32_t height, uint32_t width, uint32_t channels, size_t *values,
                                           diffcut_diagnostics *diag) {
    if (height == 0 || width == 0 || channels == 0) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "features: the shape %" PRIu32 "x%" PRIu32 "x%" PRIu32 " holds nothing", height, width,
                         channels);
    }
    uint64_t tokens = (uint64_t)height * width;
    if (tokens > FEATURES_MAX_TOKENS) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT,
                         "features: %" PRIu32 "x%" PRIu32 " is %" PRIu64 " tokens, over the limit of %d", height,
                         width, tokens, FEATURES_MAX_TOKENS);
    }
    if (!mem_mul((size_t)tokens, channels, values)) {
        return diag_fail(diag, DIFFCUT_ERROR_MEMORY, "features: %" PRIu32 " channels are too many", channels);
    }
    return DIFFCUT_OK;
}

/* Infinity and NaN have all exponent bits set; one test of many values at once runs at the speed of memory. */
static bool all_finite(const float *data, size_t count) {
    uint32_t bad = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &data[i], sizeof bits);
        bad |= (uint32_t)((bits & 0x7F800000U) == 0x7F800000U);
    }
    return bad == 0;
}

static diffcut_status features_check_finite(const float *data, uint32_t width, uint32_t channels, size_t values,
                                            diffcut_diagnostics *diag) {
    if (all_finite(data, values)) {
        return DIFFCUT_OK;
    }
    size_t at = 0;
    while (isfinite(data[at])) {
        at++;
    }
    size_t token = at / channels;
    return diag_fail(diag, DIFFCUT_ERROR_NUMERIC, "features: %s at token %zu (row %zu, column %zu), channel %zu",
                     isnan(data[at]) ? "NaN" : "infinity", token, token / width, token % width, at % channels);
}

diffcut_status diffcut_features_create(uint32_t height, uint32_t width, uint32_t channels, const float *data,
                                       diffcut_features **out, diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (data == NULL || out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_features_create: data or out is NULL");
    }
    size_t values;
    diffcut_status status = features_check_shape(height, width, channels, &values, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    status = features_check_finite(data, width, channels, values, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    diffcut_features *features = mem_array(1, sizeof *features);
    float *copy = mem_array(values, sizeof *copy);
    if (features == NULL || copy == NULL) {
        mem_free(features);
        mem_free(copy);
        return diag_fail(diag, DIFFCUT_ERROR_MEMORY, "no memory for features of %zu values", values);
    }
    memcpy(copy, data, values * sizeof *copy);
    *features = (diffcut_features){.height = height, .width = width, .channels = channels, .data = copy};
    *out = features;
    return DIFFCUT_OK;
}

void diffcut_features_free(diffcut_features *features) {
    if (features != NULL) {
        mem_free(features->data);
        mem_free(features);
    }
}

uint32_t diffcut_features_height(const diffcut_features *features) {
    return features->height;
}

uint32_t diffcut_features_width(const diffcut_features *features) {
    return features->width;
}

uint32_t diffcut_features_channels(const diffcut_features *features) {
    return features->channels;
}

const float *diffcut_features_data(const diffcut_features *features) {
    return features->data;
}

/* resample.c - see resample.h; and diffcut_labels_resize. */
#include "eval/resample.h"

#include <inttypes.h>
#include <math.h>

#include "core/memory.h"
#include "io/entry.h"
#include "segment/labels.h"

void resample_index(uint32_t from, uint32_t to, bool centres, uint32_t *index) {
    const float scale = (float)from / (float)to;
    for (uint32_t i = 0; i < to; i++) {
        float place = floorf(((float)i + (centres ? 0.5F : 0.0F)) * scale);
        index[i] = place < (float)(from - 1) ? (uint32_t)place : from - 1;
    }
}

diffcut_status resample_labels(const diffcut_labels *labels, const uint32_t *x, uint32_t width, const uint32_t *y,
                               uint32_t height, diffcut_labels *out, diffcut_diagnostics *diag) {
    uint32_t *data = mem_array(height, (size_t)width * sizeof *data);
    if (data == NULL) {
        return diag_no_memory(diag, (size_t)height * width * sizeof *data, "a resized label map");
    }
    for (uint32_t row = 0; row < height; row++) {
        const uint32_t *from = labels->data + (size_t)y[row] * labels->width;
        uint32_t *to = data + (size_t)row * width;
        for (uint32_t column = 0; column < width; column++) {
            to[column] = from[x[column]];
        }
    }
    *out = (diffcut_labels){width, height, labels->count, data};
    return DIFFCUT_OK;
}

diffcut_status diffcut_labels_resize(const diffcut_labels *labels, uint32_t width, uint32_t height, bool reference,
                                     diffcut_labels *out, diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (out == NULL || width == 0 || height == 0) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "diffcut_labels_resize: out is NULL, or %" PRIu32 "x%" PRIu32 " is no size", width, height);
    }
    diffcut_status status = labels_check(labels, "diffcut_labels_resize", diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    uint32_t *x = mem_array(width, sizeof *x);
    uint32_t *y = mem_array(height, sizeof *y);
    if (x == NULL || y == NULL) {
        status = diag_no_memory(diag, ((size_t)width + height) * sizeof *x, "resizing a label map");
    } else {
        resample_index(labels->width, width, !reference, x);
        resample_index(labels->height, height, !reference, y);
        status = resample_labels(labels, x, width, y, height, out, diag);
    }
    mem_free(y);
    mem_free(x);
    return status;
}

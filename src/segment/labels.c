/*
 * labels.c - label maps in memory: diffcut_labels_create, _free, _compact, _describe. See labels.h.
 */
#include "segment/labels.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "io/entry.h"

diffcut_status labels_check(const diffcut_labels *labels, const char *function, diffcut_diagnostics *diag) {
    if (labels == NULL || labels->data == NULL || labels->width == 0 || labels->height == 0) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "%s: no label map", function);
    }
    size_t pixels = (size_t)labels->width * labels->height;
    for (size_t i = 0; i < pixels; i++) {
        if (labels->data[i] >= labels->count) {
            return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                             "%s: label %" PRIu32 " at row %zu, column %zu is not below the count of %" PRIu32,
                             function, labels->data[i], i / labels->width, i % labels->width, labels->count);
        }
    }
    return DIFFCUT_OK;
}

diffcut_status diffcut_labels_create(uint32_t width, uint32_t height, const uint32_t *data, diffcut_labels *out,
                                     diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (out == NULL || width == 0 || height == 0) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "diffcut_labels_create: out is NULL, or %" PRIu32 "x%" PRIu32 " is no size", width, height);
    }
    size_t pixels = (size_t)width * height;
    uint32_t largest = 0;
    for (size_t i = 0; data != NULL && i < pixels; i++) {
        largest = data[i] > largest ? data[i] : largest;
    }
    if (largest == UINT32_MAX) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_labels_create: label %" PRIu32 " is too large",
                         largest);
    }
    uint32_t *copy = data != NULL ? mem_array(pixels, sizeof *copy) : mem_array_zero(pixels, sizeof *copy);
    if (copy == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_MEMORY, "no memory for %" PRIu32 "x%" PRIu32 " labels", width, height);
    }
    if (data != NULL) {
        memcpy(copy, data, pixels * sizeof *copy);
    }
    *out = (diffcut_labels){.width = width, .height = height, .count = largest + 1, .data = copy};
    return DIFFCUT_OK;
}

void diffcut_labels_free(diffcut_labels *labels) {
    if (labels != NULL) {
        mem_free(labels->data);
        *labels = (diffcut_labels){0};
    }
}

/* ------------------------------------------------------------------------------------------------- compact */

/* By a table of count entries: old label to new. */
static diffcut_status compact_by_table(diffcut_labels *labels, size_t pixels, diffcut_diagnostics *diag) {
    uint32_t *renumbered = mem_array_zero(labels->count, sizeof *renumbered);
    if (renumbered == NULL) {
        return diag_no_memory(diag, labels->count * sizeof *renumbered, "the table of labels");
    }
    for (size_t i = 0; i < pixels; i++) {
        renumbered[labels->data[i]] = 1;
    }
    uint32_t next = 0;
    for (uint32_t label = 0; label < labels->count; label++) {
        if (renumbered[label] != 0) {
            renumbered[label] = next++;
        }
    }
    for (size_t i = 0; i < pixels; i++) {
        labels->data[i] = renumbered[labels->data[i]];
    }
    labels->count = next;
    mem_free(renumbered);
    return DIFFCUT_OK;
}

static int compare_labels(const void *a, const void *b) {
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

/* By the sorted list of those that occur: for labels far apart, whose table would be larger than the map. */
static diffcut_status compact_by_sorting(diffcut_labels *labels, size_t pixels, diffcut_diagnostics *diag) {
    uint32_t *sorted = mem_array(pixels, sizeof *sorted);
    if (sorted == NULL) {
        return diag_no_memory(diag, pixels * sizeof *sorted, "the list of labels");
    }
    memcpy(sorted, labels->data, pixels * sizeof *sorted);
    qsort(sorted, pixels, sizeof *sorted, compare_labels);
    size_t distinct = 0;
    for (size_t i = 0; i < pixels; i++) {
        if (i == 0 || sorted[i] != sorted[i - 1]) {
            sorted[distinct++] = sorted[i];
        }
    }
    for (size_t i = 0; i < pixels; i++) {
        const uint32_t *found = bsearch(&labels->data[i], sorted, distinct, sizeof *sorted, compare_labels);
        labels->data[i] = (uint32_t)(found - sorted);
    }
    labels->count = (uint32_t)distinct;
    mem_free(sorted);
    return DIFFCUT_OK;
}

diffcut_status diffcut_labels_compact(diffcut_labels *labels, diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    diffcut_status status = labels_check(labels, "diffcut_labels_compact", diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    size_t pixels = (size_t)labels->width * labels->height;
    return labels->count / 4 <= pixels ? compact_by_table(labels, pixels, diag)
                                       : compact_by_sorting(labels, pixels, diag);
}

/* ------------------------------------------------------------------------------------------------- describe */

/* Sums of one segment while the map is walked: right and bottom are exclusive. */
typedef struct segment_sums {
    uint64_t area;
    uint64_t rgb[3];
    uint32_t left, top, right, bottom;
} segment_sums;

static void sum_pixel(segment_sums *sums, uint32_t x, uint32_t y, const uint8_t *rgb) {
    if (sums->area == 0) {
        *sums = (segment_sums){.left = x, .top = y};
    }
    sums->area++;
    sums->left = x < sums->left ? x : sums->left;
    sums->right = x + 1 > sums->right ? x + 1 : sums->right;
    sums->bottom = y + 1; /* rows come from the top */
    for (int c = 0; rgb != NULL && c < 3; c++) {
        sums->rgb[c] += rgb[c];
    }
}

static diffcut_segment_info segment_info(uint32_t label, const segment_sums *sums) {
    diffcut_segment_info info = {.label = label, .area = sums->area};
    if (sums->area > 0) {
        info.x = sums->left;
        info.y = sums->top;
        info.width = sums->right - sums->left;
        info.height = sums->bottom - sums->top;
        for (int c = 0; c < 3; c++) {
            info.mean_rgb[c] = (float)((double)sums->rgb[c] / (double)sums->area);
        }
    }
    return info;
}

diffcut_status diffcut_labels_describe(const diffcut_labels *labels, const diffcut_image *image,
                                       diffcut_segment_info *info, diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    diffcut_status status = labels_check(labels, "diffcut_labels_describe", diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (info == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_labels_describe: info is NULL");
    }
    if (image != NULL && (image->width != labels->width || image->height != labels->height)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "diffcut_labels_describe: the image is %" PRIu32 "x%" PRIu32 ", the labels are %" PRIu32
                         "x%" PRIu32,
                         image->width, image->height, labels->width, labels->height);
    }
    segment_sums *sums = mem_array_zero(labels->count, sizeof *sums);
    if (sums == NULL) {
        return diag_no_memory(diag, labels->count * sizeof *sums, "the sums of the segments");
    }
    for (uint32_t y = 0; y < labels->height; y++) {
        for (uint32_t x = 0; x < labels->width; x++) {
            size_t at = (size_t)y * labels->width + x;
            sum_pixel(&sums[labels->data[at]], x, y, image != NULL ? image->rgb + at * 3 : NULL);
        }
    }
    for (uint32_t label = 0; label < labels->count; label++) {
        info[label] = segment_info(label, &sums[label]);
    }
    mem_free(sums);
    return DIFFCUT_OK;
}

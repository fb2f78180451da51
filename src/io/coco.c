/*
 * coco.c - a label map as COCO annotations (cocodataset.org, "Data format"): diffcut_encode_coco_json.
 *
 * One image, one category, one annotation for each segment that occurs; the annotation of label k has id k + 1, so it
 * is found again in the label PNG. Keys stand in a fixed order: the same map gives the same bytes.
 */
#include "core/memory.h"
#include "io/bytes.h"
#include "io/entry.h"
#include "io/rle.h"
#include "segment/labels.h"

/* "key": number, with what stands before it */
static void append_field(bytes *sink, const char *before, uint64_t number) {
    bytes_text(sink, before);
    bytes_number(sink, number);
}

static void append_image(bytes *sink, const diffcut_labels *labels, uint64_t image_id, const char *file_name) {
    append_field(sink, "{\"images\": [{\"id\": ", image_id);
    append_field(sink, ", \"width\": ", labels->width);
    append_field(sink, ", \"height\": ", labels->height);
    bytes_text(sink, ", \"file_name\": ");
    bytes_json_string(sink, file_name);
    bytes_text(sink, "}],\n \"annotations\": [");
}

/* Backslash is the one character of the counts that JSON escapes. */
static void append_escaped(bytes *sink, const bytes *counts) {
    for (size_t i = 0; i < counts->size; i++) {
        if (counts->data[i] == '\\') {
            bytes_text(sink, "\\");
        }
        bytes_append(sink, &counts->data[i], 1);
    }
}

static void append_annotation(bytes *sink, const diffcut_labels *labels, uint64_t image_id,
                              const diffcut_segment_info *info, const bytes *counts) {
    append_field(sink, "{\"id\": ", (uint64_t)info->label + 1);
    append_field(sink, ", \"image_id\": ", image_id);
    append_field(sink, ", \"category_id\": 1, \"iscrowd\": 0, \"area\": ", info->area);
    append_field(sink, ", \"bbox\": [", info->x);
    append_field(sink, ", ", info->y);
    append_field(sink, ", ", info->width);
    append_field(sink, ", ", info->height);
    append_field(sink, "], \"segmentation\": {\"size\": [", labels->height);
    append_field(sink, ", ", labels->width);
    bytes_text(sink, "], \"counts\": \"");
    append_escaped(sink, counts);
    bytes_text(sink, "\"}}");
}

static void append_annotations(bytes *sink, const diffcut_labels *labels, uint64_t image_id,
                               const diffcut_segment_info *info, const rle_runs *runs, bytes *counts) {
    size_t pixels = (size_t)labels->width * labels->height;
    bool first = true;
    for (uint32_t label = 0; label < labels->count && bytes_ok(sink); label++) {
        if (info[label].area == 0) {
            continue;
        }
        counts->size = 0;
        rle_append_counts(runs, label, pixels, counts);
        bytes_text(sink, first ? "\n  " : ",\n  ");
        append_annotation(sink, labels, image_id, &info[label], counts);
        first = false;
    }
}

diffcut_status diffcut_encode_coco_json(const diffcut_labels *labels, uint64_t image_id, const char *file_name,
                                        diffcut_buffer *out, diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    diffcut_status status = labels_check(labels, "diffcut_encode_coco_json", diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_encode_coco_json: out is NULL");
    }
    bytes sink = {0};
    bytes counts = {0};
    rle_runs runs = {0};
    diffcut_segment_info *info = mem_array(labels->count, sizeof *info);
    if (info == NULL) {
        status = diag_no_memory(diag, labels->count * sizeof *info, "the segments' descriptions");
        goto cleanup;
    }
    status = diffcut_labels_describe(labels, NULL, info, diag);
    if (status != DIFFCUT_OK) {
        goto cleanup;
    }
    status = rle_find_runs(labels, &runs, diag);
    if (status != DIFFCUT_OK) {
        goto cleanup;
    }
    append_image(&sink, labels, image_id, file_name != NULL ? file_name : "");
    append_annotations(&sink, labels, image_id, info, &runs, &counts);
    bytes_text(&sink, "],\n \"categories\": [{\"id\": 1, \"name\": \"segment\", \"supercategory\": \"segment\"}]}\n");
    if (!bytes_ok(&counts)) {
        status = diag_no_memory(diag, counts.wanted, "a mask's run lengths");
        goto cleanup;
    }
    status = bytes_finish(&sink, "the COCO JSON", out, diag);
cleanup:
    bytes_free(&sink);
    bytes_free(&counts);
    rle_free_runs(&runs);
    mem_free(info);
    return status;
}

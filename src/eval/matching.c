/* matching.c - see matching.h. */
#include "eval/matching.h"

#include "core/memory.h"
#include "eval/assignment.h"

/* The classes that take part, in ascending order. */
static size_t list_classes(const diffcut_protocol *protocol, const overlap *o, int32_t without, uint32_t *classes) {
    size_t count = 0;
    for (uint32_t c = 0; c < o->classes; c++) {
        if ((int32_t)c != without && (protocol->reference || o->class_pixels[c] > 0)) {
            classes[count++] = c;
        }
    }
    return count;
}

/* Weights (count, columns): by label in the published code's form, which has a column for every label up to the
 * largest and at least as many as rows; else by segment. */
static diffcut_status make_weights(const overlap *o, const uint32_t *classes, size_t count, size_t columns,
                                   bool by_label, int64_t **out, diffcut_diagnostics *diag) {
    if (count > 0 && columns > OVERLAP_MAX_CELLS / count) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT,
                         "labels up to %zu and %zu classes: more than %zu pairs are not "
                         "compared",
                         columns - 1, count, OVERLAP_MAX_CELLS);
    }
    int64_t *weights = mem_array_zero(count * columns, sizeof *weights);
    if (weights == NULL) {
        return diag_no_memory(diag, count * columns * sizeof *weights, "matching segments to classes");
    }
    for (size_t r = 0; r < count; r++) {
        for (size_t s = 0; s < o->segments; s++) {
            weights[r * columns + (by_label ? o->label_of[s] : s)] = o->counts[classes[r] * o->segments + s];
        }
    }
    *out = weights;
    return DIFFCUT_OK;
}

diffcut_status matching_find(const diffcut_protocol *protocol, const overlap *o, int32_t without,
                             int32_t *label_of_class, diffcut_diagnostics *diag) {
    int64_t *weights = NULL;
    uint32_t *classes = mem_array(o->classes, sizeof *classes);
    int32_t *column_of = mem_array(o->classes, sizeof *column_of);
    diffcut_status status = DIFFCUT_OK;
    if (classes == NULL || column_of == NULL) {
        status = diag_no_memory(diag, o->classes * sizeof *classes, "matching segments to classes");
        goto cleanup;
    }
    size_t count = list_classes(protocol, o, without, classes);
    bool by_label = protocol->reference;
    size_t columns = o->segments;
    if (by_label) {
        columns = (size_t)o->largest + 1 > count ? (size_t)o->largest + 1 : count;
    }
    status = make_weights(o, classes, count, columns, by_label, &weights, diag);
    if (status == DIFFCUT_OK) {
        status = assignment_solve(count, columns, weights, column_of, diag);
    }
    if (status != DIFFCUT_OK) {
        goto cleanup;
    }
    for (size_t c = 0; c < o->classes; c++) {
        label_of_class[c] = -1;
    }
    for (size_t r = 0; r < count; r++) {
        int32_t column = column_of[r];
        if (by_label) {
            label_of_class[classes[r]] = column;
        } else if (column >= 0 && weights[r * columns + (size_t)column] > 0) {
            label_of_class[classes[r]] = (int32_t)o->label_of[column];
        }
    }
cleanup:
    mem_free(weights);
    mem_free(column_of);
    mem_free(classes);
    return status;
}

/* The segment of a label that may not occur; -1 then. */
static int32_t segment_of_label(const overlap *o, int32_t label) {
    return label >= 0 && (size_t)label < o->labels ? o->segment_of[label] : -1;
}

diffcut_status matching_keep(const diffcut_protocol *protocol, const overlap *o, bool *keep,
                             diffcut_diagnostics *diag) {
    int32_t *label_of_class = mem_array(o->classes, sizeof *label_of_class);
    bool *taken = mem_array_zero(o->segments, sizeof *taken);
    diffcut_status status = DIFFCUT_OK;
    if (label_of_class == NULL || taken == NULL) {
        status = diag_no_memory(diag, o->classes * sizeof *label_of_class, "matching segments to classes");
        goto cleanup;
    }
    status = matching_find(protocol, o, protocol->background, label_of_class, diag);
    if (status != DIFFCUT_OK) {
        goto cleanup;
    }
    for (size_t s = 0; s < o->segments; s++) {
        keep[s] = false;
    }
    for (size_t c = 0; c < o->classes; c++) {
        int32_t segment = segment_of_label(o, label_of_class[c]);
        if (segment >= 0) {
            taken[segment] = true;
        }
    }
    /* The published code keeps a class's segment when the class has a pixel in any segment that was taken; without
     * left-over segments taken by classes that are not there, that is the segment's own. */
    for (size_t c = 0; c < o->classes; c++) {
        int32_t segment = segment_of_label(o, label_of_class[c]);
        for (size_t s = 0; segment >= 0 && s < o->segments; s++) {
            keep[segment] = keep[segment] || (taken[s] && o->counts[c * o->segments + s] > 0);
        }
    }
cleanup:
    mem_free(taken);
    mem_free(label_of_class);
    return status;
}

/* overlap.c - see overlap.h. */
#include "eval/overlap.h"

#include <inttypes.h>
#include <math.h>

#include "core/memory.h"

void overlap_free(overlap *o) {
    mem_free(o->label_of);
    mem_free(o->segment_of);
    mem_free(o->counts);
    mem_free(o->class_pixels);
    mem_free(o->segment_pixels);
    *o = (overlap){0};
}

/* Numbers the labels that occur by their first pixel; o->labels is set. */
static diffcut_status number_segments(const diffcut_labels *prediction, overlap *o, diffcut_diagnostics *diag) {
    size_t pixels = (size_t)prediction->width * prediction->height;
    size_t most = o->labels < pixels ? o->labels : pixels;
    o->segment_of = mem_array(o->labels, sizeof *o->segment_of);
    o->label_of = mem_array(most, sizeof *o->label_of);
    if (o->segment_of == NULL || o->label_of == NULL) {
        return diag_no_memory(diag, o->labels * sizeof *o->segment_of, "the table of segments");
    }
    for (size_t label = 0; label < o->labels; label++) {
        o->segment_of[label] = -1;
    }
    for (size_t i = 0; i < pixels; i++) {
        uint32_t label = prediction->data[i];
        if (o->segment_of[label] < 0) {
            o->segment_of[label] = (int32_t)o->segments;
            o->label_of[o->segments++] = label;
            o->largest = label > o->largest ? label : o->largest;
        }
    }
    return DIFFCUT_OK;
}

/* Zeroed counts; o->classes and o->segments are set. */
static diffcut_status allocate_counts(overlap *o, diffcut_diagnostics *diag) {
    if (o->segments > OVERLAP_MAX_CELLS / o->classes) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT,
                         "%zu segments and %zu classes: more than %zu pairs are not compared", o->segments,
                         o->classes, OVERLAP_MAX_CELLS);
    }
    o->counts = mem_array_zero(o->classes * o->segments, sizeof *o->counts);
    o->class_pixels = mem_array_zero(o->classes, sizeof *o->class_pixels);
    o->segment_pixels = mem_array_zero(o->segments, sizeof *o->segment_pixels);
    if (o->counts == NULL || o->class_pixels == NULL || o->segment_pixels == NULL) {
        return diag_no_memory(diag, o->classes * o->segments * sizeof *o->counts, "comparing segments with classes");
    }
    return DIFFCUT_OK;
}

static void sum_counts(overlap *o) {
    for (size_t c = 0; c < o->classes; c++) {
        for (size_t s = 0; s < o->segments; s++) {
            int64_t count = o->counts[c * o->segments + s];
            o->class_pixels[c] += count;
            o->segment_pixels[s] += count;
        }
        o->pixels += o->class_pixels[c];
    }
}

diffcut_status overlap_create(const diffcut_labels *prediction, const diffcut_labels *truth, overlap *out,
                              diffcut_diagnostics *diag) {
    if (prediction->count > OVERLAP_MAX_LABELS) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT,
                         "the prediction's label count of %" PRIu32 " is above %zu: compact it first",
                         prediction->count, OVERLAP_MAX_LABELS);
    }
    overlap o = {.classes = truth->count - 1, .labels = prediction->count};
    diffcut_status status = number_segments(prediction, &o, diag);
    if (status == DIFFCUT_OK) {
        status = allocate_counts(&o, diag);
    }
    if (status != DIFFCUT_OK) {
        overlap_free(&o);
        return status;
    }
    size_t pixels = (size_t)prediction->width * prediction->height;
    for (size_t i = 0; i < pixels; i++) {
        if (truth->data[i] < o.classes) {
            o.counts[truth->data[i] * o.segments + (size_t)o.segment_of[prediction->data[i]]]++;
        }
    }
    sum_counts(&o);
    *out = o;
    return DIFFCUT_OK;
}

/* merged_into, and the labels of what becomes of the segments. */
static void number_merged(const overlap *o, const bool *keep, overlap *m, int32_t *merged_into) {
    int32_t merged = -1;
    for (size_t s = 0; s < o->segments; s++) {
        if (keep[s] || merged < 0) {
            uint32_t label = keep[s] ? o->label_of[s] : o->largest + 1;
            merged_into[s] = (int32_t)m->segments;
            merged = keep[s] ? merged : merged_into[s];
            m->segment_of[label] = merged_into[s];
            m->label_of[m->segments++] = label;
            m->largest = label > m->largest ? label : m->largest;
        } else {
            merged_into[s] = merged;
        }
    }
}

diffcut_status overlap_merge(const overlap *o, const bool *keep, overlap *out, int32_t *merged_into,
                             diffcut_diagnostics *diag) {
    overlap m = {.classes = o->classes, .labels = (size_t)o->largest + 2};
    m.segment_of = mem_array(m.labels, sizeof *m.segment_of);
    m.label_of = mem_array(o->segments, sizeof *m.label_of);
    if (m.segment_of == NULL || m.label_of == NULL) {
        overlap_free(&m);
        return diag_no_memory(diag, m.labels * sizeof *m.segment_of, "the table of segments");
    }
    for (size_t label = 0; label < m.labels; label++) {
        m.segment_of[label] = -1;
    }
    number_merged(o, keep, &m, merged_into);
    diffcut_status status = allocate_counts(&m, diag);
    if (status != DIFFCUT_OK) {
        overlap_free(&m);
        return status;
    }
    for (size_t c = 0; c < o->classes; c++) {
        for (size_t s = 0; s < o->segments; s++) {
            m.counts[c * m.segments + (size_t)merged_into[s]] += o->counts[c * o->segments + s];
        }
    }
    sum_counts(&m);
    *out = m;
    return DIFFCUT_OK;
}

static double pairs(int64_t count) {
    return 0.5 * (double)count * (double)(count - 1);
}

double overlap_rand_index(const overlap *o) {
    if (o->pixels == 0) {
        return NAN;
    }
    double together = 0.0, in_classes = 0.0, in_segments = 0.0;
    for (size_t i = 0; i < o->classes * o->segments; i++) {
        together += pairs(o->counts[i]);
    }
    for (size_t c = 0; c < o->classes; c++) {
        in_classes += pairs(o->class_pixels[c]);
    }
    for (size_t s = 0; s < o->segments; s++) {
        in_segments += pairs(o->segment_pixels[s]);
    }
    double all = pairs(o->pixels);
    double expected = all > 0.0 ? in_classes * in_segments / all : 0.0;
    double largest = 0.5 * (in_classes + in_segments);
    return largest > expected || largest < expected ? (together - expected) / (largest - expected) : 1.0;
}

/*
 * measure.c - one photo's segments against its truth: diffcut_score_measure and diffcut_protocol_merge_background.
 *
 *   truth --protocol--> classes; both maps to one size --> overlap --(first pass)--> merged overlap --> matching
 *   --> true and false positives and negatives a class; adjusted Rand index; boundaries
 *
 * Called through the public interface.
 */
#include "eval/measure.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "eval/boundary.h"
#include "eval/matching.h"
#include "eval/overlap.h"
#include "eval/protocol.h"
#include "io/entry.h"
#include "segment/labels.h"

void diffcut_score_settings_init(diffcut_score_settings *settings) {
    if (settings != NULL) {
        *settings = (diffcut_score_settings){.band = 0.02, .tolerance = 0.0075, .replicates = 1000};
    }
}

diffcut_status measure_check_settings(const diffcut_score_settings *settings, diffcut_diagnostics *diag) {
    if (!(settings->band > 0.0 && settings->band <= 0.5)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "band is %g, not above 0 .. 0.5", settings->band);
    }
    if (!(settings->tolerance > 0.0 && settings->tolerance <= 0.5)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "tolerance is %g, not above 0 .. 0.5", settings->tolerance);
    }
    if (settings->replicates > 100000) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "replicates is %" PRIu32 ", not 0 .. 100000",
                         settings->replicates);
    }
    return DIFFCUT_OK;
}

void diffcut_score_photo_free(diffcut_score_photo *photo) {
    if (photo != NULL) {
        mem_free(photo->name);
        mem_free(photo->counts);
        mem_free(photo->cluster_of);
        mem_free(photo->class_of);
        *photo = (diffcut_score_photo){0};
    }
}

/* ------------------------------------------------------------------------------------------------- figures */

static double share(uint64_t part, uint64_t whole) {
    return whole > 0 ? (double)part / (double)whole : NAN;
}

double measure_boundary_f(uint64_t edges, uint64_t found, uint64_t truth_edges, uint64_t truth_found) {
    double precision = edges > 0 ? share(found, edges) : 1.0;
    double recall = truth_edges > 0 ? share(truth_found, truth_edges) : 1.0;
    return precision + recall > 0.0 ? 2.0 * precision * recall / (precision + recall) : 0.0;
}

void measure_derive(diffcut_score_photo *photo) {
    double iou = 0.0, band_iou = 0.0;
    size_t bands = 0;
    photo->correct = 0;
    for (size_t i = 0; i < photo->count; i++) {
        const diffcut_class_counts *c = &photo->counts[i];
        photo->correct += c->tp;
        iou += share(c->tp, c->tp + c->fp + c->fn);
        if (c->band_union > 0) {
            band_iou += share(c->band_intersection, c->band_union);
            bands++;
        }
    }
    photo->miou = photo->count > 0 ? iou / (double)photo->count : NAN;
    photo->pixel_accuracy = share(photo->correct, photo->pixels);
    photo->boundary_iou = bands > 0 ? band_iou / (double)bands : NAN;
    photo->boundary_f =
        bands > 0 ? measure_boundary_f(photo->edges, photo->edges_found, photo->truth_edges, photo->truth_edges_found)
                  : NAN;
}

/* ------------------------------------------------------------------------------------------------- both maps */

/* The two maps at one size: owned copies or the caller's. */
typedef struct measure_maps {
    diffcut_labels prediction;
    diffcut_labels truth; /* classes; owned */
    bool owns_prediction;
} measure_maps;

static void maps_free(measure_maps *maps) {
    diffcut_labels_free(&maps->truth);
    if (maps->owns_prediction) {
        diffcut_labels_free(&maps->prediction);
    }
}

static diffcut_status bring_together(const diffcut_protocol *protocol, const diffcut_labels *prediction,
                                     const diffcut_labels *truth, bool full_resolution, measure_maps *maps,
                                     diffcut_diagnostics *diag) {
    *maps = (measure_maps){.prediction = *prediction};
    diffcut_status status = diffcut_protocol_map(protocol, truth, &maps->truth, diag);
    if (status != DIFFCUT_OK || (prediction->width == truth->width && prediction->height == truth->height)) {
        return status;
    }
    diffcut_labels resized = {0};
    if (full_resolution) {
        status = diffcut_labels_resize(prediction, truth->width, truth->height, protocol->reference, &resized, diag);
        maps->prediction = resized;
        maps->owns_prediction = true;
    } else {
        status = diffcut_labels_resize(&maps->truth, prediction->width, prediction->height, protocol->reference,
                                       &resized, diag);
        if (status == DIFFCUT_OK) {
            diffcut_labels_free(&maps->truth);
            maps->truth = resized;
        }
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------- counts */

/* The overlap after the first pass, and where each segment went. */
typedef struct measure_passes {
    overlap first, second;
    int32_t *merged_into; /* (first.segments) */
} measure_passes;

static void passes_free(measure_passes *p) {
    overlap_free(&p->first);
    overlap_free(&p->second);
    mem_free(p->merged_into);
}

/* Without a first pass every segment is kept. */
static diffcut_status run_passes(const diffcut_protocol *protocol, const measure_maps *maps, bool first_pass,
                                 measure_passes *p, diffcut_diagnostics *diag) {
    *p = (measure_passes){0};
    diffcut_status status = overlap_create(&maps->prediction, &maps->truth, &p->first, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    bool *keep = mem_array(p->first.segments, sizeof *keep);
    p->merged_into = mem_array(p->first.segments, sizeof *p->merged_into);
    if (keep == NULL || p->merged_into == NULL) {
        mem_free(keep);
        return diag_no_memory(diag, p->first.segments * sizeof *p->merged_into, "the table of segments");
    }
    for (size_t s = 0; s < p->first.segments; s++) {
        keep[s] = true;
    }
    if (first_pass) {
        status = matching_keep(protocol, &p->first, keep, diag);
    }
    if (status == DIFFCUT_OK) {
        status = overlap_merge(&p->first, keep, &p->second, p->merged_into, diag);
    }
    mem_free(keep);
    return status;
}

/* Counts of every class that has any. Left-over segments of classes that are not in the photo have theirs. */
static void count_classes(const overlap *o, const uint64_t *intersection, const uint64_t *united,
                          diffcut_score_photo *photo) {
    for (size_t c = 0; c < o->classes; c++) {
        int32_t label = photo->cluster_of[c];
        int32_t segment = label >= 0 && (size_t)label < o->labels ? o->segment_of[label] : -1;
        diffcut_class_counts counts = {.index = (uint32_t)c, .fn = (uint64_t)o->class_pixels[c]};
        if (segment >= 0) {
            counts.tp = (uint64_t)o->counts[c * o->segments + (size_t)segment];
            counts.fn -= counts.tp;
            counts.fp = (uint64_t)o->segment_pixels[segment] - counts.tp;
        }
        if (united != NULL) {
            counts.band_intersection = intersection[c];
            counts.band_union = united[c];
        }
        if (counts.tp + counts.fp + counts.fn > 0) {
            photo->counts[photo->count++] = counts;
        }
    }
}

/* The class of every label of the prediction, and what has none. */
static diffcut_status find_classes(const measure_passes *p, diffcut_score_photo *photo, diffcut_diagnostics *diag) {
    const overlap *second = &p->second;
    int32_t *class_of_segment = mem_array(second->segments, sizeof *class_of_segment);
    photo->class_of = mem_array(photo->labels, sizeof *photo->class_of);
    if (class_of_segment == NULL || photo->class_of == NULL) {
        mem_free(class_of_segment);
        return diag_no_memory(diag, photo->labels * sizeof *photo->class_of, "the classes of segments");
    }
    for (size_t s = 0; s < second->segments; s++) {
        class_of_segment[s] = -1;
    }
    for (size_t c = 0; c < second->classes; c++) {
        int32_t label = photo->cluster_of[c];
        if (label >= 0 && (size_t)label < second->labels && second->segment_of[label] >= 0) {
            class_of_segment[second->segment_of[label]] = (int32_t)c;
        }
    }
    for (size_t label = 0; label < photo->labels; label++) {
        int32_t segment = p->first.segment_of[label];
        int32_t class = segment >= 0 ? class_of_segment[p->merged_into[segment]] : -1;
        photo->class_of[label] = class;
        if (segment >= 0 && class < 0) {
            photo->unassigned++;
            photo->unassigned_pixels += (uint64_t)p->first.segment_pixels[segment];
        }
    }
    mem_free(class_of_segment);
    return DIFFCUT_OK;
}

/* The prediction as classes, classes + 1 where a segment has none; then both kinds of boundary. */
static diffcut_status measure_boundary(const measure_maps *maps, const diffcut_score_settings *settings,
                                       uint64_t *intersection, uint64_t *united, diffcut_score_photo *photo,
                                       diffcut_diagnostics *diag) {
    const diffcut_labels *truth = &maps->truth;
    uint32_t classes = truth->count - 1;
    size_t pixels = (size_t)truth->width * truth->height;
    diffcut_labels named = {truth->width, truth->height, classes + 2, mem_array(pixels, sizeof(uint32_t))};
    if (named.data == NULL) {
        return diag_no_memory(diag, pixels * sizeof *named.data, "a map of classes");
    }
    for (size_t i = 0; i < pixels; i++) {
        int32_t class = photo->class_of[maps->prediction.data[i]];
        named.data[i] = class >= 0 ? (uint32_t) class : classes + 1;
    }
    boundary_counts counts = {0};
    diffcut_status status =
        boundary_bands(&named, truth, classes, boundary_pixels(truth->width, truth->height, settings->band),
                       intersection, united, diag);
    if (status == DIFFCUT_OK) {
        status = boundary_compare(&maps->prediction, truth, classes,
                                  boundary_pixels(truth->width, truth->height, settings->tolerance), &counts, diag);
    }
    if (status == DIFFCUT_OK) {
        photo->edges = counts.edges;
        photo->edges_found = counts.found;
        photo->truth_edges = counts.truth_edges;
        photo->truth_edges_found = counts.truth_found;
    }
    diffcut_labels_free(&named);
    return status;
}

/* A prediction of classes: each label is its own. */
static diffcut_status take_names(const diffcut_protocol *protocol, const diffcut_labels *prediction,
                                 diffcut_score_photo *photo, diffcut_diagnostics *diag) {
    const size_t pixels = (size_t)prediction->width * prediction->height;
    for (size_t i = 0; i < pixels; i++) {
        if (prediction->data[i] >= protocol->classes) {
            return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                             "diffcut_score_measure: label %" PRIu32
                             " of a named prediction is no class of %s, which "
                             "has %" PRIu32,
                             prediction->data[i], protocol->name, protocol->classes);
        }
    }
    for (uint32_t c = 0; c < protocol->classes; c++) {
        photo->cluster_of[c] = (int32_t)c;
    }
    return DIFFCUT_OK;
}

static diffcut_status measure_photo(const diffcut_protocol *protocol, const diffcut_score_settings *settings,
                                    const measure_maps *maps, const measure_passes *p, bool named,
                                    diffcut_score_photo *photo, diffcut_diagnostics *diag) {
    uint64_t *bands = NULL;
    diffcut_status status = named ? take_names(protocol, &maps->prediction, photo, diag)
                                  : matching_find(protocol, &p->second, -1, photo->cluster_of, diag);
    if (status == DIFFCUT_OK) {
        status = find_classes(p, photo, diag);
    }
    if (status == DIFFCUT_OK && settings->boundary) {
        bands = mem_array_zero(photo->classes, 2 * sizeof *bands);
        status = bands == NULL ? diag_no_memory(diag, photo->classes * 2 * sizeof *bands, "comparing boundaries")
                               : measure_boundary(maps, settings, bands, bands + photo->classes, photo, diag);
    }
    if (status == DIFFCUT_OK) {
        count_classes(&p->second, bands, bands != NULL ? bands + photo->classes : NULL, photo);
        photo->pixels = (uint64_t)p->first.pixels;
        photo->segments = (uint32_t)p->first.segments;
        photo->ari = overlap_rand_index(&p->first);
        measure_derive(photo);
    }
    mem_free(bands);
    return status;
}

static diffcut_status check_input(const diffcut_protocol *protocol, const diffcut_labels *prediction,
                                  const diffcut_labels *truth, const void *out, const char *function,
                                  diffcut_diagnostics *diag) {
    if (protocol == NULL || prediction == NULL || truth == NULL || out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "%s: protocol, prediction, truth or out is NULL", function);
    }
    diffcut_status status = labels_check(prediction, function, diag);
    return status == DIFFCUT_OK ? labels_check(truth, function, diag) : status;
}

diffcut_status diffcut_score_measure(const diffcut_protocol *protocol, const diffcut_score_settings *settings,
                                     const diffcut_score_input *input, diffcut_score_photo *out,
                                     diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    diffcut_score_settings defaults;
    diffcut_score_settings_init(&defaults);
    settings = settings != NULL ? settings : &defaults;
    diffcut_score_photo photo = {0};
    measure_maps maps = {0};
    measure_passes passes = {0};
    if (input == NULL || input->name == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_score_measure: no input, or it has no name");
    }
    diffcut_status status =
        check_input(protocol, input->prediction, input->truth, out, "diffcut_score_measure", diag);
    if (status == DIFFCUT_OK) {
        status = measure_check_settings(settings, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    photo.name = mem_string(input->name);
    photo.classes = protocol->classes;
    photo.labels = input->prediction->count;
    photo.cluster_of = mem_array(photo.classes, sizeof *photo.cluster_of);
    photo.counts = mem_array(photo.classes, sizeof *photo.counts);
    if (photo.name == NULL || photo.cluster_of == NULL || photo.counts == NULL) {
        status = diag_no_memory(diag, photo.classes * sizeof *photo.counts, "a photo's counts");
    }
    if (status == DIFFCUT_OK) {
        status = bring_together(protocol, input->prediction, input->truth, settings->full_resolution, &maps, diag);
    }
    if (status == DIFFCUT_OK) {
        bool first_pass = protocol->background >= 0 && !input->background_merged && !input->named;
        status = run_passes(protocol, &maps, first_pass, &passes, diag);
    }
    if (status == DIFFCUT_OK) {
        status = measure_photo(protocol, settings, &maps, &passes, input->named, &photo, diag);
    }
    passes_free(&passes);
    maps_free(&maps);
    if (status != DIFFCUT_OK) {
        diffcut_score_photo_free(&photo);
        return status;
    }
    *out = photo;
    return DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- first pass */

diffcut_status diffcut_protocol_merge_background(const diffcut_protocol *protocol, const diffcut_labels *prediction,
                                                 const diffcut_labels *truth, diffcut_labels *out,
                                                 diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    measure_maps maps = {0};
    measure_passes passes = {0};
    diffcut_labels merged = {0};
    diffcut_status status = check_input(protocol, prediction, truth, out, "diffcut_protocol_merge_background", diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    status = bring_together(protocol, prediction, truth, false, &maps, diag);
    if (status == DIFFCUT_OK) {
        status = run_passes(protocol, &maps, protocol->background >= 0, &passes, diag);
    }
    if (status == DIFFCUT_OK) {
        status = diffcut_labels_create(prediction->width, prediction->height, prediction->data, &merged, diag);
    }
    if (status == DIFFCUT_OK) {
        size_t pixels = (size_t)merged.width * merged.height;
        for (size_t i = 0; i < pixels; i++) {
            int32_t segment = passes.first.segment_of[merged.data[i]];
            merged.data[i] = passes.second.label_of[passes.merged_into[segment]];
        }
        merged.count = passes.second.largest + 1;
        *out = merged;
    }
    passes_free(&passes);
    maps_free(&maps);
    return status;
}

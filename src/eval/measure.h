/*
 * measure.h - what the score and its files rely on of a measured photo. Made by measure.c; called by score.c and
 * score_photo_file.c.
 */
#ifndef DIFFCUT_EVAL_MEASURE_H
#define DIFFCUT_EVAL_MEASURE_H

#include "core/status.h"

#define MEASURE_MAX_PIXELS ((uint64_t)1 << 40) /* of a photo: sums over 2^19 such photos still fit in 2^59 */

/* DIFFCUT_ERROR_ARGUMENT with the field, value and range when one is out of range. */
diffcut_status measure_check_settings(const diffcut_score_settings *settings, diffcut_diagnostics *diag);

/* Sets the figures that follow from the counts: correct, miou, pixel_accuracy, boundary_iou and boundary_f. */
void measure_derive(diffcut_score_photo *photo);

/* 2 p r / (p + r); the share of a map without an edge is 1. */
double measure_boundary_f(uint64_t edges, uint64_t found, uint64_t truth_edges, uint64_t truth_found);

#endif

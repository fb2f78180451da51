/*
 * matching.h - which segment of a photo stands for which class. Called by measure.c.
 */
#ifndef DIFFCUT_EVAL_MATCHING_H
#define DIFFCUT_EVAL_MATCHING_H

#include "eval/overlap.h"
#include "eval/protocol.h"

/* label_of_class: (classes) label of the segment that each class takes, -1: none. The matching with the most pixels
 * in common; all classes but `without` (-1: none) take part.
 *
 * The published code's (protocol->reference): every class takes a label, whether it is in the photo or not, also
 * labels that do not occur. Otherwise only what shares a pixel is matched. */
diffcut_status matching_find(const diffcut_protocol *protocol, const overlap *o, int32_t without,
                             int32_t *label_of_class, diffcut_diagnostics *diag);

/* The first pass: keep (segments) is false for segments that stand for no class but the background. */
diffcut_status matching_keep(const diffcut_protocol *protocol, const overlap *o, bool *keep,
                             diffcut_diagnostics *diag);

#endif

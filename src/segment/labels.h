/*
 * labels.h - what everything that walks a label map relies on. Called by the encoders of io/ and by segment/.
 */
#ifndef DIFFCUT_SEGMENT_LABELS_H
#define DIFFCUT_SEGMENT_LABELS_H

#include "core/status.h"

/* DIFFCUT_ERROR_ARGUMENT when the map is NULL or empty, or holds a label that is not below its count (the message has
 * the pixel). `function` is the public function's name. */
diffcut_status labels_check(const diffcut_labels *labels, const char *function, diffcut_diagnostics *diag);

#endif

/*
 * overlay.h - the overlay's parts, for pictures that have more on them: see overlay.c. Called by draw/names_picture.
 */
#ifndef DIFFCUT_IO_OVERLAY_H
#define DIFFCUT_IO_OVERLAY_H

#include "core/status.h"

/* Labels of the image's size, an opacity in its range; caller is named in the message. */
diffcut_status overlay_check(const char *caller, const diffcut_image *image, const diffcut_labels *labels,
                             const diffcut_overlay_settings *settings, diffcut_diagnostics *diag);

/* The photo under its labels into rgb (height, width, 3). colors: (labels->count, 3). All is checked. */
diffcut_status overlay_paint(const diffcut_image *image, const diffcut_labels *labels, const uint8_t *colors,
                             const diffcut_overlay_settings *settings, uint8_t *rgb, diffcut_diagnostics *diag);

#endif

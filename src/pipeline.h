/* pipeline.h - what the public entry points of several files share. Called by pipeline.c, pipeline_cut.c, methods.c.
 */
#ifndef DIFFCUT_PIPELINE_H
#define DIFFCUT_PIPELINE_H

#include "core/status.h"

/* The network's input size for a photo, by the settings' size fields: a multiple of `multiple`, or of the first
 * stage's factor where the settings name the size itself. */
diffcut_status pipeline_input_size(const diffcut_image *image, const diffcut_settings *settings, uint32_t multiple,
                                   uint32_t factor, uint32_t *width, uint32_t *height, diffcut_diagnostics *diag);

/* DIFFCUT_ERROR_ARGUMENT where the image is NULL or empty, or the output NULL. */
diffcut_status pipeline_check_image(const diffcut_image *image, diffcut_diagnostics *diag);
diffcut_status pipeline_check_output(const void *out, diffcut_diagnostics *diag);

#endif

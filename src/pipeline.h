/* pipeline.h - what the public entry points outside of pipeline.c share with it. Called by methods.c. */
#ifndef DIFFCUT_PIPELINE_H
#define DIFFCUT_PIPELINE_H

#include "core/status.h"

/* The network's input size for a photo, by the settings' size fields: a multiple of `multiple`, or of the first
 * stage's factor where the settings name the size itself. */
diffcut_status pipeline_input_size(const diffcut_image *image, const diffcut_settings *settings, uint32_t multiple,
                                   uint32_t factor, uint32_t *width, uint32_t *height, diffcut_diagnostics *diag);

#endif

/* concatenate.h - feature maps of several hooks as one: side by side in channels, on the finest grid. Called by
 * nn/encode. */
#ifndef DIFFCUT_NN_CONCATENATE_H
#define DIFFCUT_NN_CONCATENATE_H

#include "core/work.h"
#include "nn/unet.h"

/* The one with the most positions, the first on ties. count is at least 1. */
size_t concatenate_finest(const unet_features *parts, size_t count);

/* out (h, w, sum of c) on the finest part's grid; coarser parts are brought there bilinearly (half-pixel centres).
 * The caller frees out->data with mem_free. */
diffcut_status concatenate_features(const unet_features *parts, size_t count, unet_features *out,
                                    diffcut_diagnostics *diag);

#endif

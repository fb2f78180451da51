/*
 * shrink.h - a photo at another size, each pixel the mean of those it covers: for previews.
 *
 * Called by render.c.
 */
#ifndef DIFFCUT_TOOLS_SERVE_SHRINK_H
#define DIFFCUT_TOOLS_SERVE_SHRINK_H

#include "diffcut/diffcut.h"

/* False without memory; out->rgb is freed with free(). Enlarging repeats the nearest pixel. */
bool shrink_image(const diffcut_image *image, uint32_t width, uint32_t height, diffcut_image *out);

#endif

/*
 * palette.h - the colours of many labels at once. Called by palette.c (label PNG) and overlay.c.
 */
#ifndef DIFFCUT_IO_PALETTE_H
#define DIFFCUT_IO_PALETTE_H

#include "core/status.h"

/* rgb: (count, 3), the colours of labels 0 .. count-1; NULL when there is no memory. Freed by mem_free. */
uint8_t *palette_colors(uint32_t count, diffcut_diagnostics *diag);

#endif

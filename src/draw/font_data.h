/*
 * font_data.h - the font's file (fonts/sans.outline), built in by the build. Called by font.c.
 */
#ifndef DIFFCUT_DRAW_FONT_DATA_H
#define DIFFCUT_DRAW_FONT_DATA_H

#include "core/embedded.h"

extern const embedded_file font_files[];
extern const size_t font_files_count;

#endif

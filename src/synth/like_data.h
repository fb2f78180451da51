/*
 * like_data.h - the published configurations (like/NAME.json), built in by the build. Called by like.c.
 */
#ifndef DIFFCUT_SYNTH_LIKE_DATA_H
#define DIFFCUT_SYNTH_LIKE_DATA_H

#include "core/embedded.h"

extern const embedded_file like_recipes[];
extern const size_t like_recipes_count;

#endif

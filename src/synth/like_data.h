/*
 * like_data.h - the published configurations (like/NAME.json), built in by the build. Called by like.c.
 */
#ifndef DIFFCUT_SYNTH_LIKE_DATA_H
#define DIFFCUT_SYNTH_LIKE_DATA_H

#include <stddef.h>

extern const struct like_recipe {
    const char *name; /* "ssd-1b" */
    const unsigned char *text;
    size_t size;
} like_recipes[];
extern const size_t like_recipe_count;

#endif

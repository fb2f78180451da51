/*
 * vocabulary_data.h - the benchmarks' class lists (lists/NAME.txt) and the templates (templates/vild.txt), built in
 * by the build. Called by vocabulary.c and templates.c.
 */
#ifndef DIFFCUT_VOCABULARY_VOCABULARY_DATA_H
#define DIFFCUT_VOCABULARY_VOCABULARY_DATA_H

#include "core/embedded.h"

extern const embedded_file vocabulary_files[];
extern const size_t vocabulary_files_count;

extern const embedded_file template_files[];
extern const size_t template_files_count;

#endif

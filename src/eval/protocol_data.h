/*
 * protocol_data.h - the benchmarks' class lists (protocols/NAME.json), built in by the build. Called by protocol.c.
 */
#ifndef DIFFCUT_EVAL_PROTOCOL_DATA_H
#define DIFFCUT_EVAL_PROTOCOL_DATA_H

#include "core/embedded.h"

extern const embedded_file protocol_files[];
extern const size_t protocol_files_count;

#endif

/*
 * protocol_data.h - the benchmarks' class lists (protocols/NAME.json), built in by the build. Called by protocol.c.
 */
#ifndef DIFFCUT_EVAL_PROTOCOL_DATA_H
#define DIFFCUT_EVAL_PROTOCOL_DATA_H

#include <stddef.h>

extern const struct protocol_file {
    const char *name; /* "voc" */
    const unsigned char *text;
    size_t size;
} protocol_files[];
extern const size_t protocol_file_count;

#endif

/*
 * embedded.h - a data file of the tree, built in by the build (diffcut_embed in src/CMakeLists.txt).
 * Called by synth/like and eval/protocol.
 */
#ifndef DIFFCUT_CORE_EMBEDDED_H
#define DIFFCUT_CORE_EMBEDDED_H

#include <stddef.h>

typedef struct embedded_file {
    const char *name; /* without its ending: "voc" */
    const unsigned char *text;
    size_t size;
} embedded_file;

#endif

/*
 * files.h - the page's files and the sample photos, built into the command (tools/serve/CMakeLists.txt).
 *
 * Called by routes.c and info.c.
 */
#ifndef DIFFCUT_TOOLS_SERVE_FILES_H
#define DIFFCUT_TOOLS_SERVE_FILES_H

#include <stddef.h>

typedef struct served_file {
    const char *name; /* "app.js" */
    const unsigned char *begin, *end;
} served_file;

/* NULL-ended. */
extern const served_file files_page[];
extern const served_file files_samples[];
extern const served_file files_openapi[]; /* openapi.json */

/* The file of a name, or NULL. */
const served_file *files_find(const served_file *list, const char *name);
/* Its Content-Type, by the name's ending. */
const char *files_type(const char *name);

#endif

/*
 * cache_folder.h - where the command keeps what can be made again. Called by eval and naming.c.
 */
#ifndef DIFFCUT_TOOLS_CACHE_FOLDER_H
#define DIFFCUT_TOOLS_CACHE_FOLDER_H

#include "text.h"

/* `given`, or when it is NULL $XDG_CACHE_HOME/diffcut/KIND, else ~/.cache/diffcut/KIND. False where there is none. */
bool cache_folder(const char *given, const char *kind, text *out);

#endif

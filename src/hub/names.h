/*
 * names.h - names that come from a person or a server, checked before a path or an address is made of them. Those of
 * models and revisions are model/hub_cache's. Called by all of hub/.
 */
#ifndef DIFFCUT_HUB_NAMES_H
#define DIFFCUT_HUB_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* True for a path that stays inside the folder it is put under: parts between single slashes, none of them "." or
 * "..", without backslashes and control characters, at most 1024 bytes with parts of at most 255. */
bool names_is_relative(const char *path);

/* True for `length` lower-case hexadecimal digits and nothing more. */
bool names_is_hex(const char *text, size_t length);

#endif

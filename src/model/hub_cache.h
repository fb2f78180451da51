/*
 * hub_cache.h - where the Hugging Face cache lies and how a model is filed in it, so that what Python downloaded is
 * found here and what `diffcut model pull` downloaded is found by Python.
 *
 *   ROOT/models--ORG--NAME/refs/main             text: the commit that the name stands for
 *   ROOT/models--ORG--NAME/blobs/HASH            the content of a file
 *   ROOT/models--ORG--NAME/snapshots/COMMIT/...  relative links to blobs, under the files' own names
 *   ROOT/.locks/models--ORG--NAME/HASH.lock      flock()ed while a blob is being downloaded
 *
 * Nothing here writes or asks the network. Called by model/checkpoint and hub/.
 */
#ifndef DIFFCUT_MODEL_HUB_CACHE_H
#define DIFFCUT_MODEL_HUB_CACHE_H

#include "core/status.h"

/* True for ORG/NAME as the hub allows it: two parts of letters, digits, '.', '_' and '-', each 1 to 96 bytes,
 * starting and ending with none of ".-", without ".." or "--". */
bool hub_cache_is_name(const char *name);

/* True for a path that stays inside the folder it is put under: parts between single slashes, none of them "." or
 * "..", without backslashes and control characters, at most 1024 bytes with parts of at most 255. Names of revisions
 * and of a repository's files. */
bool hub_cache_is_relative(const char *path);

/* True for `length` lower-case hexadecimal digits and nothing more. */
bool hub_cache_is_hex(const char *text, size_t length);

/* The Hugging Face home: $HF_HOME, else $XDG_CACHE_HOME/huggingface, else ~/.cache/huggingface. The caller frees
 * *path with mem_free, here and below. */
diffcut_status hub_cache_home(char **path, diffcut_diagnostics *diag);
/* The cache's root: $HF_HUB_CACHE, else $HUGGINGFACE_HUB_CACHE, else hub/ in the home. Neither need exist. */
diffcut_status hub_cache_root(char **path, diffcut_diagnostics *diag);

/* root/models--ORG--NAME; the name has been checked. It need not exist. */
diffcut_status hub_cache_model_folder(const char *root, const char *name, char **path, diffcut_diagnostics *diag);

/* The folder of a model's files in the cache. revision is a branch, a tag or a commit; NULL is "main". root NULL is
 * hub_cache_root's. DIFFCUT_ERROR_IO, saying how to get it, when it is not there. */
diffcut_status hub_cache_snapshot(const char *root, const char *name, const char *revision, char **path,
                                  diffcut_diagnostics *diag);

#endif

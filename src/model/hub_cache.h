/*
 * hub_cache.h - where the Hugging Face cache lies, and a model's files in it.
 *
 * The layout is huggingface_hub's: ROOT/models--ORG--NAME/refs/REVISION holds a commit, snapshots/COMMIT/ the files
 * as links into blobs/. Nothing is created here. Called by model/checkpoint and by what downloads into the cache.
 */
#ifndef DIFFCUT_MODEL_HUB_CACHE_H
#define DIFFCUT_MODEL_HUB_CACHE_H

#include "core/status.h"

#define HUB_NAME_SIZE 200     /* of "org/name" */
#define HUB_REVISION_SIZE 200 /* of a branch, tag or commit */

/* "org/name", perhaps with "@revision". */
typedef struct hub_name {
    char name[HUB_NAME_SIZE];
    char revision[HUB_REVISION_SIZE]; /* "main" when none is given */
    bool given;                       /* a revision is */
} hub_name;

/* False for what is no such name: another number of slashes, empty parts, "..", what a file system may not take. */
bool hub_name_parse(const char *text, hub_name *out);

/* The cache's folder: $HF_HUB_CACHE, $HUGGINGFACE_HUB_CACHE, $HF_HOME/hub, $XDG_CACHE_HOME/huggingface/hub,
 * ~/.cache/huggingface/hub, the first that is set. DIFFCUT_ERROR_IO when none is. */
diffcut_status hub_cache_root(char *path, size_t size, diffcut_diagnostics *diag);
/* ROOT/models--ORG--NAME. */
diffcut_status hub_cache_model(const hub_name *name, char *path, size_t size, diffcut_diagnostics *diag);
/* The snapshot's folder. DIFFCUT_ERROR_IO says where was looked and how to get the model. */
diffcut_status hub_cache_snapshot(const hub_name *name, char *path, size_t size, diffcut_diagnostics *diag);

/* From a path .../models--ORG--NAME/snapshots/COMMIT, "ORG/NAME"; false for other paths. */
bool hub_cache_name_of(const char *path, char *name, size_t size);

#endif

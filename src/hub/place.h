/*
 * place.h - the folder of a model in the Hugging Face cache, written to (see model/hub_cache.h for its form).
 *
 * Everything below the model's folder is reached through open folders, step by step and following no link, so that
 * neither what a server says nor what lies in the cache can lead a write out of it. Called by hub/pull and
 * hub/transfer.
 */
#ifndef DIFFCUT_HUB_PLACE_H
#define DIFFCUT_HUB_PLACE_H

#include "core/status.h"

#define PLACE_PARTIAL_SIZE 80 /* bytes of a blob's name with its ending, and the NUL */

typedef struct place {
    char *root;   /* the cache */
    char *folder; /* root/models--ORG--NAME */
    int model;    /* descriptors of folders; -1 where not open */
    int blobs;
    int locks; /* root/.locks/models--ORG--NAME */
} place;

/* Opens the model's folder in root. With create false nothing is made, and a folder that is not there is no failure:
 * the place is then empty. */
diffcut_status place_open(const char *root, const char *name, bool create, place *out, diffcut_diagnostics *diag);
void place_close(place *self);

/* True when the blob is there, whole as far as its size tells (UINT64_MAX: not known). */
bool place_has_blob(const place *self, const char *hash, uint64_t size);
/* Bytes of the blob's part that was downloaded already; 0 where there is none. */
uint64_t place_partial_bytes(const place *self, const char *hash);

/* Takes the blob's lock, which other processes, Python's included, respect too. *lock is a descriptor for
 * place_unlock, or -1 with DIFFCUT_OK when somebody else has it. */
diffcut_status place_try_lock(const place *self, const char *hash, int *lock, diffcut_diagnostics *diag);
void place_unlock(int lock);

/* Opens the partial blob for reading and writing, made if it is not there. The lock is held. */
diffcut_status place_open_partial(const place *self, const char *hash, int *descriptor, diffcut_diagnostics *diag);
void place_remove_partial(const place *self, const char *hash);
/* The partial one, whole and checked, becomes the blob. Closes nothing. */
diffcut_status place_finish_blob(const place *self, const char *hash, int descriptor, diffcut_diagnostics *diag);

/* snapshots/COMMIT/path becomes a link to the blob. */
diffcut_status place_link(const place *self, const char *commit, const char *path, const char *hash,
                          diffcut_diagnostics *diag);
/* refs/REVISION becomes the commit. */
diffcut_status place_refer(const place *self, const char *revision, const char *commit, diffcut_diagnostics *diag);

/* What the disk has left, in bytes; UINT64_MAX where that cannot be told. */
uint64_t place_free_bytes(const place *self);

#endif

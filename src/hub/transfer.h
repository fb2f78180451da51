/*
 * transfer.h - one file from the hub into the cache: resumed, checked, or not there at all.
 *
 * The bytes go to blobs/HASH.incomplete under the blob's lock; where a part lies there already, only the rest is
 * asked for. Whole and of the right size and hash it takes the blob's name. A break leaves the part for the next
 * time; a wrong hash removes it. Called by hub/pull.
 */
#ifndef DIFFCUT_HUB_TRANSFER_H
#define DIFFCUT_HUB_TRANSFER_H

#include "hub/http.h"
#include "hub/place.h"

typedef struct transfer_job {
    const char *url;
    const char *path; /* in the repository, for messages */
    const char *hash; /* 64 digits: SHA-256; 40: git's SHA-1 of a blob */
    uint64_t size;    /* UINT64_MAX: not known */
} transfer_job;

/* What a transfer tells while it works. */
typedef struct transfer_hooks {
    void (*bytes)(void *user, uint64_t done);   /* of this file so far; may go back after a fault */
    void (*waiting)(void *user);                /* another process downloads the file: once */
    void (*fault)(void *user, const char *why); /* something went wrong and is made good: told as a remark */
    diffcut_status (*refused)(void *user, const http_answer *answer, const char *path,
                              diffcut_diagnostics *diag); /* words for an answer that is no 200 or 206 */
    int (*tick)(void *user);                              /* non-zero cancels */
    void *user;
} transfer_hooks;

/* Afterwards the blob is there. *received is how many bytes came over the network. */
diffcut_status transfer_file(http_client *client, const place *where, const transfer_job *job,
                             const transfer_hooks *hooks, uint64_t *received, diffcut_diagnostics *diag);

#endif

/*
 * listing.h - what a repository of the hub holds at a revision: the answer of
 * GET /api/models/ORG/NAME/revision/REVISION?blobs=true, checked.
 *
 *   {"sha": COMMIT, "cardData": {"license": ...}, "siblings": [{"rfilename": PATH, "size": BYTES, "blobId": GIT HASH,
 *    "lfs": {"sha256": HASH, "size": BYTES}}, ...], ...}
 *
 * The answer comes from outside: a commit that is none, a path that would leave its folder, a hash that is no hash or
 * the same path twice refuse the whole of it. Called by hub/pull.
 */
#ifndef DIFFCUT_HUB_LISTING_H
#define DIFFCUT_HUB_LISTING_H

#include "io/json.h"

#define LISTING_MAX_FILES 20000
#define LISTING_MAX_BYTES ((size_t)8 << 20)  /* of the answer */
#define LISTING_MAX_FILE ((uint64_t)1 << 42) /* bytes: 4 TiB */
#define LISTING_HASH_SIZE 65                 /* 64 or 40 hexadecimal digits and the NUL */
#define LISTING_NOT_SAID UINT64_MAX          /* a size that the server left out */

typedef struct listing_file {
    const char *path;             /* belongs to the listing */
    uint64_t size;                /* bytes, or LISTING_NOT_SAID */
    char hash[LISTING_HASH_SIZE]; /* 64 digits: SHA-256; 40: git's SHA-1 of a blob; empty: not said */
} listing_file;

typedef struct listing {
    json_document document;
    char commit[41];
    const char *license; /* its identifier; NULL where the repository names none */
    listing_file *files; /* by path, ascending */
    size_t count;
} listing;

/* name is what messages call the answer; it must outlive the listing. */
diffcut_status listing_parse(const void *data, size_t size, const char *name, listing *out,
                             diffcut_diagnostics *diag);
void listing_free(listing *self);

/* The file's place in files, or SIZE_MAX. */
size_t listing_find(const listing *self, const char *path);

#endif

/*
 * hash.h - SHA-256 and SHA-1 (FIPS 180-4), to check what was downloaded.
 *
 * The hub names large files by the SHA-256 of their bytes and small ones as git names a blob: the SHA-1 of
 * "blob SIZE", a NUL and the bytes. SHA-1 is here because git chose it; it guards against accidents, not forgers, and
 * the weights are all large files. Called by hub/transfer.
 */
#ifndef DIFFCUT_HUB_HASH_H
#define DIFFCUT_HUB_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HASH_BLOCK 64 /* bytes, of both */

typedef enum hash_kind { HASH_SHA1 = 20, HASH_SHA256 = 32 } hash_kind; /* the value: bytes of a digest */

typedef struct hash {
    hash_kind kind;
    uint32_t state[8];
    uint64_t bytes; /* hashed so far */
    uint8_t block[HASH_BLOCK];
} hash;

#define HASH_TEXT_SIZE (2 * (size_t)HASH_SHA256 + 1) /* of the longest digest in hexadecimal, with its NUL */

void hash_start(hash *h, hash_kind kind);
/* SHA-1 of a git blob of this many bytes. */
void hash_start_git_blob(hash *h, uint64_t size);
void hash_add(hash *h, const void *data, size_t size);
/* The digest in lower-case hexadecimal. h must be started again before it is used again. */
void hash_finish(hash *h, char text[HASH_TEXT_SIZE]);

#endif

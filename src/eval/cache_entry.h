/*
 * cache_entry.h - a cache's file: a header of 64 bytes and the features, as little-endian float32.
 *
 *   0  "DCFEAT1\n"   8  the key's 32 bytes   40  height, width, channels: uint32 each   52  0   56  checksum: uint64
 *
 * The checksum is over all bytes but its own: it finds what a crash, a full disk or a bad sector left. Called by
 * eval/cache.
 */
#ifndef DIFFCUT_EVAL_CACHE_ENTRY_H
#define DIFFCUT_EVAL_CACHE_ENTRY_H

#include "core/status.h"

#define CACHE_HEADER_BYTES 64

/* The file's bytes; the caller frees *file with mem_free. */
diffcut_status cache_entry_encode(const diffcut_cache_key *key, const diffcut_features *features, uint8_t **file,
                                  size_t *size, diffcut_diagnostics *diag);

/* DIFFCUT_ERROR_FORMAT when the bytes are no whole entry of this key. */
diffcut_status cache_entry_decode(const diffcut_cache_key *key, const uint8_t *file, size_t size,
                                  diffcut_features **out, diffcut_diagnostics *diag);

/* 64 bits that depend on every byte: four lanes of multiply, rotate and xor, as fast as memory. */
uint64_t cache_checksum(const uint8_t *data, size_t size, uint64_t seed);

#endif

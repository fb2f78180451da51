/*
 * tokenizer_vocabulary.h - a byte-level BPE vocabulary: which ids single bytes have, and which neighbours merge.
 *
 * Read from vocab.json (text of a token: its id) and merges.txt (two tokens a line, the most wanted pair first). In
 * their texts a byte is written as a printable character (GPT-2's table), and the end of a word as "</w>". Texts are
 * only needed while reading: afterwards a word is a row of ids and a merge is two ids that become one. Called by
 * nn/tokenizer.
 */
#ifndef DIFFCUT_NN_TOKENIZER_VOCABULARY_H
#define DIFFCUT_NN_TOKENIZER_VOCABULARY_H

#include "io/json.h"

#define VOCABULARY_MAX_IDS 1048576

typedef struct vocabulary_merge {
    uint32_t left, right; /* ids */
    uint32_t rank;        /* 0 is merged first */
    uint32_t result;
} vocabulary_merge;

typedef struct vocabulary {
    uint32_t bytes[256];      /* id of a byte within a word */
    uint32_t last_bytes[256]; /* of a byte that ends it */
    vocabulary_merge *merges; /* open addressing; a free slot has left == VOCABULARY_MAX_IDS */
    size_t slots;             /* a power of two, more than the merges */
} vocabulary;

/* The files' contents: ids is vocab.json's root, merges the size bytes of the file that messages call merges_name.
 * DIFFCUT_ERROR_FORMAT or _MODEL names the line, or the token that vocab.json lacks. */
diffcut_status vocabulary_read(json_view ids, const char *merges, size_t size, const char *merges_name,
                               vocabulary *out, diffcut_diagnostics *diag);
void vocabulary_free(vocabulary *self);

/* NULL when these two do not merge. */
const vocabulary_merge *vocabulary_find(const vocabulary *self, uint32_t left, uint32_t right);

#endif

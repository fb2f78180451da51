/* tokenizer_vocabulary.c - see tokenizer_vocabulary.h. */
#include "nn/tokenizer_vocabulary.h"

#include "core/memory.h"
#include "nn/unicode.h"

#include <stdio.h>
#include <string.h>

#define WORD_END "</w>"
#define TOKEN_SIZE 1024 /* bytes of a token's text with its end, at most; CLIP's longest has under 100 */
#define FREE_SLOT VOCABULARY_MAX_IDS

static diffcut_status id_of(json_view ids, const char *text, uint32_t *id, diffcut_diagnostics *diag) {
    return json_get_uint(ids, text, NULL, 0, VOCABULARY_MAX_IDS - 1, id, diag);
}

/* The printable character that stands for a byte: itself where Latin-1 has one, the others in order from U+0100. */
static uint32_t byte_symbol(unsigned byte) {
    uint32_t others = 0;
    for (unsigned b = 0; b <= byte; b++) {
        bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
        if (b == byte) {
            return printable ? b : 0x100 + others;
        }
        others += printable ? 0 : 1;
    }
    return 0;
}

static diffcut_status read_bytes(json_view ids, vocabulary *self, diffcut_diagnostics *diag) {
    for (unsigned byte = 0; byte < 256; byte++) {
        char text[4 + sizeof WORD_END];
        size_t length = unicode_encode(byte_symbol(byte), text);
        text[length] = '\0';
        diffcut_status status = id_of(ids, text, &self->bytes[byte], diag);
        if (status == DIFFCUT_OK) {
            memcpy(text + length, WORD_END, sizeof WORD_END);
            status = id_of(ids, text, &self->last_bytes[byte], diag);
        }
        if (status != DIFFCUT_OK) {
            return status;
        }
    }
    return DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- merges */

/* Spreads two ids over the slots (the multiplier is 2^64 / golden ratio: Knuth's multiplicative hashing). */
static size_t slot_of(const vocabulary *self, uint32_t left, uint32_t right) {
    uint64_t key = ((uint64_t)left << 32 | right) * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(key >> 32) & (self->slots - 1);
}

/* The slot that holds these two, or the free one where they would go. */
static vocabulary_merge *probe(const vocabulary *self, uint32_t left, uint32_t right) {
    size_t slot = slot_of(self, left, right);
    while (self->merges[slot].left != FREE_SLOT &&
           (self->merges[slot].left != left || self->merges[slot].right != right)) {
        slot = (slot + 1) & (self->slots - 1);
    }
    return &self->merges[slot];
}

const vocabulary_merge *vocabulary_find(const vocabulary *self, uint32_t left, uint32_t right) {
    const vocabulary_merge *found = probe(self, left, right);
    return found->left == FREE_SLOT ? NULL : found;
}

/* One line, without its end. */
static diffcut_status read_merge(json_view ids, const char *line, size_t length, const char *where, uint32_t rank,
                                 vocabulary *self, diffcut_diagnostics *diag) {
    const char *space = memchr(line, ' ', length);
    size_t left_length = space != NULL ? (size_t)(space - line) : 0;
    size_t right_length = space != NULL ? length - left_length - 1 : 0;
    bool more = right_length > 0 && memchr(space + 1, ' ', right_length) != NULL;
    if (left_length == 0 || right_length == 0 || more || length >= TOKEN_SIZE || memchr(line, '\0', length) != NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: not two tokens with a space between them", where);
    }
    char left[TOKEN_SIZE];
    char right[TOKEN_SIZE];
    char result[TOKEN_SIZE];
    (void)snprintf(left, sizeof left, "%.*s", (int)left_length, line);
    (void)snprintf(right, sizeof right, "%.*s", (int)right_length, space + 1);
    (void)snprintf(result, sizeof result, "%.*s%.*s", (int)left_length, line, (int)right_length, space + 1);
    vocabulary_merge merge = {.rank = rank};
    diffcut_status status = id_of(ids, left, &merge.left, diag);
    if (status == DIFFCUT_OK) {
        status = id_of(ids, right, &merge.right, diag);
    }
    if (status == DIFFCUT_OK) {
        status = id_of(ids, result, &merge.result, diag);
    }
    if (status != DIFFCUT_OK) {
        return diag_prefix(diag, status, where);
    }
    vocabulary_merge *slot = probe(self, merge.left, merge.right);
    if (slot->left != FREE_SLOT) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: this merge is there already", where);
    }
    *slot = merge;
    return DIFFCUT_OK;
}

static diffcut_status read_merges(json_view ids, const char *merges, size_t size, const char *name, vocabulary *self,
                                  diffcut_diagnostics *diag) {
    uint32_t rank = 0;
    size_t number = 0;
    for (size_t at = 0; at < size;) {
        const char *line = merges + at;
        const char *end = memchr(line, '\n', size - at);
        size_t length = end != NULL ? (size_t)(end - line) : size - at;
        at += length + 1;
        number++;
        length -= length > 0 && line[length - 1] == '\r' ? 1 : 0;
        /* The first line is "#version: 0.2"; '#' is also a token, so only there. */
        if (length == 0 || (number == 1 && length > 8 && memcmp(line, "#version", 8) == 0)) {
            continue;
        }
        char where[128];
        (void)snprintf(where, sizeof where, "%.90s: line %zu", name, number);
        diffcut_status status = read_merge(ids, line, length, where, rank, self, diag);
        if (status != DIFFCUT_OK) {
            return status;
        }
        rank++;
    }
    return DIFFCUT_OK;
}

/* Room for a merge a line, at most half full. */
static diffcut_status make_slots(const char *merges, size_t size, const char *name, vocabulary *self,
                                 diffcut_diagnostics *diag) {
    size_t lines = 1;
    for (size_t i = 0; i < size; i++) {
        lines += merges[i] == '\n' ? 1 : 0;
    }
    if (lines > VOCABULARY_MAX_IDS) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "%s: %zu lines, at most %d are read", name, lines,
                         VOCABULARY_MAX_IDS);
    }
    self->slots = 2;
    while (self->slots < 2 * lines) {
        self->slots *= 2;
    }
    self->merges = mem_array(self->slots, sizeof *self->merges);
    if (self->merges == NULL) {
        return diag_no_memory(diag, self->slots * sizeof *self->merges, "a tokenizer's merges");
    }
    for (size_t i = 0; i < self->slots; i++) {
        self->merges[i].left = FREE_SLOT;
    }
    return DIFFCUT_OK;
}

diffcut_status vocabulary_read(json_view ids, const char *merges, size_t size, const char *merges_name,
                               vocabulary *out, diffcut_diagnostics *diag) {
    vocabulary self = {.merges = NULL};
    diffcut_status status = read_bytes(ids, &self, diag);
    if (status == DIFFCUT_OK) {
        status = make_slots(merges, size, merges_name, &self, diag);
    }
    if (status == DIFFCUT_OK) {
        status = read_merges(ids, merges, size, merges_name, &self, diag);
    }
    if (status != DIFFCUT_OK) {
        vocabulary_free(&self);
        return status;
    }
    *out = self;
    return DIFFCUT_OK;
}

void vocabulary_free(vocabulary *self) {
    mem_free(self->merges);
    *self = (vocabulary){.merges = NULL};
}

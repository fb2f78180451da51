/* tokenizer.c - see tokenizer.h. */
#include "nn/tokenizer.h"

#include "core/memory.h"
#include "nn/tokenizer_clean.h"
#include "nn/tokenizer_vocabulary.h"
#include "nn/unicode.h"

#include <string.h>

#define NO_MERGE UINT32_MAX
/* Code points that one may become before it is split into words. */
#define GROWTH (UNICODE_NFC_GROWTH * UNICODE_LOWER_GROWTH)
_Static_assert(GROWTH >= TOKENIZER_CLEAN_GROWTH, "one buffer serves both rules");

/* A special token, ready to be looked for. */
typedef struct special {
    uint32_t text[TOKENIZER_SPECIAL_SIZE * GROWTH];
    size_t count;
    uint32_t id;
    bool normalized;
} special;

struct tokenizer {
    vocabulary words;
    special specials[TOKENIZER_ROLES];
    uint32_t length;
};

/* Normalization of transformers' rules; returns the new length. scratch has room for count * UNICODE_NFC_GROWTH, out
 * for count * GROWTH. */
static size_t normalize(const uint32_t *text, size_t count, uint32_t *scratch, uint32_t *out) {
    return unicode_lower(scratch, unicode_nfc(text, count, scratch), out);
}

/* ------------------------------------------------------------------------------------------------- life */

static diffcut_status make_special(const tokenizer_special *given, json_view ids, special *out,
                                   diffcut_diagnostics *diag) {
    uint32_t raw[TOKENIZER_SPECIAL_SIZE];
    uint32_t scratch[TOKENIZER_SPECIAL_SIZE * UNICODE_NFC_GROWTH];
    size_t count = 0;
    for (size_t at = 0; given->text[at] != '\0';) {
        if (!unicode_decode(given->text, &at, &raw[count])) {
            return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: a special token is not UTF-8", ids.file);
        }
        count++;
    }
    out->normalized = given->normalized;
    if (given->normalized) {
        out->count = normalize(raw, count, scratch, out->text);
    } else {
        memcpy(out->text, raw, count * sizeof *raw);
        out->count = count;
    }
    return json_get_uint(ids, given->text, NULL, 0, VOCABULARY_MAX_IDS - 1, &out->id, diag);
}

diffcut_status tokenizer_open(const tokenizer_config *config, json_view ids, const char *merges, size_t size,
                              const char *merges_name, tokenizer **out, diffcut_diagnostics *diag) {
    tokenizer *self = mem_array_zero(1, sizeof *self);
    if (self == NULL) {
        return diag_no_memory(diag, sizeof *self, "a tokenizer");
    }
    self->length = config->length;
    diffcut_status status = DIFFCUT_OK;
    for (size_t role = 0; role < TOKENIZER_ROLES && status == DIFFCUT_OK; role++) {
        status = make_special(&config->specials[role], ids, &self->specials[role], diag);
    }
    if (status == DIFFCUT_OK) {
        status = vocabulary_read(ids, merges, size, merges_name, &self->words, diag);
    }
    if (status != DIFFCUT_OK) {
        tokenizer_close(self);
        return status;
    }
    *out = self;
    return DIFFCUT_OK;
}

void tokenizer_close(tokenizer *self) {
    if (self != NULL) {
        vocabulary_free(&self->words);
        mem_free(self);
    }
}

bool tokenizer_encode_nothing(const tokenizer_config *config, uint32_t *ids) {
    const char *pad = config->specials[ROLE_PAD].text;
    bool pads_with_end = strcmp(pad, TOKENIZER_EOS) == 0;
    if (!pads_with_end && strcmp(pad, "!") != 0) {
        return false;
    }
    if (strcmp(config->specials[ROLE_BOS].text, TOKENIZER_BOS) != 0 ||
        strcmp(config->specials[ROLE_EOS].text, TOKENIZER_EOS) != 0) {
        return false;
    }
    for (uint32_t i = 0; i < config->length; i++) {
        ids[i] = i == 0 ? TOKENIZER_BOS_ID : i == 1 || pads_with_end ? TOKENIZER_EOS_ID : 0;
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------- words */

/* One text on its way to ids. */
typedef struct encoding {
    const tokenizer *self;
    uint32_t *ids; /* between the beginning's and the end's */
    size_t count, room;
    bool cut;
    uint32_t *symbols; /* of the word at work; a byte each at first */
    uint32_t *ranks;   /* of the merge of a symbol with the next one */
} encoding;

static void append(encoding *e, uint32_t id) {
    if (e->count == e->room) {
        e->cut = true;
    } else {
        e->ids[e->count++] = id;
    }
}

static uint32_t merge_rank(const encoding *e, size_t at) {
    const vocabulary_merge *merge = vocabulary_find(&e->self->words, e->symbols[at], e->symbols[at + 1]);
    return merge != NULL ? merge->rank : NO_MERGE;
}

/* Merges the symbols at `best` and after it; returns how many symbols are left. */
static size_t merge_at(encoding *e, size_t best, size_t count) {
    e->symbols[best] = vocabulary_find(&e->self->words, e->symbols[best], e->symbols[best + 1])->result;
    memmove(e->symbols + best + 1, e->symbols + best + 2, (count - best - 2) * sizeof *e->symbols);
    memmove(e->ranks + best, e->ranks + best + 1, (count - best - 2) * sizeof *e->ranks);
    count--;
    if (best > 0) {
        e->ranks[best - 1] = merge_rank(e, best - 1);
    }
    if (best + 1 < count) {
        e->ranks[best] = merge_rank(e, best);
    }
    return count;
}

static void encode_word(encoding *e, const uint32_t *text, size_t length) {
    size_t count = 0;
    for (size_t i = 0; i < length; i++) {
        char utf8[4];
        size_t size = unicode_encode(text[i], utf8);
        for (size_t b = 0; b < size; b++) {
            bool last = i + 1 == length && b + 1 == size;
            uint8_t byte = (uint8_t)utf8[b];
            e->symbols[count++] = last ? e->self->words.last_bytes[byte] : e->self->words.bytes[byte];
        }
    }
    for (size_t i = 0; i + 1 < count; i++) {
        e->ranks[i] = merge_rank(e, i);
    }
    while (count > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < count; i++) {
            best = e->ranks[i] < e->ranks[best] ? i : best;
        }
        if (e->ranks[best] == NO_MERGE) {
            break;
        }
        count = merge_at(e, best, count);
    }
    for (size_t i = 0; i < count; i++) {
        append(e, e->symbols[i]);
    }
}

static bool is_other(uint32_t code) {
    return !unicode_is_space(code) && !unicode_is_letter(code) && !unicode_is_number(code);
}

static bool starts_with(const uint32_t *text, size_t count, const char *ascii) {
    size_t length = strlen(ascii);
    for (size_t i = 0; i < length; i++) {
        if (i >= count || text[i] != (uint32_t)(unsigned char)ascii[i]) {
            return false;
        }
    }
    return true;
}

/* Code points of the word that text starts with; 0 at a space. */
static size_t word_length(const uint32_t *text, size_t count) {
    static const char *const endings[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        if (starts_with(text, count, endings[i])) {
            return strlen(endings[i]);
        }
    }
    if (unicode_is_number(text[0])) {
        return 1;
    }
    size_t length = 0;
    if (unicode_is_letter(text[0])) {
        while (length < count && unicode_is_letter(text[length])) {
            length++;
        }
    } else {
        while (length < count && is_other(text[length])) {
            length++;
        }
    }
    return length;
}

static void encode_words(encoding *e, const uint32_t *text, size_t count) {
    for (size_t at = 0; at < count && !e->cut;) {
        size_t length = word_length(text + at, count - at);
        if (length > 0) {
            encode_word(e, text + at, length);
        }
        at += length > 0 ? length : 1;
    }
}

/* ------------------------------------------------------------------------------------------------- rules */

/* The longest special token of this kind at the start of text, or NULL. */
static const special *special_at(const tokenizer *self, const uint32_t *text, size_t count, bool normalized) {
    const special *found = NULL;
    for (size_t role = 0; role < TOKENIZER_ROLES; role++) {
        const special *one = &self->specials[role];
        if (one->normalized == normalized && one->count > 0 && one->count <= count &&
            memcmp(one->text, text, one->count * sizeof *text) == 0 && (found == NULL || one->count > found->count)) {
            found = one;
        }
    }
    return found;
}

/* Where the next special token of this kind is, or the end. */
static size_t next_special(const tokenizer *self, const uint32_t *text, size_t count, bool normalized,
                           const special **found) {
    size_t at = 0;
    *found = NULL;
    while (at < count && (*found = special_at(self, text + at, count - at, normalized)) == NULL) {
        at++;
    }
    return at;
}

/* Normalised text between special tokens that are looked for as given. */
static void encode_normalized(encoding *e, const uint32_t *text, size_t count) {
    while (count > 0 && !e->cut) {
        const special *found;
        size_t length = next_special(e->self, text, count, true, &found);
        encode_words(e, text, length);
        if (found != NULL && !e->cut) {
            append(e, found->id);
            length += found->count;
        }
        text += length;
        count -= length;
    }
}

static void encode_transformers(encoding *e, const uint32_t *text, size_t count, uint32_t *scratch, uint32_t *out) {
    while (count > 0 && !e->cut) {
        const special *found;
        size_t length = next_special(e->self, text, count, false, &found);
        encode_normalized(e, out, normalize(text, length, scratch, out));
        if (found != NULL && !e->cut) {
            append(e, found->id);
            length += found->count;
        }
        text += length;
        count -= length;
    }
}

/* open_clip's own two special tokens are words of its pattern. */
static void encode_open_clip(encoding *e, const uint32_t *text, size_t count) {
    static const char *const texts[] = {"<start_of_text>", "<end_of_text>"};
    static const tokenizer_role roles[] = {ROLE_BOS, ROLE_EOS};
    for (size_t at = 0; at < count && !e->cut;) {
        size_t length = 0;
        for (size_t i = 0; i < 2 && length == 0; i++) {
            if (starts_with(text + at, count - at, texts[i])) {
                append(e, e->self->specials[roles[i]].id);
                length = strlen(texts[i]);
            }
        }
        if (length == 0) {
            length = word_length(text + at, count - at);
            encode_word(e, text + at, length);
        }
        at += length > 0 ? length : 1;
    }
}

/* The text as code points; text is at most TOKENIZER_MAX_TEXT bytes. */
static diffcut_status decode(const char *text, uint32_t *codes, size_t *count, diffcut_diagnostics *diag) {
    *count = 0;
    for (size_t at = 0; text[at] != '\0';) {
        if (!unicode_decode(text, &at, &codes[*count])) {
            return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "the prompt is not UTF-8 (byte %zu is 0x%02X)", at,
                             (unsigned char)text[at]);
        }
        (*count)++;
    }
    return DIFFCUT_OK;
}

diffcut_status tokenizer_encode(const tokenizer *self, tokenizer_rules rules, const char *text, uint32_t *ids,
                                bool *cut, diffcut_diagnostics *diag) {
    size_t bytes = strlen(text);
    if (bytes > TOKENIZER_MAX_TEXT) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "the prompt has %zu bytes, at most %d are read", bytes,
                         TOKENIZER_MAX_TEXT);
    }
    size_t grown = (bytes + 1) * GROWTH;
    uint32_t *codes = mem_array(grown, sizeof *codes);
    uint32_t *scratch = mem_array(grown, sizeof *scratch);
    uint32_t *out = mem_array(grown, sizeof *out);
    uint32_t *symbols = mem_array(grown, 4 * sizeof *symbols); /* a byte each */
    uint32_t *ranks = mem_array(grown, 4 * sizeof *ranks);
    diffcut_status status = DIFFCUT_OK;
    size_t count;
    if (codes == NULL || scratch == NULL || out == NULL || symbols == NULL || ranks == NULL) {
        status = diag_no_memory(diag, grown * 11 * sizeof *codes, "a prompt's tokens");
        goto cleanup;
    }
    status = decode(text, codes, &count, diag);
    if (status != DIFFCUT_OK) {
        goto cleanup;
    }
    encoding e = {.self = self, .ids = ids + 1, .room = self->length - 2, .symbols = symbols, .ranks = ranks};
    if (rules == TOKENIZER_OPEN_CLIP) {
        encode_open_clip(&e, codes, tokenizer_clean(codes, count, scratch));
    } else {
        encode_transformers(&e, codes, count, scratch, out);
    }
    ids[0] = self->specials[ROLE_BOS].id;
    ids[1 + e.count] = self->specials[ROLE_EOS].id;
    for (size_t i = 2 + e.count; i < self->length; i++) {
        ids[i] = rules == TOKENIZER_OPEN_CLIP ? 0 : self->specials[ROLE_PAD].id;
    }
    *cut = e.cut;
cleanup:
    mem_free(ranks);
    mem_free(symbols);
    mem_free(out);
    mem_free(scratch);
    mem_free(codes);
    return status;
}

/* unicode.c - see unicode.h. */
#include "nn/unicode.h"

#include "nn/unicode_tables.h"

/* Hangul syllables are composed by arithmetic (section 3.12). */
#define S_BASE 0xAC00U
#define L_BASE 0x1100U
#define V_BASE 0x1161U
#define T_BASE 0x11A7U
#define L_COUNT 19U
#define V_COUNT 21U
#define T_COUNT 28U
#define S_COUNT (L_COUNT * V_COUNT * T_COUNT)

/* ------------------------------------------------------------------------------------------------- UTF-8 */

bool unicode_decode(const char *text, size_t *at, uint32_t *code) {
    /* By the number of bytes: the bits that the first byte gives, and the smallest code point of that length. */
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const uint8_t *bytes = (const uint8_t *)text + *at;
    uint8_t first = bytes[0];
    if (first < 0x80) {
        *code = first;
        *at += 1;
        return true;
    }
    if (first < 0xC2 || first > 0xF4) {
        return false;
    }
    size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    uint32_t value = first & (0x7FU >> length);
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xC0) != 0x80) { /* the NUL at the end is none, so nothing is read beyond it */
            return false;
        }
        value = value << 6 | (bytes[i] & 0x3FU);
    }
    if (value < least[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
        return false;
    }
    *code = value;
    *at += length;
    return true;
}

size_t unicode_encode(uint32_t code, char out[4]) {
    size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t marks[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = length; i-- > 1;) {
        out[i] = (char)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    out[0] = (char)(marks[length] | code);
    return length;
}

/* ------------------------------------------------------------------------------------------------- lookups */

/* The entry of a sorted table (each beginning with first, last) that holds the code point, or NULL. */
static const void *find_range(const void *table, size_t count, size_t size, uint32_t code) {
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const unicode_range *range = (const void *)((const char *)table + middle * size);
        if (code < range->first) {
            high = middle;
        } else if (code > range->last) {
            low = middle + 1;
        } else {
            return range;
        }
    }
    return NULL;
}

bool unicode_is_letter(uint32_t code) {
    return find_range(unicode_letters, unicode_letters_count, sizeof *unicode_letters, code) != NULL;
}

bool unicode_is_number(uint32_t code) {
    return find_range(unicode_numbers, unicode_numbers_count, sizeof *unicode_numbers, code) != NULL;
}

bool unicode_is_space(uint32_t code) {
    return (code >= 0x09 && code <= 0x0D) || code == 0x20 || code == 0x85 || code == 0xA0 || code == 0x1680 ||
           (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F ||
           code == 0x205F || code == 0x3000;
}

/* Index of the first pair that is not below the code point (unicode_pairs is sorted by it). */
static const unicode_pair *find_pair(uint32_t code) {
    size_t low = 0;
    size_t high = unicode_pairs_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (unicode_pairs[middle].code == code) {
            return &unicode_pairs[middle];
        }
        if (unicode_pairs[middle].code < code) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

static uint32_t combining_class(uint32_t code) {
    const unicode_class *found = find_range(unicode_classes, unicode_classes_count, sizeof *unicode_classes, code);
    return found != NULL ? found->value : 0;
}

/* ------------------------------------------------------------------------------------------------- lower case */

size_t unicode_lower(const uint32_t *in, size_t count, uint32_t *out) {
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        const unicode_case *found =
            find_range(unicode_lower_case, unicode_lower_case_count, sizeof *unicode_lower_case, in[i]);
        bool changes = found != NULL && (in[i] - found->first) % found->step == 0;
        if (in[i] == 0x130) { /* capital I with a dot: the only one that becomes two */
            out[length++] = 'i';
            out[length++] = 0x307;
        } else {
            out[length++] = changes ? (uint32_t)((int32_t)in[i] + found->distance) : in[i];
        }
    }
    return length;
}

/* ------------------------------------------------------------------------------------------------- NFC */

/* Appends the full canonical decomposition of a code point. */
static size_t decompose(uint32_t code, uint32_t *out) {
    if (code >= S_BASE && code < S_BASE + S_COUNT) {
        uint32_t syllable = code - S_BASE;
        uint32_t tail = syllable % T_COUNT;
        out[0] = L_BASE + syllable / (V_COUNT * T_COUNT);
        out[1] = V_BASE + syllable % (V_COUNT * T_COUNT) / T_COUNT;
        out[2] = T_BASE + tail;
        return tail == 0 ? 2 : 3;
    }
    /* Only the first part of a pair decomposes further, so a chain of them is walked and its ends kept. */
    uint32_t ends[UNICODE_NFC_GROWTH];
    size_t kept = 0;
    const unicode_pair *pair = find_pair(code);
    while (pair != NULL && kept < UNICODE_NFC_GROWTH - 1) {
        if (pair->second != 0) {
            ends[kept++] = pair->second;
        }
        code = pair->first;
        pair = find_pair(code);
    }
    out[0] = code;
    for (size_t i = 0; i < kept; i++) {
        out[1 + i] = ends[kept - 1 - i];
    }
    return 1 + kept;
}

/* Sorts runs of combining marks by their class, keeping the order within a class. */
static void reorder(uint32_t *text, size_t count) {
    for (size_t i = 1; i < count; i++) {
        uint32_t code = text[i];
        uint32_t own = combining_class(code);
        size_t j = i;
        while (own != 0 && j > 0 && combining_class(text[j - 1]) > own) {
            text[j] = text[j - 1];
            j--;
        }
        text[j] = code;
    }
}

/* The composite of two code points, or 0. */
static uint32_t compose_pair(uint32_t first, uint32_t second) {
    if (first >= L_BASE && first < L_BASE + L_COUNT && second >= V_BASE && second < V_BASE + V_COUNT) {
        return S_BASE + ((first - L_BASE) * V_COUNT + (second - V_BASE)) * T_COUNT;
    }
    if (first >= S_BASE && first < S_BASE + S_COUNT && (first - S_BASE) % T_COUNT == 0 && second > T_BASE &&
        second < T_BASE + T_COUNT) {
        return first + (second - T_BASE);
    }
    size_t low = 0;
    size_t high = unicode_composites_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const unicode_pair *pair = &unicode_pairs[unicode_composites[middle]];
        if (pair->first == first && pair->second == second) {
            return pair->code;
        }
        if (pair->first < first || (pair->first == first && pair->second < second)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return 0;
}

/* Composes in place; returns the new length. A mark joins the last starter unless one of its class or a higher one
 * stands between them. */
static size_t compose(uint32_t *text, size_t count) {
    size_t length = 0;
    size_t starter = SIZE_MAX;
    uint32_t between = 0; /* class of the last code point kept after the starter; 0: none */
    for (size_t i = 0; i < count; i++) {
        uint32_t own = combining_class(text[i]);
        bool adjacent = starter != SIZE_MAX && starter + 1 == length;
        bool reaches = starter != SIZE_MAX && (adjacent || (own != 0 && between < own));
        uint32_t composite = reaches ? compose_pair(text[starter], text[i]) : 0;
        if (composite != 0) {
            text[starter] = composite;
            continue;
        }
        if (own == 0) {
            starter = length;
        }
        between = own;
        text[length++] = text[i];
    }
    return length;
}

size_t unicode_nfc(const uint32_t *in, size_t count, uint32_t *out) {
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        length += decompose(in[i], out + length);
    }
    reorder(out, length);
    return compose(out, length);
}

/*
 * text_file.c - lines of a text file that people wrote: see vocabulary.h. Called by vocabulary.c and templates.c.
 */
#include <inttypes.h>
#include <string.h>

#include "nn/unicode.h"
#include "vocabulary/vocabulary.h"

static size_t line_of(const uint8_t *data, size_t place) {
    size_t line = 1;
    for (size_t i = 0; i < place; i++) {
        line += data[i] == '\n' ? 1 : 0;
    }
    return line;
}

/* How long the UTF-8 sequence at data[at] is, 0 if it is none. */
static size_t sequence(const uint8_t *data, size_t size, size_t at) {
    char piece[5] = {0}; /* unicode_decode ends at a NUL */
    const size_t left = size - at;
    memcpy(piece, data + at, left < 4 ? left : 4);
    size_t length = 0;
    uint32_t code = 0;
    return unicode_decode(piece, &length, &code) ? length : 0;
}

diffcut_status text_check(const uint8_t *data, size_t size, const char *name, size_t *start,
                          diffcut_diagnostics *diag) {
    const bool little = size >= 2 && data[0] == 0xFF && data[1] == 0xFE;
    const bool big = size >= 2 && data[0] == 0xFE && data[1] == 0xFF;
    const uint8_t *zero = size > 0 ? memchr(data, 0, size) : NULL;
    if (little || big || zero != NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT,
                         "%.200s: line %zu: %s; save the file as UTF-8 (iconv -f UTF-16 -t UTF-8)", name,
                         zero != NULL && !little && !big ? line_of(data, (size_t)(zero - data)) : 1,
                         little || big ? "this is UTF-16" : "a NUL byte: no text, or UTF-16");
    }
    *start = size >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    for (size_t at = *start; at < size;) {
        const size_t length = data[at] < 0x80 ? 1 : sequence(data, size, at);
        if (length == 0) {
            return diag_fail(
                diag, DIFFCUT_ERROR_FORMAT,
                "%.200s: line %zu: byte 0x%02X is not UTF-8; if this is Latin-1, convert the file (iconv -f "
                "ISO-8859-1 -t UTF-8)",
                name, line_of(data, at), data[at]);
        }
        at += length;
    }
    return DIFFCUT_OK;
}

void text_trim(const char **at, size_t *length) {
    while (*length > 0 && strchr(" \t\r", (*at)[0]) != NULL) {
        (*at)++;
        (*length)--;
    }
    while (*length > 0 && strchr(" \t\r", (*at)[*length - 1]) != NULL) {
        (*length)--;
    }
}

bool text_next_line(const uint8_t *data, size_t size, size_t *at, size_t *number, text_line *out) {
    while (*at < size) {
        const uint8_t *end = memchr(data + *at, '\n', size - *at);
        const size_t stop = end != NULL ? (size_t)(end - data) : size;
        *out = (text_line){.at = (const char *)data + *at, .length = stop - *at, .number = ++*number};
        *at = end != NULL ? stop + 1 : size;
        text_trim(&out->at, &out->length);
        if (out->length > 0 && out->at[0] != '#') {
            return true;
        }
    }
    return false;
}

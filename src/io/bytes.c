/* bytes.c - see bytes.h. */
#include "io/bytes.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"

#define BYTES_FIRST_CAPACITY 4096

bool bytes_ok(const bytes *sink) {
    return sink->wanted == 0;
}

bool bytes_reserve(bytes *sink, size_t more) {
    if (!bytes_ok(sink)) {
        return false;
    }
    if (more <= sink->capacity - sink->size) {
        return true;
    }
    size_t needed;
    if (__builtin_add_overflow(sink->size, more, &needed)) {
        sink->wanted = SIZE_MAX;
        return false;
    }
    size_t capacity = sink->capacity < BYTES_FIRST_CAPACITY ? BYTES_FIRST_CAPACITY : sink->capacity;
    while (capacity < needed) {
        capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    }
    uint8_t *data = mem_array_grow(sink->data, sink->size, capacity, 1);
    if (data == NULL) {
        sink->wanted = capacity;
        return false;
    }
    sink->data = data;
    sink->capacity = capacity;
    return true;
}

void bytes_append(bytes *sink, const void *data, size_t size) {
    if (size > 0 && bytes_reserve(sink, size)) {
        memcpy(sink->data + sink->size, data, size);
        sink->size += size;
    }
}

void bytes_text(bytes *sink, const char *text) {
    bytes_append(sink, text, strlen(text));
}

void bytes_number(bytes *sink, uint64_t number) {
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, number);
    bytes_append(sink, digits, (size_t)length);
}

void bytes_items32(bytes *sink, const void *items, size_t count) {
    size_t size;
    if (!mem_mul(count, 4, &size)) {
        sink->wanted = SIZE_MAX;
        return;
    }
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    bytes_append(sink, items, size);
#else
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, (const uint8_t *)items + i * 4, sizeof bits);
        bits = __builtin_bswap32(bits);
        bytes_append(sink, &bits, sizeof bits);
    }
#endif
}

/* Length of the valid UTF-8 sequence at text (RFC 3629: shortest form, no surrogates, at most U+10FFFF); 0 when the
 * first byte starts none. Reads no further than the terminating NUL, which is never a continuation byte. */
static size_t utf8_length(const uint8_t *text) {
    uint8_t first = text[0];
    if (first < 0x80) {
        return 1;
    }
    size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4) {
        return 0;
    }
    uint8_t low = 0x80;
    uint8_t high = 0xBF; /* of the second byte */
    if (first == 0xE0) {
        low = 0xA0;
    } else if (first == 0xED) {
        high = 0x9F;
    } else if (first == 0xF0) {
        low = 0x90;
    } else if (first == 0xF4) {
        high = 0x8F;
    }
    if (text[1] < low || text[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if ((text[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return length;
}

void bytes_json_string(bytes *sink, const char *text) {
    const uint8_t *at = (const uint8_t *)text;
    bytes_text(sink, "\"");
    while (*at != 0) {
        size_t length = utf8_length(at);
        if (length == 0) {
            bytes_text(sink, "\\ufffd");
            at++;
            continue;
        }
        if (*at == '"' || *at == '\\') {
            bytes_text(sink, "\\");
            bytes_append(sink, at, 1);
        } else if (*at < 0x20 || *at == 0x7F) {
            char escaped[8];
            (void)snprintf(escaped, sizeof escaped, "\\u%04x", *at);
            bytes_text(sink, escaped);
        } else {
            bytes_append(sink, at, length);
        }
        at += length;
    }
    bytes_text(sink, "\"");
}

diffcut_status bytes_finish(bytes *sink, const char *what, diffcut_buffer *out, diffcut_diagnostics *diag) {
    if (!bytes_ok(sink)) {
        diffcut_status status = diag_no_memory(diag, sink->wanted, what);
        bytes_free(sink);
        return status;
    }
    *out = (diffcut_buffer){.data = sink->data, .size = sink->size};
    *sink = (bytes){0};
    return DIFFCUT_OK;
}

void bytes_free(bytes *sink) {
    mem_free(sink->data);
    *sink = (bytes){0};
}

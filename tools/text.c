/* text.c - see text.h. */
#include "text.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void text_free(text *t) {
    free(t->data);
    *t = (text){0};
}

void text_clear(text *t) {
    t->length = 0;
    t->failed = false;
    if (t->data != NULL) {
        t->data[0] = '\0';
    }
}

const char *text_string(const text *t) {
    return t->data != NULL ? t->data : "";
}

/* Makes room for `more` bytes and the NUL. */
static bool reserve(text *t, size_t more) {
    if (more < t->capacity - t->length) {
        return true;
    }
    if (more > SIZE_MAX / 2 - t->length - 64) {
        t->failed = true;
        return false;
    }
    const size_t capacity = (t->length + more) * 2 + 64;
    char *data = realloc(t->data, capacity);
    if (data == NULL) {
        t->failed = true;
        return false;
    }
    t->data = data;
    t->capacity = capacity;
    return true;
}

void text_add_bytes(text *t, const void *bytes, size_t count) {
    if (!reserve(t, count)) {
        return;
    }
    if (count > 0) {
        memcpy(t->data + t->length, bytes, count);
    }
    t->length += count;
    t->data[t->length] = '\0';
}

void text_add(text *t, const char *string) {
    text_add_bytes(t, string, strlen(string));
}

void text_vprint(text *t, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    const int length = vsnprintf(NULL, 0, format, args);
    if (length >= 0 && reserve(t, (size_t)length)) {
        (void)vsnprintf(t->data + t->length, (size_t)length + 1, format, again);
        t->length += (size_t)length;
    }
    va_end(again);
}

void text_print(text *t, const char *format, ...) {
    va_list args;
    va_start(args, format);
    text_vprint(t, format, args);
    va_end(args);
}

void text_add_real(text *t, double value) {
    char digits[40];
    if (value == floor(value) && fabs(value) < 1e15) { /* 10, where the fewest digits would be 1e+01 */
        text_print(t, "%.0f", value);
        return;
    }
    for (int precision = 1; precision <= 17; precision++) {
        (void)snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value) {
            break;
        }
    }
    text_add(t, digits);
}

/* Length of the UTF-8 sequence at s (RFC 3629: no overlong forms, no surrogates, up to U+10FFFF), 0 if it is none. */
static size_t utf8_length(const unsigned char *s) {
    const unsigned char lead = s[0];
    if (lead < 0x80) {
        return 1;
    }
    const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xC0) != 0x80) { /* also stops at the NUL */
            return 0;
        }
    }
    const bool overlong = (lead == 0xE0 && s[1] < 0xA0) || (lead == 0xF0 && s[1] < 0x90);
    const bool outside = (lead == 0xED && s[1] >= 0xA0) || (lead == 0xF4 && s[1] >= 0x90);
    return overlong || outside ? 0 : length;
}

bool json_is_utf8(const char *value) {
    const unsigned char *s = (const unsigned char *)value;
    while (*s != 0) {
        const size_t length = utf8_length(s);
        if (length == 0) {
            return false;
        }
        s += length;
    }
    return true;
}

void json_string(text *t, const char *value) {
    const unsigned char *s = (const unsigned char *)value;
    text_add(t, "\"");
    while (*s != 0) {
        const size_t length = utf8_length(s);
        if (length == 0) {
            text_add(t, "\\ufffd");
            s++;
        } else if (*s == '"' || *s == '\\') {
            text_print(t, "\\%c", *s++);
        } else if (*s < 0x20 || *s == 0x7F) {
            text_print(t, "\\u%04x", *s++);
        } else {
            text_add_bytes(t, s, length);
            s += length;
        }
    }
    text_add(t, "\"");
}

void json_hex(text *t, const char *key, const char *value) {
    if (json_is_utf8(value)) {
        return;
    }
    text_print(t, ", \"%s_hex\": \"", key);
    for (const char *c = value; *c != '\0'; c++) {
        text_print(t, "%02x", (unsigned char)*c);
    }
    text_add(t, "\"");
}

void json_real(text *t, double value, int digits) {
    if (isfinite(value)) {
        text_print(t, "%.*g", digits, value);
    } else {
        text_add(t, "null");
    }
}

void html_string(text *t, const char *value) {
    const unsigned char *s = (const unsigned char *)value;
    while (*s != 0) {
        const size_t length = utf8_length(s);
        if (length == 0 || *s < 0x20 || *s == 0x7F || (*s == 0xC2 && s[1] < 0xA0)) { /* C0, DEL, C1 */
            text_add(t, "\xEF\xBF\xBD");
        } else if (*s == '<' || *s == '>' || *s == '&' || *s == '"' || *s == '\'') {
            text_print(t, "&#%d;", *s);
        } else {
            text_add_bytes(t, s, length);
        }
        s += length > 0 ? length : 1;
    }
}

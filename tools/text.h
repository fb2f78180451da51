/*
 * text.h - a string that grows, and JSON and HTML written into it.
 *
 * Out of memory is remembered in `failed` and checked once, where the text is used. Called by everything in tools/
 * that builds a path, a message or a file of text.
 */
#ifndef DIFFCUT_TOOLS_TEXT_H
#define DIFFCUT_TOOLS_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct text {
    char *data; /* NUL-terminated once anything was added; text_string() for a pointer that is never NULL */
    size_t length;
    size_t capacity;
    bool failed; /* an allocation failed: the text is cut short */
} text;

void text_free(text *t);
void text_clear(text *t); /* empty again, keeps the memory */
const char *text_string(const text *t);

void text_add_bytes(text *t, const void *bytes, size_t count);
void text_add(text *t, const char *string);
__attribute__((format(printf, 2, 3))) void text_print(text *t, const char *format, ...);
void text_vprint(text *t, const char *format, va_list args);

/* The shortest decimal that reads back as the same double: 0.3, not 0.29999999999999999. */
void text_add_real(text *t, double value);

/* A JSON string with its quotes, valid for any bytes: what is not UTF-8 becomes U+FFFD. */
void json_string(text *t, const char *value);
/* A JSON number with `digits` significant digits; null where there is no such number (NaN, infinity). */
void json_real(text *t, double value, int digits);
bool json_is_utf8(const char *value);
/* Of a value that is no UTF-8, so that json_string loses some of it: , "KEY_hex": "..." with all its bytes. */
void json_hex(text *t, const char *key, const char *value);

/* Text for HTML and XML, between tags or inside a quoted attribute, harmless for any bytes: markup is escaped, what
 * is not UTF-8 and control characters become U+FFFD. */
void html_string(text *t, const char *value);

#endif

/* fields.c - see fields.h. */
#include "fields.h"

#include <string.h>
#include <strings.h>

fields_kind fields_kind_of(const char *type) {
    static const char json[] = "application/json";
    static const char form[] = "application/x-www-form-urlencoded";
    const size_t length = strcspn(type, "; \t");
    if (length == sizeof json - 1 && strncasecmp(type, json, length) == 0) {
        return FIELDS_JSON;
    }
    return length == sizeof form - 1 && strncasecmp(type, form, length) == 0 ? FIELDS_FORM : FIELDS_NONE;
}

static int hex_digit(char c) {
    static const char digits[] = "0123456789abcdef";
    const char *found = c != '\0' ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;
    return found != NULL ? (int)(found - digits) : -1;
}

/* ------------------------------------------------------------------------------------------------- forms */

/* Of one name or value, in its place; false for a NUL byte, which no text here can hold. */
static bool decode_form(char *part) {
    char *to = part;
    for (const char *from = part; *from != '\0'; from++) {
        const int high = *from == '%' ? hex_digit(from[1]) : -1;
        const int low = high >= 0 ? hex_digit(from[2]) : -1;
        if (low < 0) {
            *to++ = *from == '+' ? ' ' : *from;
            continue;
        }
        if (high == 0 && low == 0) {
            return false;
        }
        *to++ = (char)(high * 16 + low);
        from += 2;
    }
    *to = '\0';
    return true;
}

static bool read_form(char *body, fields_take_fn take, void *user, problem *out) {
    for (char *next = body; next != NULL;) {
        char *name = next;
        next = strchr(name, '&');
        if (next != NULL) {
            *next++ = '\0';
        }
        if (*name == '\0') {
            continue;
        }
        char *value = strchr(name, '=');
        if (value != NULL) {
            *value++ = '\0';
        }
        if (!decode_form(name) || (value != NULL && !decode_form(value))) {
            return problem_set(out, 400, "bad_value", NULL, "a NUL byte in the form");
        }
        if (!take(user, name, value != NULL ? value : "", out)) {
            return false;
        }
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------- JSON */

typedef struct json_reading {
    char *at;
    const char *begin;
    problem *out;
} json_reading;

static bool wrong(const json_reading *j, const char *what) {
    return problem_set(j->out, 400, "bad_json", NULL, "the JSON at byte %zu: %s", (size_t)(j->at - j->begin), what);
}

static void skip_blanks(json_reading *j) {
    j->at += strspn(j->at, " \t\r\n");
}

/* Four digits after \u; -1 for none. */
static long unicode_unit(const char *at) {
    long unit = 0;
    for (int i = 0; i < 4; i++) {
        const int digit = hex_digit(at[i]);
        if (digit < 0) {
            return -1;
        }
        unit = unit * 16 + digit;
    }
    return unit;
}

static char *put_utf8(char *to, unsigned long c) {
    if (c < 0x80) {
        *to++ = (char)c;
        return to;
    }
    const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    *to++ = (char)((0xFF00 >> (more + 1) & 0xFF) | c >> 6 * more);
    for (int i = more - 1; i >= 0; i--) {
        *to++ = (char)(0x80 | (c >> 6 * i & 0x3F));
    }
    return to;
}

/* The escape at j->at, behind its backslash; never longer than what it stands for. */
static char *read_escape(json_reading *j, char *to) {
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    const char *found = *j->at != '\0' ? strchr(letters, *j->at) : NULL;
    if (found != NULL) {
        j->at++;
        *to = meanings[found - letters];
        return to + 1;
    }
    const long unit = *j->at == 'u' ? unicode_unit(j->at + 1) : -1;
    if (unit <= 0 || (unit >= 0xDC00 && unit < 0xE000)) {
        (void)wrong(j, "no escape that a text here may have");
        return NULL;
    }
    unsigned long c = (unsigned long)unit;
    j->at += 5;
    if (unit >= 0xD800 && unit < 0xDC00) {
        const long second = j->at[0] == '\\' && j->at[1] == 'u' ? unicode_unit(j->at + 2) : -1;
        if (second < 0xDC00 || second >= 0xE000) {
            (void)wrong(j, "half of a surrogate pair");
            return NULL;
        }
        c = 0x10000 + ((c - 0xD800) << 10) + ((unsigned long)second - 0xDC00);
        j->at += 6;
    }
    return put_utf8(to, c);
}

/* The text at j->at, in its place. */
static char *read_text(json_reading *j) {
    if (*j->at != '"') {
        (void)wrong(j, "a text in quotes is expected");
        return NULL;
    }
    char *begin = ++j->at;
    char *to = begin;
    while (*j->at != '"') {
        if ((unsigned char)*j->at < 0x20) {
            (void)wrong(j, *j->at == '\0' ? "a text without its end" : "a control character in a text");
            return NULL;
        }
        if (*j->at != '\\') {
            *to++ = *j->at++;
            continue;
        }
        j->at++;
        to = read_escape(j, to);
        if (to == NULL) {
            return NULL;
        }
    }
    j->at++;
    *to = '\0'; /* at the latest where the quote was */
    return begin;
}

/* A text, or the letters of a number, true or false, which what takes the field reads; `after` is what stood behind
 * them, their end being there now. */
static char *read_value(json_reading *j, char *after) {
    if (*j->at == '"') {
        char *found = read_text(j);
        skip_blanks(j);
        *after = *j->at;
        return found;
    }
    char *begin = j->at;
    const size_t length = strspn(begin, "+-.0123456789abcdefghijklmnopqrstuvwxyzE");
    if (length == 0 || (length == 4 && memcmp(begin, "null", 4) == 0)) {
        (void)wrong(j, "a text, a number, true or false is expected");
        return NULL;
    }
    char *end = begin + length;
    j->at = end;
    skip_blanks(j);
    *after = *j->at;
    *end = '\0';
    return begin;
}

static bool read_json(char *body, fields_take_fn take, void *user, problem *out) {
    json_reading j = {body, body, out};
    skip_blanks(&j);
    if (*j.at != '{') {
        return wrong(&j, "an object in braces is expected");
    }
    j.at++;
    skip_blanks(&j);
    char after = *j.at;
    while (after != '}') {
        const char *name = read_text(&j);
        if (name == NULL) {
            return false;
        }
        skip_blanks(&j);
        if (*j.at != ':') {
            return wrong(&j, "a colon is expected");
        }
        j.at++;
        skip_blanks(&j);
        const char *value = read_value(&j, &after);
        if (value == NULL || !take(user, name, value, out)) {
            return false;
        }
        if (after != ',' && after != '}') {
            return wrong(&j, "a comma or the closing brace is expected");
        }
        if (after == ',') {
            j.at++;
            skip_blanks(&j);
        }
    }
    j.at++;
    skip_blanks(&j);
    return *j.at == '\0' || wrong(&j, "something after the object");
}

bool fields_read(fields_kind kind, char *body, size_t size, fields_take_fn take, void *user, problem *out) {
    if (strlen(body) != size) {
        return problem_set(out, 400, "bad_value", NULL, "a NUL byte in the body");
    }
    return kind == FIELDS_JSON ? read_json(body, take, user, out) : read_form(body, take, user, out);
}

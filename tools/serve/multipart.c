/* multipart.c - see multipart.h. */
#include "multipart.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { BOUNDARY_SIZE = 80 }; /* at most 70 characters, two dashes, a line end */

static bool broken(problem *out, const char *what) {
    return problem_set(out, 400, "bad_form", "photo", "multipart/form-data: %s", what);
}

/* "--" and the boundary parameter of the Content-Type. */
static bool find_boundary(const char *type, char boundary[BOUNDARY_SIZE]) {
    static const char name[] = "boundary=";
    const char *at = strcasestr(type, name);
    if (at == NULL) {
        return false;
    }
    at += sizeof name - 1;
    const bool quoted = *at == '"';
    at += quoted ? 1 : 0;
    const size_t length = strcspn(at, quoted ? "\"" : "; \t");
    if (length == 0 || length > 70 || (quoted && at[length] != '"')) {
        return false;
    }
    (void)snprintf(boundary, BOUNDARY_SIZE, "--%.*s", (int)length, at);
    return true;
}

/* The value of name="..." in a header line that ends at `end`; the name stands by itself: not in filename="...". */
static bool find_parameter(const char *line, const char *end, const char *name, char *value, size_t value_size) {
    const size_t length = strlen(name);
    for (const char *at = line; at + length + 2 < end; at++) {
        if (strncasecmp(at, name, length) != 0 || at[length] != '=' || at[length + 1] != '"' ||
            !(at[-1] == ' ' || at[-1] == ';' || at[-1] == '\t')) {
            continue;
        }
        const char *begin = at + length + 2;
        const char *close = memchr(begin, '"', (size_t)(end - begin));
        if (close == NULL || (size_t)(close - begin) >= value_size) {
            return false;
        }
        memcpy(value, begin, (size_t)(close - begin));
        value[close - begin] = '\0';
        return true;
    }
    return false;
}

/* Reads a part's headers, from `at` to the empty line; its name goes to `name`, *at to where its content begins. */
static bool read_headers(const char **at, const char *end, char *name, size_t name_size) {
    static const char disposition[] = "content-disposition:";
    name[0] = '\0';
    for (;;) {
        const char *line_end = memmem(*at, (size_t)(end - *at), "\r\n", 2);
        if (line_end == NULL) {
            return false;
        }
        const char *line = *at;
        *at = line_end + 2;
        if (line_end == line) {
            return name[0] != '\0';
        }
        const size_t length = sizeof disposition - 1;
        if ((size_t)(line_end - line) > length && strncasecmp(line, disposition, length) == 0 &&
            !find_parameter(line + length, line_end, "name", name, name_size)) {
            return false;
        }
    }
}

bool multipart_photo(const char *type, const char *body, size_t size, const char **photo, size_t *photo_size,
                     problem *out) {
    char boundary[BOUNDARY_SIZE];
    char closing[BOUNDARY_SIZE + 2];
    char name[128];
    if (!find_boundary(type, boundary)) {
        return broken(out, "the Content-Type names no boundary");
    }
    const size_t length = strlen(boundary);
    const char *end = body + size;
    const char *at = size > 0 ? memmem(body, size, boundary, length) : NULL;
    if (at == NULL || (at != body && (at < body + 2 || memcmp(at - 2, "\r\n", 2) != 0)) ||
        (size_t)(end - at) < length + 2 || memcmp(at + length, "\r\n", 2) != 0) {
        return broken(out, "its boundary does not occur");
    }
    at += length + 2;
    if (!read_headers(&at, end, name, sizeof name)) {
        return broken(out, "a part has no name");
    }
    if (strcmp(name, "photo") != 0) {
        return problem_set(out, 400, "unknown_field", name, "a form has one field here, named photo");
    }
    (void)snprintf(closing, sizeof closing, "\r\n%s", boundary);
    const char *close = memmem(at, (size_t)(end - at), closing, length + 2);
    if (close == NULL) {
        return broken(out, "it ends in the middle of the photo");
    }
    const char *after = close + 2 + length;
    if ((size_t)(end - after) >= 2 && memcmp(after, "\r\n", 2) == 0) {
        return broken(out, "more than one field; the others go into the address");
    }
    if ((size_t)(end - after) < 2 || memcmp(after, "--", 2) != 0) {
        return broken(out, "its end is missing");
    }
    *photo = at;
    *photo_size = (size_t)(close - at);
    return true;
}

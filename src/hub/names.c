/* names.c - see names.h. */
#include "hub/names.h"

#include <string.h>

#define NAMES_MAX_PART 255 /* bytes: what file systems allow a name */
#define NAMES_MAX_PATH 1024

bool names_is_relative(const char *path) {
    size_t part = 0; /* bytes of the current part so far */
    for (size_t length = 0;; length++) {
        const unsigned char c = (unsigned char)path[length];
        if (c == '/' || c == '\0') {
            const char *start = path + length - part;
            if (part == 0 || part > NAMES_MAX_PART || (part == 1 && start[0] == '.') ||
                (part == 2 && start[0] == '.' && start[1] == '.')) {
                return false;
            }
            if (c == '\0') {
                return length <= NAMES_MAX_PATH;
            }
            part = 0;
        } else if (c < 0x20 || c == 0x7F || c == '\\') {
            return false;
        } else {
            part++;
        }
    }
}

bool names_is_hex(const char *text, size_t length) {
    return strspn(text, "0123456789abcdef") == length && text[length] == '\0';
}

/* cache_folder.c - see cache_folder.h. */
#include "cache_folder.h"

#include <stdlib.h>

bool cache_folder(const char *given, const char *kind, text *out) {
    const char *base = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    if (given != NULL) {
        text_add(out, given);
    } else if (base != NULL && base[0] == '/') {
        text_print(out, "%s/diffcut/%s", base, kind);
    } else if (home != NULL && home[0] == '/') {
        text_print(out, "%s/.cache/diffcut/%s", home, kind);
    } else {
        return false;
    }
    return !out->failed;
}

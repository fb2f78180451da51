/* find.c - where the embedded model lies: the environment, beside the program or library, the installed data. */
#include "model/model.h"

#include "core/memory.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EMBEDDED "diffcut-tiny"
#define BESIDE "share/diffcut/models"

/* The places looked at so far, as the message lists them. */
typedef struct search {
    char found[PATH_MAX];
    char places[400];
} search;

/* True when format's path holds a model. */
__attribute__((format(printf, 2, 3))) static bool look(search *s, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int length = vsnprintf(s->found, sizeof s->found, format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= sizeof s->found - sizeof "/unet/config.json") {
        return false;
    }
    char config[PATH_MAX];
    (void)snprintf(config, sizeof config, "%.*s/unet/config.json", (int)(sizeof config - 32), s->found);
    size_t used = strlen(s->places);
    (void)snprintf(s->places + used, sizeof s->places - used, "%s%s", used > 0 ? ", " : "", s->found);
    return access(config, F_OK) == 0;
}

/* Looks beside the folder of a file: dir/../share/diffcut/models. */
static bool look_beside(search *s, const char *file) {
    char resolved[PATH_MAX];
    if (realpath(file, resolved) == NULL) {
        return false;
    }
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(resolved, '/');
        if (slash == NULL) {
            return false;
        }
        *slash = '\0';
    }
    return look(s, "%s/" BESIDE "/" EMBEDDED, resolved);
}

static bool look_everywhere(search *s) {
    const char *folder = getenv("DIFFCUT_MODELS");
    if (folder != NULL && folder[0] != '\0' && look(s, "%s/" EMBEDDED, folder)) {
        return true;
    }
    Dl_info self; /* the shared library, or the program the static one is in */
    if (dladdr((const void *)&backend_ref_ops, &self) != 0 && self.dli_fname != NULL &&
        look_beside(s, self.dli_fname)) {
        return true;
    }
    if (look_beside(s, "/proc/self/exe")) {
        return true;
    }
#ifdef DIFFCUT_DATADIR
    if (look(s, "%s/models/" EMBEDDED, DIFFCUT_DATADIR)) {
        return true;
    }
#endif
    return false;
}

diffcut_status model_find_embedded(char **path, diffcut_diagnostics *diag) {
    search s = {.places = ""};
    if (!look_everywhere(&s)) {
        return diag_fail(diag, DIFFCUT_ERROR_IO, "the embedded model is not found; looked for %s", s.places);
    }
    char *copy = mem_string(s.found);
    if (copy == NULL) {
        return diag_no_memory(diag, strlen(s.found) + 1, "the model's path");
    }
    *path = copy;
    return DIFFCUT_OK;
}

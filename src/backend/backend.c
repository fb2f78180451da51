/* backend.c - the backends built in, and the look-up by name. See backend.h. */
#include "backend/backend.h"

#include <stdio.h>
#include <string.h>

/* From the plainest to the best: the last one is the default. */
static const backend_ops *const built_in[] = {
    &backend_ref_ops,
    &backend_cpu_ops,
};

#define BUILT_IN_COUNT (sizeof built_in / sizeof built_in[0])

const backend_ops *const *backend_list(size_t *count) {
    *count = BUILT_IN_COUNT;
    return built_in;
}

static diffcut_status unknown_backend(const char *name, diffcut_diagnostics *diag) {
    char names[128] = "";
    size_t used = 0;
    for (size_t i = 0; i < BUILT_IN_COUNT; i++) {
        int length = snprintf(names + used, sizeof names - used, "%s%s", i > 0 ? ", " : "", built_in[i]->name);
        if (length < 0 || (size_t)length >= sizeof names - used) {
            break;
        }
        used += (size_t)length;
    }
    return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "no backend is called \"%.64s\"; there are: %s", name, names);
}

diffcut_status backend_open(const char *name, backend **out, diffcut_diagnostics *diag) {
    if (name == NULL || name[0] == '\0') {
        return built_in[BUILT_IN_COUNT - 1]->open(out, diag);
    }
    for (size_t i = 0; i < BUILT_IN_COUNT; i++) {
        if (strcmp(name, built_in[i]->name) == 0) {
            return built_in[i]->open(out, diag);
        }
    }
    return unknown_backend(name, diag);
}

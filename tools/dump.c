/* dump.c - see dump.h. */
#include "dump.h"

#include <stdio.h>
#include <string.h>

#include "output.h"

void dump_begin(dump *d, const char *name) {
    text_clear(&d->path);
    text_print(&d->path, "%s/%s", d->folder, name);
    text_clear(&d->suffix);
    d->failed = false;
    d->message[0] = '\0';
}

void dump_tau(dump *d, double tau) {
    text_clear(&d->suffix);
    text_add(&d->suffix, ".tau");
    text_add_real(&d->suffix, tau);
}

void dump_free(dump *d) {
    text_free(&d->path);
    text_free(&d->suffix);
}

static void fail(dump *d, const char *message) {
    d->failed = true;
    (void)snprintf(d->message, sizeof d->message, "%s", message);
}

void dump_stage(void *user, const char *name, const float *data, const size_t *shape, size_t rank) {
    dump *d = user;
    if (d->folder == NULL || d->failed) {
        return;
    }
    diffcut_diagnostics diagnostics;
    diffcut_buffer npy = {0};
    if (!output_make_folder(text_string(&d->path), &diagnostics) ||
        diffcut_encode_npy(data, shape, rank, &npy, &diagnostics) != DIFFCUT_OK) {
        fail(d, diagnostics.message);
        return;
    }
    text path = {0};
    text_print(&path, "%s/", text_string(&d->path));
    const size_t start = path.length;
    text_print(&path, "%s%s.npy", name, text_string(&d->suffix));
    for (size_t i = start; i < path.length; i++) {
        path.data[i] = path.data[i] == '/' ? '_' : path.data[i];
    }
    if (diffcut_write_file(text_string(&path), npy.data, npy.size, true, &diagnostics) != DIFFCUT_OK) {
        fail(d, diagnostics.message);
    }
    text_free(&path);
    diffcut_buffer_free(&npy);
}

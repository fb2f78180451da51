/* output.c - see output.h. */
#include "output.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "values.h"

#define PROBE ".diffcut-probe-"

static const char *const kind_names[OUTPUT_KIND_COUNT + 1] = {
    [OUTPUT_LABELS] = "labels", [OUTPUT_OVERLAY] = "overlay",   [OUTPUT_COCO] = "coco",
    [OUTPUT_NPY] = "npy",       [OUTPUT_FEATURES] = "features", [OUTPUT_SUMMARY] = "json",
};
static const char *const kind_endings[OUTPUT_KIND_COUNT] = {
    [OUTPUT_LABELS] = ".png", [OUTPUT_OVERLAY] = ".overlay.png",   [OUTPUT_COCO] = ".coco.json",
    [OUTPUT_NPY] = ".npy",    [OUTPUT_FEATURES] = ".features.npy", [OUTPUT_SUMMARY] = ".json",
};

const char *output_kind_name(output_kind kind) {
    return kind_names[kind];
}

bool output_parse_kinds(const char *argument, void *target, text *error) {
    unsigned kinds = 0;
    char item[32];
    for (size_t i = 0; value_list_item(argument, i, item, sizeof item); i++) {
        int kind = 0;
        while (kind < OUTPUT_KIND_COUNT && strcmp(kind_names[kind], item) != 0) {
            kind++;
        }
        if (kind == OUTPUT_KIND_COUNT) {
            const char *near = options_nearest(item, kind_names, sizeof *kind_names);
            text_print(error, "'%s' is none of labels, overlay, json, coco, npy, features%s%s%s", item,
                       near != NULL ? "; did you mean '" : "", near != NULL ? near : "", near != NULL ? "'?" : "");
            return false;
        }
        kinds |= 1u << kind;
    }
    memcpy(target, &kinds, sizeof kinds);
    return true;
}

/* FNV-1a, 64 bits (Fowler, Noll, Vo), finished by a mix as its low bits are weak; never 0. */
static uint64_t hash(const char *string) {
    uint64_t h = 0xCBF29CE484222325u;
    for (const char *c = string; *c != '\0'; c++) {
        h = (h ^ (unsigned char)*c) * 0x100000001B3u;
    }
    h ^= h >> 32;
    return h != 0 ? h : 1;
}

/* ------------------------------------------------------------------------------------------------- names */

/* See output_path in the header. */
static void add_key(text *out, const char *name) {
    const char *slash = strrchr(name, '/');
    const char *last = slash != NULL ? slash : name;
    const bool plain = json_is_utf8(name);
    for (const char *c = name; *c != '\0'; c++) {
        const unsigned char byte = (unsigned char)*c;
        const bool dot = byte == '.' && c >= last;
        if (dot || byte == '%' || byte < 0x20 || byte == 0x7F || (byte >= 0x80 && !plain)) {
            text_print(out, "%%%02X", byte);
        } else {
            text_add_bytes(out, c, 1);
        }
    }
}

void output_path(const output_settings *s, const char *name, output_kind kind, double tau, text *out) {
    const size_t length = strlen(s->folder);
    text_clear(out);
    text_print(out, "%s%s", s->folder, length > 0 && s->folder[length - 1] == '/' ? "" : "/");
    if (s->keys) {
        add_key(out, name);
    } else {
        text_add(out, name);
    }
    if (s->taus->count > 1 && kind != OUTPUT_FEATURES) {
        text_add(out, ".tau");
        text_add_real(out, tau);
    }
    text_add(out, kind_endings[kind]);
}

bool output_exists(const char *path) {
    struct stat info;
    return lstat(path, &info) == 0;
}

uint64_t output_photo_id(const char *base_name, const char *name) {
    const size_t digits = strspn(base_name, "0123456789");
    if (digits > 0 && digits < 16 && (base_name[digits] == '.' || base_name[digits] == '\0')) {
        return strtoull(base_name, NULL, 10);
    }
    return hash(name) >> 11; /* 53 bits: exact as a JSON double */
}

void output_identity(const char *base_name, uint64_t bytes, text *out) {
    text_add(out, "  \"file\": ");
    json_string(out, base_name);
    text_print(out, ",\n  \"bytes\": %llu,\n", (unsigned long long)bytes);
}

/* Whether the start of an existing summary holds the photo's identity. What cannot be read is not held against it. */
static bool is_of_photo(const char *summary_path, const char *base_name, uint64_t bytes) {
    FILE *file = fopen(summary_path, "re");
    if (file == NULL) {
        return true;
    }
    char start[16384];
    const size_t got = fread(start, 1, sizeof start - 1, file);
    (void)fclose(file);
    start[got] = '\0';
    text identity = {0};
    output_identity(base_name, bytes, &identity);
    const bool same = identity.failed || strstr(start, text_string(&identity)) != NULL;
    text_free(&identity);
    return same;
}

/* The next of a photo's results: *tau and *kind are 0 at first. False when there is none. */
static bool next_result(const output_settings *s, const char *name, size_t *tau, int *kind, output_kind *which,
                        text *path) {
    for (; *tau < s->taus->count; (*tau)++, *kind = 0) {
        for (; *kind < OUTPUT_KIND_COUNT; (*kind)++) {
            const bool once = *kind == OUTPUT_FEATURES && *tau > 0; /* does not depend on tau */
            if ((s->kinds & 1u << *kind) != 0 && !once) {
                *which = (output_kind)(*kind)++;
                output_path(s, name, *which, s->taus->values[*tau], path);
                return true;
            }
        }
    }
    return false;
}

bool output_each(const output_settings *s, const char *name, output_each_fn fn, void *user) {
    text path = {0};
    size_t tau = 0;
    int kind = 0;
    output_kind which = OUTPUT_LABELS;
    bool go_on = true;
    while (go_on && next_result(s, name, &tau, &kind, &which, &path)) {
        go_on = !path.failed && fn(user, text_string(&path));
    }
    text_free(&path);
    return go_on;
}

bool output_claim(const output_settings *s, table *claims, const char *name, diffcut_diagnostics *diagnostics) {
    text path = {0};
    size_t tau = 0;
    int kind = 0;
    output_kind which = OUTPUT_LABELS;
    bool ours = true;
    while (ours && next_result(s, name, &tau, &kind, &which, &path)) {
        const table_result result =
            path.failed ? TABLE_FAILED : table_put(claims, hash(text_string(&path)), 0, false);
        if (result == TABLE_WAS_THERE) {
            (void)snprintf(diagnostics->message, sizeof diagnostics->message,
                           "another photo of this run writes %.300s (--full-names keeps extensions apart)",
                           text_string(&path));
        } else if (result == TABLE_FAILED) {
            (void)snprintf(diagnostics->message, sizeof diagnostics->message,
                           "no memory to remember what this run writes");
        }
        ours = result == TABLE_ADDED;
    }
    text_free(&path);
    return ours;
}

output_state output_look(const output_settings *s, const char *name, const char *base_name, uint64_t bytes,
                         diffcut_diagnostics *diagnostics) {
    output_state state = s->force ? OUTPUT_WANTED : OUTPUT_PRESENT;
    text path = {0};
    size_t tau = 0;
    int kind = 0;
    output_kind which = OUTPUT_LABELS;
    while (state != OUTPUT_OTHERS && next_result(s, name, &tau, &kind, &which, &path)) {
        if (!output_exists(text_string(&path))) {
            state = OUTPUT_WANTED;
        } else if (which == OUTPUT_SUMMARY && !s->force && !is_of_photo(text_string(&path), base_name, bytes)) {
            (void)snprintf(diagnostics->message, sizeof diagnostics->message,
                           "%.300s is of another photo or version (--force replaces it)", text_string(&path));
            state = OUTPUT_OTHERS;
        }
    }
    text_free(&path);
    return state;
}

/* ------------------------------------------------------------------------------------------------- writing */

static bool fail(diffcut_diagnostics *diagnostics, const char *path, int reason) {
    (void)snprintf(diagnostics->message, sizeof diagnostics->message, "%.300s: cannot make this folder: %.100s", path,
                   strerror(reason));
    return false;
}

bool output_make_folder(const char *path, diffcut_diagnostics *diagnostics) {
    char *copy = strdup(path);
    if (copy == NULL) {
        return fail(diagnostics, path, ENOMEM);
    }
    int reason = 0;
    for (char *c = copy + 1; reason == 0 && copy[0] != '\0'; c++) {
        if (*c == '/' || *c == '\0') {
            const char kept = *c;
            *c = '\0';
            struct stat info;
            if (mkdir(copy, 0777) != 0 && errno != EEXIST) {
                reason = errno;
                /* "Read-only" or "denied" of a folder that is there is no failure */
                reason = stat(copy, &info) == 0 && S_ISDIR(info.st_mode) ? 0 : reason;
            } else if (stat(copy, &info) != 0 || !S_ISDIR(info.st_mode)) {
                reason = ENOTDIR;
            }
            *c = kept;
            if (kept == '\0') {
                break;
            }
        }
    }
    free(copy);
    return reason == 0 ? true : fail(diagnostics, path, reason);
}

diffcut_status output_write(const output_settings *s, const char *path, const void *data, size_t size,
                            diffcut_diagnostics *diagnostics) {
    char *folder = strdup(path);
    if (folder == NULL) {
        (void)fail(diagnostics, path, ENOMEM);
        return DIFFCUT_ERROR_MEMORY;
    }
    char *slash = strrchr(folder, '/');
    if (slash != NULL && slash != folder) {
        *slash = '\0';
        if (!output_make_folder(folder, diagnostics)) {
            free(folder);
            return DIFFCUT_ERROR_IO;
        }
    }
    free(folder);
    const diffcut_status status = diffcut_write_file(path, data, size, s->force, diagnostics);
    return status == DIFFCUT_ERROR_EXISTS ? DIFFCUT_OK : status;
}

bool output_is_hopeless(const output_settings *s, size_t size) {
    text path = {0};
    text_print(&path, "%s/" PROBE "%ld", s->folder, (long)getpid());
    void *zeros = calloc(size > 0 ? size : 1, 1);
    diffcut_diagnostics ignored;
    bool hopeless = false;
    if (!path.failed && zeros != NULL) {
        hopeless = diffcut_write_file(text_string(&path), zeros, size, true, &ignored) != DIFFCUT_OK;
        (void)unlink(text_string(&path));
    }
    free(zeros);
    text_free(&path);
    return hopeless;
}

void output_sweep(const char *folder) {
    DIR *names = opendir(folder);
    const struct dirent *entry;
    while (names != NULL && (entry = readdir(names)) != NULL) {
        const size_t length = strlen(entry->d_name);
        const bool temporary = length > 4 && strcmp(entry->d_name + length - 4, ".tmp") == 0;
        const bool probe = strncmp(entry->d_name, PROBE, sizeof PROBE - 1) == 0;
        if (strncmp(entry->d_name, ".diffcut-", 9) == 0 && (temporary || probe)) {
            (void)unlinkat(dirfd(names), entry->d_name, 0);
        }
    }
    if (names != NULL) {
        (void)closedir(names);
    }
}

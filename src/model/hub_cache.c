/* hub_cache.c - see hub_cache.h. */
#include "model/hub_cache.h"

#include "core/memory.h"

#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define HUB_CACHE_MAX_PART 96       /* bytes of ORG and of NAME */
#define HUB_CACHE_MAX_COMPONENT 255 /* bytes: what file systems allow a name */
#define HUB_CACHE_MAX_RELATIVE 1024
#define HUB_CACHE_COMMIT 40 /* hexadecimal digits */

/* ------------------------------------------------------------------------------------------------- names */

static bool is_part(const char *part, size_t length) {
    if (length == 0 || length > HUB_CACHE_MAX_PART) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        const char c = part[i];
        const bool mark = c == '.' || c == '-';
        if (!isalnum((unsigned char)c) && c != '_' && !mark) {
            return false;
        }
        if (mark && (i == 0 || i + 1 == length || part[i + 1] == c)) {
            return false;
        }
    }
    return true;
}

bool hub_cache_is_name(const char *name) {
    const char *slash = strchr(name, '/');
    return slash != NULL && is_part(name, (size_t)(slash - name)) && is_part(slash + 1, strlen(slash + 1));
}

bool hub_cache_is_relative(const char *path) {
    size_t part = 0; /* bytes of the current part so far */
    size_t length = 0;
    for (;; length++) {
        const unsigned char c = (unsigned char)path[length];
        if (c == '/' || c == '\0') {
            const char *start = path + length - part;
            if (part == 0 || part > HUB_CACHE_MAX_COMPONENT || (part == 1 && start[0] == '.') ||
                (part == 2 && start[0] == '.' && start[1] == '.')) {
                return false;
            }
            if (c == '\0') {
                return length <= HUB_CACHE_MAX_RELATIVE;
            }
            part = 0;
        } else if (c < 0x20 || c == 0x7F || c == '\\') {
            return false;
        } else {
            part++;
        }
    }
}

bool hub_cache_is_hex(const char *text, size_t length) {
    return strspn(text, "0123456789abcdef") == length && text[length] == '\0';
}

/* ------------------------------------------------------------------------------------------------- folders */

/* A path made printf-like, the caller's to free. */
__attribute__((format(printf, 3, 4))) static diffcut_status make_path(char **path, diffcut_diagnostics *diag,
                                                                      const char *format, ...) {
    char built[PATH_MAX];
    va_list args;
    va_start(args, format);
    const int length = vsnprintf(built, sizeof built, format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= sizeof built) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "Hugging Face cache: the path is longer than %d bytes", PATH_MAX);
    }
    char *copy = mem_string(built);
    if (copy == NULL) {
        return diag_no_memory(diag, (size_t)length + 1, "the cache's path");
    }
    *path = copy;
    return DIFFCUT_OK;
}

/* The environment's value, or NULL where it is not set or empty. */
static const char *setting(const char *name) {
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* The value, a leading "~/" being the home folder, as Python expands it. */
static diffcut_status expand(const char *value, char **path, diffcut_diagnostics *diag) {
    const char *home = setting("HOME");
    if (home != NULL && value[0] == '~' && (value[1] == '/' || value[1] == '\0')) {
        return make_path(path, diag, "%s%s", home, value + 1);
    }
    return make_path(path, diag, "%s", value);
}

diffcut_status hub_cache_home(char **path, diffcut_diagnostics *diag) {
    const char *named = setting("HF_HOME");
    if (named != NULL) {
        return expand(named, path, diag);
    }
    const char *caches = setting("XDG_CACHE_HOME");
    if (caches != NULL) {
        return make_path(path, diag, "%s/huggingface", caches);
    }
    const char *home = setting("HOME");
    if (home == NULL) {
        return diag_fail(
            diag, DIFFCUT_ERROR_IO,
            "Hugging Face cache: none of HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME and HOME says where it is");
    }
    return make_path(path, diag, "%s/.cache/huggingface", home);
}

diffcut_status hub_cache_root(char **path, diffcut_diagnostics *diag) {
    const char *named = setting("HF_HUB_CACHE");
    if (named == NULL) {
        named = setting("HUGGINGFACE_HUB_CACHE"); /* its older name */
    }
    if (named != NULL) {
        return expand(named, path, diag);
    }
    char *home = NULL;
    diffcut_status status = hub_cache_home(&home, diag);
    if (status == DIFFCUT_OK) {
        status = make_path(path, diag, "%s/hub", home);
    }
    mem_free(home);
    return status;
}

diffcut_status hub_cache_model_folder(const char *root, const char *name, char **path, diffcut_diagnostics *diag) {
    const char *slash = strchr(name, '/');
    if (slash == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "%.200s: not a name of the form ORG/NAME", name);
    }
    return make_path(path, diag, "%s/models--%.*s--%s", root, (int)(slash - name), name, slash + 1);
}

/* ------------------------------------------------------------------------------------------------- snapshots */

/* The commit in folder/refs/revision; false when there is no such file or it holds no commit. */
static bool read_reference(const char *folder, const char *revision, char commit[HUB_CACHE_COMMIT + 1]) {
    char file[PATH_MAX];
    const int length = snprintf(file, sizeof file, "%s/refs/%s", folder, revision);
    if (length < 0 || (size_t)length >= sizeof file) {
        return false;
    }
    diffcut_diagnostics ignored;
    diffcut_buffer content = {0};
    if (diffcut_read_file(file, 4096, &content, &ignored) != DIFFCUT_OK) {
        return false;
    }
    bool good = content.size >= HUB_CACHE_COMMIT;
    if (good) {
        memcpy(commit, content.data, HUB_CACHE_COMMIT);
        commit[HUB_CACHE_COMMIT] = '\0';
        good = hub_cache_is_hex(commit, HUB_CACHE_COMMIT);
        for (size_t i = HUB_CACHE_COMMIT; i < content.size; i++) {
            good = good && isspace(content.data[i]);
        }
    }
    diffcut_buffer_free(&content);
    return good;
}

static diffcut_status find_snapshot(const char *root, const char *name, const char *revision, char **path,
                                    diffcut_diagnostics *diag) {
    char *folder = NULL;
    char *found = NULL;
    char commit[HUB_CACHE_COMMIT + 1] = "";
    struct stat info;
    diffcut_status status = hub_cache_model_folder(root, name, &folder, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    const bool is_commit = hub_cache_is_hex(revision, HUB_CACHE_COMMIT);
    if (is_commit || read_reference(folder, revision, commit)) {
        status = make_path(&found, diag, "%s/snapshots/%s", folder, is_commit ? revision : commit);
        if (status != DIFFCUT_OK) {
            goto cleanup;
        }
    }
    if (found == NULL || stat(found, &info) != 0 || !S_ISDIR(info.st_mode)) {
        const bool main = strcmp(revision, "main") == 0;
        status = diag_fail(diag, DIFFCUT_ERROR_IO,
                           "%s%s%.100s is not in the Hugging Face cache %.200s; 'diffcut model pull' downloads it",
                           name, main ? "" : "@", main ? "" : revision, root);
        goto cleanup;
    }
    *path = found;
    found = NULL;
cleanup:
    mem_free(found);
    mem_free(folder);
    return status;
}

diffcut_status hub_cache_snapshot(const char *root, const char *name, const char *revision, char **path,
                                  diffcut_diagnostics *diag) {
    if (!hub_cache_is_name(name)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "%.200s: not a name of the form ORG/NAME", name);
    }
    if (revision == NULL) {
        revision = "main";
    }
    if (!hub_cache_is_relative(revision)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "%s: '%.200s' is no name of a revision", name, revision);
    }
    if (root != NULL) {
        return find_snapshot(root, name, revision, path, diag);
    }
    char *own = NULL;
    diffcut_status status = hub_cache_root(&own, diag);
    if (status == DIFFCUT_OK) {
        status = find_snapshot(own, name, revision, path, diag);
    }
    mem_free(own);
    return status;
}

/* hub_cache.c - see hub_cache.h. */
#include "model/hub_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMMIT_DIGITS 40
#define PREFIX "models--"
#define SNAPSHOTS "/snapshots/"

/* ------------------------------------------------------------------------------------------------- names */

/* One part between slashes: letters, digits, '.', '_', '-', begun by a letter or digit, without "..". */
static bool is_part(const char *part, size_t length) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    if (length == 0 || strspn(part, letters) < length || part[0] == '.' || part[0] == '-') {
        return false;
    }
    for (size_t i = 0; i + 1 < length; i++) {
        if (part[i] == '.' && part[i + 1] == '.') {
            return false;
        }
    }
    return true;
}

/* Branches may hold slashes ("refs/pr/1"). */
static bool is_revision(const char *text) {
    size_t length = strlen(text);
    if (length == 0 || length >= HUB_REVISION_SIZE) {
        return false;
    }
    for (const char *part = text;;) {
        size_t end = strcspn(part, "/");
        if (!is_part(part, end)) {
            return false;
        }
        if (part[end] == '\0') {
            return true;
        }
        part += end + 1;
    }
}

bool hub_name_parse(const char *text, hub_name *out) {
    hub_name name = {.revision = "main"};
    size_t length = strcspn(text, "@");
    size_t slash = strcspn(text, "/");
    if (length >= sizeof name.name || slash >= length || !is_part(text, slash) ||
        !is_part(text + slash + 1, length - slash - 1)) {
        return false;
    }
    memcpy(name.name, text, length);
    name.name[length] = '\0';
    if (strstr(name.name, "--") != NULL) { /* it stands for the slash in the cache */
        return false;
    }
    if (text[length] == '@') {
        if (!is_revision(text + length + 1)) {
            return false;
        }
        (void)snprintf(name.revision, sizeof name.revision, "%s", text + length + 1);
        name.given = true;
    }
    *out = name;
    return true;
}

bool hub_cache_name_of(const char *path, char *name, size_t size) {
    const char *snapshot = strrchr(path, '/');
    if (snapshot == NULL || snapshot[1] == '\0') {
        return false;
    }
    size_t tail = strlen(SNAPSHOTS);
    if ((size_t)(snapshot + 1 - path) < tail || strncmp(snapshot + 1 - tail, SNAPSHOTS, tail) != 0) {
        return false;
    }
    const char *end = snapshot + 1 - tail;
    const char *start = end;
    while (start > path && start[-1] != '/') {
        start--;
    }
    size_t length = (size_t)(end - start);
    if (length <= strlen(PREFIX) || strncmp(start, PREFIX, strlen(PREFIX)) != 0) {
        return false;
    }
    start += strlen(PREFIX);
    const char *dashes = strstr(start, "--");
    if (dashes == NULL || dashes >= end) {
        return false;
    }
    int wrote = snprintf(name, size, "%.*s/%.*s", (int)(dashes - start), start, (int)(end - dashes - 2), dashes + 2);
    return wrote > 0 && (size_t)wrote < size;
}

/* ------------------------------------------------------------------------------------------------- the folder */

/* value + "/" + below, with a leading "~/" as the home folder; false when the variable is not set or all is too
 * long. */
static bool from_variable(const char *variable, const char *below, char *path, size_t size) {
    const char *value = getenv(variable);
    if (value == NULL || value[0] == '\0') {
        return false;
    }
    const char *home = "";
    if (value[0] == '~' && (value[1] == '/' || value[1] == '\0')) {
        home = getenv("HOME");
        home = home != NULL ? home : "";
        value++;
    }
    int length = snprintf(path, size, "%s%s%s", home, value, below);
    return length > 0 && (size_t)length < size;
}

diffcut_status hub_cache_root(char *path, size_t size, diffcut_diagnostics *diag) {
    static const struct place {
        const char *variable, *below;
    } places[] = {{"HF_HUB_CACHE", ""},
                  {"HUGGINGFACE_HUB_CACHE", ""},
                  {"HF_HOME", "/hub"},
                  {"XDG_CACHE_HOME", "/huggingface/hub"},
                  {"HOME", "/.cache/huggingface/hub"}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (from_variable(places[i].variable, places[i].below, path, size)) {
            return DIFFCUT_OK;
        }
    }
    return diag_fail(diag, DIFFCUT_ERROR_IO, "the Hugging Face cache is nowhere: HF_HOME and HOME are not set");
}

diffcut_status hub_cache_model(const hub_name *name, char *path, size_t size, diffcut_diagnostics *diag) {
    char root[PATH_MAX];
    diffcut_status status = hub_cache_root(root, sizeof root, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    const char *slash = strchr(name->name, '/');
    int length =
        snprintf(path, size, "%s/" PREFIX "%.*s--%s", root, (int)(slash - name->name), name->name, slash + 1);
    if (length < 0 || (size_t)length >= size) {
        return diag_fail(diag, DIFFCUT_ERROR_IO, "%s: the path of the Hugging Face cache is too long", name->name);
    }
    return DIFFCUT_OK;
}

static bool is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static bool is_commit(const char *text) {
    return strlen(text) == COMMIT_DIGITS && strspn(text, "0123456789abcdef") == COMMIT_DIGITS;
}

/* The commit that refs/REVISION holds; false when there is none or it holds something else. */
static bool read_reference(const char *model, const char *revision, char *commit, size_t size) {
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/refs/%s", model, revision);
    if (length < 0 || (size_t)length >= sizeof path) {
        return false;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return false;
    }
    ssize_t got = read(fd, commit, size - 1);
    (void)close(fd);
    if (got <= 0) {
        return false;
    }
    commit[got] = '\0';
    commit[strcspn(commit, " \t\r\n")] = '\0';
    return is_part(commit, strlen(commit));
}

/* The only snapshot's name; false when there is none or more than one. */
static bool only_snapshot(const char *model, char *commit, size_t size) {
    char path[PATH_MAX];
    size_t count = 0;
    int length = snprintf(path, sizeof path, "%s/snapshots", model);
    DIR *folder = length > 0 && (size_t)length < sizeof path ? opendir(path) : NULL;
    if (folder == NULL) {
        return false;
    }
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] != '.' && strlen(entry->d_name) < size) {
            (void)snprintf(commit, size, "%s", entry->d_name);
            count++;
        }
    }
    (void)closedir(folder);
    return count == 1;
}

diffcut_status hub_cache_snapshot(const hub_name *name, char *path, size_t size, diffcut_diagnostics *diag) {
    char model[PATH_MAX];
    char commit[HUB_REVISION_SIZE + 1];
    diffcut_status status = hub_cache_model(name, model, sizeof model, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    bool found = read_reference(model, name->revision, commit, sizeof commit);
    if (!found && name->given && is_commit(name->revision)) {
        (void)snprintf(commit, sizeof commit, "%s", name->revision);
        found = true;
    }
    if (!found && !name->given) {
        found = only_snapshot(model, commit, sizeof commit);
    }
    if (found) {
        int length = snprintf(path, size, "%s" SNAPSHOTS "%s", model, commit);
        if (length > 0 && (size_t)length < size && is_folder(path)) {
            return DIFFCUT_OK;
        }
    }
    const char *revision_mark = name->given ? "@" : "";
    const char *revision = name->given ? name->revision : "";
    if (is_folder(model)) {
        return diag_fail(
            diag, DIFFCUT_ERROR_IO,
            "%s: the Hugging Face cache has no snapshot of revision \"%s\" (%.200s); get it with \"diffcut "
            "model pull %s%s%s\"",
            name->name, name->revision, model, name->name, revision_mark, revision);
    }
    return diag_fail(
        diag, DIFFCUT_ERROR_IO,
        "%s: No such file or directory, nor in the Hugging Face cache (%.250s); get it with \"diffcut model "
        "pull %s%s%s\"",
        name->name, model, name->name, revision_mark, revision);
}

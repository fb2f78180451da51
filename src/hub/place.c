/* place.c - see place.h. */
#include "hub/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/memory.h"

#define FOLDER_MODE 0777 /* the umask takes its part */
#define FILE_MODE 0666
#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)
#define LOCK_TRIES 16 /* lock files taken away under us before giving up */

/* "what: reason" below the cache. */
static diffcut_status fail(diffcut_diagnostics *diag, const place *self, const char *what, int error) {
    return diag_fail(diag, DIFFCUT_ERROR_IO, "%.200s: %.200s: %s", self->folder, what, strerror(error));
}

/* ------------------------------------------------------------------------------------------------- folders */

/* Makes the folder and those above it. */
static int make_folders(const char *path) {
    char part[PATH_MAX];
    const size_t length = strlen(path);
    if (length >= sizeof part) {
        return ENAMETOOLONG;
    }
    memcpy(part, path, length + 1);
    for (char *slash = part + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        if (mkdir(part, FOLDER_MODE) != 0 && errno != EEXIST) {
            return errno;
        }
        *slash = '/';
    }
    return mkdir(part, FOLDER_MODE) == 0 || errno == EEXIST ? 0 : errno;
}

/* Opens the folder `name` below another, made first if asked to, following no link. -1 with errno set on failure. */
static int open_below(int parent, const char *name, bool create) {
    if (create && mkdirat(parent, name, FOLDER_MODE) != 0 && errno != EEXIST) {
        return -1;
    }
    return openat(parent, name, FOLDER_FLAGS | O_NOFOLLOW);
}

static void close_if_open(int descriptor) {
    if (descriptor >= 0) {
        (void)close(descriptor);
    }
}

void place_close(place *self) {
    close_if_open(self->model);
    close_if_open(self->blobs);
    close_if_open(self->locks);
    mem_free(self->root);
    mem_free(self->folder);
    *self = (place){.model = -1, .blobs = -1, .locks = -1};
}

/* Opens what there is, or makes it; false with errno set. */
static bool open_folders(place *self, bool create) {
    const char *name = strrchr(self->folder, '/') + 1;
    const int top = open(self->root, FOLDER_FLAGS); /* may be a link to a larger disk: it is the user's own */
    if (top < 0) {
        return false;
    }
    self->model = open_below(top, name, create);
    if (self->model >= 0) {
        self->blobs = open_below(self->model, "blobs", create);
    }
    if (create && self->blobs >= 0) {
        const int all = open_below(top, ".locks", true);
        self->locks = all >= 0 ? open_below(all, name, true) : -1;
        close_if_open(all);
    }
    const int error = errno;
    (void)close(top);
    errno = error;
    return self->blobs >= 0 && (!create || self->locks >= 0);
}

/* root/models--ORG--NAME; the caller frees *folder. */
static diffcut_status model_folder(const char *root, const char *name, char **folder, diffcut_diagnostics *diag) {
    const char *slash = strchr(name, '/');
    const size_t size = strlen(root) + strlen(name) + sizeof "/models----";
    char *path = slash != NULL ? mem_array(size, 1) : NULL;
    if (slash == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "'%.200s' is not a name of the form ORG/NAME", name);
    }
    if (path == NULL) {
        return diag_no_memory(diag, size, "the cache's path");
    }
    (void)snprintf(path, size, "%s/models--%.*s--%s", root, (int)(slash - name), name, slash + 1);
    *folder = path;
    return DIFFCUT_OK;
}

diffcut_status place_open(const char *root, const char *name, bool create, place *out, diffcut_diagnostics *diag) {
    place made = {.root = mem_string(root), .model = -1, .blobs = -1, .locks = -1};
    diffcut_status status = DIFFCUT_OK;
    if (made.root == NULL) {
        status = diag_no_memory(diag, strlen(root) + 1, "the cache's path");
        goto cleanup;
    }
    status = model_folder(root, name, &made.folder, diag);
    if (status != DIFFCUT_OK) {
        goto cleanup;
    }
    const int error = create ? make_folders(root) : 0;
    if (error != 0) {
        status =
            diag_fail(diag, DIFFCUT_ERROR_IO, "%.300s: cannot make the cache's folder: %s", root, strerror(error));
        goto cleanup;
    }
    if (!open_folders(&made, create) && (create || errno != ENOENT)) {
        status = fail(diag, &made, "cannot open the cache's folder", errno);
        goto cleanup;
    }
    *out = made;
    made = (place){.model = -1, .blobs = -1, .locks = -1};
cleanup:
    place_close(&made);
    return status;
}

uint64_t place_free_bytes(const place *self) {
    struct statvfs info;
    if (self->model < 0 || fstatvfs(self->model, &info) != 0) {
        return UINT64_MAX;
    }
    return (uint64_t)info.f_bavail * info.f_frsize;
}

/* ------------------------------------------------------------------------------------------------- blobs */

static void partial_name(const char *hash, char name[PLACE_PARTIAL_SIZE]) {
    (void)snprintf(name, PLACE_PARTIAL_SIZE, "%.64s.incomplete", hash);
}

bool place_has_blob(const place *self, const char *hash, uint64_t size) {
    struct stat info;
    return self->blobs >= 0 && fstatat(self->blobs, hash, &info, 0) == 0 && S_ISREG(info.st_mode) &&
           (size == UINT64_MAX || (uint64_t)info.st_size == size);
}

uint64_t place_partial_bytes(const place *self, const char *hash) {
    char name[PLACE_PARTIAL_SIZE];
    struct stat info;
    partial_name(hash, name);
    const bool there = self->blobs >= 0 && fstatat(self->blobs, name, &info, AT_SYMLINK_NOFOLLOW) == 0;
    return there && S_ISREG(info.st_mode) && info.st_size > 0 ? (uint64_t)info.st_size : 0;
}

diffcut_status place_try_lock(const place *self, const char *hash, int *lock, diffcut_diagnostics *diag) {
    char name[PLACE_PARTIAL_SIZE];
    (void)snprintf(name, sizeof name, "%.64s.lock", hash);
    for (int attempt = 0; attempt < LOCK_TRIES; attempt++) {
        const int descriptor = openat(self->locks, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
        if (descriptor < 0) {
            return fail(diag, self, "cannot open the lock", errno);
        }
        if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
            const int error = errno;
            (void)close(descriptor);
            if (error == EWOULDBLOCK) {
                *lock = -1;
                return DIFFCUT_OK;
            }
            return fail(diag, self, "cannot lock", error);
        }
        /* Some programs remove the file as they leave: a lock on a file without its name guards nothing. */
        struct stat held, named;
        if (fstat(descriptor, &held) == 0 && fstatat(self->locks, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
            held.st_ino == named.st_ino && held.st_dev == named.st_dev) {
            *lock = descriptor;
            return DIFFCUT_OK;
        }
        (void)close(descriptor);
    }
    *lock = -1;
    return DIFFCUT_OK;
}

void place_unlock(int lock) {
    close_if_open(lock);
}

diffcut_status place_open_partial(const place *self, const char *hash, int *descriptor, diffcut_diagnostics *diag) {
    char name[PLACE_PARTIAL_SIZE];
    partial_name(hash, name);
    const int opened = openat(self->blobs, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, FILE_MODE);
    if (opened < 0) {
        return fail(diag, self, name, errno);
    }
    struct stat info;
    if (fstat(opened, &info) != 0 || !S_ISREG(info.st_mode) || info.st_nlink != 1) {
        (void)close(opened);
        return diag_fail(diag, DIFFCUT_ERROR_IO, "%.300s: %s is no file of its own; remove it", self->folder, name);
    }
    *descriptor = opened;
    return DIFFCUT_OK;
}

void place_remove_partial(const place *self, const char *hash) {
    char name[PLACE_PARTIAL_SIZE];
    partial_name(hash, name);
    (void)unlinkat(self->blobs, name, 0);
}

diffcut_status place_finish_blob(const place *self, const char *hash, int descriptor, diffcut_diagnostics *diag) {
    char name[PLACE_PARTIAL_SIZE];
    partial_name(hash, name);
    if (fsync(descriptor) != 0 && errno != EINVAL && errno != ENOTSUP) {
        return fail(diag, self, "cannot write", errno);
    }
    if (renameat(self->blobs, name, self->blobs, hash) != 0) {
        return fail(diag, self, "cannot rename", errno);
    }
    return DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- names of files */

/* Opens the folder of `path` below top/first/second (second may be NULL), each made if it is not there. *name is the
 * path's last part. */
static diffcut_status open_path(const place *self, const char *first, const char *second, const char *path,
                                int *descriptor, const char **name, diffcut_diagnostics *diag) {
    int at = open_below(self->model, first, true);
    if (at >= 0 && second != NULL) {
        const int below = open_below(at, second, true);
        const int error = errno;
        (void)close(at);
        errno = error;
        at = below;
    }
    const char *slash;
    for (; at >= 0 && (slash = strchr(path, '/')) != NULL; path = slash + 1) {
        char part[NAME_MAX + 1];
        const size_t length = (size_t)(slash - path);
        int below = -1;
        errno = ENAMETOOLONG;
        if (length < sizeof part) {
            memcpy(part, path, length);
            part[length] = '\0';
            below = open_below(at, part, true);
        }
        const int error = errno;
        (void)close(at);
        errno = error;
        at = below;
    }
    if (at < 0) {
        return fail(diag, self, path, errno);
    }
    *descriptor = at;
    *name = path;
    return DIFFCUT_OK;
}

diffcut_status place_link(const place *self, const char *commit, const char *path, const char *hash,
                          diffcut_diagnostics *diag) {
    char target[PATH_MAX] = "../../";
    size_t depth = strlen(target);
    for (const char *c = path; *c != '\0'; c++) {
        if (*c == '/' && depth + 3 < sizeof target) {
            memcpy(target + depth, "../", 4);
            depth += 3;
        }
    }
    const int length = snprintf(target + depth, sizeof target - depth, "blobs/%.64s", hash);
    if (length < 0 || (size_t)length >= sizeof target - depth) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "%.200s: too deep a path", path);
    }
    int folder = -1;
    const char *name = NULL;
    diffcut_status status = open_path(self, "snapshots", commit, path, &folder, &name, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    char there[PATH_MAX];
    const ssize_t linked = readlinkat(folder, name, there, sizeof there - 1);
    if (linked == (ssize_t)strlen(target) && memcmp(there, target, (size_t)linked) == 0) {
        goto cleanup;
    }
    if (unlinkat(folder, name, 0) != 0 && errno != ENOENT) {
        status = fail(diag, self, path, errno);
        goto cleanup;
    }
    if (symlinkat(target, folder, name) != 0 && errno != EEXIST) { /* another process made the same one */
        status = fail(diag, self, path, errno);
    }
cleanup:
    (void)close(folder);
    return status;
}

diffcut_status place_refer(const place *self, const char *revision, const char *commit, diffcut_diagnostics *diag) {
    int folder = -1;
    const char *name = NULL;
    diffcut_status status = open_path(self, "refs", NULL, revision, &folder, &name, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    char temporary[64];
    (void)snprintf(temporary, sizeof temporary, ".diffcut-%ld.tmp", (long)getpid());
    const size_t length = strlen(commit);
    const int file = openat(folder, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    int error = file < 0 ? errno : 0;
    if (error == 0) {
        errno = ENOSPC; /* of a write that is short */
        error = write(file, commit, length) == (ssize_t)length ? 0 : errno;
        error = close(file) == 0 || error != 0 ? error : errno;
    }
    if (error == 0 && renameat(folder, temporary, folder, name) != 0) {
        error = errno;
    }
    if (error != 0) {
        (void)unlinkat(folder, temporary, 0);
        status = fail(diag, self, revision, error);
    }
    (void)close(folder);
    return status;
}

/*
 * file.c - whole files in and out: diffcut_read_file, diffcut_write_file, diffcut_buffer_free.
 *
 * Writing is atomic: the bytes go to a temporary name in the target's folder, are flushed to the disk (fsync of the
 * file, so that a crash leaves the old file or the new one; not of the folder, so that the name itself may be lost by
 * a power cut) and take the target's name by rename. Without `replace` the name is taken by link, which fails where
 * one exists: of two processes that write one name, one wins and the other is told.
 *
 * A symbolic link is followed: its target is replaced, the link stays. What is no regular file (a pipe, /dev/null)
 * is written to directly. The mode of a new file is 0666 less the umask.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/memory.h"
#include "io/entry.h"

#define FILE_DEFAULT_MAX_BYTES ((size_t)1 << 30)
#define FILE_FIRST_CHUNK 65536
#define FILE_MODE 0666          /* the umask takes its part */
#define FILE_TEMPORARY_TRIES 64 /* names taken by others before giving up */
#define FILE_TEMPORARY_ROOM 64  /* bytes for the temporary's own name */

/* "path: what: reason", the reason being that of an errno value. */
static diffcut_status file_fail(diffcut_diagnostics *diag, const char *path, const char *what, int error) {
    char text[128] = "unknown error";
#if defined(__GLIBC__)
    const char *reason = strerror_r(error, text, sizeof text); /* the GNU form: may point elsewhere */
#else
    (void)strerror_r(error, text, sizeof text);
    const char *reason = text;
#endif
    return diag_fail(diag, DIFFCUT_ERROR_IO, "%.300s: %s: %s", path, what, reason);
}

void diffcut_buffer_free(diffcut_buffer *buffer) {
    if (buffer != NULL) {
        mem_free(buffer->data);
        *buffer = (diffcut_buffer){0};
    }
}

/* ------------------------------------------------------------------------------------------------- reading */

/* Reads to the end of the file into a block that grows. expected is the size the file is said to have, 0 where that
 * is unknown (pipes). One byte past max_bytes is enough to know that there are too many. */
static diffcut_status read_all(int descriptor, const char *path, size_t expected, size_t max_bytes,
                               diffcut_buffer *out, diffcut_diagnostics *diag) {
    size_t capacity = expected > 0 ? expected + 1 : FILE_FIRST_CHUNK;
    size_t size = 0;
    uint8_t *data = mem_array(capacity, 1);
    diffcut_status status = DIFFCUT_OK;
    if (data == NULL) {
        status = diag_no_memory(diag, capacity, path);
        goto cleanup;
    }
    for (;;) {
        if (size == capacity) {
            size_t larger = capacity > SIZE_MAX / 2 ? SIZE_MAX : capacity * 2;
            uint8_t *grown = mem_array_grow(data, size, larger, 1);
            if (grown == NULL) {
                status = diag_no_memory(diag, larger, path);
                goto cleanup;
            }
            data = grown;
            capacity = larger;
        }
        ssize_t got = read(descriptor, data + size, capacity - size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            status = file_fail(diag, path, "cannot read", errno);
            goto cleanup;
        }
        if (got == 0) {
            break;
        }
        size += (size_t)got;
        if (size > max_bytes) {
            status =
                diag_fail(diag, DIFFCUT_ERROR_LIMIT, "%.300s: larger than the limit of %zu bytes", path, max_bytes);
            goto cleanup;
        }
    }
    *out = (diffcut_buffer){.data = data, .size = size};
    data = NULL;
cleanup:
    mem_free(data);
    return status;
}

diffcut_status diffcut_read_file(const char *path, size_t max_bytes, diffcut_buffer *out,
                                 diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (path == NULL || out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_read_file: path or out is NULL");
    }
    if (max_bytes == 0) {
        max_bytes = FILE_DEFAULT_MAX_BYTES;
    }
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        return file_fail(diag, path, "cannot open", errno);
    }
    diffcut_status status;
    struct stat info;
    if (fstat(descriptor, &info) != 0) {
        status = file_fail(diag, path, "cannot read", errno);
    } else if (S_ISDIR(info.st_mode)) {
        status = file_fail(diag, path, "cannot read", EISDIR);
    } else if (S_ISREG(info.st_mode) && info.st_size > 0 && (uintmax_t)info.st_size > max_bytes) {
        status = diag_fail(diag, DIFFCUT_ERROR_LIMIT, "%.300s: %jd bytes, over the limit of %zu bytes", path,
                           (intmax_t)info.st_size, max_bytes);
    } else {
        size_t expected = S_ISREG(info.st_mode) && info.st_size > 0 ? (size_t)info.st_size : 0;
        status = read_all(descriptor, path, expected, max_bytes, out, diag);
    }
    (void)close(descriptor);
    return status;
}

/* ------------------------------------------------------------------------------------------------- writing */

/* 0, or the errno of the write that failed. */
static int write_all(int descriptor, const uint8_t *data, size_t size) {
    while (size > 0) {
        ssize_t put = write(descriptor, data, size);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return errno;
        }
        data += put;
        size -= (size_t)put;
    }
    return 0;
}

/* To the disk; some special file systems cannot, which is no failure to write. */
static int flush(int descriptor) {
    if (fsync(descriptor) != 0 && errno != EINVAL && errno != ENOTSUP && errno != EROFS) {
        return errno;
    }
    return 0;
}

/* Creates a file of a name that nobody else has in path's folder. The name is of process, time and stack (another
 * for each thread), and O_EXCL decides. On success *descriptor is open and *name is the caller's to free. */
static diffcut_status open_temporary(const char *path, int *descriptor, char **name, diffcut_diagnostics *diag) {
    const char *slash = strrchr(path, '/');
    size_t folder = slash != NULL ? (size_t)(slash - path) + 1 : 0;
    size_t room = folder + FILE_TEMPORARY_ROOM;
    char *temporary = mem_array(room, 1);
    if (temporary == NULL) {
        return diag_no_memory(diag, room, path);
    }
    memcpy(temporary, path, folder);
    int error = EEXIST;
    for (unsigned attempt = 0; attempt < FILE_TEMPORARY_TRIES && error == EEXIST; attempt++) {
        struct timespec now = {0};
        (void)clock_gettime(CLOCK_REALTIME, &now);
        (void)snprintf(temporary + folder, FILE_TEMPORARY_ROOM, ".diffcut-%lx-%lx-%lx-%x.tmp",
                       (unsigned long)getpid(), (unsigned long)now.tv_nsec,
                       (unsigned long)((uintptr_t)&now >> 4 & 0xFFFFFFFF), attempt);
        *descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
        if (*descriptor >= 0) {
            *name = temporary;
            return DIFFCUT_OK;
        }
        error = errno;
    }
    mem_free(temporary);
    return file_fail(diag, path, "cannot write", error);
}

/* The finished temporary takes the target's name; 0 or an errno. */
static int take_name(const char *temporary, const char *path, bool replace) {
    if (replace) {
        return rename(temporary, path) == 0 ? 0 : errno;
    }
    if (link(temporary, path) == 0) {
        (void)unlink(temporary);
        return 0;
    }
    int error = errno;
#if defined(RENAME_NOREPLACE)
    if (error == EPERM || error == ENOTSUP || error == ENOSYS) { /* a file system without links */
        error = renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) == 0 ? 0 : errno;
    }
#endif
    return error;
}

static diffcut_status write_exists(diffcut_diagnostics *diag, const char *path) {
    return diag_fail(diag, DIFFCUT_ERROR_EXISTS, "%.300s: exists already", path);
}

/* By way of a temporary file. shown is the path as the caller gave it, for messages. */
static diffcut_status write_regular(const char *path, const char *shown, const uint8_t *data, size_t size,
                                    bool replace, diffcut_diagnostics *diag) {
    int descriptor = -1;
    char *temporary = NULL;
    diffcut_status status = open_temporary(path, &descriptor, &temporary, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    int error = write_all(descriptor, data, size);
    if (error == 0) {
        error = flush(descriptor);
    }
    if (close(descriptor) != 0 && error == 0 && errno != EINTR) {
        error = errno; /* network file systems report a full disk here */
    }
    if (error == 0) {
        error = take_name(temporary, path, replace);
    }
    if (error != 0) {
        (void)unlink(temporary);
        status =
            error == EEXIST && !replace ? write_exists(diag, shown) : file_fail(diag, shown, "cannot write", error);
    }
    mem_free(temporary);
    return status;
}

/* Pipes and devices: straight in. */
static diffcut_status write_special(const char *path, const uint8_t *data, size_t size, diffcut_diagnostics *diag) {
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    if (descriptor < 0) {
        return file_fail(diag, path, "cannot write", errno);
    }
    int error = write_all(descriptor, data, size);
    if (close(descriptor) != 0 && error == 0 && errno != EINTR) {
        error = errno;
    }
    return error != 0 ? file_fail(diag, path, "cannot write", error) : DIFFCUT_OK;
}

diffcut_status diffcut_write_file(const char *path, const void *data, size_t size, bool replace,
                                  diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (path == NULL || (data == NULL && size > 0)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_write_file: path or data is NULL");
    }
    size_t length = strlen(path);
    if (length == 0) {
        return file_fail(diag, path, "cannot write", ENOENT);
    }
    struct stat info;
    bool there = stat(path, &info) == 0;
    if (path[length - 1] == '/' || (there && S_ISDIR(info.st_mode))) {
        return file_fail(diag, path, "cannot write", EISDIR);
    }
    if (there && !S_ISREG(info.st_mode)) {
        return write_special(path, data, size, diag);
    }
    if (there && !replace) {
        return write_exists(diag, path);
    }
    struct stat link_info;
    if (there && lstat(path, &link_info) == 0 && S_ISLNK(link_info.st_mode)) {
        char *target = realpath(path, NULL); /* from malloc: freed by free */
        if (target == NULL) {
            return file_fail(diag, path, "cannot write", errno);
        }
        diffcut_status status = write_regular(target, path, data, size, replace, diag);
        free(target);
        return status;
    }
    return write_regular(path, path, data, size, replace, diag);
}

/* photo.c - see photo.h. */
#include "photo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "interrupt.h"

#define STDIN_MAX_BYTES ((size_t)1 << 30) /* the limit of diffcut_read_file */

const char *photo_name(const char *path) {
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

static diffcut_status fail(diffcut_diagnostics *diagnostics, diffcut_status status, const char *what,
                           const char *reason) {
    (void)snprintf(diagnostics->message, sizeof diagnostics->message, "%.200s: %.200s", what, reason);
    return status;
}

static diffcut_status read_stdin(photo_bytes *out, diffcut_diagnostics *diagnostics) {
    size_t capacity = (size_t)1 << 16;
    size_t size = 0;
    uint8_t *data = malloc(capacity);
    diffcut_status status = DIFFCUT_OK;
    while (data != NULL) {
        if (size == capacity) {
            uint8_t *larger = realloc(data, capacity * 2);
            if (larger == NULL) {
                break;
            }
            data = larger;
            capacity *= 2;
        }
        const ssize_t got = interrupt_read(STDIN_FILENO, data + size, capacity - size);
        if (got > 0) {
            size += (size_t)got;
            if (size > STDIN_MAX_BYTES) {
                status = fail(diagnostics, DIFFCUT_ERROR_LIMIT, "standard input", "more than 1073741824 bytes");
                goto cleanup;
            }
        } else if (got == 0) {
            *out = (photo_bytes){.data = data, .size = size};
            return DIFFCUT_OK;
        } else {
            status = fail(diagnostics, DIFFCUT_ERROR_IO, "standard input", strerror(errno));
            goto cleanup;
        }
    }
    status = fail(diagnostics, DIFFCUT_ERROR_MEMORY, "standard input", "out of memory");
cleanup:
    free(data);
    return status;
}

diffcut_status photo_read_bytes(const char *path, photo_bytes *out, diffcut_diagnostics *diagnostics) {
    if (strcmp(path, "-") == 0) {
        return read_stdin(out, diagnostics);
    }
    diffcut_buffer buffer = {0};
    const diffcut_status status = diffcut_read_file(path, 0, &buffer, diagnostics);
    if (status == DIFFCUT_OK) {
        *out = (photo_bytes){.data = buffer.data, .size = buffer.size, .buffer = buffer};
    }
    return status;
}

void photo_bytes_free(photo_bytes *bytes) {
    if (bytes->buffer.data != NULL) {
        diffcut_buffer_free(&bytes->buffer);
    } else {
        free(bytes->data);
    }
    *bytes = (photo_bytes){0};
}

diffcut_status photo_read(const char *path, const diffcut_decode_limits *limits, diffcut_image *out,
                          uint64_t *file_bytes, diffcut_diagnostics *diagnostics) {
    photo_bytes bytes = {0};
    diffcut_status status = photo_read_bytes(path, &bytes, diagnostics);
    if (status == DIFFCUT_OK) {
        if (file_bytes != NULL) {
            *file_bytes = bytes.size;
        }
        status = diffcut_decode_image(bytes.data, bytes.size, photo_name(path), limits, out, diagnostics);
    }
    photo_bytes_free(&bytes);
    return status;
}

static bool ends_with(const char *string, const char *ending) {
    const size_t length = strlen(string);
    const size_t tail = strlen(ending);
    return length >= tail && strcmp(string + length - tail, ending) == 0;
}

diffcut_status photo_encode_labels(const char *path, const diffcut_labels *labels, diffcut_buffer *out,
                                   diffcut_diagnostics *diagnostics) {
    return ends_with(path, ".npy") ? diffcut_encode_labels_npy(labels, out, diagnostics)
                                   : diffcut_encode_labels_png(labels, out, diagnostics);
}

diffcut_status photo_write_result(const char *path, const diffcut_buffer *result, bool replace,
                                  diffcut_diagnostics *diagnostics) {
    if (strcmp(path, "-") != 0) {
        const diffcut_status status = diffcut_write_file(path, result->data, result->size, replace, diagnostics);
        if (status == DIFFCUT_ERROR_EXISTS) {
            return fail(diagnostics, status, path, "exists already; --force replaces it");
        }
        return status;
    }
    if (isatty(STDOUT_FILENO) == 1) {
        return fail(diagnostics, DIFFCUT_ERROR_IO, "standard output", "is a terminal; name a file or a pipe");
    }
    if (fwrite(result->data, 1, result->size, stdout) != result->size || fflush(stdout) != 0) {
        return fail(diagnostics, DIFFCUT_ERROR_IO, "standard output", strerror(errno));
    }
    return DIFFCUT_OK;
}

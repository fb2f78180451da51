/* weights_file.c - see weights_file.h. */
#include "model/weights_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define START_BYTES 64

/* What a file begins with, and what is to be said of it. */
typedef struct beginning {
    const char *bytes;
    size_t size;
    const char *what;
} beginning;

static const beginning beginnings[] = {
    {"version https://git-lfs", 23,
     "a Git LFS pointer in place of the weights; fetch them with \"git lfs pull\" or \"diffcut model pull\""},
    {"\x93NUMPY", 6, "a numpy array, no safetensors file"},
    {"GGUF", 4, "a GGUF file; weights are read from safetensors"},
    {"\x89HDF", 4, "an HDF5 file; weights are read from safetensors"},
    {"<!DOCTYPE", 9, "a web page, no weights: the download failed"},
    {"<html", 5, "a web page, no weights: the download failed"},
};

bool weights_file_ends(const char *text, const char *end) {
    size_t length = strlen(text);
    size_t tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

bool weights_file_is_pickle_name(const char *name) {
    static const char *const ends[] = {".ckpt", ".bin", ".pt", ".pth", ".pkl"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (weights_file_ends(name, ends[i])) {
            return true;
        }
    }
    return false;
}

diffcut_status weights_file_refuse_pickle(const char *name, diffcut_diagnostics *diag) {
    return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                     "%.250s: a PyTorch pickle, which is not read because unpickling runs the code in it; use the "
                     "safetensors file of the same model, or convert it with PyTorch and safetensors.torch.save_file",
                     name);
}

/* Bytes at the start of the file; 0 when it cannot be read: opening it then says why. */
static size_t read_start(const char *path, uint8_t *start) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return 0;
    }
    ssize_t got;
    do {
        got = read(fd, start, START_BYTES);
    } while (got < 0 && errno == EINTR);
    (void)close(fd);
    return got > 0 ? (size_t)got : 0;
}

/* A zip archive is what torch.save writes; before that it wrote a bare pickle, whose first byte is PROTO (0x80) with
 * a version after it. */
static bool is_pickle(const uint8_t *start, size_t size) {
    static const uint8_t zip[] = {'P', 'K', 3, 4};
    return (size >= sizeof zip && memcmp(start, zip, sizeof zip) == 0) ||
           (size >= 3 && start[0] == 0x80 && start[1] >= 2 && start[1] <= 5 &&
            (start[2] == 0x8A || start[2] == '}' || start[2] == 'c' || start[2] == 0x95 || start[2] == ']'));
}

diffcut_status weights_file_open(const char *folder, const char *name, safetensors **out, diffcut_diagnostics *diag) {
    char path[PATH_MAX];
    uint8_t start[START_BYTES];
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    size_t size = length > 0 && (size_t)length < sizeof path ? read_start(path, start) : 0;
    if (is_pickle(start, size)) {
        return weights_file_refuse_pickle(name, diag);
    }
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        const beginning *known = &beginnings[i];
        if (size >= known->size && memcmp(start, known->bytes, known->size) == 0) {
            return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%.250s: %s", name, known->what);
        }
    }
    return safetensors_open(folder, name, out, diag);
}

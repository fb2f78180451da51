/* synth_write.c - see synth_write.h. */
#include "synth/synth_write.h"

#include "core/memory.h"
#include "io/bytes.h"
#include "synth/synth_values.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK_ELEMENTS ((size_t)1 << 19) /* numbers between two writes */
#define FOLDER_MODE 0777                 /* the umask takes its part */
#define FILE_MODE 0666
#define TEMPORARY_TRIES 64 /* names taken by others before giving up */
#define SUFFIX_ROOM 40

static diffcut_status io_fail(const synth_output *self, const char *name, const char *what, int error,
                              diffcut_diagnostics *diag) {
    return diag_fail(diag, DIFFCUT_ERROR_IO, "%.250s/%s: %s: %s", self->target, name, what, strerror(error));
}

/* ------------------------------------------------------------------------------------------------- folder */

/* True when the folder can be listed and holds nothing. */
static bool is_empty(const char *folder) {
    DIR *list = opendir(folder);
    bool empty = list != NULL;
    const struct dirent *entry;
    while (list != NULL && (entry = readdir(list)) != NULL) {
        empty = empty && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
    }
    if (list != NULL) {
        (void)closedir(list);
    }
    return empty;
}

static diffcut_status look_at_target(synth_output *self, bool replace, diffcut_diagnostics *diag) {
    struct stat info;
    if (stat(self->target, &info) != 0) {
        return errno == ENOENT ? DIFFCUT_OK
                               : diag_fail(diag, DIFFCUT_ERROR_IO, "%.300s: %s", self->target, strerror(errno));
    }
    if (!S_ISDIR(info.st_mode)) {
        return diag_fail(diag, DIFFCUT_ERROR_EXISTS, "%.300s: exists already and is no folder", self->target);
    }
    self->merge = !is_empty(self->target);
    if (self->merge && !replace) {
        return diag_fail(diag, DIFFCUT_ERROR_EXISTS, "%.300s: exists already and is not empty", self->target);
    }
    return DIFFCUT_OK;
}

/* Makes the folder in which the files grow, beside the target, so that taking its name is one rename. */
static diffcut_status make_temporary(synth_output *self, diffcut_diagnostics *diag) {
    size_t room = strlen(self->target) + SUFFIX_ROOM;
    char *temporary = mem_array(room, 1);
    if (temporary == NULL) {
        return diag_no_memory(diag, room, self->target);
    }
    int error = EEXIST;
    for (unsigned attempt = 0; attempt < TEMPORARY_TRIES && error == EEXIST; attempt++) {
        (void)snprintf(temporary, room, "%s.partial-%lx-%x", self->target, (unsigned long)getpid(), attempt);
        error = mkdir(temporary, FOLDER_MODE) == 0 ? 0 : errno;
    }
    if (error != 0) {
        mem_free(temporary);
        return diag_fail(diag, DIFFCUT_ERROR_IO, "%.300s: cannot make a folder beside it: %s", self->target,
                         strerror(error));
    }
    self->temporary = temporary;
    return DIFFCUT_OK;
}

diffcut_status synth_output_open(const char *folder, bool replace, synth_output *out, diffcut_diagnostics *diag) {
    synth_output self = {.merge = false};
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/') {
        length--;
    }
    if (length == 0 || length + SUFFIX_ROOM + sizeof self.made[0].name >= PATH_MAX) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "the folder's name is empty or too long");
    }
    self.target = mem_string(folder);
    if (self.target == NULL) {
        return diag_no_memory(diag, length + 1, "the folder's name");
    }
    self.target[length] = '\0';
    diffcut_status status = look_at_target(&self, replace, diag);
    if (status == DIFFCUT_OK) {
        status = make_temporary(&self, diag);
    }
    if (status != DIFFCUT_OK) {
        mem_free(self.target);
        return status;
    }
    *out = self;
    return DIFFCUT_OK;
}

static void path_of(const char *folder, const char *name, char path[PATH_MAX]) {
    (void)snprintf(path, PATH_MAX, "%s/%s", folder, name); /* checked when the output was opened */
}

/* Notes what is about to be made; every name is one of a fixed, short list. */
static void note(synth_output *self, const char *name, size_t length, bool folder) {
    struct synth_entry *entry = &self->made[self->count++];
    (void)snprintf(entry->name, sizeof entry->name, "%.*s", (int)length, name);
    entry->folder = folder;
}

static bool has_folder(const synth_output *self, const char *name, size_t length) {
    for (size_t i = 0; i < self->count; i++) {
        const struct synth_entry *entry = &self->made[i];
        if (entry->folder && strlen(entry->name) == length && memcmp(entry->name, name, length) == 0) {
            return true;
        }
    }
    return false;
}

/* Creates a file of the folder, and the sub-folder it is in. */
static diffcut_status create(synth_output *self, const char *name, int *descriptor, diffcut_diagnostics *diag) {
    char path[PATH_MAX];
    const char *slash = strchr(name, '/');
    if (self->count + 2 > SYNTH_MAX_FILES) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "%s: more than %d files", name, SYNTH_MAX_FILES);
    }
    if (slash != NULL && !has_folder(self, name, (size_t)(slash - name))) {
        note(self, name, (size_t)(slash - name), true);
        path_of(self->temporary, self->made[self->count - 1].name, path);
        if (mkdir(path, FOLDER_MODE) != 0) {
            return io_fail(self, name, "cannot make its folder", errno, diag);
        }
    }
    note(self, name, strlen(name), false);
    path_of(self->temporary, name, path);
    *descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
    return *descriptor >= 0 ? DIFFCUT_OK : io_fail(self, name, "cannot write", errno, diag);
}

/* 0, or the errno of the write that failed. */
static int write_all(int descriptor, const void *data, size_t size) {
    const uint8_t *at = data;
    while (size > 0) {
        ssize_t put = write(descriptor, at, size);
        if (put < 0 && errno != EINTR) {
            return errno;
        }
        at += put > 0 ? put : 0;
        size -= put > 0 ? (size_t)put : 0;
    }
    return 0;
}

diffcut_status synth_output_file(synth_output *self, const char *name, const void *data, size_t size,
                                 diffcut_diagnostics *diag) {
    int descriptor = -1;
    diffcut_status status = create(self, name, &descriptor, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    int error = write_all(descriptor, data, size);
    if (close(descriptor) != 0 && error == 0) {
        error = errno; /* network file systems report a full disk here */
    }
    return error == 0 ? DIFFCUT_OK : io_fail(self, name, "cannot write", error, diag);
}

/* ------------------------------------------------------------------------------------------------- weights */

/* The header: length, JSON, spaces to a multiple of 8 so that the data are aligned. */
static diffcut_status make_header(const synth_list *list, dtype type, diffcut_buffer *out, uint64_t *data,
                                  diffcut_diagnostics *diag) {
    bytes json = {0};
    uint64_t offset = 0;
    bytes_text(&json, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (size_t i = 0; i < list->count; i++) {
        const synth_tensor *tensor = &list->tensors[i];
        bytes_text(&json, ",");
        bytes_json_string(&json, tensor->name);
        bytes_text(&json, ":{\"dtype\":");
        bytes_json_string(&json, dtype_name(type));
        bytes_text(&json, ",\"shape\":[");
        for (size_t side = 0; side < tensor->rank; side++) {
            bytes_text(&json, side > 0 ? "," : "");
            bytes_number(&json, tensor->shape[side]);
        }
        bytes_text(&json, "],\"data_offsets\":[");
        bytes_number(&json, offset);
        bytes_text(&json, ",");
        offset += (uint64_t)tensor->elements * dtype_size(type);
        bytes_number(&json, offset);
        bytes_text(&json, "]}");
    }
    bytes_text(&json, "}");
    while (bytes_ok(&json) && json.size % 8 != 0) {
        bytes_text(&json, " ");
    }
    bytes whole = {0};
    uint8_t length[8];
    for (size_t i = 0; i < sizeof length; i++) {
        length[i] = (uint8_t)((uint64_t)json.size >> 8 * i);
    }
    bytes_append(&whole, length, sizeof length);
    bytes_append(&whole, json.data, json.size);
    whole.wanted = bytes_ok(&json) ? whole.wanted : json.wanted;
    bytes_free(&json);
    *data = offset;
    return bytes_finish(&whole, "a safetensors header", out, diag);
}

typedef struct weights_job {
    synth_output *output;
    const char *name, *component;
    dtype type;
    uint64_t seed;
    synth_written_fn written;
    void *user;
    uint64_t done; /* bytes of data */
    synth_values values;
    uint32_t chunk[CHUNK_ELEMENTS]; /* wide enough for every type */
} weights_job;

static diffcut_status write_tensor(weights_job *job, int descriptor, const synth_tensor *tensor,
                                   diffcut_diagnostics *diag) {
    synth_values_start(&job->values, job->seed, job->component, tensor, job->type);
    for (size_t at = 0; at < tensor->elements; at += CHUNK_ELEMENTS) {
        size_t count = tensor->elements - at < CHUNK_ELEMENTS ? tensor->elements - at : CHUNK_ELEMENTS;
        size_t size = count * dtype_size(job->type);
        synth_values_next(&job->values, count, job->chunk);
        int error = write_all(descriptor, job->chunk, size);
        if (error != 0) {
            return io_fail(job->output, job->name, "cannot write", error, diag);
        }
        job->done += size;
        if (job->written(job->user, job->done) != 0) {
            return diag_fail(diag, DIFFCUT_ERROR_CANCELLED, "%s: cancelled", job->name);
        }
    }
    return DIFFCUT_OK;
}

/* The whole file's room at once, where the file system can: a full disk is then told before minutes of writing. */
static int reserve(int descriptor, uint64_t size) {
    int error = fallocate(descriptor, 0, 0, (off_t)size) == 0 ? 0 : errno;
    return error == ENOSPC || error == EFBIG || error == EDQUOT ? error : 0;
}

diffcut_status synth_output_weights(synth_output *self, const char *name, const char *component,
                                    const synth_list *list, dtype type, uint64_t seed, synth_written_fn written,
                                    void *user, diffcut_diagnostics *diag) {
    int descriptor = -1;
    uint64_t data = 0;
    diffcut_buffer header = {0};
    weights_job *job = mem_array(1, sizeof *job);
    if (job == NULL) {
        return diag_no_memory(diag, sizeof *job, name);
    }
    job->output = self;
    job->name = name;
    job->component = component;
    job->type = type;
    job->seed = seed;
    job->written = written;
    job->user = user;
    job->done = 0;
    diffcut_status status = make_header(list, type, &header, &data, diag);
    if (status == DIFFCUT_OK) {
        status = create(self, name, &descriptor, diag);
    }
    if (status != DIFFCUT_OK) {
        goto cleanup;
    }
    int error = reserve(descriptor, header.size + data);
    if (error == 0) {
        error = write_all(descriptor, header.data, header.size);
    }
    if (error != 0) {
        status = io_fail(self, name, "cannot write", error, diag);
    }
    for (size_t i = 0; i < list->count && status == DIFFCUT_OK; i++) {
        status = write_tensor(job, descriptor, &list->tensors[i], diag);
    }
    if (close(descriptor) != 0 && status == DIFFCUT_OK) {
        status = io_fail(self, name, "cannot write", errno, diag);
    }
cleanup:
    diffcut_buffer_free(&header);
    mem_free(job);
    return status;
}

/* ------------------------------------------------------------------------------------------------- names */

/* Moves the files one by one into the folder that is there. */
static diffcut_status merge(synth_output *self, diffcut_diagnostics *diag) {
    for (size_t i = 0; i < self->count; i++) {
        char from[PATH_MAX];
        char to[PATH_MAX];
        const struct synth_entry *entry = &self->made[i];
        path_of(self->temporary, entry->name, from);
        path_of(self->target, entry->name, to);
        bool moved = entry->folder ? mkdir(to, FOLDER_MODE) == 0 || errno == EEXIST : rename(from, to) == 0;
        if (!moved) {
            return io_fail(self, entry->name, "cannot take its name", errno, diag);
        }
    }
    return DIFFCUT_OK;
}

/* Removes the temporary folder with whatever of the files is still in it. */
static void remove_temporary(synth_output *self) {
    char path[PATH_MAX];
    for (size_t i = self->count; i-- > 0;) {
        path_of(self->temporary, self->made[i].name, path);
        (void)remove(path);
    }
    (void)rmdir(self->temporary);
    mem_free(self->temporary);
    self->temporary = NULL;
}

diffcut_status synth_output_finish(synth_output *self, diffcut_diagnostics *diag) {
    if (self->merge) {
        return merge(self, diag);
    }
    if (rename(self->temporary, self->target) == 0) {
        mem_free(self->temporary);
        self->temporary = NULL;
        return DIFFCUT_OK;
    }
    if (errno == ENOTEMPTY || errno == EEXIST) {
        return diag_fail(diag, DIFFCUT_ERROR_EXISTS, "%.300s: was made by somebody else meanwhile", self->target);
    }
    return diag_fail(diag, DIFFCUT_ERROR_IO, "%.300s: cannot take its name: %s", self->target, strerror(errno));
}

void synth_output_close(synth_output *self) {
    if (self->temporary != NULL) {
        remove_temporary(self);
    }
    mem_free(self->target);
    *self = (synth_output){.merge = false};
}

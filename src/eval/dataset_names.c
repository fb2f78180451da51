/* dataset_names.c - see dataset_names.h. */
#include "eval/dataset_names.h"

#include "core/memory.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define NAME_MAX_BYTES 1024
#define LIST_MAX_BYTES ((size_t)1 << 30)
#define WALK_MAX_DEPTH 16 /* folders below the photos'; cities are one */

void dataset_names_free(dataset_names *names) {
    mem_free(names->text);
    mem_free(names->starts);
    *names = (dataset_names){0};
}

const char *dataset_names_at(const dataset_names *names, size_t index) {
    return names->text + names->starts[index];
}

static bool ends_with(const char *name, size_t length, const char *ending) {
    const size_t tail = strlen(ending);
    return length > tail && strncasecmp(name + length - tail, ending, tail) == 0;
}

size_t dataset_stem_length(const char *name) {
    static const char *const endings[] = {".jpg", ".jpeg", ".png", ".webp"};
    const size_t length = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        if (ends_with(name, length, endings[i])) {
            return length - strlen(endings[i]);
        }
    }
    return length;
}

static diffcut_status add(dataset_names *names, const char *name, size_t length, diffcut_diagnostics *diag) {
    if (names->size + length + 1 > names->capacity) {
        const size_t capacity = 2 * names->capacity + length + 4096;
        char *grown = mem_array_grow(names->text, names->size, capacity, 1);
        if (grown == NULL) {
            return diag_no_memory(diag, capacity, "the data set's names");
        }
        names->text = grown;
        names->capacity = capacity;
    }
    if (names->count == names->room) {
        const size_t room = 2 * names->room + 512;
        size_t *grown = mem_array_grow(names->starts, names->count, room, sizeof *grown);
        if (grown == NULL) {
            return diag_no_memory(diag, room * sizeof *grown, "the data set's names");
        }
        names->starts = grown;
        names->room = room;
    }
    memcpy(names->text + names->size, name, length);
    names->text[names->size + length] = '\0';
    names->starts[names->count++] = names->size;
    names->size += length + 1;
    return DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- order */

static int compare_starts(const void *a, const void *b, void *text) {
    const char *base = text;
    size_t first;
    size_t second;
    memcpy(&first, a, sizeof first);
    memcpy(&second, b, sizeof second);
    return strcmp(base + first, base + second);
}

/* By stem, then by ending: names that differ in their ending only are neighbours. */
static int compare_stems(const void *a, const void *b, void *text) {
    const char *base = text;
    size_t first;
    size_t second;
    memcpy(&first, a, sizeof first);
    memcpy(&second, b, sizeof second);
    const size_t first_length = dataset_stem_length(base + first);
    const size_t second_length = dataset_stem_length(base + second);
    const size_t common = first_length < second_length ? first_length : second_length;
    const int order = memcmp(base + first, base + second, common);
    if (order != 0 || first_length != second_length) {
        return order != 0 ? order : first_length < second_length ? -1 : 1;
    }
    return strcmp(base + first, base + second);
}

static bool same_stem(const char *a, const char *b) {
    const size_t length = dataset_stem_length(a);
    return dataset_stem_length(b) == length && memcmp(a, b, length) == 0;
}

/* DIFFCUT_ERROR_FORMAT names a photo that is there twice, where endings are kept also under another ending: both
 * would share one label map. Works on a sorted copy: the list keeps its order. */
static diffcut_status refuse_doubles(const dataset_names *names, const char *path, bool endings,
                                     diffcut_diagnostics *diag) {
    if (names->count == 0) {
        return DIFFCUT_OK;
    }
    diffcut_status status = DIFFCUT_OK;
    size_t *sorted = mem_array(names->count, sizeof *sorted);
    if (sorted == NULL) {
        return diag_no_memory(diag, names->count * sizeof *sorted, "the data set's names");
    }
    memcpy(sorted, names->starts, names->count * sizeof *sorted);
    qsort_r(sorted, names->count, sizeof *sorted, endings ? compare_stems : compare_starts, names->text);
    for (size_t i = 1; i < names->count && status == DIFFCUT_OK; i++) {
        const char *before = names->text + sorted[i - 1];
        const char *name = names->text + sorted[i];
        if (strcmp(before, name) == 0) {
            status = diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%.300s: \"%.100s\" is named twice", path, name);
        } else if (endings && same_stem(before, name)) {
            status = diag_fail(diag, DIFFCUT_ERROR_FORMAT,
                               "%.300s: \"%.80s\" and \"%.80s\" would share one label map", path, before, name);
        }
    }
    mem_free(sorted);
    return status;
}

/* ------------------------------------------------------------------------------------------------- lists */

/* True for "/etc/x", "../x" and "a/../x". */
static bool leads_out(const char *name) {
    if (name[0] == '/') {
        return true;
    }
    for (const char *part = name; part != NULL; part = strchr(part, '/')) {
        part += *part == '/' ? 1 : 0;
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0')) {
            return true;
        }
    }
    return false;
}

/* One line, without its end of line; name has NAME_MAX_BYTES + 1 bytes. *length is 0 for an empty line. */
static diffcut_status read_line(const char *line, size_t size, const char *path, size_t number, char *name,
                                size_t *length, diffcut_diagnostics *diag) {
    while (size > 0 && (line[size - 1] == ' ' || line[size - 1] == '\t' || line[size - 1] == '\r')) {
        size--;
    }
    if (size > NAME_MAX_BYTES || memchr(line, '\0', size) != NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%.300s: line %zu is no name of a photo", path, number);
    }
    memcpy(name, line, size);
    name[size] = '\0';
    *length = size;
    if (leads_out(name)) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%.300s: line %zu: \"%.100s\" leads out of the folder", path,
                         number, name);
    }
    return DIFFCUT_OK;
}

static diffcut_status read_lines(const diffcut_buffer *file, const char *path, const char *photo_ending,
                                 const char *label_ending, dataset_names *names, diffcut_diagnostics *diag) {
    diffcut_status status = DIFFCUT_OK;
    const char *at = (const char *)file->data;
    size_t left = file->size;
    for (size_t number = 1; left > 0 && status == DIFFCUT_OK; number++) {
        char name[NAME_MAX_BYTES + 1];
        size_t length = 0;
        const char *end = memchr(at, '\n', left);
        const size_t size = end != NULL ? (size_t)(end - at) : left;
        status = read_line(at, size, path, number, name, &length, diag);
        if (photo_ending != NULL && ends_with(name, length, photo_ending)) {
            length -= strlen(photo_ending);
        } else if (photo_ending != NULL && ends_with(name, length, label_ending)) {
            length -= strlen(label_ending);
        }
        if (status == DIFFCUT_OK && length > 0) {
            status = add(names, name, length, diag);
        }
        at += size + (end != NULL ? 1 : 0);
        left -= size + (end != NULL ? 1 : 0);
    }
    return status;
}

diffcut_status dataset_names_read(const char *path, const char *photo_ending, const char *label_ending,
                                  dataset_names *names, diffcut_diagnostics *diag) {
    diffcut_buffer file = {0};
    dataset_names found = {0};
    diffcut_status status = diffcut_read_file(path, LIST_MAX_BYTES, &file, diag);
    if (status == DIFFCUT_OK) {
        status = read_lines(&file, path, photo_ending, label_ending, &found, diag);
    }
    if (status == DIFFCUT_OK && found.count == 0) {
        status = diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%.300s: the list is empty", path);
    }
    if (status == DIFFCUT_OK) {
        status = refuse_doubles(&found, path, photo_ending == NULL, diag);
    }
    diffcut_buffer_free(&file);
    if (status != DIFFCUT_OK) {
        dataset_names_free(&found);
        return status;
    }
    *names = found;
    return DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- folders */

typedef struct walk {
    char path[DIFFCUT_PATH_SIZE]; /* of the folder at hand */
    size_t root;                  /* length of the photos' folder in it, with its slash */
    const char *ending;
    dataset_names *names;
    diffcut_diagnostics *diag;
} walk;

static diffcut_status walk_folder(walk *w, size_t length, unsigned depth);

static diffcut_status walk_entry(walk *w, size_t length, const struct dirent *entry, unsigned depth) {
    const size_t size = strlen(entry->d_name);
    if (entry->d_name[0] == '.') {
        return DIFFCUT_OK;
    }
    if (length + size + 2 > sizeof w->path || length + size - w->root > NAME_MAX_BYTES) {
        return diag_fail(w->diag, DIFFCUT_ERROR_LIMIT, "%.300s: a path below it is too long", w->path);
    }
    memcpy(w->path + length, entry->d_name, size + 1);
    struct stat info;
    diffcut_status status = DIFFCUT_OK;
    if (lstat(w->path, &info) == 0 && S_ISDIR(info.st_mode) && depth < WALK_MAX_DEPTH) {
        w->path[length + size] = '/';
        w->path[length + size + 1] = '\0';
        status = walk_folder(w, length + size + 1, depth + 1);
    } else if (!S_ISDIR(info.st_mode)) {
        const char *name = w->path + w->root;
        const size_t whole = length + size - w->root;
        if (w->ending == NULL && dataset_stem_length(name) < whole) {
            status = add(w->names, name, whole, w->diag);
        } else if (w->ending != NULL && ends_with(name, whole, w->ending)) {
            status = add(w->names, name, whole - strlen(w->ending), w->diag);
        }
    }
    w->path[length] = '\0';
    return status;
}

/* path holds `length` bytes that end with a slash. */
static diffcut_status walk_folder(walk *w, size_t length, unsigned depth) {
    DIR *folder = opendir(w->path);
    if (folder == NULL) {
        return diag_fail(w->diag, DIFFCUT_ERROR_IO, "%.300s: %s", w->path, strerror(errno));
    }
    diffcut_status status = DIFFCUT_OK;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL && errno != 0) {
            status = diag_fail(w->diag, DIFFCUT_ERROR_IO, "%.300s: %s", w->path, strerror(errno));
        }
        if (entry == NULL || status != DIFFCUT_OK) {
            break;
        }
        status = walk_entry(w, length, entry, depth);
        if (status != DIFFCUT_OK) {
            break;
        }
    }
    (void)closedir(folder);
    return status;
}

diffcut_status dataset_names_walk(const char *folder, const char *ending, dataset_names *names,
                                  diffcut_diagnostics *diag) {
    dataset_names found = {0};
    walk w = {.ending = ending, .names = &found, .diag = diag};
    const int length = snprintf(w.path, sizeof w.path, "%s/", folder);
    if (length < 0 || (size_t)length >= sizeof w.path) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "%.300s: the path is too long", folder);
    }
    w.root = (size_t)length;
    diffcut_status status = walk_folder(&w, w.root, 0);
    if (status == DIFFCUT_OK && found.count == 0) {
        status = diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%.300s: no photos in it (%s)", folder,
                           ending != NULL ? ending : ".jpg, .jpeg, .png or .webp");
    }
    if (status == DIFFCUT_OK) {
        qsort_r(found.starts, found.count, sizeof *found.starts, compare_starts, found.text);
        status = refuse_doubles(&found, folder, ending == NULL, diag);
    }
    if (status != DIFFCUT_OK) {
        dataset_names_free(&found);
        return status;
    }
    *names = found;
    return DIFFCUT_OK;
}

/* broken.c - see broken.h. */
#include "broken.h"

#include "test.h"

#include <dirent.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ORIGINAL DIFFCUT_TEST_DATA "/tiny-pixel"

static void join(char *out, size_t size, const char *folder, const char *name) {
    int length = snprintf(out, size, "%s/%s", folder, name);
    assert_true(length > 0 && (size_t)length < size);
}

char *broken_read(const char *folder, const char *name, size_t *size) {
    char path[4096];
    join(path, sizeof path, folder, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long length = ftell(file);
    assert_true(length >= 0);
    rewind(file);
    char *data = calloc((size_t)length + 1, 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, (size_t)length, file), (size_t)length);
    assert_int_equal(fclose(file), 0);
    *size = (size_t)length;
    return data;
}

void broken_write(const char *folder, const char *name, const void *data, size_t size) {
    char path[4096];
    join(path, sizeof path, folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void make_folder(char *path, size_t size) {
    const char *base = getenv("TMPDIR");
    int length = snprintf(path, size, "%s/diffcut-test-XXXXXX", base != NULL && base[0] == '/' ? base : P_tmpdir);
    assert_true(length > 0 && (size_t)length < size);
    assert_non_null(mkdtemp(path));
}

void broken_copy_encoder(const char *name, char *path, size_t size) {
    char source[4096];
    DIR *folder;
    const struct dirent *entry;
    make_folder(path, size);
    join(source, sizeof source, DIFFCUT_TEST_DATA "/encoders", name);
    folder = opendir(source);
    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, "golden.safetensors") != 0) {
            size_t bytes;
            char *data = broken_read(source, entry->d_name, &bytes);
            broken_write(path, entry->d_name, data, bytes);
            free(data);
        }
    }
    assert_int_equal(closedir(folder), 0);
}

void broken_copy(char *path, size_t size) {
    static const char *const files[] = {"diffcut.json", "model_index.json", "scheduler/scheduler_config.json",
                                        "unet/config.json", BROKEN_WEIGHTS};
    make_folder(path, size);
    char folder[4096];
    join(folder, sizeof folder, path, "unet");
    assert_int_equal(mkdir(folder, 0700), 0);
    join(folder, sizeof folder, path, "scheduler");
    assert_int_equal(mkdir(folder, 0700), 0);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        size_t bytes;
        char *data = broken_read(ORIGINAL, files[i], &bytes);
        broken_write(path, files[i], data, bytes);
        free(data);
    }
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where) {
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

void broken_remove(const char *path) {
    (void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Where `text` is in data, and that it is there once. */
static size_t find_once(const char *data, size_t size, const char *text) {
    const char *place = memmem(data, size, text, strlen(text));
    assert_non_null(place);
    size_t after = (size_t)(place - data) + 1;
    assert_null(memmem(data + after, size - after, text, strlen(text)));
    return after - 1;
}

void broken_replace(const char *folder, const char *name, const char *from, const char *to) {
    size_t size;
    char *data = broken_read(folder, name, &size);
    size_t place = find_once(data, size, from);
    size_t rest = place + strlen(from);
    size_t new_size = size - strlen(from) + strlen(to);
    char *changed = calloc(new_size, 1);
    assert_non_null(changed);
    memcpy(changed, data, place);
    memcpy(changed + place, to, strlen(to));
    memcpy(changed + place + strlen(to), data + rest, size - rest);
    if (strstr(name, ".safetensors") != NULL) { /* the first 8 bytes are the header's length */
        uint64_t length;
        memcpy(&length, data, sizeof length);
        length = length - strlen(from) + strlen(to);
        memcpy(changed, &length, sizeof length);
    }
    broken_write(folder, name, changed, new_size);
    free(changed);
    free(data);
}

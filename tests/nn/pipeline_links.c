/* pipeline_links.c - see pipeline_links.h. */
#include "pipeline_links.h"

#include "test.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_SIZE 2048

static void join(char out[NAME_SIZE], const char *folder, const char *name) {
    int length = snprintf(out, NAME_SIZE, "%s/%s", folder, name);
    assert_true(length > 0 && length < NAME_SIZE);
}

/* Links the files of one folder; makes and fills the folders in it while `deeper`. */
static void link_folder(const char *from, const char *to, int deeper) {
    DIR *folder = opendir(from);
    assert_non_null(folder);
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char source[NAME_SIZE];
        char target[NAME_SIZE];
        struct stat info;
        if (entry->d_name[0] == '.') {
            continue;
        }
        join(source, from, entry->d_name);
        join(target, to, entry->d_name);
        assert_int_equal(stat(source, &info), 0);
        if (!S_ISDIR(info.st_mode)) {
            assert_int_equal(symlink(source, target), 0);
        } else if (deeper > 0) {
            assert_int_equal(mkdir(target, 0700), 0);
            link_folder(source, target, deeper - 1);
        }
    }
    (void)closedir(folder);
}

void pipeline_link(const char *folder, char path[PIPELINE_PATH_SIZE]) {
    const char *base = getenv("TMPDIR");
    char *whole = realpath(folder, NULL);
    assert_non_null(whole);
    int length = snprintf(path, PIPELINE_PATH_SIZE, "%s/diffcut-test-XXXXXX",
                          base != NULL && base[0] == '/' ? base : P_tmpdir);
    assert_true(length > 0 && length < PIPELINE_PATH_SIZE);
    assert_non_null(mkdtemp(path));
    link_folder(whole, path, 1);
    free(whole);
}

void pipeline_drop(const char *path, const char *name) {
    char file[NAME_SIZE];
    join(file, path, name);
    assert_int_equal(unlink(file), 0);
}

void pipeline_write(const char *path, const char *name, const void *data, size_t size) {
    char file[NAME_SIZE];
    join(file, path, name);
    (void)unlink(file); /* a link would lead the bytes to the original */
    FILE *out = fopen(file, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(data, 1, size, out), size);
    assert_int_equal(fclose(out), 0);
}

char *pipeline_read(const char *path, const char *name, size_t *size) {
    char file[NAME_SIZE];
    join(file, path, name);
    FILE *in = fopen(file, "rb");
    assert_non_null(in);
    assert_int_equal(fseek(in, 0, SEEK_END), 0);
    long length = ftell(in);
    assert_true(length >= 0);
    rewind(in);
    char *data = calloc((size_t)length + 1, 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, (size_t)length, in), (size_t)length);
    assert_int_equal(fclose(in), 0);
    *size = (size_t)length;
    return data;
}

void pipeline_replace(const char *path, const char *name, const char *from, const char *to) {
    size_t size;
    char *text = pipeline_read(path, name, &size);
    char *at = strstr(text, from);
    assert_non_null(at);
    char *changed = calloc(size + strlen(to) + 1, 1);
    assert_non_null(changed);
    size_t before = (size_t)(at - text);
    memcpy(changed, text, before);
    memcpy(changed + before, to, strlen(to));
    memcpy(changed + before + strlen(to), at + strlen(from), size - before - strlen(from));
    pipeline_write(path, name, changed, size - strlen(from) + strlen(to));
    free(changed);
    free(text);
}

void pipeline_vocabulary(const char *path, const char *tokenizer) {
    static const char *const files[] = {"vocab.json", "merges.txt"};
    for (size_t i = 0; i < 2; i++) {
        char name[NAME_SIZE];
        char target[NAME_SIZE];
        char *source;
        (void)snprintf(name, sizeof name, DIFFCUT_SHARED_DIR "/golden/models/clip-tokenizer/%s", files[i]);
        source = realpath(name, NULL);
        assert_non_null(source);
        (void)snprintf(name, sizeof name, "%s/%s", tokenizer, files[i]);
        join(target, path, name);
        (void)unlink(target);
        assert_int_equal(symlink(source, target), 0);
        free(source);
    }
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place) {
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

void pipeline_remove(const char *path) {
    assert_int_equal(nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

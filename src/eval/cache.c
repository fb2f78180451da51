/*
 * cache.c - the features cache: a folder of entries FOLDER/ab/ab12....features, the least recently used first to go.
 *
 * An entry's modification time is when it was last used. The size of all entries is summed when the cache is opened
 * and kept from then on; when a new entry takes it over the limit, the folder is read again (other processes may have
 * changed it) and the oldest are removed down to nine tenths of the limit, so that this does not happen at every
 * entry. Files left by a process that was killed while writing go when they are an hour old. Called by whoever caches
 * features, through the public interface.
 */
#include "core/memory.h"
#include "eval/cache_entry.h"
#include "io/entry.h"
#include "segment/features.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ENDING ".features"
#define NAME_BYTES (64 + sizeof ENDING)     /* of an entry, with its NUL */
#define PATH_EXTRA (1 + 2 + 1 + NAME_BYTES) /* what follows the folder's name */
#define MAX_ENTRY_BYTES ((size_t)16 << 30)
#define STALE_SECONDS 3600 /* a temporary file older than this belongs to nobody */

struct diffcut_cache {
    char folder[DIFFCUT_PATH_SIZE];
    uint64_t max_bytes; /* 0: no limit */
    diffcut_cache_stats stats;
};

/* An entry that might be removed. */
typedef struct candidate {
    struct timespec used;
    uint64_t bytes;
    char name[NAME_BYTES];
} candidate;

typedef struct candidates {
    candidate *items;
    size_t count, room;
    uint64_t bytes;
} candidates;

/* ------------------------------------------------------------------------------------------------- paths */

static void entry_name(const diffcut_cache_key *key, char name[NAME_BYTES]) {
    for (size_t i = 0; i < sizeof key->bytes; i++) {
        (void)snprintf(name + 2 * i, 3, "%02x", key->bytes[i]);
    }
    (void)snprintf(name + 64, NAME_BYTES - 64, "%s", ENDING);
}

static void entry_path(const diffcut_cache *cache, const char *name, char path[DIFFCUT_PATH_SIZE]) {
    (void)snprintf(path, DIFFCUT_PATH_SIZE, "%.*s/%.2s/%s", (int)(DIFFCUT_PATH_SIZE - PATH_EXTRA - 1), cache->folder,
                   name, name);
}

static bool is_entry(const char *name) {
    return strlen(name) == NAME_BYTES - 1 && strcmp(name + 64, ENDING) == 0 && strspn(name, "0123456789abcdef") == 64;
}

static diffcut_status make_folder(const char *path, diffcut_diagnostics *diag) {
    if (mkdir(path, 0777) == 0 || errno == EEXIST) {
        return DIFFCUT_OK;
    }
    return diag_fail(diag, DIFFCUT_ERROR_IO, "%.300s: cannot be made: %s", path, strerror(errno));
}

/* With the folders above it. */
static diffcut_status make_folders(const char *folder, diffcut_diagnostics *diag) {
    char path[DIFFCUT_PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s", folder);
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        const diffcut_status status = make_folder(path, diag);
        if (status != DIFFCUT_OK) {
            return status;
        }
        *slash = '/';
    }
    return make_folder(path, diag);
}

/* ------------------------------------------------------------------------------------------------- the folder */

static diffcut_status add_candidate(candidates *list, const char *name, const struct stat *info,
                                    diffcut_diagnostics *diag) {
    if (list->count == list->room) {
        const size_t room = 2 * list->room + 256;
        candidate *grown = mem_array_grow(list->items, list->count, room, sizeof *grown);
        if (grown == NULL) {
            return diag_no_memory(diag, room * sizeof *grown, "the list of cache entries");
        }
        list->items = grown;
        list->room = room;
    }
    candidate *item = &list->items[list->count++];
    item->used = info->st_mtim;
    item->bytes = (uint64_t)info->st_size;
    memcpy(item->name, name, NAME_BYTES);
    return DIFFCUT_OK;
}

/* One of the 256 folders below the cache's. list NULL: only the sum is taken. */
static diffcut_status scan_folder(const char *path, candidates *list, uint64_t *bytes, diffcut_diagnostics *diag) {
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return errno == ENOENT || errno == ENOTDIR
                   ? DIFFCUT_OK
                   : diag_fail(diag, DIFFCUT_ERROR_IO, "%.300s: %s", path, strerror(errno));
    }
    diffcut_status status = DIFFCUT_OK;
    const time_t now = time(NULL);
    const struct dirent *entry = NULL;
    while (status == DIFFCUT_OK && (entry = readdir(folder)) != NULL) {
        struct stat info;
        if (fstatat(dirfd(folder), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(info.st_mode)) {
            continue;
        }
        if (is_entry(entry->d_name)) {
            *bytes += (uint64_t)info.st_size;
            status = list != NULL ? add_candidate(list, entry->d_name, &info, diag) : DIFFCUT_OK;
        } else if (strncmp(entry->d_name, ".diffcut-", 9) == 0 && now - info.st_mtime > STALE_SECONDS) {
            (void)unlinkat(dirfd(folder), entry->d_name, 0);
        }
    }
    (void)closedir(folder);
    return status;
}

static diffcut_status scan(const diffcut_cache *cache, candidates *list, uint64_t *bytes, diffcut_diagnostics *diag) {
    diffcut_status status = DIFFCUT_OK;
    *bytes = 0;
    for (unsigned i = 0; i < 256 && status == DIFFCUT_OK; i++) {
        char path[DIFFCUT_PATH_SIZE];
        (void)snprintf(path, sizeof path, "%.*s/%02x", (int)(DIFFCUT_PATH_SIZE - PATH_EXTRA), cache->folder, i);
        status = scan_folder(path, list, bytes, diag);
    }
    return status;
}

static int oldest_first(const void *a, const void *b) {
    const candidate *first = a;
    const candidate *second = b;
    if (first->used.tv_sec != second->used.tv_sec) {
        return first->used.tv_sec < second->used.tv_sec ? -1 : 1;
    }
    if (first->used.tv_nsec != second->used.tv_nsec) {
        return first->used.tv_nsec < second->used.tv_nsec ? -1 : 1;
    }
    return strcmp(first->name, second->name);
}

/* Removes the oldest until `more` further bytes keep the sum at nine tenths of the limit at most. */
static diffcut_status make_room(diffcut_cache *cache, uint64_t more, diffcut_diagnostics *diag) {
    candidates list = {0};
    uint64_t bytes = 0;
    diffcut_status status = scan(cache, &list, &bytes, diag);
    const uint64_t target = cache->max_bytes - cache->max_bytes / 10;
    if (status == DIFFCUT_OK && list.count > 0) {
        qsort(list.items, list.count, sizeof *list.items, oldest_first);
        for (size_t i = 0; i < list.count && bytes + more > target; i++) {
            char path[DIFFCUT_PATH_SIZE];
            entry_path(cache, list.items[i].name, path);
            if (unlink(path) == 0 || errno == ENOENT) {
                bytes -= list.items[i].bytes;
                cache->stats.evicted++;
            }
        }
    }
    mem_free(list.items);
    cache->stats.bytes = status == DIFFCUT_OK ? bytes : cache->stats.bytes;
    return status;
}

/* ------------------------------------------------------------------------------------------------- interface */

diffcut_status diffcut_cache_open(const char *folder, uint64_t max_bytes, diffcut_cache **out,
                                  diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (folder == NULL || folder[0] == '\0' || out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_cache_open: folder or out is NULL or empty");
    }
    if (strlen(folder) + PATH_EXTRA >= DIFFCUT_PATH_SIZE) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "%.300s: the path is too long", folder);
    }
    diffcut_status status = make_folders(folder, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    diffcut_cache *cache = mem_array_zero(1, sizeof *cache);
    if (cache == NULL) {
        return diag_no_memory(diag, sizeof *cache, "a cache");
    }
    (void)snprintf(cache->folder, sizeof cache->folder, "%s", folder);
    cache->max_bytes = max_bytes;
    status = scan(cache, NULL, &cache->stats.bytes, diag);
    if (status != DIFFCUT_OK) {
        mem_free(cache);
        return status;
    }
    *out = cache;
    return DIFFCUT_OK;
}

void diffcut_cache_close(diffcut_cache *cache) {
    mem_free(cache);
}

void diffcut_cache_get_stats(const diffcut_cache *cache, diffcut_cache_stats *stats) {
    *stats = cache->stats;
}

/* Marks an entry as used now. */
static void touch(const char *path) {
    (void)utimensat(AT_FDCWD, path, NULL, 0); /* a read-only cache still serves */
}

static void remove_damaged(diffcut_cache *cache, const char *path, uint64_t size) {
    cache->stats.damaged++;
    if (unlink(path) == 0) {
        cache->stats.bytes -= size < cache->stats.bytes ? size : cache->stats.bytes;
    }
}

diffcut_status diffcut_cache_get(diffcut_cache *cache, const diffcut_cache_key *key, diffcut_features **out,
                                 diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (cache == NULL || key == NULL || out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_cache_get: an argument is NULL");
    }
    char name[NAME_BYTES];
    char path[DIFFCUT_PATH_SIZE];
    entry_name(key, name);
    entry_path(cache, name, path);
    diffcut_buffer file = {0};
    diffcut_features *features = NULL;
    diffcut_status status = diffcut_read_file(path, MAX_ENTRY_BYTES, &file, diag);
    const bool there = status == DIFFCUT_OK;
    if (there) {
        status = cache_entry_decode(key, file.data, file.size, &features, diag);
    }
    if (there && status == DIFFCUT_ERROR_FORMAT) {
        remove_damaged(cache, path, file.size);
    }
    diffcut_buffer_free(&file);
    if (status == DIFFCUT_ERROR_MEMORY) {
        return status;
    }
    diag_clear(diag);
    if (status == DIFFCUT_OK) {
        touch(path);
        cache->stats.hits++;
    } else {
        cache->stats.misses++;
    }
    *out = features;
    return DIFFCUT_OK;
}

static diffcut_status write_entry(diffcut_cache *cache, const char *name, const uint8_t *file, size_t size,
                                  diffcut_diagnostics *diag) {
    char path[DIFFCUT_PATH_SIZE];
    (void)snprintf(path, sizeof path, "%.*s/%.2s", (int)(DIFFCUT_PATH_SIZE - PATH_EXTRA), cache->folder, name);
    diffcut_status status = make_folder(path, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    entry_path(cache, name, path);
    struct stat before;
    const uint64_t replaced = stat(path, &before) == 0 ? (uint64_t)before.st_size : 0;
    status = diffcut_write_file(path, file, size, true, diag);
    if (status == DIFFCUT_OK) {
        cache->stats.bytes += size;
        cache->stats.bytes -= replaced < cache->stats.bytes ? replaced : cache->stats.bytes;
        cache->stats.stored++;
    }
    return status;
}

diffcut_status diffcut_cache_put(diffcut_cache *cache, const diffcut_cache_key *key, const diffcut_features *features,
                                 diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (cache == NULL || key == NULL || features == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_cache_put: an argument is NULL");
    }
    uint8_t *file = NULL;
    size_t size = 0;
    diffcut_status status = cache_entry_encode(key, features, &file, &size, diag);
    if (status == DIFFCUT_OK && cache->max_bytes > 0 && size > cache->max_bytes - cache->max_bytes / 10) {
        status = diag_fail(diag, DIFFCUT_ERROR_LIMIT, "features of %zu bytes do not fit a cache of %llu", size,
                           (unsigned long long)cache->max_bytes);
    }
    if (status == DIFFCUT_OK && cache->max_bytes > 0 && cache->stats.bytes + size > cache->max_bytes) {
        status = make_room(cache, size, diag);
    }
    if (status == DIFFCUT_OK) {
        char name[NAME_BYTES];
        entry_name(key, name);
        status = write_entry(cache, name, file, size, diag);
    }
    mem_free(file);
    return status;
}

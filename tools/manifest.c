/* manifest.c - see manifest.h: opening, looking up, appending. Parts are taken in by manifest_parts.c. */
#include "manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "manifest_parts.h"

static uint64_t id_of(const char *name) {
    return journal_hash(name, strlen(name));
}

void manifest_line_begin(const char *name, const char *status, text *out) {
    text_print(out, "\"id\": \"%016" PRIx64 "\", \"status\": \"%s\"", id_of(name), status);
}

/* ------------------------------------------------------------------------------------------------- loading
 * A value of the table of lines: the line's place << 2 | in the part << 1 | "started". */

static void forget_begun(text *begun, const char *name) {
    for (char *at = begun->data; at != NULL && at < begun->data + begun->length;) {
        const size_t size = strlen(at) + 1;
        if (strcmp(at, name) == 0) {
            memmove(at, at + size, (size_t)(begun->data + begun->length - at) - size + 1);
            begun->length -= size;
        } else {
            at += size;
        }
    }
}

static bool load_shard(manifest *m, const char *line, const char *value) {
    text name = {0};
    text state = {0};
    bool fine = journal_string(value, &name) && journal_string(journal_field(line, "state"), &state);
    if (fine && strcmp(text_string(&state), "begun") == 0) {
        forget_begun(&m->begun, text_string(&name));
        text_add_bytes(&m->begun, text_string(&name), name.length + 1);
    } else if (fine) {
        forget_begun(&m->begun, text_string(&name));
        const uint64_t size = (uint64_t)journal_number(journal_field(line, "bytes"), 0);
        fine = table_put(&m->shards, id_of(text_string(&name)), size, true) != TABLE_FAILED;
        fine = fine && journal_string(journal_field(line, "make"), &state);
        text_add(&name, text_string(&state)); /* how photos' lines name it */
        fine = fine && table_put(&m->shards, id_of(text_string(&name)), size, true) != TABLE_FAILED;
    }
    text_free(&name);
    text_free(&state);
    return fine && !m->begun.failed;
}

static bool load_photo(manifest *m, const manifest_line *line, bool own) {
    uint64_t before = 0;
    if (table_get(&m->lines, line->id, &before) && (before & 1) != 0) {
        m->suspects--;
    }
    m->suspects += line->started ? 1 : 0;
    const uint64_t value = (uint64_t)line->start << 2 | (own ? 2u : 0u) | (line->started ? 1u : 0u);
    return table_put(&m->lines, line->id, value, true) != TABLE_FAILED;
}

/* All lines of a file, unless it is somebody else's; *good_end is where the last whole one ends. */
static diffcut_status load(manifest *m, FILE *file, const char *path, bool own, long long *good_end,
                           diffcut_diagnostics *diagnostics) {
    manifest_line line = {0};
    bool fine = true;
    if (!journal_is_ours(file)) {
        return journal_fail(diagnostics, DIFFCUT_ERROR_FORMAT, path, "not a manifest of diffcut");
    }
    while (fine && manifest_read_line(file, &line, &m->damaged)) {
        *good_end = line.end;
        if (line.shard != NULL) {
            fine = load_shard(m, line.text, line.shard);
        } else if (line.id != 0) {
            fine = load_photo(m, &line, own);
        } else {
            fine = table_put(&m->settings, line.settings, 0, false) != TABLE_FAILED;
        }
    }
    const bool unreadable = ferror(file) != 0;
    manifest_line_free(&line);
    if (!fine) {
        return journal_fail(diagnostics, DIFFCUT_ERROR_MEMORY, path, "no memory for its index");
    }
    return unreadable ? journal_fail(diagnostics, DIFFCUT_ERROR_IO, path, strerror(errno)) : DIFFCUT_OK;
}

/* The part's own lines; what a crash left broken at its end is cut off. */
static diffcut_status load_own(manifest *m, diffcut_diagnostics *diagnostics) {
    const char *path = text_string(&m->part_path);
    long long good_end = 0;
    m->own = fopen(path, "re");
    if (m->own == NULL) {
        return journal_fail(diagnostics, DIFFCUT_ERROR_IO, path, strerror(errno));
    }
    const diffcut_status status = load(m, m->own, path, true, &good_end, diagnostics);
    return status == DIFFCUT_OK ? journal_go_on(&m->writer, good_end, diagnostics) : status;
}

/* ------------------------------------------------------------------------------------------------- opening */

/* A shared lock on the manifest, which is made if missing: nobody may take it whole meanwhile. */
static diffcut_status share(manifest *m, diffcut_diagnostics *diagnostics) {
    const char *path = text_string(&m->path);
    m->shared = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0666);
    if (m->shared < 0) {
        return journal_fail(diagnostics, DIFFCUT_ERROR_IO, path, strerror(errno));
    }
    if (flock(m->shared, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        return journal_fail(diagnostics, DIFFCUT_ERROR_EXISTS, path, "another process is at work on it");
    }
    return DIFFCUT_OK;
}

/* The manifest beside a part, to look things up in. */
static diffcut_status load_base(manifest *m, diffcut_diagnostics *diagnostics) {
    long long end = 0;
    m->base = fopen(text_string(&m->path), "re");
    if (m->base == NULL) {
        return errno == ENOENT ? DIFFCUT_OK
                               : journal_fail(diagnostics, DIFFCUT_ERROR_IO, text_string(&m->path), strerror(errno));
    }
    return load(m, m->base, text_string(&m->path), false, &end, diagnostics);
}

static diffcut_status open_files(manifest *m, manifest_use use, const char *folder,
                                 diffcut_diagnostics *diagnostics) {
    diffcut_status status = DIFFCUT_OK;
    if (use == MANIFEST_PART) {
        status = share(m, diagnostics);
    }
    if (status == DIFFCUT_OK) {
        status = journal_open_writer(&m->writer, text_string(&m->part_path), O_CREAT, diagnostics);
    }
    if (status == DIFFCUT_OK && use == MANIFEST_WHOLE) {
        status = manifest_take_parts(&m->writer, text_string(&m->path), folder, diagnostics);
    }
    if (status == DIFFCUT_OK && use != MANIFEST_WHOLE) {
        status = load_base(m, diagnostics);
    }
    return status == DIFFCUT_OK ? load_own(m, diagnostics) : status;
}

diffcut_status manifest_open(manifest *m, const char *path, manifest_use use, const char *part, const char *folder,
                             diffcut_diagnostics *diagnostics) {
    *m = (manifest){.shared = -1, .writer = {.descriptor = -1}};
    (void)pthread_mutex_init(&m->writing, NULL);
    table_open(&m->lines, folder);
    table_open(&m->settings, folder);
    table_open(&m->shards, folder);
    text_add(&m->path, path);
    if (use == MANIFEST_WHOLE) {
        text_add(&m->part_path, path);
    } else {
        manifest_part_path(path, part, &m->part_path);
    }
    diffcut_status status = DIFFCUT_ERROR_MEMORY;
    if (m->path.failed || m->part_path.failed) {
        (void)journal_fail(diagnostics, status, path, "out of memory");
    } else {
        status = open_files(m, use, folder, diagnostics);
    }
    if (status != DIFFCUT_OK) {
        diffcut_diagnostics ignored;
        (void)manifest_close(m, &ignored);
    }
    return status;
}

diffcut_status manifest_close(manifest *m, diffcut_diagnostics *diagnostics) {
    const diffcut_status status = journal_finish(&m->writer, diagnostics);
    if (m->base != NULL) {
        (void)fclose(m->base);
    }
    if (m->own != NULL) {
        (void)fclose(m->own);
    }
    if (m->shared >= 0) {
        (void)close(m->shared);
    }
    table_close(&m->lines);
    table_close(&m->settings);
    table_close(&m->shards);
    text_free(&m->path);
    text_free(&m->part_path);
    text_free(&m->begun);
    free(m->line);
    (void)pthread_mutex_destroy(&m->writing);
    *m = (manifest){.shared = -1, .writer = {.descriptor = -1}};
    return status;
}

/* ------------------------------------------------------------------------------------------------- use */

const char *manifest_find(manifest *m, const char *name) {
    uint64_t value = 0;
    if (!table_get(&m->lines, id_of(name), &value)) {
        return NULL;
    }
    FILE *file = (value & 2) != 0 ? m->own : m->base;
    if (file == NULL || fseeko(file, (off_t)(value >> 2), SEEK_SET) != 0) {
        return NULL;
    }
    const ssize_t size = getline(&m->line, &m->room, file);
    if (size <= 0 || !journal_is_whole(m->line, (size_t)size)) {
        return NULL;
    }
    m->line[size - 1] = '\0';
    text whose = {0}; /* two names may have one id */
    const bool ours = manifest_string(m->line, "name", &whose) && strcmp(text_string(&whose), name) == 0;
    text_free(&whose);
    return ours ? m->line : NULL;
}

bool manifest_is_suspect(const manifest *m, const char *name) {
    uint64_t value = 0;
    return m->suspects > 0 && table_get(&m->lines, id_of(name), &value) && (value & 1) != 0;
}

diffcut_status manifest_append(manifest *m, const char *fields, diffcut_diagnostics *diagnostics) {
    (void)pthread_mutex_lock(&m->writing);
    const diffcut_status status = journal_append(&m->writer, fields, diagnostics);
    (void)pthread_mutex_unlock(&m->writing);
    return status;
}

diffcut_status manifest_flush(manifest *m, diffcut_diagnostics *diagnostics) {
    (void)pthread_mutex_lock(&m->writing);
    const diffcut_status status = journal_flush(&m->writer, diagnostics);
    (void)pthread_mutex_unlock(&m->writing);
    return status;
}

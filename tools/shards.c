/* shards.c - see shards.h. */
#include "shards.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tar_write.h"

bool shards_check_pattern(const char *pattern, text *error) {
    const char *percent = strchr(pattern, '%');
    const size_t length = strlen(pattern);
    const char *at = percent != NULL ? percent + 1 : "";
    at += *at == '0' ? 1 : 0;
    at += *at >= '1' && *at <= '9' ? 1 : 0;
    if (percent == NULL || *at != 'd' || strchr(at, '%') != NULL) {
        text_print(error, "'%s' has no place for a number such as %%06d, or more than one", pattern);
    } else if (strchr(pattern, '/') != NULL || pattern[0] == '.') {
        text_print(error, "'%s' is no plain file name; shards go to the folder of -o", pattern);
    } else if (length < 5 || strcmp(pattern + length - 4, ".tar") != 0) {
        text_print(error, "'%s' does not end in .tar", pattern);
    } else {
        return true;
    }
    return false;
}

/* The pattern with a number in it. The pattern was checked: digits and 'd' follow its percent sign. */
static void make_name(const char *pattern, uint64_t number, text *out) {
    const char *percent = strchr(pattern, '%');
    const char *width = percent + 1;
    const bool zeros = *width == '0';
    char *rest = NULL;
    const long columns = strtol(width, &rest, 10);
    text_clear(out);
    text_add_bytes(out, pattern, (size_t)(percent - pattern));
    text_print(out, zeros ? "%0*llu" : "%*llu", (int)columns, (unsigned long long)number);
    text_add(out, rest + 1);
}

static void set_paths(shards *s) {
    text_clear(&s->path);
    text_print(&s->path, "%s/%s", s->folder, text_string(&s->name));
    text_clear(&s->part);
    text_print(&s->part, "%s.part", text_string(&s->path));
}

static diffcut_status fail(const text *path, const char *what, int reason, diffcut_diagnostics *diagnostics) {
    (void)snprintf(diagnostics->message, sizeof diagnostics->message, "%.300s: %s: %.100s", text_string(path), what,
                   strerror(reason));
    return DIFFCUT_ERROR_IO;
}

diffcut_status shards_open(shards *s, diffcut_diagnostics *diagnostics) {
    s->file = -1;
    const text *begun = &s->record->begun;
    for (size_t at = 0; at < begun->length; at += strlen(begun->data + at) + 1) {
        text_clear(&s->name);
        text_add(&s->name, begun->data + at);
        set_paths(s);
        if ((unlink(text_string(&s->part)) != 0 && errno != ENOENT) ||
            (unlink(text_string(&s->path)) != 0 && errno != ENOENT)) {
            return fail(&s->path, "cannot remove this unfinished shard", errno, diagnostics);
        }
    }
    return DIFFCUT_OK;
}

static bool is_finished(const manifest *record, const char *name, uint64_t *size) {
    return table_get(&record->shards, journal_hash(name, strlen(name)), size);
}

bool shards_has(const manifest *record, const char *folder, const char *line) {
    uint64_t size = 0;
    struct stat info;
    text path = {0};
    text name = {0};
    text make = {0};
    bool there =
        journal_string(journal_field(line, "shard"), &name) && journal_string(journal_field(line, "make"), &make);
    text_print(&path, "%s/%s", folder, text_string(&name));
    text_add(&name, text_string(&make));
    there = there && is_finished(record, text_string(&name), &size) && !path.failed &&
            stat(text_string(&path), &info) == 0 && (uint64_t)info.st_size == size;
    text_free(&path);
    text_free(&name);
    text_free(&make);
    return there;
}

/* A name's earlier shards, which were killed unfinished, may have left lines of photos behind. */
static void set_make(shards *s) {
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    const uint64_t parts[] = {(uint64_t)now.tv_sec, (uint64_t)now.tv_nsec, (uint64_t)getpid(), (uint64_t)gethostid()};
    (void)snprintf(s->make, sizeof s->make, "%016llx", (unsigned long long)journal_hash(parts, sizeof parts));
}

/* What becomes of a shard, in the manifest. */
static diffcut_status record_state(shards *s, const char *state, diffcut_diagnostics *diagnostics) {
    text fields = {0};
    text_add(&fields, "\"shard\": ");
    json_string(&fields, text_string(&s->name));
    text_print(&fields, ", \"state\": \"%s\", \"make\": \"%s\", \"bytes\": %llu, \"photos\": %llu", state, s->make,
               (unsigned long long)s->bytes, (unsigned long long)s->photos);
    const diffcut_status status = manifest_append(s->record, text_string(&fields), diagnostics);
    text_free(&fields);
    return status;
}

/* Before the file is made the manifest knows of it: what is there without that is not ours to replace. */
static diffcut_status begin(shards *s, diffcut_diagnostics *diagnostics) {
    uint64_t size = 0;
    struct stat info;
    bool there = false;
    do { /* the number of a finished shard is free again once its file is gone */
        make_name(s->pattern, s->number(s->user), &s->name);
        set_paths(s);
        there = lstat(text_string(&s->path), &info) == 0;
    } while (there && is_finished(s->record, text_string(&s->name), &size));
    set_make(s);
    s->bytes = 0;
    s->photos = 0;
    text_clear(&s->lines);
    if (there) {
        (void)snprintf(diagnostics->message, sizeof diagnostics->message,
                       "%.300s: exists already, and is not of this manifest", text_string(&s->path));
        return DIFFCUT_ERROR_EXISTS;
    }
    const diffcut_status status = record_state(s, "begun", diagnostics);
    if (status != DIFFCUT_OK) {
        return status;
    }
    s->file = open(text_string(&s->part), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return s->file >= 0 ? DIFFCUT_OK : fail(&s->part, "cannot open", errno, diagnostics);
}

/* All of it or, with what was there before left as it was, nothing. */
static diffcut_status write_whole(shards *s, const text *data, diffcut_diagnostics *diagnostics) {
    size_t done = 0;
    while (done < data->length) {
        const ssize_t put = write(s->file, data->data + done, data->length - done);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            const int reason = errno;
            if (ftruncate(s->file, (off_t)s->bytes) == 0) {
                (void)lseek(s->file, (off_t)s->bytes, SEEK_SET);
            }
            return fail(&s->part, "cannot write", reason, diagnostics);
        }
        done += (size_t)put;
    }
    s->bytes += data->length;
    return DIFFCUT_OK;
}

diffcut_status shards_add(shards *s, const text *members, const char *fields, diffcut_diagnostics *diagnostics) {
    diffcut_status status = DIFFCUT_OK;
    const bool full = s->photos > 0 && (s->photos >= s->most_photos || members->length > s->most_bytes ||
                                        s->bytes > s->most_bytes - members->length);
    if (s->file >= 0 && full) {
        status = shards_finish(s, diagnostics);
    }
    if (status == DIFFCUT_OK && s->file < 0) {
        status = begin(s, diagnostics);
    }
    if (status == DIFFCUT_OK) {
        status = write_whole(s, members, diagnostics);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    s->photos++;
    text_add(&s->lines, fields);
    text_add(&s->lines, ", \"shard\": ");
    json_string(&s->lines, text_string(&s->name));
    text_print(&s->lines, ", \"make\": \"%s\"", s->make);
    text_add_bytes(&s->lines, "", 1);
    if (members->failed || s->lines.failed) {
        (void)snprintf(diagnostics->message, sizeof diagnostics->message, "no memory for a shard");
        return DIFFCUT_ERROR_MEMORY;
    }
    return DIFFCUT_OK;
}

/* The photos' lines come before the shard's: until that one is there, they do not count. */
static diffcut_status record_photos(shards *s, diffcut_diagnostics *diagnostics) {
    diffcut_status status = DIFFCUT_OK;
    for (size_t at = 0; status == DIFFCUT_OK && at < s->lines.length; at += strlen(s->lines.data + at) + 1) {
        status = manifest_append(s->record, s->lines.data + at, diagnostics);
    }
    if (status == DIFFCUT_OK) {
        status = record_state(s, "finished", diagnostics);
    }
    return status == DIFFCUT_OK ? manifest_flush(s->record, diagnostics) : status;
}

diffcut_status shards_finish(shards *s, diffcut_diagnostics *diagnostics) {
    if (s->file < 0) {
        return DIFFCUT_OK;
    }
    text end = {0};
    tar_add_end(&end);
    diffcut_status status = end.failed ? DIFFCUT_ERROR_MEMORY : write_whole(s, &end, diagnostics);
    text_free(&end);
    if (status == DIFFCUT_OK && fsync(s->file) != 0) {
        status = fail(&s->part, "cannot flush", errno, diagnostics);
    }
    if (close(s->file) != 0 && status == DIFFCUT_OK) {
        status = fail(&s->part, "cannot close", errno, diagnostics);
    }
    s->file = -1;
    if (status == DIFFCUT_OK && rename(text_string(&s->part), text_string(&s->path)) != 0) {
        status = fail(&s->path, "cannot rename to", errno, diagnostics);
    }
    if (status != DIFFCUT_OK) {
        (void)unlink(text_string(&s->part));
        return status;
    }
    return record_photos(s, diagnostics);
}

void shards_close(shards *s) {
    if (s->file >= 0) {
        (void)close(s->file);
        (void)unlink(text_string(&s->part));
        s->file = -1;
    }
    text_free(&s->name);
    text_free(&s->path);
    text_free(&s->part);
    text_free(&s->lines);
}

/* eval_journal.c - see eval_journal.h. */
#include "eval_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ------------------------------------------------------------------------------------------------- photos */

uint64_t photo_id(const char *name) {
    return journal_hash(name, strlen(name));
}

static size_t find_slot(const photo_set *set, uint64_t id) {
    size_t slot = (size_t)id & (set->capacity - 1);
    while (set->slots[slot] != 0 && set->slots[slot] != id) {
        slot = (slot + 1) & (set->capacity - 1);
    }
    return slot;
}

bool photo_set_has(const photo_set *set, uint64_t id) {
    return set->capacity > 0 && set->slots[find_slot(set, id)] == id;
}

static bool grow(photo_set *set) {
    photo_set larger = {.capacity = set->capacity > 0 ? 2 * set->capacity : 256, .count = set->count};
    larger.slots = calloc(larger.capacity, sizeof *larger.slots);
    if (larger.slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < set->capacity; i++) {
        if (set->slots[i] != 0) {
            larger.slots[find_slot(&larger, set->slots[i])] = set->slots[i];
        }
    }
    free(set->slots);
    *set = larger;
    return true;
}

int photo_set_add(photo_set *set, uint64_t id) {
    if (2 * set->count >= set->capacity && !grow(set)) {
        return -1;
    }
    const size_t slot = find_slot(set, id);
    if (set->slots[slot] == id) {
        return 0;
    }
    set->slots[slot] = id;
    set->count++;
    return 1;
}

void photo_set_free(photo_set *set) {
    free(set->slots);
    *set = (photo_set){0};
}

/* ------------------------------------------------------------------------------------------------- reading */

/* The next line that is whole, without its end; NULL at the end. */
static const char *next_line(journal_reader *reader) {
    const bool found =
        journal_read_line(reader->file, &reader->line, &reader->room, NULL, &reader->good_end, &reader->damaged);
    return found ? reader->line : NULL;
}

diffcut_status journal_open(journal_reader *reader, const char *folder, diffcut_diagnostics *diagnostics) {
    *reader = (journal_reader){0};
    text_print(&reader->path, "%s/%s", folder, JOURNAL_NAME);
    reader->file = fopen(text_string(&reader->path), "re");
    if (reader->file == NULL) {
        return journal_fail(diagnostics, DIFFCUT_ERROR_IO, text_string(&reader->path), strerror(errno));
    }
    const char *line = next_line(reader);
    if (line == NULL || reader->damaged > 0 || journal_field(line, "diffcut_eval") == NULL) {
        return journal_fail(diagnostics, DIFFCUT_ERROR_FORMAT, text_string(&reader->path),
                            "not the journal of an evaluation");
    }
    if (journal_number(journal_field(line, "diffcut_eval"), 0) != 1) {
        return journal_fail(diagnostics, DIFFCUT_ERROR_FORMAT, text_string(&reader->path),
                            "the journal of another version of diffcut");
    }
    text_add(&reader->header, line);
    return DIFFCUT_OK;
}

bool journal_rewind(journal_reader *reader) {
    reader->damaged = 0;
    return fseeko(reader->file, 0, SEEK_SET) == 0 && next_line(reader) != NULL;
}

journal_kind journal_next(journal_reader *reader, const journal_line **line) {
    for (;;) {
        const char *at = next_line(reader);
        if (at == NULL) {
            return ferror(reader->file) != 0 ? JOURNAL_UNREADABLE : JOURNAL_END;
        }
        text id = {0};
        const bool has_id = journal_string(journal_field(at, "id"), &id);
        reader->last.id = has_id ? strtoull(text_string(&id), NULL, 16) : 0;
        text_free(&id);
        reader->last.scores = journal_field(at, "scores");
        *line = &reader->last;
        if (reader->last.scores != NULL) {
            return JOURNAL_SCORED;
        }
        if (journal_string(journal_field(at, "file"), &reader->last.file) &&
            journal_string(journal_field(at, "failed"), &reader->last.reason)) {
            return JOURNAL_FAILED;
        }
        reader->damaged++;
    }
}

void journal_close(journal_reader *reader) {
    if (reader->file != NULL) {
        (void)fclose(reader->file);
    }
    free(reader->line);
    text_free(&reader->path);
    text_free(&reader->header);
    text_free(&reader->last.file);
    text_free(&reader->last.reason);
    *reader = (journal_reader){0};
}

/* ------------------------------------------------------------------------------------------------- writing */

static diffcut_status open_locked(journal_writer *writer, const char *folder, int flags,
                                  diffcut_diagnostics *diagnostics) {
    text path = {0};
    text_print(&path, "%s/%s", folder, JOURNAL_NAME);
    const diffcut_status status = journal_open_writer(writer, text_string(&path), flags, diagnostics);
    text_free(&path);
    return status;
}

diffcut_status journal_create(journal_writer *writer, const char *folder, const char *header, bool replace,
                              diffcut_diagnostics *diagnostics) {
    diffcut_status status = open_locked(writer, folder, O_CREAT, diagnostics);
    struct stat info;
    if (status == DIFFCUT_OK && fstat(writer->descriptor, &info) == 0 && info.st_size > 0 && !replace) {
        return journal_fail(diagnostics, DIFFCUT_ERROR_EXISTS, text_string(&writer->path), "exists already");
    }
    if (status == DIFFCUT_OK && ftruncate(writer->descriptor, 0) != 0) {
        status = journal_fail(diagnostics, DIFFCUT_ERROR_IO, text_string(&writer->path), strerror(errno));
    }
    if (status == DIFFCUT_OK) {
        text fields = {0};
        text_print(&fields, "\"diffcut_eval\": 1, %s", header);
        status = journal_append(writer, text_string(&fields), diagnostics);
        text_free(&fields);
    }
    return status;
}

diffcut_status journal_continue(journal_writer *writer, const char *folder, long long good_end,
                                diffcut_diagnostics *diagnostics) {
    const diffcut_status status = open_locked(writer, folder, 0, diagnostics);
    if (status != DIFFCUT_OK) {
        return status;
    }
    return journal_go_on(writer, good_end, diagnostics);
}

void journal_scored_fields(uint64_t id, const diffcut_buffer *scores, size_t count, text *out) {
    text_clear(out);
    text_print(out, "\"id\": \"%016" PRIx64 "\", \"scores\": [", id);
    for (size_t i = 0; i < count; i++) {
        text_add(out, i > 0 ? "," : "");
        text_add_bytes(out, scores[i].data, scores[i].size);
    }
    text_add(out, "]");
}

void journal_failed_fields(uint64_t id, const char *file, const char *reason, text *out) {
    text_clear(out);
    text_print(out, "\"id\": \"%016" PRIx64 "\", \"file\": ", id);
    json_string(out, file);
    text_add(out, ", \"failed\": ");
    json_string(out, reason);
}

/* eval_journal.c - see eval_journal.h. */
#include "eval_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "progress.h"

#define PREFIX "{\"sum\": \""
#define PREFIX_BYTES (sizeof PREFIX - 1)
#define SUM_BYTES 16
#define BODY_AT (PREFIX_BYTES + SUM_BYTES + 3) /* after the sum's closing quote and ", " */
#define GROUP_LINES 16
#define GROUP_SECONDS 2.0
#define MAX_LINE_BYTES ((size_t)1 << 28)

static diffcut_status fail(diffcut_diagnostics *diagnostics, diffcut_status status, const char *path,
                           const char *reason) {
    (void)snprintf(diagnostics->message, sizeof diagnostics->message, "%.300s: %.200s", path, reason);
    return status;
}

/* ------------------------------------------------------------------------------------------------- photos */

/* FNV-1a of 64 bits, its high bits mixed down; never 0. */
static uint64_t hash_bytes(const char *bytes, size_t size) {
    uint64_t h = UINT64_C(0xCBF29CE484222325);
    for (size_t i = 0; i < size; i++) {
        h = (h ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001B3);
    }
    h ^= h >> 32;
    h *= UINT64_C(0x9E3779B97F4A7C15);
    h ^= h >> 29;
    return h != 0 ? h : 1;
}

uint64_t photo_id(const char *name) {
    return hash_bytes(name, strlen(name));
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

/* ------------------------------------------------------------------------------------------------- JSON of ours
 * Lines are read only when their checksum is right, so they are as journal_append wrote them. */

static size_t string_extent(const char *value) {
    size_t i = 1;
    while (value[i] != '\0' && value[i] != '"') {
        i += value[i] == '\\' && value[i + 1] != '\0' ? 2 : 1;
    }
    return value[i] == '"' ? i + 1 : i;
}

size_t journal_extent(const char *value) {
    size_t depth = 0;
    size_t i = 0;
    while (value[i] != '\0') {
        const char c = value[i];
        if (c == '"') {
            i += string_extent(value + i);
        } else if (depth == 0 && strchr(",]} \n", c) != NULL) {
            return i;
        } else {
            depth += c == '{' || c == '[' ? 1 : 0;
            depth -= c == '}' || c == ']' ? 1 : 0;
            i++;
        }
        if (depth == 0 && strchr("\"}]", value[i - 1]) != NULL) {
            return i;
        }
    }
    return i;
}

static const char *skip(const char *at) {
    return at + strspn(at, ", :\n");
}

const char *journal_field(const char *object, const char *name) {
    const size_t length = strlen(name);
    const char *at = object + (*object == '{' ? 1 : 0);
    for (at = skip(at); *at == '"'; at = skip(at)) {
        const size_t key = string_extent(at);
        const char *value = skip(at + key);
        if (key == length + 2 && memcmp(at + 1, name, length) == 0) {
            return value;
        }
        at = value + journal_extent(value);
    }
    return NULL;
}

/* UTF-8 of an escape by four hexadecimal digits; surrogates do not occur: other characters are written as they are.
 */
static void add_escaped(const char *digits, text *out) {
    char hexadecimal[5] = {0};
    memcpy(hexadecimal, digits, strnlen(digits, 4));
    const unsigned long code = strtoul(hexadecimal, NULL, 16);
    char utf8[3];
    if (code < 0x80) {
        utf8[0] = (char)code;
        text_add_bytes(out, utf8, 1);
    } else if (code < 0x800) {
        utf8[0] = (char)(0xC0 | code >> 6);
        utf8[1] = (char)(0x80 | (code & 0x3F));
        text_add_bytes(out, utf8, 2);
    } else {
        utf8[0] = (char)(0xE0 | code >> 12);
        utf8[1] = (char)(0x80 | (code >> 6 & 0x3F));
        utf8[2] = (char)(0x80 | (code & 0x3F));
        text_add_bytes(out, utf8, 3);
    }
}

bool journal_string(const char *value, text *out) {
    static const char letters[] = "bfnrt";
    static const char meanings[] = "\b\f\n\r\t";
    text_clear(out);
    if (value == NULL || *value != '"') {
        return false;
    }
    const size_t end = string_extent(value) - 1;
    for (size_t i = 1; i < end; i++) {
        if (value[i] != '\\') {
            text_add_bytes(out, value + i, 1);
            continue;
        }
        i++;
        const char *letter = strchr(letters, value[i]);
        if (value[i] == 'u' && i + 4 < end) {
            add_escaped(value + i + 1, out);
            i += 4;
        } else {
            text_add_bytes(out, letter != NULL ? meanings + (letter - letters) : value + i, 1);
        }
    }
    return true;
}

double journal_number(const char *value, double fallback) {
    char *end = NULL;
    if (value == NULL || (*value != '-' && (*value < '0' || *value > '9'))) {
        return fallback;
    }
    const double number = strtod(value, &end);
    return end != value ? number : fallback;
}

bool journal_next_item(const char **place, const char **item, size_t *size) {
    const char *at = skip(*place + (**place == '[' ? 1 : 0));
    if (*at == ']' || *at == '\0') {
        return false;
    }
    *item = at;
    *size = journal_extent(at);
    *place = at + *size;
    return *size > 0;
}

/* ------------------------------------------------------------------------------------------------- reading */

static bool line_is_whole(const char *line, size_t size) {
    if (size <= BODY_AT || line[size - 1] != '\n' || memcmp(line, PREFIX, PREFIX_BYTES) != 0) {
        return false;
    }
    char sum[SUM_BYTES + 1];
    (void)snprintf(sum, sizeof sum, "%016" PRIx64, hash_bytes(line + BODY_AT, size - BODY_AT));
    return memcmp(line + PREFIX_BYTES, sum, SUM_BYTES) == 0 && memchr(line, '\0', size) == NULL;
}

/* The next line that is whole, without its end; NULL at the end. */
static const char *next_line(journal_reader *reader) {
    for (;;) {
        const ssize_t size = getline(&reader->line, &reader->room, reader->file);
        if (size <= 0) {
            return NULL;
        }
        if (line_is_whole(reader->line, (size_t)size)) {
            reader->good_end = ftello(reader->file);
            reader->line[size - 1] = '\0';
            return reader->line;
        }
        reader->damaged++;
    }
}

diffcut_status journal_open(journal_reader *reader, const char *folder, diffcut_diagnostics *diagnostics) {
    *reader = (journal_reader){0};
    text_print(&reader->path, "%s/%s", folder, JOURNAL_NAME);
    reader->file = fopen(text_string(&reader->path), "re");
    if (reader->file == NULL) {
        return fail(diagnostics, DIFFCUT_ERROR_IO, text_string(&reader->path), strerror(errno));
    }
    const char *line = next_line(reader);
    if (line == NULL || reader->damaged > 0 || journal_field(line, "diffcut_eval") == NULL) {
        return fail(diagnostics, DIFFCUT_ERROR_FORMAT, text_string(&reader->path),
                    "not the journal of an evaluation");
    }
    if (journal_number(journal_field(line, "diffcut_eval"), 0) != 1) {
        return fail(diagnostics, DIFFCUT_ERROR_FORMAT, text_string(&reader->path),
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

/* To the disk; some special file systems cannot, which is no failure to write. */
static bool flush(int descriptor) {
    return fdatasync(descriptor) == 0 || errno == EINVAL || errno == ENOTSUP;
}

static bool write_all(int descriptor, const char *data, size_t size) {
    while (size > 0) {
        const ssize_t put = write(descriptor, data, size);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return false;
        }
        data += put;
        size -= (size_t)put;
    }
    return true;
}

/* Opens the file for one process alone. */
static diffcut_status open_locked(journal_writer *writer, const char *folder, int flags,
                                  diffcut_diagnostics *diagnostics) {
    *writer = (journal_writer){.descriptor = -1};
    text_print(&writer->path, "%s/%s", folder, JOURNAL_NAME);
    const char *path = text_string(&writer->path);
    writer->descriptor = open(path, O_WRONLY | O_CLOEXEC | flags, 0666);
    if (writer->descriptor < 0) {
        return fail(diagnostics, DIFFCUT_ERROR_IO, path, strerror(errno));
    }
    if (flock(writer->descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        return fail(diagnostics, DIFFCUT_ERROR_EXISTS, path, "another process is at work on it");
    }
    writer->flushed = progress_clock();
    return DIFFCUT_OK;
}

diffcut_status journal_create(journal_writer *writer, const char *folder, const char *header, bool replace,
                              diffcut_diagnostics *diagnostics) {
    diffcut_status status = open_locked(writer, folder, O_CREAT, diagnostics);
    struct stat info;
    if (status == DIFFCUT_OK && fstat(writer->descriptor, &info) == 0 && info.st_size > 0 && !replace) {
        return fail(diagnostics, DIFFCUT_ERROR_EXISTS, text_string(&writer->path), "exists already");
    }
    if (status == DIFFCUT_OK && ftruncate(writer->descriptor, 0) != 0) {
        status = fail(diagnostics, DIFFCUT_ERROR_IO, text_string(&writer->path), strerror(errno));
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
    if (ftruncate(writer->descriptor, (off_t)good_end) != 0 || lseek(writer->descriptor, 0, SEEK_END) < 0) {
        return fail(diagnostics, DIFFCUT_ERROR_IO, text_string(&writer->path), strerror(errno));
    }
    return DIFFCUT_OK;
}

diffcut_status journal_append(journal_writer *writer, const char *fields, diffcut_diagnostics *diagnostics) {
    text *line = &writer->line;
    text_clear(line);
    text_print(line, PREFIX "%016d\", ", 0);
    text_add(line, fields);
    text_add(line, "}\n");
    if (line->failed || line->length > MAX_LINE_BYTES) {
        return fail(diagnostics, DIFFCUT_ERROR_MEMORY, text_string(&writer->path), "a line is too long");
    }
    char sum[SUM_BYTES + 1];
    (void)snprintf(sum, sizeof sum, "%016" PRIx64, hash_bytes(line->data + BODY_AT, line->length - BODY_AT));
    memcpy(line->data + PREFIX_BYTES, sum, SUM_BYTES);
    const off_t before = lseek(writer->descriptor, 0, SEEK_CUR);
    if (!write_all(writer->descriptor, line->data, line->length)) {
        const int error = errno;
        if (ftruncate(writer->descriptor, before) == 0) {
            (void)lseek(writer->descriptor, before, SEEK_SET);
        }
        return fail(diagnostics, DIFFCUT_ERROR_IO, text_string(&writer->path), strerror(error));
    }
    writer->unflushed++;
    if (writer->unflushed >= GROUP_LINES || progress_clock() - writer->flushed > GROUP_SECONDS) {
        if (!flush(writer->descriptor)) {
            return fail(diagnostics, DIFFCUT_ERROR_IO, text_string(&writer->path), strerror(errno));
        }
        writer->unflushed = 0;
        writer->flushed = progress_clock();
    }
    return DIFFCUT_OK;
}

diffcut_status journal_finish(journal_writer *writer, diffcut_diagnostics *diagnostics) {
    diffcut_status status = DIFFCUT_OK;
    if (writer->descriptor >= 0) {
        const bool flushed = writer->unflushed == 0 || flush(writer->descriptor);
        if ((close(writer->descriptor) != 0 && errno != EINTR) || !flushed) {
            status = fail(diagnostics, DIFFCUT_ERROR_IO, text_string(&writer->path), strerror(errno));
        }
    }
    text_free(&writer->path);
    text_free(&writer->line);
    *writer = (journal_writer){.descriptor = -1};
    return status;
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

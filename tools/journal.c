/* journal.c - see journal.h. */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "progress.h"

#define PREFIX "{\"sum\": \""
#define PREFIX_BYTES (sizeof PREFIX - 1)
#define SUM_BYTES 16
#define BODY_AT (PREFIX_BYTES + SUM_BYTES + 3) /* after the sum's closing quote and ", " */
#define GROUP_LINES 16
#define GROUP_SECONDS 2.0
#define MAX_LINE_BYTES ((size_t)1 << 28)

diffcut_status journal_fail(diffcut_diagnostics *diagnostics, diffcut_status status, const char *path,
                            const char *reason) {
    (void)snprintf(diagnostics->message, sizeof diagnostics->message, "%.300s: %.200s", path, reason);
    return status;
}

uint64_t journal_hash(const void *bytes, size_t size) {
    const unsigned char *byte = bytes;
    uint64_t h = UINT64_C(0xCBF29CE484222325);
    for (size_t i = 0; i < size; i++) {
        h = (h ^ byte[i]) * UINT64_C(0x100000001B3);
    }
    h ^= h >> 32;
    h *= UINT64_C(0x9E3779B97F4A7C15);
    h ^= h >> 29;
    return h != 0 ? h : 1;
}

/* ------------------------------------------------------------------------------------------------- values */

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

static void make_sum(const char *line, size_t size, char sum[SUM_BYTES + 1]) {
    (void)snprintf(sum, SUM_BYTES + 1, "%016" PRIx64, journal_hash(line + BODY_AT, size - BODY_AT));
}

bool journal_is_whole(const char *line, size_t size) {
    if (size <= BODY_AT || line[size - 1] != '\n' || memcmp(line, PREFIX, PREFIX_BYTES) != 0) {
        return false;
    }
    char sum[SUM_BYTES + 1];
    make_sum(line, size, sum);
    return memcmp(line + PREFIX_BYTES, sum, SUM_BYTES) == 0 && memchr(line, '\0', size) == NULL;
}

bool journal_read_line(FILE *file, char **line, size_t *room, long long *start, long long *end, uint64_t *damaged) {
    for (;;) {
        const ssize_t size = getline(line, room, file);
        if (size <= 0) {
            return false;
        }
        if (journal_is_whole(*line, (size_t)size)) {
            const long long here = ftello(file);
            if (start != NULL) {
                *start = here - size;
            }
            if (end != NULL) {
                *end = here;
            }
            (*line)[size - 1] = '\0';
            return true;
        }
        (*damaged)++;
    }
}

bool journal_is_ours(FILE *file) {
    char start[PREFIX_BYTES];
    const size_t got = fread(start, 1, sizeof start, file);
    rewind(file);
    return memcmp(start, PREFIX, got) == 0;
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

diffcut_status journal_open_writer(journal_writer *writer, const char *path, int flags,
                                   diffcut_diagnostics *diagnostics) {
    *writer = (journal_writer){.descriptor = -1};
    text_add(&writer->path, path);
    writer->descriptor = open(path, O_WRONLY | O_CLOEXEC | flags, 0666);
    if (writer->descriptor < 0) {
        return journal_fail(diagnostics, DIFFCUT_ERROR_IO, path, strerror(errno));
    }
    if (flock(writer->descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        return journal_fail(diagnostics, DIFFCUT_ERROR_EXISTS, path, "another process is at work on it");
    }
    writer->flushed = progress_clock();
    return DIFFCUT_OK;
}

diffcut_status journal_go_on(journal_writer *writer, long long good_end, diffcut_diagnostics *diagnostics) {
    if (ftruncate(writer->descriptor, (off_t)good_end) != 0 || lseek(writer->descriptor, 0, SEEK_END) < 0) {
        return journal_fail(diagnostics, DIFFCUT_ERROR_IO, text_string(&writer->path), strerror(errno));
    }
    return DIFFCUT_OK;
}

bool journal_make_line(const char *fields, text *line) {
    text_clear(line);
    text_print(line, PREFIX "%016d\", ", 0);
    text_add(line, fields);
    text_add(line, "}\n");
    if (line->failed || line->length > MAX_LINE_BYTES) {
        return false;
    }
    char sum[SUM_BYTES + 1];
    make_sum(line->data, line->length, sum);
    memcpy(line->data + PREFIX_BYTES, sum, SUM_BYTES);
    return true;
}

diffcut_status journal_append(journal_writer *writer, const char *fields, diffcut_diagnostics *diagnostics) {
    text *line = &writer->line;
    if (!journal_make_line(fields, line)) {
        return journal_fail(diagnostics, DIFFCUT_ERROR_MEMORY, text_string(&writer->path), "a line is too long");
    }
    const off_t before = lseek(writer->descriptor, 0, SEEK_CUR);
    if (!write_all(writer->descriptor, line->data, line->length)) {
        const int error = errno;
        if (ftruncate(writer->descriptor, before) == 0) {
            (void)lseek(writer->descriptor, before, SEEK_SET);
        }
        return journal_fail(diagnostics, DIFFCUT_ERROR_IO, text_string(&writer->path), strerror(error));
    }
    writer->unflushed++;
    if (writer->unflushed >= GROUP_LINES || progress_clock() - writer->flushed > GROUP_SECONDS) {
        return journal_flush(writer, diagnostics);
    }
    return DIFFCUT_OK;
}

diffcut_status journal_flush(journal_writer *writer, diffcut_diagnostics *diagnostics) {
    if (writer->unflushed > 0 && !flush(writer->descriptor)) {
        return journal_fail(diagnostics, DIFFCUT_ERROR_IO, text_string(&writer->path), strerror(errno));
    }
    writer->unflushed = 0;
    writer->flushed = progress_clock();
    return DIFFCUT_OK;
}

diffcut_status journal_finish(journal_writer *writer, diffcut_diagnostics *diagnostics) {
    diffcut_status status = DIFFCUT_OK;
    if (writer->descriptor >= 0) {
        const bool flushed = writer->unflushed == 0 || flush(writer->descriptor);
        if ((close(writer->descriptor) != 0 && errno != EINTR) || !flushed) {
            status = journal_fail(diagnostics, DIFFCUT_ERROR_IO, text_string(&writer->path), strerror(errno));
        }
    }
    text_free(&writer->path);
    text_free(&writer->line);
    *writer = (journal_writer){.descriptor = -1};
    return status;
}

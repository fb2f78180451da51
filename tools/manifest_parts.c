/* manifest_parts.c - see manifest_parts.h, and manifest_take_parts in manifest.h. */
#include "manifest_parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "manifest.h"

#define ENDING ".jsonl"

/* ------------------------------------------------------------------------------------------------- lines */

void manifest_line_free(manifest_line *line) {
    free(line->text);
    *line = (manifest_line){0};
}

/* A hash in hexadecimal; 0 where there is none. */
static uint64_t hash_field(const char *line, const char *key) {
    text digits = {0};
    const bool there = journal_string(journal_field(line, key), &digits);
    const uint64_t value = there ? strtoull(text_string(&digits), NULL, 16) : 0;
    text_free(&digits);
    return value;
}

bool manifest_read_line(FILE *file, manifest_line *line, uint64_t *damaged) {
    while (journal_read_line(file, &line->text, &line->room, &line->start, &line->end, damaged)) {
        line->id = hash_field(line->text, "id");
        line->settings = line->id == 0 ? hash_field(line->text, "settings") : 0;
        line->shard = line->id == 0 ? journal_field(line->text, "shard") : NULL;
        const char *status = journal_field(line->text, "status");
        line->started = status != NULL && strncmp(status, "\"started\"", 9) == 0;
        if (line->id != 0 || line->settings != 0 || line->shard != NULL) {
            return true;
        }
        (*damaged)++;
    }
    return false;
}

/* Bytes from hexadecimal. */
static bool from_hex(const char *digits, text *out) {
    const size_t length = strlen(digits);
    for (size_t i = 0; i + 1 < length; i += 2) {
        const char pair[3] = {digits[i], digits[i + 1], '\0'};
        const char byte = (char)strtoul(pair, NULL, 16);
        text_add_bytes(out, &byte, 1);
    }
    return !out->failed;
}

bool manifest_string(const char *line, const char *key, text *out) {
    text hex_key = {0};
    text digits = {0};
    text_print(&hex_key, "%s_hex", key);
    bool there = journal_string(journal_field(line, text_string(&hex_key)), &digits);
    text_clear(out);
    there = there ? from_hex(text_string(&digits), out) : journal_string(journal_field(line, key), out);
    text_free(&hex_key);
    text_free(&digits);
    return there && !out->failed;
}

void manifest_add_string(const char *key, const char *value, text *out) {
    text_print(out, ", \"%s\": ", key);
    json_string(out, value);
    json_hex(out, key, value);
}

/* ------------------------------------------------------------------------------------------------- parts */

void manifest_part_path(const char *path, const char *part, text *out) {
    const size_t length = strlen(path);
    const size_t ending = sizeof ENDING - 1;
    const bool ends = length > ending && strcmp(path + length - ending, ENDING) == 0;
    text_clear(out);
    text_add_bytes(out, path, ends ? length - ending : length);
    text_print(out, ".%s%s", part, ENDING);
}

/* Of each photo in the part its last line; of settings and shards all lines. */
static diffcut_status take_lines(journal_writer *writer, FILE *file, table *lines, diffcut_diagnostics *diagnostics) {
    diffcut_status status = DIFFCUT_OK;
    manifest_line line = {0};
    uint64_t damaged = 0;
    uint64_t last = 0;
    while (status == DIFFCUT_OK && manifest_read_line(file, &line, &damaged)) {
        if (line.id == 0 || !table_get(lines, line.id, &last) || last == (uint64_t)line.start) {
            const char *body = strchr(line.text, ',') + 2; /* the writer puts the sum before it again */
            line.text[strlen(line.text) - 1] = '\0';       /* and the brace behind */
            status = journal_append(writer, body, diagnostics);
        }
    }
    manifest_line_free(&line);
    return status;
}

static diffcut_status take_part(journal_writer *writer, const char *path, const char *folder,
                                diffcut_diagnostics *diagnostics) {
    journal_writer part = {.descriptor = -1};
    table lines;
    table_open(&lines, folder);
    diffcut_status status = journal_open_writer(&part, path, 0, diagnostics); /* nobody writes to it any more */
    FILE *file = status == DIFFCUT_OK ? fopen(path, "re") : NULL;
    if (status == DIFFCUT_OK && file == NULL) {
        status = journal_fail(diagnostics, DIFFCUT_ERROR_IO, path, strerror(errno));
    }
    manifest_line line = {0};
    uint64_t damaged = 0;
    while (status == DIFFCUT_OK && manifest_read_line(file, &line, &damaged)) {
        if (line.id != 0 && table_put(&lines, line.id, (uint64_t)line.start, true) == TABLE_FAILED) {
            status = journal_fail(diagnostics, DIFFCUT_ERROR_MEMORY, path, "no memory for its index");
        }
    }
    manifest_line_free(&line);
    if (status == DIFFCUT_OK) {
        rewind(file);
        status = take_lines(writer, file, &lines, diagnostics);
    }
    if (status == DIFFCUT_OK) {
        status = journal_flush(writer, diagnostics); /* on the disk before the part is gone */
    }
    if (status == DIFFCUT_OK && unlink(path) != 0) {
        status = journal_fail(diagnostics, DIFFCUT_ERROR_IO, path, strerror(errno));
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    table_close(&lines);
    diffcut_diagnostics ignored;
    (void)journal_finish(&part, &ignored);
    return status;
}

/* Whether a name in the manifest's folder is that of one of its parts: STEM.rank-N.jsonl or STEM.shard-I-of-N.jsonl.
 */
static bool is_part(const char *name, const char *stem, size_t stem_length) {
    const char *rest = name + stem_length;
    const size_t length = strlen(name);
    return strncmp(name, stem, stem_length) == 0 &&
           (strncmp(rest, ".rank-", 6) == 0 || strncmp(rest, ".shard-", 7) == 0) && length > sizeof ENDING &&
           strcmp(name + length - (sizeof ENDING - 1), ENDING) == 0;
}

/* Appending starts at the end of the manifest's whole lines. */
static diffcut_status go_to_end(journal_writer *writer, const char *path, diffcut_diagnostics *diagnostics) {
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return journal_fail(diagnostics, DIFFCUT_ERROR_IO, path, strerror(errno));
    }
    const bool ours = journal_is_ours(file);
    manifest_line line = {0};
    uint64_t damaged = 0;
    long long end = 0;
    while (ours && manifest_read_line(file, &line, &damaged)) {
        end = line.end;
    }
    manifest_line_free(&line);
    (void)fclose(file);
    return ours ? journal_go_on(writer, end, diagnostics)
                : journal_fail(diagnostics, DIFFCUT_ERROR_FORMAT, path, "not a manifest of diffcut");
}

diffcut_status manifest_take_parts(journal_writer *writer, const char *path, const char *folder,
                                   diffcut_diagnostics *diagnostics) {
    const char *slash = strrchr(path, '/');
    const char *base = slash != NULL ? slash + 1 : path;
    const size_t length = strlen(base);
    const size_t ending = sizeof ENDING - 1;
    const size_t stem = length > ending && strcmp(base + length - ending, ENDING) == 0 ? length - ending : length;
    text place = {0};
    text_add_bytes(&place, path, (size_t)(base - path));
    const size_t folder_length = place.length;
    DIR *names = opendir(folder_length > 0 ? text_string(&place) : ".");
    diffcut_status status = DIFFCUT_OK;
    const struct dirent *entry;
    bool at_end = false;
    while (names != NULL && status == DIFFCUT_OK && (entry = readdir(names)) != NULL) {
        if (!is_part(entry->d_name, base, stem)) {
            continue;
        }
        if (!at_end) {
            status = go_to_end(writer, path, diagnostics);
            at_end = true;
        }
        place.length = folder_length;
        text_add(&place, entry->d_name);
        if (status == DIFFCUT_OK) {
            status = take_part(writer, text_string(&place), folder, diagnostics);
        }
    }
    if (names != NULL) {
        (void)closedir(names);
    }
    text_free(&place);
    return status;
}

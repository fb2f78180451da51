/*
 * vocabulary.c - lists of classes with their synonyms: from a line, a file or the benchmarks' lists (lists/NAME.txt).
 *
 * Called through the public interface.
 */
#include "vocabulary/vocabulary.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "io/entry.h"
#include "vocabulary/vocabulary_data.h"

#define BACKGROUND "background"
#define VOID "void"

/* A list while it is read. */
typedef struct builder {
    diffcut_vocabulary *list;
    size_t text_size, text_room, name_room, class_room;
    size_t *places;     /* (names) in text, which moves while it grows */
    const char *source; /* file; NULL: a line of the command's */
    size_t line;        /* of the file */
    diffcut_diagnostics *diag;
} builder;

void diffcut_vocabulary_free(diffcut_vocabulary *vocabulary) {
    if (vocabulary != NULL) {
        mem_free(vocabulary->names);
        mem_free(vocabulary->class_of);
        mem_free(vocabulary->first);
        mem_free(vocabulary->text);
        mem_free(vocabulary);
    }
}

/* ------------------------------------------------------------------------------------------------- building */

static diffcut_status no_memory(const builder *b, size_t bytes) {
    return diag_no_memory(b->diag, bytes, "a class list");
}

/* "classes.txt: line 3: what" or "class 3: what". */
static diffcut_status fail(const builder *b, const char *what, const char *name, size_t length) {
    const int shown = (int)(length < 80 ? length : 80);
    if (b->source != NULL) {
        return diag_fail(b->diag, DIFFCUT_ERROR_FORMAT, "%.200s: line %zu: '%.*s' %s", b->source, b->line, shown,
                         name, what);
    }
    return diag_fail(b->diag, DIFFCUT_ERROR_ARGUMENT, "class %" PRIu32 ": '%.*s' %s", b->list->classes, shown, name,
                     what);
}

/* Room for one more of what `room` counts; items grow by half. */
static bool grow(void *array, size_t used, size_t size, size_t *room) {
    if (used < *room) {
        return true;
    }
    void *old = NULL;
    memcpy(&old, array, sizeof old);
    const size_t larger = *room + *room / 2 + 64;
    void *grown = mem_array_grow(old, used, larger, size);
    if (grown == NULL) {
        return false;
    }
    memcpy(array, &grown, sizeof grown);
    *room = larger;
    return true;
}

static diffcut_status add_text(builder *b, const char *name, size_t length) {
    while (b->text_room - b->text_size < length + 1) {
        const size_t larger = b->text_room + b->text_room / 2 + 2048;
        char *grown = mem_array_grow(b->list->text, b->text_size, larger, 1);
        if (grown == NULL) {
            return no_memory(b, larger);
        }
        b->list->text = grown;
        b->text_room = larger;
    }
    memcpy(b->list->text + b->text_size, name, length);
    b->list->text[b->text_size + length] = '\0';
    b->text_size += length + 1;
    return DIFFCUT_OK;
}

static diffcut_status add_name(builder *b, const char *name, size_t length) {
    diffcut_vocabulary *list = b->list;
    text_trim(&name, &length);
    if (length == 0) {
        return fail(b, "is an empty name", name, length);
    }
    if (length > VOCABULARY_NAME_BYTES) {
        return fail(b, "... is longer than 1024 bytes", name, length);
    }
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7F) {
            return fail(b, "has a control character", name, i);
        }
    }
    if (list->count == DIFFCUT_MAX_NAMES) {
        return diag_fail(b->diag, DIFFCUT_ERROR_LIMIT, "a class list of more than %d names", DIFFCUT_MAX_NAMES);
    }
    size_t room = b->name_room;
    if (!grow(&b->places, list->count, sizeof *b->places, &room) ||
        !grow(&list->class_of, list->count, sizeof *list->class_of, &b->name_room)) {
        return no_memory(b, list->count * sizeof *b->places);
    }
    b->places[list->count] = b->text_size;
    list->class_of[list->count] = list->classes;
    const diffcut_status status = add_text(b, name, length);
    list->count += status == DIFFCUT_OK ? 1 : 0;
    return status;
}

/* "dog|puppy". */
static diffcut_status add_class(builder *b, const char *at, size_t length) {
    diffcut_vocabulary *list = b->list;
    if (list->classes == DIFFCUT_MAX_CLASSES) {
        return diag_fail(b->diag, DIFFCUT_ERROR_LIMIT, "a class list of more than %d classes", DIFFCUT_MAX_CLASSES);
    }
    if (!grow(&list->first, list->classes, sizeof *list->first, &b->class_room)) {
        return no_memory(b, list->classes * sizeof *list->first);
    }
    list->first[list->classes] = list->count;
    diffcut_status status = DIFFCUT_OK;
    for (bool more = true; more && status == DIFFCUT_OK;) {
        const char *bar = memchr(at, '|', length);
        const size_t name = bar != NULL ? (size_t)(bar - at) : length;
        status = add_name(b, at, name);
        more = bar != NULL;
        at += more ? name + 1 : 0;
        length -= more ? name + 1 : 0;
    }
    list->classes++;
    return status;
}

/* ------------------------------------------------------------------------------------------------- names twice */

static int fold(char c) {
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : (unsigned char)c;
}

/* By letters whose case does not count (the tokenizer lowers them), then by place. */
static int compare_names(const char *a, const char *b) {
    while (*a != '\0' && fold(*a) == fold(*b)) {
        a++;
        b++;
    }
    return fold(*a) - fold(*b);
}

static int by_name(const void *left, const void *right) {
    const char *a = *(const char *const *)left;
    const char *b = *(const char *const *)right;
    const int order = compare_names(a, b);
    return order != 0 ? order : (a > b) - (a < b);
}

static uint32_t class_of_name(const diffcut_vocabulary *list, const char *name) {
    size_t low = 0;
    for (size_t high = list->count; high - low > 1;) { /* names lie in the text in their order */
        const size_t middle = low + (high - low) / 2;
        if (list->names[middle] <= name) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return list->class_of[low];
}

static diffcut_status refuse_duplicates(const builder *b) {
    const diffcut_vocabulary *list = b->list;
    const char **sorted = mem_array(list->count, sizeof *sorted);
    if (sorted == NULL) {
        return no_memory(b, list->count * sizeof *sorted);
    }
    memcpy(sorted, list->names, list->count * sizeof *sorted);
    qsort(sorted, list->count, sizeof *sorted, by_name);
    diffcut_status status = DIFFCUT_OK;
    for (size_t i = 1; i < list->count && status == DIFFCUT_OK; i++) {
        if (compare_names(sorted[i - 1], sorted[i]) == 0) {
            const uint32_t first = class_of_name(list, sorted[i - 1]);
            const uint32_t second = class_of_name(list, sorted[i]);
            status = diag_fail(b->diag, b->source != NULL ? DIFFCUT_ERROR_FORMAT : DIFFCUT_ERROR_ARGUMENT,
                               "%.200s%s'%.80s' is named twice: in class %" PRIu32 " ('%.80s') and in class %" PRIu32
                               " ('%.80s')",
                               b->source != NULL ? b->source : "", b->source != NULL ? ": " : "", sorted[i], first,
                               list->names[list->first[first]], second, list->names[list->first[second]]);
        }
    }
    mem_free(sorted);
    return status;
}

/* Makes the places names, and looks for those that mean something. */
static diffcut_status finish(builder *b) {
    diffcut_vocabulary *list = b->list;
    if (list->classes == 0) {
        return diag_fail(b->diag, b->source != NULL ? DIFFCUT_ERROR_FORMAT : DIFFCUT_ERROR_ARGUMENT,
                         "%.200s%sthe class list is empty", b->source != NULL ? b->source : "",
                         b->source != NULL ? ": " : "");
    }
    list->names = mem_array(list->count, sizeof *list->names);
    if (list->names == NULL || !grow(&list->first, list->classes, sizeof *list->first, &b->class_room)) {
        return no_memory(b, list->count * sizeof *list->names);
    }
    list->first[list->classes] = list->count;
    for (size_t i = 0; i < list->count; i++) {
        list->names[i] = list->text + b->places[i];
    }
    list->background = compare_names(list->names[0], BACKGROUND) == 0 ? 0 : -1;
    list->unnamed = -1;
    if (compare_names(list->names[list->first[list->classes - 1]], VOID) == 0) {
        if (list->classes == 1) {
            return diag_fail(b->diag, DIFFCUT_ERROR_ARGUMENT, "the class list has no class but 'void'");
        }
        list->unnamed = (int32_t)list->classes - 1;
    }
    return refuse_duplicates(b);
}

static diffcut_status begin(builder *b, const char *source, diffcut_diagnostics *diag) {
    *b = (builder){.list = mem_array_zero(1, sizeof *b->list), .source = source, .diag = diag};
    return b->list != NULL ? DIFFCUT_OK : no_memory(b, sizeof *b->list);
}

/* Hands the list over, or frees it. */
static diffcut_status end(builder *b, diffcut_status status, diffcut_vocabulary **out) {
    if (status == DIFFCUT_OK) {
        status = finish(b);
    }
    mem_free(b->places);
    if (status == DIFFCUT_OK) {
        *out = b->list;
    } else {
        diffcut_vocabulary_free(b->list);
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------- entry points */

diffcut_status diffcut_vocabulary_parse(const char *classes, diffcut_vocabulary **out,
                                        diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    size_t start = 0;
    if (classes == NULL || out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_vocabulary_parse: classes or out is NULL");
    }
    const char *rest = classes;
    size_t left = strlen(classes);
    builder b;
    diffcut_status status = text_check((const uint8_t *)classes, left, "the class list", &start, diag);
    if (status == DIFFCUT_OK) {
        status = begin(&b, NULL, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    text_trim(&rest, &left);
    for (bool more = left > 0; more && status == DIFFCUT_OK;) {
        const char *comma = memchr(rest, ',', left);
        const size_t length = comma != NULL ? (size_t)(comma - rest) : left;
        status = add_class(&b, rest, length);
        more = comma != NULL;
        rest += more ? length + 1 : 0;
        left -= more ? length + 1 : 0;
    }
    return end(&b, status, out);
}

diffcut_status diffcut_vocabulary_decode(const void *data, size_t size, const char *name, diffcut_vocabulary **out,
                                         diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if ((data == NULL && size > 0) || out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_vocabulary_decode: data or out is NULL");
    }
    const char *source = name != NULL ? name : "the class list";
    size_t at = 0;
    builder b;
    diffcut_status status = text_check(data, size, source, &at, diag);
    if (status == DIFFCUT_OK) {
        status = begin(&b, source, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    text_line line;
    for (size_t number = 0; status == DIFFCUT_OK && text_next_line(data, size, &at, &number, &line);) {
        b.line = line.number;
        status = add_class(&b, line.at, line.length);
    }
    return end(&b, status, out);
}

const char *diffcut_vocabulary_list(size_t index) {
    return index < vocabulary_files_count ? vocabulary_files[index].name : NULL;
}

diffcut_status diffcut_vocabulary_open(const char *name, diffcut_vocabulary **out, diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    char known[256] = "";
    if (name == NULL || out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_vocabulary_open: name or out is NULL");
    }
    for (size_t i = 0; i < vocabulary_files_count; i++) {
        const embedded_file *file = &vocabulary_files[i];
        if (strcmp(file->name, name) == 0) {
            return diffcut_vocabulary_decode(file->text, file->size, name, out, diag);
        }
        strncat(known, i > 0 ? ", " : "", sizeof known - strlen(known) - 1);
        strncat(known, file->name, sizeof known - strlen(known) - 1);
    }
    return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "'%.80s' is no vocabulary; there are %s", name, known);
}

diffcut_status diffcut_vocabulary_with_background(const diffcut_vocabulary *vocabulary, const char *names,
                                                  diffcut_vocabulary **out, diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    size_t start = 0;
    if (vocabulary == NULL || names == NULL || out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_vocabulary_with_background: an argument is NULL");
    }
    builder b;
    diffcut_status status = text_check((const uint8_t *)names, strlen(names), "the background", &start, diag);
    if (status == DIFFCUT_OK) {
        status = begin(&b, NULL, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    status = add_class(&b, names, strlen(names));
    for (size_t i = 0; i < vocabulary->count && status == DIFFCUT_OK; i++) {
        const bool starts = i == 0 || vocabulary->class_of[i] != vocabulary->class_of[i - 1];
        const char *name = vocabulary->names[i];
        if (starts) {
            status = add_class(&b, name, strlen(name));
        } else {
            b.list->classes--; /* one more of the class that add_class has ended */
            status = add_name(&b, name, strlen(name));
            b.list->classes++;
        }
    }
    status = end(&b, status, out);
    if (status == DIFFCUT_OK) {
        (*out)->background = 0;
    }
    return status;
}

uint32_t diffcut_vocabulary_class_count(const diffcut_vocabulary *vocabulary) {
    return vocabulary != NULL ? vocabulary->classes : 0;
}

const char *diffcut_vocabulary_class_name(const diffcut_vocabulary *vocabulary, uint32_t index) {
    return vocabulary != NULL && index < vocabulary->classes ? vocabulary->names[vocabulary->first[index]] : NULL;
}

const char *const *diffcut_vocabulary_names(const diffcut_vocabulary *vocabulary, const uint32_t **classes,
                                            size_t *count) {
    if (classes != NULL) {
        *classes = vocabulary->class_of;
    }
    if (count != NULL) {
        *count = vocabulary->count;
    }
    return vocabulary->names;
}

int32_t diffcut_vocabulary_background(const diffcut_vocabulary *vocabulary) {
    return vocabulary != NULL ? vocabulary->background : -1;
}

int32_t diffcut_vocabulary_void(const diffcut_vocabulary *vocabulary) {
    return vocabulary != NULL ? vocabulary->unnamed : -1;
}

/*
 * templates.c - sentences that names are put into: see the public vocabulary.h. The paper's are templates/vild.txt.
 */
#include <inttypes.h>
#include <string.h>

#include "core/memory.h"
#include "io/entry.h"
#include "vocabulary/vocabulary.h"
#include "vocabulary/vocabulary_data.h"

#define PLACE "{}"

void diffcut_templates_free(diffcut_templates *templates) {
    if (templates != NULL) {
        for (size_t i = 0; i < templates->count; i++) {
            mem_free(templates->items[i]);
        }
        mem_free(templates->items);
        mem_free(templates);
    }
}

static diffcut_status add(diffcut_templates *t, const text_line *line, const char *source,
                          diffcut_diagnostics *diag) {
    char *copy = mem_array(line->length + 1, 1);
    if (copy == NULL) {
        return diag_no_memory(diag, line->length + 1, "a template");
    }
    memcpy(copy, line->at, line->length);
    copy[line->length] = '\0';
    const char *place = strstr(copy, PLACE);
    diffcut_status status = DIFFCUT_OK;
    if (place == NULL || strstr(place + 2, PLACE) != NULL) {
        status = diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%.200s: line %zu: a template has {} once: '%.80s'", source,
                           line->number, copy);
    } else if (line->length > VOCABULARY_NAME_BYTES) {
        status = diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%.200s: line %zu: a template of more than %d bytes", source,
                           line->number, VOCABULARY_NAME_BYTES);
    } else if (t->count == DIFFCUT_MAX_TEMPLATES) {
        status =
            diag_fail(diag, DIFFCUT_ERROR_LIMIT, "%.200s: more than %d templates", source, DIFFCUT_MAX_TEMPLATES);
    }
    if (status != DIFFCUT_OK) {
        mem_free(copy);
        return status;
    }
    t->items[t->count++] = copy;
    return DIFFCUT_OK;
}

static diffcut_status decode(const uint8_t *data, size_t size, const char *source, diffcut_templates *t,
                             diffcut_diagnostics *diag) {
    size_t at = 0;
    diffcut_status status = text_check(data, size, source, &at, diag);
    text_line line;
    for (size_t number = 0; status == DIFFCUT_OK && text_next_line(data, size, &at, &number, &line);) {
        status = add(t, &line, source, diag);
    }
    if (status == DIFFCUT_OK && t->count == 0) {
        status = diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%.200s: there is no template in it", source);
    }
    return status;
}

diffcut_status diffcut_templates_decode(const void *data, size_t size, const char *name, diffcut_templates **out,
                                        diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_templates_decode: out is NULL");
    }
    diffcut_templates *made = mem_array_zero(1, sizeof *made);
    char **items = mem_array_zero(DIFFCUT_MAX_TEMPLATES, sizeof *items);
    if (made == NULL || items == NULL) {
        mem_free(made);
        mem_free(items);
        return diag_no_memory(diag, DIFFCUT_MAX_TEMPLATES * sizeof *items, "templates");
    }
    made->items = items;
    const embedded_file *own = &template_files[0];
    const diffcut_status status = data != NULL ? decode(data, size, name != NULL ? name : "templates", made, diag)
                                               : decode(own->text, own->size, own->name, made, diag);
    if (status == DIFFCUT_OK) {
        *out = made;
    } else {
        diffcut_templates_free(made);
    }
    return status;
}

size_t diffcut_templates_count(const diffcut_templates *templates) {
    return templates != NULL ? templates->count : 0;
}

const char *diffcut_templates_at(const diffcut_templates *templates, size_t index) {
    return templates != NULL && index < templates->count ? templates->items[index] : NULL;
}

/* eval_header.c - see eval_header.h. */
#include "eval_header.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval_journal.h"
#include "photo.h"
#include "values.h"

#define MAX_CLASSES 65536

/* ------------------------------------------------------------------------------------------------- classes */

void eval_classes_free(eval_classes *classes) {
    for (size_t i = 0; i < classes->count; i++) {
        free(classes->names[i]);
    }
    free(classes->names);
    free(classes->values);
    *classes = (eval_classes){0};
}

static bool add_class(eval_classes *classes, uint32_t value, const char *name, size_t length, text *error) {
    if (classes->count == MAX_CLASSES) {
        text_print(error, "more than %d classes", MAX_CLASSES);
        return false;
    }
    for (size_t i = 0; i < classes->count; i++) {
        if (classes->values[i] == value) {
            text_print(error, "the value %u has two names", value);
            return false;
        }
    }
    char **names = realloc(classes->names, (classes->count + 1) * sizeof *names);
    classes->names = names != NULL ? names : classes->names;
    uint32_t *values = realloc(classes->values, (classes->count + 1) * sizeof *values);
    classes->values = values != NULL ? values : classes->values;
    char *copy = strndup(name, length);
    if (names == NULL || values == NULL || copy == NULL) {
        free(copy);
        text_add(error, "out of memory");
        return false;
    }
    names[classes->count] = copy;
    values[classes->count] = value;
    classes->count++;
    return true;
}

static bool number_classes(uint64_t count, eval_classes *out, text *error) {
    if (count < 1 || count > MAX_CLASSES) {
        text_print(error, "%llu is outside 1 .. %d", (unsigned long long)count, MAX_CLASSES);
        return false;
    }
    for (uint32_t i = 0; i < (uint32_t)count; i++) {
        char name[16];
        const int length = snprintf(name, sizeof name, "%u", i);
        if (!add_class(out, i, name, (size_t)length, error)) {
            return false;
        }
    }
    return true;
}

/* "12 name", "12\tname" or "name"; the value of the last is its place among the classes. */
static bool add_line(eval_classes *classes, const char *line, size_t size, size_t number, text *error) {
    while (size > 0 && strchr(" \t\r", line[size - 1]) != NULL) {
        size--;
    }
    size_t digits = 0;
    uint64_t value = classes->count;
    while (digits < size && line[digits] >= '0' && line[digits] <= '9') {
        digits++;
    }
    size_t start = 0;
    if (digits > 0 && digits < 8 && digits < size && (line[digits] == ' ' || line[digits] == '\t')) {
        value = strtoull(line, NULL, 10);
        for (start = digits; line[start] == ' ' || line[start] == '\t'; start++) {
        }
    }
    if (size == 0) {
        return true;
    }
    if (value > 65535 || memchr(line, '\0', size) != NULL) {
        text_print(error, "line %zu is neither NAME nor VALUE NAME with a value of at most 65535", number);
        return false;
    }
    return add_class(classes, (uint32_t)value, line + start, size - start, error);
}

bool eval_classes_read(const char *argument, eval_classes *out, text *error) {
    eval_classes classes = {0};
    photo_bytes file = {0};
    diffcut_diagnostics diagnostics;
    uint64_t count = 0;
    bool fine = true;
    if (value_unsigned(argument, &count)) {
        fine = number_classes(count, &classes, error);
    } else if (photo_read_bytes(argument, &file, &diagnostics) != DIFFCUT_OK) {
        text_add(error, diagnostics.message);
        fine = false;
    }
    const char *at = (const char *)file.data;
    size_t left = file.size;
    for (size_t number = 1; fine && left > 0; number++) {
        const char *end = memchr(at, '\n', left);
        const size_t size = end != NULL ? (size_t)(end - at) : left;
        fine = add_line(&classes, at, size, number, error);
        at += size + (end != NULL ? 1 : 0);
        left -= size + (end != NULL ? 1 : 0);
    }
    photo_bytes_free(&file);
    if (fine && classes.count == 0) {
        text_add(error, "no classes in it");
        fine = false;
    }
    if (!fine) {
        eval_classes_free(&classes);
        return false;
    }
    *out = classes;
    return true;
}

/* ------------------------------------------------------------------------------------------------- writing */

void eval_header_free(eval_header *h) {
    text *const texts[] = {&h->set,     &h->title,   &h->split,    &h->protocol, &h->model, &h->machine,
                           &h->version, &h->command, &h->features, &h->list,     &h->names};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        text_free(texts[i]);
    }
    eval_classes_free(&h->classes);
    eval_plan_free(&h->plan);
    *h = (eval_header){0};
}

static void add_string(text *out, const char *name, const text *value) {
    text_print(out, "\"%s\": ", name);
    json_string(out, text_string(value));
    text_add(out, ", ");
}

static void add_real(text *out, const char *name, double value) {
    text_print(out, "\"%s\": ", name);
    json_real(out, value, 17);
    text_add(out, ", ");
}

static void add_classes(const eval_header *h, text *out) {
    text_add(out, "\"classes\": [");
    for (size_t i = 0; i < h->classes.count; i++) {
        text_add(out, i > 0 ? ", " : "");
        json_string(out, h->classes.names[i]);
    }
    text_add(out, "], \"values\": [");
    for (size_t i = 0; i < h->classes.count; i++) {
        text_print(out, "%s%u", i > 0 ? ", " : "", h->classes.values[i]);
    }
    text_add(out, "], ");
}

static void add_settings(const eval_header *h, text *out) {
    text_add(out, "\"settings\": [");
    for (size_t i = 0; i < h->plan.count; i++) {
        const eval_choice *c = &h->plan.choices[i];
        text_print(out, "%s{\"name\": \"%s\", \"method\": %d, ", i > 0 ? ", " : "", c->name, (int)c->method);
        add_real(out, "tau", c->tau);
        add_real(out, "alpha", c->alpha);
        text_print(out, "\"k\": %u, \"refine\": %d}", c->k, c->refine ? 1 : 0);
    }
    text_add(out, "]");
}

void eval_header_identity(const eval_header *h, text *out) {
    text_add(out, "{");
    add_string(out, "version", &h->version);
    add_string(out, "set", &h->set);
    add_string(out, "split", &h->split);
    add_string(out, "list", &h->list);
    text_print(out, "\"whole\": %llu, ", (unsigned long long)h->whole);
    add_string(out, "protocol", &h->protocol);
    text_print(out, "\"reference\": %d, \"label_values\": %d, \"ignore\": %lld, \"background\": %lld, ",
               h->rules.reference ? 1 : 0, (int)h->rules.label_values, (long long)h->rules.ignore,
               (long long)h->rules.background);
    add_classes(h, out);
    text_print(out, "\"full_resolution\": %d, \"boundary\": %d, ", h->score.full_resolution ? 1 : 0,
               h->score.boundary ? 1 : 0);
    add_real(out, "band", h->score.band);
    add_real(out, "tolerance", h->score.tolerance);
    text_print(out, "\"replicates\": %u, \"seed\": %llu, ", h->score.replicates, (unsigned long long)h->score.seed);
    add_string(out, "features", &h->features);
    if (h->names.length > 0) {
        add_string(out, "names", &h->names);
    }
    text_print(out, "\"size\": %u, \"min_tokens\": %u, \"eigen\": %u, ", h->size, h->min_tokens, h->eigen_solver);
    add_settings(h, out);
    text_add(out, "}");
}

void eval_header_write(const eval_header *h, text *fields) {
    add_string(fields, "title", &h->title);
    add_string(fields, "model", &h->model);
    add_string(fields, "machine", &h->machine);
    add_string(fields, "command", &h->command);
    text_print(fields,
               "\"listed\": %llu, \"shard\": %u, \"shards\": %u, \"identity\": ", (unsigned long long)h->listed,
               h->shard, h->shards);
    eval_header_identity(h, fields);
}

/* ------------------------------------------------------------------------------------------------- reading */

static bool read_classes(const char *identity, eval_classes *out) {
    const char *names = journal_field(identity, "classes");
    const char *values = journal_field(identity, "values");
    const char *name = NULL;
    const char *value = NULL;
    size_t size = 0;
    text copy = {0};
    text ignored = {0};
    bool fine = names != NULL && values != NULL;
    while (fine && journal_next_item(&names, &name, &size)) {
        fine = journal_string(name, &copy) && journal_next_item(&values, &value, &size) &&
               add_class(out, (uint32_t)journal_number(value, 0), text_string(&copy), copy.length, &ignored);
    }
    text_free(&copy);
    text_free(&ignored);
    return fine;
}

static size_t count_items(const char *list) {
    const char *item = NULL;
    size_t size = 0;
    size_t count = 0;
    while (journal_next_item(&list, &item, &size)) {
        count++;
    }
    return count;
}

static bool read_settings(const char *list, eval_plan *out) {
    const size_t count = list != NULL ? count_items(list) : 0;
    if (count == 0 || count > PLAN_MAX_SETTINGS) {
        return false;
    }
    out->choices = calloc(count, sizeof *out->choices);
    if (out->choices == NULL) {
        return false;
    }
    const char *item = NULL;
    size_t size = 0;
    text name = {0};
    while (journal_next_item(&list, &item, &size)) {
        eval_choice *c = &out->choices[out->count++];
        const double method = journal_number(journal_field(item, "method"), -1);
        if (!journal_string(journal_field(item, "name"), &name) || method < 0 || method >= DIFFCUT_METHOD_COUNT) {
            text_free(&name);
            return false;
        }
        (void)snprintf(c->name, sizeof c->name, "%s", text_string(&name));
        c->method = (diffcut_method)(int)method;
        c->tau = journal_number(journal_field(item, "tau"), NAN);
        c->alpha = journal_number(journal_field(item, "alpha"), NAN);
        c->k = (uint32_t)journal_number(journal_field(item, "k"), 0);
        c->refine = journal_number(journal_field(item, "refine"), 0) != 0;
    }
    text_free(&name);
    return true;
}

static bool read_texts(const char *line, const char *identity, eval_header *h) {
    const struct {
        const char *object, *name;
        text *value;
    } rows[] = {{line, "title", &h->title},           {line, "model", &h->model},
                {line, "machine", &h->machine},       {line, "command", &h->command},
                {identity, "version", &h->version},   {identity, "set", &h->set},
                {identity, "split", &h->split},       {identity, "list", &h->list},
                {identity, "protocol", &h->protocol}, {identity, "features", &h->features}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!journal_string(journal_field(rows[i].object, rows[i].name), rows[i].value)) {
            return false;
        }
    }
    return true;
}

static void read_numbers(const char *line, const char *identity, eval_header *h) {
    h->listed = (uint64_t)journal_number(journal_field(line, "listed"), 0);
    h->shard = (uint32_t)journal_number(journal_field(line, "shard"), 1);
    h->shards = (uint32_t)journal_number(journal_field(line, "shards"), 1);
    h->whole = (uint64_t)journal_number(journal_field(identity, "whole"), 0);
    h->rules.reference = journal_number(journal_field(identity, "reference"), 0) != 0;
    h->rules.label_values = (diffcut_label_values)(int)journal_number(journal_field(identity, "label_values"), 0);
    h->rules.ignore = (int64_t)journal_number(journal_field(identity, "ignore"), -1);
    h->rules.background = (int64_t)journal_number(journal_field(identity, "background"), -1);
    h->score.full_resolution = journal_number(journal_field(identity, "full_resolution"), 0) != 0;
    h->score.boundary = journal_number(journal_field(identity, "boundary"), 0) != 0;
    h->score.band = journal_number(journal_field(identity, "band"), h->score.band);
    h->score.tolerance = journal_number(journal_field(identity, "tolerance"), h->score.tolerance);
    h->score.replicates = (uint32_t)journal_number(journal_field(identity, "replicates"), 0);
    h->score.seed = (uint64_t)journal_number(journal_field(identity, "seed"), 0);
    h->size = (uint32_t)journal_number(journal_field(identity, "size"), 0);
    h->min_tokens = (uint32_t)journal_number(journal_field(identity, "min_tokens"), 0);
    h->eigen_solver = (uint32_t)journal_number(journal_field(identity, "eigen"), 0);
}

bool eval_header_read(const char *line, eval_header *out) {
    eval_header h = {.listed = 0};
    const char *identity = journal_field(line, "identity");
    diffcut_protocol_settings_init(&h.rules);
    diffcut_score_settings_init(&h.score);
    if (identity == NULL || !read_texts(line, identity, &h) || !read_classes(identity, &h.classes) ||
        !read_settings(journal_field(identity, "settings"), &h.plan)) {
        eval_header_free(&h);
        return false;
    }
    const char *names = journal_field(identity, "names"); /* only where segments are named */
    if (names != NULL && !journal_string(names, &h.names)) {
        eval_header_free(&h);
        return false;
    }
    read_numbers(line, identity, &h);
    *out = h;
    return true;
}

diffcut_status eval_header_protocol(const eval_header *header, diffcut_protocol **out,
                                    diffcut_diagnostics *diagnostics) {
    diffcut_protocol_settings rules = header->rules;
    if (header->classes.count > 0) {
        rules.classes = (uint32_t)header->classes.count;
        rules.names = (const char *const *)header->classes.names;
        rules.values = header->classes.values;
    }
    return diffcut_protocol_open(text_string(&header->protocol), &rules, out, diagnostics);
}

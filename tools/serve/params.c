/* params.c - see params.h. */
#include "params.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "values.h"

#define DEFAULT_MAX_TAU 0.8

#define AT(field) offsetof(params, field)

_Static_assert(sizeof(params_format) == sizeof(int), "OPTION_CHOICE stores an int");

static const option own_rows[] = {
    {0, "max-tau", "T", "", OPTION_REAL, AT(max_tau), 0, 1, NULL, NULL},
    {0, "format", "NAME", "", OPTION_CHOICE, AT(format), 0, 0, PARAMS_FORMATS, NULL},
    {0, "width", "N", "", OPTION_UNSIGNED, AT(width), 1, PARAMS_MOST_WIDTH, NULL, NULL},
    {0, "classes", "LIST", "", OPTION_STRING, AT(classes), 0, 0, NULL, NULL},
    {0, "vocabulary", "NAME", "", OPTION_STRING, AT(vocabulary), 0, 0, NULL, NULL},
    {0, "background", "NAME", "", OPTION_STRING, AT(background), 0, 0, NULL, NULL},
    {0, "x", "N", "", OPTION_UNSIGNED, AT(x), 0, UINT32_MAX, NULL, NULL},
    {0, "y", "N", "", OPTION_UNSIGNED, AT(y), 0, UINT32_MAX, NULL, NULL},
    {0, "opacity", "X", "", OPTION_FRACTION, AT(overlay.opacity), 0, 1, NULL, NULL},
    {0, "boundaries", NULL, "", OPTION_SET, AT(overlay.boundaries), 0, 0, NULL, NULL},
    {0},
};

static const option_group groups[] = {
    {"", own_rows, 0},
    {"", settings_cut_rows, AT(settings)},
    {"", settings_size_rows, AT(settings)},
    {"", settings_features_rows, AT(settings)},
    {"", settings_text_rows, AT(settings)},
    {"", settings_switch_rows, AT(settings)},
    {"", settings_refinement_rows, AT(settings)},
    {NULL, NULL, 0},
};

void params_init(params *p, const diffcut_model *model) {
    *p = (params){.max_tau = DEFAULT_MAX_TAU, .format = FORMAT_JSON};
    settings_begin(&p->settings, model);
    diffcut_overlay_settings_init(&p->overlay);
}

/* "min_tokens" is the row "min-tokens". */
static bool same_name(const char *query, const char *row) {
    for (; *query != '\0' && *row != '\0'; query++, row++) {
        if (*query != *row && !(*query == '_' && *row == '-')) {
            return false;
        }
    }
    return *query == *row;
}

static const option *find(const char *name, size_t *base) {
    for (const option_group *group = groups; group->title != NULL; group++) {
        for (const option *row = group->options; row->name != NULL; row++) {
            if (same_name(name, row->name)) {
                *base = group->base;
                return row;
            }
        }
    }
    return NULL;
}

/* The place of a name in the endpoint's list, -1 when it is not there. */
static int place_of(const char *names, const char *name) {
    const size_t length = strlen(name);
    int place = 0;
    for (const char *at = names; *at != '\0'; place++) {
        const size_t word = strcspn(at, " ");
        if (word == length && memcmp(at, name, length) == 0) {
            return place;
        }
        at += word;
        at += strspn(at, " ");
    }
    return -1;
}

bool params_has(const params *p, const char *names, const char *name) {
    const int place = place_of(names, name);
    return place >= 0 && (p->given >> place & 1) != 0;
}

/* A switch takes 1 or 0, true or false. */
static bool take_switch(const char *value, void *target, text *error) {
    const int choice = value_choice(value, "0|1|false|true");
    if (choice < 0) {
        text_print(error, "'%s' is none of 0, 1, false, true", value);
        return false;
    }
    const bool on = choice % 2 == 1;
    memcpy(target, &on, sizeof on);
    return true;
}

bool params_take(params *p, const char *names, const char *name, const char *value, problem *out) {
    const int place = place_of(names, name);
    size_t base = 0;
    const option *row = place >= 0 ? find(name, &base) : NULL;
    if (row == NULL) {
        return problem_set(out, 400, "unknown_field", name, "'%s' is not known here; it takes: %s", name,
                           names[0] != '\0' ? names : "nothing");
    }
    if ((p->given >> place & 1) != 0) {
        return problem_set(out, 400, "bad_value", name, "%s is given twice", name);
    }
    p->given |= (uint64_t)1 << place;
    text error = {0};
    void *target = (char *)p + base + row->offset;
    const bool good =
        row->kind == OPTION_SET ? take_switch(value, target, &error) : options_store(row, value, target, &error);
    if (!good) {
        (void)problem_set(out, 400, "bad_value", name, "%s: %s", name, text_string(&error));
    }
    text_free(&error);
    return good;
}

bool params_end(params *p, problem *out) {
    diffcut_diagnostics diagnostics = {{0}};
    if (p->settings.taus.count > 1) {
        return problem_set(out, 400, "bad_value", "tau", "tau: one value is taken here");
    }
    if (!settings_resolve(&p->settings, &diagnostics)) {
        return problem_set(out, 400, "bad_value", NULL, "%s", diagnostics.message);
    }
    const char *prompt = p->settings.values.prompt;
    if (prompt != NULL) {
        if (strlen(prompt) >= sizeof p->prompt) {
            return problem_set(out, 400, "bad_value", "prompt", "prompt: more than %d bytes",
                               PARAMS_PROMPT_BYTES - 1);
        }
        if (!json_is_utf8(prompt)) {
            return problem_set(out, 400, "bad_value", "prompt", "prompt: is not UTF-8");
        }
        (void)snprintf(p->prompt, sizeof p->prompt, "%s", prompt);
        p->settings.values.prompt = NULL;
    }
    return true;
}

diffcut_settings params_settings(const params *p) {
    diffcut_settings settings = p->settings.values;
    settings.prompt = p->prompt[0] != '\0' ? p->prompt : NULL;
    return settings;
}

/* options.c - see options.h: reading the line. The help page is in help.c. */
#include "options.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "help.h"
#include "values.h"

/* Enums are stored through an int. */
_Static_assert(sizeof(option_kind) == sizeof(int), "enums have the size of int");

void arguments_free(arguments *list) {
    free(list->items);
    *list = (arguments){0};
}

int options_mistake(const command *self, const char *format, ...) {
    text message = {0};
    text_print(&message, "diffcut %s: ", self->name);
    va_list args;
    va_start(args, format);
    text_vprint(&message, format, args);
    va_end(args);
    console_line(text_string(&message));
    text_clear(&message);
    text_print(&message, "Try 'diffcut %s --help'.", self->name);
    console_line(text_string(&message));
    text_free(&message);
    return EXIT_USAGE;
}

/* How many letters must be added, dropped, changed or swapped with their neighbour to make b of a (optimal string
 * alignment distance); names up to 31 letters. */
static size_t distance(const char *a, const char *b) {
    enum { LETTERS = 32 };
    size_t d[LETTERS][LETTERS];
    const size_t height = strlen(a);
    const size_t width = strlen(b);
    if (height >= LETTERS || width >= LETTERS) {
        return SIZE_MAX;
    }
    for (size_t i = 0; i <= height; i++) {
        for (size_t j = 0; j <= width; j++) {
            if (i == 0 || j == 0) {
                d[i][j] = i + j;
                continue;
            }
            size_t least = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            least = d[i - 1][j] + 1 < least ? d[i - 1][j] + 1 : least;
            least = d[i][j - 1] + 1 < least ? d[i][j - 1] + 1 : least;
            const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            d[i][j] = swapped && d[i - 2][j - 2] + 1 < least ? d[i - 2][j - 2] + 1 : least;
        }
    }
    return d[height][width];
}

/* Keeps the nearer of the best so far and name. A beginning of at least three letters counts as near. */
static void consider(const char *word, const char *name, const char **best, size_t *best_distance) {
    const size_t length = strlen(word);
    size_t d = distance(word, name);
    if (length >= 3 && strncmp(word, name, length) == 0 && d > 1) {
        d = 1;
    }
    const size_t limit = length <= 4 ? 1 : length / 3 + 1;
    if (d <= limit && d < *best_distance) {
        *best = name;
        *best_distance = d;
    }
}

const char *options_nearest(const char *word, const void *first, size_t stride) {
    const char *best = NULL;
    size_t best_distance = SIZE_MAX;
    for (const char *at = first;; at += stride) {
        const char *name = NULL;
        memcpy(&name, at, sizeof name);
        if (name == NULL) {
            return best;
        }
        consider(word, name, &best, &best_distance);
    }
}

static const char *nearest_option(const command *self, const char *word) {
    const char *best = NULL;
    size_t best_distance = SIZE_MAX;
    for (const option_group *group = self->groups; group->title != NULL; group++) {
        for (const option *row = group->options; row->name != NULL; row++) {
            consider(word, row->name, &best, &best_distance);
        }
    }
    return best;
}

/* The row of a long name (length letters) or, with name NULL, of a letter. */
static const option *find(const command *self, const char *name, size_t length, char letter, size_t *base) {
    for (const option_group *group = self->groups; group->title != NULL; group++) {
        for (const option *row = group->options; row->name != NULL; row++) {
            const bool same = name != NULL ? strlen(row->name) == length && memcmp(row->name, name, length) == 0
                                           : row->letter != 0 && row->letter == letter;
            if (same) {
                *base = group->base;
                return row;
            }
        }
    }
    return NULL;
}

static bool outside(const option *row, double value, const char *argument, text *error) {
    if (value >= row->low && value <= row->high) {
        return false;
    }
    text_print(error, "%s is outside %.12g .. %.12g", argument, row->low, row->high);
    return true;
}

static bool store_number(const option *row, const char *argument, char *target, text *error) {
    double real = 0;
    uint64_t natural = 0;
    int64_t integer = 0;
    if (row->kind == OPTION_UNSIGNED || row->kind == OPTION_SIGNED) {
        if (!value_signed(argument, &integer)) {
            text_print(error, "'%s' is not a whole number", argument);
            return false;
        }
        if (outside(row, (double)integer, argument, error)) {
            return false;
        }
        const uint32_t bits = (uint32_t)integer; /* int32_t and uint32_t have the same representation here */
        memcpy(target, &bits, sizeof bits);
        return true;
    }
    if (row->kind == OPTION_LARGE) {
        if (!value_unsigned(argument, &natural)) {
            text_print(error, "'%s' is not a whole number from %.12g to 2^64 - 1", argument, row->low);
            return false;
        }
        if ((double)natural < row->low) {
            text_print(error, "%s is below %.12g", argument, row->low);
            return false;
        }
        memcpy(target, &natural, sizeof natural);
        return true;
    }
    if (!value_real(argument, &real)) {
        text_print(error, "'%s' is not a number", argument);
        return false;
    }
    if (row->kind == OPTION_POSITIVE) {
        if (!(real > 0)) {
            text_print(error, "%s is not above 0", argument);
            return false;
        }
    } else if (outside(row, real, argument, error)) {
        return false;
    }
    if (row->kind == OPTION_FRACTION) {
        const float single = (float)real;
        memcpy(target, &single, sizeof single);
    } else {
        memcpy(target, &real, sizeof real);
    }
    return true;
}

static bool store_choice(const option *row, const char *argument, char *target, text *error) {
    const int index = value_choice(argument, row->choices);
    if (index < 0) {
        text_print(error, "'%s' is none of %s", argument, row->choices);
        return false;
    }
    memcpy(target, &index, sizeof index);
    return true;
}

bool options_store(const option *row, const char *argument, void *target, text *error) {
    switch (row->kind) {
    case OPTION_SET:
    case OPTION_CLEAR: {
        const bool value = row->kind == OPTION_SET;
        memcpy(target, &value, sizeof value);
        return true;
    }
    case OPTION_COUNT: {
        int count = 0;
        memcpy(&count, target, sizeof count);
        count++;
        memcpy(target, &count, sizeof count);
        return true;
    }
    case OPTION_STRING:
        if (argument[0] == '\0') {
            text_add(error, "the argument is empty");
            return false;
        }
        memcpy(target, &argument, sizeof argument);
        return true;
    case OPTION_CHOICE:
        return store_choice(row, argument, target, error);
    case OPTION_CUSTOM:
        return row->parse(argument, target, error);
    case OPTION_UNSIGNED:
    case OPTION_LARGE:
    case OPTION_SIGNED:
    case OPTION_REAL:
    case OPTION_FRACTION:
    case OPTION_POSITIVE:
        break;
    }
    return store_number(row, argument, target, error);
}

typedef struct line {
    const command *self;
    char **argv;
    int argc;
    int at;
    char *target;
} line;

/* Stores the option of `shown`; inline_argument is what came with it ("--tau=0.5", "-oDIR"), or NULL. */
static bool take(line *l, const option *row, size_t base, const char *shown, const char *inline_argument) {
    const char *argument = inline_argument;
    if (row->argument != NULL && argument == NULL) {
        if (l->at >= l->argc) {
            (void)options_mistake(l->self, "%s needs an argument: %s", shown, row->argument);
            return false;
        }
        argument = l->argv[l->at++];
    }
    text error = {0};
    const bool good = options_store(row, argument, l->target + base + row->offset, &error);
    if (!good) {
        (void)options_mistake(l->self, "%s: %s", shown, text_string(&error));
    }
    text_free(&error);
    return good;
}

static bool take_long(line *l, const char *word) {
    const size_t length = strcspn(word + 2, "=");
    const char *inline_argument = word[2 + length] == '=' ? word + 2 + length + 1 : NULL;
    size_t base = 0;
    const option *row = find(l->self, word + 2, length, 0, &base);
    char shown[64];
    (void)snprintf(shown, sizeof shown, "--%.*s", (int)(length < 60 ? length : 60), word + 2);
    if (row == NULL) {
        const char *near = nearest_option(l->self, shown + 2);
        (void)options_mistake(l->self, "unknown option '%s'%s%s%s", shown, near != NULL ? "; did you mean '--" : "",
                              near != NULL ? near : "", near != NULL ? "'?" : "");
        return false;
    }
    if (row->argument == NULL && inline_argument != NULL) {
        (void)options_mistake(l->self, "%s takes no argument", shown);
        return false;
    }
    return take(l, row, base, shown, inline_argument);
}

/* "-qv" is two options; what follows a letter that takes an argument is the argument. */
static bool take_letters(line *l, const char *word) {
    for (const char *letter = word + 1; *letter != '\0'; letter++) {
        size_t base = 0;
        const option *row = find(l->self, NULL, 0, *letter, &base);
        const char shown[] = {'-', *letter, '\0'};
        if (row == NULL) {
            (void)options_mistake(l->self, "unknown option '%s'", shown);
            return false;
        }
        const bool with_rest = row->argument != NULL && letter[1] != '\0';
        if (!take(l, row, base, shown, with_rest ? letter + 1 : NULL)) {
            return false;
        }
        if (with_rest) {
            break;
        }
    }
    return true;
}

/* --help answers wherever it stands before "--", whatever else is wrong with the line. */
static bool wants_help(int argc, char **argv) {
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return true;
        }
    }
    return false;
}

options_result options_parse(const command *self, int argc, char **argv, void *target, arguments *rest) {
    if (wants_help(argc, argv)) {
        help_command(self);
        return OPTIONS_HELPED;
    }
    arguments list = {calloc((size_t)argc + 1, sizeof *list.items), 0};
    if (list.items == NULL) {
        (void)options_mistake(self, "out of memory");
        return OPTIONS_WRONG;
    }
    line l = {self, argv, argc, 0, target};
    bool only_names = false; /* after "--" */
    bool good = true;
    while (good && l.at < argc) {
        const char *word = argv[l.at++];
        if (only_names || word[0] != '-' || word[1] == '\0') {
            list.items[list.count++] = word;
        } else if (strcmp(word, "--") == 0) {
            only_names = true;
        } else {
            good = word[1] == '-' ? take_long(&l, word) : take_letters(&l, word);
        }
    }
    if (good && rest != NULL) {
        *rest = list;
    } else {
        arguments_free(&list);
    }
    return good ? OPTIONS_PARSED : OPTIONS_WRONG;
}

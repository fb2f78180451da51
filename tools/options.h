/*
 * options.h - one table per command: the parser and --help both come from it, so they cannot disagree.
 *
 * An option is a row: its names, its argument, its help, the kind of its value and where the value goes. Rows that
 * several commands share are arrays of their own (settings.c), placed by a group's `base`. Called by every command.
 */
#ifndef DIFFCUT_TOOLS_OPTIONS_H
#define DIFFCUT_TOOLS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

/* What the command returns to the shell. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

typedef enum option_kind {
    OPTION_SET,      /* bool: true */
    OPTION_CLEAR,    /* bool: false */
    OPTION_COUNT,    /* int: one more each time */
    OPTION_STRING,   /* const char *: the argument itself */
    OPTION_UNSIGNED, /* uint32_t in low .. high */
    OPTION_LARGE,    /* uint64_t, at least low */
    OPTION_SIGNED,   /* int32_t in low .. high */
    OPTION_REAL,     /* double in low .. high */
    OPTION_FRACTION, /* float in low .. high */
    OPTION_POSITIVE, /* double above 0 */
    OPTION_CHOICE,   /* an enum whose values are the places in `choices` */
    OPTION_CUSTOM    /* parse() */
} option_kind;

/* Reads the argument into target; on failure leaves "what is wrong" in error and returns false. */
typedef bool (*option_parse_fn)(const char *argument, void *target, text *error);

typedef struct option {
    char letter;          /* 0: none */
    const char *name;     /* without the dashes; NULL ends a table */
    const char *argument; /* how help calls it; NULL: takes none */
    const char *help;
    option_kind kind;
    size_t offset;       /* of the value, from the group's base */
    double low, high;    /* the range of numbers */
    const char *choices; /* OPTION_CHOICE: "one|two" */
    option_parse_fn parse;
} option;

typedef struct option_group {
    const char *title; /* "": goes on under the title before; NULL ends the groups */
    const option *options;
    size_t base; /* of this group's values in the command's own structure */
} option_group;

typedef struct command {
    const char *name;        /* "segment", "model info" */
    const char *usage;       /* what follows the name: "[OPTION]... PHOTO..." */
    const char *summary;     /* a few words, for the list of commands */
    const char *description; /* paragraphs for --help */
    const option_group *groups;
    int (*run)(const struct command *self, int argc, char **argv); /* argv[0 ..] is what follows the name */
} command;

/* The arguments that are no options, in order; pointers into argv. */
typedef struct arguments {
    const char **items;
    size_t count;
} arguments;

void arguments_free(arguments *list);

typedef enum options_result { OPTIONS_PARSED, OPTIONS_HELPED, OPTIONS_WRONG } options_result;

/* Fills target. OPTIONS_HELPED: --help was given and answered on stdout; OPTIONS_WRONG: the mistake was reported.
 * rest may be NULL: commands read their line twice, once to find mistakes and the model, once over its defaults. */
options_result options_parse(const command *self, int argc, char **argv, void *target, arguments *rest);

/* Reads the argument of one row into target, which is the value's own place (the base and offset are added); on
 * failure leaves what is wrong in error. */
bool options_store(const option *row, const char *argument, void *target, text *error);

/* Reports a mistake in the line ("diffcut segment: ...", then where help is) and returns EXIT_USAGE. */
__attribute__((format(printf, 2, 3))) int options_mistake(const command *self, const char *format, ...);

/* Among the names (NULL-ended, stride bytes apart, each starting with a const char *), the nearest to a mistyped
 * word, or NULL when none is near. */
const char *options_nearest(const char *word, const void *first, size_t stride);

/* Prints a paragraph wrapped to 79 columns, its lines indented; column says where the first one already is. */
void options_wrap(text *out, const char *paragraph, size_t indent, size_t column);

#endif

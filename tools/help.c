/* help.c - see help.h. */
#include "help.h"

#include <stdio.h>
#include <string.h>

enum { HELP_WIDTH = 79, HELP_COLUMN = 27 }; /* columns; where an option's words start */

static void pad(text *out, size_t from, size_t to) {
    for (size_t column = from; column < to; column++) {
        text_add(out, " ");
    }
}

void options_wrap(text *out, const char *paragraph, size_t indent, size_t column) {
    const char *at = paragraph;
    pad(out, column, indent);
    column = column < indent ? indent : column;
    bool first = true;
    while (*at != '\0') {
        if (*at == '\n') {
            text_add(out, "\n");
            at++;
            if (*at != '\n' && *at != '\0') {
                pad(out, 0, indent);
            }
            column = indent;
            first = true;
            continue;
        }
        const size_t spaces = strspn(at, " ");
        const size_t word = strcspn(at + spaces, " \n");
        if (!first && column + spaces + word > HELP_WIDTH) {
            text_add(out, "\n");
            pad(out, 0, indent);
            text_add_bytes(out, at + spaces, word);
            column = indent + word;
        } else {
            text_add_bytes(out, at, spaces + word);
            column += spaces + word;
        }
        first = false;
        at += spaces + word;
    }
    text_add(out, "\n");
}

static void add_option(text *out, const option *row) {
    text names = {0};
    if (row->letter != 0) {
        text_print(&names, "  -%c, --%s", row->letter, row->name);
    } else {
        text_print(&names, "      --%s", row->name);
    }
    if (row->argument != NULL) {
        text_print(&names, " %s", row->argument);
    }
    text_add(out, text_string(&names));
    size_t column = names.length;
    if (column + 2 > HELP_COLUMN) {
        text_add(out, "\n");
        column = 0;
    }
    options_wrap(out, row->help, HELP_COLUMN, column);
    text_free(&names);
}

/* Closes every page, below the messages; options_parse() answers it before anything else. */
static const option help_row = {'h', "help", NULL, "this page", OPTION_SET, 0, 0, 0, NULL, NULL};

void help_command(const command *self) {
    text out = {0};
    text_print(&out, "Usage: diffcut %s %s\n\n", self->name, self->usage);
    options_wrap(&out, self->description, 0, 0);
    for (const option_group *group = self->groups; group->title != NULL; group++) {
        if (group->title[0] != '\0') {
            text_print(&out, "\n%s:\n", group->title);
        }
        for (const option *row = group->options; row->name != NULL; row++) {
            add_option(&out, row);
        }
    }
    add_option(&out, &help_row);
    (void)fputs(text_string(&out), stdout);
    text_free(&out);
}

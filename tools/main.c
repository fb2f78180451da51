/*
 * main.c - the command `diffcut`: finds the subcommand and hands the line to it.
 *
 * A first word that names no command but a file, or an option, means segment: `diffcut rose.jpg`.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "console.h"
#include "diffcut/diffcut.h"
#include "interrupt.h"

/* Names of two words are found by both. */
static const command *const commands[] = {
    &command_segment,     &command_label,      &command_features,   &command_cut,          &command_refine,
    &command_score,       &command_model_info, &command_model_pull, &command_model_verify, &command_model_context,
    &command_model_synth, &command_similarity, &command_coherence,  &command_eval_merge,   &command_eval,
    &command_bench,       &command_serve,
};
enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

static void print_help(void) {
    text out = {0};
    text_add(&out, "Usage: diffcut PHOTO...\n"
                   "       diffcut COMMAND [OPTION]... [ARGUMENT]...\n\n");
    options_wrap(&out,
                 "Splits photos into their meaningful regions with the features of a diffusion model and recursive "
                 "Normalized Cut: no labels, no prompt, no training.",
                 0, 0);
    text_add(&out, "\nCommands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        text_print(&out, "  %-13s  %s\n", commands[i]->name, commands[i]->summary);
    }
    text_add(&out, "\nOptions:\n"
                   "  -h, --help     this page; after a command, the command's\n"
                   "  -V, --version  version and build\n\n"
                   "Exit status: 0 done, 1 something failed, 2 a mistake in the line,\n130 interrupted.\n");
    (void)fputs(text_string(&out), stdout);
    text_free(&out);
}

static int flush_and_return(int status) {
    const console says = {0};
    return console_flush_stdout(&says) || status != EXIT_DONE ? status : EXIT_FAILED;
}

static int mistake(const char *message) {
    console_line(message);
    console_line("Try 'diffcut --help'.");
    return EXIT_USAGE;
}

/* The command whose words the line starts with, and how many words that takes. */
static const command *find_command(int argc, char **argv, int *words) {
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const char *space = strchr(commands[i]->name, ' ');
        const size_t first = space != NULL ? (size_t)(space - commands[i]->name) : strlen(commands[i]->name);
        if (strlen(argv[0]) != first || memcmp(argv[0], commands[i]->name, first) != 0) {
            continue;
        }
        if (space == NULL || (argc > 1 && strcmp(argv[1], space + 1) == 0)) {
            *words = space == NULL ? 1 : 2;
            return commands[i];
        }
    }
    return NULL;
}

/* `diffcut model`, `diffcut model inof`, `diffcut model --help`: the commands that start with the word, or NULL. */
static int half_a_command(int argc, char **argv, bool *is_half) {
    text names = {0};
    const size_t length = strlen(argv[0]);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strncmp(commands[i]->name, argv[0], length) == 0 && commands[i]->name[length] == ' ') {
            text_print(&names, "%sdiffcut %s", names.length > 0 ? ", " : "", commands[i]->name);
        }
    }
    *is_half = names.length > 0;
    int status = EXIT_USAGE;
    if (*is_half && argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        (void)printf("Commands: %s\n", text_string(&names));
        status = flush_and_return(EXIT_DONE);
    } else if (*is_half) {
        text message = {0};
        text_print(&message, "diffcut: '%s' is the start of: %s", argv[0], text_string(&names));
        status = mistake(text_string(&message));
        text_free(&message);
    }
    text_free(&names);
    return status;
}

/* A word that is no command: a photo for segment, unless it looks like neither. */
static int no_command(int argc, char **argv) {
    const char *word = argv[0];
    struct stat info;
    if (word[0] == '-' || strpbrk(word, "./") != NULL || stat(word, &info) == 0) {
        return flush_and_return(command_segment.run(&command_segment, argc, argv));
    }
    const char *names[COMMAND_COUNT + 1] = {NULL};
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        names[i] = commands[i]->name;
    }
    const char *near = options_nearest(word, names, sizeof *names);
    text message = {0};
    text_print(&message, "diffcut: '%s' is neither a command nor a file", word);
    if (near != NULL) {
        text_print(&message, "; did you mean '%s'?", near);
    }
    const int status = mistake(text_string(&message));
    text_free(&message);
    return status;
}

int main(int argc, char **argv) {
    interrupt_install();
    if (argc < 2) {
        return mistake("diffcut: no photo given");
    }
    argc--;
    argv++;
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
        print_help();
        return flush_and_return(EXIT_DONE);
    }
    if (strcmp(argv[0], "--version") == 0 || strcmp(argv[0], "-V") == 0) {
        (void)printf("diffcut %s\n%s\n", diffcut_version(), diffcut_build_info());
        return flush_and_return(EXIT_DONE);
    }
    int words = 0;
    const command *found = find_command(argc, argv, &words);
    if (found != NULL) {
        return flush_and_return(found->run(found, argc - words, argv + words));
    }
    bool is_half = false;
    const int status = half_a_command(argc, argv, &is_half);
    return is_half ? status : no_command(argc, argv);
}

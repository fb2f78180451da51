/*
 * console.h - what the command says to people, on stderr.
 *
 * Control characters of file names are shown as \xNN, so that a name can neither break a line nor drive a terminal.
 * Called by every command.
 */
#ifndef DIFFCUT_TOOLS_CONSOLE_H
#define DIFFCUT_TOOLS_CONSOLE_H

#include <stdbool.h>

#include "diffcut/diffcut.h"
#include "options.h"

struct progress;

/* How much a command says. */
typedef struct console {
    bool quiet;           /* -q: errors only, no progress bar */
    int verbose;          /* -v: a line a photo; -v -v: the time of each stage too */
    struct progress *bar; /* taken off the screen before a line is written; may be NULL */
} console;

/* --quiet and --verbose; base is the console's place. */
extern const option console_options[];

/* One line as it is, controls escaped. */
void console_line(const char *line);

/* "diffcut: subject: message"; the subject is left out when NULL or when the message starts with it already. */
void console_error(const console *c, const char *subject, const char *message);

/* A line that is not an error, as printed; the caller decides by quiet and verbose whether. */
__attribute__((format(printf, 2, 3))) void console_say(const console *c, const char *format, ...);

/* Flushes stdout. False, after one message, when it could not be written (closed pipe, full disk). */
bool console_flush_stdout(const console *c);

#endif

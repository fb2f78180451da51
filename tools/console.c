/* console.c - see console.h. */
#include "console.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "progress.h"

const option console_options[] = {
    {'q', "quiet", NULL, "say nothing but errors", OPTION_SET, offsetof(console, quiet), 0, 0, NULL, NULL},
    {'v', "verbose", NULL, "say more; twice for the time of each stage", OPTION_COUNT, offsetof(console, verbose), 0,
     0, NULL, NULL},
    {0},
};

void console_line(const char *line) {
    text escaped = {0};
    for (const char *c = line; *c != '\0'; c++) {
        const unsigned char byte = (unsigned char)*c;
        if (byte < 0x20 || byte == 0x7F) {
            text_print(&escaped, "\\x%02x", byte);
        } else {
            text_add_bytes(&escaped, c, 1);
        }
    }
    text_add(&escaped, "\n");
    (void)fwrite(text_string(&escaped), 1, escaped.length, stderr);
    text_free(&escaped);
}

void console_error(const console *c, const char *subject, const char *message) {
    if (c->bar != NULL) {
        progress_erase(c->bar);
    }
    text line = {0};
    text_add(&line, "diffcut: ");
    if (subject != NULL && strncmp(message, subject, strlen(subject)) != 0) {
        text_print(&line, "%s: ", subject);
    }
    text_add(&line, message);
    console_line(text_string(&line));
    text_free(&line);
}

void console_say(const console *c, const char *format, ...) {
    if (c->bar != NULL) {
        progress_erase(c->bar);
    }
    text line = {0};
    va_list args;
    va_start(args, format);
    text_vprint(&line, format, args);
    va_end(args);
    console_line(text_string(&line));
    text_free(&line);
}

bool console_flush_stdout(const console *c) {
    if (fflush(stdout) == 0 && ferror(stdout) == 0) {
        return true;
    }
    console_error(c, "standard output", strerror(errno));
    return false;
}

/*
 * interrupt.h - Ctrl-C and SIGTERM end a run between two steps, with nothing half-written.
 *
 * The first signal asks: the progress callback cancels the running stage and the command leaves in order. A second
 * one ends the process at once. The flag is the one global of tools/: a signal handler can reach nothing else.
 */
#ifndef DIFFCUT_TOOLS_INTERRUPT_H
#define DIFFCUT_TOOLS_INTERRUPT_H

#include <stdbool.h>

/* Also ignores SIGPIPE and SIGXFSZ, so that a closed pipe or a file-size limit is an error with a message. */
void interrupt_install(void);
bool interrupt_requested(void);
/* 128 + the signal, as shells report it: 130 for Ctrl-C. */
int interrupt_exit_code(void);

#endif

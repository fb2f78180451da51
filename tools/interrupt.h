/*
 * interrupt.h - Ctrl-C and SIGTERM end a run between two steps, with nothing half-written.
 *
 * The first signal asks: the progress callback cancels the running stage and the command leaves in order. A second
 * one ends the process at once. Its flags are the only globals of tools/: a signal
 * handler can reach nothing else, and the standard input is the process's.
 */
#ifndef DIFFCUT_TOOLS_INTERRUPT_H
#define DIFFCUT_TOOLS_INTERRUPT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Also ignores SIGPIPE and SIGXFSZ, so that a closed pipe or a file-size limit is an error with a message. */
void interrupt_install(void);
bool interrupt_requested(void);
/* For a loop that sleeps: every signal also writes to this eventfd, and a second one no longer ends the process; -1
 * ends it. Whichever thread a signal comes to: libraries start threads before main does. */
void interrupt_wake(int file);
/* How many signals came. */
int interrupt_times(void);
/* Reads from a pipe, terminal or file as read() does, but ends with -1 and EINTR soon after an interruption,
 * whichever thread the signal came to, or after interrupt_end_reading. */
ssize_t interrupt_read(int file, void *data, size_t size);
/* Nothing that is still to come is wanted. */
void interrupt_end_reading(void);
/* 128 + the signal, as shells report it: 130 for Ctrl-C. */
int interrupt_exit_code(void);

#endif

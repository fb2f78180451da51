/* interrupt.c - see interrupt.h. */
#include "interrupt.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

enum { LOOK_MILLISECONDS = 100 }; /* how often a wait looks whether it is to end */

static atomic_int received; /* lock-free, so a handler may write it */
static atomic_int times;
static atomic_int wakes = -1; /* a descriptor */
static atomic_bool reading_ended;

static void on_signal(int number) {
    const int error = errno;
    const int file = atomic_load(&wakes);
    const uint64_t one = 1; /* as an eventfd takes it */
    atomic_store(&received, number);
    atomic_fetch_add(&times, 1);
    if (file >= 0) {
        const ssize_t written = write(file, &one, sizeof one);
        (void)written; /* it cannot be full before the loop looks */
    }
    errno = error;
}

static void listen_to_signals(int flags) {
    struct sigaction ask = {0};
    ask.sa_handler = on_signal;
    ask.sa_flags = flags; /* no SA_RESTART: a read from a silent pipe returns */
    (void)sigemptyset(&ask.sa_mask);
    struct sigaction inherited;
    if (sigaction(SIGINT, NULL, &inherited) == 0 && inherited.sa_handler != SIG_IGN) {
        (void)sigaction(SIGINT, &ask, NULL); /* a script's background job stays deaf to the terminal's Ctrl-C */
    }
    (void)sigaction(SIGTERM, &ask, NULL);
}

void interrupt_install(void) {
    listen_to_signals((int)SA_RESETHAND);
    struct sigaction ignore = {0};
    ignore.sa_handler = SIG_IGN;
    (void)sigemptyset(&ignore.sa_mask);
    (void)sigaction(SIGPIPE, &ignore, NULL);
    (void)sigaction(SIGXFSZ, &ignore, NULL);
}

void interrupt_wake(int file) {
    atomic_store(&wakes, file);
    if (file >= 0) {
        listen_to_signals(0);
    }
}

int interrupt_times(void) {
    return atomic_load(&times);
}

bool interrupt_requested(void) {
    return atomic_load(&received) != 0;
}

int interrupt_exit_code(void) {
    return 128 + atomic_load(&received);
}

void interrupt_end_reading(void) {
    atomic_store(&reading_ended, true);
}

ssize_t interrupt_read(int file, void *data, size_t size) {
    while (!interrupt_requested() && !atomic_load(&reading_ended)) {
        struct pollfd waiting = {.fd = file, .events = POLLIN};
        const int ready = poll(&waiting, 1, LOOK_MILLISECONDS);
        if (ready > 0 || (ready < 0 && errno != EINTR && errno != EAGAIN)) {
            const ssize_t got = read(file, data, size);
            if (got >= 0 || errno != EINTR) {
                return got;
            }
        }
    }
    errno = EINTR;
    return -1;
}

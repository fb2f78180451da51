/* interrupt.c - see interrupt.h. */
#include "interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t received;

static void on_signal(int number) {
    received = number;
}

void interrupt_install(void) {
    struct sigaction ask = {0};
    ask.sa_handler = on_signal;
    ask.sa_flags = (int)SA_RESETHAND; /* no SA_RESTART: a read from a silent pipe returns */
    (void)sigemptyset(&ask.sa_mask);
    struct sigaction inherited;
    if (sigaction(SIGINT, NULL, &inherited) == 0 && inherited.sa_handler != SIG_IGN) {
        (void)sigaction(SIGINT, &ask, NULL); /* a script's background job stays deaf to the terminal's Ctrl-C */
    }
    (void)sigaction(SIGTERM, &ask, NULL);

    struct sigaction ignore = {0};
    ignore.sa_handler = SIG_IGN;
    (void)sigemptyset(&ignore.sa_mask);
    (void)sigaction(SIGPIPE, &ignore, NULL);
    (void)sigaction(SIGXFSZ, &ignore, NULL);
}

bool interrupt_requested(void) {
    return received != 0;
}

int interrupt_exit_code(void) {
    return 128 + (int)received;
}

/* crash.c - see crash.h. */
#include "crash.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

typedef struct crash_line {
    const char *_Atomic bytes;
    atomic_size_t size;
} crash_line;

enum { READING, COMPUTING, WRITING, STATIONS };

static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
enum { FATAL_COUNT = sizeof fatal / sizeof *fatal };

static atomic_int watched = -1;
static crash_line lines[STATIONS];
static _Thread_local int station = STATIONS; /* of this thread; STATIONS: none, perhaps a helper of the computation */
static struct sigaction before[FATAL_COUNT];

/* The crashing thread's line; of a thread without one the computation's, whose helpers have none, else what is being
 * read. */
static const crash_line *line_to_blame(void) {
    if (station != STATIONS) {
        return &lines[station];
    }
    for (int i = COMPUTING; i >= READING; i--) {
        if (atomic_load(&lines[i].bytes) != NULL) {
            return &lines[i];
        }
    }
    return &lines[WRITING];
}

/* One write() of a whole line: no other thread's line can come in between. */
static void on_crash(int number) {
    const crash_line *line = line_to_blame();
    const char *bytes = atomic_load(&line->bytes);
    const int file = atomic_exchange(&watched, -1);
    if (file >= 0 && bytes != NULL) {
        const ssize_t put = write(file, bytes, atomic_load(&line->size));
        (void)put;
    }
    for (int i = 0; i < FATAL_COUNT; i++) {
        if (fatal[i] == number) {
            (void)sigaction(number, &before[i], NULL);
        }
    }
    (void)raise(number); /* pending until this returns; a fault would come again by itself */
}

void crash_watch(int file) {
    if (file >= 0 && atomic_load(&watched) < 0) {
        struct sigaction act = {0};
        act.sa_handler = on_crash;
        (void)sigemptyset(&act.sa_mask);
        for (int i = 0; i < FATAL_COUNT; i++) {
            (void)sigaction(fatal[i], &act, &before[i]);
        }
    }
    atomic_store(&watched, file);
}

static void set_line(int which, const char *line, size_t size) {
    station = line != NULL ? which : STATIONS;
    atomic_store(&lines[which].bytes, NULL);
    atomic_store(&lines[which].size, size);
    atomic_store(&lines[which].bytes, line);
}

void crash_reading(const char *line, size_t size) {
    set_line(READING, line, size);
}

void crash_computing(const char *line, size_t size) {
    set_line(COMPUTING, line, size);
}

void crash_writing(const char *line, size_t size) {
    set_line(WRITING, line, size);
}

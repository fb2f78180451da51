/*
 * bench_process.c - what a person waits for: the whole command on one photo, from process start to exit, and its peak
 * memory, by the operating system's account of the finished process.
 *
 * usage: bench_process COMMAND PHOTO [RUNS]     e.g. bench_process build/release/bin/diffcut samples/astronaut.png 9
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_RUNS 1000

static double now(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Runs the command once; false when it could not be run or failed. */
static int run(const char *command, const char *photo, const char *folder, double *seconds, long *kilobytes) {
    double start = now();
    pid_t child = fork();
    if (child == 0) {
        (void)execlp(command, command, "segment", "-q", "--force", "-o", folder, photo, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    struct rusage usage;
    if (child < 0 || wait4(child, &status, 0, &usage) != child) {
        return 0;
    }
    *seconds = now() - start;
    *kilobytes = usage.ru_maxrss;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(int argc, char **argv) {
    double seconds[MOST_RUNS];
    long peak = 0;
    long runs = argc > 3 ? strtol(argv[3], NULL, 10) : 9;
    if (argc < 3 || runs < 1 || runs > MOST_RUNS) {
        (void)fprintf(stderr, "usage: bench_process COMMAND PHOTO [RUNS, 1 .. %d]\n", MOST_RUNS);
        return 2;
    }
    char folder[] = "bench-process-XXXXXX";
    if (mkdtemp(folder) == NULL) {
        perror("bench_process: a folder for the outputs");
        return 1;
    }
    int fine = 1;
    for (long i = -1; i < runs && fine; i++) { /* one run more, first, to warm the file cache */
        long kilobytes = 0;
        fine = run(argv[1], argv[2], folder, &seconds[i < 0 ? 0 : i], &kilobytes);
        peak = kilobytes > peak ? kilobytes : peak;
    }
    char cleanup[64];
    (void)snprintf(cleanup, sizeof cleanup, "rm -rf ./%s", folder);
    fine = system(cleanup) == 0 && fine;
    if (!fine) {
        (void)fprintf(stderr, "bench_process: %s failed on %s\n", argv[1], argv[2]);
        return 1;
    }
    qsort(seconds, (size_t)runs, sizeof seconds[0], by_value);
    (void)printf("whole process on %s, %ld runs: min %.3f s, median %.3f s, max %.3f s; peak memory %.0f MiB\n",
                 argv[2], runs, seconds[0], seconds[runs / 2], seconds[runs - 1], (double)peak / 1024.0);
    return 0;
}

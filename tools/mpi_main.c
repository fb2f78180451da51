/*
 * mpi_main.c - the command `diffcut-mpi`: `diffcut segment` as one of the processes that mpirun or srun starts.
 *
 *   mpirun -n 8 diffcut-mpi segment photos/ -o results
 *
 * Built where MPI is found. See doc/SCALING.md.
 */
#include <mpi.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "console.h"
#include "interrupt.h"
#include "mpi_team.h"
#include "segment.h"

static int usage(bool asked) {
    if (!asked) {
        console_line("diffcut-mpi: the first word must be 'segment'");
        console_line("Try 'diffcut-mpi --help'.");
        return EXIT_USAGE;
    }
    (void)puts("Usage: mpirun -n N diffcut-mpi segment [OPTION]... PHOTO...\n\n"
               "diffcut segment --resume by N processes, on one machine or many that share a\n"
               "file system: each takes the next photo from one list. The options are those of\n"
               "diffcut segment, but for --json and --shard; threads are by default each\n"
               "process's part of its machine's processors. See diffcut segment --help.");
    return EXIT_DONE;
}

/* The line without the program's name. Help is one process's to give. */
static int run(int argc, char **argv, const team *crew) {
    const bool helps = argc > 0 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0);
    if (argc < 1 || helps || strcmp(argv[0], "segment") != 0) {
        return crew->rank == 0 ? usage(helps) : helps ? EXIT_DONE : EXIT_USAGE;
    }
    return segment_main(&command_segment, argc - 1, argv + 1, crew, false);
}

int main(int argc, char **argv) {
    int level = MPI_THREAD_SINGLE;
    (void)MPI_Init_thread(&argc, &argv, MPI_THREAD_SERIALIZED, &level);
    interrupt_install();
    team crew = {0};
    mpi_team *t = level >= MPI_THREAD_SERIALIZED ? mpi_team_open(&crew) : NULL;
    int status = EXIT_FAILED;
    if (t == NULL) {
        console_line("diffcut-mpi: this MPI cannot be called from threads, or there is no memory");
        (void)MPI_Abort(MPI_COMM_WORLD, EXIT_FAILED);
        return EXIT_FAILED;
    }
    status = run(argc - 1, argv + 1, &crew);
    (void)fflush(stdout);
    if (interrupt_requested()) { /* the job is being ended: the others may never come to the end */
        _exit(status);
    }
    mpi_team_close(t);
    if (interrupt_requested()) {
        _exit(status);
    }
    (void)MPI_Finalize();
    return status;
}

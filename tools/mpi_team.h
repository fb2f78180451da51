/*
 * mpi_team.h - the processes of an MPI job as a team (team.h).
 *
 * The list of items lies in a file that every process reads; which item is the next is a counter in the leader's
 * memory that each increments by a one-sided atomic operation (MPI_Fetch_and_op), without the leader's doing. Called
 * by mpi_main.c.
 */
#ifndef DIFFCUT_TOOLS_MPI_TEAM_H
#define DIFFCUT_TOOLS_MPI_TEAM_H

#include "team.h"

typedef struct mpi_team mpi_team;

/* After MPI_Init_thread with at least MPI_THREAD_SERIALIZED. NULL without memory. */
mpi_team *mpi_team_open(team *out);
/* All: before MPI_Finalize. */
void mpi_team_close(mpi_team *t);

#endif

/* mpi_team.c - see mpi_team.h. */
#include "mpi_team.h"

#include <errno.h>
#include <fcntl.h>
#include <mpi.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "interrupt.h"

#define ITEMS_NAME ".diffcut-items"
#define INDEX_NAME ".diffcut-index"

enum { ITEM_COUNTER, SHARD_COUNTER, COUNTERS };
enum { MOST_ITEM_BYTES = 1 << 20 }; /* two paths and a message */
enum { TURN_NANOSECONDS = 1000000, MOST_COUNTS = 4 };

struct mpi_team {
    int rank;
    MPI_Win window; /* of the leader's counters */
    uint64_t *counters;
    uint64_t count;   /* items dealt */
    bool archives;    /* among them */
    int items, index; /* files; -1: not open */
    text items_path, index_path;
    text item;                                    /* the one taken last */
    uint64_t sent[MOST_COUNTS], got[MOST_COUNTS]; /* of the operation that all take part in; they outlive a wait that
                                                     is broken off */
    pthread_mutex_t calls;                        /* one thread at a time calls MPI */
    pthread_t turner;
    atomic_bool turning;
};

/* ------------------------------------------------------------------------------------------------- calls
 * MPI's own waits keep a processor busy, and would wait for ever for a process that was killed. */

static void nap(void) {
    const struct timespec turn = {0, TURN_NANOSECONDS};
    (void)nanosleep(&turn, NULL);
}

/* False when the job is being ended. */
static bool wait_for(mpi_team *t, MPI_Request *request) {
    for (;;) {
        int done = 0;
        (void)pthread_mutex_lock(&t->calls);
        (void)MPI_Test(request, &done, MPI_STATUS_IGNORE);
        (void)pthread_mutex_unlock(&t->calls);
        if (done != 0) {
            return true;
        }
        if (interrupt_requested()) {
            return false;
        }
        nap();
    }
}

/* Where the network has no one-sided operations of its own, the leader's library has to be called for them to go on,
 * however long the leader computes. */
static void *turn(void *user) {
    mpi_team *t = user;
    while (atomic_load(&t->turning)) {
        int ignored = 0;
        (void)pthread_mutex_lock(&t->calls);
        (void)MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &ignored, MPI_STATUS_IGNORE);
        (void)pthread_mutex_unlock(&t->calls);
        nap();
    }
    return NULL;
}

static uint64_t take_number(mpi_team *t, int counter) {
    const uint64_t one = 1;
    uint64_t number = 0;
    (void)pthread_mutex_lock(&t->calls);
    (void)MPI_Fetch_and_op(&one, &number, MPI_UINT64_T, 0, counter, MPI_SUM, t->window);
    (void)MPI_Win_flush(0, t->window);
    (void)pthread_mutex_unlock(&t->calls);
    return number;
}

/* ------------------------------------------------------------------------------------------------- the team's part
 */

static bool agree(void *user, bool fine) {
    mpi_team *t = user;
    MPI_Request request;
    t->sent[0] = fine ? 1 : 0;
    (void)pthread_mutex_lock(&t->calls);
    (void)MPI_Iallreduce(t->sent, t->got, 1, MPI_UINT64_T, MPI_MIN, MPI_COMM_WORLD, &request);
    (void)pthread_mutex_unlock(&t->calls);
    return wait_for(t, &request) && t->got[0] == 1;
}

static void sum(void *user, uint64_t *counts, uint32_t count) {
    mpi_team *t = user;
    MPI_Request request;
    const size_t bytes = (count < MOST_COUNTS ? count : MOST_COUNTS) * sizeof *counts;
    memcpy(t->sent, counts, bytes);
    (void)pthread_mutex_lock(&t->calls);
    (void)MPI_Ireduce(t->sent, t->got, (int)count, MPI_UINT64_T, MPI_SUM, 0, MPI_COMM_WORLD, &request);
    (void)pthread_mutex_unlock(&t->calls);
    if (wait_for(t, &request) && t->rank == 0) {
        memcpy(counts, t->got, bytes);
    }
}

static uint64_t dealt(void *user) {
    const mpi_team *t = user;
    return t->archives ? 0 : t->count;
}

static uint64_t next_shard(void *user) {
    return take_number(user, SHARD_COUNTER);
}

/* ------------------------------------------------------------------------------------------------- dealing
 * An item is its kind, whether it is to be alone, and three strings with their ends: path, name, error. The index has
 * where each begins, and where the last ends. */

static bool write_item(FILE *file, listing_result kind, const listing_item *item) {
    const char *const strings[] = {item->path, item->name, item->error};
    bool fine = fputc((int)kind, file) != EOF && fputc(item->alone ? 1 : 0, file) != EOF;
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        const char *string = strings[i] != NULL ? strings[i] : "";
        fine = fine && fwrite(string, strlen(string) + 1, 1, file) == 1;
    }
    return fine;
}

static bool write_place(FILE *index, FILE *items) {
    const uint64_t place = (uint64_t)ftello(items);
    return fwrite(&place, sizeof place, 1, index) == 1;
}

static bool write_items(mpi_team *t, feed *list, team_claim_fn claim, void *claim_user, FILE *items, FILE *index) {
    listing_item item = {0};
    listing_result kind;
    diffcut_diagnostics why = {{0}};
    bool fine = true;
    while (fine && !interrupt_requested() && (kind = feed_next(list, &item)) != LISTING_END) {
        if (kind != LISTING_ERROR && !claim(claim_user, kind, &item, &why)) {
            item = (listing_item){.path = item.path, .error = why.message};
            kind = LISTING_ERROR;
        }
        t->archives = t->archives || kind == LISTING_ARCHIVE;
        t->count++;
        fine = write_place(index, items) && write_item(items, kind, &item);
    }
    return fine && write_place(index, items) && fflush(items) == 0 && fflush(index) == 0 &&
           fsync(fileno(items)) == 0 && fsync(fileno(index)) == 0;
}

static bool write_files(mpi_team *t, feed *list, team_claim_fn claim, void *claim_user,
                        diffcut_diagnostics *diagnostics) {
    FILE *items = fopen(text_string(&t->items_path), "we");
    FILE *index = items != NULL ? fopen(text_string(&t->index_path), "we") : NULL;
    const bool fine = index != NULL && write_items(t, list, claim, claim_user, items, index);
    if (!fine) {
        (void)journal_fail(diagnostics, DIFFCUT_ERROR_IO, text_string(&t->items_path), strerror(errno));
    }
    if (items != NULL) {
        (void)fclose(items);
    }
    if (index != NULL) {
        (void)fclose(index);
    }
    return fine;
}

/* The leader's count and whether there are archives, to all. */
static bool tell(mpi_team *t) {
    MPI_Request request;
    t->got[0] = t->count;
    t->got[1] = t->archives ? 1 : 0;
    (void)pthread_mutex_lock(&t->calls);
    (void)MPI_Ibcast(t->got, 2, MPI_UINT64_T, 0, MPI_COMM_WORLD, &request);
    (void)pthread_mutex_unlock(&t->calls);
    const bool done = wait_for(t, &request);
    t->count = t->got[0];
    t->archives = t->got[1] != 0;
    return done;
}

static bool deal(void *user, feed *list, const char *folder, team_claim_fn claim, void *claim_user,
                 diffcut_diagnostics *diagnostics) {
    mpi_team *t = user;
    text_print(&t->items_path, "%s/" ITEMS_NAME, folder);
    text_print(&t->index_path, "%s/" INDEX_NAME, folder);
    bool fine = !t->items_path.failed && !t->index_path.failed;
    if (t->rank == 0) {
        fine = fine && write_files(t, list, claim, claim_user, diagnostics);
    }
    if (!agree(t, fine) || !tell(t)) {
        return false;
    }
    t->items = open(text_string(&t->items_path), O_RDONLY | O_CLOEXEC);
    t->index = open(text_string(&t->index_path), O_RDONLY | O_CLOEXEC);
    fine = t->items >= 0 && t->index >= 0;
    if (!fine) {
        (void)journal_fail(diagnostics, DIFFCUT_ERROR_IO, text_string(&t->items_path),
                           "cannot be read by every process; is the folder one that all machines see?");
    }
    fine = agree(t, fine);
    if (t->rank == 0) { /* all have it open, or none will */
        (void)unlink(text_string(&t->items_path));
        (void)unlink(text_string(&t->index_path));
    }
    return fine;
}

/* Item `number` from the files. */
static bool read_item(mpi_team *t, uint64_t number) {
    uint64_t places[2];
    const ssize_t size = (ssize_t)sizeof places;
    if (pread(t->index, places, sizeof places, (off_t)(number * sizeof *places)) != size || places[1] <= places[0] ||
        places[1] - places[0] > MOST_ITEM_BYTES) {
        return false;
    }
    char piece[4096];
    text_clear(&t->item);
    for (uint64_t at = places[0]; at < places[1];) {
        const uint64_t left = places[1] - at;
        const ssize_t got = pread(t->items, piece, left < sizeof piece ? (size_t)left : sizeof piece, (off_t)at);
        if (got <= 0) {
            return false;
        }
        text_add_bytes(&t->item, piece, (size_t)got);
        at += (uint64_t)got;
    }
    return !t->item.failed && t->item.length > 5;
}

static listing_result next(void *user, listing_item *item) {
    mpi_team *t = user;
    const uint64_t number = take_number(t, ITEM_COUNTER);
    if (number >= t->count) {
        return LISTING_END;
    }
    if (!read_item(t, number)) {
        *item = (listing_item){.path = text_string(&t->items_path), .error = "an item cannot be read"};
        return LISTING_ERROR;
    }
    const char *at = t->item.data;
    const listing_result kind = (listing_result)at[0];
    *item = (listing_item){.path = at + 2, .alone = at[1] != 0};
    item->name = item->path + strlen(item->path) + 1;
    item->error = item->name + strlen(item->name) + 1;
    return kind;
}

/* ------------------------------------------------------------------------------------------------- opening */

/* This process's share of the processors that it may use: each is divided among those of the machine that may use it
 * too. A batch system or mpirun that binds has divided them already. */
static uint32_t share_of_processors(void) {
    MPI_Comm machine;
    cpu_set_t set;
    int mine[CPU_SETSIZE];
    int all[CPU_SETSIZE];
    double share = 0;
    CPU_ZERO(&set);
    (void)sched_getaffinity(0, sizeof set, &set);
    for (size_t i = 0; i < CPU_SETSIZE; i++) {
        mine[i] = CPU_ISSET(i, &set) ? 1 : 0;
    }
    (void)MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine);
    (void)MPI_Allreduce(mine, all, CPU_SETSIZE, MPI_INT, MPI_SUM, machine);
    (void)MPI_Comm_free(&machine);
    for (int i = 0; i < CPU_SETSIZE; i++) {
        share += mine[i] != 0 && all[i] > 0 ? 1.0 / all[i] : 0;
    }
    return share + 1e-6 >= 1 ? (uint32_t)(share + 1e-6) : 1;
}

static void open_window(mpi_team *t) {
    const MPI_Aint bytes = t->rank == 0 ? (MPI_Aint)(COUNTERS * sizeof *t->counters) : 0;
    (void)MPI_Win_allocate(bytes, (int)sizeof *t->counters, MPI_INFO_NULL, MPI_COMM_WORLD, &t->counters, &t->window);
    (void)MPI_Win_lock_all(0, t->window);
    if (t->rank == 0) {
        const uint64_t zero = 0;
        for (int i = 0; i < COUNTERS; i++) {
            (void)MPI_Accumulate(&zero, 1, MPI_UINT64_T, 0, i, 1, MPI_UINT64_T, MPI_REPLACE, t->window);
        }
        (void)MPI_Win_flush(0, t->window);
    }
    (void)MPI_Barrier(MPI_COMM_WORLD);
}

mpi_team *mpi_team_open(team *out) {
    mpi_team *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return NULL;
    }
    int size = 0;
    (void)MPI_Comm_rank(MPI_COMM_WORLD, &t->rank);
    (void)MPI_Comm_size(MPI_COMM_WORLD, &size);
    t->items = -1;
    t->index = -1;
    (void)pthread_mutex_init(&t->calls, NULL);
    open_window(t);
    *out = (team){.user = t,
                  .rank = (uint32_t)t->rank,
                  .size = (uint32_t)size,
                  .threads = share_of_processors(),
                  .agree = agree,
                  .deal = deal,
                  .next = next,
                  .next_shard = next_shard,
                  .sum = sum,
                  .dealt = dealt};
    if (t->rank == 0) {
        atomic_store(&t->turning, true);
        atomic_store(&t->turning, pthread_create(&t->turner, NULL, turn, t) == 0);
    }
    return t;
}

void mpi_team_close(mpi_team *t) {
    (void)agree(t, true); /* nobody takes numbers any more */
    if (atomic_exchange(&t->turning, false)) {
        (void)pthread_join(t->turner, NULL);
    }
    if (!interrupt_requested()) {
        (void)MPI_Win_unlock_all(t->window);
        (void)MPI_Win_free(&t->window);
    }
    if (t->items >= 0) {
        (void)close(t->items);
    }
    if (t->index >= 0) {
        (void)close(t->index);
    }
    text_free(&t->items_path);
    text_free(&t->index_path);
    text_free(&t->item);
    (void)pthread_mutex_destroy(&t->calls);
    free(t);
}

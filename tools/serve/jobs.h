/*
 * jobs.h - the work that requests ask for, in two bounded queues with threads of their own.
 *
 * The heavy lane runs the networks (one thread, or --workers of them, each with its session on the one model,
 * and on the one CLIP that names); the
 * light lane cuts, refines and encodes from stored trees, so that a slider's answers do not wait behind a photo.
 * The loop hands jobs over and is woken when one is finished; a job is shared by the queue, the thread that runs it,
 * the list of jobs by id and the requests that wait for it. Called by the loop; jobs are run by compute.c.
 */
#ifndef DIFFCUT_TOOLS_SERVE_JOBS_H
#define DIFFCUT_TOOLS_SERVE_JOBS_H

#include <pthread.h>
#include <stdatomic.h>

#include "answer.h"
#include "names.h"
#include "params.h"
#include "trees.h"

typedef enum job_kind {
    JOB_ANALYSE,    /* a photo to its tree */
    JOB_SEGMENT,    /* a photo to a result */
    JOB_RECUT,      /* kept features to another tree */
    JOB_LABELS,     /* a stored tree to a result */
    JOB_LEAVES,     /* its leaves on pixels */
    JOB_SIMILARITY, /* of a patch to the others */
    JOB_NAMES       /* of a stored tree's segments */
} job_kind;

typedef enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_DONE, JOB_FAILED, JOB_CANCELLED, JOB_STATE_COUNT } job_state;
/* "queued", ... */
const char *job_state_name(job_state state);

typedef enum job_stop {
    JOB_GO,
    JOB_STOP_ASKED, /* by DELETE, or nobody waits for it any more */
    JOB_STOP_TIME,
    JOB_STOP_CLOSING /* the server ends */
} job_stop;

typedef struct job {
    struct job *next;        /* in its lane */
    struct job *next_listed; /* among those with an id */
    struct jobs *jobs;
    char id[TREES_ID_SIZE];
    job_kind kind;
    bool listed;
    unsigned owners; /* under the lock, as are the next four */
    job_state state;
    diffcut_stage stage;
    double fraction;
    double finished; /* when */
    atomic_int stop; /* a job_stop */
    double deadline; /* set when it starts */
    /* What it works on: the worker's from start to finish. */
    params query;
    text photo; /* the photo's file */
    stored_tree *tree;
    class_list *classes; /* to name by */
    /* What came of it: readable once it is finished. */
    answer result;
    problem error;
    char tree_id[TREES_ID_SIZE]; /* "" for none */
} job;

/* A look at a job. */
typedef struct job_view {
    job_state state;
    size_t position; /* 1: next in its queue; 0 when it is not waiting */
    diffcut_stage stage;
    double fraction;
} job_view;

typedef struct job_worker {
    struct jobs *jobs;
    pthread_t thread;
    int lane;
    diffcut_session *session;
    diffcut_session *clip; /* of the heavy lane where the server can name, else NULL */
    job *running;
} job_worker;

enum { JOBS_HEAVY, JOBS_LIGHT, JOBS_LANES, JOBS_MOST_WORKERS = 64, JOBS_LIGHT_WORKERS = 2 };

typedef struct job_lane {
    pthread_cond_t changed;
    job *first, *last;
    size_t count, capacity;
} job_lane;

typedef struct jobs_settings {
    diffcut_model *model;
    trees *store;
    namer *names; /* NULL: the server cannot name */
    uint64_t max_pixels, max_tokens;
    uint32_t workers; /* of the heavy lane */
    uint32_t threads; /* of each session */
    size_t queue;     /* jobs that wait, a lane */
    double seconds;   /* that a job may run */
    int wake;         /* an eventfd, written when a job is finished */
} jobs_settings;

/* Sums since the start, for /metrics. */
typedef struct jobs_totals {
    uint64_t finished[JOB_STATE_COUNT]; /* done, failed, cancelled */
    uint64_t timed_out;
    uint64_t refused; /* the queue was full */
    double seconds[DIFFCUT_STAGE_COUNT];
} jobs_totals;

typedef struct jobs {
    jobs_settings settings;
    pthread_mutex_t lock;
    job_lane lanes[JOBS_LANES];
    job_worker workers[JOBS_MOST_WORKERS + JOBS_LIGHT_WORKERS];
    size_t worker_count;
    size_t running;
    uint64_t photo_bytes; /* of the photos that wait or are read */
    job *listed;
    size_t listed_count;
    bool closing;
    jobs_totals totals;
} jobs;

bool jobs_open(jobs *j, const jobs_settings *settings, diffcut_diagnostics *diagnostics);
/* Ends the threads, the running jobs being cancelled. */
void jobs_close(jobs *j);

/* A job that is the caller's; NULL without memory. Takes photo over and tree's owner. */
job *jobs_create(jobs *j, job_kind kind, const params *query, text *photo, stored_tree *tree);
/* Into its lane; with `listed` it gets an id by which it can be found for a while. False, and a problem, when the
 * lane is full or the server ends. */
bool jobs_submit(jobs *j, job *what, bool listed, problem *out);
/* The job of an id, whose owner the caller becomes, or NULL. */
job *jobs_find(jobs *j, const char *id);
void jobs_release(jobs *j, job *what);

void jobs_look(jobs *j, const job *what, job_view *out);
bool job_is_finished(const job_view *view);
/* A waiting job is finished by it at once, a running one soon. */
void jobs_cancel(jobs *j, job *what, job_stop why);
/* Bytes of the photos that wait to be decoded. */
uint64_t jobs_photo_bytes(jobs *j);
/* Cancels those that wait, and with `running` those that run. Nothing is taken any more. */
void jobs_end(jobs *j, bool running);
/* How many run. */
size_t jobs_running(jobs *j);
/* Forgets finished jobs nobody asked about for long. */
void jobs_expire(jobs *j);

/* Passes the library's word on a failure to the job. They return false. */
bool job_failed(job *what, diffcut_status status, const char *message);
bool job_no_memory(job *what);

/* compute.c: runs the job and leaves result or error in it. */
bool compute_run(job_worker *worker, job *what);

#endif

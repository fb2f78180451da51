/* jobs.c - see jobs.h. */
#include "jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"

/* Finished jobs are kept so long, and no more of them than this. */
#define KEEP_SECONDS 600.0
#define MOST_LISTED 512

const char *job_state_name(job_state state) {
    static const char *const names[JOB_STATE_COUNT] = {"queued", "running", "done", "failed", "cancelled"};
    return names[state];
}

static int lane_of(job_kind kind) {
    return kind == JOB_ANALYSE || kind == JOB_SEGMENT || kind == JOB_NAMES ? JOBS_HEAVY : JOBS_LIGHT;
}

bool job_failed(job *what, diffcut_status status, const char *message) {
    problem_from_status(&what->error, status, message);
    return false;
}

bool job_no_memory(job *what) {
    return job_failed(what, DIFFCUT_ERROR_MEMORY, "out of memory");
}

/* ------------------------------------------------------------------------------------------------- life */

static void free_job(job *what) {
    text_free(&what->photo);
    trees_release(what->jobs->settings.store, what->tree);
    names_release(what->jobs->settings.names, what->classes);
    answer_free(&what->result);
    free(what);
}

/* Under the lock. */
static void drop(job *what) {
    if (--what->owners == 0) {
        free_job(what);
    }
}

job *jobs_create(jobs *j, job_kind kind, const params *query, text *photo, stored_tree *tree) {
    job *what = calloc(1, sizeof *what);
    if (what == NULL) {
        return NULL;
    }
    what->jobs = j;
    what->kind = kind;
    what->owners = 1;
    what->query = *query;
    what->tree = tree;
    if (photo != NULL) {
        what->photo = *photo;
        *photo = (text){0};
    }
    return what;
}

void jobs_release(jobs *j, job *what) {
    if (what == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&j->lock);
    drop(what);
    (void)pthread_mutex_unlock(&j->lock);
}

/* ------------------------------------------------------------------------------------------------- finding */

static void unlist(jobs *j, job **place) {
    job *what = *place;
    *place = what->next_listed;
    what->listed = false;
    j->listed_count--;
    drop(what);
}

static bool finished(const job *what) {
    return what->state >= JOB_DONE;
}

/* Under the lock: forgets the finished ones that are older than `age`. The list is in the order of submission, the
 * newest first. */
static void forget(jobs *j, double age) {
    const double now = progress_clock();
    for (job **place = &j->listed; *place != NULL;) {
        if (finished(*place) && now - (*place)->finished >= age) {
            unlist(j, place);
        } else {
            place = &(*place)->next_listed;
        }
    }
}

void jobs_expire(jobs *j) {
    (void)pthread_mutex_lock(&j->lock);
    forget(j, KEEP_SECONDS);
    (void)pthread_mutex_unlock(&j->lock);
}

/* Under the lock: room for one more; the oldest finished one goes. */
static void make_room(jobs *j) {
    while (j->listed_count >= MOST_LISTED) {
        job **oldest = NULL;
        for (job **place = &j->listed; *place != NULL; place = &(*place)->next_listed) {
            oldest = finished(*place) ? place : oldest;
        }
        if (oldest == NULL) {
            return; /* more wait and run than are kept; the queue bounds them */
        }
        unlist(j, oldest);
    }
}

job *jobs_find(jobs *j, const char *id) {
    (void)pthread_mutex_lock(&j->lock);
    job *what = j->listed;
    while (what != NULL && strcmp(what->id, id) != 0) {
        what = what->next_listed;
    }
    if (what != NULL) {
        what->owners++;
    }
    (void)pthread_mutex_unlock(&j->lock);
    return what;
}

void jobs_look(jobs *j, const job *what, job_view *out) {
    (void)pthread_mutex_lock(&j->lock);
    *out = (job_view){what->state, 0, what->stage, what->fraction};
    if (what->state == JOB_QUEUED) {
        const job *at = j->lanes[lane_of(what->kind)].first;
        for (out->position = 1; at != NULL && at != what; at = at->next) {
            out->position++;
        }
    }
    (void)pthread_mutex_unlock(&j->lock);
}

bool job_is_finished(const job_view *view) {
    return view->state >= JOB_DONE;
}

/* ------------------------------------------------------------------------------------------------- queueing */

bool jobs_submit(jobs *j, job *what, bool listed, problem *out) {
    (void)pthread_mutex_lock(&j->lock);
    job_lane *lane = &j->lanes[lane_of(what->kind)];
    bool good = true;
    if (j->closing) {
        good = problem_set(out, 503, "shutting_down", NULL, "the server is shutting down");
    } else if (lane->count >= lane->capacity) {
        good = problem_set(out, 429, "queue_full", NULL, "%zu requests are waiting already", lane->count);
        out->retry_after = 2;
        j->totals.refused++;
    } else if (listed && !trees_make_id(what->id)) {
        good = problem_set(out, 500, "failed", NULL, "the system gives no random numbers");
    }
    if (good) {
        what->owners++;
        *(lane->last != NULL ? &lane->last->next : &lane->first) = what;
        lane->last = what;
        lane->count++;
        j->photo_bytes += what->photo.length;
        if (listed) {
            make_room(j);
            what->owners++;
            what->listed = true;
            what->next_listed = j->listed;
            j->listed = what;
            j->listed_count++;
        }
        (void)pthread_cond_signal(&lane->changed);
    }
    (void)pthread_mutex_unlock(&j->lock);
    return good;
}

/* Under the lock. */
static void finish(jobs *j, job *what, job_state state) {
    j->photo_bytes -= what->photo.length;
    text_free(&what->photo);
    what->state = state;
    what->finished = progress_clock();
    j->totals.finished[state]++;
    const uint64_t one = 1;
    ssize_t written = write(j->settings.wake, &one, sizeof one);
    (void)written; /* the counter cannot overflow, and the loop looks by itself now and then */
}

static void explain_stop(job *what) {
    switch (atomic_load(&what->stop)) {
    case JOB_STOP_TIME:
        (void)problem_set(&what->error, 503, "time_limit", NULL, "the work took longer than the server allows");
        return;
    case JOB_STOP_CLOSING:
        (void)problem_set(&what->error, 503, "shutting_down", NULL, "the server is shutting down");
        return;
    default:
        (void)problem_set(&what->error, 503, "cancelled", NULL, "the work was cancelled");
    }
}

/* Under the lock: ends a waiting job. */
static void cancel_waiting(jobs *j, job *what) {
    job_lane *lane = &j->lanes[lane_of(what->kind)];
    job *before = NULL;
    for (job *at = lane->first; at != what; at = at->next) {
        before = at;
    }
    *(before != NULL ? &before->next : &lane->first) = what->next;
    if (lane->last == what) {
        lane->last = before;
    }
    what->next = NULL;
    lane->count--;
    explain_stop(what);
    finish(j, what, JOB_CANCELLED);
    drop(what);
}

static void cancel(jobs *j, job *what, job_stop why) {
    int go = JOB_GO;
    (void)atomic_compare_exchange_strong(&what->stop, &go, (int)why); /* the first reason stays */
    if (what->state == JOB_QUEUED) {
        cancel_waiting(j, what);
    }
}

void jobs_cancel(jobs *j, job *what, job_stop why) {
    (void)pthread_mutex_lock(&j->lock);
    cancel(j, what, why);
    (void)pthread_mutex_unlock(&j->lock);
}

void jobs_end(jobs *j, bool running) {
    (void)pthread_mutex_lock(&j->lock);
    j->closing = true;
    for (int lane = 0; lane < JOBS_LANES; lane++) {
        while (j->lanes[lane].first != NULL) {
            cancel(j, j->lanes[lane].first, JOB_STOP_CLOSING);
        }
    }
    for (size_t i = 0; running && i < j->worker_count; i++) {
        if (j->workers[i].running != NULL) {
            cancel(j, j->workers[i].running, JOB_STOP_CLOSING);
        }
    }
    (void)pthread_mutex_unlock(&j->lock);
}

uint64_t jobs_photo_bytes(jobs *j) {
    (void)pthread_mutex_lock(&j->lock);
    const uint64_t bytes = j->photo_bytes;
    (void)pthread_mutex_unlock(&j->lock);
    return bytes;
}

size_t jobs_running(jobs *j) {
    (void)pthread_mutex_lock(&j->lock);
    const size_t running = j->running;
    (void)pthread_mutex_unlock(&j->lock);
    return running;
}

/* ------------------------------------------------------------------------------------------------- working */

/* The sessions' callback: tells how far the job is, and stops it. */
static int on_progress(void *user, diffcut_stage stage, double fraction) {
    job_worker *worker = user;
    job *what = worker->running;
    (void)pthread_mutex_lock(&worker->jobs->lock);
    what->stage = stage;
    what->fraction = fraction;
    if (progress_clock() > what->deadline) {
        int go = JOB_GO;
        (void)atomic_compare_exchange_strong(&what->stop, &go, JOB_STOP_TIME);
    }
    (void)pthread_mutex_unlock(&worker->jobs->lock);
    return atomic_load(&what->stop) != JOB_GO ? 1 : 0;
}

/* The next job of the lane, NULL at the end. */
static job *next_job(job_worker *worker) {
    jobs *j = worker->jobs;
    job_lane *lane = &j->lanes[worker->lane];
    (void)pthread_mutex_lock(&j->lock);
    while (lane->first == NULL && !j->closing) {
        (void)pthread_cond_wait(&lane->changed, &j->lock);
    }
    job *what = lane->first;
    if (what != NULL) {
        lane->first = what->next;
        if (lane->first == NULL) {
            lane->last = NULL;
        }
        what->next = NULL;
        lane->count--;
        what->state = JOB_RUNNING;
        what->deadline = progress_clock() + j->settings.seconds;
        worker->running = what;
        j->running++;
    }
    (void)pthread_mutex_unlock(&j->lock);
    return what;
}

static void add_times(jobs *j, diffcut_session *session) {
    double seconds[DIFFCUT_STAGE_COUNT];
    diffcut_session_times(session, seconds);
    diffcut_session_reset_times(session);
    for (int stage = 0; stage < DIFFCUT_STAGE_COUNT; stage++) {
        j->totals.seconds[stage] += seconds[stage];
    }
}

static void *work(void *user) {
    job_worker *worker = user;
    jobs *j = worker->jobs;
    for (job *what = next_job(worker); what != NULL; what = next_job(worker)) {
        const bool good = compute_run(worker, what);
        (void)pthread_mutex_lock(&j->lock);
        const int stop = atomic_load(&what->stop);
        if (!good && stop != JOB_GO) {
            explain_stop(what);
            j->totals.timed_out += stop == JOB_STOP_TIME ? 1 : 0;
        }
        add_times(j, worker->session);
        if (worker->clip != NULL) {
            add_times(j, worker->clip);
        }
        trees_release(j->settings.store, what->tree);
        what->tree = NULL;
        worker->running = NULL;
        j->running--;
        finish(j, what,
               good                                                 ? JOB_DONE
               : stop == JOB_STOP_ASKED || stop == JOB_STOP_CLOSING ? JOB_CANCELLED
                                                                    : JOB_FAILED);
        drop(what);
        (void)pthread_mutex_unlock(&j->lock);
    }
    return NULL;
}

static bool start_worker(jobs *j, int lane, diffcut_diagnostics *diagnostics) {
    job_worker *worker = &j->workers[j->worker_count];
    *worker = (job_worker){.jobs = j, .lane = lane};
    diffcut_session_settings settings;
    diffcut_session_settings_init(&settings);
    settings.threads = j->settings.threads;
    settings.progress = on_progress;
    settings.progress_user = worker;
    if (diffcut_session_open(lane == JOBS_HEAVY ? j->settings.model : NULL, &settings, &worker->session,
                             diagnostics) != DIFFCUT_OK) {
        return false;
    }
    if (lane == JOBS_HEAVY && j->settings.names != NULL &&
        diffcut_session_open(j->settings.names->clip.clip, &settings, &worker->clip, diagnostics) != DIFFCUT_OK) {
        diffcut_session_close(worker->session);
        return false;
    }
    if (pthread_create(&worker->thread, NULL, work, worker) != 0) {
        diffcut_session_close(worker->session);
        diffcut_session_close(worker->clip);
        (void)snprintf(diagnostics->message, sizeof diagnostics->message, "a thread could not be started");
        return false;
    }
    j->worker_count++;
    return true;
}

bool jobs_open(jobs *j, const jobs_settings *settings, diffcut_diagnostics *diagnostics) {
    *j = (jobs){.settings = *settings};
    (void)pthread_mutex_init(&j->lock, NULL); /* cannot fail with default attributes on the systems this runs on */
    for (int lane = 0; lane < JOBS_LANES; lane++) {
        j->lanes[lane].capacity = settings->queue;
        (void)pthread_cond_init(&j->lanes[lane].changed, NULL);
    }
    for (uint32_t i = 0; i < settings->workers + JOBS_LIGHT_WORKERS; i++) {
        if (!start_worker(j, i < settings->workers ? JOBS_HEAVY : JOBS_LIGHT, diagnostics)) {
            jobs_close(j);
            return false;
        }
    }
    return true;
}

void jobs_close(jobs *j) {
    jobs_end(j, true);
    for (int lane = 0; lane < JOBS_LANES; lane++) {
        (void)pthread_mutex_lock(&j->lock);
        (void)pthread_cond_broadcast(&j->lanes[lane].changed);
        (void)pthread_mutex_unlock(&j->lock);
    }
    for (size_t i = 0; i < j->worker_count; i++) {
        (void)pthread_join(j->workers[i].thread, NULL);
        diffcut_session_close(j->workers[i].session);
        diffcut_session_close(j->workers[i].clip);
    }
    forget(j, 0);
    for (int lane = 0; lane < JOBS_LANES; lane++) {
        (void)pthread_cond_destroy(&j->lanes[lane].changed);
    }
    (void)pthread_mutex_destroy(&j->lock);
}

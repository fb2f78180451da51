/* transfer.c - see transfer.h. */
#include "hub/transfer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/memory.h"
#include "hub/hash.h"

#define TRANSFER_CHUNK ((size_t)1 << 18)      /* bytes read at once when a part is hashed again */
#define TRANSFER_LOCK_PAUSE 100               /* milliseconds between two looks at another's lock */
#define TRANSFER_PROGRESS ((uint64_t)1 << 20) /* bytes: so many more than at the last fault renew the patience */

typedef struct transfer {
    const place *where;
    const transfer_job *job;
    const transfer_hooks *hooks;
    int file;
    uint64_t done;     /* bytes in the file */
    uint64_t received; /* bytes that came over the network */
    bool resumed;      /* the file's beginning is from another run */
    bool hashing;      /* h holds the hash of the first `done` bytes */
    bool begun;        /* this attempt's body has started */
    hash h;
} transfer;

static diffcut_status cancelled(diffcut_diagnostics *diag) {
    return diag_fail(diag, DIFFCUT_ERROR_CANCELLED, "the download was cancelled");
}

static diffcut_status disk_fail(const transfer *t, int error, diffcut_diagnostics *diag) {
    const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
    return diag_fail(diag, DIFFCUT_ERROR_IO, "%.200s: cannot write to %.200s: %s%s", t->job->path, t->where->folder,
                     strerror(error), full ? "; what is there is kept, run again when there is room" : "");
}

/* ------------------------------------------------------------------------------------------------- hash */

static void start_hash(transfer *t) {
    if (strlen(t->job->hash) == 2 * (size_t)HASH_SHA256) {
        hash_start(&t->h, HASH_SHA256);
    } else {
        hash_start_git_blob(&t->h, t->job->size);
    }
}

/* git's hash begins with the size: where the server did not tell it, the whole is hashed at the end. */
static bool can_hash_along(const transfer *t) {
    return t->job->size != UINT64_MAX || strlen(t->job->hash) == 2 * (size_t)HASH_SHA256;
}

/* Hashes the first `size` bytes of the file from the start. */
static diffcut_status hash_again(transfer *t, uint64_t size, diffcut_diagnostics *diag) {
    diffcut_status status = DIFFCUT_OK;
    uint8_t *chunk = mem_array(TRANSFER_CHUNK, 1);
    if (chunk == NULL) {
        return diag_no_memory(diag, TRANSFER_CHUNK, t->job->path);
    }
    if (can_hash_along(t)) {
        start_hash(t);
    } else {
        hash_start_git_blob(&t->h, size);
    }
    for (uint64_t at = 0; at < size && status == DIFFCUT_OK;) {
        const size_t wanted = size - at < TRANSFER_CHUNK ? (size_t)(size - at) : TRANSFER_CHUNK;
        const ssize_t got = pread(t->file, chunk, wanted, (off_t)at);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            status = diag_fail(diag, DIFFCUT_ERROR_IO, "%.200s: cannot read the part in %.200s: %s", t->job->path,
                               t->where->folder, got == 0 ? "it became shorter" : strerror(errno));
            break;
        }
        hash_add(&t->h, chunk, (size_t)got);
        at += (uint64_t)got;
        if (t->hooks->tick(t->hooks->user) != 0) {
            status = cancelled(diag);
        }
    }
    mem_free(chunk);
    t->hashing = status == DIFFCUT_OK;
    return status;
}

/* From the beginning again. */
static diffcut_status restart(transfer *t, diffcut_diagnostics *diag) {
    if (ftruncate(t->file, 0) != 0) {
        return disk_fail(t, errno, diag);
    }
    t->done = 0;
    t->resumed = false;
    if (can_hash_along(t)) {
        start_hash(t);
        t->hashing = true;
    }
    return DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- bytes */

/* The first piece of an answer: does it go on where the file ends? */
static diffcut_status begin_body(transfer *t, const http_answer *answer, diffcut_diagnostics *diag) {
    t->begun = true;
    if (answer->size != UINT64_MAX && t->job->size != UINT64_MAX && answer->size != t->job->size) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT,
                         "%.200s: the server sends %" PRIu64 " bytes, its listing says %" PRIu64, t->job->path,
                         answer->size, t->job->size);
    }
    if (answer->code == 206 && answer->offset != t->done) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT,
                         "%.200s: asked for bytes from %" PRIu64 " on, got %" PRIu64 " on", t->job->path, t->done,
                         answer->offset);
    }
    return answer->code == 200 && t->done > 0 ? restart(t, diag) : DIFFCUT_OK;
}

static diffcut_status take_bytes(void *user, const http_answer *answer, const void *data, size_t size,
                                 diffcut_diagnostics *diag) {
    transfer *t = user;
    diffcut_status status = t->begun ? DIFFCUT_OK : begin_body(t, answer, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (t->job->size != UINT64_MAX && size > t->job->size - t->done) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT,
                         "%.200s: the server sends more than the %" PRIu64 " bytes that its listing says",
                         t->job->path, t->job->size);
    }
    const uint8_t *at = data;
    while (size > 0) {
        const ssize_t put = pwrite(t->file, at, size, (off_t)t->done);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return disk_fail(t, errno, diag);
        }
        if (t->hashing) {
            hash_add(&t->h, at, (size_t)put);
        }
        at += put;
        size -= (size_t)put;
        t->done += (uint64_t)put;
        t->received += (uint64_t)put;
    }
    t->hooks->bytes(t->hooks->user, t->done);
    return DIFFCUT_OK;
}

/* After an answer came to its end: is the file whole? passing says that trying again may help. */
static diffcut_status look_at_end(transfer *t, http_answer *answer, diffcut_diagnostics *diag) {
    const uint64_t size = t->job->size != UINT64_MAX ? t->job->size : answer->size;
    if (answer->code == 416 && t->done > 0) { /* there is nothing from there on: the part is of something else */
        diffcut_status status = restart(t, diag);
        answer->passing = status == DIFFCUT_OK;
        return status == DIFFCUT_OK ? diag_fail(diag, DIFFCUT_ERROR_IO,
                                                "%.200s: the server refuses to go on at that place", t->job->path)
                                    : status;
    }
    if (answer->code != 200 && answer->code != 206) {
        return t->hooks->refused(t->hooks->user, answer, t->job->path, diag);
    }
    if (!t->begun && t->done > 0 && answer->code == 200) { /* an empty body in place of the rest */
        diffcut_status status = restart(t, diag);
        if (status != DIFFCUT_OK) {
            return status;
        }
    }
    if (size != UINT64_MAX && t->done < size) {
        answer->passing = true;
        return diag_fail(diag, DIFFCUT_ERROR_IO, "%.200s: the server ended after %" PRIu64 " of %" PRIu64 " bytes",
                         t->job->path, t->done, size);
    }
    return DIFFCUT_OK;
}

/* Asks for what is missing until it is there, patience renewed whenever a good piece came. */
static diffcut_status fetch(transfer *t, http_client *client, diffcut_diagnostics *diag) {
    http_patience patience = {0};
    uint64_t at_last_fault = t->done;
    for (;;) {
        http_answer answer;
        const http_request request = {.url = t->job->url, .offset = t->done, .sink = take_bytes, .user = t};
        t->begun = false;
        diffcut_status status = http_once(client, &request, &answer, diag);
        if (status == DIFFCUT_OK) {
            status = look_at_end(t, &answer, diag);
        }
        if (status == DIFFCUT_OK) {
            return DIFFCUT_OK;
        }
        if (t->done >= at_last_fault + TRANSFER_PROGRESS) {
            patience = (http_patience){0};
        }
        at_last_fault = t->done;
        char why[512];
        (void)snprintf(why, sizeof why, "%.100s: %.380s", t->job->path,
                       strncmp(diag->message, t->job->path, strlen(t->job->path)) == 0
                           ? diag->message + strlen(t->job->path) + 2
                           : diag->message);
        if (!http_again(client, &patience, &answer, why, &status, diag)) {
            return status;
        }
    }
}

/* ------------------------------------------------------------------------------------------------- one file */

/* Uses the part that is there, if it can be the beginning of the file. */
static diffcut_status start(transfer *t, diffcut_diagnostics *diag) {
    const off_t end = lseek(t->file, 0, SEEK_END);
    if (end <= 0 || (uint64_t)end > t->job->size) {
        return restart(t, diag);
    }
    t->done = (uint64_t)end;
    t->resumed = true;
    t->hooks->bytes(t->hooks->user, t->done);
    return can_hash_along(t) ? hash_again(t, t->done, diag) : DIFFCUT_OK;
}

/* The finished file's hash against the one it must have. */
static diffcut_status check_hash(transfer *t, diffcut_diagnostics *diag) {
    char found[HASH_TEXT_SIZE];
    if (!t->hashing) {
        diffcut_status status = hash_again(t, t->done, diag);
        if (status != DIFFCUT_OK) {
            return status;
        }
    }
    hash_finish(&t->h, found);
    t->hashing = false;
    if (strcmp(found, t->job->hash) != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%.200s: wrong hash: %s, must be %s", t->job->path, found,
                         t->job->hash);
    }
    return DIFFCUT_OK;
}

/* Fetches and checks. A wrong hash of what another run began may be that run's fault: then once more from the
 * beginning. Whatever is wrong with the content, nothing of it stays. */
static diffcut_status fetch_and_check(transfer *t, http_client *client, diffcut_diagnostics *diag) {
    diffcut_status status = start(t, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    for (;;) {
        const bool was_resumed = t->resumed;
        if (t->done == 0 || t->done != t->job->size) {
            status = fetch(t, client, diag);
        }
        if (status == DIFFCUT_OK) {
            status = check_hash(t, diag);
        }
        if (status != DIFFCUT_ERROR_FORMAT || !was_resumed) {
            break;
        }
        char why[512];
        (void)snprintf(why, sizeof why, "%.400s; downloading it from the beginning", diag->message);
        t->hooks->fault(t->hooks->user, why);
        status = restart(t, diag);
        if (status != DIFFCUT_OK) {
            break;
        }
    }
    if (status == DIFFCUT_ERROR_FORMAT) {
        place_remove_partial(t->where, t->job->hash);
    }
    return status;
}

/* Waits for the blob's lock. *lock stays -1 when the blob came meanwhile. */
static diffcut_status lock_blob(const place *where, const transfer_job *job, const transfer_hooks *hooks, int *lock,
                                diffcut_diagnostics *diag) {
    bool told = false;
    for (;;) {
        if (place_has_blob(where, job->hash, job->size)) {
            return DIFFCUT_OK;
        }
        diffcut_status status = place_try_lock(where, job->hash, lock, diag);
        if (status != DIFFCUT_OK || *lock >= 0) {
            return status;
        }
        if (!told) {
            hooks->waiting(hooks->user);
            told = true;
        }
        const struct timespec pause = {0, TRANSFER_LOCK_PAUSE * 1000000L};
        (void)nanosleep(&pause, NULL);
        if (hooks->tick(hooks->user) != 0) {
            return cancelled(diag);
        }
    }
}

diffcut_status transfer_file(http_client *client, const place *where, const transfer_job *job,
                             const transfer_hooks *hooks, uint64_t *received, diffcut_diagnostics *diag) {
    int lock = -1;
    transfer t = {.where = where, .job = job, .hooks = hooks, .file = -1};
    diffcut_status status = lock_blob(where, job, hooks, &lock, diag);
    if (status != DIFFCUT_OK || lock < 0) {
        return status;
    }
    if (place_has_blob(where, job->hash, job->size)) { /* made between the look and the lock */
        goto cleanup;
    }
    status = place_open_partial(where, job->hash, &t.file, diag);
    if (status != DIFFCUT_OK) {
        goto cleanup;
    }
    status = fetch_and_check(&t, client, diag);
    if (status == DIFFCUT_OK) {
        status = place_finish_blob(where, job->hash, t.file, diag);
    }
    if (close(t.file) != 0 && errno != EINTR && status == DIFFCUT_OK) {
        status = disk_fail(&t, errno, diag);
    }
cleanup:
    *received += t.received;
    place_unlock(lock);
    return status;
}

/*
 * segment_photo.c - one photo's reading (look what is there, decode) and computation (features, tree, and for each
 * tau cut and finish).
 *
 * The steps are the public interface's, so that the tree is computed once for every tau, and the features of several
 * photos together. Called by segment_flow.c, the reading from its reader.
 */
#include "segment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "crash.h"
#include "interrupt.h"
#include "segment_record.h"

/* ------------------------------------------------------------------------------------------------- reading */

static const char *base_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return strcmp(path, "-") == 0 ? "stdin" : slash != NULL ? slash + 1 : path;
}

static photo_piece *new_piece(segment_run *run, const source_item *from) {
    const listing_item *item = &from->item;
    photo_piece *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    p->run = run;
    p->path = strdup(item->path);
    p->name = strdup(item->name != NULL ? item->name : "");
    p->end = calloc(1, sizeof *p->end);
    if (p->path == NULL || p->name == NULL || p->end == NULL) {
        segment_piece_free(p);
        return NULL;
    }
    p->end->piece = p;
    p->base_name = base_of(p->path);
    p->alone = item->alone;
    atomic_init(&p->unwritable, false);
    return p;
}

void segment_piece_free(photo_piece *p) {
    const uint64_t pixels = segment_pixels(p);
    segment_run *run = p->run;
    const bool has_share = p->has_share;
    record_left(p);
    diffcut_image_free(&p->image);
    photo_bytes_free(&p->file);
    text_free(&p->crash_line);
    text_free(&p->outputs);
    text_free(&p->members);
    diffcut_tree_free(p->tree);
    diffcut_features_free(p->features);
    text_free(&p->note);
    text_free(&p->results);
    text_free(&p->output);
    free(p->path);
    free(p->name);
    free(p->end);
    free(p);
    if (has_share) {
        budget_give_back(&run->budget, pixels);
    }
}

bool segment_is_wanted(const photo_piece *p) {
    return p->outcome == PHOTO_SEGMENTED;
}

uint64_t segment_pixels(const photo_piece *p) {
    return (uint64_t)p->image.width * p->image.height;
}

/* Nothing is reported of what an interruption broke off. */
static void fail_piece(photo_piece *p, diffcut_status status) {
    p->outcome = interrupt_requested() && status != DIFFCUT_ERROR_MEMORY ? PHOTO_INTERRUPTED : PHOTO_FAILED;
    p->status = status;
}

static bool is_same_file(const struct stat *a, const struct stat *b) {
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* A file that is written to while it is read would be recorded as what it never was. */
static diffcut_status check_unchanged(photo_piece *p) {
    struct stat now;
    if (!p->has_time || p->file.buffer.data == NULL) { /* of a pipe or an archive there is one reading only */
        return DIFFCUT_OK;
    }
    if (stat(p->path, &now) == 0 && is_same_file(&now, &p->looked) && p->file.size == p->bytes) {
        return DIFFCUT_OK;
    }
    (void)snprintf(p->why.message, sizeof p->why.message, "changed while it was read");
    return DIFFCUT_ERROR_IO;
}

diffcut_status segment_fetch(photo_piece *p) {
    if (p->file.data == NULL) {
        const diffcut_status status = photo_read_bytes(p->path, &p->file, &p->why);
        if (status != DIFFCUT_OK) {
            return status;
        }
        p->bytes = p->has_time ? p->bytes : p->file.size;
    }
    if (!p->run->recording) {
        return DIFFCUT_OK;
    }
    diffcut_sha256(p->file.data, p->file.size, p->sha256);
    return check_unchanged(p);
}

/* Standard input has to be read before its size is known; a file that exists only looked at. */
static diffcut_status learn_size(photo_piece *p, source_item *from) {
    if (from->in_archive) {
        p->file = (photo_bytes){.data = from->bytes, .size = from->size};
        from->bytes = NULL;
        p->bytes = p->file.size;
        p->looked.st_mtim.tv_sec = from->modified;
        return DIFFCUT_OK;
    }
    if (strcmp(p->path, "-") != 0 && stat(p->path, &p->looked) == 0 && S_ISREG(p->looked.st_mode)) {
        p->bytes = (uint64_t)p->looked.st_size;
        p->has_time = true;
        return DIFFCUT_OK;
    }
    p->looked = (struct stat){0};
    return segment_fetch(p);
}

/* What is there of the photo's results already; PHOTO_SEGMENTED: it is wanted. */
static photo_outcome look(photo_piece *p) {
    segment_run *run = p->run;
    if (!run->recording) {
        switch (output_look(&run->outputs, p->name, p->base_name, p->bytes, &p->why)) {
        case OUTPUT_OTHERS:
            p->status = DIFFCUT_ERROR_EXISTS;
            return PHOTO_FAILED;
        case OUTPUT_PRESENT:
            return PHOTO_SKIPPED;
        case OUTPUT_WANTED:
            break;
        }
        return PHOTO_SEGMENTED;
    }
    switch (record_look(p)) {
    case RECORD_OTHERS:
        p->said = true; /* the line of that name is the other's */
        p->status = DIFFCUT_ERROR_EXISTS;
        return PHOTO_FAILED;
    case RECORD_FAILED:
        p->said = true;
        return PHOTO_FAILED;
    case RECORD_UNREAD:
        return PHOTO_FAILED;
    case RECORD_DONE:
        return PHOTO_SKIPPED;
    case RECORD_WANTED:
        break;
    }
    return PHOTO_SEGMENTED;
}

static diffcut_status decode(photo_piece *p) {
    const diffcut_decode_limits limits = settings_limits(&p->run->options.settings);
    diffcut_status status = p->file.data == NULL || p->sha256[0] == '\0' ? segment_fetch(p) : DIFFCUT_OK;
    if (status == DIFFCUT_OK) {
        status = diffcut_decode_image(p->file.data, p->file.size, photo_name(p->path), &limits, &p->image, &p->why);
    }
    photo_bytes_free(&p->file);
    return status;
}

static void read_piece(photo_piece *p, source_item *from) {
    segment_run *run = p->run;
    diffcut_status status = learn_size(p, from);
    if (status == DIFFCUT_OK && !output_claim(&run->outputs, &run->claims, p->name, &p->why)) {
        status = DIFFCUT_ERROR_EXISTS;
        p->said = true; /* the line of that name is the other's */
    }
    if (status != DIFFCUT_OK) {
        fail_piece(p, status);
        return;
    }
    p->outcome = look(p);
    if (p->outcome == PHOTO_FAILED) {
        fail_piece(p, p->status);
    }
    if (p->outcome == PHOTO_SKIPPED && run->options.dump != NULL) { /* a dump is asked for to be made */
        p->outcome = PHOTO_SEGMENTED;
    }
    if (p->outcome != PHOTO_SEGMENTED) {
        photo_bytes_free(&p->file);
        return;
    }
    if (run->recording && !record_start(p)) {
        atomic_store(&run->unrecorded, true);
        fail_piece(p, DIFFCUT_ERROR_IO);
        return;
    }
    crash_reading(p->crash_line.data, p->crash_line.length);
    status = decode(p);
    crash_reading(NULL, 0);
    if (status != DIFFCUT_OK) {
        fail_piece(p, status);
    }
}

photo_piece *segment_read(segment_run *run, listing_result kind, source_item *item) {
    const double started = progress_clock();
    photo_piece *p = new_piece(run, item);
    if (p == NULL) {
        free(item->bytes);
        return NULL;
    }
    if (kind == LISTING_ERROR) {
        p->outcome = PHOTO_FAILED;
        p->said = true; /* no photo, so nothing to be found by its name */
        (void)snprintf(p->why.message, sizeof p->why.message, "%s", item->item.error);
    } else {
        read_piece(p, item);
    }
    free(item->bytes);
    p->decode_seconds = progress_clock() - started;
    return p;
}

/* ------------------------------------------------------------------------------------------------- computing */

/* The session's message of a failure. */
static void keep_message(photo_piece *p, diffcut_status status) {
    const char *message = diffcut_session_message(p->run->engine.session);
    (void)snprintf(p->why.message, sizeof p->why.message, "%s",
                   message[0] != '\0' ? message : diffcut_status_string(status));
}

static void keep_note(photo_piece *p) {
    const char *note = diffcut_session_note(p->run->engine.session);
    if (note[0] != '\0' && strstr(text_string(&p->note), note) == NULL) {
        text_print(&p->note, "%s%s", p->note.length > 0 ? "; " : "", note);
    }
}

/* Keeps the session's message of a failure, its note of a success. */
static diffcut_status after(photo_piece *p, diffcut_status status) {
    if (status != DIFFCUT_OK) {
        keep_message(p, status);
    } else {
        keep_note(p);
    }
    return status;
}

/* The end has come: whoever works at it stops. */
static bool is_stopping(const segment_run *run) {
    return interrupt_requested() || atomic_load(&run->stop);
}

/* The features of several photos together, each of which takes its part of the time. False where they are to be
 * computed one by one, so that each says itself what is wrong. */
static bool compute_together(segment_run *run, photo_piece *const *pieces, size_t count) {
    const diffcut_image *images[DIFFCUT_MAX_BATCH];
    diffcut_features *features[DIFFCUT_MAX_BATCH] = {NULL};
    diffcut_session *session = run->engine.session;
    double seconds[DIFFCUT_STAGE_COUNT];
    const double started = progress_clock();
    for (size_t i = 0; i < count; i++) {
        images[i] = &pieces[i]->image;
    }
    diffcut_session_reset_times(session);
    if (diffcut_features_compute_batch(session, images, count, &run->options.settings.values, features) !=
        DIFFCUT_OK) {
        return false;
    }
    diffcut_session_times(session, seconds);
    const double took = (progress_clock() - started) / (double)count;
    for (size_t i = 0; i < count; i++) {
        keep_note(pieces[i]);
        pieces[i]->features = features[i];
        pieces[i]->stages[DIFFCUT_STAGE_FEATURES] = seconds[DIFFCUT_STAGE_FEATURES] / (double)count;
        pieces[i]->compute_seconds = took;
    }
    return true;
}

/* Adds the session's times since they were reset to those that every tau shares. */
static void add_stages(photo_piece *p, double stages[DIFFCUT_STAGE_COUNT]) {
    double seconds[DIFFCUT_STAGE_COUNT];
    diffcut_session_times(p->run->engine.session, seconds);
    for (int stage = 0; stage < DIFFCUT_STAGE_COUNT; stage++) {
        stages[stage] = p->stages[stage] + seconds[stage];
    }
}

/* A label map at tau, in a new result. */
static diffcut_status make_map(photo_piece *p, double tau, photo_result **out) {
    segment_run *run = p->run;
    diffcut_session *session = run->engine.session;
    diffcut_settings settings = run->options.settings.values;
    diffcut_labels tokens = {0};
    photo_result *result = calloc(1, sizeof *result);
    if (result == NULL) {
        (void)snprintf(p->why.message, sizeof p->why.message, "no memory for a result");
        return DIFFCUT_ERROR_MEMORY;
    }
    settings.tau = tau;
    *result = (photo_result){.piece = p, .tau = tau};
    diffcut_status status = after(p, diffcut_tree_cut(session, p->tree, tau, &tokens));
    if (status == DIFFCUT_OK) {
        status =
            after(p, diffcut_labels_finish(session, &p->image, p->features, &tokens, &settings, &result->labels));
    }
    diffcut_labels_free(&tokens);
    if (status == DIFFCUT_OK && run->names != NULL) {
        status = naming_apply(&run->naming, &p->image, &result->labels, &result->named, &p->why);
        result->times.name = result->named.seconds;
        p->end->times.name += result->named.seconds;
    }
    if (status != DIFFCUT_OK) {
        diffcut_labels_free(&result->labels);
        free(result);
        return status;
    }
    text_add(&result->note, text_string(&p->note));
    *out = result;
    return DIFFCUT_OK;
}

static diffcut_status compute_tau(photo_piece *p, double tau, segment_take_fn take, void *user) {
    segment_run *run = p->run;
    photo_result *result = NULL;
    const double started = progress_clock();
    if (run->outputs.taus->count > 1) {
        dump_tau(&run->dump, tau);
    }
    diffcut_session_reset_times(run->engine.session);
    const diffcut_status status = make_map(p, tau, &result);
    p->compute_seconds += progress_clock() - started;
    if (status != DIFFCUT_OK) {
        return status;
    }
    result->times.decode = p->decode_seconds;
    result->times.total = p->compute_seconds;
    add_stages(p, result->times.stages);
    for (int stage = 0; stage < DIFFCUT_STAGE_COUNT; stage++) { /* of the end: everything */
        p->end->times.stages[stage] += result->times.stages[stage] - p->stages[stage];
    }
    take(user, result);
    return DIFFCUT_OK;
}

/* Whether features failed for what no other photo has better: the model's files, or the line's wishes. Only a photo's
 * own size can be an argument of its own. */
static bool failed_for_all(const segment_run *run, diffcut_status status) {
    return status == DIFFCUT_ERROR_MODEL ||
           (status == DIFFCUT_ERROR_ARGUMENT && run->options.settings.values.size_mode != DIFFCUT_SIZE_NATIVE);
}

/* Features, where they are not there yet, and tree. */
static diffcut_status compute_tree(photo_piece *p) {
    segment_run *run = p->run;
    diffcut_session *session = run->engine.session;
    const diffcut_settings *settings = &run->options.settings.values;
    diffcut_status status = DIFFCUT_OK;
    const double started = progress_clock();
    diffcut_session_reset_times(session);
    if (p->features == NULL) {
        status = after(p, diffcut_features_compute(session, &p->image, settings, &p->features));
        p->hits_all = failed_for_all(run, status);
    }
    if (status == DIFFCUT_OK) {
        status = after(p, diffcut_tree_build(session, p->features, settings, &p->tree));
    }
    add_stages(p, p->stages);
    p->compute_seconds += progress_clock() - started;
    return status;
}

static void compute_piece(photo_piece *p, segment_take_fn take, void *user) {
    segment_run *run = p->run;
    const settings_taus *taus = run->outputs.taus;
    if (run->options.dump != NULL) {
        dump_begin(&run->dump, p->name);
    }
    crash_computing(p->crash_line.data, p->crash_line.length);
    diffcut_status status = compute_tree(p);
    for (size_t t = 0; t < taus->count && status == DIFFCUT_OK && !atomic_load(&p->unwritable); t++) {
        status = compute_tau(p, taus->values[t], take, user);
    }
    diffcut_tree_free(p->tree);
    p->tree = NULL;
    crash_computing(NULL, 0);
    if (run->dump.failed) {
        (void)snprintf(p->why.message, sizeof p->why.message, "%s", run->dump.message);
        status = DIFFCUT_ERROR_IO;
    }
    if (status != DIFFCUT_OK) {
        fail_piece(p, status);
    }
}

/* The photo named in the bar. */
static void show(segment_run *run, const photo_piece *p) {
    (void)pthread_mutex_lock(&run->screen);
    progress_photo(&run->bar, p->path);
    (void)pthread_mutex_unlock(&run->screen);
}

static void hand_over_end(photo_piece *p, segment_take_fn take, void *user) {
    segment_run *run = p->run;
    photo_result *end = p->end;
    (void)pthread_mutex_lock(&run->screen);
    progress_photo_done(&run->bar, segment_is_wanted(p));
    (void)pthread_mutex_unlock(&run->screen);
    end->times.decode = p->decode_seconds;
    end->times.total = p->compute_seconds;
    for (int stage = 0; stage < DIFFCUT_STAGE_COUNT; stage++) {
        end->times.stages[stage] += p->stages[stage];
    }
    take(user, end);
}

void segment_compute(segment_run *run, photo_piece *const *pieces, size_t count, segment_take_fn take, void *user) {
    if (count > 1) {
        show(run, pieces[0]);
        (void)compute_together(run, pieces, count);
    }
    for (size_t i = 0; i < count; i++) {
        photo_piece *p = pieces[i];
        if (segment_is_wanted(p) && is_stopping(run)) {
            fail_piece(p, DIFFCUT_ERROR_CANCELLED);
        } else if (segment_is_wanted(p)) {
            show(run, p);
            compute_piece(p, take, user);
        }
        hand_over_end(p, take, user);
    }
}

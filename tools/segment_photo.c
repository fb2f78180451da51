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

#include "interrupt.h"
#include "photo.h"

/* ------------------------------------------------------------------------------------------------- reading */

static const char *base_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return strcmp(path, "-") == 0 ? "stdin" : slash != NULL ? slash + 1 : path;
}

static photo_piece *new_piece(segment_run *run, const listing_item *item) {
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
    atomic_init(&p->unwritable, false);
    return p;
}

void segment_piece_free(photo_piece *p) {
    const uint64_t pixels = segment_pixels(p);
    segment_run *run = p->run;
    const bool has_share = p->has_share;
    diffcut_image_free(&p->image);
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
}

static diffcut_status decode(photo_piece *p) {
    const diffcut_decode_limits limits = settings_limits(&p->run->options.settings);
    return photo_read(p->path, &limits, &p->image, &p->bytes, &p->why);
}

/* Standard input has to be read before its size is known; a file that exists only looked at. */
static diffcut_status learn_size(photo_piece *p) {
    struct stat info;
    if (strcmp(p->path, "-") != 0 && stat(p->path, &info) == 0 && S_ISREG(info.st_mode)) {
        p->bytes = (uint64_t)info.st_size;
        return DIFFCUT_OK;
    }
    return decode(p);
}

static void read_piece(photo_piece *p) {
    segment_run *run = p->run;
    diffcut_status status = learn_size(p);
    if (status != DIFFCUT_OK) {
        fail_piece(p, status);
        return;
    }
    switch (output_look(&run->outputs, &run->claims, p->name, p->base_name, p->bytes, &p->why)) {
    case OUTPUT_TAKEN:
    case OUTPUT_OTHERS:
        fail_piece(p, DIFFCUT_ERROR_EXISTS);
        return;
    case OUTPUT_PRESENT:
        if (run->options.dump == NULL) { /* a dump is asked for to be made */
            p->outcome = PHOTO_SKIPPED;
            return;
        }
        break;
    case OUTPUT_WANTED:
        break;
    }
    if (p->image.rgb == NULL) {
        status = decode(p);
        if (status != DIFFCUT_OK) {
            fail_piece(p, status);
        }
    }
}

photo_piece *segment_read(segment_run *run, listing_result kind, const listing_item *item) {
    const double started = progress_clock();
    photo_piece *p = new_piece(run, item);
    if (p == NULL) {
        return NULL;
    }
    if (kind == LISTING_ERROR) {
        p->outcome = PHOTO_FAILED;
        (void)snprintf(p->why.message, sizeof p->why.message, "%s", item->error);
    } else {
        read_piece(p);
    }
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
    diffcut_status status = compute_tree(p);
    for (size_t t = 0; t < taus->count && status == DIFFCUT_OK && !atomic_load(&p->unwritable); t++) {
        status = compute_tau(p, taus->values[t], take, user);
    }
    diffcut_tree_free(p->tree);
    p->tree = NULL;
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

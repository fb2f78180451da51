/*
 * segment_flow.c - photos through their three stations: reading, computing, writing.
 *
 * With several photos a thread reads and decodes the next ones while the session's thread computes, and another
 * encodes and writes what is computed; the library's threads have the processors between them. Order is kept, and
 * what is in memory is bounded: photos by a budget that the reader waits for and the writer gives back to, label maps
 * by the queue that they wait in. With one photo, or where the system refuses threads, a station's work is done in
 * place. Called by segment.c.
 *
 * Ctrl-C and SIGTERM stop the reading and the computation; photos that are computed are still written.
 */
#include "segment.h"

#include <signal.h>
#include <stdlib.h>

#include "interrupt.h"
#include "queue.h"

/* Photos in memory: two batches, so that one can be read while the other is computed, and as many more being
 * written. */
#define MORE_PHOTOS 3
#define MOST_PIXELS ((uint64_t)1 << 25) /* of photos in memory: 100 MB; and of label maps that wait: 134 MB */
#define MOST_MAPS 8

typedef struct flow {
    segment_run *run;
    feed *items; /* NULL where the team has them */
    source *photos;
    bool alone;           /* the photo read last is one to be worked on alone */
    queue read, computed; /* of photo_piece, of photo_result */
    pthread_t reader, writer;
    bool reads_ahead, writes_behind; /* there are such threads */
    photo_piece *next;               /* taken, but not of the last batch */
    bool no_memory;                  /* the reader's, until it has ended */
} flow;

/* ------------------------------------------------------------------------------------------------- reading */

/* The next photo, read, by the reader's thread (ahead) or the session's; NULL at the end. */
static photo_piece *read_next(flow *f, bool ahead) {
    source_item item = {0};
    const listing_result kind = source_next(f->photos, &item);
    if (kind == LISTING_END || interrupt_requested()) {
        free(item.bytes);
        return NULL;
    }
    if (ahead && (item.item.alone || f->alone) && !budget_drain(&f->run->budget)) {
        free(item.bytes);
        return NULL;
    }
    f->alone = item.item.alone;
    photo_piece *piece = segment_read(f->run, kind, &item);
    f->no_memory = f->no_memory || piece == NULL;
    return piece;
}

static void *read_ahead(void *user) {
    flow *f = user;
    segment_run *run = f->run;
    while (budget_wait(&run->budget)) {
        photo_piece *piece = read_next(f, true);
        if (piece == NULL) {
            break;
        }
        budget_take(&run->budget, segment_pixels(piece));
        piece->has_share = true;
        if (!queue_push(&f->read, piece, 0)) {
            segment_piece_free(piece);
            break;
        }
    }
    queue_close(&f->read);
    return NULL;
}

static photo_piece *take_photo(flow *f) {
    photo_piece *piece = f->next;
    f->next = NULL;
    if (piece != NULL) {
        return piece;
    }
    return f->reads_ahead ? queue_pop(&f->read) : read_next(f, false);
}

/* The next photos to compute together, or one that is not to be computed; 0 at the end. They hold less than half the
 * budget when a further one is waited for, so that the reader gets the rest. */
static size_t take_batch(flow *f, photo_piece *pieces[DIFFCUT_MAX_BATCH]) {
    const segment_options *options = &f->run->options;
    const size_t wanted = options->dump != NULL ? 1 : options->batch;
    pieces[0] = take_photo(f);
    if (pieces[0] == NULL) {
        return 0;
    }
    size_t count = 1;
    uint64_t pixels = segment_pixels(pieces[0]);
    while (segment_is_wanted(pieces[0]) && count < wanted && pixels < MOST_PIXELS / 2) {
        photo_piece *piece = take_photo(f);
        if (piece == NULL) {
            break;
        }
        if (!segment_is_wanted(piece)) {
            f->next = piece;
            break;
        }
        pixels += segment_pixels(piece);
        pieces[count++] = piece;
    }
    return count;
}

/* ------------------------------------------------------------------------------------------------- writing */

/* Nothing that follows is worth waiting for. */
static void leave_out_the_rest(flow *f) {
    interrupt_end_reading();
    budget_close(&f->run->budget);
    if (f->reads_ahead) {
        queue_close(&f->read);
    }
}

static void *write_behind(void *user) {
    flow *f = user;
    photo_result *result;
    while ((result = queue_pop(&f->computed)) != NULL) {
        segment_write(result);
        if (atomic_load(&f->run->stop)) {
            leave_out_the_rest(f);
        }
    }
    return NULL;
}

/* A segment_take_fn. */
static void take_result(void *user, photo_result *result) {
    flow *f = user;
    const uint64_t pixels = (uint64_t)result->labels.width * result->labels.height;
    if (!f->writes_behind || !queue_push(&f->computed, result, pixels)) {
        segment_write(result);
    }
}

/* ------------------------------------------------------------------------------------------------- threads */

/* Starts the threads that can be had, deaf to signals: those are for the session's thread. */
static void start_threads(flow *f) {
    sigset_t ours;
    sigset_t before;
    (void)sigemptyset(&ours);
    (void)sigaddset(&ours, SIGINT);
    (void)sigaddset(&ours, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &ours, &before);
    const size_t photos = 2 * (size_t)f->run->options.batch + MORE_PHOTOS;
    f->reads_ahead = queue_open(&f->read, photos, 0);
    f->writes_behind = queue_open(&f->computed, MOST_MAPS, MOST_PIXELS);
    /* The writer looks at reads_ahead, so the reader comes first. */
    f->reads_ahead = f->reads_ahead && pthread_create(&f->reader, NULL, read_ahead, f) == 0;
    f->writes_behind = f->writes_behind && pthread_create(&f->writer, NULL, write_behind, f) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* What is computed is written; what is only read is dropped. */
static void end_threads(flow *f) {
    if (f->reads_ahead) {
        leave_out_the_rest(f);
        (void)pthread_join(f->reader, NULL);
    }
    if (f->writes_behind) {
        queue_close(&f->computed);
        (void)pthread_join(f->writer, NULL);
    }
    if (f->next != NULL) {
        segment_piece_free(f->next);
        f->next = NULL;
    }
    photo_piece *piece;
    while (f->reads_ahead && (piece = queue_pop(&f->read)) != NULL) {
        segment_piece_free(piece);
    }
    queue_free(&f->read);
    queue_free(&f->computed);
}

/* A source_feed_fn. */
static listing_result next_item(void *user, listing_item *item) {
    return feed_next(user, item);
}

static bool open_photos(flow *f, const listing_settings *list) {
    segment_run *run = f->run;
    manifest *record = run->recording ? &run->record : NULL;
    if (run->team != NULL) {
        f->photos = source_open(run->team->next, run->team->user, record, run->options.full_names);
        return f->photos != NULL;
    }
    f->items = feed_open(list, run->options.share, record);
    f->photos = f->items != NULL ? source_open(next_item, f->items, record, run->options.full_names) : NULL;
    return f->photos != NULL;
}

bool segment_all(segment_run *run, const listing_settings *list) {
    flow f = {.run = run};
    if (!open_photos(&f, list)) {
        feed_close(f.items);
        return false;
    }
    budget_open(&run->budget, 2 * (uint64_t)run->options.batch + MORE_PHOTOS, MOST_PIXELS);
    if (run->several) {
        start_threads(&f);
    }
    photo_piece *pieces[DIFFCUT_MAX_BATCH];
    while (!interrupt_requested() && !atomic_load(&run->stop)) {
        const size_t count = take_batch(&f, pieces);
        if (count == 0) {
            break;
        }
        segment_compute(run, pieces, count, take_result, &f);
    }
    end_threads(&f);
    source_close(f.photos);
    feed_close(f.items);
    budget_free(&run->budget);
    return !f.no_memory;
}

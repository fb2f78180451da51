/*
 * bench_batch.c - whether photos that go through the UNet together take less time than one by one.
 *
 * bench_batch [MODEL [SIZE [ROUNDS]]]: features of square photos of noise, batches of 2, 4 and 8 against as many
 * calls of one, in turns within one run so that the machine's other work falls on both. The ratio is of the least
 * times; above 1 the batch is quicker. Called by whoever wants to set segment's --batch.
 */
#include "diffcut/diffcut.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MOST 8
#define DEFAULT_ROUNDS 9

static double read_clock(clockid_t clock) {
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

typedef struct bench {
    diffcut_session *session;
    diffcut_settings settings;
    diffcut_image photos[MOST];
} bench;

/* Milliseconds on the clock and of the processors. */
typedef struct cost {
    double clock, processors;
} cost;

static cost least(cost a, cost b) {
    return (cost){a.clock < b.clock ? a.clock : b.clock, a.processors < b.processors ? a.processors : b.processors};
}

/* Of n photos in batches of `each`; lowers *best. */
static diffcut_status run(bench *b, size_t n, size_t each, cost *best) {
    const diffcut_image *images[MOST];
    diffcut_features *features[MOST] = {NULL};
    for (size_t i = 0; i < n; i++) {
        images[i] = &b->photos[i];
    }
    const cost start = {read_clock(CLOCK_MONOTONIC), read_clock(CLOCK_PROCESS_CPUTIME_ID)};
    diffcut_status status = DIFFCUT_OK;
    for (size_t i = 0; i < n && status == DIFFCUT_OK; i += each) {
        status = diffcut_features_compute_batch(b->session, images + i, each, &b->settings, features + i);
    }
    const cost took = {read_clock(CLOCK_MONOTONIC) - start.clock,
                       read_clock(CLOCK_PROCESS_CPUTIME_ID) - start.processors};
    for (size_t i = 0; i < n; i++) {
        diffcut_features_free(features[i]);
    }
    *best = least(*best, took);
    return status;
}

static int compare(bench *b, size_t n, unsigned rounds) {
    cost best[2] = {{1e30, 1e30}, {1e30, 1e30}};
    for (unsigned round = 0; round < rounds; round++) {
        if (run(b, n, 1, &best[0]) != DIFFCUT_OK || run(b, n, n, &best[1]) != DIFFCUT_OK) {
            (void)fprintf(stderr, "bench_batch: %s\n", diffcut_session_message(b->session));
            return 1;
        }
    }
    const double each = (double)n;
    (void)printf("%5zu %14.1f %14.1f %8.3f %17.3f\n", n, best[0].clock / each, best[1].clock / each,
                 best[0].clock / best[1].clock, best[0].processors / best[1].processors);
    (void)fflush(stdout);
    return 0;
}

int main(int argc, char **argv) {
    bench b = {.session = NULL};
    diffcut_model *model = NULL;
    diffcut_diagnostics diag;
    diffcut_model_settings opening;
    diffcut_model_settings_init(&opening);
    opening.first_stage = argc > 4 ? argv[4] : NULL;
    if (diffcut_model_open(argc > 1 ? argv[1] : NULL, &opening, &model, &diag) != DIFFCUT_OK ||
        diffcut_session_open(model, NULL, &b.session, &diag) != DIFFCUT_OK) {
        (void)fprintf(stderr, "bench_batch: %s\n", diag.message);
        return 1;
    }
    diffcut_settings_init(&b.settings, model);
    if (argc > 2) {
        b.settings.size = (uint32_t)strtoul(argv[2], NULL, 10);
    }
    const unsigned rounds = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : DEFAULT_ROUNDS;
    const uint32_t side = b.settings.size;
    uint8_t *rgb = malloc((size_t)side * side * 3 + 1);
    uint32_t state = 7;
    int failed = rgb == NULL;
    for (size_t p = 0; p < MOST && !failed; p++) {
        for (size_t i = 0; i < (size_t)side * side * 3; i++) {
            state = state * 1664525U + 1013904223U;
            rgb[i] = (uint8_t)(state >> 24);
        }
        failed = diffcut_image_create(side, side, rgb, &b.photos[p], NULL) != DIFFCUT_OK;
    }
    const size_t most = argc > 5 ? strtoul(argv[5], NULL, 10) : MOST;
    (void)printf("batch   ms one by one  ms in a batch    ratio  processors' ratio   %ux%u\n", side, side);
    for (size_t n = 2; n <= MOST && n <= most && !failed; n *= 2) {
        failed = compare(&b, n, rounds);
    }
    for (size_t p = 0; p < MOST; p++) {
        diffcut_image_free(&b.photos[p]);
    }
    free(rgb);
    diffcut_session_close(b.session);
    diffcut_model_release(model);
    return failed;
}

/*
 * bench_tau.c - what moving a slider costs: a further tau from a tree that is there, to a 1024 x 1024 label map.
 *
 * Features: 32 x 32 tokens of 1280 channels, ten noisy regions. The tree is built to a small tau first; each further
 * one is a cut (which expands what it needs), concepts and argmax. The first column is the first time a tau is asked.
 */
#include "diffcut/diffcut.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SIDE 32
#define CHANNELS 1280
#define REGIONS 10
#define NOISE 0.6F
#define MAP 1024
#define AGAIN 9

static double now(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* Uniform in -1 .. 1, the same on every machine. */
static float uniform(uint32_t *state) {
    *state = *state * 1664525U + 1013904223U;
    return (float)(*state >> 8) / 8388608.0F - 1.0F;
}

/* Voronoi regions, each with a direction of its own, and noise. */
static diffcut_features *make_features(void) {
    static float directions[REGIONS][CHANNELS];
    float *data = malloc(sizeof(float) * SIDE * SIDE * CHANNELS);
    float centres[REGIONS][2];
    uint32_t state = 7;
    for (int r = 0; r < REGIONS; r++) {
        centres[r][0] = (uniform(&state) + 1.0F) * SIDE / 2;
        centres[r][1] = (uniform(&state) + 1.0F) * SIDE / 2;
        for (int c = 0; c < CHANNELS; c++) {
            directions[r][c] = uniform(&state);
        }
    }
    for (int i = 0; i < SIDE * SIDE && data != NULL; i++) {
        int nearest = 0;
        float least = INFINITY;
        for (int r = 0; r < REGIONS; r++) {
            float distance = hypotf((float)(i / SIDE) - centres[r][0], (float)(i % SIDE) - centres[r][1]);
            if (distance < least) {
                least = distance;
                nearest = r;
            }
        }
        for (int c = 0; c < CHANNELS; c++) {
            data[i * CHANNELS + c] = 0.5F + directions[nearest][c] + NOISE * uniform(&state);
        }
    }
    diffcut_features *features = NULL;
    if (data != NULL) {
        (void)diffcut_features_create(SIDE, SIDE, CHANNELS, data, &features, NULL);
    }
    free(data);
    return features;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static diffcut_status one_map(diffcut_session *session, diffcut_tree *tree, const diffcut_features *features,
                              double tau, uint32_t *segments, double *milliseconds) {
    diffcut_labels tokens = {0};
    diffcut_labels map = {0};
    double start = now();
    diffcut_status status = diffcut_tree_cut(session, tree, tau, &tokens);
    if (status == DIFFCUT_OK) {
        status = diffcut_labels_assign(session, features, &tokens, MAP, MAP, &map);
    }
    *milliseconds = now() - start;
    *segments = tokens.count;
    diffcut_labels_free(&map);
    diffcut_labels_free(&tokens);
    return status;
}

int main(void) {
    static const double taus[] = {0.3, 0.5, 0.7, 0.8, 0.85, 0.9};
    diffcut_session *session = NULL;
    diffcut_tree *tree = NULL;
    diffcut_features *features = make_features();
    diffcut_settings settings;
    diffcut_settings_init(&settings, NULL);
    settings.tau = 0.05;
    diffcut_status status =
        features == NULL ? DIFFCUT_ERROR_MEMORY : diffcut_session_open(NULL, NULL, &session, NULL);
    if (status == DIFFCUT_OK) {
        status = diffcut_tree_build(session, features, &settings, &tree);
    }
    (void)printf("%dx%d tokens x %d channels to a %dx%d label map, ms (%s)\n", SIDE, SIDE, CHANNELS, MAP, MAP,
                 diffcut_build_info());
    (void)printf("%6s %9s %10s %14s\n", "tau", "segments", "first", "again (median)");
    for (size_t i = 0; i < sizeof taus / sizeof taus[0] && status == DIFFCUT_OK; i++) {
        double first = 0;
        double again[AGAIN];
        uint32_t segments = 0;
        status = one_map(session, tree, features, taus[i], &segments, &first);
        for (int k = 0; k < AGAIN && status == DIFFCUT_OK; k++) {
            status = one_map(session, tree, features, taus[i], &segments, &again[k]);
        }
        if (status == DIFFCUT_OK) {
            qsort(again, AGAIN, sizeof again[0], by_value);
            (void)printf("%6.2f %9u %10.2f %14.2f\n", taus[i], segments, first, again[AGAIN / 2]);
        }
    }
    if (status != DIFFCUT_OK) {
        (void)fprintf(stderr, "%s\n", diffcut_session_message(session));
    }
    diffcut_tree_free(tree);
    diffcut_session_close(session);
    diffcut_features_free(features);
    return status == DIFFCUT_OK ? 0 : 1;
}

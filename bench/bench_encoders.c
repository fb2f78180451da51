/*
 * bench_encoders.c - seconds of an image encoder's features and of a CLIP's text embeddings, for
 * bench/encoders_compare.sh.
 *
 *   bench_encoders features MODEL SIDE         a SIDE x SIDE image, the best of three after one that warms up
 *   bench_encoders texts MODEL TOKENIZER FILE  the lines of FILE, cold: opening and tokenizing included
 */
#include "diffcut/diffcut.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RUNS 3
#define MAX_LINES 65536

static double seconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int failed(const char *message) {
    (void)fprintf(stderr, "bench_encoders: %s\n", message);
    return EXIT_FAILURE;
}

static int run_features(diffcut_model *model, diffcut_session *session, uint32_t side) {
    diffcut_settings settings;
    diffcut_image image = {.width = side, .height = side, .rgb = malloc((size_t)side * side * 3)};
    double best = 1e30;
    if (image.rgb == NULL) {
        return failed("no memory");
    }
    for (size_t i = 0; i < (size_t)side * side * 3; i++) {
        image.rgb[i] = (uint8_t)(i * 2654435761U >> 16);
    }
    diffcut_settings_init(&settings, model);
    settings.size_mode = DIFFCUT_SIZE_NATIVE;
    for (int run = 0; run <= RUNS; run++) {
        diffcut_features *features = NULL;
        double start = seconds();
        if (diffcut_features_compute(session, &image, &settings, &features) != DIFFCUT_OK) {
            free(image.rgb);
            return failed(diffcut_session_message(session));
        }
        double taken = seconds() - start;
        best = run > 0 && taken < best ? taken : best;
        diffcut_features_free(features);
    }
    free(image.rgb);
    (void)printf("%.3f\n", best);
    return EXIT_SUCCESS;
}

static int run_texts(const diffcut_model *model, diffcut_session *session, char *file, double start) {
    static const char *lines[MAX_LINES];
    diffcut_encoder_info info;
    size_t count = 0;
    for (char *line = strtok(file, "\n"); line != NULL && count < MAX_LINES; line = strtok(NULL, "\n")) {
        lines[count++] = line;
    }
    if (!diffcut_model_get_encoder_info(model, &info) || info.embedding == 0) {
        return failed("the model is no CLIP");
    }
    float *out = malloc(count * info.embedding * sizeof *out);
    if (out == NULL || diffcut_text_embed(session, lines, count, out, NULL) != DIFFCUT_OK) {
        free(out);
        return failed(diffcut_session_message(session));
    }
    (void)fprintf(stderr, "  %zu texts\n", count);
    (void)printf("%.3f\n", seconds() - start);
    free(out);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    bool texts = argc == 5 && strcmp(argv[1], "texts") == 0;
    if (!texts && (argc != 4 || strcmp(argv[1], "features") != 0)) {
        return failed("usage: features MODEL SIDE | texts MODEL TOKENIZER FILE");
    }
    double start = seconds();
    const diffcut_model_settings settings = {.tokenizer = texts ? argv[3] : NULL};
    diffcut_diagnostics diagnostics;
    diffcut_model *model = NULL;
    diffcut_session *session = NULL;
    diffcut_buffer file = {.data = NULL};
    int result = EXIT_FAILURE;
    if (diffcut_model_open(argv[2], &settings, &model, &diagnostics) != DIFFCUT_OK ||
        diffcut_session_open(model, NULL, &session, &diagnostics) != DIFFCUT_OK ||
        (texts && diffcut_read_file(argv[4], 0, &file, &diagnostics) != DIFFCUT_OK)) {
        (void)failed(diagnostics.message);
    } else if (texts) {
        char *text = calloc(file.size + 1, 1);
        if (text != NULL) {
            memcpy(text, file.data, file.size);
            result = run_texts(model, session, text, start);
        }
        free(text);
    } else {
        result = run_features(model, session, (uint32_t)strtoul(argv[3], NULL, 10));
    }
    diffcut_buffer_free(&file);
    diffcut_session_close(session);
    diffcut_model_release(model);
    return result;
}

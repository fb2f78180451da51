/*
 * bench_refine.c - times of the stages after the cut: concepts, refinement, resampling, noise.
 *
 * usage: bench_refine [THREADS]      prints one line a case, the best of several runs in milliseconds of the clock,
 * and the processor time of all threads, which other programs disturb less.
 * The refinement's photo and labels are those of pamr_torch.py; refine_compare.sh runs both and prints the ratio.
 */
#include "core/cpu.h"
#include "core/memory.h"
#include "core/parallel.h"
#include "core/random.h"
#include "io/resize.h"
#include "segment/concepts.h"
#include "segment/features.h"
#include "segment/pamr.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define REPEATS 5

typedef struct bench {
    work w;
    diffcut_diagnostics diag;
} bench;

/* The same picture and labels as pamr_torch.py's. */
static uint32_t patch_at(uint32_t x, uint32_t y, uint32_t width, uint32_t height) {
    return x * 5 / width + y * 4 / height * 5;
}

static diffcut_image draw_photo(uint32_t width, uint32_t height) {
    diffcut_image image = {width, height, mem_array((size_t)width * height, 3)};
    for (size_t i = 0; image.rgb != NULL && i < (size_t)width * height; i++) {
        uint32_t x = (uint32_t)(i % width), y = (uint32_t)(i / width);
        uint32_t value = (x * 7 + y * 13 + (uint32_t)((uint64_t)x * y / 97)) % 256;
        uint32_t patch = patch_at(x, y, width, height) * 37 % 256;
        image.rgb[i * 3] = (uint8_t)((patch + value / 8) % 256);
        image.rgb[i * 3 + 1] = (uint8_t)((patch * 3 + value / 6) % 256);
        image.rgb[i * 3 + 2] = (uint8_t)((patch * 5 + value / 10) % 256);
    }
    return image;
}

static diffcut_labels draw_labels(uint32_t width, uint32_t height, uint32_t segments) {
    diffcut_labels labels = {width, height, segments, mem_array((size_t)width * height, sizeof(uint32_t))};
    for (size_t i = 0; labels.data != NULL && i < (size_t)width * height; i++) {
        uint32_t x = (uint32_t)(i % width), y = (uint32_t)(i / width);
        labels.data[i] = segments <= 20 ? patch_at(x, y, width, height) % segments
                                        : (x * 20 / width + y * 20 / height * 20) % segments;
    }
    return labels;
}

/* The best of several runs: by the clock, and by the processor time of all threads. */
typedef struct best_times {
    double clock, processor;
} best_times;

static const best_times no_times = {HUGE_VAL, HUGE_VAL};

static best_times now(void) {
    struct timespec spent;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
    return (best_times){work_clock(), (double)spent.tv_sec + 1e-9 * (double)spent.tv_nsec};
}

static void keep_best(best_times *best, best_times start) {
    best_times end = now();
    best->clock = fmin(best->clock, end.clock - start.clock);
    best->processor = fmin(best->processor, end.processor - start.processor);
}

/* 1 when nothing was measured. */
static int report(const char *what, best_times best) {
    (void)printf("%-72s %9.2f ms, processor %9.2f ms\n", what, best.clock * 1e3, best.processor * 1e3);
    return isinf(best.clock);
}

static int bench_pamr(bench *b, uint32_t width, uint32_t height, uint32_t segments, uint32_t iterations, bool wide,
                      uint32_t refine_size) {
    static const uint32_t dilations[] = {1, 2, 4, 8, 12, 24, 32, 64};
    diffcut_settings settings = {
        .iterations = iterations, .dilation_count = wide ? 8 : 4, .median = 3, .refine_size = refine_size};
    for (uint32_t i = 0; i < settings.dilation_count; i++) {
        settings.dilations[i] = dilations[i];
    }
    diffcut_image image = draw_photo(width, height);
    diffcut_labels labels = draw_labels(width, height, segments), out;
    best_times best = no_times;
    for (int i = 0; i < REPEATS && image.rgb != NULL && labels.data != NULL; i++) {
        best_times start = now();
        if (pamr_refine(&b->w, &image, &labels, &settings, &out) != DIFFCUT_OK) {
            (void)fprintf(stderr, "%s\n", b->diag.message);
            break;
        }
        keep_best(&best, start);
        mem_free(out.data);
    }
    mem_free(image.rgb);
    mem_free(labels.data);
    char what[128];
    (void)snprintf(what, sizeof what, "refine %ux%u, %u segments, %u iterations, %u dilations, refine_size %u", width,
                   height, segments, iterations, settings.dilation_count, refine_size);
    return report(what, best);
}

static int bench_concepts(bench *b, uint32_t grid, uint32_t channels, uint32_t segments, uint32_t size) {
    size_t count = (size_t)grid * grid * channels;
    diffcut_features features = {grid, grid, channels, mem_array(count, sizeof(float))};
    diffcut_labels tokens = draw_labels(grid, grid, segments), out;
    best_times best = no_times;
    if (features.data != NULL && tokens.data != NULL) {
        random_normal(1, count, features.data);
        for (int i = 0; i < REPEATS; i++) {
            best_times start = now();
            if (concepts_assign(&b->w, &features, &tokens, size, size, &out) != DIFFCUT_OK) {
                (void)fprintf(stderr, "%s\n", b->diag.message);
                break;
            }
            keep_best(&best, start);
            mem_free(out.data);
        }
    }
    mem_free(features.data);
    mem_free(tokens.data);
    char what[128];
    (void)snprintf(what, sizeof what, "concepts %ux%ux%u to %ux%u, %u segments", grid, grid, channels, size, size,
                   segments);
    return report(what, best);
}

static int bench_resize(bench *b, uint32_t from_width, uint32_t from_height, uint32_t width, uint32_t height) {
    diffcut_image image = draw_photo(from_width, from_height);
    float *out = mem_array((size_t)width * height, 3 * sizeof *out);
    best_times best = no_times;
    for (int i = 0; i < REPEATS && image.rgb != NULL && out != NULL; i++) {
        best_times start = now();
        if (resize_image(&b->w, &image, width, height, DIFFCUT_RESAMPLE_ANTIALIAS, out) != DIFFCUT_OK) {
            (void)fprintf(stderr, "%s\n", b->diag.message);
            break;
        }
        keep_best(&best, start);
    }
    mem_free(image.rgb);
    mem_free(out);
    char what[128];
    (void)snprintf(what, sizeof what, "resize %ux%u to %ux%u, antialiased", from_width, from_height, width, height);
    return report(what, best);
}

static void bench_noise(void) {
    static float out[4 * 128 * 128];
    best_times best = no_times;
    for (int i = 0; i < REPEATS; i++) {
        best_times start = now();
        random_normal(42, sizeof out / sizeof *out, out);
        keep_best(&best, start);
    }
    (void)report("noise 4x128x128", best);
}

int main(int argc, char **argv) {
    bench b = {.w = {.threads = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : parallel_default_threads()}};
    b.w.diag = &b.diag;
    b.w.threads = b.w.threads > 0 ? b.w.threads : 1;
    (void)printf("%u threads, %s\n", b.w.threads, cpu_level_name(cpu_best_level()));
    int failures = bench_pamr(&b, 1024, 1024, 10, 10, false, 0);
    failures += bench_pamr(&b, 512, 512, 10, 30, false, 0);
    failures += bench_pamr(&b, 128, 128, 10, 10, false, 0);
    failures += bench_pamr(&b, 1024, 1024, 300, 10, false, 0);
    failures += bench_pamr(&b, 1024, 1024, 10, 15, true, 0);
    failures += bench_pamr(&b, 6000, 4000, 10, 30, false, 512);
    failures += bench_concepts(&b, 32, 1280, 10, 1024);
    failures += bench_concepts(&b, 32, 1280, 300, 1024);
    failures += bench_concepts(&b, 128, 640, 10, 1024);
    failures += bench_resize(&b, 6000, 4000, 1024, 683);
    failures += bench_resize(&b, 1200, 800, 512, 341);
    bench_noise();
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        (void)printf("%-72s %9.1f MiB\n", "peak memory", (double)usage.ru_maxrss / 1024.0);
    }
    return failures == 0 ? 0 : 1;
}

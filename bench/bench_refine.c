/*
 * bench_refine.c - times of the stages after the cut: concepts, refinement, resampling, noise.
 *
 * usage: bench_refine [THREADS]      prints one line a case: the best of several runs in milliseconds.
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

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

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

static void report(const char *what, double seconds) {
    (void)printf("%-72s %9.2f ms\n", what, seconds * 1e3);
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
    double best = -1.0;
    for (int i = 0; i < REPEATS && image.rgb != NULL && labels.data != NULL; i++) {
        double start = work_clock();
        if (pamr_refine(&b->w, &image, &labels, &settings, &out) != DIFFCUT_OK) {
            (void)fprintf(stderr, "%s\n", b->diag.message);
            best = -1.0;
            break;
        }
        double seconds = work_clock() - start;
        best = best < 0.0 || seconds < best ? seconds : best;
        mem_free(out.data);
    }
    mem_free(image.rgb);
    mem_free(labels.data);
    char what[128];
    (void)snprintf(what, sizeof what, "refine %ux%u, %u segments, %u iterations, %u dilations, refine_size %u", width,
                   height, segments, iterations, settings.dilation_count, refine_size);
    report(what, best);
    return best < 0.0;
}

static int bench_concepts(bench *b, uint32_t grid, uint32_t channels, uint32_t segments, uint32_t size) {
    size_t count = (size_t)grid * grid * channels;
    diffcut_features features = {grid, grid, channels, mem_array(count, sizeof(float))};
    diffcut_labels tokens = draw_labels(grid, grid, segments), out;
    double best = -1.0;
    if (features.data != NULL && tokens.data != NULL) {
        random_normal(1, count, features.data);
        for (int i = 0; i < REPEATS; i++) {
            double start = work_clock();
            if (concepts_assign(&b->w, &features, &tokens, size, size, &out) != DIFFCUT_OK) {
                (void)fprintf(stderr, "%s\n", b->diag.message);
                break;
            }
            double seconds = work_clock() - start;
            best = best < 0.0 || seconds < best ? seconds : best;
            mem_free(out.data);
        }
    }
    mem_free(features.data);
    mem_free(tokens.data);
    char what[128];
    (void)snprintf(what, sizeof what, "concepts %ux%ux%u to %ux%u, %u segments", grid, grid, channels, size, size,
                   segments);
    report(what, best);
    return best < 0.0;
}

static int bench_resize(bench *b, uint32_t from_width, uint32_t from_height, uint32_t width, uint32_t height) {
    diffcut_image image = draw_photo(from_width, from_height);
    float *out = mem_array((size_t)width * height, 3 * sizeof *out);
    double best = -1.0;
    for (int i = 0; i < REPEATS && image.rgb != NULL && out != NULL; i++) {
        double start = work_clock();
        if (resize_image(&b->w, &image, width, height, DIFFCUT_RESAMPLE_ANTIALIAS, out) != DIFFCUT_OK) {
            (void)fprintf(stderr, "%s\n", b->diag.message);
            break;
        }
        double seconds = work_clock() - start;
        best = best < 0.0 || seconds < best ? seconds : best;
    }
    mem_free(image.rgb);
    mem_free(out);
    char what[128];
    (void)snprintf(what, sizeof what, "resize %ux%u to %ux%u, antialiased", from_width, from_height, width, height);
    report(what, best);
    return best < 0.0;
}

static void bench_noise(void) {
    static float out[4 * 128 * 128];
    double best = -1.0;
    for (int i = 0; i < REPEATS; i++) {
        double start = work_clock();
        random_normal(42, sizeof out / sizeof *out, out);
        double seconds = work_clock() - start;
        best = best < 0.0 || seconds < best ? seconds : best;
    }
    report("noise 4x128x128", best);
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

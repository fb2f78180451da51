/*
 * bench_cut.c - times of the affinity and the partition tree, beside the published code's (timings.json).
 *
 *   bench_cut [THREADS] [RUNS]
 *
 * Maps: random regions of 1024 tokens x 1280 channels, the golden rs32_low and photo32_* brought to 1280 channels by
 * a random projection (which keeps the cosines to a few per cent), and the golden maps as they are, of 1024 and 4096
 * tokens. Columns: affinity, tree to tau 0.5 without it, both (the median of the runs), the processor time of both
 * (steadier on a busy machine), then what the further taus 0.7 and 0.9 add to the same tree, and the segments at each
 * tau. Golden maps are left out where they are absent.
 */
#include "core/cpu.h"
#include "core/memory.h"
#include "core/parallel.h"
#include "cut_fixture.h"
#include "segment/affinity.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define MAX_RUNS 101
#define GOLDEN DIFFCUT_SHARED_DIR "/golden/segment"

static int compare_doubles(const void *a, const void *b) {
    double first, second;
    memcpy(&first, a, sizeof first);
    memcpy(&second, b, sizeof second);
    return (first > second) - (first < second);
}

static double median(double *values, size_t count) {
    qsort(values, count, sizeof *values, compare_doubles);
    return values[count / 2];
}

/* Roughly normal: the sum of four uniform numbers, variance 1. */
static double gauss(uint64_t *state) {
    double sum = -2.0;
    for (int i = 0; i < 4; i++) {
        sum += cut_random(state);
    }
    return sum * 1.7320508;
}

/* The map with more channels: each the same random combination of the old ones for every token. */
static diffcut_features *project(diffcut_features *features, uint32_t channels) {
    size_t tokens = (size_t)features->height * features->width, old = features->channels;
    float *mix = malloc(channels * old * sizeof *mix), *data = malloc(tokens * channels * sizeof *data);
    uint64_t state = 42;
    for (size_t i = 0; mix != NULL && i < channels * old; i++) {
        mix[i] = (float)gauss(&state);
    }
    for (size_t i = 0; mix != NULL && data != NULL && i < tokens; i++) {
        for (size_t c = 0; c < channels; c++) {
            float sum = 0.0F;
            for (size_t k = 0; k < old; k++) {
                sum += features->data[i * old + k] * mix[c * old + k];
            }
            data[i * channels + c] = sum;
        }
    }
    free(mix);
    free(features->data);
    features->data = data;
    features->channels = channels;
    return features;
}

/* The published code's seconds for a map at tau 0.5; NAN when it was not timed. */
static double published_seconds(const char *name) {
    json_t *timings = golden_json("%s/timings.json", GOLDEN);
    double seconds = NAN;
    size_t index;
    json_t *run;
    json_array_foreach(json_object_get(timings, "runs"), index, run) {
        const char *map = json_string_value(json_object_get(run, "map"));
        if (map != NULL && strcmp(map, name) == 0 && json_number_value(json_object_get(run, "tau")) == 0.5) {
            seconds = json_number_value(json_object_get(run, "median_cpu_seconds"));
        }
    }
    json_decref(timings);
    return seconds;
}

static size_t segments_at(cut_work *c, diffcut_tree *tree, double tau, double *seconds) {
    size_t count;
    double begin = work_clock();
    free(cut_labels(c, tree, tau, &count));
    *seconds = work_clock() - begin;
    return count;
}

static double processor_clock(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void time_map(const char *label, const diffcut_features *features, uint32_t threads, size_t runs,
                     double published) {
    double whole[MAX_RUNS], processor[MAX_RUNS], affinity[MAX_RUNS], further[2][MAX_RUNS];
    size_t segments[3];
    diffcut_settings settings = cut_settings(10.0, 0.5, false);
    size_t tokens = (size_t)features->height * features->width;
    runs = tokens > 2048 && runs > 3 ? 3 : runs;
    for (size_t run = 0; run < runs; run++) {
        cut_work c;
        cut_work_init(&c, threads);
        double stages[DIFFCUT_STAGE_COUNT] = {0}, begin = work_clock(), ignored;
        double processor_begin = processor_clock();
        c.w.seconds = stages;
        c.w.entered = begin;
        diffcut_tree *tree = cut_build(&c, features, &settings);
        whole[run] = work_clock() - begin;
        processor[run] = processor_clock() - processor_begin;
        affinity[run] = stages[DIFFCUT_STAGE_AFFINITY];
        segments[0] = segments_at(&c, tree, 0.5, &ignored);
        segments[1] = segments_at(&c, tree, 0.7, &further[0][run]);
        segments[2] = segments_at(&c, tree, 0.9, &further[1][run]);
        diffcut_tree_free(tree);
        if (c.note.message[0] != '\0') {
            printf("%s: %s\n", label, c.note.message);
        }
    }
    double total = median(whole, runs), first = median(affinity, runs);
    printf("%-22s %5zu %5u %8.1f %8.1f %8.1f %8.1f %8.1f %8.1f   %4zu %4zu %4zu", label, tokens, features->channels,
           1e3 * first, 1e3 * (total - first), 1e3 * total, 1e3 * median(processor, runs),
           1e3 * median(further[0], runs), 1e3 * median(further[1], runs), segments[0], segments[1], segments[2]);
    if (isnan(published)) {
        printf("\n");
    } else {
        printf("  %9.0f %6.0fx\n", 1e3 * published, published / total);
    }
    (void)fflush(stdout);
}

static void time_golden(const char *folder, const char *name, uint32_t channels, uint32_t threads, size_t runs) {
    golden *file = golden_open("%s/%s/%s.safetensors", GOLDEN, folder, name);
    json_t *json = golden_json("%s/%s/%s.json", GOLDEN, folder, name);
    if (file != NULL && json != NULL) {
        diffcut_features *features = cut_features_golden(file, json);
        if (channels > 0) {
            features = project(features, channels);
        }
        time_map(name, features, threads, runs, channels > 0 ? NAN : published_seconds(name));
        cut_features_free(features);
    }
    golden_close(file);
    json_decref(json);
}

static void print_machine(uint32_t threads) {
    char line[256], model[256] = "unknown processor";
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "model name", 10) == 0 && strchr(line, ':') != NULL) {
            (void)snprintf(model, sizeof model, "%s", strchr(line, ':') + 2);
            model[strcspn(model, "\n")] = '\0';
            break;
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    printf("%s, %u threads, %s kernels, alpha 10; times in ms\n", model, threads, cpu_level_name(cpu_best_level()));
}

int main(int argc, char **argv) {
    long asked_threads = argc > 1 ? strtol(argv[1], NULL, 10) : 0,
         asked_runs = argc > 2 ? strtol(argv[2], NULL, 10) : 7;
    uint32_t threads = asked_threads > 0 ? (uint32_t)asked_threads : parallel_default_threads();
    size_t runs = asked_runs < 1 ? 1 : asked_runs > MAX_RUNS ? MAX_RUNS : (size_t)asked_runs;
    print_machine(threads);
    printf("%-22s %5s %5s %8s %8s %8s %8s %8s %8s   %14s  %9s %7s\n", "map", "N", "C", "affinity", "tree 0.5", "both",
           "cpu", "to 0.7", "to 0.9", "segments", "published", "ratio");
    diffcut_features *random = cut_features_random(CUT_MAP_REGIONS, 32, 32, 1280, 1);
    time_map("random regions", random, threads, runs, NAN);
    cut_features_free(random);
    static const char *const small[] = {"rs32_low", "rs32_mid", "photo32_a", "photo32_b", "photo32_c"};
    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++) {
        time_golden("ncut", small[i], 1280, threads, runs);
    }
    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++) {
        time_golden("ncut", small[i], 0, threads, runs);
    }
    static const char *const large[] = {"rs64_low", "photo64_a", "photo64_b"};
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) {
        time_golden("big", large[i], 0, threads, runs);
    }
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    printf(
        "peak memory %.0f MiB; published: processor seconds of the recursion alone, affinity included, one thread\n",
        (double)usage.ru_maxrss / 1024.0);
    return 0;
}

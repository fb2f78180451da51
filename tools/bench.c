/*
 * bench.c - diffcut bench: the time of each stage over some repeats, with the machine's name.
 *
 * The first, cold run is shown on its own ("first") and not counted in the median: it maps the weights and touches
 * the memory. Times are wall-clock milliseconds.
 */
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "engine.h"
#include "interrupt.h"
#include "operations.h"
#include "photo.h"
#include "progress.h"
#include "values.h"

typedef struct bench_size {
    uint32_t width, height;
} bench_size;

typedef struct bench_options {
    settings_options settings;
    console says;
    bench_size synthetic;
    uint32_t repeat;
    bool each;
    bool json;
} bench_options;

#define AT(field) offsetof(bench_options, field)

static bool parse_synthetic(const char *argument, void *target, text *error) {
    bench_size size = {0, 0};
    if (!value_width_height(argument, &size.width, &size.height) || size.width > 16384 || size.height > 16384) {
        text_print(error, "'%s' is not WIDTHxHEIGHT with sides of 1 .. 16384", argument);
        return false;
    }
    memcpy(target, &size, sizeof size);
    return true;
}

static const option bench_rows[] = {
    {0, "synthetic", "WxH", "a made-up photo of this size; default 512x512 when no PHOTO is given", OPTION_CUSTOM,
     AT(synthetic), 0, 0, NULL, parse_synthetic},
    {'n', "repeat", "N", "1 .. 10000 counted runs after the first; default 5", OPTION_UNSIGNED, AT(repeat), 1, 10000,
     NULL, NULL},
    {0, "operations", NULL, "a row for every shape of the networks' operations, not only for every kind", OPTION_SET,
     AT(each), 0, 0, NULL, NULL},
    {0, "json", NULL, "as one JSON object", OPTION_SET, AT(json), 0, 0, NULL, NULL},
    {0},
};

static const option_group groups[] = {
    {"Options", bench_rows, 0},
    {"Network input", settings_size_rows, AT(settings)},
    {"", settings_photo_rows, AT(settings)},
    {"Features", settings_features_rows, AT(settings)},
    {"", settings_text_rows, AT(settings)},
    {"Cut", settings_cut_rows, AT(settings)},
    {"Refinement", settings_switch_rows, AT(settings)},
    {"", settings_refinement_rows, AT(settings)},
    {"Model", settings_model_rows, AT(settings)},
    {"", settings_opening_rows, AT(settings)},
    {"", settings_threads_rows, AT(settings)},
    {"Messages", console_options, AT(says)},
    {NULL, NULL, 0},
};

/* What is timed: reading and decoding, the library's stages, making the label PNG, and all of it. */
enum { ROW_DECODE, ROW_STAGES, ROW_ENCODE = ROW_STAGES + DIFFCUT_STAGE_COUNT, ROW_TOTAL, ROW_COUNT };

static const char *row_name(int row) {
    switch (row) {
    case ROW_DECODE:
        return "decode";
    case ROW_ENCODE:
        return "encode";
    case ROW_TOTAL:
        return "total";
    default:
        return diffcut_stage_name((diffcut_stage)(row - ROW_STAGES));
    }
}

typedef struct bench_run {
    const bench_options *options;
    engine *engine;
    const char *path;    /* NULL: synthetic */
    diffcut_image image; /* synthetic only */
    uint32_t width, height, segments;
    double model_open;
    double began;            /* the process, on progress_clock's clock */
    double first_kernel;     /* when the network's first layer was done, on the same; 0: not yet */
    double first[ROW_COUNT]; /* seconds */
    double *times;           /* [repeat][ROW_COUNT] seconds */
    operations done;         /* the networks', of the counted runs */
    double peak;             /* operations a second */
    uint64_t planned;        /* bytes of activations */
} bench_run;

/* ------------------------------------------------------------------------------------------------- start-up */

/* When this process began, on progress_clock's clock, to the kernel's hundredth of a second: so that loading the
 * libraries counts. Now, where the kernel does not tell. */
static double process_start(void) {
    const double now = progress_clock();
    char line[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    const bool read = file != NULL && fgets(line, sizeof line, file) != NULL;
    if (file != NULL) {
        (void)fclose(file);
    }
    /* The name, in brackets, may hold anything; the 22nd field, 20 after it, is in ticks since the machine's start.
     */
    const char *at = read ? strrchr(line, ')') : NULL;
    for (int field = 0; at != NULL && field < 20; field++) {
        at = strchr(at + 1, ' ');
    }
    struct timespec since_boot;
    if (at == NULL || clock_gettime(CLOCK_BOOTTIME, &since_boot) != 0) {
        return now;
    }
    const double ticks = strtod(at + 1, NULL) / (double)sysconf(_SC_CLK_TCK);
    const double age = (double)since_boot.tv_sec + (double)since_boot.tv_nsec * 1e-9 - ticks;
    return age > 0 ? now - age : now;
}

/* The first sign of a network at work. */
static int note_progress(void *user, diffcut_stage stage, double fraction) {
    bench_run *b = user;
    if (b->first_kernel == 0 && (stage > DIFFCUT_STAGE_FEATURES || fraction > 0)) {
        b->first_kernel = progress_clock();
    }
    return engine_progress(NULL, stage, fraction);
}

/* ------------------------------------------------------------------------------------------------- runs */

/* Discs of different colours on a gradient with a little noise: something to segment, the same on every machine. */
static diffcut_status make_synthetic(bench_size size, diffcut_image *out, diffcut_diagnostics *diagnostics) {
    const uint32_t width = size.width;
    const uint32_t height = size.height;
    uint8_t *rgb = malloc((size_t)width * height * 3);
    if (rgb == NULL) {
        (void)snprintf(diagnostics->message, sizeof diagnostics->message, "no memory for the synthetic photo");
        return DIFFCUT_ERROR_MEMORY;
    }
    static const double discs[][3] = {{0.3, 0.35, 0.2}, {0.7, 0.3, 0.14}, {0.62, 0.72, 0.22}, {0.2, 0.8, 0.1}};
    static const uint8_t colours[][3] = {{200, 60, 50}, {60, 160, 220}, {230, 200, 70}, {70, 60, 110}};
    uint32_t random = 1;
    for (uint32_t y = 0; y < height; y++) {
        for (uint32_t x = 0; x < width; x++) {
            uint8_t *pixel = rgb + ((size_t)y * width + x) * 3;
            const double u = ((double)x + 0.5) / width;
            const double v = ((double)y + 0.5) / height;
            random = random * 1664525u + 1013904223u; /* Numerical Recipes' generator */
            const uint8_t grain = (uint8_t)(random >> 28);
            pixel[0] = (uint8_t)(60 + 60 * u + grain);
            pixel[1] = (uint8_t)(110 + 50 * v + grain);
            pixel[2] = (uint8_t)(70 + 40 * (1 - u) + grain);
            for (size_t d = 0; d < sizeof discs / sizeof *discs; d++) {
                const double dx = u - discs[d][0];
                const double dy = v - discs[d][1];
                if (dx * dx + dy * dy < discs[d][2] * discs[d][2]) {
                    for (int c = 0; c < 3; c++) {
                        pixel[c] = (uint8_t)(colours[d][c] + grain);
                    }
                }
            }
        }
    }
    const diffcut_status status = diffcut_image_create(width, height, rgb, out, diagnostics);
    free(rgb);
    return status;
}

/* One photo from file to PNG in memory; seconds of each row. */
static int time_once(bench_run *b, double seconds[ROW_COUNT]) {
    diffcut_session *session = b->engine->session;
    const console *says = &b->options->says;
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_image decoded = {0};
    diffcut_labels labels = {0};
    diffcut_buffer png = {0};
    int result = EXIT_DONE;
    const double started = progress_clock();
    const diffcut_decode_limits limits = settings_limits(&b->options->settings);
    if (b->path != NULL && photo_read(b->path, &limits, &decoded, NULL, &diagnostics) != DIFFCUT_OK) {
        return engine_failed(says, b->path, diagnostics.message);
    }
    const diffcut_image *image = b->path != NULL ? &decoded : &b->image;
    seconds[ROW_DECODE] = progress_clock() - started;
    diffcut_session_reset_times(session);
    if (diffcut_session_plan(session, image, &b->options->settings.values, &b->planned) != DIFFCUT_OK ||
        diffcut_segment(session, image, &b->options->settings.values, &labels) != DIFFCUT_OK) {
        result = engine_failed(says, NULL, diffcut_session_message(session));
        goto cleanup;
    }
    diffcut_session_times(session, seconds + ROW_STAGES);
    const double encoding = progress_clock();
    if (diffcut_encode_labels_png(&labels, &png, &diagnostics) != DIFFCUT_OK) {
        result = engine_failed(says, NULL, diagnostics.message);
        goto cleanup;
    }
    seconds[ROW_ENCODE] = progress_clock() - encoding;
    seconds[ROW_TOTAL] = progress_clock() - started;
    b->width = image->width;
    b->height = image->height;
    b->segments = labels.count;
cleanup:
    diffcut_buffer_free(&png);
    diffcut_labels_free(&labels);
    diffcut_image_free(&decoded);
    return result;
}

/* ------------------------------------------------------------------------------------------------- report */

static int compare_reals(const void *a, const void *b) {
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct spread {
    double median, least, most; /* milliseconds */
} spread;

static spread spread_of(const bench_run *b, int row, double *column) {
    const uint32_t n = b->options->repeat;
    for (uint32_t i = 0; i < n; i++) {
        column[i] = b->times[(size_t)i * ROW_COUNT + (size_t)row] * 1e3;
    }
    qsort(column, n, sizeof *column, compare_reals);
    return (spread){(column[(n - 1) / 2] + column[n / 2]) / 2, column[0], column[n - 1]};
}

/* "model name" of the first processor, or what there is. */
static void processor_name(char name[128]) {
    (void)snprintf(name, 128, "unknown processor");
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[256];
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
            (void)snprintf(name, 128, "%.120s", colon + 1 + strspn(colon + 1, " \t"));
            name[strcspn(name, "\n")] = '\0';
            break;
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
}

/* Processors that the process may run on. */
static int processors(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

static double peak_megabytes(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (double)usage.ru_maxrss / 1024 : 0; /* ru_maxrss is in KiB */
}

static void add_threads(const bench_options *o, text *out) {
    if (o->settings.threads > 0) {
        text_print(out, "%u threads", o->settings.threads);
    } else {
        text_add(out, "default threads");
    }
    text_print(out, " on %d processors", processors());
}

static void report_people(bench_run *b, double *column, text *out) {
    diffcut_model_info info;
    diffcut_model_get_info(b->engine->model, &info);
    char processor[128];
    processor_name(processor);
    text_print(out, "machine   %s, ", processor);
    add_threads(b->options, out);
    text_print(out, "\nbuild     %s\nmodel     %s, backend %s, %s, opened in %.1f ms\n", diffcut_build_info(),
               info.name, info.backend, info.precision, b->model_open * 1e3);
    text_print(out, "photo     %s, %ux%u, %u segments\n\n", b->path != NULL ? b->path : "synthetic", b->width,
               b->height, b->segments);
    text_print(out, "%-10s %10s %10s %10s %10s   ms, %u runs\n", "stage", "first", "median", "min", "max",
               b->options->repeat);
    for (int row = 0; row < ROW_COUNT; row++) {
        const spread s = spread_of(b, row, column);
        text_print(out, "%-10s %10.2f %10.2f %10.2f %10.2f\n", row_name(row), b->first[row] * 1e3, s.median, s.least,
                   s.most);
    }
    text_print(out, "\nstart       %.0f ms from the process's start until the network's first layer was done\n",
               (b->first_kernel - b->began) * 1e3);
    text_print(out, "\nproducts reach at most %.1f GFLOP/s here (the peak), measured in this run\n", b->peak * 1e-9);
    operations_table(&b->done, b->options->repeat, b->peak, b->options->each, out);
    text_print(out, "\nactivations %.1f MiB planned\npeak memory %.1f MiB\n", (double)b->planned / 0x1p20,
               peak_megabytes());
}

static void report_json(bench_run *b, double *column, text *out) {
    diffcut_model_info info;
    diffcut_model_get_info(b->engine->model, &info);
    char processor[128];
    processor_name(processor);
    text_print(out, "{\"diffcut\": \"%s\", \"machine\": ", diffcut_version());
    json_string(out, processor);
    text_add(out, ", \"build\": ");
    json_string(out, diffcut_build_info());
    text_print(out, ", \"threads\": %u, \"processors\": %d, \"model\": ", b->options->settings.threads, processors());
    json_string(out, info.name);
    text_add(out, ", \"backend\": ");
    json_string(out, info.backend);
    text_add(out, ", \"precision\": ");
    json_string(out, info.precision);
    text_add(out, ", \"photo\": ");
    json_string(out, b->path != NULL ? b->path : "synthetic");
    text_print(out, ", \"width\": %u, \"height\": %u, \"segments\": %u, \"repeat\": %u", b->width, b->height,
               b->segments, b->options->repeat);
    text_add(out, ", \"model_open_ms\": ");
    json_real(out, b->model_open * 1e3, 6);
    text_add(out, ", \"start_ms\": ");
    json_real(out, (b->first_kernel - b->began) * 1e3, 6);
    text_add(out, ", \"stages\": {");
    for (int row = 0; row < ROW_COUNT; row++) {
        const spread s = spread_of(b, row, column);
        text_print(out, "%s\"%s\": {\"first_ms\": ", row > 0 ? ", " : "", row_name(row));
        json_real(out, b->first[row] * 1e3, 6);
        text_add(out, ", \"median_ms\": ");
        json_real(out, s.median, 6);
        text_add(out, ", \"min_ms\": ");
        json_real(out, s.least, 6);
        text_add(out, ", \"max_ms\": ");
        json_real(out, s.most, 6);
        text_add(out, "}");
    }
    text_add(out, "}, \"peak_gflops\": ");
    json_real(out, b->peak * 1e-9, 6);
    text_add(out, ", \"operations\": ");
    operations_json(&b->done, b->options->repeat, b->peak, out);
    text_add(out, ", \"planned_activations_mib\": ");
    json_real(out, (double)b->planned / 0x1p20, 6);
    text_add(out, ", \"peak_memory_mib\": ");
    json_real(out, peak_megabytes(), 6);
    text_add(out, "}\n");
}

static int measure(bench_run *b) {
    const bench_options *o = b->options;
    diffcut_diagnostics diagnostics = {{0}};
    if (b->path == NULL && make_synthetic(o->synthetic, &b->image, &diagnostics) != DIFFCUT_OK) {
        return engine_failed(&o->says, NULL, diagnostics.message);
    }
    b->times = calloc((size_t)o->repeat * ROW_COUNT, sizeof *b->times);
    double *column = calloc(o->repeat, sizeof *column);
    int status = EXIT_DONE;
    if (b->times == NULL || column == NULL) {
        status = engine_failed(&o->says, NULL, "out of memory");
    }
    if (status == EXIT_DONE) {
        status = time_once(b, b->first);
    }
    operations_free(&b->done); /* the first run is not counted */
    for (uint32_t i = 0; i < o->repeat && status == EXIT_DONE; i++) {
        status = interrupt_requested() ? interrupt_exit_code() : time_once(b, b->times + (size_t)i * ROW_COUNT);
    }
    if (status == EXIT_DONE && b->done.failed) {
        status = engine_failed(&o->says, NULL, "out of memory");
    }
    if (status == EXIT_DONE && diffcut_session_peak(b->engine->session, &b->peak) != DIFFCUT_OK) {
        status = engine_failed(&o->says, NULL, diffcut_session_message(b->engine->session));
    }
    if (status == EXIT_DONE) {
        text out = {0};
        if (o->json) {
            report_json(b, column, &out);
        } else {
            report_people(b, column, &out);
        }
        (void)fputs(text_string(&out), stdout);
        text_free(&out);
    }
    operations_free(&b->done);
    free(column);
    free(b->times);
    diffcut_image_free(&b->image);
    return status;
}

static int check_line(const command *self, bench_options *o, const arguments *photos) {
    if (photos->count > 1) {
        return options_mistake(self, "more than one photo given");
    }
    if (photos->count == 1 && o->synthetic.width > 0) {
        return options_mistake(self, "a photo and --synthetic exclude each other");
    }
    if (photos->count == 1 && strcmp(photos->items[0], "-") == 0) {
        return options_mistake(self, "standard input cannot be read again and again; name a file");
    }
    if (photos->count == 0 && o->synthetic.width == 0) {
        o->synthetic = (bench_size){512, 512};
    }
    return -1;
}

static int run_bench(const command *self, int argc, char **argv) {
    bench_options options = {.repeat = 5};
    engine e = {0};
    arguments photos = {0};
    const engine_target target = {&options, &options.settings};
    int status = engine_parse(self, argc, argv, target, &photos);
    bench_run b = {.options = &options, .engine = &e, .began = process_start()};
    if (status < 0) {
        status = check_line(self, &options, &photos);
    }
    if (status < 0 && options.settings.taus.count > 1) {
        status = options_mistake(self, "one --tau, please");
    }
    const double opening = progress_clock();
    if (status < 0) {
        status = engine_open(&e, self, argc, argv, target, &options.says);
    }
    b.model_open = progress_clock() - opening;
    if (status < 0) {
        diffcut_session_settings callbacks;
        diffcut_session_settings_init(&callbacks);
        callbacks.progress = note_progress;
        callbacks.progress_user = &b;
        callbacks.operation = operations_add;
        callbacks.operation_user = &b.done;
        status = engine_start(&e, &options.settings, &callbacks, &options.says);
    }
    if (status < 0) {
        b.path = photos.count == 1 ? photos.items[0] : NULL;
        status = measure(&b);
    }
    engine_close(&e);
    arguments_free(&photos);
    return status;
}

const command command_bench = {
    "bench",
    "[OPTION]... [PHOTO]",
    "the time of each stage and operation on this machine",
    "Segments one photo again and again and shows the time of each stage and the whole, the networks' operations "
    "beside the most that products reach on this machine, and the peak memory.",
    groups,
    run_bench,
};

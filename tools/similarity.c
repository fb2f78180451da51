/*
 * similarity.c - diffcut similarity PHOTO --at X,Y [OTHER]... -o DIR: how alike the patch at X,Y is, by the UNet
 * encoder's features, to every patch of its own photo and of others, as heat maps and arrays.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "engine.h"
#include "interrupt.h"
#include "output.h"
#include "photo.h"
#include "values.h"

typedef struct similarity_place {
    bool given;
    uint32_t x, y; /* pixels of the first photo */
} similarity_place;

typedef struct similarity_range {
    bool given;
    float low, high;
} similarity_range;

typedef struct similarity_options {
    settings_options settings;
    console says;
    const char *output;
    similarity_place at;
    similarity_range range;
    float opacity;
    bool legend;
    bool npy;
    bool force;
} similarity_options;

#define AT(field) offsetof(similarity_options, field)

static bool parse_place(const char *argument, void *target, text *error) {
    similarity_place *place = target;
    char items[2][24];
    char more[2];
    uint64_t x = 0;
    uint64_t y = 0;
    if (!value_list_item(argument, 0, items[0], sizeof items[0]) ||
        !value_list_item(argument, 1, items[1], sizeof items[1]) || value_list_item(argument, 2, more, sizeof more) ||
        !value_unsigned(items[0], &x) || !value_unsigned(items[1], &y) || x > UINT32_MAX || y > UINT32_MAX) {
        text_print(error, "is not X,Y, a pixel's column and row from 0");
        return false;
    }
    *place = (similarity_place){true, (uint32_t)x, (uint32_t)y};
    return true;
}

static bool parse_range(const char *argument, void *target, text *error) {
    similarity_range *range = target;
    char items[2][40];
    char more[2];
    double low = 0;
    double high = 0;
    if (!value_list_item(argument, 0, items[0], sizeof items[0]) ||
        !value_list_item(argument, 1, items[1], sizeof items[1]) || value_list_item(argument, 2, more, sizeof more) ||
        !value_real(items[0], &low) || !value_real(items[1], &high) || low < -1 || high > 1 ||
        !((float)low < (float)high)) {
        text_print(error, "is not LOW,HIGH with -1 <= LOW < HIGH <= 1");
        return false;
    }
    *range = (similarity_range){true, (float)low, (float)high};
    return true;
}

static const option place_rows[] = {
    {'a', "at", "X,Y", "the pixel of PHOTO whose patch is compared, column and row from 0; needed", OPTION_CUSTOM,
     AT(at), 0, 0, NULL, parse_place},
    {0},
};

static const option output_rows[] = {
    {'o', "output", "DIR", "where NAME.similarity.png goes for each photo NAME.jpg; needed", OPTION_STRING,
     AT(output), 0, 0, NULL, NULL},
    {0, "npy", NULL, "also the similarities as NAME.similarity.npy, float32 [height, width] of the features' grid",
     OPTION_SET, AT(npy), 0, 0, NULL, NULL},
    {0, "range", "LOW,HIGH",
     "the similarities at the two ends of the colours, within -1 to 1 (default: the least in PHOTO, and 1)",
     OPTION_CUSTOM, AT(range), 0, 0, NULL, parse_range},
    {0, "opacity", "N", "0 to 1: of the colours over the photo (default 0.7)", OPTION_FRACTION, AT(opacity), 0, 1,
     NULL, NULL},
    {0, "no-legend", NULL, "leave out the strip that says which colour is which similarity", OPTION_CLEAR, AT(legend),
     0, 0, NULL, NULL},
    {'f', "force", NULL, "replace existing files", OPTION_SET, AT(force), 0, 0, NULL, NULL},
    {0},
};

static const option_group groups[] = {
    {"Place", place_rows, 0},
    {"Output", output_rows, 0},
    {"Network input", settings_size_rows, AT(settings)},
    {"", settings_photo_rows, AT(settings)},
    {"Features", settings_features_rows, AT(settings)},
    {"", settings_text_rows, AT(settings)},
    {"Model", settings_model_rows, AT(settings)},
    {"", settings_opening_rows, AT(settings)},
    {"", settings_threads_rows, AT(settings)},
    {"Messages", console_options, AT(says)},
    {NULL, NULL, 0},
};

/* The file's name without folders and its ending: where a photo's results go. */
static void stem_of(const char *path, text *out) {
    const char *slash = strrchr(path, '/');
    const char *base = slash != NULL ? slash + 1 : path;
    const char *dot = strrchr(base, '.');
    text_add_bytes(out, base, dot != NULL && dot != base ? (size_t)(dot - base) : strlen(base));
}

/* ------------------------------------------------------------------------------------------------- one photo */

/* What the first photo leaves for the others. */
typedef struct similarity_run {
    engine e;
    const similarity_options *options;
    diffcut_features *chosen; /* of the first photo */
    uint32_t token;
    similarity_range range;
} similarity_run;

static int failed(const similarity_run *run, const char *path, const char *message) {
    return engine_failed(&run->options->says, path, message);
}

static int compute(similarity_run *run, const char *path, diffcut_image *image, diffcut_features **features) {
    diffcut_diagnostics diagnostics = {{0}};
    const diffcut_decode_limits limits = settings_limits(&run->options->settings);
    if (photo_read(path, &limits, image, NULL, &diagnostics) != DIFFCUT_OK) {
        return failed(run, path, diagnostics.message);
    }
    if (diffcut_features_compute(run->e.session, image, &run->options->settings.values, features) != DIFFCUT_OK) {
        return failed(run, path, diffcut_session_message(run->e.session));
    }
    const char *note = diffcut_session_note(run->e.session);
    if (note[0] != '\0' && !run->options->says.quiet) {
        console_error(&run->options->says, path, note);
    }
    return EXIT_DONE;
}

static int write_result(const similarity_run *run, const char *photo, const char *ending,
                        const diffcut_buffer *file) {
    diffcut_diagnostics diagnostics = {{0}};
    text path = {0};
    text_print(&path, "%s/", run->options->output);
    stem_of(photo, &path);
    text_add(&path, ending);
    int result = EXIT_DONE;
    if (path.failed) {
        result = failed(run, photo, "out of memory");
    } else if (photo_write_result(text_string(&path), file, run->options->force, &diagnostics) != DIFFCUT_OK) {
        result = failed(run, NULL, diagnostics.message);
    }
    text_free(&path);
    return result;
}

/* values: (height, width) of the features' grid. */
static int write_results(const similarity_run *run, const char *path, bool first, const diffcut_image *image,
                         const diffcut_features *features, const float *values) {
    const similarity_options *o = run->options;
    const uint32_t height = diffcut_features_height(features);
    const uint32_t width = diffcut_features_width(features);
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_buffer file = {0};
    diffcut_heatmap_settings settings;
    diffcut_heatmap_settings_init(&settings);
    settings.low = run->range.low;
    settings.high = run->range.high;
    settings.opacity = o->opacity;
    settings.legend = o->legend;
    if (first) {
        settings.mark_x = o->at.x;
        settings.mark_y = o->at.y;
    }
    if (diffcut_encode_heatmap_png(image, values, width, height, &settings, &file, &diagnostics) != DIFFCUT_OK) {
        return failed(run, path, diagnostics.message);
    }
    int result = write_result(run, path, ".similarity.png", &file);
    diffcut_buffer_free(&file);
    if (result == EXIT_DONE && o->npy) {
        const size_t shape[2] = {height, width};
        result = diffcut_encode_npy(values, shape, 2, &file, &diagnostics) == DIFFCUT_OK
                     ? write_result(run, path, ".similarity.npy", &file)
                     : failed(run, path, diagnostics.message);
        diffcut_buffer_free(&file);
    }
    return result;
}

/* The colours' ends as asked for, else from the least similarity in the first photo to 1, for all photos alike. */
static similarity_range choose_range(const similarity_options *o, const float *values, size_t count) {
    if (o->range.given) {
        return o->range;
    }
    similarity_range range = {.given = true, .low = 1, .high = 1};
    for (size_t i = 0; i < count; i++) {
        range.low = values[i] < range.low ? values[i] : range.low;
    }
    if (!(range.low < 1)) { /* all alike */
        range.low = 0;
    }
    return range;
}

/* Where the greatest similarity of another photo is, for -v. */
static void say_where(const similarity_run *run, const char *path, const diffcut_image *image,
                      const diffcut_features *features, const float *values) {
    const uint32_t width = diffcut_features_width(features);
    const uint32_t height = diffcut_features_height(features);
    uint32_t best = 0;
    for (uint32_t i = 1; i < width * height; i++) {
        best = values[i] > values[best] ? i : best;
    }
    console_say(&run->options->says, "%s: %u x %u tokens, the most similar at %u,%u with %.4f", path, height, width,
                (unsigned)(((uint64_t)2 * (best % width) + 1) * image->width / (2 * (uint64_t)width)),
                (unsigned)(((uint64_t)2 * (best / width) + 1) * image->height / (2 * (uint64_t)height)),
                (double)values[best]);
}

static int compare(similarity_run *run, const char *path, bool first) {
    const similarity_options *o = run->options;
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_image image = {0};
    diffcut_features *features = NULL;
    float *values = NULL;
    int result = compute(run, path, &image, &features);
    if (result != EXIT_DONE) {
        goto cleanup;
    }
    const uint32_t width = diffcut_features_width(features);
    const size_t count = (size_t)diffcut_features_height(features) * width;
    if (first) {
        if (o->at.x >= image.width || o->at.y >= image.height) {
            text message = {0};
            text_print(&message,
                       "--at %" PRIu32 ",%" PRIu32 " is outside the photo of %" PRIu32 "x%" PRIu32 " pixels", o->at.x,
                       o->at.y, image.width, image.height);
            result = failed(run, path, text_string(&message));
            text_free(&message);
            goto cleanup;
        }
        const uint64_t row = (uint64_t)o->at.y * diffcut_features_height(features) / image.height;
        run->token = (uint32_t)(row * width + (uint64_t)o->at.x * width / image.width);
    }
    values = malloc(count * sizeof *values);
    if (values == NULL) {
        result = failed(run, path, "out of memory");
        goto cleanup;
    }
    if (diffcut_similarity(first ? features : run->chosen, run->token, features, values, &diagnostics) !=
        DIFFCUT_OK) {
        result = failed(run, path, diagnostics.message);
        goto cleanup;
    }
    if (first) {
        run->range = choose_range(o, values, count);
    }
    result = write_results(run, path, first, &image, features, values);
    if (result == EXIT_DONE && o->says.verbose > 0) {
        say_where(run, path, &image, features, values);
    }
    if (first && result == EXIT_DONE) {
        run->chosen = features;
        features = NULL;
    }
cleanup:
    free(values);
    diffcut_features_free(features);
    diffcut_image_free(&image);
    return result;
}

/* ------------------------------------------------------------------------------------------------- the line */

/* Two photos of one name would share their results. */
static int check_names(const command *self, const arguments *photos) {
    int status = -1;
    text a = {0};
    text b = {0};
    for (size_t i = 0; i < photos->count && status < 0; i++) {
        text_clear(&a);
        stem_of(photos->items[i], &a);
        for (size_t j = 0; j < i && status < 0; j++) {
            text_clear(&b);
            stem_of(photos->items[j], &b);
            if (strcmp(text_string(&a), text_string(&b)) == 0) {
                status = options_mistake(self, "%s and %s would both be written to %s.similarity.png",
                                         photos->items[j], photos->items[i], text_string(&a));
            }
        }
    }
    text_free(&a);
    text_free(&b);
    return status;
}

static int check_line(const command *self, const similarity_options *o, const arguments *photos) {
    if (photos->count == 0) {
        return options_mistake(self, "no photo given");
    }
    if (!o->at.given) {
        return options_mistake(self, "--at X,Y is needed");
    }
    if (o->output == NULL) {
        return options_mistake(self, "-o DIR is needed");
    }
    for (size_t i = 0; i < photos->count; i++) {
        if (strcmp(photos->items[i], "-") == 0) {
            return options_mistake(self, "photos are read from files: the results are named after them");
        }
    }
    return check_names(self, photos);
}

static int compare_all(similarity_run *run, const arguments *photos) {
    diffcut_diagnostics diagnostics = {{0}};
    if (!output_make_folder(run->options->output, &diagnostics)) {
        return failed(run, NULL, diagnostics.message);
    }
    int status = compare(run, photos->items[0], true);
    for (size_t i = 1; i < photos->count && run->chosen != NULL && !interrupt_requested(); i++) {
        const int one = compare(run, photos->items[i], false);
        status = one != EXIT_DONE ? one : status;
    }
    return interrupt_requested() ? interrupt_exit_code() : status;
}

static int run_similarity(const command *self, int argc, char **argv) {
    similarity_options options = {.opacity = 0.7F, .legend = true};
    similarity_run run = {.options = &options};
    arguments photos = {0};
    const engine_target target = {&options, &options.settings};
    int status = engine_parse(self, argc, argv, target, &photos);
    if (status < 0) {
        status = check_line(self, &options, &photos);
    }
    if (status < 0) {
        status = engine_open(&run.e, self, argc, argv, target, &options.says);
    }
    if (status < 0) {
        status = engine_start(&run.e, &options.settings, NULL, &options.says);
    }
    if (status < 0) {
        status = compare_all(&run, &photos);
    }
    diffcut_features_free(run.chosen);
    engine_close(&run.e);
    arguments_free(&photos);
    return status;
}

const command command_similarity = {
    "similarity",
    "[OPTION]... PHOTO --at X,Y [OTHER]... -o DIR",
    "where photos look like a chosen patch",
    "Compares the features of the patch of PHOTO at X,Y with those of every patch of PHOTO and of the OTHER photos, "
    "by the cosine of their angle, and shows the similarities as heat maps, all in the same colours: dark violet is "
    "least, light yellow most similar. A ring marks the patch.",
    groups,
    run_similarity,
};

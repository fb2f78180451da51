/*
 * features.c - diffcut features PHOTO -o F: the UNet encoder's features, as one npy array of h x w x c, or as a
 * safetensors file with one tensor for each timestep and hook.
 */
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "commands.h"
#include "engine.h"
#include "photo.h"

/* As the output's ending says, unless --format does. */
typedef enum features_format { FORMAT_BY_ENDING = -1, FORMAT_NPY = 0, FORMAT_SAFETENSORS = 1 } features_format;

_Static_assert(sizeof(features_format) == sizeof(int), "OPTION_CHOICE stores an int");

typedef struct features_options {
    settings_options settings;
    console says;
    const char *output;
    features_format format;
    bool force;
} features_options;

#define AT(field) offsetof(features_options, field)

static const option output_rows[] = {
    {'o', "output", "F",
     "where to write; an ending of .safetensors makes one tensor for each timestep and hook, any other one npy array "
     "of all; - for standard output",
     OPTION_STRING, AT(output), 0, 0, NULL, NULL},
    {0, "format", "FORMAT", "npy or safetensors, whatever the ending", OPTION_CHOICE, AT(format), 0, 0,
     "npy|safetensors", NULL},
    {'f', "force", NULL, "replace an existing file", OPTION_SET, AT(force), 0, 0, NULL, NULL},
    {0},
};

static const option_group groups[] = {
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

static bool is_safetensors(const features_options *o) {
    static const char ending[] = ".safetensors";
    const size_t length = strlen(o->output);
    if (o->format != FORMAT_BY_ENDING) {
        return o->format == FORMAT_SAFETENSORS;
    }
    return length >= sizeof ending - 1 && strcasecmp(o->output + length - (sizeof ending - 1), ending) == 0;
}

static int failed_in_session(const engine *e, const features_options *o, const char *path) {
    return engine_failed(&o->says, photo_name(path), diffcut_session_message(e->session));
}

/* All features as one array. Both functions return -1 when *out is made, else the exit status. */
static int make_npy(const engine *e, const features_options *o, const char *path, const diffcut_image *image,
                    diffcut_buffer *out) {
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_features *features = NULL;
    if (diffcut_features_compute(e->session, image, &o->settings.values, &features) != DIFFCUT_OK) {
        return failed_in_session(e, o, path);
    }
    int result = -1;
    if (diffcut_encode_features_npy(features, out, &diagnostics) != DIFFCUT_OK) {
        result = engine_failed(&o->says, NULL, diagnostics.message);
    } else if (o->says.verbose > 0) {
        console_say(&o->says, "%s: %u x %u tokens of %u channels", photo_name(path),
                    diffcut_features_height(features), diffcut_features_width(features),
                    diffcut_features_channels(features));
    }
    diffcut_features_free(features);
    return result;
}

/* The notes that go with the parts. */
typedef struct words {
    text parts, grids, image, timesteps, seed, average;
} words;

enum { WORD_COUNT = 9 };

/* The parts' names and grids (height x width) in the order in which an npy file has them side by side. */
static void list_parts(const diffcut_features_part *parts, size_t count, words *w) {
    for (size_t i = 0; i < count; i++) {
        text_print(&w->parts, "%s%s", i > 0 ? "," : "", parts[i].name);
        text_print(&w->grids, "%s%ux%u", i > 0 ? "," : "", diffcut_features_height(parts[i].features),
                   diffcut_features_width(parts[i].features));
    }
}

static bool fill_words(const engine *e, const features_options *o, const diffcut_image *image, words *w,
                       diffcut_note notes[WORD_COUNT]) {
    const diffcut_settings *settings = &o->settings.values;
    diffcut_model_info info;
    diffcut_model_get_info(e->model, &info);
    text_print(&w->image, "%ux%u", image->height, image->width);
    for (uint32_t i = 0; i < settings->timestep_count; i++) {
        text_print(&w->timesteps, "%s%d", i > 0 ? "," : "", settings->timesteps[i]);
    }
    text_print(&w->seed, "%llu", (unsigned long long)settings->seed);
    text_print(&w->average, "%u", settings->average);
    const diffcut_note filled[WORD_COUNT] = {
        {"model", info.name},
        {"image", text_string(&w->image)}, /* height x width of the photo, as the grids are */
        {"parts", text_string(&w->parts)},
        {"grids", text_string(&w->grids)},
        {"timesteps", text_string(&w->timesteps)},
        {"noise", settings->noise == DIFFCUT_NOISE_CUDA ? "cuda" : "cpu"},
        {"seed", text_string(&w->seed)},
        {"average", text_string(&w->average)},
        {"prompt", settings->prompt != NULL ? settings->prompt : ""},
    };
    memcpy(notes, filled, sizeof filled);
    return !w->parts.failed && !w->grids.failed && !w->image.failed && !w->timesteps.failed && !w->seed.failed &&
           !w->average.failed;
}

static void free_words(words *w) {
    text_free(&w->parts);
    text_free(&w->grids);
    text_free(&w->image);
    text_free(&w->timesteps);
    text_free(&w->seed);
    text_free(&w->average);
}

/* Each timestep's and hook's features as a tensor of its own. */
static int make_safetensors(const engine *e, const features_options *o, const char *path, const diffcut_image *image,
                            diffcut_buffer *out) {
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_features_part *parts = NULL;
    diffcut_note notes[WORD_COUNT];
    words w = {.parts = {0}};
    size_t count = 0;
    if (diffcut_features_compute_parts(e->session, image, &o->settings.values, &parts, &count) != DIFFCUT_OK) {
        return failed_in_session(e, o, path);
    }
    int result = -1;
    list_parts(parts, count, &w);
    if (!fill_words(e, o, image, &w, notes)) {
        result = engine_failed(&o->says, NULL, "out of memory");
    } else if (diffcut_encode_parts_safetensors(parts, count, notes, WORD_COUNT, out, &diagnostics) != DIFFCUT_OK) {
        result = engine_failed(&o->says, NULL, diagnostics.message);
    }
    for (size_t i = 0; result < 0 && o->says.verbose > 0 && i < count; i++) {
        console_say(&o->says, "%s: %s: %u x %u tokens of %u channels", photo_name(path), parts[i].name,
                    diffcut_features_height(parts[i].features), diffcut_features_width(parts[i].features),
                    diffcut_features_channels(parts[i].features));
    }
    free_words(&w);
    diffcut_features_parts_free(parts, count);
    return result;
}

static int extract(const engine *e, const features_options *o, const char *path) {
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_image image = {0};
    diffcut_buffer file = {0};
    const diffcut_decode_limits limits = settings_limits(&o->settings);
    if (photo_read(path, &limits, &image, NULL, &diagnostics) != DIFFCUT_OK) {
        return engine_failed(&o->says, photo_name(path), diagnostics.message);
    }
    int result =
        is_safetensors(o) ? make_safetensors(e, o, path, &image, &file) : make_npy(e, o, path, &image, &file);
    const char *note = diffcut_session_note(e->session);
    if (result < 0 && note[0] != '\0' && !o->says.quiet) {
        console_error(&o->says, photo_name(path), note);
    }
    if (result < 0) {
        result = photo_write_result(o->output, &file, o->force, &diagnostics) == DIFFCUT_OK
                     ? EXIT_DONE
                     : engine_failed(&o->says, NULL, diagnostics.message);
    }
    diffcut_buffer_free(&file);
    diffcut_image_free(&image);
    return result;
}

static int run_features(const command *self, int argc, char **argv) {
    features_options options = {.output = NULL, .format = FORMAT_BY_ENDING};
    engine e = {0};
    arguments photos = {0};
    const engine_target target = {&options, &options.settings};
    int status = engine_parse(self, argc, argv, target, &photos);
    if (status < 0 && photos.count != 1) {
        status = options_mistake(self, "%s", photos.count == 0 ? "no photo given" : "more than one photo given");
    }
    if (status < 0 && options.output == NULL) {
        status = options_mistake(self, "-o F is needed (- for standard output)");
    }
    if (status < 0) {
        status = engine_open(&e, self, argc, argv, target, &options.says);
    }
    if (status < 0) {
        status = engine_start(&e, &options.settings, NULL, &options.says);
    }
    if (status < 0) {
        status = extract(&e, &options, photos.items[0]);
    }
    engine_close(&e);
    arguments_free(&photos);
    return status;
}

const command command_features = {
    "features",
    "[OPTION]... PHOTO -o F",
    "a photo's features as an array",
    "Writes the features of a photo, float32 [height, width, channels], one vector a token. Those of several "
    "timesteps "
    "and hooks are put side by side on the finest of their grids in a .npy file, and are tensors of their own in a "
    ".safetensors file. PHOTO may be - for standard input.",
    groups,
    run_features,
};

/*
 * features.c - diffcut features PHOTO -o F.npy: the UNet encoder's features as an array of h x w x c.
 */
#include <stddef.h>
#include <string.h>

#include "commands.h"
#include "engine.h"
#include "photo.h"

typedef struct features_options {
    settings_options settings;
    console says;
    const char *output;
    bool force;
} features_options;

#define AT(field) offsetof(features_options, field)

static const option output_rows[] = {
    {'o', "output", "F.npy", "where to write float32 [height, width, channels]; - for standard output", OPTION_STRING,
     AT(output), 0, 0, NULL, NULL},
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

static int extract(engine *e, const features_options *o, const char *path) {
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_image image = {0};
    diffcut_features *features = NULL;
    diffcut_buffer npy = {0};
    int result = EXIT_FAILED;
    const diffcut_decode_limits limits = settings_limits(&o->settings);
    if (photo_read(path, &limits, &image, NULL, &diagnostics) != DIFFCUT_OK) {
        result = engine_failed(&o->says, photo_name(path), diagnostics.message);
        goto cleanup;
    }
    if (diffcut_features_compute(e->session, &image, &o->settings.values, &features) != DIFFCUT_OK) {
        result = engine_failed(&o->says, photo_name(path), diffcut_session_message(e->session));
        goto cleanup;
    }
    const char *note = diffcut_session_note(e->session);
    if (note[0] != '\0' && !o->says.quiet) {
        console_error(&o->says, photo_name(path), note);
    }
    if (diffcut_encode_features_npy(features, &npy, &diagnostics) != DIFFCUT_OK ||
        photo_write_result(o->output, &npy, o->force, &diagnostics) != DIFFCUT_OK) {
        result = engine_failed(&o->says, NULL, diagnostics.message);
        goto cleanup;
    }
    if (o->says.verbose > 0) {
        console_say(&o->says, "%s: %u x %u tokens of %u channels", photo_name(path),
                    diffcut_features_height(features), diffcut_features_width(features),
                    diffcut_features_channels(features));
    }
    result = EXIT_DONE;
cleanup:
    diffcut_buffer_free(&npy);
    diffcut_features_free(features);
    diffcut_image_free(&image);
    return result;
}

static int run_features(const command *self, int argc, char **argv) {
    features_options options = {.output = NULL};
    engine e = {0};
    arguments photos = {0};
    const engine_target target = {&options, &options.settings};
    int status = engine_parse(self, argc, argv, target, &photos);
    if (status < 0 && photos.count != 1) {
        status = options_mistake(self, "%s", photos.count == 0 ? "no photo given" : "more than one photo given");
    }
    if (status < 0 && options.output == NULL) {
        status = options_mistake(self, "-o F.npy is needed (- for standard output)");
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
    "[OPTION]... PHOTO -o F.npy",
    "a photo's features as a .npy array",
    "Writes the features of a photo, float32 [height, width, channels], one vector a token. PHOTO may be - for "
    "standard input.",
    groups,
    run_features,
};

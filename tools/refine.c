/*
 * refine.c - diffcut refine PHOTO LABELS.png -o OUT.png: PAMR on any label map.
 */
#include <stddef.h>
#include <string.h>

#include "commands.h"
#include "engine.h"
#include "photo.h"

typedef struct refine_options {
    settings_options settings;
    console says;
    const char *output;
    bool force;
} refine_options;

#define AT(field) offsetof(refine_options, field)

static const option output_rows[] = {
    {'o', "output", "OUT.png", "where to write the label map, as .npy by that ending; - for a PNG on standard output",
     OPTION_STRING, AT(output), 0, 0, NULL, NULL},
    {'f', "force", NULL, "replace an existing file", OPTION_SET, AT(force), 0, 0, NULL, NULL},
    {0},
};

static const option_group groups[] = {
    {"Output", output_rows, 0},
    {"", settings_photo_rows, AT(settings)},
    {"Refinement", settings_refinement_rows, AT(settings)},
    {"Machine", settings_threads_rows, AT(settings)},
    {"Messages", console_options, AT(says)},
    {NULL, NULL, 0},
};

static int read_inputs(const refine_options *o, const arguments *files, diffcut_image *image,
                       diffcut_labels *labels) {
    diffcut_diagnostics diagnostics = {{0}};
    const diffcut_decode_limits limits = settings_limits(&o->settings);
    if (photo_read(files->items[0], &limits, image, NULL, &diagnostics) != DIFFCUT_OK) {
        return engine_failed(&o->says, photo_name(files->items[0]), diagnostics.message);
    }
    photo_bytes bytes = {0};
    const char *name = photo_name(files->items[1]);
    diffcut_status status = photo_read_bytes(files->items[1], &bytes, &diagnostics);
    if (status == DIFFCUT_OK) {
        status = diffcut_decode_labels(bytes.data, bytes.size, name, &limits, labels, &diagnostics);
    }
    photo_bytes_free(&bytes);
    return status == DIFFCUT_OK ? EXIT_DONE : engine_failed(&o->says, name, diagnostics.message);
}

static int refine(engine *e, const refine_options *o, const arguments *files) {
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_image image = {0};
    diffcut_labels labels = {0};
    diffcut_labels refined = {0};
    diffcut_buffer file = {0};
    int result = read_inputs(o, files, &image, &labels);
    if (result != EXIT_DONE) {
        goto cleanup;
    }
    if (diffcut_labels_refine(e->session, &image, &labels, &o->settings.values, &refined) != DIFFCUT_OK) {
        result = engine_failed(&o->says, photo_name(files->items[0]), diffcut_session_message(e->session));
    } else if (photo_encode_labels(o->output, &refined, &file, &diagnostics) != DIFFCUT_OK ||
               photo_write_result(o->output, &file, o->force, &diagnostics) != DIFFCUT_OK) {
        result = engine_failed(&o->says, NULL, diagnostics.message);
    }
cleanup:
    diffcut_buffer_free(&file);
    diffcut_labels_free(&refined);
    diffcut_labels_free(&labels);
    diffcut_image_free(&image);
    return result;
}

static int check_line(const command *self, const refine_options *o, const arguments *files) {
    if (files->count != 2) {
        return options_mistake(self, "a photo and a label map are needed");
    }
    if (o->output == NULL) {
        return options_mistake(self, "-o OUT.png is needed (- for standard output)");
    }
    if (strcmp(files->items[0], "-") == 0 && strcmp(files->items[1], "-") == 0) {
        return options_mistake(self, "standard input can be read only once");
    }
    return -1;
}

static int run_refine(const command *self, int argc, char **argv) {
    refine_options options = {.output = NULL};
    engine e = {0};
    arguments files = {0};
    const engine_target target = {&options, &options.settings};
    int status = engine_parse(self, argc, argv, target, &files);
    if (status < 0) {
        status = check_line(self, &options, &files);
    }
    if (status < 0) {
        status = engine_start(&e, &options.settings, NULL, &options.says);
    }
    if (status < 0) {
        status = refine(&e, &options, &files);
    }
    engine_close(&e);
    arguments_free(&files);
    return status;
}

const command command_refine = {
    "refine",
    "[OPTION]... PHOTO LABELS.png -o OUT.png",
    "any label map's borders moved to the photo's edges",
    "Refines a label map (palette or grey PNG, the stored index being the label) on its photo by pixel-adaptive mask "
    "refinement, then a median filter. The map may be of another size than the photo; the result has the photo's. "
    "One of the two may be - for standard input.",
    groups,
    run_refine,
};

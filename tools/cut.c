/*
 * cut.c - diffcut cut F.npy -o LABELS.png: recursive Normalized Cut of any model's features.
 */
#include <stddef.h>
#include <string.h>

#include "commands.h"
#include "engine.h"
#include "photo.h"

typedef struct cut_options {
    settings_options settings;
    console says;
    const char *output;
    const char *image;
    bool force;
} cut_options;

#define AT(field) offsetof(cut_options, field)

static const option output_rows[] = {
    {'o', "output", "LABELS.png",
     "where to write the label map, as .npy by that ending; - for a PNG on standard output. Several --tau put theirs "
     "before the ending: LABELS.tau0.3.png",
     OPTION_STRING, AT(output), 0, 0, NULL, NULL},
    {'i', "image", "PHOTO", "make the labels of this photo's size; else one label a token", OPTION_STRING, AT(image),
     0, 0, NULL, NULL},
    {'f', "force", NULL, "replace existing files", OPTION_SET, AT(force), 0, 0, NULL, NULL},
    {0},
};

static const option_group groups[] = {
    {"Output", output_rows, 0},
    {"", settings_photo_rows, AT(settings)},
    {"Cut", settings_cut_rows, AT(settings)},
    {"Machine", settings_threads_rows, AT(settings)},
    {"Messages", console_options, AT(says)},
    {NULL, NULL, 0},
};

/* "labels.png" with several taus: "labels.tau0.3.png". A dot in a folder's name is no ending. */
static void output_name(const cut_options *o, double tau, text *out) {
    if (o->settings.taus.count < 2) {
        text_add(out, o->output);
        return;
    }
    const char *slash = strrchr(o->output, '/');
    const char *dot = strrchr(slash != NULL ? slash : o->output, '.');
    const size_t length = dot != NULL ? (size_t)(dot - o->output) : strlen(o->output);
    text_add_bytes(out, o->output, length);
    text_add(out, ".tau");
    text_add_real(out, tau);
    text_add(out, o->output + length);
}

static diffcut_status write_labels(const cut_options *o, double tau, const diffcut_labels *labels,
                                   diffcut_diagnostics *diagnostics) {
    diffcut_buffer file = {0};
    diffcut_status status = photo_encode_labels(o->output, labels, &file, diagnostics);
    text path = {0};
    output_name(o, tau, &path);
    if (status == DIFFCUT_OK) {
        status = photo_write_result(text_string(&path), &file, o->force, diagnostics);
    }
    text_free(&path);
    diffcut_buffer_free(&file);
    return status;
}

/* The labels at one tau, on the grid or on the photo. */
static int one_tau(engine *e, const cut_options *o, diffcut_tree *tree, const diffcut_features *features,
                   const diffcut_image *image, double tau) {
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_labels tokens = {0};
    diffcut_labels labels = {0};
    int result = EXIT_DONE;
    diffcut_status status = diffcut_tree_cut(e->session, tree, tau, &tokens);
    if (status == DIFFCUT_OK && image->rgb != NULL) {
        status = diffcut_labels_assign(e->session, features, &tokens, image->width, image->height, &labels);
    }
    if (status != DIFFCUT_OK) {
        result = engine_failed(&o->says, NULL, diffcut_session_message(e->session));
    } else if (write_labels(o, tau, image->rgb != NULL ? &labels : &tokens, &diagnostics) != DIFFCUT_OK) {
        result = engine_failed(&o->says, NULL, diagnostics.message);
    }
    diffcut_labels_free(&labels);
    diffcut_labels_free(&tokens);
    return result;
}

static int read_inputs(const cut_options *o, const char *path, diffcut_features **features, diffcut_image *image) {
    diffcut_diagnostics diagnostics = {{0}};
    photo_bytes bytes = {0};
    diffcut_status status = photo_read_bytes(path, &bytes, &diagnostics);
    if (status == DIFFCUT_OK) {
        status = diffcut_decode_features_npy(bytes.data, bytes.size, photo_name(path), features, &diagnostics);
    }
    photo_bytes_free(&bytes);
    if (status != DIFFCUT_OK) {
        return engine_failed(&o->says, photo_name(path), diagnostics.message);
    }
    const diffcut_decode_limits limits = settings_limits(&o->settings);
    if (o->image != NULL && photo_read(o->image, &limits, image, NULL, &diagnostics) != DIFFCUT_OK) {
        return engine_failed(&o->says, photo_name(o->image), diagnostics.message);
    }
    return EXIT_DONE;
}

static int cut(engine *e, const cut_options *o, const char *path) {
    diffcut_features *features = NULL;
    diffcut_image image = {0};
    diffcut_tree *tree = NULL;
    int result = read_inputs(o, path, &features, &image);
    if (result != EXIT_DONE) {
        goto cleanup;
    }
    if (diffcut_tree_build(e->session, features, &o->settings.values, &tree) != DIFFCUT_OK) {
        result = engine_failed(&o->says, photo_name(path), diffcut_session_message(e->session));
        goto cleanup;
    }
    const char *note = diffcut_session_note(e->session);
    if (note[0] != '\0' && !o->says.quiet) {
        console_error(&o->says, photo_name(path), note);
    }
    for (size_t t = 0; t < o->settings.taus.count && result == EXIT_DONE; t++) {
        result = one_tau(e, o, tree, features, &image, o->settings.taus.values[t]);
    }
cleanup:
    diffcut_tree_free(tree);
    diffcut_image_free(&image);
    diffcut_features_free(features);
    return result;
}

static int check_line(const command *self, const cut_options *o, const arguments *files) {
    if (files->count != 1) {
        return options_mistake(self, "%s", files->count == 0 ? "no features given" : "more than one file given");
    }
    if (o->output == NULL) {
        return options_mistake(self, "-o LABELS.png is needed (- for standard output)");
    }
    if (o->image != NULL && strcmp(o->image, "-") == 0 && strcmp(files->items[0], "-") == 0) {
        return options_mistake(self, "standard input can be read only once");
    }
    if (strcmp(o->output, "-") == 0 && o->settings.taus.count > 1) {
        return options_mistake(self, "standard output takes one --tau");
    }
    return -1;
}

static int run_cut(const command *self, int argc, char **argv) {
    cut_options options = {.output = NULL};
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
        status = cut(&e, &options, files.items[0]);
    }
    engine_close(&e);
    arguments_free(&files);
    return status;
}

const command command_cut = {
    "cut",
    "[OPTION]... F.npy -o LABELS.png",
    "any model's features to a label map",
    "Segments a grid of features: a .npy of [height, width, channels], or of [tokens, channels] for a square grid, "
    "of float16, float32 or float64. F.npy may be - for standard input. As no model is opened, --alpha and --tau "
    "default to the paper's 10 and 0.5; 'diffcut model info' shows those of a model.",
    groups,
    run_cut,
};

/*
 * score.c - diffcut score PREDICTIONS/ LABELS/: any label maps against ground truth.
 *
 * Streamed: one photo in memory at a time. What cannot be scored is named, counted and makes the exit status 1.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "console.h"
#include "interrupt.h"
#include "listing.h"
#include "photo.h"
#include "score_print.h"
#include "values.h"

enum { MAX_VALUES = 4096 };

typedef struct score_values {
    uint32_t items[MAX_VALUES];
    uint32_t count;
} score_values;

typedef struct score_options {
    const char *protocol;
    diffcut_label_values label_values;
    int32_t ignore, background; /* -1: not given */
    uint32_t classes;
    score_values values;
    const char *label_ending;
    diffcut_score_settings settings;
    bool reference, json;
    console says;
} score_options;

#define AT(field) offsetof(score_options, field)

/* "0,255": which raw value is which class. */
static bool parse_values(const char *argument, void *target, text *error) {
    score_values *values = target;
    char item[64];
    values->count = 0;
    for (size_t i = 0; value_list_item(argument, i, item, sizeof item); i++) {
        uint64_t value = 0;
        if (!value_unsigned(item, &value)) {
            text_print(error, "'%s' is not a whole number", item);
            return false;
        }
        if (value > 65535) {
            text_print(error, "%s is outside 0 .. 65535", item);
            return false;
        }
        if (values->count == MAX_VALUES) {
            text_print(error, "more than %d values", MAX_VALUES);
            return false;
        }
        values->items[values->count++] = (uint32_t)value;
    }
    return true;
}

static const option protocol_rows[] = {
    {'p', "protocol", "NAME",
     "voc, context, coco-object, coco-stuff-27, cityscapes, ade20k or generic: the classes, and which label value "
     "is which",
     OPTION_STRING, AT(protocol), 0, 0, NULL, NULL},
    {0, "label-values", "FORM",
     "how the label files number the classes: dataset (default; as the benchmark's own files), from-zero (255 has "
     "no class), from-one (0 has no class, 255 is left out) or detail (Pascal-Context's 459 ids)",
     OPTION_CHOICE, AT(label_values), 0, 0, "dataset|from-zero|from-one|detail", NULL},
    {0, "classes", "N", "how many classes generic has: label values 0 .. N-1", OPTION_UNSIGNED, AT(classes), 1, 4096,
     NULL, NULL},
    {0, "values", "V[,V...]", "the label value of each of generic's classes", OPTION_CUSTOM, AT(values), 0, 0, NULL,
     parse_values},
    {0, "background", "V", "the label value of generic's background, to which segments go that match no other class",
     OPTION_SIGNED, AT(background), 0, 65535, NULL, NULL},
    {0, "ignore", "V", "a label value that is left out", OPTION_SIGNED, AT(ignore), 0, 65535, NULL, NULL},
    {0, "reference", NULL, "ties, left-over segments and mappings as in the published code", OPTION_SET,
     AT(reference), 0, 0, NULL, NULL},
    {0, "label-ending", "TEXT", "what follows a prediction's name in its label's; default .png", OPTION_STRING,
     AT(label_ending), 0, 0, NULL, NULL},
    {0},
};

static const option measure_rows[] = {
    {0, "full-resolution", NULL, "compare at the labels' size, not at the predictions'", OPTION_SET,
     AT(settings.full_resolution), 0, 0, NULL, NULL},
    {0, "boundary", NULL, "boundary IoU and boundary F too", OPTION_SET, AT(settings.boundary), 0, 0, NULL, NULL},
    {0, "replicates", "N", "resamplings behind the interval of mean IoU, 0 .. 100000; default 1000", OPTION_UNSIGNED,
     AT(settings.replicates), 0, 100000, NULL, NULL},
    {0, "json", NULL, "as one JSON object", OPTION_SET, AT(json), 0, 0, NULL, NULL},
    {0},
};

static const option_group groups[] = {
    {"Protocol", protocol_rows, 0},
    {"Figures", measure_rows, 0},
    {"Messages", console_options, AT(says)},
    {NULL, NULL, 0},
};

/* ------------------------------------------------------------------------------------------------- one photo */

typedef struct scoring {
    const score_options *options;
    diffcut_protocol *protocol;
    diffcut_score *score;
    score_tally tally;
    text label_path;
    uint64_t seen; /* predictions */
} scoring;

static void not_scored(scoring *s, const char *file, const char *reason) {
    console_error(&s->options->says, file, reason);
    score_tally_add(&s->tally, file, reason);
}

/* A label map from a file; what is wrong goes with the file's name. */
static bool read_labels(scoring *s, const char *path, diffcut_labels *out) {
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_buffer file = {0};
    diffcut_status status = diffcut_read_file(path, 0, &file, &diagnostics);
    if (status == DIFFCUT_OK) {
        status = diffcut_decode_labels(file.data, file.size, path, NULL, out, &diagnostics);
    }
    diffcut_buffer_free(&file);
    if (status != DIFFCUT_OK) {
        not_scored(s, path, diagnostics.message);
    }
    return status == DIFFCUT_OK;
}

static void tell_photo(const scoring *s, const diffcut_score_photo *photo) {
    if (s->options->says.verbose > 0) {
        console_say(&s->options->says,
                    "%s: mean IoU %.2f %%, accuracy %.2f %%, Rand %.2f %%, %" PRIu32 " segments, %" PRIu32
                    " left over",
                    photo->name, 100.0 * photo->miou, 100.0 * photo->pixel_accuracy, 100.0 * photo->ari,
                    photo->segments, photo->unassigned);
    }
}

/* What is wrong with the values of the labels is said of the labels' file; anything else of the prediction's. */
static void measure(scoring *s, const listing_item *item, const diffcut_labels *prediction,
                    const diffcut_labels *truth) {
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_score_photo photo = {0};
    const diffcut_score_input input = {.name = item->name, .prediction = prediction, .truth = truth};
    diffcut_status status = diffcut_score_measure(s->protocol, &s->options->settings, &input, &photo, &diagnostics);
    if (status == DIFFCUT_OK) {
        status = diffcut_score_add(s->score, &photo, &diagnostics);
    }
    if (status == DIFFCUT_OK) {
        tell_photo(s, &photo);
    } else {
        not_scored(s, status == DIFFCUT_ERROR_FORMAT ? text_string(&s->label_path) : item->path, diagnostics.message);
    }
    diffcut_score_photo_free(&photo);
}

static bool is_file(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

/* The picture that segment writes beside its label map: NAME.overlay.png where NAME.png is. */
static bool is_overlay(const char *path) {
    static const char ending[] = ".overlay.png";
    const size_t length = strlen(path), tail = sizeof ending - 1;
    if (length <= tail || strcmp(path + length - tail, ending) != 0) {
        return false;
    }
    text map = {0};
    text_add_bytes(&map, path, length - tail);
    text_add(&map, ".png");
    const bool found = is_file(text_string(&map));
    text_free(&map);
    return found;
}

static void score_photo(scoring *s, const listing_item *item, const char *labels) {
    diffcut_labels prediction = {0};
    diffcut_labels truth = {0};
    text_clear(&s->label_path);
    text_print(&s->label_path, "%s/%s%s", labels, item->name, s->options->label_ending);
    if (!is_file(text_string(&s->label_path))) {
        text reason = {0};
        text_print(&reason, "its label %s is missing", text_string(&s->label_path));
        not_scored(s, item->path, text_string(&reason));
        text_free(&reason);
    } else if (read_labels(s, item->path, &prediction) && read_labels(s, text_string(&s->label_path), &truth)) {
        measure(s, item, &prediction, &truth);
    }
    diffcut_labels_free(&truth);
    diffcut_labels_free(&prediction);
}

/* ------------------------------------------------------------------------------------------------- all photos */

static listing *open_listing(const char *const *folder, listing_settings *settings) {
    *settings = (listing_settings){.arguments = folder, .argument_count = 1};
    return listing_open(settings);
}

/* Without the last slashes, so that paths in messages have one. */
static bool take_folder(scoring *s, const char *argument, text *path) {
    struct stat info;
    size_t length = strlen(argument);
    while (length > 1 && argument[length - 1] == '/') {
        length--;
    }
    text_add_bytes(path, argument, length);
    if (stat(text_string(path), &info) != 0 || !S_ISDIR(info.st_mode)) {
        console_error(&s->options->says, argument, "no such folder");
        return false;
    }
    return true;
}

static int score_folder(scoring *s, const char *predictions, const char *labels) {
    listing_settings settings;
    listing_item item;
    listing_result result = LISTING_END;
    listing *list = open_listing(&predictions, &settings);
    if (list == NULL) {
        console_error(&s->options->says, NULL, "no memory");
        return EXIT_FAILED;
    }
    while (!interrupt_requested() && (result = listing_next(list, &item)) != LISTING_END) {
        if (result == LISTING_ERROR) {
            s->seen++;
            not_scored(s, item.path, item.error);
        } else if (!is_overlay(item.path)) {
            s->seen++;
            score_photo(s, &item, labels);
        }
    }
    listing_close(list);
    if (interrupt_requested()) {
        return interrupt_exit_code();
    }
    if (s->seen == 0) {
        console_error(&s->options->says, predictions, "the folder holds no label map");
        return EXIT_FAILED;
    }
    return EXIT_DONE;
}

/* Label files of photos that were not predicted: told as a number, as scoring a part is a common wish. */
static void count_unpredicted(scoring *s, const char *predictions, const char *labels) {
    listing_settings settings;
    listing_item item;
    listing *list = open_listing(&labels, &settings);
    const char *ending = s->options->label_ending;
    const size_t tail = strlen(ending);
    text path = {0};
    listing_result result;
    while (list != NULL && !interrupt_requested() && (result = listing_next(list, &item)) != LISTING_END) {
        const char *relative = result == LISTING_PHOTO ? item.path + strlen(labels) + 1 : "";
        const size_t length = strlen(relative);
        if (length <= tail || strcmp(relative + length - tail, ending) != 0) {
            continue;
        }
        text_clear(&path);
        text_print(&path, "%s/%.*s.png", predictions, (int)(length - tail), relative);
        s->tally.unpredicted += !is_file(text_string(&path));
    }
    text_free(&path);
    listing_close(list);
}

static int print_report(scoring *s) {
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_score_report report = {0};
    if (diffcut_score_report_make(s->score, &report, &diagnostics) != DIFFCUT_OK) {
        console_error(&s->options->says, NULL, diagnostics.message);
        return EXIT_FAILED;
    }
    if (s->options->json) {
        score_print_json(s->protocol, &s->options->settings, &report, &s->tally);
    } else {
        score_print_text(s->protocol, &report, &s->tally);
    }
    diffcut_score_report_free(&report);
    return s->tally.failed == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int score_all(scoring *s, const arguments *folders) {
    text predictions = {0};
    text labels = {0};
    int status = EXIT_FAILED;
    if (take_folder(s, folders->items[0], &predictions) && take_folder(s, folders->items[1], &labels)) {
        status = score_folder(s, text_string(&predictions), text_string(&labels));
    }
    if (status == EXIT_DONE) {
        count_unpredicted(s, text_string(&predictions), text_string(&labels));
        status = interrupt_requested() ? interrupt_exit_code() : print_report(s);
    }
    text_free(&labels);
    text_free(&predictions);
    return status;
}

/* ------------------------------------------------------------------------------------------------- the line */

static int open_protocol(const command *self, score_options *o, diffcut_protocol **out) {
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_protocol_settings settings;
    diffcut_protocol_settings_init(&settings);
    if (o->classes != 0 && o->values.count != 0 && o->classes != o->values.count) {
        return options_mistake(self, "--classes is %" PRIu32 ", --values has %" PRIu32, o->classes, o->values.count);
    }
    if (strcmp(o->protocol, "generic") == 0 && o->classes == 0 && o->values.count == 0) {
        return options_mistake(self, "--protocol generic needs --classes N or --values V,V,...");
    }
    settings.reference = o->reference;
    settings.label_values = o->label_values;
    settings.ignore = o->ignore;
    settings.background = o->background;
    settings.classes = o->values.count != 0 ? o->values.count : o->classes;
    settings.values = o->values.count != 0 ? o->values.items : NULL;
    const diffcut_status status = diffcut_protocol_open(o->protocol, &settings, out, &diagnostics);
    if (status == DIFFCUT_ERROR_ARGUMENT) {
        return options_mistake(self, "%s", diagnostics.message);
    }
    if (status != DIFFCUT_OK) {
        console_error(&o->says, NULL, diagnostics.message);
        return EXIT_FAILED;
    }
    return -1;
}

static int check_line(const command *self, score_options *o, const arguments *folders, diffcut_protocol **protocol) {
    if (folders->count != 2) {
        return options_mistake(self, "a folder of predictions and a folder of labels are needed");
    }
    if (o->protocol == NULL) {
        return options_mistake(self, "--protocol NAME is needed");
    }
    return open_protocol(self, o, protocol);
}

static int run_score(const command *self, int argc, char **argv) {
    score_options options = {.ignore = -1, .background = -1, .label_ending = ".png"};
    diffcut_score_settings_init(&options.settings);
    arguments folders = {0};
    scoring s = {.options = &options};
    int status = EXIT_USAGE;
    const options_result parsed = options_parse(self, argc, argv, &options, &folders);
    if (parsed == OPTIONS_PARSED) {
        status = check_line(self, &options, &folders, &s.protocol);
    } else if (parsed == OPTIONS_HELPED) {
        status = EXIT_DONE;
    }
    if (status < 0) {
        diffcut_diagnostics diagnostics = {{0}};
        if (diffcut_score_create(s.protocol, &options.settings, &s.score, &diagnostics) != DIFFCUT_OK) {
            console_error(&options.says, NULL, diagnostics.message);
            status = EXIT_FAILED;
        } else {
            status = score_all(&s, &folders);
        }
    }
    diffcut_score_free(s.score);
    diffcut_protocol_free(s.protocol);
    text_free(&s.tally.failures);
    text_free(&s.label_path);
    arguments_free(&folders);
    return status;
}

const command command_score = {
    "score",
    "[OPTION]... --protocol NAME PREDICTIONS LABELS",
    "label maps against ground truth",
    "Compares the label maps in the folder PREDICTIONS, made by anything, with the ground truth in the folder "
    "LABELS: "
    "palette or grey PNG of 1 to 16 bits, the stored index being the label, matched by name. Nothing is cropped; "
    "labels are brought to the prediction's size where the two differ. Each photo's segments are matched to classes "
    "so that most pixels agree. What cannot be scored is named and counted, and the exit status is then 1. "
    "NAME.overlay.png beside NAME.png, as segment writes it, is passed over.",
    groups,
    run_score,
};

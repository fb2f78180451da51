/*
 * segment.c - diffcut segment PHOTO...: photos, folders and lists in, label maps and pictures out.
 *
 * Results go to one folder of their own (default diffcut-out), never beside the photos: there a second run would take
 * the label maps for photos. One photo that fails is reported and the rest go on.
 */
#include "segment.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "interrupt.h"

#define AT(field) offsetof(segment_options, field)

const option segment_input_rows[] = {
    {0, "files-from", "FILE", "also the photos and folders named in FILE, one a line; - for standard input",
     OPTION_STRING, AT(files_from), 0, 0, NULL, NULL},
    {'0', "null", NULL, "the names of --files-from end with NUL instead", OPTION_SET, AT(nul_separated), 0, 0, NULL,
     NULL},
    {0},
};

const option segment_output_rows[] = {
    {'o', "output", "DIR", "folder of the results, made if missing; default diffcut-out", OPTION_STRING, AT(folder),
     0, 0, NULL, NULL},
    {0, "outputs", "LIST", "which results: labels, overlay, json, coco, npy, features; default labels,overlay,json",
     OPTION_CUSTOM, AT(kinds), 0, 0, NULL, output_parse_kinds},
    {0, "coco", NULL, "also COCO RLE: NAME.coco.json", OPTION_SET, AT(coco), 0, 0, NULL, NULL},
    {0, "npy", NULL, "also the labels as NAME.npy", OPTION_SET, AT(npy), 0, 0, NULL, NULL},
    {0, "features-npy", NULL, "also the features as NAME.features.npy", OPTION_SET, AT(features_npy), 0, 0, NULL,
     NULL},
    {0, "opacity", "X", "0 .. 1: of the colours over the photo; default 0.5", OPTION_FRACTION, AT(overlay.opacity), 0,
     1, NULL, NULL},
    {0, "no-boundaries", NULL, "no lines between segments in the overlay", OPTION_CLEAR, AT(overlay.boundaries), 0, 0,
     NULL, NULL},
    {0, "full-names", NULL, "keep extensions in names: rose.jpg.png", OPTION_SET, AT(full_names), 0, 0, NULL, NULL},
    {'f', "force", NULL, "replace results that exist; else they are kept and a photo that has all is skipped",
     OPTION_SET, AT(force), 0, 0, NULL, NULL},
    {0, "dump", "DIR", "every stage as DIR/NAME/STAGE.npy", OPTION_STRING, AT(dump), 0, 0, NULL, NULL},
    {0, "json", NULL, "one line of JSON a photo on standard output", OPTION_SET, AT(json), 0, 0, NULL, NULL},
    {0},
};

const option segment_batch_rows[] = {
    {0, "batch", "N", "1 .. 64: photos that go through the network together; default 1", OPTION_UNSIGNED, AT(batch),
     1, DIFFCUT_MAX_BATCH, NULL, NULL},
    {0},
};

static const option_group groups[] = {
    {"Input", segment_input_rows, 0},
    {"", settings_photo_rows, AT(settings)},
    {"Output", segment_output_rows, 0},
    {"Cut", settings_cut_rows, AT(settings)},
    {"Network input", settings_size_rows, AT(settings)},
    {"Features", settings_features_rows, AT(settings)},
    {"", settings_text_rows, AT(settings)},
    {"Refinement", settings_switch_rows, AT(settings)},
    {"", settings_refinement_rows, AT(settings)},
    {"Model", settings_model_rows, AT(settings)},
    {"", settings_opening_rows, AT(settings)},
    {"", settings_threads_rows, AT(settings)},
    {"", segment_batch_rows, 0},
    {"Messages", console_options, AT(says)},
    {NULL, NULL, 0},
};

static int on_progress(void *user, diffcut_stage stage, double fraction) {
    segment_run *run = user;
    (void)pthread_mutex_lock(&run->screen);
    progress_stage(&run->bar, stage, fraction);
    (void)pthread_mutex_unlock(&run->screen);
    return interrupt_requested() || run->dump.failed || atomic_load(&run->stop) ? 1 : 0;
}

static listing_settings list_of(const segment_run *run, const arguments *photos) {
    return (listing_settings){photos->items,           photos->count,
                              run->options.files_from, run->options.nul_separated,
                              run->options.full_names, run->options.folder};
}

/* Puts the bar up. The photos are counted first, which walks the folders once more; a list from a pipe cannot be. */
static void start_bar(segment_run *run, const listing_settings *list) {
    if (run->options.says.quiet || !progress_possible()) {
        return;
    }
    const bool countable = list->files_from == NULL || strcmp(list->files_from, "-") != 0;
    progress_start(&run->bar, countable ? listing_count(list, interrupt_requested) : 0);
    run->options.says.bar = &run->bar;
}

static void closing_line(const segment_run *run, double seconds) {
    const console *says = &run->options.says;
    const uint64_t all = run->segmented + run->skipped + run->failed;
    if (says->verbose > 0 || (progress_possible() && !says->quiet)) {
        text line = {0};
        text_print(&line, "%llu photo%s in %.2f s", (unsigned long long)all, all == 1 ? "" : "s", seconds);
        text_print(&line, ": %llu segmented", (unsigned long long)run->segmented);
        if (run->skipped > 0) {
            text_print(&line, ", %llu skipped (--force replaces)", (unsigned long long)run->skipped);
        }
        if (run->failed > 0) {
            text_print(&line, ", %llu failed", (unsigned long long)run->failed);
        }
        console_say(says, "%s -> %s", text_string(&line), run->options.folder);
        text_free(&line);
    }
    if (run->failed > 0 && all > 1) {
        text line = {0};
        text_print(&line, "%llu of %llu photos failed", (unsigned long long)run->failed, (unsigned long long)all);
        console_error(says, NULL, text_string(&line));
        text_free(&line);
    }
}

/* One photo, named by itself: nothing to read ahead. */
static bool is_one(const listing_settings *list) {
    struct stat info;
    return list->files_from == NULL && list->argument_count == 1 &&
           (stat(list->arguments[0], &info) != 0 || !S_ISDIR(info.st_mode));
}

/* The whole list; returns the exit status. */
static int run_list(segment_run *run, const listing_settings *list) {
    const double started = progress_clock();
    start_bar(run, list);
    const bool whole = segment_all(run, list, !is_one(list));
    progress_erase(&run->bar);
    if (interrupt_requested()) {
        text line = {0};
        text_print(&line, "interrupted after %llu photos; run again to go on",
                   (unsigned long long)(run->segmented + run->skipped));
        console_error(&run->options.says, NULL, text_string(&line));
        text_free(&line);
        return interrupt_exit_code();
    }
    if (!whole) {
        console_error(&run->options.says, NULL, "out of memory");
        return EXIT_FAILED;
    }
    if (run->segmented + run->skipped + run->failed == 0) {
        console_error(&run->options.says, NULL, "no photos found (.jpg, .jpeg, .jpe, .jfif, .png or .webp)");
        return EXIT_FAILED;
    }
    closing_line(run, progress_clock() - started);
    return run->failed > 0 || !run->stdout_works ? EXIT_FAILED : EXIT_DONE;
}

/* After the line is read: what the options come to, the output folder, the session. */
static int start(segment_run *run) {
    segment_options *o = &run->options;
    unsigned kinds = o->kinds;
    kinds |= o->coco ? 1u << OUTPUT_COCO : 0;
    kinds |= o->npy ? 1u << OUTPUT_NPY : 0;
    kinds |= o->features_npy ? 1u << OUTPUT_FEATURES : 0;
    run->outputs = (output_settings){o->folder, kinds, o->force, &o->settings.taus};
    run->dump.folder = o->dump;
    diffcut_diagnostics diagnostics;
    if (!output_make_folder(o->folder, &diagnostics) ||
        (o->dump != NULL && !output_make_folder(o->dump, &diagnostics))) {
        console_error(&o->says, NULL, diagnostics.message);
        return EXIT_FAILED;
    }
    if (output_is_hopeless(&run->outputs, 1)) {
        console_error(&o->says, o->folder, "cannot write to this folder");
        return EXIT_FAILED;
    }
    diffcut_session_settings callbacks;
    diffcut_session_settings_init(&callbacks);
    callbacks.progress = on_progress;
    callbacks.progress_user = run;
    callbacks.dump = o->dump != NULL ? dump_stage : NULL;
    callbacks.dump_user = &run->dump;
    return engine_start(&run->engine, &o->settings, &callbacks, &o->says);
}

static int check_line(const command *self, const segment_options *o, const arguments *photos) {
    size_t standard_inputs = o->files_from != NULL && strcmp(o->files_from, "-") == 0 ? 1 : 0;
    for (size_t i = 0; i < photos->count; i++) {
        standard_inputs += strcmp(photos->items[i], "-") == 0 ? 1 : 0;
    }
    if (photos->count == 0 && o->files_from == NULL) {
        return options_mistake(self, "no photo given");
    }
    if (standard_inputs > 1) {
        return options_mistake(self, "standard input can be read only once");
    }
    if (o->nul_separated && o->files_from == NULL) {
        return options_mistake(self, "--null needs --files-from");
    }
    if (strcmp(o->folder, "-") == 0) {
        return options_mistake(self, "-o is a folder; for standard output use features, cut and refine");
    }
    return -1;
}

static int check_naming(const command *self, const segment_options *o) {
    if (o->coco || (o->kinds & 1u << OUTPUT_COCO) != 0) {
        return options_mistake(self, "COCO JSON has no place for these names; NAME.json has them");
    }
    return naming_check_line(self, &o->naming);
}

/* The names' CLIP and list. */
static int start_naming(segment_run *run) {
    const segment_options *o = &run->options;
    const int status = naming_open(&run->naming, &o->naming, NULL, &o->settings, &o->says);
    if (status >= 0) {
        return status;
    }
    run->names = naming_names(&run->naming, &run->name_count);
    return run->names != NULL ? -1 : engine_failed(&o->says, NULL, "out of memory");
}

int segment_main(const command *self, int argc, char **argv, bool named) {
    segment_run run = {.options = {.folder = "diffcut-out",
                                   .kinds = 1u << OUTPUT_LABELS | 1u << OUTPUT_OVERLAY | 1u << OUTPUT_SUMMARY,
                                   .batch = 1},
                       .stdout_works = true};
    (void)pthread_mutex_init(&run.screen, NULL);
    diffcut_overlay_settings_init(&run.options.overlay);
    arguments photos = {0};
    const engine_target target = {&run.options, &run.options.settings};
    int status = engine_parse(self, argc, argv, target, &photos);
    if (status < 0) {
        status = check_line(self, &run.options, &photos);
    }
    if (status < 0 && named) {
        status = check_naming(self, &run.options);
    }
    if (status < 0) {
        status = engine_open(&run.engine, self, argc, argv, target, &run.options.says);
    }
    if (status < 0) {
        status = start(&run);
    }
    if (status < 0 && named) {
        status = start_naming(&run);
    }
    if (status < 0) {
        const listing_settings list = list_of(&run, &photos);
        status = run_list(&run, &list);
    }
    free(run.names);
    naming_close(&run.naming);
    engine_close(&run.engine);
    output_claims_free(&run.claims);
    dump_free(&run.dump);
    (void)pthread_mutex_destroy(&run.screen);
    arguments_free(&photos);
    return status;
}

static int run_segment(const command *self, int argc, char **argv) {
    return segment_main(self, argc, argv, false);
}

const command command_segment = {
    "segment",
    "[OPTION]... PHOTO...",
    "photos to label maps and pictures (the default command)",
    "Splits photos into their meaningful regions. PHOTO is a JPEG, PNG or WebP file, a folder (walked to the bottom) "
    "or - for standard input. For rose.jpg the results are DIR/rose.png (label map), DIR/rose.overlay.png and "
    "DIR/rose.json (summary); with several --tau, DIR/rose.tau0.3.png and so on. Photos of a folder keep their "
    "folders "
    "below it.",
    groups,
    run_segment,
};

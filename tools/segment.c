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
#include "segment_record.h"
#include "values.h"

#define AT(field) offsetof(segment_options, field)
#define DEFAULT_SHARD_BYTES ((uint64_t)1000000000)
#define DEFAULT_SHARD_PHOTOS 10000

static bool parse_share(const char *argument, void *target, text *error) {
    feed_share share = {0, 0};
    char part[32];
    const char *slash = strchr(argument, '/');
    uint64_t index = 0;
    uint64_t count = 0;
    const size_t length = slash != NULL ? (size_t)(slash - argument) : 0;
    if (slash == NULL || length >= sizeof part) {
        text_print(error, "'%s' is not I/N, such as 3/10", argument);
        return false;
    }
    memcpy(part, argument, length);
    part[length] = '\0';
    if (!value_unsigned(part, &index) || !value_unsigned(slash + 1, &count) || index < 1 || index > count ||
        count > 1000000) {
        text_print(error, "'%s' is not I/N with 1 <= I <= N <= 1000000", argument);
        return false;
    }
    share = (feed_share){(uint32_t)index, (uint32_t)count};
    memcpy(target, &share, sizeof share);
    return true;
}

static bool parse_pattern(const char *argument, void *target, text *error) {
    memcpy(target, &argument, sizeof argument);
    return shards_check_pattern(argument, error);
}

const option segment_input_rows[] = {
    {0, "files-from", "FILE",
     "also the photos and folders named in FILE, one a line (LF or CR LF); - for standard input", OPTION_STRING,
     AT(files_from), 0, 0, NULL, NULL},
    {'0', "null", NULL, "the names of --files-from end with NUL instead", OPTION_SET, AT(nul_separated), 0, 0, NULL,
     NULL},
    {0, "in-shards", NULL, "every file named is a tar archive of photos, - too; else those that end in .tar",
     OPTION_SET, AT(archives), 0, 0, NULL, NULL},
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

static const option manifest_rows[] = {
    {'r', "resume", NULL,
     "record each photo in DIR/manifest.jsonl, and do what is missing or changed since: photo, settings, model, "
     "results. What the record does not know is made again, whatever exists",
     OPTION_SET, AT(resume), 0, 0, NULL, NULL},
    {0, "manifest", "FILE", "the record elsewhere; implies --resume", OPTION_STRING, AT(manifest), 0, 0, NULL, NULL},
    {0, "retry-failed", NULL,
     "with --resume: also photos that failed before, crashed the process or had it killed; else they are only "
     "reported",
     OPTION_SET, AT(retry_failed), 0, 0, NULL, NULL},
    {0, "checksum", NULL, "with --resume: know photos and results by what is in them, not by size and time",
     OPTION_SET, AT(checksum), 0, 0, NULL, NULL},
    {0, "shard", "I/N",
     "1 <= I <= N: one of N processes at this list, each of which does the photos whose names' hash is its own",
     OPTION_CUSTOM, AT(share), 0, 0, NULL, parse_share},
    {0, "out-shards", "PATTERN",
     "results into WebDataset tar shards DIR/PATTERN, out-%06d.tar; label map and summary unless --outputs says "
     "else. Implies --resume",
     OPTION_CUSTOM, AT(shard_pattern), 0, 0, NULL, parse_pattern},
    {0, "shard-size", "BYTES", "a shard ends before it is larger; default 1000000000", OPTION_LARGE, AT(shard_bytes),
     1, 0, NULL, NULL},
    {0, "shard-count", "N", "or when it has so many photos; default 10000", OPTION_LARGE, AT(shard_photos), 1, 0,
     NULL, NULL},
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
    {"Batches", manifest_rows, 0},
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
    return (listing_settings){
        photos->items,           photos->count,       run->options.files_from, run->options.nul_separated,
        run->options.full_names, run->options.folder, run->options.archives};
}

/* Puts the bar up. The photos are counted first, which walks the folders once more; a list from a pipe cannot be. */
static void start_bar(segment_run *run, const listing_settings *list) {
    if (run->options.says.quiet || !progress_possible() || run->team != NULL) {
        return;
    }
    const bool piped = list->files_from != NULL && strcmp(list->files_from, "-") == 0;
    const bool countable = !piped && !list->archives && run->options.share.count <= 1;
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
            text_print(&line, ", %llu skipped (%s)", (unsigned long long)run->skipped,
                       run->options.resume ? "done before" : "--force replaces");
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
    const char *first = list->argument_count == 1 ? list->arguments[0] : "";
    const size_t length = strlen(first);
    const bool is_archive = list->archives || (length > 4 && strcmp(first + length - 4, ".tar") == 0);
    return list->files_from == NULL && list->argument_count == 1 && !is_archive &&
           (stat(first, &info) != 0 || !S_ISDIR(info.st_mode));
}

/* The team's counts together, in its leader. */
static void add_up(segment_run *run) {
    uint64_t counts[] = {run->segmented, run->skipped, run->failed};
    run->team->sum(run->team->user, counts, sizeof counts / sizeof *counts);
    run->segmented = counts[0];
    run->skipped = counts[1];
    run->failed = counts[2];
}

static int interrupted(const segment_run *run) {
    text line = {0};
    text_print(&line, "interrupted after %llu photos; run again to go on",
               (unsigned long long)(run->segmented + run->skipped));
    console_error(&run->options.says, NULL, text_string(&line));
    text_free(&line);
    return interrupt_exit_code();
}

/* Of a team only the leader speaks for all; what the others could not do is missing in the sum. */
static bool is_complete(const segment_run *run) {
    const uint64_t all = run->segmented + run->skipped + run->failed;
    const uint64_t dealt = run->team != NULL ? run->team->dealt(run->team->user) : 0;
    if (dealt <= all) {
        return true;
    }
    text line = {0};
    text_print(&line, "%llu photos were left out; run again to go on", (unsigned long long)(dealt - all));
    console_error(&run->options.says, NULL, text_string(&line));
    text_free(&line);
    return false;
}

/* After all is done, or as much as could be: what is to be said of it, and the exit status. */
static int conclude(segment_run *run, double started, bool whole, bool recorded) {
    if (interrupt_requested()) {
        return interrupted(run);
    }
    if (!whole) {
        console_error(&run->options.says, NULL, "out of memory");
    }
    if (run->team != NULL) {
        add_up(run);
    }
    if (!whole || (run->team != NULL && run->team->rank > 0)) {
        return whole && recorded ? EXIT_DONE : EXIT_FAILED;
    }
    if (run->segmented + run->skipped + run->failed == 0 && run->options.share.count <= 1) {
        console_error(&run->options.says, NULL, "no photos found (.jpg, .jpeg, .jpe, .jfif, .png or .webp)");
        return EXIT_FAILED;
    }
    closing_line(run, progress_clock() - started);
    return !is_complete(run) || run->failed > 0 || !run->stdout_works || !recorded ? EXIT_FAILED : EXIT_DONE;
}

/* The whole list; returns the exit status. */
int segment_list(segment_run *run, const listing_settings *list) {
    const double started = progress_clock();
    start_bar(run, list);
    run->several = !is_one(list);
    const bool whole = segment_all(run, list);
    progress_erase(&run->bar);
    return conclude(run, started, whole, record_close(run));
}

/* After the line is read: what the options come to, the output folder, the session. */
static int start(segment_run *run) {
    segment_options *o = &run->options;
    unsigned kinds = o->kinds;
    if (kinds == 0) {
        kinds = 1u << OUTPUT_LABELS | 1u << OUTPUT_SUMMARY;
        kinds |= o->shard_pattern == NULL ? 1u << OUTPUT_OVERLAY : 0;
    }
    kinds |= o->coco ? 1u << OUTPUT_COCO : 0;
    kinds |= o->npy ? 1u << OUTPUT_NPY : 0;
    kinds |= o->features_npy ? 1u << OUTPUT_FEATURES : 0;
    /* A manifest knows which of the results that exist count; those that do not are replaced. */
    run->outputs =
        (output_settings){o->folder, kinds, o->force || o->resume, &o->settings.taus, o->shard_pattern != NULL};
    table_open(&run->claims, o->folder);
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

/* Options that need others, or do not go with them. */
static int check_batch(const command *self, const segment_options *o) {
    if ((o->retry_failed || o->checksum) && !o->resume) {
        return options_mistake(self, "%s needs --resume", o->retry_failed ? "--retry-failed" : "--checksum");
    }
    if ((o->shard_bytes > 0 || o->shard_photos > 0) && o->shard_pattern == NULL) {
        return options_mistake(self, "--shard-%s needs --out-shards", o->shard_bytes > 0 ? "size" : "count");
    }
    if (o->shard_pattern != NULL && o->force) {
        return options_mistake(self, "--force does not go with --out-shards; to start over, name another folder");
    }
    return -1;
}

static int check_line(const command *self, const segment_options *o, const arguments *photos, const team *crew) {
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
    if (crew != NULL && (o->json || o->share.count > 0 || standard_inputs > (o->files_from != NULL ? 1 : 0))) {
        return options_mistake(self,
                               "photos from standard input, --json and --shard do not go with several processes");
    }
    if (strcmp(o->folder, "-") == 0) {
        return options_mistake(self, "-o is a folder; for standard output use features, cut and refine");
    }
    return check_batch(self, o);
}

/* What an option says of others. */
static void imply(segment_options *o) {
    o->resume = o->resume || o->manifest != NULL || o->shard_pattern != NULL;
}

static void use_defaults(segment_options *o, const team *crew) {
    o->resume = o->resume || crew != NULL;
    o->shard_bytes = o->shard_bytes > 0 ? o->shard_bytes : DEFAULT_SHARD_BYTES;
    o->shard_photos = o->shard_photos > 0 ? o->shard_photos : DEFAULT_SHARD_PHOTOS;
    o->share = o->share.count > 0 ? o->share : (feed_share){1, 1};
    if (crew != NULL && o->settings.threads == 0) {
        o->settings.threads = crew->threads;
    }
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

static int open_and_run(segment_run *run, const command *self, int argc, char **argv, const arguments *photos,
                        bool named) {
    const engine_target target = {&run->options, &run->options.settings};
    int status = engine_open(&run->engine, self, argc, argv, target, &run->options.says);
    if (status < 0) {
        imply(&run->options);
        use_defaults(&run->options, run->team);
        status = start(run);
    }
    if (status < 0 && named) {
        status = start_naming(run);
    }
    const listing_settings list = list_of(run, photos);
    if (run->team != NULL) {
        return segment_in_team(run, &list, status);
    }
    if (status < 0) {
        status = record_open(run);
    }
    return status < 0 ? segment_list(run, &list) : status;
}

int segment_main(const command *self, int argc, char **argv, const team *crew, bool named) {
    segment_run run = {.options = {.folder = "diffcut-out", .batch = 1}, .team = crew, .stdout_works = true};
    (void)pthread_mutex_init(&run.screen, NULL);
    table_open(&run.claims, NULL);
    diffcut_overlay_settings_init(&run.options.overlay);
    arguments photos = {0};
    const engine_target target = {&run.options, &run.options.settings};
    int status = engine_parse(self, argc, argv, target, &photos);
    if (status < 0) {
        imply(&run.options);
        status = check_line(self, &run.options, &photos, crew);
    }
    if (status < 0 && named) {
        status = check_naming(self, &run.options);
    }
    if (status < 0) {
        status = open_and_run(&run, self, argc, argv, &photos, named);
    }
    (void)record_close(&run);
    free(run.names);
    naming_close(&run.naming);
    engine_close(&run.engine);
    table_close(&run.claims);
    dump_free(&run.dump);
    (void)pthread_mutex_destroy(&run.screen);
    arguments_free(&photos);
    return status;
}

static int run_segment(const command *self, int argc, char **argv) {
    return segment_main(self, argc, argv, NULL, false);
}

const command command_segment = {
    "segment",
    "[OPTION]... PHOTO...",
    "photos to label maps and pictures (the default command)",
    "Splits photos into their meaningful regions. PHOTO is a JPEG, PNG or WebP file, a folder (walked to the "
    "bottom), "
    "a tar archive of photos or - for standard input. For rose.jpg the results are DIR/rose.png (label map), "
    "DIR/rose.overlay.png and "
    "DIR/rose.json (summary); with several --tau, DIR/rose.tau0.3.png and so on. Photos of a folder keep their "
    "folders below it.",
    groups,
    run_segment,
};

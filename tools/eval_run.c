/*
 * eval_run.c - an evaluation's photos, one after the other, into its journal. See eval.h.
 *
 * A photo that fails is written down with its reason and tried again by the next run; what is scored is never done
 * twice. Memory holds one photo at a time, whatever their number.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache_folder.h"
#include "eval.h"
#include "interrupt.h"
#include "output.h"

#define ITERATIONS 10 /* of the refinement in the paper's evaluation, at 128 x 128 */
#define MEDIAN 3

/* In its open-vocabulary evaluation, at the input's size. */
#define NAMED_ITERATIONS 15
static const uint32_t named_dilations[] = {1, 2, 4, 8, 12, 24, 32, 64};

/* ------------------------------------------------------------------------------------------------- opening */

static int fail(const eval_run *run, const char *subject, const diffcut_diagnostics *diagnostics) {
    return engine_failed(&run->options.says, subject, diagnostics->message);
}

static int open_set(eval_run *run) {
    const eval_options *o = &run->options;
    diffcut_diagnostics diagnostics;
    diffcut_dataset_settings settings;
    diffcut_dataset_settings_init(&settings);
    settings.split = o->split;
    settings.list = o->list_file;
    settings.images = o->images;
    settings.labels = o->labels;
    return diffcut_dataset_open(o->set, o->data, &settings, &run->dataset, &diagnostics) == DIFFCUT_OK
               ? -1
               : fail(run, NULL, &diagnostics);
}

/* A cache that was asked for must be usable; the usual place may not be, which only costs time. */
static int open_cache(eval_run *run) {
    const eval_options *o = &run->options;
    diffcut_diagnostics diagnostics;
    text folder = {0};
    int status = -1;
    if (!o->no_cache && cache_folder(o->cache, "features", &folder) &&
        diffcut_cache_open(text_string(&folder), (uint64_t)o->cache_mib << 20, &run->cache, &diagnostics) !=
            DIFFCUT_OK) {
        if (o->cache != NULL) {
            status = fail(run, NULL, &diagnostics);
        } else if (!o->says.quiet) {
            console_say(&o->says, "features are not kept: %s", diagnostics.message);
        }
    }
    text_free(&folder);
    return status;
}

/* What a photo's features depend on besides the model and the settings: the crop, and a context from a file. */
static int describe_preparation(eval_run *run) {
    const char *context = run->options.settings.opening.context;
    diffcut_diagnostics diagnostics;
    text_add(&run->preparation_words, "centre square of side min(width, height) - 1");
    if (context == NULL) {
        return -1;
    }
    diffcut_buffer file = {0};
    diffcut_cache_key key;
    if (diffcut_read_file(context, 0, &file, &diagnostics) != DIFFCUT_OK ||
        diffcut_cache_key_make("context", &run->options.settings.values, file.data, file.size, NULL, &key,
                               &diagnostics) != DIFFCUT_OK) {
        diffcut_buffer_free(&file);
        return fail(run, NULL, &diagnostics);
    }
    diffcut_buffer_free(&file);
    text_add(&run->preparation_words, "; context ");
    for (size_t i = 0; i < sizeof key.bytes; i++) {
        text_print(&run->preparation_words, "%02x", key.bytes[i]);
    }
    return -1;
}

static int fill_bench(eval_run *run) {
    const eval_options *o = &run->options;
    diffcut_diagnostics diagnostics;
    diffcut_model_info info;
    diffcut_model_get_info(run->engine.model, &info);
    eval_bench *b = &run->bench;
    *b = (eval_bench){.session = run->engine.session,
                      .protocol = run->protocol,
                      .plan = &run->plan,
                      .settings = o->settings.values,
                      .limits = settings_limits(&o->settings),
                      .reference = o->settings.values.reference,
                      .cache = run->cache,
                      .fingerprint = run->fingerprint,
                      .preparation_words = text_string(&run->preparation_words),
                      .predictions = o->predictions};
    b->settings.size_mode = DIFFCUT_SIZE_SQUARE;
    b->settings.size = o->size > 0 ? o->size : info.size;
    b->settings.resample = DIFFCUT_RESAMPLE_BILINEAR;
    b->settings.iterations = ITERATIONS;
    b->settings.median = MEDIAN;
    diffcut_eval_settings_init(&b->preparation);
    b->preparation.input_size = b->settings.size;
    diffcut_score_settings_init(&b->score);
    b->score.full_resolution = o->full_resolution;
    b->score.boundary = o->boundary;
    b->score.replicates = o->replicates;
    if (o->open_vocabulary) {
        b->naming = &run->naming;
        b->preparation.size = b->preparation.input_size;
        b->settings.iterations = NAMED_ITERATIONS;
        memcpy(b->settings.dilations, named_dilations, sizeof named_dilations);
        b->settings.dilation_count = sizeof named_dilations / sizeof *named_dilations;
    }
    b->grid_width = b->grid_height = b->settings.size / info.feature_stride;
    if (b->grid_width == 0) {
        b->grid_width = b->grid_height = 1;
    }
    return diffcut_model_fingerprint(run->engine.model, run->fingerprint, &diagnostics) == DIFFCUT_OK
               ? -1
               : fail(run, NULL, &diagnostics);
}

/* ------------------------------------------------------------------------------------------------- header */

/* How many photos there are to do: after --limit, and of them in this shard. */
static uint64_t whole_count(const eval_run *run) {
    diffcut_dataset_info info;
    diffcut_dataset_get_info(run->dataset, &info);
    return run->options.limit > 0 && run->options.limit < info.count ? run->options.limit : info.count;
}

static bool in_shard(const eval_run *run, uint64_t index) {
    const eval_shard *s = &run->options.shard;
    return s->count == 0 || index % s->count == s->index - 1;
}

/* Digits that change with the names and their order. */
static void name_list(const eval_run *run, uint64_t whole, text *out) {
    uint64_t sum = 0;
    diffcut_dataset_item item;
    diffcut_diagnostics ignored;
    for (uint64_t i = 0; i < whole; i++) {
        if (diffcut_dataset_get(run->dataset, (size_t)i, &item, &ignored) == DIFFCUT_OK) {
            sum = (sum ^ photo_id(item.name)) * UINT64_C(0x100000001B3);
        }
    }
    text_print(out, "%016llx", (unsigned long long)sum);
}

/* "model name" of the first processor, or nothing. */
static void name_machine(text *out) {
    char line[512];
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *colon = strchr(line, ':');
        if (colon != NULL && strncmp(line, "model name", 10) == 0) {
            line[strcspn(line, "\n")] = '\0';
            text_add(out, colon + 2);
            break;
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    text_print(out, "%s%ld processors", out->length > 0 ? ", " : "", sysconf(_SC_NPROCESSORS_ONLN));
}

static void name_features(const eval_run *run, text *out) {
    diffcut_cache_key key;
    diffcut_diagnostics ignored;
    (void)diffcut_cache_key_make(run->fingerprint, &run->bench.settings, "", 0, run->bench.preparation_words, &key,
                                 &ignored);
    for (size_t i = 0; i < sizeof key.bytes; i++) {
        text_print(out, "%02x", key.bytes[i]);
    }
}

/* By what segments are named: the CLIP's name and digits, its input, its sentences. */
static int name_naming(const eval_run *run, text *out) {
    const eval_options *o = &run->options;
    char digits[DIFFCUT_FINGERPRINT_SIZE];
    diffcut_diagnostics diagnostics;
    diffcut_model_info info;
    diffcut_model_get_info(run->naming.clip, &info);
    if (diffcut_model_fingerprint(run->naming.clip, digits, &diagnostics) != DIFFCUT_OK) {
        return fail(run, NULL, &diagnostics);
    }
    text_print(out, "%s, %.16s, at %u pixels, %s", info.name, digits, run->naming.encoder.size,
               run->naming.encoder.normalize ? "normalised" : "as they are");
    if (o->naming.templates != NULL) {
        text_print(out, ", templates %s", o->naming.templates);
    }
    return -1;
}

/* Copies what the header owns; false without memory. A run for the features alone has no plan. */
static bool copy_plan(const eval_run *run, eval_header *h) {
    if (run->plan.count == 0) {
        return true;
    }
    h->plan.choices = calloc(run->plan.count, sizeof *h->plan.choices);
    if (h->plan.choices == NULL) {
        return false;
    }
    memcpy(h->plan.choices, run->plan.choices, run->plan.count * sizeof *h->plan.choices);
    h->plan.count = run->plan.count;
    return true;
}

/* What reports are headed with: the data set, or the folder that a person's own lies in. */
static void name_set(const eval_options *o, const diffcut_dataset_info *info, text *out) {
    char *path = strcmp(info->name, "generic") == 0 ? realpath(o->data, NULL) : NULL;
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;
    text_add(out, slash != NULL && slash[1] != '\0' ? slash + 1 : info->title);
    free(path);
}

static int fill_header(eval_run *run, int argc, char **argv) {
    const eval_options *o = &run->options;
    eval_header *h = &run->header;
    diffcut_dataset_info info;
    diffcut_model_info model;
    diffcut_dataset_get_info(run->dataset, &info);
    diffcut_model_get_info(run->engine.model, &model);
    text_add(&h->set, info.name);
    name_set(o, &info, &h->title);
    text_add(&h->split, info.split);
    text_add(&h->protocol, info.protocol);
    text_add(&h->model, model.name);
    name_machine(&h->machine);
    text_add(&h->version, diffcut_version());
    text_add(&h->command, "diffcut eval");
    for (int i = 0; i < argc; i++) {
        text_print(&h->command, " %s", argv[i]);
    }
    name_features(run, &h->features);
    const int named = o->open_vocabulary ? name_naming(run, &h->names) : -1;
    if (named >= 0) {
        return named;
    }
    h->whole = whole_count(run);
    name_list(run, h->whole, &h->list);
    for (uint64_t i = 0; i < h->whole; i++) {
        h->listed += in_shard(run, i) ? 1 : 0;
    }
    h->score = run->bench.score;
    h->size = run->bench.preparation.size;
    h->min_tokens = o->settings.values.min_tokens;
    h->eigen_solver = (uint32_t)o->settings.values.eigen_solver;
    h->shard = o->shard.count > 0 ? o->shard.index : 1;
    h->shards = o->shard.count > 0 ? o->shard.count : 1;
    if (!copy_plan(run, h)) {
        return engine_failed(&o->says, NULL, "out of memory");
    }
    return -1;
}

/* The rules, and the protocol that follows from them. The class list becomes the header's. */
static int open_protocol(eval_run *run) {
    const eval_options *o = &run->options;
    eval_header *h = &run->header;
    diffcut_dataset_info info;
    diffcut_diagnostics diagnostics;
    diffcut_dataset_get_info(run->dataset, &info);
    diffcut_protocol_settings_init(&h->rules);
    h->rules.reference = o->settings.values.reference;
    h->rules.label_values = o->label_values;
    if (strcmp(info.name, "context") == 0 && o->label_values == DIFFCUT_VALUES_DATASET) {
        h->rules.label_values = DIFFCUT_VALUES_FROM_ONE; /* the files of SegmentationClassContext: 0 is background */
    }
    h->rules.ignore = o->ignore;
    h->rules.background = o->background;
    h->classes = run->classes;
    run->classes = (eval_classes){0};
    text protocol = h->protocol;
    h->protocol = (text){0};
    text_add(&h->protocol, info.protocol);
    const diffcut_status status = eval_header_protocol(h, &run->protocol, &diagnostics);
    text_free(&h->protocol);
    h->protocol = protocol;
    return status == DIFFCUT_OK ? -1 : fail(run, NULL, &diagnostics);
}

int eval_prepare(eval_run *run, int argc, char **argv) {
    int status = open_set(run);
    status = status < 0 ? open_protocol(run) : status;
    status = status < 0 ? open_cache(run) : status;
    status = status < 0 ? describe_preparation(run) : status;
    status = status < 0 ? fill_bench(run) : status;
    return status < 0 ? fill_header(run, argc, argv) : status;
}

void eval_run_free(eval_run *run) {
    diffcut_diagnostics ignored;
    (void)journal_finish(&run->journal, &ignored);
    photo_set_free(&run->done);
    eval_header_free(&run->header);
    eval_classes_free(&run->classes);
    eval_plan_free(&run->plan);
    text_free(&run->preparation_words);
    diffcut_cache_close(run->cache);
    diffcut_protocol_free(run->protocol);
    diffcut_dataset_close(run->dataset);
    naming_close(&run->naming);
    engine_close(&run->engine);
}

/* ------------------------------------------------------------------------------------------------- journal */

/* What is done already; the journal must be of this evaluation. */
static int read_done(eval_run *run, journal_reader *reader, diffcut_diagnostics *diagnostics) {
    const console *says = &run->options.says;
    eval_header other = {.listed = 0};
    text mine = {0};
    text theirs = {0};
    const bool readable = eval_header_read(text_string(&reader->header), &other);
    eval_header_identity(&run->header, &mine);
    eval_header_identity(&other, &theirs);
    const bool same = readable && strcmp(text_string(&mine), text_string(&theirs)) == 0 &&
                      other.shard == run->header.shard && other.shards == run->header.shards;
    text_free(&mine);
    text_free(&theirs);
    eval_header_free(&other);
    if (!same) {
        return engine_failed(says, run->options.output,
                             "holds another evaluation (set, photos, model, settings, shard or version differ); name "
                             "another folder by -o, or start over by --force");
    }
    const journal_line *line = NULL;
    journal_kind kind;
    while ((kind = journal_next(reader, &line)) != JOURNAL_END) {
        if (kind == JOURNAL_UNREADABLE || (kind == JOURNAL_SCORED && photo_set_add(&run->done, line->id) < 0)) {
            return engine_failed(says, run->options.output, "its journal cannot be read");
        }
    }
    return journal_continue(&run->journal, run->options.output, reader->good_end, diagnostics) == DIFFCUT_OK
               ? -1
               : fail(run, NULL, diagnostics);
}

static int open_journal(eval_run *run) {
    const eval_options *o = &run->options;
    diffcut_diagnostics diagnostics;
    if (!output_make_folder(o->output, &diagnostics)) {
        return fail(run, NULL, &diagnostics);
    }
    journal_reader reader;
    const diffcut_status there = journal_open(&reader, o->output, &diagnostics);
    int status = -1;
    if (there == DIFFCUT_OK && !o->force) {
        status = read_done(run, &reader, &diagnostics);
    } else if (there == DIFFCUT_ERROR_FORMAT && !o->force && reader.good_end > 0) {
        status = fail(run, NULL, &diagnostics);
    } else {
        /* None, one to be replaced, or one whose first line was never finished. */
        text fields = {0};
        eval_header_write(&run->header, &fields);
        status = journal_create(&run->journal, o->output, text_string(&fields), true, &diagnostics) == DIFFCUT_OK
                     ? -1
                     : fail(run, NULL, &diagnostics);
        text_free(&fields);
    }
    journal_close(&reader);
    return status;
}

/* ------------------------------------------------------------------------------------------------- photos */

/* Writes down what became of a photo; false when that is not possible and the run must stop. */
static bool record(eval_run *run, const diffcut_dataset_item *item, diffcut_status status,
                   const eval_outcome *outcome, const char *reason) {
    diffcut_diagnostics diagnostics;
    text fields = {0};
    if (status == DIFFCUT_OK) {
        journal_scored_fields(photo_id(item->name), outcome->scores, outcome->count, &fields);
    } else {
        journal_failed_fields(photo_id(item->name), outcome->file, reason, &fields);
    }
    const bool written =
        !fields.failed && journal_append(&run->journal, text_string(&fields), &diagnostics) == DIFFCUT_OK;
    if (!written) {
        console_error(&run->options.says, NULL, fields.failed ? "out of memory" : diagnostics.message);
        console_error(&run->options.says, run->options.output,
                      "what is done cannot be written down any more; the remaining photos were left out");
    }
    text_free(&fields);
    return written;
}

/* One photo; false when the run must stop. */
static bool handle(eval_run *run, const diffcut_dataset_item *item) {
    diffcut_diagnostics diagnostics = {{0}};
    eval_outcome outcome;
    progress_photo(&run->bar, item->name);
    const diffcut_status status = eval_photo_score(&run->bench, item, &outcome, &diagnostics);
    bool going = !(status != DIFFCUT_OK && interrupt_requested());
    if (going && status == DIFFCUT_ERROR_MODEL) { /* what the model lacks for one photo, it lacks for all */
        console_error(&run->options.says, NULL, diagnostics.message);
        eval_outcome_free(&outcome);
        return false;
    }
    if (going) {
        going = record(run, item, status, &outcome, diagnostics.message);
        if (status == DIFFCUT_OK && photo_set_add(&run->done, photo_id(item->name)) < 0) {
            console_error(&run->options.says, NULL, "out of memory");
            going = false;
        }
        run->scored += status == DIFFCUT_OK ? 1 : 0;
        run->failed += status != DIFFCUT_OK ? 1 : 0;
        run->cut_seconds += status == DIFFCUT_OK ? outcome.cut_seconds : 0;
        run->seconds += status == DIFFCUT_OK ? outcome.seconds : 0;
        if (status != DIFFCUT_OK) {
            console_error(&run->options.says, outcome.file, diagnostics.message);
        }
    }
    progress_photo_done(&run->bar, true);
    eval_outcome_free(&outcome);
    return going;
}

static void remark_on_cache(const eval_run *run) {
    const console *says = &run->options.says;
    diffcut_cache_stats stats = {0};
    if (run->cache == NULL) {
        return;
    }
    diffcut_cache_get_stats(run->cache, &stats);
    if (run->bench.cache_remark[0] != '\0') {
        console_error(says, NULL, run->bench.cache_remark);
        console_error(says, NULL, "features of some photos were not kept; the results are complete all the same");
    }
    if (stats.damaged > 0 && !says->quiet) {
        console_say(says, "%llu damaged entries of the features cache were made anew",
                    (unsigned long long)stats.damaged);
    }
    if (says->verbose > 0) {
        console_say(says, "features: %llu from the cache, %llu computed; %llu entries stored, %llu evicted",
                    (unsigned long long)stats.hits, (unsigned long long)stats.misses,
                    (unsigned long long)stats.stored, (unsigned long long)stats.evicted);
    }
}

static void closing_lines(const eval_run *run, double seconds) {
    const console *says = &run->options.says;
    remark_on_cache(run);
    if (says->verbose > 0 && run->scored > 0) {
        const double each = 1e3 / (double)run->scored;
        console_say(says, "%llu photos under %zu settings in %.2f s; a photo: cut %.2f ms, all after it %.2f ms",
                    (unsigned long long)run->scored, run->plan.count, seconds, run->cut_seconds * each,
                    run->seconds * each);
    }
}

/* Every photo of the shard that is not done; false when stopped. */
static bool work_through(eval_run *run) {
    diffcut_dataset_item item;
    diffcut_diagnostics diagnostics;
    for (uint64_t i = 0; i < run->header.whole; i++) {
        if (interrupt_requested()) {
            return false;
        }
        if (!in_shard(run, i)) {
            continue;
        }
        if (diffcut_dataset_get(run->dataset, (size_t)i, &item, &diagnostics) != DIFFCUT_OK) {
            console_error(&run->options.says, NULL, diagnostics.message);
            return false;
        }
        if (photo_set_has(&run->done, photo_id(item.name))) {
            progress_photo_done(&run->bar, false);
        } else if (!handle(run, &item)) {
            return false;
        }
    }
    return true;
}

int eval_photos_run(eval_run *run) {
    const console *says = &run->options.says;
    diffcut_diagnostics diagnostics;
    const double started = progress_clock();
    int status = open_journal(run);
    if (status >= 0) {
        return status;
    }
    if (run->done.count > 0 && !says->quiet) {
        console_say(says, "%s: going on; %zu photos are done", run->options.output, run->done.count);
    }
    if (!says->quiet && progress_possible()) {
        progress_start(&run->bar, run->header.listed);
        run->options.says.bar = &run->bar;
    }
    const bool through = work_through(run);
    progress_erase(&run->bar);
    run->bar.enabled = false;
    closing_lines(run, progress_clock() - started);
    const bool kept = journal_finish(&run->journal, &diagnostics) == DIFFCUT_OK;
    if (!kept) {
        status = fail(run, NULL, &diagnostics);
    } else if (interrupt_requested()) {
        console_error(says, NULL, "interrupted; run again to go on");
        status = interrupt_exit_code();
    } else if (!through) {
        status = EXIT_FAILED;
    }
    return status;
}

bool eval_run_picture(eval_run *run, size_t setting, const char *name, eval_picture *out) {
    diffcut_dataset_item item;
    diffcut_diagnostics diagnostics;
    for (uint64_t i = 0; i < run->header.whole; i++) {
        if (diffcut_dataset_get(run->dataset, (size_t)i, &item, &diagnostics) == DIFFCUT_OK &&
            strcmp(item.name, name) == 0) {
            return eval_photo_picture(&run->bench, &item, setting, out, &diagnostics) == DIFFCUT_OK;
        }
    }
    return false;
}

/*
 * eval.c - diffcut eval: segmentations of a data set against its ground truth, many settings in one pass.
 *
 * The photos' counts go to a journal (eval_run.c); figures are summed from it (eval_totals.c) and written as a table,
 * JSON, CSV and a page (eval_report.h).
 */
#include "eval.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "eval_coherence.h"
#include "eval_report.h"
#include "eval_totals.h"
#include "interrupt.h"
#include "values.h"

#define DEFAULT_REPLICATES 1000
#define COCO_CLIP_SIZE 2048 /* pixels: its objects are small */
#define AT(field) offsetof(eval_options, field)

_Static_assert(sizeof(diffcut_label_values) == sizeof(int), "OPTION_CHOICE stores an int");

static bool parse_shard(const char *argument, void *target, text *error) {
    char part[64];
    const char *slash = strchr(argument, '/');
    uint64_t index = 0;
    uint64_t count = 0;
    if (slash != NULL && (size_t)(slash - argument) < sizeof part) {
        memcpy(part, argument, (size_t)(slash - argument));
        part[slash - argument] = '\0';
    }
    if (slash == NULL || (size_t)(slash - argument) >= sizeof part || !value_unsigned(part, &index) ||
        !value_unsigned(slash + 1, &count) || index < 1 || index > count || count > 1000000) {
        text_print(error, "'%s' is not I/N with I in 1 .. N", argument);
        return false;
    }
    const eval_shard shard = {(uint32_t)index, (uint32_t)count};
    memcpy(target, &shard, sizeof shard);
    return true;
}

const option eval_data_rows[] = {
    {0, "set", "NAME",
     "which data set: voc, context, coco-object, coco-stuff-27, cityscapes, ade20k, or generic for photos and label "
     "PNGs of one's own",
     OPTION_STRING, AT(set), 0, 0, NULL, NULL},
    {'d', "data", "DIR", "the folder that the data set's own download was unpacked in", OPTION_STRING, AT(data), 0, 0,
     NULL, NULL},
    {'l', "list", NULL, "show which data sets are found below --data, and do nothing else", OPTION_SET, AT(list), 0,
     0, NULL, NULL},
    {0, "split", "NAME", "val (default), train, ...", OPTION_STRING, AT(split), 0, 0, NULL, NULL},
    {0, "list-file", "FILE", "names of photos, one a line, in place of the set's own list", OPTION_STRING,
     AT(list_file), 0, 0, NULL, NULL},
    {0, "limit", "N", "only the first N photos", OPTION_LARGE, AT(limit), 1, 0, NULL, NULL},
    {0, "shard", "I/N", "only every N-th photo, from the I-th on; 'eval merge' puts the parts together",
     OPTION_CUSTOM, AT(shard), 0, 0, NULL, parse_shard},
    {0, "images", "DIR", "generic: the folder of photos, below --data; default images", OPTION_STRING, AT(images), 0,
     0, NULL, NULL},
    {0, "labels", "DIR", "generic: the folder of label PNGs; default labels, annotations or masks", OPTION_STRING,
     AT(labels), 0, 0, NULL, NULL},
    {0, "classes", "N|FILE", "generic: how many classes, or a file of their names, one a line: NAME or VALUE NAME",
     OPTION_STRING, AT(classes), 0, 0, NULL, NULL},
    {0, "ignore", "V", "a label value that is left out", OPTION_SIGNED, AT(ignore), 0, 65535, NULL, NULL},
    {0, "background", "V",
     "generic: the label value of the class that is a background, which segments of no other class become",
     OPTION_SIGNED, AT(background), 0, 65535, NULL, NULL},
    {0, "label-values", "FORM",
     "dataset (default; as in the set's own files), from-zero (255 has no class), from-one (0 has no class, 255 is "
     "left out) or detail (Pascal-Context's 459 ids)",
     OPTION_CHOICE, AT(label_values), 0, 0, "dataset|from-zero|from-one|detail", NULL},
    {0},
};

static const option method_rows[] = {
    {0, "method", "M[,M...]",
     "diffcut (default), autosc, tokencut, maskcut, kmeans, colour, diffseg, with --open-vocabulary maskclip",
     OPTION_CUSTOM, AT(methods), 0, 0, NULL, eval_parse_methods},
    {0, "sweep", "KEY=V[,V...]...",
     "score every combination, in place of --tau, --alpha and --refine: tau, alpha and k take values and ranges "
     "FIRST:LAST:STEP, refine takes on and off; as "
     "tau=0.3:0.8:0.05,alpha=1,5,10,refine=on,off",
     OPTION_CUSTOM, AT(sweep), 0, 0, NULL, eval_parse_sweep},
    {0},
};

const option eval_size_rows[] = {
    {0, "size", "N", "side of the network's square input; default: the model's", OPTION_UNSIGNED, AT(size), 1, 16384,
     NULL, NULL},
    {0},
};

static const option naming_rows[] = {
    {0, "open-vocabulary", NULL,
     "segments are classes by what a CLIP finds in them, not by matching; maps of the network's input size: the "
     "paper's open-vocabulary evaluation",
     OPTION_SET, AT(open_vocabulary), 0, 0, NULL, NULL},
    {0},
};

/* Another name for what --model is. */
static const option features_model_rows[] = {
    {0, "features-model", "PATH",
     "the features of every method from this model, an image encoder (DINOv2, ViT, CLIP, SigLIP) as well as a "
     "diffusion model; as --model",
     OPTION_STRING, AT(settings.model), 0, 0, NULL, NULL},
    {0},
};

static const option score_rows[] = {
    {0, "full-resolution", NULL, "compare at the photo's own size, not at 128 x 128", OPTION_SET, AT(full_resolution),
     0, 0, NULL, NULL},
    {0, "boundary", NULL, "boundary IoU and F too", OPTION_SET, AT(boundary), 0, 0, NULL, NULL},
    {0, "coherence", NULL,
     "also how well similar features tell patches of one class: ROC curves of the model's features and of colour",
     OPTION_SET, AT(coherence), 0, 0, NULL, NULL},
    {0, "replicates", "N", "resamplings behind the interval of mean IoU, 0 .. 100000; default 1000", OPTION_UNSIGNED,
     AT(replicates), 0, 100000, NULL, NULL},
    {0},
};

static const option output_rows[] = {
    {'o', "output", "DIR",
     "folder of the journal and the reports, made if missing; a run that was stopped goes on; default diffcut-eval",
     OPTION_STRING, AT(output), 0, 0, NULL, NULL},
    {'f', "force", NULL, "start over where the folder holds an evaluation", OPTION_SET, AT(force), 0, 0, NULL, NULL},
    {0, "save-predictions", "DIR", "what is compared as DIR/SETTING/NAME.png", OPTION_STRING, AT(predictions), 0, 0,
     NULL, NULL},
    {0, "json", NULL, "the results as JSON on standard output, not as a table", OPTION_SET, AT(json), 0, 0, NULL,
     NULL},
    {0},
};

const option eval_cache_rows[] = {
    {0, "cache", "DIR", "folder of the photos' features; default ~/.cache/diffcut/features", OPTION_STRING, AT(cache),
     0, 0, NULL, NULL},
    {0, "cache-size", "MIB", "what the cache may hold; the least recently used go first; 0: no limit; default 20480",
     OPTION_UNSIGNED, AT(cache_mib), 0, 4294967295.0, NULL, NULL},
    {0, "no-cache", NULL, "keep no features", OPTION_SET, AT(no_cache), 0, 0, NULL, NULL},
    {0},
};

static const option_group groups[] = {
    {"Data", eval_data_rows, 0},
    {"", settings_photo_rows, AT(settings)},
    {"Methods", method_rows, 0},
    {"", eval_size_rows, 0},
    {"", settings_cut_rows, AT(settings)},
    {"", settings_switch_rows, AT(settings)},
    {"Open vocabulary", naming_rows, 0},
    {"", naming_clip_rows, AT(naming)},
    {"Scores", score_rows, 0},
    {"Output", output_rows, 0},
    {"", eval_cache_rows, 0},
    {"Features", features_model_rows, 0},
    {"", settings_features_rows, AT(settings)},
    {"", settings_text_rows, AT(settings)},
    {"Model", settings_model_rows, AT(settings)},
    {"", settings_opening_rows, AT(settings)},
    {"", settings_threads_rows, AT(settings)},
    {"Messages", console_options, AT(says)},
    {NULL, NULL, 0},
};

/* ------------------------------------------------------------------------------------------------- --list */

/* A line for a split that is there; what is wrong with one goes under -v. */
static bool list_split(const eval_options *o, const diffcut_dataset_kind *kind, const char *split) {
    diffcut_diagnostics diagnostics;
    diffcut_dataset_settings settings;
    diffcut_dataset_settings_init(&settings);
    settings.split = strcmp(kind->name, "generic") == 0 ? NULL : split;
    settings.images = settings.split == NULL ? o->images : NULL;
    settings.labels = settings.split == NULL ? o->labels : NULL;
    settings.list = o->list_file;
    diffcut_dataset *dataset = NULL;
    if (diffcut_dataset_open(kind->name, o->data, &settings, &dataset, &diagnostics) != DIFFCUT_OK) {
        if (o->says.verbose > 0) {
            console_say(&o->says, "%s: %s", kind->name, diagnostics.message);
        }
        return false;
    }
    diffcut_dataset_info info;
    diffcut_dataset_get_info(dataset, &info);
    text line = {0};
    text_print(&line, "%-13s  %-6s  %7zu photos  %s", info.name, info.split, info.count, info.photos);
    (void)puts(text_string(&line));
    text_free(&line);
    diffcut_dataset_close(dataset);
    return true;
}

static int list_sets(const eval_options *o) {
    const char *const splits[] = {"train", "val", "trainval", "test"};
    diffcut_dataset_kind kind;
    for (size_t i = 0; diffcut_dataset_kind_at(i, &kind); i++) {
        bool found = false;
        const bool generic = strcmp(kind.name, "generic") == 0;
        for (size_t s = 0; s < (o->split != NULL || generic ? 1 : sizeof splits / sizeof *splits); s++) {
            found = list_split(o, &kind, o->split != NULL ? o->split : splits[s]) || found;
        }
        if (!found) {
            (void)printf("%-13s  not found: %s\n", kind.name, kind.layout);
        }
    }
    return EXIT_DONE;
}

/* ------------------------------------------------------------------------------------------------- the report */

static bool picture_of(void *user, size_t setting, const char *name, eval_picture *out) {
    return eval_run_picture(user, setting, name, out);
}

/* The journals' rows and the run's pictures, behind one callback each. */
typedef struct report_source {
    eval_totals *totals;
    eval_run *run;
} report_source;

static bool source_rewind(void *user) {
    const report_source *s = user;
    return s->totals->results.photos.rewind(s->totals);
}

static int source_next(void *user, eval_photo_row *row) {
    const report_source *s = user;
    return s->totals->results.photos.next(s->totals, row);
}

static bool source_picture(void *user, size_t setting, const char *name, eval_picture *out) {
    const report_source *s = user;
    return picture_of(s->run, setting, name, out);
}

static int report(eval_run *run) {
    const eval_options *o = &run->options;
    diffcut_diagnostics diagnostics;
    eval_totals totals;
    coherence_curves coherence = {.counts = {NULL}};
    const int measured = o->coherence ? eval_coherence_measure(run, &coherence) : -1;
    if (measured >= 0) {
        return measured;
    }
    if (eval_totals_make(&o->output, 1, &totals, &diagnostics) != DIFFCUT_OK) {
        coherence_curves_free(&coherence);
        return engine_failed(&o->says, NULL, diagnostics.message);
    }
    int status = totals.results.failed > 0 || totals.results.scored == 0 ? EXIT_FAILED : EXIT_DONE;
    report_source source = {&totals, run};
    eval_results results = totals.results;
    results.photos = (eval_photos){&source, source_rewind, source_next, source_picture};
    results.coherence = coherence.curves;
    results.coherence_count = o->coherence ? COHERENCE_KINDS : 0;
    text out = {0};
    if (o->json) {
        eval_report_json(&results, &out);
    } else {
        eval_report_table(&results, &out);
    }
    (void)fputs(text_string(&out), stdout);
    text_free(&out);
    if (eval_report_write(&results, o->output, true, &diagnostics) != DIFFCUT_OK) {
        status = engine_failed(&o->says, NULL, diagnostics.message);
    }
    if (totals.results.failed > 0) {
        text line = {0};
        text_print(&line, "%llu of %llu photos could not be scored", (unsigned long long)totals.results.failed,
                   (unsigned long long)totals.results.listed);
        console_error(&o->says, NULL, text_string(&line));
        text_free(&line);
    }
    eval_totals_free(&totals);
    coherence_curves_free(&coherence);
    return status;
}

/* ------------------------------------------------------------------------------------------------- the command */

/* The list of names whose classes are a set's; NULL: there is none. */
static const char *vocabulary_of(const char *set) {
    static const struct {
        const char *set, *vocabulary;
    } rows[] = {{"voc", "voc"},
                {"context", "context"},
                {"coco-object", "coco"},
                {"ade20k", "ade20k"},
                {"cityscapes", "cityscapes"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].set, set) == 0) {
            return rows[i].vocabulary;
        }
    }
    return NULL;
}

int eval_check_data(const command *self, const eval_options *o) {
    if (o->data == NULL) {
        return options_mistake(self, "--data DIR is needed");
    }
    if (o->set == NULL && !o->list) {
        return options_mistake(self, "--set NAME is needed; 'diffcut eval --list --data DIR' shows what is there");
    }
    const bool generic = o->set != NULL && strcmp(o->set, "generic") == 0;
    if (generic && o->classes == NULL && !o->list) {
        return options_mistake(self, "--set generic needs --classes N or FILE");
    }
    if (!generic && !o->list && (o->classes != NULL || o->background >= 0)) {
        return options_mistake(self, "--classes and --background are for --set generic");
    }
    if (o->no_cache && o->cache != NULL) {
        return options_mistake(self, "--cache and --no-cache exclude each other");
    }
    return -1;
}

static int check_line(const command *self, const eval_options *o, const arguments *rest) {
    if (rest->count > 0) {
        return options_mistake(self, "'%s' is not understood; the data set is named by --set and --data",
                               rest->items[0]);
    }
    const int status = eval_check_data(self, o);
    if (status >= 0) {
        return status;
    }
    if (o->open_vocabulary && !o->list && vocabulary_of(o->set) == NULL) {
        return options_mistake(self, "--open-vocabulary has no list of names for %s", o->set);
    }
    if (o->open_vocabulary && o->naming.clip == NULL) {
        return options_mistake(self, "--open-vocabulary needs --clip PATH");
    }
    if (!o->open_vocabulary && o->naming.clip != NULL) {
        return options_mistake(self, "--clip is for --open-vocabulary");
    }
    for (size_t i = 0; i < o->methods.count; i++) {
        if (o->methods.values[i] == DIFFCUT_METHOD_MASKCLIP && !o->open_vocabulary) {
            return options_mistake(self, "--method maskclip needs --open-vocabulary");
        }
    }
    return -1;
}

static int make_plan(const command *self, eval_run *run) {
    const eval_options *o = &run->options;
    text error = {0};
    int status = -1;
    if (o->classes != NULL && !eval_classes_read(o->classes, &run->classes, &error)) {
        status = options_mistake(self, "--classes %s: %s", o->classes, text_string(&error));
    } else if (!eval_plan_make(&o->methods, &o->sweep, &o->settings, &run->plan, &error)) {
        status = options_mistake(self, "%s", text_string(&error));
    }
    text_free(&error);
    return status;
}

static int on_progress(void *user, diffcut_stage stage, double fraction) {
    eval_run *run = user;
    progress_stage(&run->bar, stage, fraction);
    return interrupt_requested() ? 1 : 0;
}

static int start(eval_run *run) {
    diffcut_session_settings callbacks;
    diffcut_session_settings_init(&callbacks);
    callbacks.progress = on_progress;
    callbacks.progress_user = run;
    return engine_start(&run->engine, &run->options.settings, &callbacks, &run->options.says);
}

/* The paper's way into the CLIP: without antialias, COCO's photos at twice the size, and in --reference unnormalised.
 */
static int start_naming(eval_run *run) {
    eval_options *o = &run->options;
    if (!o->open_vocabulary) {
        return -1;
    }
    if (o->naming.clip_size == 0 && strcmp(o->set, "coco-object") == 0) {
        o->naming.clip_size = COCO_CLIP_SIZE;
    }
    o->naming.clip_raw = o->naming.clip_raw || o->settings.values.reference;
    const int status = naming_open(&run->naming, &o->naming, vocabulary_of(o->set), &o->settings, &o->says);
    run->naming.encoder.resample = DIFFCUT_RESAMPLE_BILINEAR;
    return status;
}

static int evaluate(const command *self, eval_run *run, int argc, char **argv) {
    const engine_target target = {&run->options, &run->options.settings};
    int status = engine_open(&run->engine, self, argc, argv, target, &run->options.says);
    status = status < 0 ? make_plan(self, run) : status;
    status = status < 0 ? start(run) : status;
    status = status < 0 ? start_naming(run) : status;
    status = status < 0 ? eval_prepare(run, argc, argv) : status;
    status = status < 0 ? eval_photos_run(run) : status;
    return status < 0 ? report(run) : status;
}

static int run_eval(const command *self, int argc, char **argv) {
    eval_run run = {.options = {.output = "diffcut-eval",
                                .cache_mib = EVAL_CACHE_MIB,
                                .replicates = DEFAULT_REPLICATES,
                                .ignore = -1,
                                .background = -1},
                    .journal = {.descriptor = -1}};
    arguments rest = {0};
    const engine_target target = {&run.options, &run.options.settings};
    int status = engine_parse(self, argc, argv, target, &rest);
    status = status < 0 ? check_line(self, &run.options, &rest) : status;
    if (status < 0) {
        status = run.options.list ? list_sets(&run.options) : evaluate(self, &run, argc, argv);
    }
    eval_run_free(&run);
    arguments_free(&rest);
    return status;
}

const command command_eval = {
    "eval",
    "--set NAME --data DIR [OPTION]...",
    "a data set scored against its ground truth",
    "Segments the photos of a data set as the paper's evaluation does (centre square, maps of 128 x 128 "
    "pixels, refined there) and scores them against its label maps. Each photo's features are computed once "
    "and kept; every setting of --sweep is scored from them. A run that was stopped, even by force, goes on "
    "where it was. Photos that fail are named, counted and tried again by the next run. --reference takes the "
    "published code's ties, left-over segments and mappings of labels too.",
    groups,
    run_eval,
};

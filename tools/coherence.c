/*
 * coherence.c - diffcut coherence: the features of several models compared, patch by patch, on one data set.
 *
 * The paper's analysis: over the pairs of patches of each photo, whether both are of one class is told from how alike
 * their features are; a ROC curve a model, all in one figure. Photos, their preparation and their features, from the
 * cache where they are in it, are eval's. Models are opened one after the other.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "eval.h"
#include "eval_coherence.h"
#include "eval_report.h"
#include "interrupt.h"
#include "output.h"

#define COLOUR "colour"
#define EMBEDDED "embedded"

typedef struct coherence_options {
    eval_options eval; /* first: eval's rows have it as their base */
    const char *models;
} coherence_options;

#define AT(field) offsetof(coherence_options, field)

static const option model_rows[] = {
    {'m', "models", "LIST",
     "the models to compare, separated by commas: paths, ORG/NAME in the Hugging Face cache, embedded for the "
     "embedded "
     "model, and colour for what a photo's colours and positions alone tell",
     OPTION_STRING, AT(models), 0, 0, NULL, NULL},
    {0},
};

static const option output_rows[] = {
    {'o', "output", "DIR", "folder of the figure and its numbers, made if missing; default diffcut-coherence",
     OPTION_STRING, AT(eval.output), 0, 0, NULL, NULL},
    {'f', "force", NULL, "replace a figure that is there", OPTION_SET, AT(eval.force), 0, 0, NULL, NULL},
    {0, "json", NULL, "the results as JSON on standard output, not as a table", OPTION_SET, AT(eval.json), 0, 0, NULL,
     NULL},
    {0},
};

static const option_group groups[] = {
    {"Data", eval_data_rows, AT(eval)},
    {"", settings_photo_rows, AT(eval.settings)},
    {"Models", model_rows, 0},
    {"", eval_size_rows, AT(eval)},
    {"", settings_opening_rows, AT(eval.settings)},
    {"", settings_threads_rows, AT(eval.settings)},
    {"Output", output_rows, 0},
    {"", eval_cache_rows, AT(eval)},
    {"Messages", console_options, AT(eval.says)},
    {NULL, NULL, 0},
};

/* A model's curve, with what it was made from. */
typedef struct compared {
    diffcut_coherence *counts;
    eval_roc_point *points;
    text name;
} compared;

typedef struct comparison {
    const command *self;
    int argc;
    char **argv;
    coherence_options options;
    compared models[DIFFCUT_MAX_ROC_CURVES];
    eval_coherence curves[DIFFCUT_MAX_ROC_CURVES];
    size_t count;
    uint64_t photos;
    text title, protocol;
    char *first_model; /* of the list, on whose grid colours are averaged; NULL: the embedded one */
} comparison;

/* ------------------------------------------------------------------------------------------------- one model */

static int failed(const comparison *c, const char *subject, const diffcut_diagnostics *diagnostics) {
    return engine_failed(&c->options.eval.says, subject, diagnostics->message);
}

/* All photos' pairs. */
static int count_pairs(comparison *c, eval_run *run, diffcut_method kind, diffcut_coherence *counts) {
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_dataset_item item;
    int status = -1;
    for (uint64_t i = 0; i < run->header.whole && status < 0; i++) {
        const eval_shard *shard = &run->options.shard;
        diffcut_features *features = NULL;
        diffcut_labels truth = {0};
        if (shard->count > 0 && i % shard->count != shard->index - 1) {
            continue;
        }
        if (interrupt_requested()) {
            return interrupt_exit_code();
        }
        if (diffcut_dataset_get(run->dataset, (size_t)i, &item, &diagnostics) != DIFFCUT_OK) {
            status = failed(c, NULL, &diagnostics);
        } else if (eval_photo_features(&run->bench, &item, kind, &features, &truth, &diagnostics) != DIFFCUT_OK ||
                   diffcut_coherence_add(counts, features, &truth, run->options.settings.threads, &diagnostics) !=
                       DIFFCUT_OK) {
            status = failed(c, item.photo, &diagnostics);
        }
        diffcut_labels_free(&truth);
        diffcut_features_free(features);
    }
    return status;
}

static int open_run(comparison *c, eval_run *run, const char *model) {
    *run = (eval_run){.options = c->options.eval, .journal = {.descriptor = -1}};
    run->options.settings.model = model;
    coherence_options parsed = c->options;
    parsed.eval.settings.model = model;
    const engine_target target = {&parsed, &parsed.eval.settings};
    text error = {0};
    int status = engine_open(&run->engine, c->self, c->argc, c->argv, target, &parsed.eval.says);
    run->options = parsed.eval;
    if (status < 0 && run->options.classes != NULL &&
        !eval_classes_read(run->options.classes, &run->classes, &error)) {
        status = options_mistake(c->self, "--classes %s: %s", run->options.classes, text_string(&error));
    }
    text_free(&error);
    status = status < 0 ? engine_start(&run->engine, &run->options.settings, NULL, &run->options.says) : status;
    status = status < 0 ? eval_prepare(run, c->argc, c->argv) : status;
    eval_bench *b = &run->bench;
    if (status < 0 && b->preparation.size > b->preparation.input_size) {
        b->preparation.size = b->preparation.input_size; /* of maps, which are not made here */
    }
    return status;
}

static int compare_model(comparison *c, const char *name) {
    const bool colour = strcmp(name, COLOUR) == 0;
    const char *path = colour ? c->first_model : strcmp(name, EMBEDDED) == 0 ? NULL : name;
    eval_run run;
    diffcut_coherence_settings settings;
    diffcut_diagnostics diagnostics = {{0}};
    compared *made = &c->models[c->count];
    int status = open_run(c, &run, path);
    diffcut_coherence_settings_init(&settings);
    settings.classes = diffcut_protocol_class_count(run.protocol);
    if (status < 0 && diffcut_coherence_create(&settings, &made->counts, &diagnostics) != DIFFCUT_OK) {
        status = failed(c, NULL, &diagnostics);
    }
    if (status < 0) {
        status = count_pairs(c, &run, colour ? DIFFCUT_METHOD_COLOUR : DIFFCUT_METHOD_DIFFCUT, made->counts);
    }
    if (status < 0) {
        text_add(&made->name, colour ? COHERENCE_COLOUR : text_string(&run.header.model));
        if (eval_coherence_curve(made->counts, text_string(&made->name), &made->points, &c->curves[c->count],
                                 &diagnostics) != DIFFCUT_OK) {
            status = failed(c, NULL, &diagnostics);
        }
    }
    if (status < 0) {
        diffcut_coherence_report report;
        diffcut_coherence_get_report(made->counts, &report);
        c->photos = report.photos;
        text_clear(&c->title);
        text_clear(&c->protocol);
        text_add(&c->title, text_string(&run.header.title));
        text_add(&c->protocol, text_string(&run.header.protocol));
        c->count++;
        if (c->options.eval.says.verbose > 0) {
            console_say(&c->options.eval.says, "%s: area %.4f", text_string(&made->name), report.auc);
        }
    }
    eval_run_free(&run);
    return status;
}

/* ------------------------------------------------------------------------------------------------- the figure */

/* The word before the next comma, which becomes its end; NULL at the end of the list. */
static char *next_model(char **rest) {
    char *word = *rest;
    if (word == NULL) {
        return NULL;
    }
    char *comma = strchr(word, ',');
    if (comma != NULL) {
        *comma = '\0';
    }
    *rest = comma != NULL ? comma + 1 : NULL;
    return word;
}

static int compare_all(comparison *c) {
    char *list = strdup(c->options.models);
    char *rest = list;
    int status = list != NULL ? -1 : engine_failed(&c->options.eval.says, NULL, "out of memory");
    for (const char *model = next_model(&rest); model != NULL && status < 0; model = next_model(&rest)) {
        const bool colour = strcmp(model, COLOUR) == 0;
        status = compare_model(c, model);
        if (!colour && c->count == 1 && strcmp(model, EMBEDDED) != 0) {
            c->first_model = strdup(model);
        }
    }
    free(list);
    return status;
}

static int report(comparison *c) {
    const eval_options *o = &c->options.eval;
    diffcut_diagnostics diagnostics = {{0}};
    text command_line = {0};
    text remarks = {0};
    text out = {0};
    text_print(&command_line, "diffcut %s", c->self->name);
    for (int i = 0; i < c->argc; i++) {
        text_print(&command_line, " %s", c->argv[i]);
    }
    text_print(&remarks, "Pairs of patches within each of %llu photos.", (unsigned long long)c->photos);
    const eval_results results = {.dataset = text_string(&c->protocol),
                                  .title = text_string(&c->title),
                                  .model = c->options.models,
                                  .version = diffcut_version(),
                                  .command_line = text_string(&command_line),
                                  .remarks = text_string(&remarks),
                                  .listed = c->photos,
                                  .scored = c->photos,
                                  .coherence = c->curves,
                                  .coherence_count = c->count};
    int status = EXIT_DONE;
    if (eval_report_write(&results, o->output, o->force, &diagnostics) != DIFFCUT_OK) {
        status = failed(c, NULL, &diagnostics);
    }
    if (o->json) {
        eval_report_json(&results, &out);
    } else {
        text_print(&out, "%-44s %8s %14s %14s\n", "features", "area", "pairs of one", "pairs of two");
        for (size_t i = 0; i < c->count; i++) {
            text_print(&out, "%-44s %8.4f %14llu %14llu\n", c->curves[i].name, c->curves[i].auc,
                       (unsigned long long)c->curves[i].positive, (unsigned long long)c->curves[i].negative);
        }
    }
    (void)fputs(text_string(&out), stdout);
    text_free(&out);
    text_free(&remarks);
    text_free(&command_line);
    return status;
}

/* ------------------------------------------------------------------------------------------------- the command */

static int check_models(const command *self, const char *models) {
    size_t count = 1;
    if (models == NULL) {
        return options_mistake(self, "--models LIST is needed");
    }
    for (const char *c = models; *c != '\0'; c++) {
        count += *c == ',' ? 1 : 0;
    }
    if (count > DIFFCUT_MAX_ROC_CURVES) {
        return options_mistake(self, "--models: %zu models; a figure has room for %d", count, DIFFCUT_MAX_ROC_CURVES);
    }
    if (models[0] == ',' || strstr(models, ",,") != NULL || models[strlen(models) - 1] == ',') {
        return options_mistake(self, "--models: an empty name");
    }
    return -1;
}

/* Before the hours that it may take: a place to write to, and nothing there that would be kept. */
static int check_output(const comparison *c) {
    const eval_options *o = &c->options.eval;
    diffcut_diagnostics diagnostics;
    text path = {0};
    int status = -1;
    if (!output_make_folder(o->output, &diagnostics)) {
        status = failed(c, NULL, &diagnostics);
    }
    text_print(&path, "%s/coherence.png", o->output);
    if (status < 0 && !o->force && output_exists(text_string(&path))) {
        (void)snprintf(diagnostics.message, sizeof diagnostics.message, "%.300s: exists already; --force replaces it",
                       text_string(&path));
        status = failed(c, NULL, &diagnostics);
    }
    text_free(&path);
    return status;
}

static int run_coherence(const command *self, int argc, char **argv) {
    comparison c = {.self = self, .argc = argc, .argv = argv};
    c.options.eval =
        (eval_options){.output = "diffcut-coherence", .cache_mib = EVAL_CACHE_MIB, .ignore = -1, .background = -1};
    arguments rest = {0};
    const engine_target target = {&c.options, &c.options.eval.settings};
    int status = engine_parse(self, argc, argv, target, &rest);
    if (status < 0 && rest.count > 0) {
        status = options_mistake(self, "'%s' is not understood; models are named by --models", rest.items[0]);
    }
    if (status < 0 && c.options.eval.list) {
        status = options_mistake(self, "'diffcut eval --list' shows which data sets are there");
    }
    status = status < 0 ? eval_check_data(self, &c.options.eval) : status;
    status = status < 0 ? check_models(self, c.options.models) : status;
    status = status < 0 ? check_output(&c) : status;
    status = status < 0 ? compare_all(&c) : status;
    status = status < 0 ? report(&c) : status;
    for (size_t i = 0; i < DIFFCUT_MAX_ROC_CURVES; i++) {
        diffcut_coherence_free(c.models[i].counts);
        free(c.models[i].points);
        text_free(&c.models[i].name);
    }
    free(c.first_model);
    text_free(&c.title);
    text_free(&c.protocol);
    arguments_free(&rest);
    return status;
}

const command command_coherence = {
    "coherence",
    "--set NAME --data DIR --models LIST [OPTION]...",
    "how well models' features tell things apart, in one figure",
    "Over the pairs of patches of each photo of a data set, whether both are of one class is told from how alike "
    "their "
    "features are. Writes a ROC curve a model in one figure, DIR/coherence.svg and DIR/coherence.png, with its "
    "numbers "
    "in DIR/coherence.csv and DIR/results.json, and prints the areas under the curves. Features are kept in eval's "
    "cache. Each model works at its own size and with its own defaults.",
    groups,
    run_coherence,
};

/* eval_merge.c - diffcut eval merge DIR...: the parts of an evaluation that ran as shards, as one result. */
#include <stddef.h>
#include <stdio.h>

#include "commands.h"
#include "console.h"
#include "engine.h"
#include "eval_coherence.h"
#include "eval_report.h"
#include "eval_totals.h"
#include "output.h"

typedef struct merge_options {
    console says;
    const char *output;
    bool force, json, coherence;
} merge_options;

#define AT(field) offsetof(merge_options, field)

static const option output_rows[] = {
    {'o', "output", "DIR", "folder of the reports, made if missing; default: a table only", OPTION_STRING, AT(output),
     0, 0, NULL, NULL},
    {'f', "force", NULL, "replace reports that exist", OPTION_SET, AT(force), 0, 0, NULL, NULL},
    {0, "coherence", NULL, "also the sum of the coherence of all parts, which must have been run with --coherence",
     OPTION_SET, AT(coherence), 0, 0, NULL, NULL},
    {0, "json", NULL, "the results as JSON on standard output, not as a table", OPTION_SET, AT(json), 0, 0, NULL,
     NULL},
    {0},
};

static const option_group groups[] = {
    {"Output", output_rows, 0},
    {"Messages", console_options, AT(says)},
    {NULL, NULL, 0},
};

static int write_reports(const merge_options *o, const eval_totals *totals) {
    diffcut_diagnostics diagnostics;
    if (!output_make_folder(o->output, &diagnostics) ||
        eval_report_write(&totals->results, o->output, o->force, &diagnostics) != DIFFCUT_OK) {
        return engine_failed(&o->says, NULL, diagnostics.message);
    }
    return EXIT_DONE;
}

/* Pairs cannot be told apart once they are counted: a photo that is in two parts would count twice. */
static int sum_coherence(const merge_options *o, const arguments *folders, eval_totals *totals,
                         coherence_curves *coherence) {
    diffcut_diagnostics diagnostics;
    if (totals->repeated > 0) {
        return engine_failed(&o->says, NULL,
                             "--coherence: photos are in more than one of the folders, and their pairs would count "
                             "twice");
    }
    if (eval_coherence_merge(folders->items, folders->count, totals->results.model, coherence, &diagnostics) !=
        DIFFCUT_OK) {
        return engine_failed(&o->says, NULL, diagnostics.message);
    }
    totals->results.coherence = coherence->curves;
    totals->results.coherence_count = COHERENCE_KINDS;
    return -1;
}

static int merge(const merge_options *o, const arguments *folders) {
    diffcut_diagnostics diagnostics;
    eval_totals totals;
    if (eval_totals_make(folders->items, folders->count, &totals, &diagnostics) != DIFFCUT_OK) {
        return engine_failed(&o->says, NULL, diagnostics.message);
    }
    coherence_curves coherence = {.counts = {NULL}};
    const int summed = o->coherence ? sum_coherence(o, folders, &totals, &coherence) : -1;
    if (summed >= 0) {
        eval_totals_free(&totals);
        return summed;
    }
    text out = {0};
    if (o->json) {
        eval_report_json(&totals.results, &out);
    } else {
        eval_report_table(&totals.results, &out);
    }
    (void)fputs(text_string(&out), stdout);
    text_free(&out);
    int status = o->output != NULL ? write_reports(o, &totals) : EXIT_DONE;
    if (totals.results.failed > 0 || totals.results.scored < totals.header.whole) {
        text line = {0};
        text_print(&line, "%llu of %llu photos are scored", (unsigned long long)totals.results.scored,
                   (unsigned long long)totals.header.whole);
        console_error(&o->says, NULL, text_string(&line));
        text_free(&line);
        status = EXIT_FAILED;
    }
    eval_totals_free(&totals);
    coherence_curves_free(&coherence);
    return status;
}

static int run_merge(const command *self, int argc, char **argv) {
    merge_options options = {.output = NULL};
    arguments folders = {0};
    const options_result result = options_parse(self, argc, argv, &options, &folders);
    int status = result == OPTIONS_PARSED ? -1 : result == OPTIONS_HELPED ? EXIT_DONE : EXIT_USAGE;
    if (status < 0 && folders.count == 0) {
        status = options_mistake(self, "no folder given");
    }
    if (status < 0) {
        status = merge(&options, &folders);
    }
    arguments_free(&folders);
    return status;
}

const command command_eval_merge = {
    "eval merge",
    "[OPTION]... DIR...",
    "parts of an evaluation as one result",
    "Puts together what 'eval --shard' wrote into several folders. Counts are sums of whole numbers, so the "
    "result is that of one run, to the last digit. A photo that is in several folders counts once. Exit "
    "status 1 when photos are missing.",
    groups,
    run_merge,
};

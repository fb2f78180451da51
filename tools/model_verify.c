/*
 * model_verify.c - diffcut model verify [PATH]: everything that is wrong with a checkpoint, a line each.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "engine.h"

typedef struct verify_options {
    settings_options settings;
    console says;
    bool json, values;
} verify_options;

#define AT(field) offsetof(verify_options, field)

static const option rows[] = {
    {0, "values", NULL, "read the needed weights too, for NaN and infinity", OPTION_SET, AT(values), 0, 0, NULL,
     NULL},
    {0, "json", NULL, "as one JSON object", OPTION_SET, AT(json), 0, 0, NULL, NULL},
    {0},
};

static const option_group groups[] = {
    {"Options", rows, 0},
    {"", settings_opening_rows, AT(settings)},
    {"", console_options, AT(says)},
    {NULL, NULL, 0},
};

/* Findings as they come: lines for people, items of a list for JSON. */
typedef struct verify_output {
    const verify_options *options;
    text findings; /* JSON only */
} verify_output;

static void add_item(text *out, const diffcut_finding *finding) {
    text_print(out, "%s{\"kind\": ", out->length > 0 ? ", " : "");
    json_string(out, diffcut_finding_name(finding->kind));
    text_print(out, ", \"problem\": %s, \"component\": ", finding->problem ? "true" : "false");
    json_string(out, finding->component);
    text_add(out, ", \"tensor\": ");
    if (finding->tensor != NULL) {
        json_string(out, finding->tensor);
    } else {
        text_add(out, "null");
    }
    text_add(out, ", \"message\": ");
    json_string(out, finding->message);
    text_add(out, "}");
}

static void found(void *user, const diffcut_finding *finding) {
    verify_output *output = user;
    if (output->options->json) {
        add_item(&output->findings, finding);
    } else if (finding->problem || !output->options->says.quiet) {
        (void)printf("%-8s %s\n", finding->problem ? diffcut_finding_name(finding->kind) : "note", finding->message);
    }
}

static void print_end(const verify_output *output, const diffcut_verify_report *report) {
    if (output->options->json) {
        (void)printf("{\"problems\": %" PRIu64 ", \"tensors_needed\": %" PRIu64 ", \"tensors_skipped\": %" PRIu64
                     ", \"parameters_needed\": %" PRIu64 ", \"values_checked\": %s, \"findings\": [%s]}\n",
                     report->problems, report->tensors_needed, report->tensors_skipped, report->parameters_needed,
                     output->options->values ? "true" : "false", text_string(&output->findings));
    } else if (!output->options->says.quiet) {
        (void)printf("%s: %" PRIu64 " tensors (%.2f M parameters) needed, %" PRIu64 " of other parts skipped",
                     report->problems == 0 ? "sound" : "not sound", report->tensors_needed,
                     (double)report->parameters_needed / 1e6, report->tensors_skipped);
        if (report->problems > 0) {
            (void)printf("; %" PRIu64 " problem%s", report->problems, report->problems == 1 ? "" : "s");
        }
        (void)printf("\n");
    }
}

static int check(const verify_options *o, const char *path) {
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_verify_settings settings;
    diffcut_verify_report report = {0};
    verify_output output = {.options = o};
    diffcut_verify_settings_init(&settings);
    settings.model = o->settings.opening;
    settings.values = o->values;
    int status = EXIT_DONE;
    if (diffcut_model_verify(path, &settings, found, &output, &report, &diagnostics) != DIFFCUT_OK) {
        status = engine_failed(&o->says, NULL, diagnostics.message);
    } else {
        print_end(&output, &report);
        status = report.problems == 0 ? EXIT_DONE : EXIT_FAILED;
    }
    text_free(&output.findings);
    return status;
}

static int run_model_verify(const command *self, int argc, char **argv) {
    verify_options options = {.json = false};
    const engine_target target = {&options, &options.settings};
    const int status = engine_parse_model(self, argc, argv, target);
    return status < 0 ? check(&options, options.settings.model) : status;
}

const command command_model_verify = {
    "model verify",
    "[OPTION]... [PATH]",
    "everything that is wrong with a checkpoint",
    "Compares a checkpoint with what its networks need and names every tensor that is missing, superfluous, or of "
    "the "
    "wrong shape or type, and missing files. The exit status is 1 when something is wrong. Without PATH, the "
    "embedded "
    "model.",
    groups,
    run_model_verify,
};

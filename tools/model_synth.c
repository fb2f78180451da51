/*
 * model_synth.c - diffcut model synth: a checkpoint of random numbers, of a real one's files and shapes.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "engine.h"
#include "interrupt.h"

typedef struct synth_options {
    const char *like, *output;
    uint64_t seed;
    enum { SYNTH_F16, SYNTH_BF16, SYNTH_F32 } dtype;
    bool dry_run, force;
    console says;
} synth_options;

#define AT(field) offsetof(synth_options, field)
#define DTYPES "f16|bf16|f32"

static const option rows[] = {
    {0, "like", "NAME", "ssd-1b, vega, sd1, sd2, sdxl-base, or a model's folder", OPTION_STRING, AT(like), 0, 0, NULL,
     NULL},
    {'o', "output", "DIR", "the folder to make", OPTION_STRING, AT(output), 0, 0, NULL, NULL},
    {0, "seed", "N", "of the numbers; default 0", OPTION_LARGE, AT(seed), 0, 0, NULL, NULL},
    {0, "dtype", "TYPE", "of the weights: f16 (default), bf16 or f32", OPTION_CHOICE, AT(dtype), 0, 0, DTYPES, NULL},
    {0, "dry-run", NULL, "say how large it would be, write nothing", OPTION_SET, AT(dry_run), 0, 0, NULL, NULL},
    {'f', "force", NULL, "replace the files of a folder that is there", OPTION_SET, AT(force), 0, 0, NULL, NULL},
    {0},
};

static const option_group groups[] = {
    {"Options", rows, 0},
    {"Messages", console_options, AT(says)},
    {NULL, NULL, 0},
};

typedef struct synth_listing {
    const synth_options *options;
    uint64_t tensors, parameters, bytes;
} synth_listing;

static void say_line(const char *name, uint64_t tensors, uint64_t parameters, uint64_t bytes) {
    (void)printf("%-15s %6" PRIu64 " tensors %9.2f M parameters %9.1f MB\n", name, tensors, (double)parameters / 1e6,
                 (double)bytes / 1e6);
}

/* A line a part, when it is begun. */
static int told(void *user, const diffcut_synth_part *part) {
    synth_listing *listing = user;
    if (part->bytes_written == 0) {
        listing->tensors += part->tensors;
        listing->parameters += part->parameters;
        listing->bytes += part->bytes;
        if (!listing->options->says.quiet) {
            say_line(part->component, part->tensors, part->parameters, part->bytes);
            (void)fflush(stdout);
        }
    }
    return interrupt_requested() ? 1 : 0;
}

static int make(const synth_options *o) {
    static const char *const dtypes[] = {"f16", "bf16", "f32"};
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_synth_settings settings;
    diffcut_synth_settings_init(&settings);
    settings.dtype = dtypes[o->dtype];
    settings.seed = o->seed;
    settings.replace = o->force;
    synth_listing listing = {.options = o};
    const diffcut_status status =
        diffcut_model_synth(o->like, o->dry_run ? NULL : o->output, &settings, told, &listing, &diagnostics);
    if (status != DIFFCUT_OK) {
        if (status == DIFFCUT_ERROR_EXISTS) {
            text message = {0};
            text_print(&message, "%s (--force replaces)", diagnostics.message);
            const int failed = engine_failed(&o->says, NULL, text_string(&message));
            text_free(&message);
            return failed;
        }
        return engine_failed(&o->says, NULL, diagnostics.message);
    }
    if (!o->says.quiet) {
        say_line("total", listing.tensors, listing.parameters, listing.bytes);
    }
    return EXIT_DONE;
}

static int run_model_synth(const command *self, int argc, char **argv) {
    synth_options options = {.like = NULL};
    arguments rest = {0};
    int status = -1;
    const options_result parsed = options_parse(self, argc, argv, &options, &rest);
    if (parsed != OPTIONS_PARSED) {
        status = parsed == OPTIONS_HELPED ? EXIT_DONE : EXIT_USAGE;
    } else if (rest.count > 0) {
        status = options_mistake(self, "'%s': it takes no arguments but options", rest.items[0]);
    } else if (options.like == NULL) {
        status = options_mistake(self, "--like NAME is needed");
    } else if (options.output == NULL && !options.dry_run) {
        status = options_mistake(self, "-o DIR is needed (or --dry-run)");
    } else {
        status = make(&options);
    }
    arguments_free(&rest);
    return status;
}

const command command_model_synth = {
    "model synth",
    "--like NAME -o DIR [OPTION]...",
    "a checkpoint of random numbers",
    "Writes a checkpoint of random numbers that is like a real one in everything else: files, configurations, names, "
    "shapes and types of the whole networks. For measuring speed, memory and start-up without the real weights; what "
    "it segments means nothing.",
    groups,
    run_model_synth,
};

/*
 * model_context.c - diffcut model context [PATH] -o FILE: a prompt's text context, written where the text encoders
 * are and used (--context) where they are not.
 */
#include <stddef.h>

#include "commands.h"
#include "engine.h"
#include "photo.h"

typedef struct context_options {
    settings_options settings;
    console says;
    const char *output;
    bool force;
} context_options;

#define AT(field) offsetof(context_options, field)

static const option output_rows[] = {
    {'o', "output", "FILE", "where to write the context, a safetensors file; - for standard output", OPTION_STRING,
     AT(output), 0, 0, NULL, NULL},
    {'f', "force", NULL, "replace an existing file", OPTION_SET, AT(force), 0, 0, NULL, NULL},
    {0},
};

static const option_group groups[] = {
    {"Output", output_rows, 0},
    {"Text", settings_text_rows, AT(settings)},
    {"Model", settings_opening_rows, AT(settings)},
    {"", settings_threads_rows, AT(settings)},
    {"Messages", console_options, AT(says)},
    {NULL, NULL, 0},
};

static int save(engine *e, const context_options *o) {
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_buffer file = {0};
    if (diffcut_context_save(e->session, o->settings.values.prompt, &file) != DIFFCUT_OK) {
        return engine_failed(&o->says, NULL, diffcut_session_message(e->session));
    }
    const char *note = diffcut_session_note(e->session);
    if (note[0] != '\0' && !o->says.quiet) {
        console_error(&o->says, NULL, note);
    }
    const diffcut_status status = photo_write_result(o->output, &file, o->force, &diagnostics);
    diffcut_buffer_free(&file);
    return status == DIFFCUT_OK ? EXIT_DONE : engine_failed(&o->says, NULL, diagnostics.message);
}

static int run_model_context(const command *self, int argc, char **argv) {
    context_options options = {.output = NULL};
    engine e = {0};
    const engine_target target = {&options, &options.settings};
    int status = engine_parse_model(self, argc, argv, target);
    if (status < 0 && options.output == NULL) {
        status = options_mistake(self, "-o FILE is needed (- for standard output)");
    }
    if (status < 0) {
        status = engine_open(&e, self, argc, argv, target, &options.says);
    }
    if (status < 0) {
        status = engine_start(&e, &options.settings, NULL, &options.says);
    }
    if (status < 0) {
        status = save(&e, &options);
    }
    engine_close(&e);
    return status;
}

const command command_model_context = {
    "model context",
    "[OPTION]... [PATH] -o FILE",
    "a prompt's text context as a file",
    "Writes what the model's text encoders make of a prompt, for --context where a copy of the model lacks them. One "
    "file serves one prompt.",
    groups,
    run_model_context,
};

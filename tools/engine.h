/*
 * engine.h - a model, a session and the settings of a command, opened together.
 *
 * Called by segment, features, serve and bench (with a model), cut and refine (without).
 */
#ifndef DIFFCUT_TOOLS_ENGINE_H
#define DIFFCUT_TOOLS_ENGINE_H

#include "console.h"
#include "settings.h"

typedef struct engine {
    diffcut_model *model; /* NULL for cut and refine */
    diffcut_session *session;
} engine;

/* The command's options, as a place to parse into. */
typedef struct engine_target {
    void *options;              /* the command's own structure */
    settings_options *settings; /* inside it */
} engine_target;

/* The command's line, read twice: engine_parse finds the mistakes in it, over the paper's defaults; engine_open opens
 * the model that it names and reads it again over the model's defaults. argc and argv are as the command got them.
 * Both return -1 when the command may go on, else the exit status to return, all being said. */
int engine_parse(const command *self, int argc, char **argv, engine_target target, arguments *rest);
int engine_open(engine *e, const command *self, int argc, char **argv, engine_target target, console *says);

/* engine_parse of a line whose one argument, if there is one, is a model's path: it goes into the settings. */
int engine_parse_model(const command *self, int argc, char **argv, engine_target target);

/* Opens the model alone, for a command whose line has nothing that depends on it. Returns as above. */
int engine_model(engine *e, const settings_options *settings, const console *says);

/* Opens the session; callbacks may be NULL. Returns as above. */
int engine_start(engine *e, const settings_options *settings, const diffcut_session_settings *callbacks,
                 const console *says);

void engine_close(engine *e);

/* A progress callback for commands without a bar: cancels on Ctrl-C. */
int engine_progress(void *user, diffcut_stage stage, double fraction);

/* The exit status after a failure with this message, reported; an interruption is no failure and says nothing. */
int engine_failed(const console *says, const char *subject, const char *message);

#endif

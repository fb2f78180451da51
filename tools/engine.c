/* engine.c - see engine.h. */
#include "engine.h"

#include "interrupt.h"

int engine_model(engine *e, const settings_options *settings, const console *says) {
    diffcut_diagnostics diagnostics;
    const diffcut_status status = diffcut_model_open(settings->model, &settings->opening, &e->model, &diagnostics);
    if (status != DIFFCUT_OK) {
        return engine_failed(says, NULL, diagnostics.message);
    }
    return -1;
}

int engine_parse(const command *self, int argc, char **argv, engine_target target, arguments *rest) {
    settings_begin(target.settings, NULL);
    const options_result result = options_parse(self, argc, argv, target.options, rest);
    if (result != OPTIONS_PARSED) {
        return result == OPTIONS_HELPED ? EXIT_DONE : EXIT_USAGE;
    }
    const int status = settings_end(target.settings, self);
    return status != EXIT_DONE ? status : -1;
}

int engine_parse_model(const command *self, int argc, char **argv, engine_target target) {
    arguments paths = {0};
    int status = engine_parse(self, argc, argv, target, &paths);
    if (status < 0 && paths.count > 1) {
        status = options_mistake(self, "more than one model given");
    }
    if (status < 0) {
        target.settings->model = paths.count == 1 ? paths.items[0] : NULL;
    }
    arguments_free(&paths);
    return status;
}

int engine_open(engine *e, const command *self, int argc, char **argv, engine_target target, console *says) {
    int status = engine_model(e, target.settings, says);
    if (status >= 0) {
        return status;
    }
    const int verbose = says->verbose; /* -v counts: the second reading must not count again */
    settings_begin(target.settings, e->model);
    const options_result again = options_parse(self, argc, argv, target.options, NULL);
    says->verbose = verbose;
    if (again != OPTIONS_PARSED) {
        return EXIT_USAGE;
    }
    status = settings_end(target.settings, self);
    return status != EXIT_DONE ? status : -1;
}

int engine_start(engine *e, const settings_options *settings, const diffcut_session_settings *callbacks,
                 const console *says) {
    diffcut_session_settings session_settings;
    diffcut_session_settings_init(&session_settings);
    if (callbacks != NULL) {
        session_settings = *callbacks;
    }
    session_settings.threads = settings->threads;
    if (session_settings.progress == NULL) {
        session_settings.progress = engine_progress;
    }
    diffcut_diagnostics diagnostics;
    if (diffcut_session_open(e->model, &session_settings, &e->session, &diagnostics) != DIFFCUT_OK) {
        return engine_failed(says, NULL, diagnostics.message);
    }
    return -1;
}

void engine_close(engine *e) {
    diffcut_session_close(e->session);
    diffcut_model_release(e->model);
    *e = (engine){0};
}

int engine_progress(void *user, diffcut_stage stage, double fraction) {
    (void)user;
    (void)stage;
    (void)fraction;
    return interrupt_requested() ? 1 : 0;
}

int engine_failed(const console *says, const char *subject, const char *message) {
    if (interrupt_requested()) {
        return interrupt_exit_code();
    }
    console_error(says, subject, message);
    return EXIT_FAILED;
}

/* session.c - see session.h. */
#include "session.h"

#include "core/memory.h"
#include "core/parallel.h"
#include "model/model.h"

#include <string.h>

#define SESSION_MAX_THREADS 1024

void diffcut_session_settings_init(diffcut_session_settings *settings) {
    if (settings != NULL) {
        memset(settings, 0, sizeof *settings);
    }
}

diffcut_status diffcut_session_open(diffcut_model *model, const diffcut_session_settings *settings,
                                    diffcut_session **out, diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = diagnostics != NULL ? diagnostics : &local;
    diag_clear(diag);
    if (out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_session_open: out is NULL");
    }
    if (settings != NULL && settings->threads > SESSION_MAX_THREADS) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "threads %u is outside 0 .. %d", settings->threads,
                         SESSION_MAX_THREADS);
    }
    diffcut_session *session = mem_array_zero(1, sizeof *session);
    if (session == NULL) {
        return diag_no_memory(diag, sizeof *session, "a session");
    }
    if (settings != NULL) {
        session->settings = *settings;
    }
    session->threads = session->settings.threads > 0 ? session->settings.threads : parallel_default_threads();
    if (model != NULL) {
        diffcut_status status =
            model->backend->ops->stream_create(model->backend, session->threads, &session->stream, diag);
        if (status != DIFFCUT_OK) {
            mem_free(session);
            return status;
        }
        session->model = diffcut_model_retain(model);
    }
    *out = session;
    return DIFFCUT_OK;
}

void diffcut_session_close(diffcut_session *session) {
    if (session == NULL) {
        return;
    }
    if (session->model != NULL) {
        session->model->backend->ops->stream_destroy(session->stream);
        diffcut_model_release(session->model);
    }
    mem_free(session);
}

const char *diffcut_session_message(const diffcut_session *session) {
    return session != NULL ? session->diag.message : "the session is NULL";
}

const char *diffcut_session_note(const diffcut_session *session) {
    return session != NULL ? session->note.message : "";
}

void diffcut_session_times(const diffcut_session *session, double seconds[DIFFCUT_STAGE_COUNT]) {
    memcpy(seconds, session->seconds, sizeof session->seconds);
}

void diffcut_session_reset_times(diffcut_session *session) {
    memset(session->seconds, 0, sizeof session->seconds);
}

work session_begin(diffcut_session *session, diffcut_stage stage) {
    diag_clear(&session->diag);
    diag_clear(&session->note);
    work w = {.threads = session->threads,
              .diag = &session->diag,
              .note = &session->note,
              .stage = stage,
              .seconds = session->seconds,
              .entered = work_clock(),
              .progress = session->settings.progress,
              .progress_user = session->settings.progress_user,
              .dump = session->settings.dump,
              .dump_user = session->settings.dump_user,
              .operation = session->settings.operation,
              .operation_user = session->settings.operation_user};
    return w;
}

diffcut_status session_end(work *w, diffcut_status status) {
    work_leave(w);
    if (status == DIFFCUT_OK) {
        diag_clear(w->diag);
    }
    return status;
}

/*
 * session.h - one thread's working memory: the backend's stream, the message, the times.
 * Called by the public entry points: pipeline.c, pipeline_cut.c, methods.c.
 */
#ifndef DIFFCUT_SESSION_H
#define DIFFCUT_SESSION_H

#include "backend/backend.h"
#include "core/work.h"

struct diffcut_session {
    diffcut_model *model;   /* retained; NULL for a session that only cuts, assigns and refines */
    backend_stream *stream; /* NULL without a model */
    diffcut_session_settings settings;
    uint32_t threads; /* at least 1 */
    diffcut_diagnostics diag;
    diffcut_diagnostics note;
    double seconds[DIFFCUT_STAGE_COUNT];
};

/* The work of one public call on this session, in the given stage; clears the message and the note. */
work session_begin(diffcut_session *session, diffcut_stage stage);

/* Ends it: books the time; clears the message after success. Returns status. */
diffcut_status session_end(work *w, diffcut_status status);

#endif

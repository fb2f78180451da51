/*
 * events.h - how a job goes on, as server-sent events (WHATWG HTML, section 9.2): one event "state" a change, the
 * same JSON that GET /v1/jobs/{id} gives, the last one when the job is finished.
 *
 * Called by routes.c and request.c.
 */
#ifndef DIFFCUT_TOOLS_SERVE_EVENTS_H
#define DIFFCUT_TOOLS_SERVE_EVENTS_H

#include "request.h"

typedef struct event_stream event_stream;

/* Answers with the stream of r->job. */
void events_start(request *r);
/* Whether there is something to tell. */
bool events_are_due(const event_stream *stream, const job_view *view);
void events_free(event_stream *stream);

/* {"state": ..., "position": ..., ...} */
void events_job_json(request *r, const job *what, text *out);

#endif

/* events.c - see events.h. */
#include "events.h"

#include <stdlib.h>
#include <string.h>

#include "progress.h"

/* A comment so often, so that what lies between does not take the connection for dead. */
#define BEAT_SECONDS 15.0

struct event_stream {
    request *r;
    job_view told; /* what the client knows */
    bool any;
    double when;
    text pending; /* of the events, from `sent` on still to be sent */
    size_t sent;
};

void events_job_json(request *r, const job *what, text *out) {
    job_view view;
    jobs_look(&r->server->jobs, what, &view);
    text_print(out, "{\"id\": \"%s\", \"state\": \"%s\", \"position\": %zu, \"stage\": ", what->id,
               job_state_name(view.state), view.position);
    if (view.state == JOB_QUEUED) {
        text_add(out, "null");
    } else {
        json_string(out, diffcut_stage_name(view.stage));
    }
    text_add(out, ", \"fraction\": ");
    json_real(out, view.state == JOB_DONE ? 1 : view.fraction, 4);
    text_add(out, ", \"tree\": ");
    if (view.state == JOB_DONE) {
        text_print(out, "\"%s\"", what->tree_id);
    } else {
        text_add(out, "null");
    }
    text_add(out, ", \"error\": ");
    if (view.state == JOB_FAILED || view.state == JOB_CANCELLED) {
        problem_fields(&what->error, out);
    } else {
        text_add(out, "null");
    }
    text_add(out, "}");
}

static bool is_news(const event_stream *stream, const job_view *view) {
    const job_view *told = &stream->told;
    return !stream->any || view->state != told->state || view->position != told->position ||
           view->stage != told->stage || view->fraction != told->fraction;
}

bool events_are_due(const event_stream *stream, const job_view *view) {
    return is_news(stream, view) || progress_clock() - stream->when > BEAT_SECONDS;
}

/* Puts the next event, or a beat, into `pending`. */
static void tell(event_stream *stream, const job_view *view) {
    text_clear(&stream->pending);
    stream->sent = 0;
    if (is_news(stream, view)) {
        text_add(&stream->pending, "event: state\ndata: ");
        events_job_json(stream->r, stream->r->job, &stream->pending);
        text_add(&stream->pending, "\n\n");
    } else {
        text_add(&stream->pending, ": still here\n\n");
    }
    stream->told = *view;
    stream->any = true;
    stream->when = progress_clock();
}

/* From here on the client has only to read. */
static ssize_t end_stream(request *r) {
    r->client->phase = CLIENT_ANSWER;
    r->client->since = progress_clock();
    return MHD_CONTENT_READER_END_OF_STREAM;
}

static ssize_t next_bytes(void *user, uint64_t position, char *out, size_t size) {
    event_stream *stream = user;
    request *r = stream->r;
    (void)position;
    r->client->phase = CLIENT_WORK;
    if (r->gone) {
        return end_stream(r);
    }
    if (stream->sent == stream->pending.length) {
        job_view view;
        if (stream->any && job_is_finished(&stream->told)) {
            return end_stream(r);
        }
        jobs_look(&r->server->jobs, r->job, &view);
        if (!events_are_due(stream, &view)) {
            request_suspend(r);
            return 0;
        }
        tell(stream, &view);
        if (stream->pending.failed) {
            return MHD_CONTENT_READER_END_WITH_ERROR;
        }
    }
    const size_t left = stream->pending.length - stream->sent;
    const size_t count = left < size ? left : size;
    memcpy(out, stream->pending.data + stream->sent, count);
    stream->sent += count;
    return (ssize_t)count;
}

void events_free(event_stream *stream) {
    if (stream != NULL) {
        text_free(&stream->pending);
        free(stream);
    }
}

void events_start(request *r) {
    const mhd_library *mhd = &r->server->mhd;
    event_stream *stream = calloc(1, sizeof *stream);
    struct MHD_Response *response =
        stream != NULL ? mhd->create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, next_bytes, stream, NULL) : NULL;
    if (response == NULL) {
        problem p;
        free(stream);
        problem_from_status(&p, DIFFCUT_ERROR_MEMORY, "out of memory");
        request_problem(r, &p);
        return;
    }
    stream->r = r;
    r->stream = stream;
    (void)mhd->add_response_header(response, "Content-Type", "text/event-stream; charset=utf-8");
    request_add_headers(r, response);
    request_queue(r, 200, response, 0);
}

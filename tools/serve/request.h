/*
 * request.h - one request: checked, read, routed to what answers it, answered.
 *
 * All of it runs in the loop's thread. A request that waits for a job is suspended and in the server's list; it is
 * resumed when the job is finished, or cancelled with it when its client has gone. Called by server.c and routes.c.
 */
#ifndef DIFFCUT_TOOLS_SERVE_REQUEST_H
#define DIFFCUT_TOOLS_SERVE_REQUEST_H

#include "fields.h"
#include "server.h"

typedef struct request request;

typedef enum route_body { BODY_NONE, BODY_PHOTO, BODY_FIELDS /* more of the query, or nothing */ } route_body;

/* What an address does. A path has at most one {}, a word of letters, digits, '.', '_' and '-'. */
typedef struct route {
    const char *method, *path;
    const char *fields; /* of the query */
    route_body body;
    bool open; /* it needs no token */
    void (*run)(request *r);
} route;

extern const route routes[];
extern const size_t route_count;

struct request {
    server *server;
    struct MHD_Connection *connection;
    client *client;
    const route *route;
    char shown[120]; /* "GET /v1/info", for the log */
    double began;
    char word[128]; /* of the path's {} */
    char allow[40]; /* the methods of a path that was asked with another */
    params query;
    bool is_form;       /* multipart/form-data */
    fields_kind fields; /* of a body of fields; FIELDS_NONE: none was announced */
    text body;
    uint64_t reserved; /* of the body, in the server's sum */
    bool answered, suspended, gone;
    /* While it waits. */
    request *previous, *next;
    job *job;
    struct event_stream *stream; /* it tells of the job's events rather than wait for its end */
};

/* Exactly one of these ends a route's run. */
void request_answer(request *r, answer *a); /* takes the answer's bytes over */
void request_problem(request *r, const problem *p);
void request_wait(request *r, job *what, bool listed); /* submits; takes the job over */

/* A header of the request, or NULL. */
const char *request_header(const request *r, const char *name);

/* Suspends and resumes, keeping the server's list. */
void request_suspend(request *r);
void request_resume(request *r);
void request_queue(request *r, unsigned status, struct MHD_Response *response, uint64_t bytes);
/* What every answer carries. */
void request_add_headers(request *r, struct MHD_Response *response);

/* The daemon's callbacks. */
enum MHD_Result request_handle(void *user, struct MHD_Connection *connection, const char *url, const char *method,
                               const char *version, const char *data, size_t *size, void **context);
void request_completed(void *user, struct MHD_Connection *connection, void **context,
                       enum MHD_RequestTerminationCode code);

/* For the loop. */
void request_resume_finished(server *s);
void request_resume_all(server *s);
void request_look_for_gone(server *s);

/* server.c: says why on a connection whose request is not complete, and ends it; ends it without a word. */
void server_cut_off(server *s, client *c, const problem *why);
void server_end_client(server *s, client *c);

#endif

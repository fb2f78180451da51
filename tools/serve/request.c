/* request.c - see request.h. */
#include "request.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "events.h"
#include "multipart.h"
#include "progress.h"
#include "values.h"

/* Bodies that are being received, in the largest body allowed: what clients together can make the server hold. */
#define BODIES_AT_ONCE 8
/* Of a body where none is expected. */
#define MOST_IDLE_BODY 65536
/* That is still read after a refusal, so that a client which sends on finds it, rather than a reset. */
#define MOST_LEFT_OVER ((uint64_t)1 << 20)

const char *request_header(const request *r, const char *name) {
    return r->server->mhd.lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

/* ------------------------------------------------------------------------------------------------- answering */

/* The page's own files and pictures made in it; nothing from elsewhere, nothing inline, in nobody's frame. */
#define CONTENT_POLICY                                                                                               \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "      \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

void request_add_headers(request *r, struct MHD_Response *response) {
    static const char *const headers[][2] = {
        {"Content-Security-Policy", CONTENT_POLICY},
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "DENY"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Cache-Control", "no-store"},
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        (void)r->server->mhd.add_response_header(response, headers[i][0], headers[i][1]);
    }
    if (r->server->stopping) {
        (void)r->server->mhd.add_response_header(response, "Connection", "close");
    }
}

void request_queue(request *r, unsigned status, struct MHD_Response *response, uint64_t bytes) {
    server *s = r->server;
    r->answered = true;
    s->totals.answers[status < 600 ? status : 500]++;
    s->totals.bytes_out += bytes;
    r->client->phase = CLIENT_ANSWER;
    r->client->since = progress_clock();
    r->client->bytes = bytes;
    if (s->says->verbose > 0) {
        console_say(s->says, "%s %u %llu bytes %.3f s", r->shown, status, (unsigned long long)bytes,
                    r->client->since - r->began);
    }
    if (s->mhd.queue_response(r->connection, status, response) != MHD_YES) {
        server_end_client(r->server, r->client);
    }
    s->mhd.destroy_response(response);
}

static void release_answer(void *user) {
    answer *a = user;
    answer_free(a);
    free(a);
}

void request_answer(request *r, answer *a) {
    const mhd_library *mhd = &r->server->mhd;
    answer *kept = malloc(sizeof *kept); /* until it is sent */
    struct MHD_Response *response = NULL;
    if (kept != NULL && !a->body.failed) {
        *kept = *a;
        response = mhd->create_response_from_buffer_with_free_callback_cls((size_t)answer_size(kept),
                                                                           answer_bytes(kept), release_answer, kept);
    }
    if (response == NULL) {
        answer_free(a);
        free(kept);
        r->answered = true;
        server_end_client(r->server, r->client);
        return;
    }
    (void)mhd->add_response_header(response, "Content-Type", kept->type != NULL ? kept->type : ANSWER_BYTES);
    for (size_t i = 0; i < kept->header_count; i++) {
        (void)mhd->add_response_header(response, kept->headers[i].name, kept->headers[i].value);
    }
    *a = (answer){0};
    request_add_headers(r, response);
    request_queue(r, kept->status, response, answer_size(kept));
}

void request_problem(request *r, const problem *p) {
    answer a = {.status = p->status, .type = ANSWER_JSON};
    problem_json(p, &a.body);
    if (p->retry_after > 0) {
        answer_header_add(&a, "Retry-After", "%u", p->retry_after);
    }
    if (p->status == 401) {
        answer_header_add(&a, "WWW-Authenticate", "Bearer realm=\"diffcut\"");
    }
    if (p->status == 405) {
        answer_header_add(&a, "Allow", "%s", r->allow);
    }
    request_answer(r, &a);
}

/* ------------------------------------------------------------------------------------------------- waiting */

void request_suspend(request *r) {
    server *s = r->server;
    r->suspended = true;
    r->previous = NULL;
    r->next = s->waiting;
    if (s->waiting != NULL) {
        s->waiting->previous = r;
    }
    s->waiting = r;
    r->client->phase = CLIENT_WORK;
    s->mhd.suspend_connection(r->connection);
}

static void unlink_waiting(request *r) {
    server *s = r->server;
    *(r->previous != NULL ? &r->previous->next : &s->waiting) = r->next;
    if (r->next != NULL) {
        r->next->previous = r->previous;
    }
    r->suspended = false;
}

void request_resume(request *r) {
    unlink_waiting(r);
    r->server->mhd.resume_connection(r->connection);
}

/* The job is finished, or its client is not there any more. */
static void answer_from_job(request *r) {
    job_view view;
    jobs_look(&r->server->jobs, r->job, &view);
    if (r->gone || view.state != JOB_DONE) {
        problem gone;
        if (!job_is_finished(&view)) {
            (void)problem_set(&gone, 503, "cancelled", NULL, "the work was cancelled");
        }
        request_problem(r, job_is_finished(&view) ? &r->job->error : &gone);
        return;
    }
    request_answer(r, &r->job->result);
}

void request_wait(request *r, job *what, bool listed) {
    jobs *j = &r->server->jobs;
    problem p;
    if (what == NULL) {
        problem_from_status(&p, DIFFCUT_ERROR_MEMORY, "out of memory");
        request_problem(r, &p);
        return;
    }
    if (!jobs_submit(j, what, listed, &p)) {
        jobs_release(j, what);
        request_problem(r, &p);
        return;
    }
    if (listed) {
        answer a = {.status = 202, .type = ANSWER_JSON};
        text_print(&a.body, "{\"id\": \"%s\"}\n", what->id);
        answer_header_add(&a, "Location", "/v1/jobs/%s", what->id);
        jobs_release(j, what);
        request_answer(r, &a);
        return;
    }
    r->job = what;
    request_suspend(r);
}

void request_resume_finished(server *s) {
    for (request *r = s->waiting, *next = NULL; r != NULL; r = next) {
        job_view view;
        next = r->next;
        jobs_look(&s->jobs, r->job, &view);
        if (r->stream != NULL ? events_are_due(r->stream, &view) : job_is_finished(&view)) {
            request_resume(r);
        }
    }
}

void request_resume_all(server *s) {
    while (s->waiting != NULL) {
        s->waiting->gone = true;
        request_resume(s->waiting);
    }
}

/* A client that has closed its side in the middle of a computation is taken for gone, as web servers do: the other
 * reading of it, a client that only has nothing more to say, cannot be told apart. */
void request_look_for_gone(server *s) {
    for (request *r = s->waiting, *next = NULL; r != NULL; r = next) {
        struct pollfd look = {.fd = r->client->socket, .events = POLLRDHUP};
        next = r->next;
        if (poll(&look, 1, 0) <= 0 || (look.revents & (POLLRDHUP | POLLHUP | POLLERR)) == 0) {
            continue;
        }
        r->gone = true;
        if (r->stream == NULL) {
            s->totals.clients_gone++;
            jobs_cancel(&s->jobs, r->job, JOB_STOP_ASKED);
        }
        request_resume(r);
    }
}

/* ------------------------------------------------------------------------------------------------- checking */

/* Whether the path is the route's; its {} goes to word. */
static bool matches(const route *way, const char *path, char *word, size_t word_size) {
    const char *hole = strstr(way->path, "{}");
    if (hole == NULL) {
        return strcmp(way->path, path) == 0;
    }
    const size_t before = (size_t)(hole - way->path);
    if (strncmp(way->path, path, before) != 0) {
        return false;
    }
    const size_t length = strcspn(path + before, "/");
    if (length == 0 || length >= word_size || strcmp(path + before + length, hole + 2) != 0) {
        return false;
    }
    memcpy(word, path + before, length);
    word[length] = '\0';
    return true;
}

static bool find_route(request *r, const char *path, const char *method, problem *out) {
    const char *asked = strcmp(method, "HEAD") == 0 ? "GET" : method;
    for (size_t i = 0; i < route_count; i++) {
        if (!matches(&routes[i], path, r->word, sizeof r->word)) {
            continue;
        }
        if (strcmp(routes[i].method, asked) == 0) {
            r->route = &routes[i];
            return true;
        }
        if (strstr(r->allow, routes[i].method) == NULL) {
            const size_t used = strlen(r->allow);
            (void)snprintf(r->allow + used, sizeof r->allow - used, "%s%s", used > 0 ? ", " : "", routes[i].method);
        }
    }
    if (r->allow[0] == '\0') {
        return problem_set(out, 404, "not_found", NULL, "there is nothing under this address");
    }
    return problem_set(out, 405, "bad_method", NULL, "%.20s is not for this address; %s is", method, r->allow);
}

static bool check_guard(request *r, const char *method, problem *out) {
    struct sockaddr_storage local;
    socklen_t size = sizeof local;
    const bool known = getsockname(r->client->socket, (struct sockaddr *)&local, &size) == 0;
    const guard_request asks = {
        .host = request_header(r, "Host"),
        .origin = request_header(r, "Origin"),
        .authorization = request_header(r, "Authorization"),
        .cookies = request_header(r, "Cookie"),
        .local = known ? (const struct sockaddr *)&local : NULL,
        .changes = strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0,
        .open = r->route != NULL && r->route->open,
    };
    return guard_check(&r->server->guard, &asks, out);
}

typedef struct query_reading {
    request *r;
    problem *out;
    bool good;
} query_reading;

static enum MHD_Result read_field(void *user, enum MHD_ValueKind kind, const char *key, size_t key_size,
                                  const char *value, size_t value_size) {
    query_reading *reading = user;
    request *r = reading->r;
    (void)kind;
    if (strlen(key) != key_size || (value != NULL && strlen(value) != value_size)) {
        reading->good = problem_set(reading->out, 400, "bad_value", key, "%s: a NUL byte in the address", key);
    } else {
        reading->good = params_take(&r->query, r->route->fields, key, value != NULL ? value : "", reading->out);
    }
    return reading->good ? MHD_YES : MHD_NO;
}

static bool read_query(request *r, problem *out) {
    if (r->route->fields == NULL) {
        return true;
    }
    query_reading reading = {r, out, true};
    params_init(&r->query, r->server->model);
    (void)r->server->mhd.get_connection_values_n(r->connection, MHD_GET_ARGUMENT_KIND, read_field, &reading);
    return reading.good && (r->route->body == BODY_FIELDS || params_end(&r->query, out));
}

static bool take_body_field(void *user, const char *name, const char *value, problem *out) {
    request *r = user;
    return params_take(&r->query, r->route->fields, name, value, out);
}

/* The rest of the query, from the body. */
static bool read_body_fields(request *r, problem *out) {
    return (r->body.length == 0 || fields_read(r->fields, r->body.data, r->body.length, take_body_field, r, out)) &&
           params_end(&r->query, out);
}

static bool check_fields_type(request *r, problem *out) {
    const char *type = request_header(r, "Content-Type");
    r->fields = type != NULL ? fields_kind_of(type) : FIELDS_NONE;
    return type == NULL || r->fields != FIELDS_NONE ||
           problem_set(out, 415, "bad_type", "Content-Type",
                       "the body is sent as application/json or application/x-www-form-urlencoded");
}

/* What kind of body comes, and how large it is said to be. */
static bool check_body(request *r, problem *out) {
    if (r->route->body != BODY_PHOTO) {
        return r->route->body == BODY_NONE || check_fields_type(r, out);
    }
    const char *type = request_header(r, "Content-Type");
    const char *length = request_header(r, "Content-Length");
    r->is_form = type != NULL && strncasecmp(type, "multipart/form-data", 19) == 0;
    if (type != NULL && !r->is_form && strncasecmp(type, "image/", 6) != 0 &&
        strncasecmp(type, "application/octet-stream", 24) != 0) {
        return problem_set(out, 415, "bad_type", "Content-Type",
                           "a photo is sent as image/..., application/octet-stream or multipart/form-data");
    }
    uint64_t size = 0;
    if (length == NULL && request_header(r, "Transfer-Encoding") == NULL) {
        return problem_set(out, 411, "no_length", "Content-Length", "the photo's size is not said");
    }
    if (length != NULL && value_unsigned(length, &size) && size > r->server->limits.max_body) {
        return problem_set(out, 413, "too_large", "photo", "a photo may have %llu bytes here, not %llu",
                           (unsigned long long)r->server->limits.max_body, (unsigned long long)size);
    }
    return true;
}

/* When the headers are complete. */
static void begin(request *r, const char *path, const char *method) {
    problem p = {0};
    problem elsewhere = {0};
    const bool found = find_route(r, path, method, &elsewhere);
    bool good = check_guard(r, method, &p);
    if (good && r->server->stopping) {
        good = problem_set(&p, 503, "shutting_down", NULL, "the server is shutting down");
    }
    if (good && !found) {
        p = elsewhere;
        good = false;
    }
    good = good && read_query(r, &p) && check_body(r, &p);
    if (!good) {
        request_problem(r, &p);
    }
}

/* ------------------------------------------------------------------------------------------------- reading */

/* Small enough not to be counted among the bodies on their way. */
static void take_fields(request *r, const char *data, size_t size) {
    problem p = {0};
    if (r->fields == FIELDS_NONE) {
        (void)problem_set(&p, 415, "bad_type", "Content-Type", "the body's type is not said");
    } else if (r->body.length + size > FIELDS_MOST_BYTES) {
        (void)problem_set(&p, 413, "too_large", NULL, "the body may have %d bytes here", FIELDS_MOST_BYTES);
    } else {
        text_add_bytes(&r->body, data, size);
        if (!r->body.failed) {
            return;
        }
        problem_from_status(&p, DIFFCUT_ERROR_MEMORY, "out of memory");
    }
    r->answered = true;
    server_cut_off(r->server, r->client, &p);
}

static void take_body(request *r, const char *data, size_t size) {
    server *s = r->server;
    problem p;
    s->totals.bytes_in += size;
    r->client->bytes += size;
    if (r->answered || r->client->closed) {
        r->client->left_over += size;
        return;
    }
    if (r->route->body == BODY_NONE) {
        if (r->client->bytes > MOST_IDLE_BODY) {
            (void)problem_set(&p, 413, "too_large", NULL, "no body is expected here");
            r->answered = true;
            server_cut_off(s, r->client, &p);
        }
        return;
    }
    if (r->route->body == BODY_FIELDS) {
        take_fields(r, data, size);
        return;
    }
    if (r->body.length + size > s->limits.max_body) {
        (void)problem_set(&p, 413, "too_large", "photo", "a photo may have %llu bytes here",
                          (unsigned long long)s->limits.max_body);
    } else if (s->body_bytes + size + jobs_photo_bytes(&s->jobs) > BODIES_AT_ONCE * s->limits.max_body) {
        (void)problem_set(&p, 429, "busy", NULL, "too many photos are on their way");
    } else {
        text_add_bytes(&r->body, data, size);
        s->body_bytes += size;
        r->reserved += size;
        if (!r->body.failed) {
            return;
        }
        problem_from_status(&p, DIFFCUT_ERROR_MEMORY, "out of memory");
    }
    r->answered = true;
    server_cut_off(s, r->client, &p);
}

/* The whole request is there. */
static void run_route(request *r) {
    problem p;
    if (r->route->body == BODY_FIELDS && !read_body_fields(r, &p)) {
        request_problem(r, &p);
        return;
    }
    if (r->is_form) {
        const char *photo = NULL;
        size_t size = 0;
        if (!multipart_photo(request_header(r, "Content-Type"), text_string(&r->body), r->body.length, &photo, &size,
                             &p)) {
            request_problem(r, &p);
            return;
        }
        memmove(r->body.data, photo, size);
        r->body.length = size;
    }
    if (r->route->body == BODY_PHOTO && r->body.length == 0) {
        (void)problem_set(&p, 400, "no_photo", "photo", "the photo is empty");
        request_problem(r, &p);
        return;
    }
    r->route->run(r);
}

enum MHD_Result request_handle(void *user, struct MHD_Connection *connection, const char *url, const char *method,
                               const char *version, const char *data, size_t *size, void **context) {
    server *s = user;
    request *r = *context;
    (void)version;
    if (r == NULL) {
        client *c = s->mhd.get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
        r = c != NULL ? calloc(1, sizeof *r) : NULL;
        if (r == NULL) {
            return MHD_NO;
        }
        *r = (request){.server = s, .connection = connection, .client = c};
        *context = r;
        c->phase = CLIENT_BODY;
        c->since = progress_clock();
        r->began = c->since;
        (void)snprintf(r->shown, sizeof r->shown, "%.10s %.100s", method, url);
        c->bytes = 0;
        begin(r, url, method);
        return MHD_YES;
    }
    if (*size > 0) {
        take_body(r, data, *size);
        *size = 0;
        return r->client->left_over > MOST_LEFT_OVER ? MHD_NO : MHD_YES;
    }
    if (r->answered) {
        return r->client->closed ? MHD_NO : MHD_YES;
    } else if (r->job != NULL) {
        answer_from_job(r);
    } else {
        run_route(r);
    }
    return MHD_YES;
}

void request_completed(void *user, struct MHD_Connection *connection, void **context,
                       enum MHD_RequestTerminationCode code) {
    server *s = user;
    request *r = *context;
    (void)connection;
    (void)code;
    if (r == NULL) {
        return;
    }
    *context = NULL;
    if (r->suspended) { /* the daemon does not end a suspended connection, but the list must not outlive it */
        unlink_waiting(r);
    }
    if (r->job != NULL) {
        if (r->stream == NULL) {
            jobs_cancel(&s->jobs, r->job, JOB_STOP_ASKED);
        }
        jobs_release(&s->jobs, r->job);
    }
    s->body_bytes -= r->reserved;
    r->client->phase = CLIENT_IDLE;
    r->client->since = progress_clock();
    r->client->bytes = 0;
    r->client->requests++;
    text_free(&r->body);
    events_free(r->stream);
    free(r);
}

/* server.c - see server.h: sockets, the loop, and the limits in time. */
#include "server.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "console.h"
#include "interrupt.h"
#include "progress.h"
#include "request.h"

#define LOOK_SECONDS 0.1                /* how often limits in time and clients that went away are looked for */
#define BYTES_A_SECOND 16384            /* that a client must read or send beyond the timeout */
#define HEADER_BYTES ((size_t)32 << 10) /* of a request's line and headers together */

/* ------------------------------------------------------------------------------------------------- listening */

static bool no_socket(diffcut_diagnostics *diagnostics, const char *host, const char *why) {
    (void)snprintf(diagnostics->message, sizeof diagnostics->message, "cannot listen on %.100s: %.200s", host, why);
    return false;
}

static int bind_to(const struct addrinfo *address) {
    const int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1;
    if (fd < 0) {
        return -1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0) {
        const int error = errno;
        (void)close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

bool server_listen(server *s, const char *host, uint16_t port, bool *loopback, diffcut_diagnostics *diagnostics) {
    struct addrinfo *found = NULL;
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    char service[8];
    (void)snprintf(service, sizeof service, "%u", port);
    const int code = getaddrinfo(host, service, &hints, &found);
    if (code != 0) {
        return no_socket(diagnostics, host, gai_strerror(code));
    }
    for (const struct addrinfo *at = found; at != NULL && s->listener < 0; at = at->ai_next) {
        s->listener = bind_to(at);
    }
    const int error = errno;
    freeaddrinfo(found);
    if (s->listener < 0) {
        return no_socket(diagnostics, host, strerror(error));
    }
    struct sockaddr_storage local;
    socklen_t size = sizeof local;
    char digits[8] = "";
    if (getsockname(s->listener, (struct sockaddr *)&local, &size) != 0 ||
        getnameinfo((struct sockaddr *)&local, size, NULL, 0, digits, sizeof digits, NI_NUMERICSERV) != 0) {
        return no_socket(diagnostics, host, strerror(errno));
    }
    s->guard.port = (uint16_t)strtoul(digits, NULL, 10);
    *loopback = guard_is_loopback((struct sockaddr *)&local);
    return true;
}

/* ------------------------------------------------------------------------------------------------- connections */

static void on_connection(void *user, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code) {
    server *s = user;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        client *c = calloc(1, sizeof *c);
        *context = c;
        if (c == NULL) {
            return; /* its first request is refused */
        }
        c->socket = s->mhd.get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        c->connection = connection;
        c->since = progress_clock();
        c->next = s->clients;
        if (s->clients != NULL) {
            s->clients->previous = c;
        }
        s->clients = c;
        s->client_count++;
        s->totals.connections++;
        return;
    }
    client *c = *context;
    if (c != NULL) {
        *(c->previous != NULL ? &c->previous->next : &s->clients) = c->next;
        if (c->next != NULL) {
            c->next->previous = c->previous;
        }
        s->client_count--;
        free(c);
        *context = NULL;
    }
}

/* The daemon may take no notice of the end of a connection that it reads nothing more from; its own limit of time,
 * the shortest there is, sees to that. */
void server_end_client(server *s, client *c) {
    c->closed = true;
    (void)shutdown(c->socket, SHUT_RDWR);
    (void)s->mhd.set_connection_option(c->connection, MHD_CONNECTION_OPTION_TIMEOUT, 1U);
}

/* Says why on a connection whose request is not complete, past the daemon, which has written nothing of an answer to
 * it yet and has no way to be told; then ends it. */
void server_cut_off(server *s, client *c, const problem *why) {
    text body = {0};
    text head = {0};
    problem_json(why, &body);
    text_print(&head, "HTTP/1.1 %u %s\r\nContent-Type: " ANSWER_JSON "\r\nContent-Length: %zu\r\n", why->status,
               why->status == 408 ? "Request Timeout" : "Refused", body.length);
    text_add(&head, "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n");
    text_add(&head, text_string(&body));
    if (!head.failed && !body.failed) {
        const ssize_t sent = send(c->socket, head.data, head.length, MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)sent; /* who does not read it does not get it */
    }
    s->totals.answers[why->status]++;
    if (why->status != 408) {
        /* Who still sends would otherwise wait, its window closed, until its system gives up: a reset tells it. */
        const struct linger reset = {.l_onoff = 1};
        (void)setsockopt(c->socket, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    server_end_client(s, c);
    text_free(&body);
    text_free(&head);
}

/* A client that has closed its side before its request was complete will never complete it. Looked at twice, between
 * which the daemon has read what there was. */
static void check_half_closed(server *s, client *c) {
    struct pollfd closed = {.fd = c->socket, .events = POLLRDHUP};
    int unread = 0;
    const bool waits = !c->closed && (c->phase == CLIENT_IDLE || c->phase == CLIENT_BODY);
    if (!waits || poll(&closed, 1, 0) <= 0 || ioctl(c->socket, FIONREAD, &unread) != 0 || unread > 0) {
        c->half_seen = 0;
    } else if (++c->half_seen >= 2) {
        server_end_client(s, c);
    }
}

static void check_time(server *s, client *c, double now) {
    const double spent = now - c->since;
    double allowed = s->limits.timeout;
    if (c->closed || c->phase == CLIENT_WORK) {
        return;
    }
    if (c->phase != CLIENT_IDLE) {
        allowed += (double)c->bytes / BYTES_A_SECOND;
    }
    if (spent <= allowed) {
        return;
    }
    s->totals.timeouts++;
    if (c->phase == CLIENT_ANSWER || (c->phase == CLIENT_IDLE && c->requests > 0)) {
        server_end_client(s, c); /* an answer is on its way, or nothing was asked */
        return;
    }
    problem late;
    (void)problem_set(&late, 408, "timeout", NULL, "the request was not complete after %u s", s->limits.timeout);
    server_cut_off(s, c, &late);
}

/* ------------------------------------------------------------------------------------------------- life */

static void on_message(void *user, const char *format, va_list args) {
    (void)user;
    text line = {0};
    text_add(&line, "diffcut: serve: ");
    text_vprint(&line, format, args);
    while (line.length > 0 && line.data[line.length - 1] == '\n') {
        line.data[--line.length] = '\0';
    }
    console_line(text_string(&line));
    text_free(&line);
}

bool server_open(server *s, const jobs_settings *settings, diffcut_diagnostics *diagnostics) {
    s->started = progress_clock();
    s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->wake < 0) {
        (void)snprintf(diagnostics->message, sizeof diagnostics->message, "no eventfd: %s", strerror(errno));
        return false;
    }
    interrupt_wake(s->wake);
    trees_open(&s->trees, s->limits.memory, s->limits.keep);
    jobs_settings mine = *settings;
    mine.store = &s->trees;
    mine.wake = s->wake;
    if (!jobs_open(&s->jobs, &mine, diagnostics)) {
        return false;
    }
    s->daemon = s->mhd.start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, request_handle, s,
        MHD_OPTION_EXTERNAL_LOGGER, on_message, s, MHD_OPTION_LISTEN_SOCKET, s->listener, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned int)s->limits.max_connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT, HEADER_BYTES,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_NOTIFY_COMPLETED, request_completed, s,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (s->daemon == NULL) {
        (void)snprintf(diagnostics->message, sizeof diagnostics->message, "libmicrohttpd does not start");
        jobs_close(&s->jobs);
        return false;
    }
    return true;
}

void server_close(server *s) {
    interrupt_wake(-1);
    if (s->daemon != NULL) {
        jobs_end(&s->jobs, true);
        request_resume_all(s);
        s->mhd.stop_daemon(s->daemon);
        jobs_close(&s->jobs);
        trees_close(&s->trees);
    }
    text_free(&s->samples);
    const int descriptors[] = {s->listener, s->wake};
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++) {
        if (descriptors[i] >= 0) {
            (void)close(descriptors[i]);
        }
    }
}

/* ------------------------------------------------------------------------------------------------- the loop */

/* The first signal lets what runs be finished, the second one cancels it. */
static void look_for_signals(server *s) {
    const int times = interrupt_times();
    if (times == s->signals) {
        return;
    }
    if (!s->stopping) {
        (void)s->mhd.quiesce_daemon(s->daemon);
        (void)close(s->listener);
        s->listener = -1;
    }
    jobs_end(&s->jobs, times > 1);
    s->stopping = true;
    s->signals = times;
}

/* Whether a connection waits for something that will still come. */
static bool is_busy(const server *s) {
    for (const client *c = s->clients; c != NULL; c = c->next) {
        if (c->phase != CLIENT_IDLE && !c->closed) {
            return true;
        }
    }
    return false;
}

static void look(server *s) {
    const double now = progress_clock();
    if (now - s->looked < LOOK_SECONDS) {
        return;
    }
    s->looked = now;
    for (client *c = s->clients; c != NULL; c = c->next) {
        check_time(s, c, now);
        check_half_closed(s, c);
    }
    request_look_for_gone(s);
    request_resume_finished(s);
    trees_expire(&s->trees);
    jobs_expire(&s->jobs);
}

static int wait_milliseconds(const server *s) {
    MHD_UNSIGNED_LONG_LONG asked = 0;
    int most = s->client_count > 0 || s->stopping ? (int)(LOOK_SECONDS * 1000) : 1000;
    if (s->mhd.get_timeout(s->daemon, &asked) == MHD_YES && asked < (MHD_UNSIGNED_LONG_LONG)most) {
        most = (int)asked;
    }
    return most;
}

void server_run(server *s) {
    const int epoll = s->mhd.get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    while (!s->ended) {
        struct pollfd ready[] = {{epoll, POLLIN, 0}, {s->wake, POLLIN, 0}};
        if (poll(ready, sizeof ready / sizeof *ready, wait_milliseconds(s)) < 0 && errno != EINTR) {
            return;
        }
        uint64_t finished = 0;
        if (read(s->wake, &finished, sizeof finished) > 0) {
            request_resume_finished(s);
        }
        look_for_signals(s);
        look(s);
        (void)s->mhd.run(s->daemon);
        s->ended = s->stopping && jobs_running(&s->jobs) == 0 && !is_busy(s);
    }
}

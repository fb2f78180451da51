/*
 * server.h - the server: one loop that speaks HTTP, in the main thread, and what it holds.
 *
 * The loop never computes. It reads requests, hands work to the jobs, is woken when one is finished and sends what
 * came of it. Everything here but jobs and trees is the loop's own, so nothing of it is locked.
 */
#ifndef DIFFCUT_TOOLS_SERVE_SERVER_H
#define DIFFCUT_TOOLS_SERVE_SERVER_H

#include "console.h"
#include "guard.h"
#include "jobs.h"
#include "mhd.h"
#include "trees.h"

typedef struct server_limits {
    uint64_t max_body; /* bytes of a request's body */
    uint64_t max_pixels;
    uint64_t max_tokens;
    uint64_t memory;  /* bytes of the stored trees */
    uint32_t queue;   /* waiting jobs, a lane */
    uint32_t timeout; /* seconds that a client may take to send a request or to read an answer's next part */
    uint32_t seconds; /* that a job may run */
    uint32_t keep;    /* seconds that an unused tree is kept */
    uint32_t max_connections;
} server_limits;

/* What a connection is at, each phase with a limit in time. */
typedef enum client_phase {
    CLIENT_IDLE,  /* no request's headers are complete */
    CLIENT_BODY,  /* they are, its body is not */
    CLIENT_WORK,  /* its job runs, or an event stream is open: no limit here */
    CLIENT_ANSWER /* the answer is being sent */
} client_phase;

typedef struct client {
    struct client *previous, *next;
    struct MHD_Connection *connection;
    int socket;
    client_phase phase;
    double since;
    uint64_t bytes;     /* of the body that came, of the answer to send */
    uint64_t requests;  /* answered */
    uint64_t left_over; /* bytes that came after a refusal */
    unsigned half_seen; /* how often in turn it was found to have closed its side */
    bool closed;        /* by us; the daemon will notice */
} client;

/* For /metrics; the jobs have sums of their own. */
typedef struct server_totals {
    uint64_t connections;
    uint64_t answers[600]; /* by status */
    uint64_t timeouts;     /* connections closed for being slow */
    uint64_t clients_gone; /* in the middle of a computation */
    uint64_t bytes_in, bytes_out;
} server_totals;

struct request;

typedef struct server {
    mhd_library mhd;
    struct MHD_Daemon *daemon;
    diffcut_model *model;
    const console *says;
    server_limits limits;
    guard guard;
    trees trees;
    jobs jobs;
    int listener, wake; /* descriptors, -1 for none */
    int signals;        /* how many were seen */
    client *clients;
    size_t client_count;
    uint64_t body_bytes;     /* of photos that are being received */
    struct request *waiting; /* suspended: for a job, or for its next event */
    bool stopping;           /* a signal came: nothing new */
    bool ended;              /* nothing is left to do */
    double started, looked;
    server_totals totals;
    text samples; /* of /v1/info, once it was asked for */
} server;

/* Binds; host is a name or an address, port 0 any free one, which is put into the guard. */
bool server_listen(server *s, const char *host, uint16_t port, bool *loopback, diffcut_diagnostics *diagnostics);
/* Starts jobs and HTTP. */
bool server_open(server *s, const jobs_settings *jobs, diffcut_diagnostics *diagnostics);
/* Until a signal has ended it. */
void server_run(server *s);
void server_close(server *s);

#endif

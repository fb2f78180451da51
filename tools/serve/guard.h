/*
 * guard.h - who may ask: Host against DNS rebinding, Origin against other sites' pages, the token.
 *
 * A page of another site can make a browser send requests here, also under a name of its own that it lets lead to
 * 127.0.0.1. So a request must name this server as a loopback name or address, as the address it came to, or as a
 * host that was allowed; one that changes something must not come from another origin. Called by request.c.
 */
#ifndef DIFFCUT_TOOLS_SERVE_GUARD_H
#define DIFFCUT_TOOLS_SERVE_GUARD_H

#include <stdint.h>
#include <sys/socket.h>

#include "problem.h"

enum { GUARD_MOST_HOSTS = 32 };

typedef struct guard {
    uint16_t port;
    const char *hosts[GUARD_MOST_HOSTS]; /* --allow-host: NAME or NAME:PORT */
    size_t host_count;
    const char *token; /* NULL: none is asked for */
    char cookie[33];   /* what a browser that showed the token is given */
} guard;

/* What a request says of itself; NULL where it does not. */
typedef struct guard_request {
    const char *host, *origin, *authorization, *cookies;
    const struct sockaddr *local; /* the address it came to */
    bool changes;                 /* it is no GET */
    bool open;                    /* it may be asked without the token */
} guard_request;

bool guard_check(const guard *g, const guard_request *r, problem *out);

/* Whether the token is this; takes equally long whatever it is. */
bool guard_is_token(const guard *g, const char *given);

/* Whether the address leads to this machine only. */
bool guard_is_loopback(const struct sockaddr *address);

/* "127.0.0.1" or "localhost" in a Host header. */
bool guard_is_loopback_name(const char *name);

#endif

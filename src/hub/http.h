/*
 * http.h - one client for the hub: GET and HEAD with our own rules for redirects, tokens and patience.
 *
 * - The token goes to the endpoint's origin (scheme, host and port) and nowhere else, whatever redirects say.
 * - At most HTTP_MAX_REDIRECTS redirects; none from https to http, none to another scheme.
 * - A body reaches the sink only with an answer of 200 or 206.
 * - A connection that brings no byte for `timeout` seconds is broken off.
 * Called by hub/pull and hub/transfer, in one thread.
 */
#ifndef DIFFCUT_HUB_HTTP_H
#define DIFFCUT_HUB_HTTP_H

#include "core/status.h"

#define HTTP_MAX_REDIRECTS 10
#define HTTP_MAX_URL 8192 /* bytes, with the NUL */

typedef struct http_client http_client;

/* What the client asks and tells while it works; all are called from the thread that works. */
typedef struct http_hooks {
    int (*tick)(void *user);                       /* several times a second; non-zero cancels */
    void (*retrying)(void *user, const char *why); /* before a wait; why belongs to the client */
    void *user;
} http_hooks;

typedef struct http_settings {
    const char *endpoint; /* http:// or https://, without a slash at the end; strings must outlive the client */
    const char *token;    /* NULL: none */
    uint32_t timeout;     /* seconds */
    uint32_t retries;     /* how often a passing fault is tried again */
    http_hooks hooks;
} http_settings;

/* What came back. Texts are empty, numbers UINT64_MAX, where the server said nothing. */
typedef struct http_answer {
    long code;                /* 0: no answer came */
    bool passing;             /* the fault may pass: worth trying again */
    char etag[72];            /* the content's hash, without quotes: X-Linked-Etag, else ETag */
    uint64_t size;            /* of the whole file: X-Linked-Size, else Content-Range's, else Content-Length */
    uint64_t offset;          /* of the first byte sent; 0 but with a 206 */
    char fault[64];           /* X-Error-Code */
    uint64_t wait;            /* Retry-After, seconds; 0: none */
    char place[HTTP_MAX_URL]; /* where the answer came from */
} http_answer;

/* Takes a piece of the body; a failure ends the request with that status. */
typedef diffcut_status (*http_sink)(void *user, const http_answer *answer, const void *data, size_t size,
                                    diffcut_diagnostics *diag);

typedef struct http_request {
    const char *url; /* below the endpoint */
    bool head;       /* headers only; a redirect to another origin is not followed */
    uint64_t offset; /* start here, by a Range header; 0: from the beginning, without one */
    http_sink sink;  /* NULL with head */
    void *user;      /* the sink's */
} http_request;

/* DIFFCUT_ERROR_ARGUMENT for an endpoint or token that can be none, DIFFCUT_ERROR_UNSUPPORTED without libcurl. */
diffcut_status http_open(const http_settings *settings, http_client **out, diffcut_diagnostics *diag);
/* NULL is allowed. */
void http_close(http_client *self);

/* One attempt. DIFFCUT_OK whenever an answer came, whatever its code. *answer is set in any case. */
diffcut_status http_once(http_client *self, const http_request *request, http_answer *answer,
                         diffcut_diagnostics *diag);

/* How often something was tried already. Starts as {0}. */
typedef struct http_patience {
    uint32_t tries;
} http_patience;

/* After a fault: true when it may pass and is to be tried again, after waiting as long as the server asked or
 * exponentially longer each time. False to give up; *status is then DIFFCUT_ERROR_CANCELLED when the wait was cut
 * short, else left as it is. why is what the hook tells. */
bool http_again(http_client *self, http_patience *patience, const http_answer *answer, const char *why,
                diffcut_status *status, diffcut_diagnostics *diag);

/* http_once, again while faults pass. DIFFCUT_OK as there. */
diffcut_status http_patiently(http_client *self, const http_request *request, http_answer *answer,
                              diffcut_diagnostics *diag);

/* Appends text to url (room for HTTP_MAX_URL bytes), all but letters, digits and "-._~" as %XX, and '/' too unless
 * slashes are kept. False when there is no room. */
bool http_append_encoded(char *url, const char *text, bool keep_slashes);

#endif

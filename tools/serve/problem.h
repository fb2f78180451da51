/*
 * problem.h - what went wrong with a request: an HTTP status, and {"error": {"code", "message", "field"}}.
 *
 * A problem says nothing of the machine: messages of the library pass only where they are about the photo or the
 * request, the rest go to the server's own log. Called by everything in tools/serve.
 */
#ifndef DIFFCUT_TOOLS_SERVE_PROBLEM_H
#define DIFFCUT_TOOLS_SERVE_PROBLEM_H

#include <stdbool.h>

#include "diffcut/diffcut.h"
#include "text.h"

typedef struct problem {
    unsigned status;      /* 400 ..; 0: none */
    unsigned retry_after; /* seconds; 0: not said */
    const char *code;     /* a word for programs: "bad_value" */
    char field[40];       /* of the request, "" for none */
    char message[600];    /* for people */
} problem;

/* Fills a problem; field may be NULL. Returns false, so that checks can end with it. */
__attribute__((format(printf, 5, 6))) bool problem_set(problem *p, unsigned status, const char *code,
                                                       const char *field, const char *format, ...);

/* Of a library call that failed. Messages about the model or the machine are replaced; `log` gets them. */
void problem_from_status(problem *p, diffcut_status status, const char *message);

/* {"code", "message", "field"}. */
void problem_fields(const problem *p, text *out);
/* The body: {"error": ...}. */
void problem_json(const problem *p, text *out);

#endif

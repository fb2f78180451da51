/*
 * answer.h - what a request is answered with: a status, a type, bytes and a few headers of its own.
 *
 * Made by a worker's thread or by the loop, sent by the loop. Called by everything in tools/serve.
 */
#ifndef DIFFCUT_TOOLS_SERVE_ANSWER_H
#define DIFFCUT_TOOLS_SERVE_ANSWER_H

#include "diffcut/diffcut.h"
#include "text.h"

enum { ANSWER_MOST_HEADERS = 6 };

typedef struct answer_header {
    const char *name;
    char value[160];
} answer_header;

/* The bytes are in one of body, file and fixed. */
typedef struct answer {
    unsigned status;
    const char *type; /* "application/json" */
    text body;
    diffcut_buffer file;
    const void *fixed; /* of the program itself */
    size_t fixed_size;
    answer_header headers[ANSWER_MOST_HEADERS];
    size_t header_count;
} answer;

#define ANSWER_JSON "application/json; charset=utf-8"
#define ANSWER_BYTES "application/octet-stream"

__attribute__((format(printf, 3, 4))) void answer_header_add(answer *a, const char *name, const char *format, ...);
const void *answer_bytes(const answer *a);
size_t answer_size(const answer *a);
void answer_free(answer *a);

#endif

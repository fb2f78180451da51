/* answer.c - see answer.h. */
#include "answer.h"

#include <stdio.h>

void answer_header_add(answer *a, const char *name, const char *format, ...) {
    if (a->header_count == ANSWER_MOST_HEADERS) {
        return;
    }
    answer_header *header = &a->headers[a->header_count++];
    header->name = name;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(header->value, sizeof header->value, format, args);
    va_end(args);
}

const void *answer_bytes(const answer *a) {
    return a->fixed != NULL ? a->fixed : a->file.data != NULL ? (const void *)a->file.data : text_string(&a->body);
}

size_t answer_size(const answer *a) {
    return a->fixed != NULL ? a->fixed_size : a->file.data != NULL ? a->file.size : a->body.length;
}

void answer_free(answer *a) {
    text_free(&a->body);
    diffcut_buffer_free(&a->file);
    *a = (answer){0};
}

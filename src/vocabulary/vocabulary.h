/*
 * vocabulary.h - the insides of a class list, a set of templates and a classifier. Called by the files of this room.
 */
#ifndef DIFFCUT_VOCABULARY_VOCABULARY_H
#define DIFFCUT_VOCABULARY_VOCABULARY_H

#include "core/status.h"

struct diffcut_vocabulary {
    uint32_t classes;
    size_t count;       /* names */
    const char **names; /* (count), into text */
    uint32_t *class_of; /* (count), ascending */
    size_t *first;      /* (classes + 1) place of each class's first name */
    char *text;         /* all names with their NULs */
    int32_t background; /* -1: none */
    int32_t unnamed;    /* "void", -1: none */
};

struct diffcut_templates {
    size_t count;
    char **items; /* each with {} once */
};

struct diffcut_classifier {
    uint32_t classes, width;
    size_t names;
    float scale;
    uint32_t *class_of; /* (names) */
    float *embeddings;  /* (names, width), unit */
    int32_t unnamed;    /* of the vocabulary */
    uint32_t truncated, cached;
};

#define VOCABULARY_NAME_BYTES 1024 /* of a name or a template, at most */

/* A line of a text file: without blanks at its ends. */
typedef struct text_line {
    const char *at;
    size_t length;
    size_t number; /* from 1 */
} text_line;

/* Whether the bytes are text in UTF-8; a byte order mark at *start is skipped. The message says what they look like
 * instead. */
diffcut_status text_check(const uint8_t *data, size_t size, const char *name, size_t *start,
                          diffcut_diagnostics *diag);

/* The next line at *at that is neither empty nor a comment (#); false at the end. number counts all lines. */
bool text_next_line(const uint8_t *data, size_t size, size_t *at, size_t *number, text_line *out);

/* Takes blanks off both ends. */
void text_trim(const char **at, size_t *length);

#endif

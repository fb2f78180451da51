/*
 * fields.h - the fields of a small body: application/json, one object of texts, numbers, true and false; or
 * application/x-www-form-urlencoded, as a query (WHATWG URL, section 5.1).
 *
 * They are decoded where they stand, so names and values live as long as the body. Called by request.c.
 */
#ifndef DIFFCUT_TOOLS_SERVE_FIELDS_H
#define DIFFCUT_TOOLS_SERVE_FIELDS_H

#include "problem.h"

enum { FIELDS_MOST_BYTES = 65536 };

typedef enum fields_kind { FIELDS_NONE, FIELDS_JSON, FIELDS_FORM } fields_kind;

/* Of a Content-Type, FIELDS_NONE for another. */
fields_kind fields_kind_of(const char *type);

/* Takes a field; false and a problem to stop. */
typedef bool (*fields_take_fn)(void *user, const char *name, const char *value, problem *out);

/* body: size bytes with a NUL behind them, which are changed. */
bool fields_read(fields_kind kind, char *body, size_t size, fields_take_fn take, void *user, problem *out);

#endif

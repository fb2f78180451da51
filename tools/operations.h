/*
 * operations.h - the networks' operations of some runs, added up by kind and shape, and their table.
 *
 * A run's operations are collected by the session's callback; equal shapes are one row. Called by bench.
 */
#ifndef DIFFCUT_TOOLS_OPERATIONS_H
#define DIFFCUT_TOOLS_OPERATIONS_H

#include "diffcut/diffcut.h"
#include "text.h"

typedef struct operation_row {
    char *kind, *shape;
    uint64_t count;
    double flop, seconds; /* of all of them */
} operation_row;

typedef struct operations {
    operation_row *rows;
    size_t count, capacity;
    bool failed; /* memory ran out: the sums are not whole */
} operations;

/* A diffcut_operation_fn; user is an operations. */
void operations_add(void *user, const diffcut_operation *operation);
/* Empty again, to collect anew. */
void operations_free(operations *self);

/* One line a kind, and with `each` one a shape as well, the slowest first: calls and milliseconds of one of `runs`
 * runs, GFLOP/s, and the share of peak (operations a second). */
void operations_table(operations *self, uint32_t runs, double peak, bool each, text *out);
/* [{"kind", "shape", "calls", "ms", "gflop", "gflops", "peak_share"}, ...], a row a shape. */
void operations_json(operations *self, uint32_t runs, double peak, text *out);

#endif

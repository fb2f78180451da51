/*
 * assignment.c - see assignment.h.
 *
 * Shortest augmenting paths for the rectangular assignment problem (D. F. Crouse, "On implementing 2D rectangular
 * assignment algorithms", IEEE Transactions on Aerospace and Electronic Systems 52, 2016): rows are added one by one;
 * each time the cheapest alternating path from the new row to a free column is found as Dijkstra does, with the dual
 * prices keeping reduced costs at 0 or above. Whole numbers, so there is no rounding.
 *
 * Which of several best matchings comes out is decided by the order in which columns are looked at. To be the
 * published evaluation's, that order is scipy's: the columns not yet reached are kept in a list, the last first, from
 * which a reached one is taken by moving the end into its place; of equally near ones the first in the list, but a
 * free one before one in use.
 */
#include "eval/assignment.h"

#include <string.h>

#include "core/memory.h"

#define UNREACHED INT64_MAX

typedef struct solver {
    size_t rows, columns;             /* rows <= columns */
    const int64_t *cost;              /* (rows, columns) */
    int64_t *row_price;               /* (rows) */
    int64_t *column_price, *distance; /* (columns) */
    int32_t *column_of;               /* (rows), -1: free */
    int32_t *row_of, *reached_from;   /* (columns) */
    size_t *waiting;                  /* (columns): not reached yet, in the order they are looked at */
    bool *row_seen, *column_seen;
} solver;

/* Looks along row i from a path of length `length`; the place in the waiting list of the nearest column. */
static size_t nearest_column(solver *s, size_t i, int64_t length, size_t waiting, int64_t *nearest) {
    const int64_t *cost = s->cost + i * s->columns;
    size_t best = 0;
    *nearest = UNREACHED;
    for (size_t at = 0; at < waiting; at++) {
        size_t j = s->waiting[at];
        int64_t distance = length + cost[j] - s->row_price[i] - s->column_price[j];
        if (distance < s->distance[j]) {
            s->distance[j] = distance;
            s->reached_from[j] = (int32_t)i;
        }
        if (s->distance[j] < *nearest || (s->distance[j] == *nearest && s->row_of[j] < 0)) {
            *nearest = s->distance[j];
            best = at;
        }
    }
    return best;
}

/* The free column at the end of the shortest path from a new row, and the path's length. */
static size_t shortest_path(solver *s, size_t row, int64_t *length) {
    size_t waiting = s->columns;
    for (size_t at = 0; at < s->columns; at++) {
        s->waiting[at] = s->columns - 1 - at;
        s->distance[at] = UNREACHED;
    }
    memset(s->row_seen, 0, s->rows * sizeof *s->row_seen);
    memset(s->column_seen, 0, s->columns * sizeof *s->column_seen);
    size_t i = row;
    *length = 0;
    for (;;) { /* ends: there are at least as many columns as rows, so a free one is reached */
        s->row_seen[i] = true;
        int64_t nearest;
        size_t at = nearest_column(s, i, *length, waiting, &nearest);
        size_t j = s->waiting[at];
        *length = nearest;
        s->column_seen[j] = true;
        s->waiting[at] = s->waiting[--waiting];
        if (s->row_of[j] < 0) {
            return j;
        }
        i = (size_t)s->row_of[j];
    }
}

static void add_row(solver *s, size_t row) {
    int64_t length;
    size_t j = shortest_path(s, row, &length);
    s->row_price[row] += length;
    for (size_t i = 0; i < s->rows; i++) {
        if (s->row_seen[i] && i != row) {
            s->row_price[i] += length - s->distance[s->column_of[i]];
        }
    }
    for (size_t c = 0; c < s->columns; c++) {
        if (s->column_seen[c]) {
            s->column_price[c] -= length - s->distance[c];
        }
    }
    for (;;) { /* back along the path, each row takes the column it was left by */
        size_t i = (size_t)s->reached_from[j];
        int32_t before = s->column_of[i];
        s->row_of[j] = (int32_t)i;
        s->column_of[i] = (int32_t)j;
        if (i == row) {
            return;
        }
        j = (size_t)before;
    }
}

static diffcut_status solver_open(solver *s, diffcut_diagnostics *diag) {
    s->row_price = mem_array_zero(s->rows, sizeof *s->row_price);
    s->column_price = mem_array_zero(s->columns, sizeof *s->column_price);
    s->distance = mem_array(s->columns, sizeof *s->distance);
    s->column_of = mem_array(s->rows, sizeof *s->column_of);
    s->row_of = mem_array(s->columns, sizeof *s->row_of);
    s->reached_from = mem_array(s->columns, sizeof *s->reached_from);
    s->waiting = mem_array(s->columns, sizeof *s->waiting);
    s->row_seen = mem_array(s->rows, sizeof *s->row_seen);
    s->column_seen = mem_array(s->columns, sizeof *s->column_seen);
    if (s->row_price == NULL || s->column_price == NULL || s->distance == NULL || s->column_of == NULL ||
        s->row_of == NULL || s->reached_from == NULL || s->waiting == NULL || s->row_seen == NULL ||
        s->column_seen == NULL) {
        return diag_no_memory(diag, s->columns * sizeof *s->distance, "matching segments to classes");
    }
    for (size_t i = 0; i < s->rows; i++) {
        s->column_of[i] = -1;
    }
    for (size_t j = 0; j < s->columns; j++) {
        s->row_of[j] = -1;
    }
    return DIFFCUT_OK;
}

static void solver_close(solver *s) {
    mem_free(s->row_price);
    mem_free(s->column_price);
    mem_free(s->distance);
    mem_free(s->column_of);
    mem_free(s->row_of);
    mem_free(s->reached_from);
    mem_free(s->waiting);
    mem_free(s->row_seen);
    mem_free(s->column_seen);
}

/* Costs to be made small are the weights negated, with the smaller side as rows. */
static diffcut_status make_costs(size_t rows, size_t columns, const int64_t *weights, int64_t **out,
                                 diffcut_diagnostics *diag) {
    size_t count;
    int64_t *cost = mem_mul(rows, columns, &count) ? mem_array(count, sizeof *cost) : NULL;
    if (cost == NULL) {
        return diag_no_memory(diag, rows * columns * sizeof *cost, "matching segments to classes");
    }
    bool turned = rows > columns;
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < columns; j++) {
            cost[turned ? j * rows + i : i * columns + j] = -weights[i * columns + j];
        }
    }
    *out = cost;
    return DIFFCUT_OK;
}

diffcut_status assignment_solve(size_t rows, size_t columns, const int64_t *weights, int32_t *column_of,
                                diffcut_diagnostics *diag) {
    if (rows > INT32_MAX || columns > INT32_MAX) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "a matching of %zu to %zu is too large", rows, columns);
    }
    bool turned = rows > columns;
    int64_t *cost = NULL;
    solver s = {.rows = turned ? columns : rows, .columns = turned ? rows : columns};
    diffcut_status status = make_costs(rows, columns, weights, &cost, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    s.cost = cost;
    status = solver_open(&s, diag);
    if (status == DIFFCUT_OK) {
        for (size_t i = 0; i < s.rows; i++) {
            add_row(&s, i);
        }
        memcpy(column_of, turned ? s.row_of : s.column_of, rows * sizeof *column_of);
    }
    solver_close(&s);
    mem_free(cost);
    return status;
}

/* cluster_qr.c - see cluster_qr.h. The pivots are found by Gram-Schmidt steps on all tokens' rows. */
#include "segment/cluster_qr.h"

#include "core/memory.h"
#include "core/parallel.h"
#include "segment/eigen_dense.h"

#include <math.h>
#include <string.h>

#define TOKENS_PER_PIECE 64

struct pivot_task {
    size_t tokens, count;
    double *rest;   /* (tokens, count) each token's row, less its parts along the pivots so far */
    double *square; /* (tokens) its length, squared; negative once it is a pivot */
    double *axis;   /* (count) the last pivot's direction */
};

static void subtract_axis(void *context, size_t piece) {
    const struct pivot_task *task = context;
    size_t begin = piece * TOKENS_PER_PIECE, end = begin + TOKENS_PER_PIECE;
    for (size_t i = begin; i < end && i < task->tokens; i++) {
        double *rest = task->rest + i * task->count, along = 0.0, square = 0.0;
        if (task->square[i] < 0.0) {
            continue;
        }
        for (size_t k = 0; k < task->count; k++) {
            along += rest[k] * task->axis[k];
        }
        for (size_t k = 0; k < task->count; k++) {
            rest[k] -= along * task->axis[k];
            square += rest[k] * rest[k];
        }
        task->square[i] = square;
    }
}

/* The token of the longest remainder, the first on ties. */
static size_t longest(const struct pivot_task *task) {
    size_t best = 0;
    for (size_t i = 1; i < task->tokens; i++) {
        best = task->square[i] > task->square[best] ? i : best;
    }
    return best;
}

static diffcut_status find_pivots(const work *w, struct pivot_task *task, size_t *pivots) {
    diffcut_status status = DIFFCUT_OK;
    size_t pieces = (task->tokens + TOKENS_PER_PIECE - 1) / TOKENS_PER_PIECE;
    memset(task->axis, 0, task->count * sizeof *task->axis);
    for (size_t k = 0; k < task->count && status == DIFFCUT_OK; k++) {
        parallel_for(w->threads, pieces, subtract_axis, task); /* at first, along nothing: measures the rows */
        pivots[k] = longest(task);
        double length = sqrt(task->square[pivots[k]]);
        for (size_t j = 0; j < task->count; j++) {
            task->axis[j] = length > 0.0 ? task->rest[pivots[k] * task->count + j] / length : 0.0;
        }
        task->square[pivots[k]] = -1.0;
        status = work_progress(w, (double)k / (double)task->count);
    }
    return status;
}

struct turn_task {
    size_t tokens, count;
    const double *vectors; /* (count, tokens) */
    const double *turn;    /* (count, count): row a vector, column a cluster */
    uint32_t *labels;
};

static void label_tokens(void *context, size_t piece) {
    const struct turn_task *task = context;
    size_t begin = piece * TOKENS_PER_PIECE, end = begin + TOKENS_PER_PIECE;
    for (size_t i = begin; i < end && i < task->tokens; i++) {
        double most = -1.0;
        for (size_t c = 0; c < task->count; c++) {
            double sum = 0.0;
            for (size_t k = 0; k < task->count; k++) {
                sum += task->vectors[k * task->tokens + i] * task->turn[k * task->count + c];
            }
            if (fabs(sum) > most) {
                most = fabs(sum);
                task->labels[i] = (uint32_t)c;
            }
        }
    }
}

/* turn (count, count): column c is pivot c's row of the vectors. */
static void pivot_rows(size_t tokens, size_t count, const double *vectors, const size_t *pivots, double *turn) {
    for (size_t k = 0; k < count; k++) {
        for (size_t c = 0; c < count; c++) {
            turn[k * count + c] = vectors[k * tokens + pivots[c]];
        }
    }
}

diffcut_status cluster_qr(const work *w, size_t tokens, size_t count, const double *vectors, uint32_t *labels) {
    size_t entries;
    if (!mem_mul(tokens, count, &entries)) {
        return diag_no_memory(w->diag, SIZE_MAX, "the spectral vectors");
    }
    struct pivot_task task = {.tokens = tokens, .count = count};
    diffcut_status status = DIFFCUT_OK;
    double *turn = mem_array(count * count, sizeof *turn); /* count is at most tokens */
    size_t *pivots = mem_array(count, sizeof *pivots);
    task.rest = mem_array(entries, sizeof *task.rest);
    task.square = mem_array_zero(tokens, sizeof *task.square);
    task.axis = mem_array(count, sizeof *task.axis);
    if (turn == NULL || pivots == NULL || task.rest == NULL || task.square == NULL || task.axis == NULL) {
        status = diag_no_memory(w->diag, entries * sizeof *task.rest, "the spectral vectors");
        goto cleanup;
    }
    for (size_t k = 0; k < count; k++) {
        for (size_t i = 0; i < tokens; i++) {
            task.rest[i * count + k] = vectors[k * tokens + i];
        }
    }
    status = find_pivots(w, &task, pivots);
    if (status == DIFFCUT_OK) {
        pivot_rows(tokens, count, vectors, pivots, turn);
        status = eigen_dense_polar(count, turn, w->diag);
    }
    if (status == DIFFCUT_OK) {
        struct turn_task turned = {tokens, count, vectors, turn, labels};
        parallel_for(w->threads, (tokens + TOKENS_PER_PIECE - 1) / TOKENS_PER_PIECE, label_tokens, &turned);
    }
cleanup:
    mem_free(task.axis);
    mem_free(task.square);
    mem_free(task.rest);
    mem_free(pivots);
    mem_free(turn);
    return status;
}

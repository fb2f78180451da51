/*
 * affinity.c - see affinity.h.
 *
 * The matrix is symmetric: squares of TILE x TILE tokens on and above the diagonal are computed, each by one thread,
 * and mirrored. Tiles depend on the number of tokens only, so every bit is the same for any thread count.
 */
#include "segment/affinity.h"

#include "core/gemm.h"
#include "core/memory.h"
#include "core/parallel.h"
#include "segment/affinity_kernels.h"

#include <float.h>
#include <math.h>
#include <stdatomic.h>

#define TILE 256
#define MIRROR 16                   /* side of the squares that are turned over: a cache line of floats */
#define LARGEST_WHOLE_EXPONENT 1024 /* beyond it powf is as good: everything but 1 has become 0 */

struct affinity_task {
    size_t tokens, channels, tiles; /* tiles along a side */
    const float *unit;              /* (tokens, channels) */
    float *matrix;
    float *low, *high; /* of each tile on or above the diagonal */
    float least, width;
    double alpha;
    const affinity_kernels *kernels;
    atomic_int failures;
};

struct tile {
    size_t row, col, rows, cols;
};

/* The piece-th tile on or above the diagonal, row by row. */
static struct tile tile_of(const struct affinity_task *task, size_t piece) {
    size_t row = 0;
    while (piece >= task->tiles - row) {
        piece -= task->tiles - row;
        row++;
    }
    struct tile t = {row * TILE, (row + piece) * TILE, TILE, TILE};
    t.rows = task->tokens - t.row < TILE ? task->tokens - t.row : TILE;
    t.cols = task->tokens - t.col < TILE ? task->tokens - t.col : TILE;
    return t;
}

/* Columns of row i of a tile that lie on or right of the matrix's diagonal: the others are mirrored. */
static size_t first_column(const struct tile *t, size_t i) {
    return t->row == t->col ? i : 0;
}

static void product_tile(void *context, size_t piece) {
    struct affinity_task *task = context;
    struct tile t = tile_of(task, piece);
    diffcut_diagnostics ignored;
    float *out = task->matrix + t.row * task->tokens + t.col;
    if (gemm_nt(1, t.rows, t.cols, task->channels, task->unit + t.row * task->channels, task->channels,
                task->unit + t.col * task->channels, task->channels, 0.0F, out, task->tokens,
                &ignored) != DIFFCUT_OK) {
        atomic_fetch_add(&task->failures, 1);
        return;
    }
    task->low[piece] = FLT_MAX;
    task->high[piece] = -FLT_MAX;
    for (size_t i = 0; i < t.rows; i++) {
        size_t from = first_column(&t, i);
        task->kernels->range(out + i * task->tokens + from, t.cols - from, &task->low[piece], &task->high[piece]);
    }
}

/* Copies the tile to its place below the diagonal. */
static void mirror(const struct affinity_task *task, const struct tile *t) {
    const float *from = task->matrix + t->row * task->tokens + t->col;
    float *to = task->matrix + t->col * task->tokens + t->row;
    for (size_t i0 = 0; i0 < t->rows; i0 += MIRROR) {
        size_t i1 = t->rows - i0 < MIRROR ? t->rows : i0 + MIRROR;
        for (size_t j = first_column(t, i0); j < t->cols; j++) {
            size_t end = t->row == t->col && j < i1 ? j : i1; /* on the diagonal: only what lies above it */
            for (size_t i = i0; i < end; i++) {
                to[j * task->tokens + i] = from[i * task->tokens + j];
            }
        }
    }
}

static void power_tile(void *context, size_t piece) {
    const struct affinity_task *task = context;
    struct tile t = tile_of(task, piece);
    bool whole = task->alpha == floor(task->alpha) && task->alpha <= LARGEST_WHOLE_EXPONENT;
    for (size_t i = 0; i < t.rows; i++) {
        size_t from = first_column(&t, i);
        float *row = task->matrix + (t.row + i) * task->tokens + t.col + from;
        if (whole) {
            task->kernels->whole_power(row, t.cols - from, task->least, task->width, (unsigned)task->alpha);
        } else {
            task->kernels->real_power(row, t.cols - from, task->least, task->width, (float)task->alpha);
        }
    }
    mirror(task, &t);
}

void affinity_normalise(const diffcut_features *features, float *out) {
    size_t tokens = (size_t)features->height * features->width, channels = features->channels;
    for (size_t i = 0; i < tokens; i++) {
        const float *token = features->data + i * channels;
        double sum[8] = {0}; /* in double: large features do not overflow, small ones do not vanish */
        for (size_t c = 0; c < channels; c++) {
            sum[c % 8] += (double)token[c] * (double)token[c];
        }
        double length = sqrt(((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7])));
        length = fmax(length, 1e-12);
        for (size_t c = 0; c < channels; c++) {
            out[i * channels + c] = (float)((double)token[c] / length);
        }
    }
}

static void mirror_tile(void *context, size_t piece) {
    const struct affinity_task *task = context;
    struct tile t = tile_of(task, piece);
    mirror(task, &t);
}

/* The affinity in task->matrix, or the plain cosines with alpha 0; *constant when the map has no structure. */
static diffcut_status fill(const work *w, struct affinity_task *task, bool *constant) {
    size_t pieces = task->tiles * (task->tiles + 1) / 2;
    parallel_for(w->threads, pieces, product_tile, task);
    if (atomic_load(&task->failures) != 0) {
        return diag_fail(w->diag, DIFFCUT_ERROR_MEMORY, "the affinity of %zu tokens x %zu channels: %s failed",
                         task->tokens, task->channels, gemm_library());
    }
    float least = FLT_MAX, most = -FLT_MAX;
    for (size_t i = 0; i < pieces; i++) {
        least = fminf(least, task->low[i]);
        most = fmaxf(most, task->high[i]);
    }
    task->least = least;
    task->width = most - least;
    *constant = !(task->width > AFFINITY_CONSTANT_RANGE);
    diffcut_status status = work_progress(w, 0.5);
    if (status == DIFFCUT_OK && !*constant) {
        parallel_for(w->threads, pieces, task->alpha > 0.0 ? power_tile : mirror_tile, task);
    }
    return status;
}

static diffcut_status create(const work *w, const diffcut_features *features, double alpha, float **out) {
    struct affinity_task task = {.alpha = alpha, .kernels = SIMD_PICK(affinity_kernels, cpu_best_level())};
    size_t unit_count, matrix_count;
    task.tokens = (size_t)features->height * features->width;
    task.channels = features->channels;
    task.tiles = (task.tokens + TILE - 1) / TILE;
    if (!mem_mul(task.tokens, task.channels, &unit_count) || !mem_mul(task.tokens, task.tokens, &matrix_count)) {
        return diag_no_memory(w->diag, SIZE_MAX, "the affinity");
    }
    bool constant = false;
    diffcut_status status = DIFFCUT_OK;
    float *unit = mem_array(unit_count, sizeof *unit);
    task.low = mem_array(task.tiles * task.tiles, 2 * sizeof *task.low);
    task.matrix = mem_array(matrix_count, sizeof *task.matrix);
    if (unit == NULL || task.low == NULL || task.matrix == NULL) {
        status = diag_no_memory(w->diag, matrix_count * sizeof *task.matrix, "the affinity");
        goto cleanup;
    }
    task.high = task.low + task.tiles * task.tiles;
    affinity_normalise(features, unit);
    task.unit = unit;
    status = fill(w, &task, &constant);
cleanup:
    mem_free(task.low);
    mem_free(unit);
    if (status != DIFFCUT_OK || constant) {
        mem_free(task.matrix);
        task.matrix = NULL;
    }
    if (status == DIFFCUT_OK) {
        *out = task.matrix;
    }
    return status;
}

diffcut_status affinity_create(const work *w, const diffcut_features *features, double alpha, float **out) {
    return create(w, features, alpha, out);
}

diffcut_status affinity_cosines(const work *w, const diffcut_features *features, float **out) {
    return create(w, features, 0.0, out);
}

/* eigen_block.c - see eigen_block.h. */
#include "segment/eigen_block.h"

#include "core/parallel.h"
#include "segment/eigen_small.h"

#include <math.h>
#include <string.h>

#define B EIGEN_BLOCK
#define MAX_DIM (EIGEN_BASIS * B)
_Static_assert(MAX_DIM <= EIGEN_SMALL_MAX && EIGEN_SMALL_NODE > MAX_DIM, "the subspace must fit");

/* The vector's error is about residual / (theta_2 - theta_3). Labels hold under 1e-6 noise of the features, so 1e-7
 * is asked for; below the floor the vector is not unique in effect and more digits say nothing. */
#define VECTOR_ERROR 1e-7
#define RESIDUAL_FLOOR 1e-11
#define ORTHO_ROUNDS 5
#define ROWS_PER_PIECE 64 /* of a pass over the affinity */
/* A pass below this many entries (362 tokens) runs on one thread: it takes less than waking another. */
#define THREADED_ENTRIES (1U << 17)
#define CANCEL_TOKENS 2048 /* from this size on a pass takes long enough to ask for cancelling */

typedef struct block_state {
    const eigen_graph *graph;
    const eigen_kernels *kernels;
    uint32_t threads;
    eigen_scratch *s;
    size_t blocks;                       /* in the subspace */
    double projected[MAX_DIM * MAX_DIM]; /* V^T M V */
    double values[MAX_DIM], vectors[MAX_DIM * MAX_DIM];
    uint64_t salt; /* of the next random vectors */
} block_state;

/* Uniform in -1 .. 1, the same for a token whatever node it is in (splitmix64). */
static double random_entry(uint64_t token, uint64_t salt) {
    uint64_t z = (token + 1) * 0x9E3779B97F4A7C15ULL + salt * 0xD1B54A32D192ED03ULL;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return (double)(int64_t)(z ^ (z >> 31)) * 0x1p-63;
}

static void fill_random(block_state *b, size_t lane, double *x) {
    b->salt++;
    for (size_t i = 0; i < b->graph->n; i++) {
        x[i * B + lane] = random_entry(b->graph->token[i], b->salt);
    }
}

struct multiply_task {
    const block_state *b;
    double *y;
};

static void multiply_piece(void *context, size_t piece) {
    const struct multiply_task *task = context;
    const eigen_graph *graph = task->b->graph;
    size_t begin = piece * ROWS_PER_PIECE;
    size_t end = graph->n - begin < ROWS_PER_PIECE ? graph->n : begin + ROWS_PER_PIECE;
    task->b->kernels->multiply(graph, begin, end, task->b->s->scale, task->b->s->scaled, task->y);
}

/* y = M x, both (n, B). */
static void apply(block_state *b, const double *x, double *y) {
    for (size_t i = 0; i < b->graph->n; i++) {
        for (size_t lane = 0; lane < B; lane++) {
            b->s->scaled[i * B + lane] = b->s->scale[i] * x[i * B + lane];
        }
    }
    struct multiply_task task = {b, y};
    parallel_for(b->threads, (b->graph->n + ROWS_PER_PIECE - 1) / ROWS_PER_PIECE, multiply_piece, &task);
}

/* x -= q (q^T x) for every lane. */
static void remove_trivial(const block_state *b, double *x) {
    const double *q = b->s->trivial;
    double dot[B] = {0};
    for (size_t i = 0; i < b->graph->n; i++) {
        for (size_t lane = 0; lane < B; lane++) {
            dot[lane] += q[i] * x[i * B + lane];
        }
    }
    for (size_t i = 0; i < b->graph->n; i++) {
        for (size_t lane = 0; lane < B; lane++) {
            x[i * B + lane] -= q[i] * dot[lane];
        }
    }
}

static void negate(size_t count, double *x) {
    for (size_t i = 0; i < count; i++) {
        x[i] = -x[i];
    }
}

/* Makes x orthogonal to the trivial vector and the subspace (one round of block Gram-Schmidt). */
static void remove_subspace(const block_state *b, double *x) {
    double c[B * B];
    remove_trivial(b, x);
    for (size_t k = 0; k < b->blocks; k++) {
        b->kernels->gram(b->graph->n, b->s->basis[k], x, c);
        negate(B * B, c);
        b->kernels->combine(b->graph->n, b->s->basis[k], c, x);
    }
}

/* Lanes of x to an orthonormal set with the same span, through the eigenpairs of their scaled Gram matrix
 * (Stathopoulos & Wu 2002). Lanes that depend on the others are replaced by random ones; the number of those is
 * returned, and the caller does another round. */
static size_t orthonormalise_lanes(block_state *b, double *x, double *scratch) {
    size_t n = b->graph->n, replaced = 0;
    double g[B * B], length[B], values[B], vectors[B * B], c[B * B];
    b->kernels->gram(n, x, x, g);
    for (size_t p = 0; p < B; p++) {
        length[p] = g[p * B + p] > 0.0 ? 1.0 / sqrt(g[p * B + p]) : 0.0;
    }
    for (size_t p = 0; p < B; p++) {
        for (size_t r = 0; r < B; r++) {
            g[p * B + r] *= length[p] * length[r];
        }
    }
    if (!eigen_small(B, g, values, vectors)) {
        memset(values, 0, sizeof values);
    }
    for (size_t k = 0; k < B; k++) {
        bool kept = values[k] > 1e-12;
        for (size_t p = 0; p < B; p++) {
            c[p * B + k] = kept ? length[p] * vectors[k * B + p] / sqrt(values[k]) : 0.0;
        }
    }
    memset(scratch, 0, n * B * sizeof *scratch);
    b->kernels->combine(n, x, c, scratch);
    memcpy(x, scratch, n * B * sizeof *x);
    for (size_t k = 0; k < B; k++) {
        if (!(values[k] > 1e-12)) {
            fill_random(b, k, x);
            replaced++;
        }
    }
    return replaced;
}

/* Adds the block in basis[blocks] to the subspace: orthonormalises it, applies M, extends the projected matrix. */
static void grow(block_state *b) {
    size_t n = b->graph->n, k = b->blocks;
    double *x = b->s->basis[k], *y = b->s->image[k];
    size_t left = 2; /* two clean rounds bring orthogonality to rounding */
    for (size_t round = 0; left > 0 && round < ORTHO_ROUNDS; round++) {
        remove_subspace(b, x);
        left = orthonormalise_lanes(b, x, y) > 0 ? 2 : left - 1;
    }
    apply(b, x, y);
    b->blocks++;
    for (size_t l = 0; l <= k; l++) {
        double g[B * B];
        b->kernels->gram(n, b->s->basis[l], y, g);
        for (size_t p = 0; p < B; p++) {
            for (size_t r = 0; r < B; r++) {
                size_t row = l * B + p, col = k * B + r;
                if (l < k || r >= p) { /* the last square from its upper half, so that it is symmetric */
                    b->projected[row * MAX_DIM + col] = g[p * B + r];
                    b->projected[col * MAX_DIM + row] = g[p * B + r];
                }
            }
        }
    }
}

/* out = sum over the subspace's blocks of from[k] times the Ritz coefficients lane .. lane + B - 1. */
static void rotate(const block_state *b, double *const from[EIGEN_BASIS], size_t lane, double *out) {
    size_t n = b->graph->n, dim = b->blocks * B;
    memset(out, 0, n * B * sizeof *out);
    for (size_t k = 0; k < b->blocks; k++) {
        double c[B * B];
        for (size_t p = 0; p < B; p++) {
            for (size_t r = 0; r < B; r++) {
                c[p * B + r] = b->vectors[(lane + r) * dim + k * B + p];
            }
        }
        b->kernels->combine(n, from[k], c, out);
    }
}

/* Rayleigh-Ritz: leading block of Ritz vectors, their images and residuals; *norm is the first residual's length. */
static bool project(block_state *b, double *norm) {
    size_t n = b->graph->n, dim = b->blocks * B;
    double h[MAX_DIM * MAX_DIM];
    for (size_t i = 0; i < dim; i++) {
        memcpy(h + i * dim, b->projected + i * MAX_DIM, dim * sizeof *h);
    }
    if (!eigen_small(dim, h, b->values, b->vectors)) {
        return false;
    }
    rotate(b, b->s->basis, 0, b->s->ritz[0]);
    rotate(b, b->s->image, 0, b->s->ritz_image[0]);
    const double *x = b->s->ritz[0], *y = b->s->ritz_image[0];
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        for (size_t lane = 0; lane < B; lane++) {
            b->s->residual[i * B + lane] = y[i * B + lane] - b->values[lane] * x[i * B + lane];
        }
        /* M maps the trivial vector's complement into itself but for rounding, which is not the residual's fault. */
        sum += b->s->residual[i * B] * b->s->residual[i * B];
    }
    *norm = sqrt(sum);
    return isfinite(sum);
}

static void swap_blocks(double **a, double **b) {
    double *t = *a;
    *a = *b;
    *b = t;
}

/* Cuts the subspace back to the two leading blocks of Ritz vectors. */
static void restart(block_state *b) {
    rotate(b, b->s->basis, B, b->s->ritz[1]);
    rotate(b, b->s->image, B, b->s->ritz_image[1]);
    memset(b->projected, 0, sizeof b->projected);
    for (size_t k = 0; k < 2; k++) {
        swap_blocks(&b->s->basis[k], &b->s->ritz[k]);
        swap_blocks(&b->s->image[k], &b->s->ritz_image[k]);
        for (size_t p = k * B; p < (k + 1) * B; p++) {
            b->projected[p * MAX_DIM + p] = b->values[p];
        }
    }
    b->blocks = 2;
}

/* The first block: the parent's vectors (the last lane random, for what they cannot hold) or all random. */
static void fill_start(block_state *b, const eigen_pair *start) {
    double *x = b->s->basis[0];
    for (size_t lane = 0; lane < B; lane++) {
        if (!start->warm || lane + 1 == B) {
            fill_random(b, lane, x);
            continue;
        }
        for (size_t i = 0; i < b->graph->n; i++) {
            double scale = b->s->scale[i];
            x[i * B + lane] = scale > 0.0 ? (double)start->block[(size_t)b->graph->token[i] * B + lane] / scale : 0.0;
        }
    }
}

diffcut_status eigen_block_solve(const work *w, const eigen_graph *graph, double fraction, const eigen_pair *start,
                                 eigen_scratch *scratch, eigen_block_result *result) {
    block_state b = {.graph = graph, .kernels = eigen_kernels_best(), .s = scratch};
    b.threads = graph->n * graph->n >= THREADED_ENTRIES ? w->threads : 1;
    fill_start(&b, start);
    *result = (eigen_block_result){.converged = false};
    while (result->passes < scratch->pass_limit) {
        if (graph->n >= CANCEL_TOKENS) {
            diffcut_status status = work_progress(w, fraction);
            if (status != DIFFCUT_OK) {
                return status;
            }
        }
        grow(&b);
        result->passes++;
        double norm;
        if (!project(&b, &norm)) {
            return DIFFCUT_OK;
        }
        double gap = b.values[0] - b.values[1];
        if (b.blocks > 1 && norm <= fmax(VECTOR_ERROR * gap, RESIDUAL_FLOOR)) {
            result->converged = true;
            result->theta = b.values[0];
            result->ritz = b.s->ritz[0];
            return DIFFCUT_OK;
        }
        if (b.blocks == EIGEN_BASIS) {
            restart(&b);
        }
        memcpy(b.s->basis[b.blocks], b.s->residual, graph->n * B * sizeof *b.s->residual);
    }
    return DIFFCUT_OK;
}

/* tokencut.c - see tokencut.h. */
#include "segment/tokencut.h"

#include "core/memory.h"
#include "core/parallel.h"
#include "segment/affinity.h"

#include <math.h>
#include <string.h>

#define ROWS_PER_PIECE 32
/* Entries closer than this to the largest are a tie: the solver's vectors are good to about 1e-9 of it where the gap
 * to the next eigenvalue is wide, less where it is narrow. */
#define TIE 1e-6

diffcut_status tokencut_scratch_create(size_t tokens, diffcut_diagnostics *diag, tokencut_scratch *out) {
    tokencut_scratch s = {0};
    size_t pairs;
    if (!mem_mul(tokens, tokens, &pairs)) {
        return diag_no_memory(diag, SIZE_MAX, "the graph of tokens");
    }
    diffcut_status status = eigen_scratch_create(tokens, diag, &s.eigen);
    if (status != DIFFCUT_OK) {
        return status;
    }
    s.weights = mem_array(pairs, sizeof *s.weights);
    s.degree = mem_array(tokens, sizeof *s.degree);
    s.vector = mem_array(tokens, sizeof *s.vector);
    s.side = mem_array(tokens, sizeof *s.side);
    s.block = mem_array_zero(tokens, EIGEN_BLOCK * sizeof *s.block);
    s.token = mem_array(tokens, sizeof *s.token);
    if (s.weights == NULL || s.degree == NULL || s.vector == NULL || s.side == NULL || s.block == NULL ||
        s.token == NULL) {
        tokencut_scratch_free(&s);
        return diag_no_memory(diag, pairs * sizeof *s.weights, "the graph of tokens");
    }
    for (size_t i = 0; i < tokens; i++) {
        s.token[i] = (uint32_t)i;
    }
    *out = s;
    return DIFFCUT_OK;
}

void tokencut_scratch_free(tokencut_scratch *scratch) {
    eigen_scratch_free(scratch->eigen);
    mem_free(scratch->weights);
    mem_free(scratch->degree);
    mem_free(scratch->vector);
    mem_free(scratch->side);
    mem_free(scratch->block);
    mem_free(scratch->token);
    *scratch = (tokencut_scratch){0};
}

/* ------------------------------------------------------------------------------------------------- the graph */

struct graph_task {
    const float *cosines;
    const uint8_t *masked;
    const tokencut_rules *rules;
    size_t tokens;
    float *weights;
    double *degree;
    size_t *joined; /* by piece: pairs of different tokens that are alike, both orders counted */
};

static float weight_of(float cosine, const tokencut_rules *rules) {
    if (rules->weighted) {
        return cosine < rules->threshold ? TOKENCUT_APART : cosine;
    }
    return cosine > rules->threshold ? 1.0F : TOKENCUT_APART;
}

static void weigh_rows(void *context, size_t piece) {
    const struct graph_task *task = context;
    size_t n = task->tokens, joined = 0;
    size_t end = (piece + 1) * ROWS_PER_PIECE < n ? (piece + 1) * ROWS_PER_PIECE : n;
    for (size_t i = piece * ROWS_PER_PIECE; i < end; i++) {
        double sum = 0.0;
        for (size_t j = 0; j < n; j++) {
            /* A masked token's features are zero, and so its cosines. */
            bool hidden = task->masked != NULL && (task->masked[i] != 0 || task->masked[j] != 0);
            float weight = weight_of(hidden ? 0.0F : task->cosines[i * n + j], task->rules);
            task->weights[i * n + j] = weight;
            sum += (double)weight;
            joined += i != j && weight != TOKENCUT_APART;
        }
        task->degree[i] = sum;
    }
    task->joined[piece] = joined;
}

/* Fills weights and degree; *same when no pair differs from another. A pair's own weights count as equal if all are
 * joined, though with `weighted` they then differ by their cosines. */
static diffcut_status make_graph(const work *w, const float *cosines, const uint8_t *masked,
                                 const tokencut_rules *rules, size_t tokens, tokencut_scratch *scratch, bool *same) {
    size_t pieces = (tokens + ROWS_PER_PIECE - 1) / ROWS_PER_PIECE, joined = 0;
    struct graph_task task = {.cosines = cosines,
                              .masked = masked,
                              .rules = rules,
                              .tokens = tokens,
                              .weights = scratch->weights,
                              .degree = scratch->degree,
                              .joined = mem_array(pieces, sizeof *task.joined)};
    if (task.joined == NULL) {
        return diag_no_memory(w->diag, pieces * sizeof *task.joined, "the graph of tokens");
    }
    parallel_for(w->threads, pieces, weigh_rows, &task);
    for (size_t i = 0; i < pieces; i++) {
        joined += task.joined[i];
    }
    mem_free(task.joined);
    *same = joined == 0 || (!rules->weighted && joined == tokens * (tokens - 1));
    return DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- the cut */

size_t tokencut_seed(const double *vector, size_t tokens, int sign) {
    double most = -INFINITY;
    for (size_t i = 0; i < tokens; i++) {
        double value = sign == 0 ? fabs(vector[i]) : sign * vector[i];
        most = fmax(most, value);
    }
    for (size_t i = 0; i < tokens; i++) {
        double value = sign == 0 ? fabs(vector[i]) : sign * vector[i];
        if (value >= most - TIE * fabs(most)) {
            return i;
        }
    }
    return 0;
}

diffcut_status tokencut_cut(const work *w, const float *cosines, const uint8_t *masked, const tokencut_rules *rules,
                            size_t tokens, double fraction, tokencut_scratch *scratch, bool *cut) {
    bool same = false;
    diffcut_status status = make_graph(w, cosines, masked, rules, tokens, scratch, &same);
    if (status != DIFFCUT_OK || same) {
        *cut = false;
        return status;
    }
    eigen_graph graph = {tokens, scratch->weights, tokens, scratch->token, 0};
    eigen_pair pair = {.vector = scratch->vector, .block = scratch->block, .failures = scratch->failures};
    status = eigen_second(w, &graph, scratch->degree, rules->solver, fraction, scratch->eigen, &pair);
    if (status != DIFFCUT_OK) {
        return status;
    }
    scratch->failures = pair.failures;
    double turn = scratch->vector[tokencut_seed(scratch->vector, tokens, 0)] < 0.0 ? -1.0 : 1.0, mean = 0.0;
    for (size_t i = 0; i < tokens; i++) {
        scratch->vector[i] *= turn;
        mean += scratch->vector[i] / (double)tokens;
    }
    for (size_t i = 0; i < tokens; i++) {
        scratch->side[i] = scratch->vector[i] > mean;
    }
    *cut = true;
    return DIFFCUT_OK;
}

size_t tokencut_component(const uint8_t *side, uint32_t height, uint32_t width, size_t seed, uint32_t *queue,
                          uint8_t *out) {
    size_t tokens = (size_t)height * width, head = 0, tail = 0;
    memset(out, 0, tokens);
    out[seed] = 1;
    queue[tail++] = (uint32_t)seed;
    while (head < tail) {
        size_t i = queue[head++], x = i % width;
        const size_t next[4] = {i - width, i + width, i - 1, i + 1}; /* above the first row it wraps past the end */
        const bool inside[4] = {i >= width, i + width<tokens, x> 0, x + 1 < width};
        for (size_t k = 0; k < 4; k++) {
            if (inside[k] && out[next[k]] == 0 && side[next[k]] == side[seed]) {
                out[next[k]] = 1;
                queue[tail++] = (uint32_t)next[k];
            }
        }
    }
    return tail;
}

diffcut_status tokencut_object(const work *w, const diffcut_features *features, const tokencut_rules *rules,
                               uint8_t *out, bool *found) {
    size_t tokens = (size_t)features->height * features->width;
    float *cosines = NULL;
    uint32_t *queue = NULL;
    bool cut = false;
    tokencut_scratch scratch = {0};
    diffcut_status status = DIFFCUT_OK;
    if (tokens > 1) {
        status = affinity_cosines(w, features, &cosines);
    }
    if (status != DIFFCUT_OK || cosines == NULL) {
        goto cleanup;
    }
    status = tokencut_scratch_create(tokens, w->diag, &scratch);
    if (status == DIFFCUT_OK) {
        status = tokencut_cut(w, cosines, NULL, rules, tokens, 0.5, &scratch, &cut);
    }
    if (status != DIFFCUT_OK || !cut) {
        goto cleanup;
    }
    queue = mem_array(tokens, sizeof *queue);
    if (queue == NULL) {
        status = diag_no_memory(w->diag, tokens * sizeof *queue, "the object's tokens");
        goto cleanup;
    }
    (void)tokencut_component(scratch.side, features->height, features->width,
                             tokencut_seed(scratch.vector, tokens, 1), queue, out);
cleanup:
    mem_free(queue);
    tokencut_scratch_free(&scratch);
    mem_free(cosines);
    if (status == DIFFCUT_OK) {
        *found = cut;
    }
    return status;
}

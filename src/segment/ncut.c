/* ncut.c - see ncut.h. */
#include "segment/ncut.h"

#include "core/memory.h"
#include "core/parallel.h"

#include <math.h>
#include <string.h>

#define ROWS_PER_PIECE 64
#define THREADED_ENTRIES (1U << 17) /* a pass below this many entries runs on one thread, as in eigen_block */
#define TIE 1e-6                    /* entries this close in magnitude are equal but for rounding */

diffcut_status ncut_scratch_create(size_t n, diffcut_diagnostics *diag, ncut_scratch *out) {
    ncut_scratch s = {0};
    diffcut_status status = eigen_scratch_create(n, diag, &s.eigen);
    if (status != DIFFCUT_OK) {
        return status;
    }
    s.degree = mem_array(n, 4 * sizeof *s.degree);
    s.value = mem_array(n, sizeof *s.value);
    s.bin = mem_array(n, sizeof *s.bin);
    s.side = mem_array(n, sizeof *s.side);
    if (s.degree == NULL || s.value == NULL || s.bin == NULL || s.side == NULL) {
        ncut_scratch_free(&s);
        return diag_no_memory(diag, n * 4 * sizeof *s.degree, "the cut's vectors");
    }
    s.vector = s.degree + n;
    s.below = s.vector + n;
    s.above = s.below + n;
    *out = s;
    return DIFFCUT_OK;
}

void ncut_scratch_free(ncut_scratch *scratch) {
    eigen_scratch_free(scratch->eigen);
    mem_free(scratch->degree);
    mem_free(scratch->value);
    mem_free(scratch->bin);
    mem_free(scratch->side);
    *scratch = (ncut_scratch){0};
}

struct pass_task {
    const eigen_graph *graph;
    const eigen_kernels *kernels;
    ncut_scratch *s;
};

static size_t piece_end(const eigen_graph *graph, size_t begin) {
    return graph->n - begin < ROWS_PER_PIECE ? graph->n : begin + ROWS_PER_PIECE;
}

static void degree_piece(void *context, size_t piece) {
    const struct pass_task *task = context;
    size_t begin = piece * ROWS_PER_PIECE;
    task->kernels->row_sums(task->graph, begin, piece_end(task->graph, begin), task->s->degree);
}

static void side_piece(void *context, size_t piece) {
    const struct pass_task *task = context;
    size_t begin = piece * ROWS_PER_PIECE;
    task->kernels->side_sums(task->graph, begin, piece_end(task->graph, begin), task->s->bin, task->s->below,
                             task->s->above);
}

static void run_pass(uint32_t threads, const eigen_graph *graph, ncut_scratch *scratch, parallel_fn fn) {
    struct pass_task task = {graph, eigen_kernels_best(), scratch};
    uint32_t used = graph->n * graph->n >= THREADED_ENTRIES ? threads : 1;
    parallel_for(used, (graph->n + ROWS_PER_PIECE - 1) / ROWS_PER_PIECE, fn, &task);
}

void ncut_thresholds(float least, float most, float out[NCUT_THRESHOLDS]) {
    const int last = NCUT_THRESHOLDS - 1;
    float start = least * 0.99F, end = most * 0.99F, step = (end - start) / (float)last;
    for (int i = 0; i < NCUT_THRESHOLDS; i++) {
        out[i] = i < NCUT_THRESHOLDS / 2 ? fmaf(step, (float)i, start) : fmaf(-step, (float)(last - i), end);
    }
}

/* The thresholds in ascending order with their places. They ascend already, but for rounding where the two halves
 * meet; insertion leaves equal ones in place. */
static void sort_thresholds(const float threshold[NCUT_THRESHOLDS], float sorted[NCUT_THRESHOLDS],
                            int place[NCUT_THRESHOLDS]) {
    for (int i = 0; i < NCUT_THRESHOLDS; i++) {
        int k = i;
        for (; k > 0 && sorted[k - 1] > threshold[i]; k--) {
            sorted[k] = sorted[k - 1];
            place[k] = place[k - 1];
        }
        sorted[k] = threshold[i];
        place[k] = i;
    }
}

/* How many of the sorted thresholds lie below value. */
static int32_t bin_of(const float sorted[NCUT_THRESHOLDS], float value) {
    int32_t low = 0, high = NCUT_THRESHOLDS;
    while (low < high) {
        int32_t middle = (low + high) / 2;
        if (value > sorted[middle]) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void ncut_curve(uint32_t threads, const eigen_graph *graph, ncut_scratch *scratch,
                const float threshold[NCUT_THRESHOLDS], double cost[NCUT_THRESHOLDS],
                size_t positives[NCUT_THRESHOLDS]) {
    float sorted[NCUT_THRESHOLDS];
    int place[NCUT_THRESHOLDS];
    sort_thresholds(threshold, sorted, place);
    for (size_t i = 0; i < graph->n; i++) {
        scratch->bin[i] = bin_of(sorted, scratch->value[i]);
    }
    run_pass(threads, graph, scratch, side_piece);
    /* Tokens of bin k are above the first k thresholds: going from threshold k - 1 to k they change sides. Their
     * edges to lower bins leave the cut, those to higher bins join it. */
    double volume[NCUT_THRESHOLDS + 1] = {0}, change[NCUT_THRESHOLDS + 1] = {0}, total = 0.0;
    size_t tokens[NCUT_THRESHOLDS + 1] = {0};
    for (size_t i = 0; i < graph->n; i++) {
        int32_t bin = scratch->bin[i];
        volume[bin] += scratch->degree[i];
        change[bin] += scratch->above[i] - scratch->below[i];
        tokens[bin]++;
        total += scratch->degree[i];
    }
    double cut = 0.0, negative = 0.0;
    size_t negatives = 0;
    for (int k = 0; k < NCUT_THRESHOLDS; k++) {
        cut += change[k];
        negative += volume[k];
        negatives += tokens[k];
        double positive = 0.0; /* summed on its own: the difference to the total would lose a small side */
        for (int above = k + 1; above <= NCUT_THRESHOLDS; above++) {
            positive += volume[above];
        }
        bool empty = negatives == 0 || negatives == graph->n || !(positive > 0.0) || !(negative > 0.0);
        cost[place[k]] = empty ? NAN : fmax(cut, 0.0) * total / (positive * negative);
        positives[place[k]] = graph->n - negatives;
    }
}

/* The eigenvector in float with the sign that makes the entry of largest magnitude positive; among equals the token
 * that comes first decides. */
static void fix_sign(const eigen_graph *graph, const double *vector, float *value) {
    double most = 0.0;
    for (size_t i = 0; i < graph->n; i++) {
        most = fmax(most, fabs(vector[i]));
    }
    size_t first = graph->n;
    for (size_t i = 0; i < graph->n; i++) {
        if (fabs(vector[i]) >= most * (1.0 - TIE) && (first == graph->n || graph->token[i] < graph->token[first])) {
            first = i;
        }
    }
    float sign = first < graph->n && vector[first] < 0.0 ? -1.0F : 1.0F;
    for (size_t i = 0; i < graph->n; i++) {
        value[i] = sign * (float)vector[i];
    }
}

/* The first threshold of least cost among those that leave both sides large enough. */
static void choose(const ncut_rules *rules, size_t n, const float threshold[NCUT_THRESHOLDS],
                   const double cost[NCUT_THRESHOLDS], const size_t positives[NCUT_THRESHOLDS], ncut_split *out) {
    for (int k = 0; k < NCUT_THRESHOLDS; k++) {
        if (isnan(cost[k])) {
            *out = (ncut_split){INFINITY, -1, 0.0F, 0};
            return;
        }
        size_t negatives = n - positives[k] + rules->dropped;
        if (positives[k] >= rules->min_tokens && negatives >= rules->min_tokens && cost[k] < out->cost) {
            *out = (ncut_split){cost[k], k, threshold[k], positives[k]};
        }
    }
}

static void split(uint32_t threads, const eigen_graph *graph, const ncut_rules *rules, ncut_scratch *s,
                  ncut_split *out) {
    float least = INFINITY, most = -INFINITY, threshold[NCUT_THRESHOLDS];
    double cost[NCUT_THRESHOLDS];
    size_t positives[NCUT_THRESHOLDS];
    for (size_t i = 0; i < graph->n; i++) {
        least = fminf(least, s->value[i]);
        most = fmaxf(most, s->value[i]);
    }
    ncut_thresholds(least, most, threshold);
    ncut_curve(threads, graph, s, threshold, cost, positives);
    choose(rules, graph->n, threshold, cost, positives, out);
    for (size_t i = 0; i < graph->n; i++) {
        s->side[i] = out->best >= 0 && s->value[i] > out->threshold ? 1 : 0;
    }
}

diffcut_status ncut_solve(const work *w, const eigen_graph *graph, const ncut_rules *rules, double fraction,
                          ncut_scratch *scratch, eigen_pair *pair, ncut_split *out) {
    ncut_split found = {INFINITY, -1, 0.0F, 0};
    double volume = 0.0;
    pair->passes = 0;
    if (graph->n > 0) {
        run_pass(w->threads, graph, scratch, degree_piece);
    }
    for (size_t i = 0; i < graph->n; i++) {
        volume += scratch->degree[i];
    }
    if (graph->n >= 2 && volume > 0.0) {
        pair->vector = scratch->vector;
        diffcut_status status =
            eigen_second(w, graph, scratch->degree, rules->solver, fraction, scratch->eigen, pair);
        if (status != DIFFCUT_OK) {
            return status;
        }
        fix_sign(graph, scratch->vector, scratch->value);
        split(w->threads, graph, rules, scratch, &found);
    }
    *out = found;
    return DIFFCUT_OK;
}

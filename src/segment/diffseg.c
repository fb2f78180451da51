/*
 * diffseg.c - DiffSeg's merging of anchors' maps. See diffseg.h.
 *
 * The symmetric divergence is sum of (x - y)(log x - log y) / 2: four sums of products, of which those of two
 * different maps are matrix products of values and logarithms. So the first round, 256 anchors against 4096 maps of
 * 4096 entries, costs two of them. Entries below the smallest float that is not denormal count as that.
 */
#include "segment/diffseg.h"

#include "core/gemm.h"
#include "core/memory.h"
#include "core/parallel.h"
#include "core/upsample.h"
#include "segment/diffseg_kernels.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define BAND 256 /* rows whose logarithms are held at a time */

/* ------------------------------------------------------------------------------------------------- anchors */

/* Positions along a side: as even as whole steps allow, and what remains shared between both ends. */
static uint32_t anchors_along(uint32_t side, uint32_t points, uint32_t *step, uint32_t *start) {
    points = points < side ? points : side;
    *step = points > 1 ? (side - 1) / (points - 1) : 0;
    *start = (side - 1 - *step * (points - 1)) / 2;
    return points;
}

size_t diffseg_anchors(uint32_t h, uint32_t w, uint32_t points, uint32_t *out) {
    uint32_t step_y, start_y, step_x, start_x;
    uint32_t rows = anchors_along(h, points, &step_y, &start_y);
    uint32_t columns = anchors_along(w, points, &step_x, &start_x);
    for (uint32_t i = 0; i < rows; i++) {
        for (uint32_t j = 0; j < columns; j++) {
            out[i * columns + j] = (start_y + i * step_y) * w + start_x + j * step_x;
        }
    }
    return (size_t)rows * columns;
}

/* ------------------------------------------------------------------------------------------------- divergence */

typedef struct divergence_task {
    const float *aggregate;
    size_t tokens, count, first, rows;
    const uint32_t *anchors;
    float *anchor, *anchor_log;           /* (count, tokens) */
    float *row, *row_log;                 /* (BAND, tokens): values, in half precision only; logarithms */
    double *anchor_self, *row_self;       /* sum of x log x, of each anchor and of each row of the band */
    bool *anchor_positive, *row_positive; /* no entry is 0 in half precision */
    float *products;                      /* (2, count, BAND) */
    const diffseg_kernels *kernels;       /* NULL: in full precision */
    float *out;
} divergence_task;

static double take_logarithms(const float *values, size_t count, float *out) {
    double self = 0.0;
    for (size_t i = 0; i < count; i++) {
        out[i] = logf(values[i] > FLT_MIN ? values[i] : FLT_MIN);
        self += (double)values[i] * (double)out[i];
    }
    return self;
}

static void prepare_anchor(void *context, size_t i) {
    const divergence_task *task = context;
    const float *map = task->aggregate + (size_t)task->anchors[i] * task->tokens;
    float *values = task->anchor + i * task->tokens, *logarithms = task->anchor_log + i * task->tokens;
    if (task->kernels != NULL) {
        task->anchor_positive[i] = task->kernels->halve(task->tokens, map, values, logarithms);
    } else {
        memcpy(values, map, task->tokens * sizeof *values);
        task->anchor_self[i] = take_logarithms(map, task->tokens, logarithms);
    }
}

static void prepare_row(void *context, size_t i) {
    const divergence_task *task = context;
    const float *map = task->aggregate + (task->first + i) * task->tokens;
    float *logarithms = task->row_log + i * task->tokens;
    if (task->kernels != NULL) {
        task->row_positive[i] = task->kernels->halve(task->tokens, map, task->row + i * task->tokens, logarithms);
    } else {
        task->row_self[i] = take_logarithms(map, task->tokens, logarithms);
    }
}

static void half_row(void *context, size_t i) {
    const divergence_task *task = context;
    size_t n = task->tokens;
    for (size_t a = 0; a < task->count; a++) {
        float *out = &task->out[a * n + task->first + i];
        *out = !task->anchor_positive[a] || !task->row_positive[i]
                   ? NAN
                   : task->kernels->half_divergence(n, task->anchor + a * n, task->anchor_log + a * n,
                                                    task->row + i * n, task->row_log + i * n);
    }
}

/* The rows of one band against all anchors. */
static diffcut_status compare_band(const work *w, divergence_task *task) {
    size_t n = task->tokens, count = task->count, rows = task->rows;
    parallel_for(w->threads, rows, prepare_row, task);
    if (task->kernels != NULL) {
        parallel_for(w->threads, rows, half_row, task);
        return DIFFCUT_OK;
    }
    float *forth = task->products, *back = task->products + count * BAND;
    const float *band = task->aggregate + task->first * n;
    diffcut_status status =
        gemm_nt(w->threads, count, rows, n, task->anchor, n, task->row_log, n, 0.0F, forth, BAND, w->diag);
    if (status == DIFFCUT_OK) {
        status = gemm_nt(w->threads, count, rows, n, task->anchor_log, n, band, n, 0.0F, back, BAND, w->diag);
    }
    for (size_t a = 0; status == DIFFCUT_OK && a < count; a++) {
        for (size_t i = 0; i < rows; i++) {
            double crossed = (double)forth[a * BAND + i] + (double)back[a * BAND + i];
            task->out[a * n + task->first + i] = (float)((task->anchor_self[a] + task->row_self[i] - crossed) / 2.0);
        }
    }
    return status;
}

static void free_task(divergence_task *task) {
    mem_free(task->anchor);
    mem_free(task->row);
    mem_free(task->anchor_self);
    mem_free(task->anchor_positive);
    mem_free(task->products);
}

static bool allocate_task(divergence_task *task) {
    size_t floats;
    if (!mem_mul(task->count, task->tokens, &floats)) {
        return false;
    }
    task->anchor = mem_array(floats, 2 * sizeof *task->anchor);
    task->row = mem_array(task->tokens, (task->kernels != NULL ? 2U : 1U) * BAND * sizeof *task->row);
    task->anchor_self = mem_array(task->count + BAND, sizeof *task->anchor_self);
    task->anchor_positive = mem_array(task->count + BAND, sizeof *task->anchor_positive);
    task->products = mem_array(task->count, 2 * BAND * sizeof *task->products);
    if (task->anchor == NULL || task->row == NULL || task->anchor_self == NULL || task->anchor_positive == NULL ||
        task->products == NULL) {
        free_task(task);
        return false;
    }
    task->anchor_log = task->anchor + floats;
    task->row_log = task->kernels != NULL ? task->row + BAND * task->tokens : task->row;
    task->row_self = task->anchor_self + task->count;
    task->row_positive = task->anchor_positive + task->count;
    return true;
}

diffcut_status diffseg_divergence(const work *w, const float *aggregate, size_t tokens, const uint32_t *anchors,
                                  size_t count, bool half, float *out) {
    divergence_task task = {.aggregate = aggregate, .tokens = tokens, .count = count, .anchors = anchors, .out = out};
    task.kernels = half ? SIMD_PICK(diffseg_kernels, cpu_best_level()) : NULL;
    if (!allocate_task(&task)) {
        return diag_no_memory(w->diag, 2 * count * tokens * sizeof *out, "the anchors' maps");
    }
    parallel_for(w->threads, count, prepare_anchor, &task);
    diffcut_status status = DIFFCUT_OK;
    for (size_t first = 0; first < tokens && status == DIFFCUT_OK; first += BAND) {
        task.first = first;
        task.rows = tokens - first < BAND ? tokens - first : BAND;
        status = work_progress(w, (double)first / (double)tokens);
        if (status == DIFFCUT_OK) {
            status = compare_band(w, &task);
        }
    }
    free_task(&task);
    return status;
}

/* ------------------------------------------------------------------------------------------------- rounds */

/* The threshold as the first round compares with it. */
static double first_threshold(const diffcut_diffseg_settings *settings) {
    float threshold = (float)settings->thresholds[0], value, logarithm;
    if (!settings->reference) {
        return settings->thresholds[0];
    }
    (void)SIMD_PICK(diffseg_kernels, cpu_best_level())->halve(1, &threshold, &value, &logarithm);
    return (double)value;
}

/* The first round: each anchor becomes the mean of all maps that are near it. */
static diffcut_status merge_anchors(const work *w, const float *aggregate, size_t tokens, const uint32_t *anchors,
                                    size_t count, const diffcut_diffseg_settings *settings, float *maps) {
    double threshold = first_threshold(settings);
    float *near = mem_array(count, tokens * sizeof *near);
    if (near == NULL) {
        return diag_no_memory(w->diag, count * tokens * sizeof *near, "the anchors' divergences");
    }
    diffcut_status status = diffseg_divergence(w, aggregate, tokens, anchors, count, settings->reference, near);
    for (size_t a = 0; status == DIFFCUT_OK && a < count; a++) {
        double members = 0.0;
        for (size_t i = 0; i < tokens; i++) {
            near[a * tokens + i] = (double)near[a * tokens + i] < threshold ? 1.0F : 0.0F;
            members += (double)near[a * tokens + i];
        }
        for (size_t i = 0; i < tokens; i++) { /* an anchor without any, not even itself, is NaN, and dropped later */
            near[a * tokens + i] = (float)((double)near[a * tokens + i] / members);
        }
    }
    if (status == DIFFCUT_OK) {
        status =
            gemm_nn(w->threads, count, tokens, tokens, near, tokens, aggregate, tokens, 0.0F, maps, tokens, w->diag);
    }
    mem_free(near);
    return status;
}

/* Of the maps of one round: their logarithms, and which have been taken. */
typedef struct round_state {
    const float *maps;
    float *logarithms; /* (count, tokens) */
    uint8_t *taken;    /* (count) */
    size_t count, tokens;
} round_state;

static double pair_divergence(const round_state *state, size_t a, size_t b) {
    const float *x = state->maps + a * state->tokens, *lx = state->logarithms + a * state->tokens;
    const float *y = state->maps + b * state->tokens, *ly = state->logarithms + b * state->tokens;
    double sum = 0.0;
    for (size_t i = 0; i < state->tokens; i++) {
        sum += ((double)x[i] - (double)y[i]) * ((double)lx[i] - (double)ly[i]);
    }
    return sum / 2.0;
}

/* The mean of the maps near map a, those of one round that nobody has taken (with reference, of all); returns how
 * many there are, 0 for a map that is no numbers. mean: (tokens). */
static size_t merge_near(round_state *state, size_t a, double threshold, bool reference, double *mean) {
    size_t members = 0;
    memset(mean, 0, state->tokens * sizeof *mean);
    for (size_t b = 0; b < state->count; b++) {
        bool free = reference || state->taken[b] == 0 || b == a;
        if (free && pair_divergence(state, a, b) < threshold) {
            for (size_t i = 0; i < state->tokens; i++) {
                mean[i] += (double)state->maps[b * state->tokens + i];
            }
            state->taken[b] = 1;
            members++;
        }
    }
    state->taken[a] = 1;
    return members;
}

/* A later round: maps (count, tokens) to merged, which has room for as many. */
static diffcut_status merge_round(const work *w, const float *maps, size_t count, size_t tokens, double threshold,
                                  bool reference, float *merged, size_t *merged_count) {
    round_state state = {.maps = maps, .count = count, .tokens = tokens};
    diffcut_status status = DIFFCUT_OK;
    size_t made = 0;
    double *mean = mem_array(tokens, sizeof *mean);
    state.logarithms = mem_array(count, tokens * sizeof *state.logarithms);
    state.taken = mem_array_zero(count, sizeof *state.taken);
    if (mean == NULL || state.logarithms == NULL || state.taken == NULL) {
        status = diag_no_memory(w->diag, count * tokens * sizeof *state.logarithms, "the proposals");
        goto cleanup;
    }
    for (size_t i = 0; i < count * tokens; i++) {
        state.logarithms[i] = isnan(maps[i]) ? NAN : logf(maps[i] > FLT_MIN ? maps[i] : FLT_MIN);
    }
    for (size_t a = 0; a < count && status == DIFFCUT_OK; a++) {
        status = work_progress(w, (double)a / (double)count);
        size_t members =
            status == DIFFCUT_OK && state.taken[a] == 0 ? merge_near(&state, a, threshold, reference, mean) : 0;
        for (size_t i = 0; members > 0 && i < tokens; i++) {
            merged[made * tokens + i] = (float)(mean[i] / (double)members);
        }
        made += members > 0 ? 1 : 0;
    }
    if (status == DIFFCUT_OK) {
        *merged_count = made;
    }
cleanup:
    mem_free(state.taken);
    mem_free(state.logarithms);
    mem_free(mean);
    return status;
}

diffcut_status diffseg_merge(const work *w, const float *aggregate, uint32_t h, uint32_t width,
                             const diffcut_diffseg_settings *settings, diffseg_proposals *out) {
    size_t tokens = (size_t)h * width, points = (size_t)settings->points * settings->points;
    diffseg_proposals made = {.maps = NULL};
    diffcut_status status = DIFFCUT_OK;
    float *next = NULL;
    uint32_t *anchors = mem_array(points, sizeof *anchors);
    if (anchors == NULL) {
        return diag_no_memory(w->diag, points * sizeof *anchors, "the anchors");
    }
    made.count = diffseg_anchors(h, width, settings->points, anchors);
    made.maps = mem_array(made.count, tokens * sizeof *made.maps);
    next = mem_array(made.count, tokens * sizeof *next);
    if (made.maps == NULL || next == NULL) {
        status = diag_no_memory(w->diag, made.count * tokens * sizeof *next, "the proposals");
        goto cleanup;
    }
    const work first = work_part(w, 0.0, 0.8);
    status = merge_anchors(&first, aggregate, tokens, anchors, made.count, settings, made.maps);
    made.after[0] = made.count;
    for (uint32_t r = 1; r < settings->round_count && status == DIFFCUT_OK; r++) {
        const work part =
            work_part(w, 0.8 + 0.2 * (r - 1) / settings->round_count, 0.8 + 0.2 * r / settings->round_count);
        status = merge_round(&part, made.maps, made.count, tokens, settings->thresholds[r], settings->reference, next,
                             &made.after[r]);
        if (status == DIFFCUT_OK) {
            float *old = made.maps;
            made.maps = next;
            next = old;
            made.count = made.after[r];
        }
    }
    if (status == DIFFCUT_OK) {
        *out = made;
        made.maps = NULL;
    }
cleanup:
    mem_free(next);
    mem_free(made.maps);
    mem_free(anchors);
    return status;
}

/* ------------------------------------------------------------------------------------------------- labels */

typedef struct label_task {
    const diffseg_proposals *proposals;
    uint32_t h, w, out_width;
    upsample_tap *rows, *columns;
    float *best; /* (out_height, out_width) */
    uint32_t *labels;
} label_task;

static void label_row(void *context, size_t y) {
    const label_task *task = context;
    const upsample_tap *row = &task->rows[y];
    float *best = task->best + y * task->out_width;
    uint32_t *labels = task->labels + y * task->out_width;
    for (uint32_t x = 0; x < task->out_width; x++) {
        best[x] = -INFINITY;
        labels[x] = 0;
    }
    for (size_t k = 0; k < task->proposals->count; k++) {
        const float *map = task->proposals->maps + k * task->h * task->w;
        const float *top = map + (size_t)row->low * task->w, *bottom = map + (size_t)row->high * task->w;
        for (uint32_t x = 0; x < task->out_width; x++) {
            const upsample_tap *column = &task->columns[x];
            float above = top[column->low] + column->fraction * (top[column->high] - top[column->low]);
            float below = bottom[column->low] + column->fraction * (bottom[column->high] - bottom[column->low]);
            float value = above + row->fraction * (below - above);
            if (value > best[x]) {
                best[x] = value;
                labels[x] = (uint32_t)k;
            }
        }
    }
}

static uint32_t scaled_side(uint32_t side, uint32_t longer, uint32_t size) {
    uint32_t scaled = (uint32_t)(((uint64_t)side * size * 2 + longer) / (2 * (uint64_t)longer));
    return scaled > 0 ? scaled : 1;
}

diffcut_status diffseg_labels(const work *w, const diffseg_proposals *proposals, uint32_t h, uint32_t width,
                              const diffcut_diffseg_settings *settings, diffcut_labels *out) {
    uint32_t longer = h > width ? h : width;
    uint32_t out_height = scaled_side(h, longer, settings->label_size);
    uint32_t out_width = scaled_side(width, longer, settings->label_size);
    size_t pixels = (size_t)out_height * out_width;
    label_task task = {.proposals = proposals, .h = h, .w = width, .out_width = out_width};
    task.rows = mem_array((size_t)out_height + out_width, sizeof *task.rows);
    task.best = mem_array(pixels, sizeof *task.best);
    task.labels = mem_array(pixels, sizeof *task.labels);
    if (task.rows == NULL || task.best == NULL || task.labels == NULL) {
        mem_free(task.rows);
        mem_free(task.best);
        mem_free(task.labels);
        return diag_no_memory(w->diag, pixels * sizeof *task.labels, "the label map");
    }
    task.columns = task.rows + out_height;
    upsample_half_pixel(h, out_height, task.rows);
    upsample_half_pixel(width, out_width, task.columns);
    parallel_for(w->threads, out_height, label_row, &task);
    mem_free(task.rows);
    mem_free(task.best);
    uint32_t count = proposals->count > 0 ? (uint32_t)proposals->count : 1;
    *out = (diffcut_labels){.width = out_width, .height = out_height, .count = count, .data = task.labels};
    return DIFFCUT_OK;
}

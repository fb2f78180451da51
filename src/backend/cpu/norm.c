/*
 * norm.c - group norm (Wu & He, 2018) and layer norm (Ba et al., 2016) of the cpu backend. See cpu.h.
 *
 * Group norm reads an image twice: once for sums by channel, in double and relative to the image's first position so
 * that a large mean costs no precision, once to write the result with its activation. The channels' means and squared
 * distances are joined into the group's by the parallel variance formula (Chan et al., 1979).
 */
#include "backend/cpu/cpu.h"

#include "core/parallel.h"

#include <math.h>

/* An image's positions are cut into at most this many pieces, of at least this many elements. */
#define NORM_PIECES 64
#define NORM_ELEMENTS 16384

typedef struct norm_task {
    const cpu_kernels *kernels;
    const tensor *x, *y;
    const cpu_weight *norm;
    float eps;
    activation act;
    size_t first, positions; /* of the image, or of all images for layer norm */
    size_t piece_positions;
    double *sums;                 /* (pieces, 2, c): sums, then sums of squares */
    float *mean, *factor, *shift; /* (c) each */
} norm_task;

static size_t piece_positions(size_t positions, size_t channels) {
    size_t least = (NORM_ELEMENTS + channels - 1) / channels;
    size_t share = (positions + NORM_PIECES - 1) / NORM_PIECES;
    return share > least ? share : least;
}

/* Where a piece begins; *count is how many positions it has. */
static size_t piece_start(const norm_task *task, size_t piece, size_t *count) {
    size_t start = piece * task->piece_positions;
    size_t left = task->positions - start;
    *count = left < task->piece_positions ? left : task->piece_positions;
    return task->first + start;
}

static void sum_piece(void *context, size_t piece) {
    const norm_task *task = context;
    const tensor *x = task->x;
    size_t count;
    size_t start = piece_start(task, piece, &count);
    double *sums = task->sums + piece * 2 * x->c;
    const float *data = host_data(x);
    task->kernels->channel_sums(count, x->c, data + start * x->stride, x->stride, data + task->first * x->stride,
                                sums, sums + x->c);
}

static void normalize_piece(void *context, size_t piece) {
    const norm_task *task = context;
    size_t count;
    size_t start = piece_start(task, piece, &count);
    for (size_t p = start; p < start + count; p++) {
        task->kernels->normalize(task->x->c, host_data(task->x) + p * task->x->stride, task->mean, task->factor,
                                 task->shift, task->act, host_data(task->y) + p * task->y->stride);
    }
}

/* Turns the pieces' sums into each channel's mean, factor and shift. */
static void join_sums(norm_task *task, size_t pieces, uint32_t groups) {
    size_t c = task->x->c;
    size_t channels = c / groups;
    double count = (double)task->positions;
    const float *origin = host_data(task->x) + task->first * task->x->stride;
    for (size_t piece = 1; piece < pieces; piece++) {
        for (size_t i = 0; i < 2 * c; i++) {
            task->sums[i] += task->sums[piece * 2 * c + i];
        }
    }
    for (size_t group = 0; group < c; group += channels) {
        double mean = 0.0;
        for (size_t i = group; i < group + channels; i++) {
            mean += ((double)origin[i] + task->sums[i] / count) / (double)channels;
        }
        double squares = 0.0;
        for (size_t i = group; i < group + channels; i++) {
            double offset = task->sums[i] / count; /* of the channel's mean from the origin */
            double distance = (double)origin[i] + offset - mean;
            squares += task->sums[c + i] - offset * task->sums[i] + count * distance * distance;
        }
        double variance = squares / (count * (double)channels);
        variance = variance < 0.0 ? 0.0 : variance; /* by rounding; NaN stays */
        double factor = 1.0 / sqrt(variance + (double)task->eps);
        for (size_t i = group; i < group + channels; i++) {
            /* What the mean loses as a float goes into the shift. */
            double scaled = factor * (double)task->norm->gamma[i];
            task->mean[i] = (float)mean;
            task->factor[i] = (float)scaled;
            task->shift[i] = (float)((double)task->norm->bias[i] - (mean - (double)task->mean[i]) * scaled);
        }
    }
}

diffcut_status cpu_group_norm(backend_stream *stream, const tensor *x, const backend_weight *norm, uint32_t groups,
                              float eps, activation act, const tensor *y, diffcut_diagnostics *diag) {
    diffcut_status status = backend_check_norm("group_norm", x, norm, groups, eps, act, y, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    norm_task task = {.kernels = stream->owner->kernels, .x = x, .y = y, .norm = cpu_weight_of(norm), .eps = eps};
    task.act = act;
    task.positions = (size_t)x->h * x->w;
    task.piece_positions = piece_positions(task.positions, x->c);
    size_t pieces = (task.positions + task.piece_positions - 1) / task.piece_positions;
    size_t sums = pieces * 2 * x->c; /* at most 64 * 2 * 2^32: no overflow */
    const size_t floats = sizeof(double) / sizeof(float);
    cpu_scratch scratch;
    status = cpu_scratch_get(stream, sums * floats + 3 * (size_t)x->c, 0, 0, &scratch, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    task.sums = (double *)(void *)scratch.shared;
    task.mean = scratch.shared + sums * floats;
    task.factor = task.mean + x->c;
    task.shift = task.factor + x->c;
    uint32_t workers = cpu_workers(stream, pieces, (double)task.positions * x->c);
    for (size_t image = 0; image < x->n; image++) {
        task.first = image * task.positions;
        parallel_for(workers, pieces, sum_piece, &task);
        join_sums(&task, pieces, groups);
        parallel_for(workers, pieces, normalize_piece, &task);
    }
    return DIFFCUT_OK;
}

static void layer_norm_piece(void *context, size_t piece) {
    const norm_task *task = context;
    size_t count;
    size_t start = piece_start(task, piece, &count);
    for (size_t p = start; p < start + count; p++) {
        task->kernels->layer_norm(task->x->c, host_data(task->x) + p * task->x->stride, task->norm->gamma,
                                  task->norm->bias, task->eps, host_data(task->y) + p * task->y->stride);
    }
}

diffcut_status cpu_layer_norm(backend_stream *stream, const tensor *x, const backend_weight *norm, float eps,
                              const tensor *y, diffcut_diagnostics *diag) {
    diffcut_status status = backend_check_norm("layer_norm", x, norm, 1, eps, ACTIVATION_NONE, y, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    norm_task task = {.kernels = stream->owner->kernels, .x = x, .y = y, .norm = cpu_weight_of(norm), .eps = eps};
    task.positions = tensor_positions(x);
    task.piece_positions = piece_positions(task.positions, x->c);
    size_t pieces = (task.positions + task.piece_positions - 1) / task.piece_positions;
    uint32_t workers = cpu_workers(stream, pieces, (double)task.positions * x->c);
    parallel_for(workers, pieces, layer_norm_piece, &task);
    return DIFFCUT_OK;
}

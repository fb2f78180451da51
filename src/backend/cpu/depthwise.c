/*
 * depthwise.c - depthwise convolution of the cpu backend: one kernel a channel, stride 1, the image keeps its size.
 *
 * A piece of work is a few rows of outputs. Where a kernel reaches beyond the image, its taps outside are left out
 * rather than multiplied by zeros: the rows for all of an output row, the columns for single outputs at both ends;
 * the run between them has all columns. See cpu.h.
 */
#include "backend/cpu/cpu.h"

#include "core/parallel.h"

#define DEPTHWISE_ELEMENTS 8192 /* of outputs in one piece, about */

typedef struct depthwise_task {
    const depthwise_kernels *kernels;
    const tensor *x, *y;
    const cpu_weight *weight;
    size_t rows; /* of all images */
    size_t piece_rows;
} depthwise_task;

/* The taps that lie inside of `size` for an output at `place`: from *first on, their count. */
static size_t inside(size_t place, size_t size, size_t kernel, size_t *first) {
    size_t half = kernel / 2;
    *first = place < half ? half - place : 0;
    size_t end = size - place > half ? kernel : half + size - place;
    return end - *first;
}

/* Outputs ox .. ox + outputs of a row, all of which have the same columns of taps inside. taps: its rows are set. */
static void run_outputs(const depthwise_task *task, depthwise_taps taps, size_t ox, size_t outputs, const float *x,
                        const float *weights, float *y) {
    const tensor *in = task->x;
    size_t first;
    taps.columns = inside(ox, in->w, task->weight->head.kernel_w, &first);
    taps.x = x + (ox + first - task->weight->head.kernel_w / 2) * in->stride;
    taps.weights = weights + first * in->c;
    task->kernels->run(&taps, in->c, task->weight->bias, outputs, y + ox * task->y->stride, task->y->stride);
}

static void run_row(const depthwise_task *task, size_t row) {
    const tensor *in = task->x;
    const struct backend_weight *shape = &task->weight->head;
    size_t half = shape->kernel_w / 2;
    size_t width = in->w;
    size_t first;
    depthwise_taps taps = {
        .x_row = width * in->stride, .x_step = in->stride, .weight_row = (size_t)shape->kernel_w * in->c};
    taps.rows = inside(row % in->h, in->h, shape->kernel_h, &first);
    const float *x = host_data(in) + (row + first - shape->kernel_h / 2) * taps.x_row;
    const float *weights = task->weight->gamma + first * taps.weight_row;
    float *y = host_data(task->y) + row * width * task->y->stride;
    size_t left = half < width ? half : width;
    size_t right = width > 2 * half ? width - half : left; /* from here on the kernel reaches beyond the image */
    for (size_t ox = 0; ox < left; ox++) {
        run_outputs(task, taps, ox, 1, x, weights, y);
    }
    if (right > left) {
        run_outputs(task, taps, left, right - left, x, weights, y);
    }
    for (size_t ox = right; ox < width; ox++) {
        run_outputs(task, taps, ox, 1, x, weights, y);
    }
}

static void run_piece(void *context, size_t piece) {
    const depthwise_task *task = context;
    size_t row = piece * task->piece_rows;
    size_t left = task->rows - row;
    size_t end = row + (left < task->piece_rows ? left : task->piece_rows);
    for (; row < end; row++) {
        run_row(task, row);
    }
}

diffcut_status cpu_depthwise(backend_stream *stream, const tensor *x, const backend_weight *weight, const tensor *y,
                             diffcut_diagnostics *diag) {
    diffcut_status status = backend_check_depthwise(x, weight, y, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    depthwise_task task = {.kernels = stream->owner->depthwise, .x = x, .y = y, .weight = cpu_weight_of(weight)};
    size_t row = (size_t)x->w * x->c;
    task.rows = (size_t)x->n * x->h;
    task.piece_rows = (DEPTHWISE_ELEMENTS + row - 1) / row;
    size_t pieces = (task.rows + task.piece_rows - 1) / task.piece_rows;
    double work = (double)task.rows * (double)row * weight->kernel_h * weight->kernel_w / 16.0;
    parallel_for(cpu_workers(stream, pieces, work), pieces, run_piece, &task);
    return DIFFCUT_OK;
}

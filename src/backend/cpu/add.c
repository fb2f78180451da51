/* add.c - the cpu backend's sum of two tensors with an activation. See cpu.h. */
#include "backend/cpu/cpu.h"

#include "core/parallel.h"

#define ADD_ELEMENTS 16384 /* of one piece, about */

typedef struct add_task {
    const cpu_kernels *kernels;
    const tensor *a, *b, *y;
    activation act;
    size_t positions, piece_positions;
} add_task;

static void add_piece(void *context, size_t piece) {
    const add_task *task = context;
    size_t start = piece * task->piece_positions;
    size_t left = task->positions - start;
    size_t end = start + (left < task->piece_positions ? left : task->piece_positions);
    for (size_t p = start; p < end; p++) {
        const float *b = task->b != NULL ? host_data(task->b) + p * task->b->stride : NULL;
        task->kernels->finish(task->a->c, host_data(task->a) + p * task->a->stride, b, NULL, task->act, NULL,
                              host_data(task->y) + p * task->y->stride);
    }
}

diffcut_status cpu_add(backend_stream *stream, const tensor *a, const tensor *b, activation act, const tensor *y,
                       diffcut_diagnostics *diag) {
    diffcut_status status = backend_check_add(a, b, act, y, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    add_task task = {.kernels = stream->owner->kernels, .a = a, .b = b, .y = y, .act = act};
    task.positions = tensor_positions(a);
    task.piece_positions = (ADD_ELEMENTS + a->c - 1) / a->c;
    size_t pieces = (task.positions + task.piece_positions - 1) / task.piece_positions;
    parallel_for(cpu_workers(stream, pieces, (double)task.positions * a->c), pieces, add_piece, &task);
    return DIFFCUT_OK;
}

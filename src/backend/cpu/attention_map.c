/*
 * attention_map.c - the weights of a multi-head attention, averaged over the heads: a tile of queries after the
 * other, its scores one head at a time. The whole map is the result, so unlike in attention.c it has to exist. See
 * cpu.h.
 */
#include "backend/cpu/attention_map_kernels.h"
#include "backend/cpu/cpu.h"
#include "core/gemm.h"
#include "core/parallel.h"

#include <stdatomic.h>
#include <string.h>

#define QUERY_TILE 64

typedef struct map_task {
    const attention_map_kernels *kernels;
    const tensor *q, *k, *y;
    uint32_t heads;
    float scale;
    size_t channels; /* of one head */
    size_t tiles;    /* of queries, in one image */
    cpu_scratch scratch;
    atomic_bool failed;
} map_task;

static void run_tile(void *context, size_t piece, uint32_t worker) {
    map_task *task = context;
    size_t image = piece / task->tiles, first = piece % task->tiles * QUERY_TILE;
    size_t queries = task->q->h - first < QUERY_TILE ? task->q->h - first : QUERY_TILE, keys = task->k->h;
    size_t row = image * task->q->h + first;
    const float *q = host_data(task->q) + row * task->q->stride;
    const float *k = host_data(task->k) + (task->k->n == 1 ? 0 : image * keys) * task->k->stride;
    float *y = host_data(task->y) + row * task->y->stride;
    float *scores = task->scratch.workers + worker * task->scratch.each;
    for (size_t i = 0; i < queries; i++) {
        memset(y + i * task->y->stride, 0, keys * sizeof *y);
    }
    for (size_t head = 0; head < task->heads; head++) {
        diffcut_diagnostics ignored; /* a failure is reported once, by cpu_attention_map */
        size_t channel = head * task->channels;
        if (gemm_nt(1, queries, keys, task->channels, q + channel, task->q->stride, k + channel, task->k->stride,
                    0.0F, scores, keys, &ignored) != DIFFCUT_OK) {
            atomic_store(&task->failed, true);
            return;
        }
        for (size_t i = 0; i < queries; i++) {
            task->kernels->add_softmax(keys, task->scale, 1.0F / (float)task->heads, scores + i * keys,
                                       y + i * task->y->stride);
        }
    }
}

diffcut_status cpu_attention_map(backend_stream *stream, const tensor *q, const tensor *k, uint32_t heads,
                                 float scale, const tensor *y, diffcut_diagnostics *diag) {
    diffcut_status status = backend_check_attention_map(q, k, heads, y, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    map_task task = {.kernels = SIMD_PICK(attention_map_kernels, cpu_best_level()),
                     .q = q,
                     .k = k,
                     .y = y,
                     .heads = heads,
                     .scale = scale,
                     .channels = q->c / heads,
                     .tiles = ((size_t)q->h + QUERY_TILE - 1) / QUERY_TILE};
    size_t pieces = task.tiles * q->n;
    uint32_t workers = cpu_workers(stream, pieces, (double)q->n * q->h * k->h * q->c / 16.0);
    status = cpu_scratch_get(stream, 0, QUERY_TILE * (size_t)k->h, workers, &task.scratch, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    parallel_for_workers(workers, pieces, run_tile, &task);
    if (atomic_load(&task.failed)) {
        return diag_fail(diag, DIFFCUT_ERROR_MEMORY,
                         "attention_map: the GEMM library (%s) failed, perhaps for lack of memory", gemm_library());
    }
    return DIFFCUT_OK;
}

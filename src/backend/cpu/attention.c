/*
 * attention.c - multi-head attention of the cpu backend, with the online softmax (Milakov & Gimelshein, 2018; tiled
 * as in FlashAttention, Dao et al., 2022): a tile of queries passes over the keys block by block, keeping each
 * query's greatest score, the sum of its weights and the weighted values, so that only a tile x block piece of the
 * score matrix ever exists. Heads are read in place, by stride. See cpu.h.
 *
 * A value that is NaN or infinite at a key which causal masking hides may still reach queries of the same tile, as
 * 0 * NaN; finite input gives what the definition says.
 */
#include "backend/cpu/cpu.h"

#include "core/gemm.h"
#include "core/parallel.h"

#include <math.h>
#include <stdatomic.h>

/* Tile sizes; constants and functions of the head's width only, so that the arithmetic never depends on the number of
 * threads. A score tile and a block of keys and values together fit a second-level cache. */
#define QUERY_TILE 128
#define KEY_BLOCK 512
#define KEY_BLOCK_FLOATS 65536 /* of the keys, and of the values, in one block */
#define KEY_BLOCK_LEAST 64

typedef struct attention_task {
    const cpu_kernels *kernels;
    const tensor *q, *k, *v, *y;
    uint32_t heads;
    float scale;
    bool causal;
    size_t channels;  /* of one head */
    size_t tiles;     /* of queries, in one image */
    size_t key_block; /* keys in one step */
    cpu_scratch scratch;
    atomic_bool failed;
} attention_task;

static size_t min_size(size_t a, size_t b) {
    return a < b ? a : b;
}

/* What one tile of queries of one head works on. */
typedef struct attention_tile {
    size_t query, queries;  /* first one within the image, and how many */
    const float *q, *k, *v; /* first query's, first key's and value's channels of this head */
    float *scores;          /* (QUERY_TILE, key_block) */
    float *result;          /* (QUERY_TILE, channels): weighted values, not yet divided by the sum */
    float top[QUERY_TILE];  /* greatest scaled score */
    float sum[QUERY_TILE];  /* of the weights exp(score - top) */
} attention_tile;

/* One block of keys: scores, their weights, and the weighted values added to the result. */
static diffcut_status attend(const attention_task *task, attention_tile *tile, size_t key, size_t keys,
                             diffcut_diagnostics *diag) {
    size_t channels = task->channels;
    size_t ld = task->key_block;
    diffcut_status status = gemm_nt(1, tile->queries, keys, channels, tile->q, task->q->stride,
                                    tile->k + key * task->k->stride, task->k->stride, 0.0F, tile->scores, ld, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    for (size_t i = 0; i < tile->queries; i++) {
        size_t visible = keys;
        if (task->causal) {
            size_t seen = tile->query + i + 1; /* keys this query sees, counted from the first */
            visible = seen > key ? min_size(seen - key, keys) : 0;
        }
        float rescale = task->kernels->softmax_step(keys, visible, task->scale, tile->scores + i * ld, &tile->top[i],
                                                    &tile->sum[i]);
        if (key > 0 && rescale != 1.0F) {
            task->kernels->scale(channels, tile->result + i * channels, rescale, tile->result + i * channels);
        }
    }
    return gemm_nn(1, tile->queries, channels, keys, tile->scores, ld, tile->v + key * task->v->stride,
                   task->v->stride, key > 0 ? 1.0F : 0.0F, tile->result, channels, diag);
}

static void run_tile(void *context, size_t piece, uint32_t worker) {
    attention_task *task = context;
    size_t tile_index = piece % task->tiles;
    size_t channel = piece / task->tiles % task->heads * task->channels;
    size_t image = piece / task->tiles / task->heads;
    size_t key_image = task->k->n == 1 ? 0 : image;
    attention_tile tile;
    tile.query = tile_index * QUERY_TILE;
    tile.queries = min_size(QUERY_TILE, task->q->h - tile.query);
    size_t row = image * task->q->h + tile.query;
    tile.q = host_data(task->q) + row * task->q->stride + channel;
    tile.k = host_data(task->k) + key_image * task->k->h * task->k->stride + channel;
    tile.v = host_data(task->v) + key_image * task->v->h * task->v->stride + channel;
    tile.scores = task->scratch.workers + worker * task->scratch.each;
    tile.result = tile.scores + QUERY_TILE * task->key_block;
    for (size_t i = 0; i < tile.queries; i++) {
        tile.top[i] = -INFINITY;
        tile.sum[i] = 0.0F;
    }
    size_t keys = task->causal ? min_size(tile.query + tile.queries, task->k->h) : task->k->h;
    for (size_t key = 0; key < keys; key += task->key_block) {
        diffcut_diagnostics ignored; /* a failure is reported once, by cpu_attention */
        if (attend(task, &tile, key, min_size(task->key_block, keys - key), &ignored) != DIFFCUT_OK) {
            atomic_store(&task->failed, true);
            return;
        }
    }
    for (size_t i = 0; i < tile.queries; i++) {
        task->kernels->scale(task->channels, tile.result + i * task->channels, 1.0F / tile.sum[i],
                             host_data(task->y) + (row + i) * task->y->stride + channel);
    }
}

diffcut_status cpu_attention(backend_stream *stream, const tensor *q, const tensor *k, const tensor *v,
                             uint32_t heads, float scale, bool causal, const tensor *y, diffcut_diagnostics *diag) {
    diffcut_status status = backend_check_attention(q, k, v, heads, y, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    attention_task task = {.kernels = stream->owner->kernels, .q = q, .k = k, .v = v, .y = y, .heads = heads};
    task.scale = scale;
    task.causal = causal;
    task.channels = q->c / heads;
    task.tiles = ((size_t)q->h + QUERY_TILE - 1) / QUERY_TILE;
    size_t block = min_size(KEY_BLOCK, KEY_BLOCK_FLOATS / task.channels);
    task.key_block = min_size(block > KEY_BLOCK_LEAST ? block : KEY_BLOCK_LEAST, k->h);
    size_t pieces = task.tiles * heads * q->n;
    double work = (double)q->n * q->h * k->h * q->c / 16.0;
    uint32_t workers = cpu_workers(stream, pieces, work);
    status = cpu_scratch_get(stream, 0, QUERY_TILE * (task.key_block + task.channels), workers, &task.scratch, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    parallel_for_workers(workers, pieces, run_tile, &task);
    if (atomic_load(&task.failed)) {
        return diag_fail(diag, DIFFCUT_ERROR_MEMORY,
                         "attention: the GEMM library (%s) failed, perhaps for lack of memory", gemm_library());
    }
    return DIFFCUT_OK;
}

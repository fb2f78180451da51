/*
 * attention.c - multi-head attention of the cpu backend, with the online softmax (Milakov & Gimelshein, 2018; tiled
 * as in FlashAttention, Dao et al., 2022): a tile of queries passes over the keys block by block, keeping each
 * query's greatest score, the sum of its weights and the weighted values, so that only a tile x block piece of the
 * score matrix ever exists.
 *
 * First the keys and values of every head are packed into panels (panel_kernels.h), which all tiles of its queries
 * then read; that takes about the memory of the keys and values themselves, half of it in bf16. The stream's
 * precision is that of both products; scores, softmax and sums are float32. See cpu.h.
 *
 * A value that is NaN or infinite at a key which causal masking hides may still reach queries of the same tile, as
 * 0 * NaN; finite input gives what the definition says.
 */
#include "backend/cpu/cpu.h"

#include "core/memory.h"
#include "core/parallel.h"

#include <math.h>

/* Sizes of the pieces: constants, so that the arithmetic never depends on the number of threads. */
#define QUERY_TILE 168 /* whole blocks of every panel kernel */
#define PACK_KEYS 1024 /* keys packed by one piece of work: whole panels, and words, of every kernel */

typedef struct attention_task {
    const cpu_kernels *kernels;
    const panel_product *product;
    const tensor *q, *k, *v, *y;
    uint32_t heads;
    float scale;
    bool causal;
    size_t channels;      /* of one head */
    size_t tiles;         /* of queries, in one image */
    size_t key_block;     /* keys in one step: PANEL_WORDS words */
    size_t cols;          /* of a panel */
    size_t channel_words; /* of one key */
    size_t key_words;     /* of one channel's values */
    size_t key_floats;    /* packed keys of one head: (panels of keys, channel_words, cols) */
    size_t head_floats;   /* these and its packed values: (panels of channels, key_words, cols) */
    size_t score_row;     /* from one query's scores to the next's */
    size_t result_row;    /* whole panels of channels */
    size_t query_floats;  /* packed queries of a tile: (steps of channel words, QUERY_TILE, PANEL_ROW) */
    cpu_scratch scratch;  /* shared: all heads' panels */
} attention_task;

static size_t min_size(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t divide_up(size_t a, size_t b) {
    return (a + b - 1) / b;
}

/* ------------------------------------------------------------------------------------------------- packing */

/* Some keys, and their values, of one head. */
static void pack_keys(void *context, size_t piece) {
    const attention_task *task = context;
    const panel_product *product = task->product;
    size_t keys = task->k->h;
    size_t chunks = divide_up(keys, PACK_KEYS);
    size_t head = piece / chunks; /* of all images */
    size_t first = piece % chunks * PACK_KEYS;
    size_t count = min_size(PACK_KEYS, keys - first);
    size_t image = head / task->heads;
    size_t channel = head % task->heads * task->channels;
    uint32_t *key_panels = (uint32_t *)(void *)(task->scratch.shared + head * task->head_floats);
    uint32_t *value_panels = key_panels + task->key_floats;
    const float *k = host_data(task->k) + (image * keys + first) * task->k->stride + channel;
    const float *v = host_data(task->v) + (image * keys + first) * task->v->stride + channel;
    for (size_t i = 0; i < count; i += task->cols) {
        product->pack_columns(min_size(task->cols, count - i), task->channels, k + i * task->k->stride,
                              task->k->stride, key_panels + (first + i) * task->channel_words);
    }
    for (size_t c = 0; c < task->channels; c += task->cols) {
        product->pack_matrix(min_size(task->cols, task->channels - c), count, v + c, task->v->stride,
                             value_panels + c * task->key_words + first / product->inner_per_word * task->cols);
    }
}

/* ------------------------------------------------------------------------------------------------- a tile */

/* What one tile of queries of one head works on. */
typedef struct attention_tile {
    size_t query, queries;         /* first one within the image, and how many */
    const uint32_t *keys, *values; /* this head's panels */
    uint32_t *q;                   /* packed queries, times the scale */
    float *scores;                 /* (QUERY_TILE, score_row) */
    uint32_t *weights;             /* packed from the scores; in float32 the scores themselves */
    float *result;                 /* (QUERY_TILE, result_row): weighted values, not yet divided by the sum */
    float top[QUERY_TILE];         /* greatest scaled score */
    float sum[QUERY_TILE];         /* of the weights exp(score - top) */
} attention_tile;

/* Scales a tile's queries, in the memory of its results, and packs them. */
static void pack_queries(const attention_task *task, attention_tile *tile, const float *q) {
    const panel_product *product = task->product;
    size_t step = PANEL_WORDS * product->inner_per_word;
    for (size_t i = 0; i < tile->queries; i++) {
        task->kernels->scale(task->channels, q + i * task->q->stride, task->scale,
                             tile->result + i * task->result_row);
    }
    for (size_t c = 0; c < task->channels; c += step) {
        product->pack_rows(tile->queries, min_size(step, task->channels - c), tile->result + c, task->result_row,
                           tile->q + c / step * QUERY_TILE * PANEL_ROW);
    }
}

/* Scores of a block of keys, which begins with a panel. */
static void score(const attention_task *task, attention_tile *tile, size_t key, size_t keys) {
    for (size_t word = 0; word < task->channel_words; word += PANEL_WORDS) {
        size_t words = min_size(PANEL_WORDS, task->channel_words - word);
        const uint32_t *q = tile->q + word / PANEL_WORDS * QUERY_TILE * PANEL_ROW;
        for (size_t i = 0; i < keys; i += task->cols) {
            const uint32_t *panel = tile->keys + (key + i) * task->channel_words + word * task->cols;
            task->product->multiply(tile->queries, words, q, panel, word > 0, tile->scores + i, task->score_row);
        }
    }
}

/* One block of keys: scores, their weights, and the weighted values added to the result. */
static void attend(const attention_task *task, attention_tile *tile, size_t key, size_t keys) {
    const panel_product *product = task->product;
    score(task, tile, key, keys);
    for (size_t i = 0; i < tile->queries; i++) {
        size_t visible = keys;
        if (task->causal) {
            size_t seen = tile->query + i + 1; /* keys this query sees, counted from the first */
            visible = seen > key ? min_size(seen - key, keys) : 0;
        }
        float rescale = task->kernels->softmax_step(keys, visible, tile->scores + i * task->score_row, &tile->top[i],
                                                    &tile->sum[i]);
        if (key > 0 && rescale != 1.0F) {
            float *row = tile->result + i * task->result_row;
            task->kernels->scale(task->channels, row, rescale, row);
        }
    }
    if (product->inner_per_word > 1) {
        product->pack_rows(tile->queries, keys, tile->scores, task->score_row, tile->weights);
    }
    size_t words = divide_up(keys, product->inner_per_word);
    for (size_t c = 0; c < task->channels; c += task->cols) {
        const uint32_t *panel = tile->values + c * task->key_words + key / product->inner_per_word * task->cols;
        product->multiply(tile->queries, words, tile->weights, panel, key > 0, tile->result + c, task->result_row);
    }
}

static void run_tile(void *context, size_t piece, uint32_t worker) {
    const attention_task *task = context;
    size_t head = piece / task->tiles % task->heads;
    size_t image = piece / task->tiles / task->heads;
    size_t channel = head * task->channels;
    size_t key_head = (task->k->n == 1 ? 0 : image) * task->heads + head;
    attention_tile tile;
    tile.query = piece % task->tiles * QUERY_TILE;
    tile.queries = min_size(QUERY_TILE, task->q->h - tile.query);
    size_t row = image * task->q->h + tile.query;
    tile.keys = (const uint32_t *)(const void *)(task->scratch.shared + key_head * task->head_floats);
    tile.values = tile.keys + task->key_floats;
    tile.q = (uint32_t *)(void *)(task->scratch.workers + worker * task->scratch.each);
    tile.result = (float *)(void *)(tile.q + task->query_floats);
    tile.scores = tile.result + QUERY_TILE * task->result_row;
    tile.weights = (uint32_t *)(void *)tile.scores;
    if (task->product->inner_per_word > 1) {
        tile.weights += QUERY_TILE * task->score_row;
    }
    for (size_t i = 0; i < tile.queries; i++) {
        tile.top[i] = -INFINITY;
        tile.sum[i] = 0.0F;
    }
    pack_queries(task, &tile, host_data(task->q) + row * task->q->stride + channel);
    size_t keys = task->causal ? min_size(tile.query + tile.queries, task->k->h) : task->k->h;
    for (size_t key = 0; key < keys; key += task->key_block) {
        attend(task, &tile, key, min_size(task->key_block, keys - key));
    }
    for (size_t i = 0; i < tile.queries; i++) {
        task->kernels->scale(task->channels, tile.result + i * task->result_row, 1.0F / tile.sum[i],
                             host_data(task->y) + (row + i) * task->y->stride + channel);
    }
}

/* ------------------------------------------------------------------------------------------------- the operation */

/* Sizes that the product and the shapes give; false when the packed heads cannot be addressed. */
static bool plan(attention_task *task, const panel_kernels *panels, size_t *shared, size_t *each) {
    const panel_product *product = task->product;
    size_t keys = task->k->h;
    task->channels = task->q->c / task->heads;
    task->tiles = divide_up(task->q->h, QUERY_TILE);
    task->cols = panels->cols;
    task->channel_words = divide_up(task->channels, product->inner_per_word);
    task->key_words = divide_up(keys, product->inner_per_word);
    task->key_block = PANEL_WORDS * product->inner_per_word;
    task->score_row = product->inner_per_word > 1 ? task->key_block + 16 : PANEL_ROW;
    task->result_row = divide_up(task->channels, task->cols) * task->cols;
    task->query_floats = divide_up(task->channel_words, PANEL_WORDS) * QUERY_TILE * PANEL_ROW;
    task->key_floats = divide_up(keys, task->cols) * task->cols * task->channel_words;
    task->head_floats = task->key_floats + task->result_row * task->key_words;
    size_t weights = product->inner_per_word > 1 ? QUERY_TILE * PANEL_ROW : 0;
    *each = task->query_floats + QUERY_TILE * (task->result_row + task->score_row) + weights;
    /* Keys and values are in memory, and no packed head takes 64 times as much; their product is checked. */
    return mem_mul((size_t)task->k->n * task->heads, task->head_floats, shared);
}

diffcut_status cpu_attention(backend_stream *stream, const tensor *q, const tensor *k, const tensor *v,
                             uint32_t heads, float scale, bool causal, const tensor *y, diffcut_diagnostics *diag) {
    diffcut_status status = backend_check_attention(q, k, v, heads, y, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    const panel_kernels *panels = stream->owner->panels;
    attention_task task = {.kernels = stream->owner->kernels, .q = q, .k = k, .v = v, .y = y, .heads = heads};
    task.product = stream->precision == DTYPE_BF16 ? &panels->bf16 : &panels->f32;
    task.scale = scale;
    task.causal = causal;
    size_t shared;
    size_t each;
    if (!plan(&task, panels, &shared, &each)) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "attention: %u heads of %u keys are too many", heads, k->h);
    }
    size_t pieces = task.tiles * heads * q->n;
    double work = (double)q->n * q->h * k->h * q->c / 16.0;
    uint32_t workers = cpu_workers(stream, pieces, work);
    status = cpu_scratch_get(stream, shared, each, workers, &task.scratch, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    parallel_for(workers, (size_t)k->n * heads * divide_up(k->h, PACK_KEYS), pack_keys, &task);
    parallel_for_workers(workers, pieces, run_tile, &task);
    return DIFFCUT_OK;
}

/*
 * product.c - linear layers and convolutions of the cpu backend: one tiled matrix product with its epilogue.
 *
 * y (positions, out) = rows (positions, inner) * weight (inner, out). A linear layer's rows are x itself; so are
 * those of a 1x1 convolution with stride 1. Another convolution's rows are gathered patches (implicit GEMM): a block
 * of positions and a few kernel taps at a time, never the whole matrix. A tile's product stays in its worker's
 * scratch, in cache, until bias, time embedding, activation and residual have been applied on the way to y. See
 * cpu.h. Most 3x3 convolutions of stride 1 go to winograd.c instead.
 */
#include "backend/cpu/cpu.h"

#include "backend/cpu/gather.h"
#include "backend/cpu/winograd.h"
#include "core/parallel.h"

/* Tile sizes, from measuring the GEMM library over the networks' shapes; constants, so that the arithmetic never
 * depends on the number of threads. */
#define DIRECT_ROWS 168     /* positions of a tile whose rows are x itself: whole blocks of every panel kernel */
#define GATHER_ROWS 84      /* positions of a tile of gathered patches: the same */
#define TILE_COLS 512       /* outputs of a tile, at most */
#define COLS_STEP 64        /* tiles are cut at multiples of this many outputs */
#define PATCH_FLOATS 131072 /* gathered patches of one step, about: half of a usual second-level cache */
#define LEAST_TILES 8       /* outputs are split further to get this many tiles */

typedef struct product_task {
    const cpu_kernels *kernels;
    const tensor *x, *y;
    const cpu_weight *weight;
    const conv_geometry *geometry; /* NULL: the rows are x itself */
    epilogue tail;
    size_t positions, outputs; /* of y */
    size_t taps;               /* kernel taps, 1 for a linear layer */
    size_t tile_rows, tile_cols, tile_taps;
    size_t col_tiles;
    size_t width;        /* of a tile's product: tile_cols, and what its panels have beside them */
    size_t patch_floats; /* of one step */
    cpu_scratch scratch; /* each worker: product (tile_rows, width or twice that), patches, packed rows */
} product_task;

static size_t min_size(size_t a, size_t b) {
    return a < b ? a : b;
}

static bool is_gated(const product_task *task) {
    return activation_is_gated(task->tail.act);
}

/* product (rows, cols), row stride ld = rows `position`.. times the weight's columns `column`.. */
static void multiply(const product_task *task, size_t position, size_t rows, size_t column, size_t cols,
                     float *patches, float *product, size_t ld) {
    size_t in = task->x->c;
    const panel_matrix *panels = &task->weight->panels;
    uint32_t *packed = (uint32_t *)(void *)(patches + task->patch_floats);
    if (task->geometry == NULL) {
        const float *x = host_data(task->x) + position * task->x->stride;
        panel_multiply(panels, 0, in, rows, x, task->x->stride, column, cols, packed, product, ld);
        return;
    }
    for (size_t tap = 0; tap < task->taps; tap += task->tile_taps) {
        size_t taps = min_size(task->tile_taps, task->taps - tap);
        gather_patches(task->x, task->y, &task->weight->head, task->geometry, position, rows, tap, taps, patches);
        panel_multiply(panels, tap * in, taps * in, rows, patches, taps * in, column, cols, packed, product, ld);
    }
}

/* The epilogue over one tile; gates are NULL where there are none. */
static void finish_tile(const product_task *task, size_t position, size_t rows, size_t column, size_t cols,
                        float *values, float *gates, size_t ld) {
    const cpu_kernels *kernels = task->kernels;
    const tensor *y = task->y;
    size_t image_positions = (size_t)y->h * y->w;
    const float *bias = task->weight->bias != NULL ? task->weight->bias + column : NULL;
    const float *gate_bias = bias != NULL ? bias + task->outputs : NULL;
    for (size_t i = 0; i < rows; i++) {
        size_t row = position + i;
        float *value = values + i * ld;
        float *out = host_data(y) + row * y->stride + column;
        const float *image = NULL;
        const float *residual = NULL;
        if (task->tail.per_image != NULL) {
            const tensor *t = task->tail.per_image;
            image = host_data(t) + row / image_positions * t->stride + column;
        }
        if (task->tail.residual != NULL) {
            residual = host_data(task->tail.residual) + row * task->tail.residual->stride + column;
        }
        if (gates != NULL) {
            float *gate = gates + i * ld;
            const float *gate_image = image != NULL ? image + task->outputs : NULL;
            kernels->finish(cols, value, bias, image, ACTIVATION_NONE, NULL, value);
            kernels->finish(cols, gate, gate_bias, gate_image, ACTIVATION_NONE, NULL, gate);
            bool first = task->tail.act == ACTIVATION_SWIGLU; /* its first half is the gate */
            kernels->gate(cols, first ? gate : value, first ? value : gate, task->tail.act, residual, out);
        } else {
            kernels->finish(cols, value, bias, image, task->tail.act, residual, out);
        }
    }
}

static void run_tile(void *context, size_t piece, uint32_t worker) {
    product_task *task = context;
    size_t row_tiles = (task->positions + task->tile_rows - 1) / task->tile_rows;
    size_t position = piece % row_tiles * task->tile_rows;
    size_t column = piece / row_tiles * task->tile_cols;
    size_t rows = min_size(task->tile_rows, task->positions - position);
    size_t cols = min_size(task->tile_cols, task->outputs - column);
    size_t ld = is_gated(task) ? 2 * task->width : task->width;
    float *product = task->scratch.workers + worker * task->scratch.each;
    float *patches = product + task->tile_rows * ld;
    float *gates = NULL;
    multiply(task, position, rows, column, cols, patches, product, ld);
    if (is_gated(task)) {
        gates = product + task->width;
        multiply(task, position, rows, task->outputs + column, cols, patches, gates, ld);
        gates += panel_lead(&task->weight->panels, task->outputs + column);
    }
    finish_tile(task, position, rows, column, cols, product + panel_lead(&task->weight->panels, column), gates, ld);
}

/* Cuts the product into tiles, by its size only. */
static void plan(product_task *task) {
    task->tile_rows = min_size(task->geometry != NULL ? GATHER_ROWS : DIRECT_ROWS, task->positions);
    size_t row_tiles = (task->positions + task->tile_rows - 1) / task->tile_rows;
    size_t wanted = (LEAST_TILES + row_tiles - 1) / row_tiles;
    size_t cols = (task->outputs + wanted - 1) / wanted;
    cols = (cols + COLS_STEP - 1) / COLS_STEP * COLS_STEP;
    cols = min_size(cols, is_gated(task) ? TILE_COLS / 2 : TILE_COLS);
    task->tile_cols = min_size(cols, task->outputs);
    task->col_tiles = (task->outputs + task->tile_cols - 1) / task->tile_cols;
    size_t taps = PATCH_FLOATS / (task->tile_rows * task->x->c);
    task->tile_taps = taps == 0 ? 1 : min_size(taps, task->taps);
    task->width = panel_matrix_is_there(&task->weight->panels) ? panel_width(&task->weight->panels, task->tile_cols)
                                                               : task->tile_cols;
    task->patch_floats = task->geometry != NULL ? task->tile_rows * task->tile_taps * task->x->c : 0;
}

static diffcut_status run(backend_stream *stream, product_task *task, diffcut_diagnostics *diag) {
    plan(task);
    size_t row_tiles = (task->positions + task->tile_rows - 1) / task->tile_rows;
    size_t tiles = row_tiles * task->col_tiles;
    size_t product = task->tile_rows * task->width * (is_gated(task) ? 2 : 1);
    size_t packed = panel_scratch(&task->weight->panels, task->tile_rows);
    double work = (double)task->positions * task->weight->head.out * task->x->c * (double)task->taps / 16.0;
    uint32_t workers = cpu_workers(stream, tiles, work);
    diffcut_status status =
        cpu_scratch_get(stream, 0, product + task->patch_floats + packed, workers, &task->scratch, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    parallel_for_workers(workers, tiles, run_tile, task);
    return DIFFCUT_OK;
}

static product_task task_of(const backend_stream *stream, const tensor *x, const backend_weight *weight,
                            const epilogue *tail, const tensor *y) {
    product_task task = {
        .kernels = stream->owner->kernels,
        .x = x,
        .y = y,
        .weight = cpu_weight_of(weight),
        .positions = tensor_positions(y),
        .outputs = y->c,
        .taps = (size_t)weight->kernel_h * weight->kernel_w,
    };
    if (tail != NULL) {
        task.tail = *tail;
    }
    return task;
}

diffcut_status cpu_linear(backend_stream *stream, const tensor *x, const backend_weight *weight, const epilogue *tail,
                          const tensor *y, diffcut_diagnostics *diag) {
    diffcut_status status = backend_check_linear(x, weight, tail, y, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    product_task task = task_of(stream, x, weight, tail, y);
    return run(stream, &task, diag);
}

diffcut_status cpu_conv2d(backend_stream *stream, const tensor *x, const backend_weight *weight,
                          const conv_geometry *geometry, const epilogue *tail, const tensor *y,
                          diffcut_diagnostics *diag) {
    diffcut_status status = backend_check_conv2d(x, weight, geometry, tail, y, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (cpu_weight_of(weight)->form != WINOGRAD_NONE && geometry->stride == 1) {
        return winograd_conv2d(stream, x, cpu_weight_of(weight), geometry, tail, y, diag);
    }
    product_task task = task_of(stream, x, weight, tail, y);
    bool direct = task.taps == 1 && geometry->stride == 1 && y->h == x->h && y->w == x->w && geometry->pad_top == 0 &&
                  geometry->pad_left == 0;
    task.geometry = direct ? NULL : geometry;
    return run(stream, &task, diag);
}

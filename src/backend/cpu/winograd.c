/*
 * winograd.c - see winograd.h.
 *
 * The output is cut into tiles of m x m. A piece of work is a block of tiles times a group of outputs: it transforms
 * the block's inputs (v), then, a few panels of outputs at a time, multiplies them point by point with the weights
 * (u) and transforms the products (m) into y with the epilogue. m stays in the second-level cache; v is written once
 * and read once for each step of panels; u is read once a block, so its traffic falls with the block's tiles. Block,
 * group and panels follow from the problem's size and the instruction set only. See winograd_kernels.h for layouts.
 */
#include "backend/cpu/winograd.h"

#include "core/memory.h"
#include "core/parallel.h"

#define STEP_FLOATS 65536 /* of m in a step, about: half of a small second-level cache */
#define LEAST_PIECES 8    /* outputs are split into groups to get this many pieces */
#define GROUP_OUTPUTS 128 /* of a group, at least: each group transforms the inputs again */

/* Side of a form's patch and tile. */
static size_t patch_of(winograd_form form) {
    return form == WINOGRAD_F6 ? 8 : 6;
}

static size_t round_up(size_t value, size_t step) {
    return (value + step - 1) / step * step;
}

static size_t min_size(size_t a, size_t b) {
    return a < b ? a : b;
}

/* By what each form costs and gives, from bench_winograd. Over the networks' layers and normal inputs, which are the
 * worst kind, the root mean square error is 3.5e-7 of the result's for the direct convolution, at most 1e-6 for
 * F(4x4) up to 640 channels and 3.5e-6 (largest element 5e-5) for F(6x6) up to 512; the golden files allow a
 * network's output 5e-4. F(6x6) weights take 7.1 times the direct ones' memory and F(4x4) 4 times: 16 and 9 MiB for
 * 256 -> 256 channels, 64 and 36 MiB for 512 -> 512, which F(6x6) makes a sixth faster at 256 x 256 positions and no
 * faster than the noise at 128 x 128. Layers of more channels stand on small grids, where reading the
 * weights limits F(4x4): for the four of SSD-1B's encoder at 32 x 32 it would save 0.3 s of a photo and take 0.6 GB
 * more. */
winograd_form winograd_choose(uint32_t in, uint32_t out, bool large_grid) {
    size_t products = (size_t)in * out;
    if (in < 16 || out < 16) {
        return WINOGRAD_NONE; /* the transforms would cost more than the products */
    }
    if (products <= (large_grid ? (size_t)512 * 512 : (size_t)256 * 256)) {
        return WINOGRAD_F6;
    }
    return products <= (size_t)640 * 640 ? WINOGRAD_F4 : WINOGRAD_NONE;
}

/* ------------------------------------------------------------------------------------------------- weights */

bool winograd_floats(const winograd_kernels *kernels, winograd_form form, uint32_t in, uint32_t out, size_t *floats) {
    size_t patch = patch_of(form);
    size_t channels = round_up(in, kernels->lanes);
    size_t outputs = round_up(out, kernels->cols);
    return mem_mul(channels, outputs, floats) && mem_mul(*floats, patch * patch, floats) &&
           *floats <= SIZE_MAX / sizeof(float);
}

typedef struct transform_task {
    const winograd_kernels *kernels;
    winograd_form form;
    const weight_source *source;
    float *rows; /* each worker: one panel's weights, widened */
    float *to;
} transform_task;

static void transform_panel(void *context, size_t piece, uint32_t worker) {
    const transform_task *task = context;
    const winograd_kernels *kernels = task->kernels;
    const weight_source *source = task->source;
    size_t points = patch_of(task->form) * patch_of(task->form);
    size_t channels = round_up(source->in, kernels->lanes);
    size_t point_stride = channels * kernels->cols;
    size_t row = (size_t)source->in * 9;
    size_t first = piece * kernels->cols;
    size_t outputs = min_size(kernels->cols, source->out - first);
    float *rows = task->rows + worker * row * kernels->cols;
    float *panel = task->to + first * channels * points;
    const char *bytes = source->data;
    dtype_to_float(source->type, bytes + first * row * dtype_size(source->type), outputs * row, rows);
    kernels->weights[task->form](source->in, outputs, rows, panel, point_stride);
    for (size_t point = 0; point < points; point++) {
        for (size_t i = source->in * kernels->cols; i < point_stride; i++) {
            panel[point * point_stride + i] = 0.0F; /* channels that do not exist */
        }
    }
}

diffcut_status winograd_transform(const winograd_kernels *kernels, winograd_form form, const weight_source *source,
                                  float *to, diffcut_diagnostics *diag) {
    size_t panels = round_up(source->out, kernels->cols) / kernels->cols;
    uint32_t threads = parallel_default_threads();
    threads = threads < panels ? threads : (uint32_t)panels;
    size_t row = (size_t)source->in * 9 * sizeof(float); /* its padded copies have been counted */
    transform_task task = {.kernels = kernels, .form = form, .source = source, .to = to};
    task.rows = mem_array(row * kernels->cols, threads);
    if (task.rows == NULL) {
        return diag_no_memory(diag, row * kernels->cols * threads, "a weight");
    }
    parallel_for_workers(threads, panels, transform_panel, &task);
    mem_free(task.rows);
    return DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- convolution */

typedef struct winograd_task {
    const winograd_kernels *kernels;
    const tensor *x, *y;
    const cpu_weight *weight;
    const conv_geometry *geometry;
    epilogue tail;
    winograd_form form;
    size_t patch, tile, points;
    size_t tile_rows, tile_cols, tiles; /* of one image, of one row, of all images */
    size_t channels;                    /* padded */
    size_t panels;
    size_t groups;       /* of kernels->rows tiles, in a block */
    size_t blocks;       /* of tiles */
    size_t part;         /* panels of a group of outputs */
    size_t step;         /* panels multiplied before their outputs are transformed */
    cpu_scratch scratch; /* shared: zeros for positions outside; each worker: v of a block, m of a step */
} winograd_task;

/* A tile's place. */
typedef struct winograd_place {
    size_t image, row, col; /* of its first output */
} winograd_place;

static winograd_place place_of(const winograd_task *task, size_t tile) {
    size_t each = task->tile_rows * task->tile_cols;
    size_t inside = tile % each;
    return (winograd_place){tile / each, inside / task->tile_cols * task->tile,
                            inside % task->tile_cols * task->tile};
}

/* Transforms one tile's inputs; a tile past the last one is all zeros. */
static void transform_tile(const winograd_task *task, size_t tile, float *v, size_t point_stride) {
    const float *at[WINOGRAD_PATCH_MOST * WINOGRAD_PATCH_MOST];
    const float *zeros = task->scratch.shared;
    const tensor *x = task->x;
    winograd_place place = place_of(task, tile);
    for (size_t i = 0; i < task->patch; i++) {
        /* A row in the top padding wraps to beyond the image's height; so do columns. */
        size_t row = place.row + i - task->geometry->pad_top;
        bool inside = tile < task->tiles && row < x->h;
        const float *first = inside ? host_data(x) + (place.image * x->h + row) * x->w * x->stride : zeros;
        for (size_t j = 0; j < task->patch; j++) {
            size_t col = place.col + j - task->geometry->pad_left;
            at[i * task->patch + j] = inside && col < x->w ? first + col * x->stride : zeros;
        }
    }
    task->kernels->input[task->form](x->c, at, v, point_stride);
}

/* Where the outputs of a tile go, from output `first` on. */
static winograd_target target_of(const winograd_task *task, size_t tile, size_t first) {
    const tensor *y = task->y;
    winograd_place place = place_of(task, tile);
    size_t position = (place.image * y->h + place.row) * y->w + place.col;
    winograd_target target = {
        .y = host_data(y) + position * y->stride + first,
        .bias = task->weight->bias != NULL ? task->weight->bias + first : NULL,
        .act = task->tail.act,
        .rows = min_size(task->tile, y->h - place.row),
        .cols = min_size(task->tile, y->w - place.col),
        .outputs = min_size(task->kernels->cols, y->c - first),
        .y_row = (size_t)y->w * y->stride,
        .y_col = y->stride,
    };
    if (task->tail.per_image != NULL) {
        const tensor *t = task->tail.per_image;
        target.image = host_data(t) + place.image * t->stride + first;
    }
    if (task->tail.residual != NULL) {
        const tensor *t = task->tail.residual;
        target.residual = host_data(t) + position * t->stride + first;
        target.residual_row = (size_t)t->w * t->stride;
        target.residual_col = t->stride;
    }
    return target;
}

/* Multiplies and finishes `panels` panels of the block whose inputs are in v. */
static void run_step(const winograd_task *task, size_t first_tile, size_t groups, size_t panel, size_t panels,
                     const float *v, float *m) {
    const winograd_kernels *kernels = task->kernels;
    size_t u_point = task->channels * kernels->cols;
    size_t u_panel = u_point * task->points;
    size_t v_point = groups * kernels->rows * task->channels;
    size_t m_point = groups * kernels->rows * kernels->cols;
    size_t m_panel = m_point * task->points;
    const float *u = task->weight->winograd + panel * u_panel;
    for (size_t point = 0; point < task->points; point++) {
        kernels->multiply(task->channels, groups, panels, v + point * v_point, u + point * u_point, u_panel,
                          m + point * m_point, m_panel);
    }
    size_t tiles = min_size(groups * kernels->rows, task->tiles - first_tile);
    for (size_t i = 0; i < tiles; i++) {
        for (size_t p = 0; p < panels; p++) {
            winograd_target target = target_of(task, first_tile + i, (panel + p) * kernels->cols);
            kernels->output[task->form](m + p * m_panel + i * kernels->cols, m_point, &target);
        }
    }
}

static void run_piece(void *context, size_t piece, uint32_t worker) {
    const winograd_task *task = context;
    const winograd_kernels *kernels = task->kernels;
    size_t first_tile = piece % task->blocks * task->groups * kernels->rows;
    size_t first_panel = piece / task->blocks * task->part;
    size_t end = min_size(first_panel + task->part, task->panels);
    size_t groups = min_size(task->groups, (task->tiles - first_tile + kernels->rows - 1) / kernels->rows);
    size_t v_point = groups * kernels->rows * task->channels;
    float *v = task->scratch.workers + worker * task->scratch.each;
    float *m = v + v_point * task->points;
    for (size_t i = 0; i < groups * kernels->rows; i++) {
        size_t group = i / kernels->rows;
        size_t row = i % kernels->rows;
        transform_tile(task, first_tile + i, v + (group * task->channels * kernels->rows) + row * kernels->lanes,
                       v_point);
    }
    for (size_t panel = first_panel; panel < end; panel += task->step) {
        run_step(task, first_tile, groups, panel, min_size(task->step, end - panel), v, m);
    }
}

/* Cuts the work into pieces and steps, by its size only. */
static void plan(winograd_task *task) {
    const winograd_kernels *kernels = task->kernels;
    const tensor *y = task->y;
    task->patch = patch_of(task->form);
    task->tile = task->patch - 2;
    task->points = task->patch * task->patch;
    task->tile_rows = (y->h + task->tile - 1) / task->tile;
    task->tile_cols = (y->w + task->tile - 1) / task->tile;
    task->tiles = task->tile_rows * task->tile_cols * y->n;
    task->channels = round_up(task->x->c, kernels->lanes);
    task->panels = round_up(y->c, kernels->cols) / kernels->cols;
    size_t all = (task->tiles + kernels->rows - 1) / kernels->rows;
    size_t most =
        min_size(kernels->block_tiles, kernels->block_floats / (task->points * task->channels)) / kernels->rows;
    most = most > 0 ? most : 1;
    task->groups = (all + (all + most - 1) / most - 1) / ((all + most - 1) / most); /* blocks of about one size */
    task->blocks = (all + task->groups - 1) / task->groups;
    size_t parts = (LEAST_PIECES + task->blocks - 1) / task->blocks;
    size_t least = (GROUP_OUTPUTS + kernels->cols - 1) / kernels->cols;
    size_t share = (task->panels + parts - 1) / parts;
    task->part = min_size(share > least ? share : least, task->panels);
    size_t each = task->points * task->groups * kernels->rows * kernels->cols;
    size_t step = STEP_FLOATS / each;
    task->step = step > 0 ? min_size(step, task->part) : 1;
}

diffcut_status winograd_conv2d(backend_stream *stream, const tensor *x, const cpu_weight *weight,
                               const conv_geometry *geometry, const epilogue *tail, const tensor *y,
                               diffcut_diagnostics *diag) {
    winograd_task task = {.kernels = stream->owner->winograd,
                          .x = x,
                          .y = y,
                          .weight = weight,
                          .geometry = geometry,
                          .form = weight->form};
    if (tail != NULL) {
        task.tail = *tail;
    }
    plan(&task);
    size_t tiles = task.groups * task.kernels->rows;
    size_t pieces = task.blocks * ((task.panels + task.part - 1) / task.part);
    double work = (double)tensor_positions(y) * y->c * x->c / 4.0;
    uint32_t workers = cpu_workers(stream, pieces, work);
    size_t each = task.points * tiles * (task.channels + task.step * task.kernels->cols);
    diffcut_status status = cpu_scratch_get(stream, task.channels, each, workers, &task.scratch, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    for (size_t i = 0; i < task.channels; i++) {
        task.scratch.shared[i] = 0.0F;
    }
    parallel_for_workers(workers, pieces, run_piece, &task);
    return DIFFCUT_OK;
}

/*
 * concepts.c - see concepts.h. DiffCut (NeurIPS 2024), section 3.3, "high-resolution concept assignment".
 *
 *   u_t = f_t / |f_t|                          unit features, tokens t
 *   m_k = mean of u_t over segment k           the concepts, not re-normalised
 *   label(pixel) = argmax_k  m_k . U(pixel)    U: bilinear upsampling of u, half-pixel centres
 *
 * The dot product commutes with the upsampling, which is linear: so the scores m_k . u_t are computed once a token,
 * by one matrix product, and upsampled in the features' place. A pixel lies in the cell between four tokens; the few
 * concepts that can win in a cell are found from its corners, and only those are interpolated there. The cost hardly
 * grows with the number of segments; memory is bounded by treating bands of token rows.
 */
#include "segment/concepts.h"

#include "core/gemm.h"
#include "core/memory.h"
#include "core/parallel.h"
#include "segment/concepts_kernel.h"
#include "segment/features.h"
#include "segment/label_set.h"
#include "segment/labels.h"
#include "core/upsample.h"

#include <math.h>
#include <string.h>

#define CHANNEL_BLOCK 64       /* channels averaged by one piece of work */
#define BAND_FLOATS (1U << 24) /* unit features and scores held at a time: 64 MiB */
#define SMALLEST_NORM 1e-12    /* torch's normalize divides by at least this */

/* Output samples of one axis, grouped by the token at or before them. */
typedef struct cell_axis {
    float *fraction; /* (out): 0 at that token, 1 at the next */
    size_t *start;   /* (tokens + 1): first output sample of each token */
} cell_axis;

typedef struct assign_task {
    const diffcut_features *features;
    const concepts_kernel *kernel;
    label_set segments;
    uint32_t *segment;     /* (tokens): index into segments */
    uint32_t *order;       /* (tokens): tokens grouped by segment, ascending */
    size_t *segment_start; /* (segments + 1): into order */
    float *inverse_norm;   /* (tokens) */
    float *means;          /* (segments, channels) */
    cell_axis x, y;
    size_t first_row, rows; /* token rows of the band */
    float *unit;            /* (rows * width, channels) */
    float *scores;          /* (rows * width, segments) */
    uint32_t *candidates;   /* (threads, segments) */
    uint32_t out_width;
    uint32_t *out;
} assign_task;

static void cell_axis_free(cell_axis *axis) {
    mem_free(axis->fraction);
    mem_free(axis->start);
}

static diffcut_status cell_axis_create(uint32_t tokens, uint32_t out, cell_axis *axis, diffcut_diagnostics *diag) {
    upsample_tap *taps = mem_array(out, sizeof *taps);
    axis->fraction = mem_array(out, sizeof *axis->fraction);
    axis->start = mem_array_zero((size_t)tokens + 1, sizeof *axis->start);
    if (taps == NULL || axis->fraction == NULL || axis->start == NULL) {
        mem_free(taps);
        return diag_no_memory(diag, out * sizeof *taps, "the positions of a label map");
    }
    upsample_half_pixel(tokens, out, taps);
    for (uint32_t i = 0; i < out; i++) {
        axis->fraction[i] = taps[i].fraction;
        axis->start[taps[i].low + 1] = (size_t)i + 1;
    }
    for (uint32_t t = 1; t <= tokens; t++) { /* tokens without samples, where the map is smaller than the grid */
        axis->start[t] = axis->start[t] > axis->start[t - 1] ? axis->start[t] : axis->start[t - 1];
    }
    mem_free(taps);
    return DIFFCUT_OK;
}

static void measure_row(void *context, size_t row) {
    const assign_task *task = context;
    size_t channels = task->features->channels;
    for (size_t t = row * task->features->width; t < (row + 1) * task->features->width; t++) {
        const float *feature = task->features->data + t * channels;
        double sum = 0.0;
        for (size_t c = 0; c < channels; c++) {
            sum += (double)feature[c] * (double)feature[c];
        }
        double norm = sqrt(sum);
        task->inverse_norm[t] = (float)(1.0 / (norm > SMALLEST_NORM ? norm : SMALLEST_NORM));
    }
}

static void average_channels(void *context, size_t block) {
    const assign_task *task = context;
    size_t channels = task->features->channels;
    size_t first = block * CHANNEL_BLOCK;
    size_t count = channels - first < CHANNEL_BLOCK ? channels - first : CHANNEL_BLOCK;
    for (size_t k = 0; k < task->segments.count; k++) {
        double sum[CHANNEL_BLOCK] = {0};
        for (size_t i = task->segment_start[k]; i < task->segment_start[k + 1]; i++) {
            size_t t = task->order[i];
            const float *feature = task->features->data + t * channels + first;
            for (size_t c = 0; c < count; c++) {
                sum[c] += (double)(feature[c] * task->inverse_norm[t]);
            }
        }
        double tokens = (double)(task->segment_start[k + 1] - task->segment_start[k]);
        for (size_t c = 0; c < count; c++) {
            task->means[k * channels + first + c] = (float)(sum[c] / tokens);
        }
    }
}

/* Groups the tokens by segment: order and segment_start. */
static void group_tokens(assign_task *task, size_t tokens) {
    size_t *start = task->segment_start;
    memset(start, 0, (task->segments.count + 1) * sizeof *start);
    for (size_t t = 0; t < tokens; t++) {
        start[task->segment[t] + 1]++;
    }
    for (size_t k = 0; k < task->segments.count; k++) {
        start[k + 1] += start[k];
    }
    for (size_t t = 0; t < tokens; t++) { /* moves each start to its segment's end ... */
        task->order[start[task->segment[t]]++] = (uint32_t)t;
    }
    for (size_t k = task->segments.count; k > 0; k--) { /* ... which is the next one's start */
        start[k] = start[k - 1];
    }
    start[0] = 0;
}

static void normalise_row(void *context, size_t row) {
    const assign_task *task = context;
    size_t channels = task->features->channels, width = task->features->width;
    for (size_t x = 0; x < width; x++) {
        size_t t = (task->first_row + row) * width + x;
        const float *restrict feature = task->features->data + t * channels;
        float *restrict unit = task->unit + (row * width + x) * channels;
        float scale = task->inverse_norm[t];
        for (size_t c = 0; c < channels; c++) {
            unit[c] = feature[c] * scale;
        }
    }
}

/* Piece: one cell of the band, by its top left token. */
static void fill_cell(void *context, size_t piece, uint32_t worker) {
    const assign_task *task = context;
    size_t width = task->features->width, concepts = task->segments.count;
    size_t row = piece / width, x = piece % width;
    size_t y = task->first_row + row;
    size_t right = x + 1 < width ? x + 1 : x;
    size_t below = y + 1 < task->features->height ? row + 1 : row;
    uint32_t *candidates = task->candidates + worker * concepts;
    concepts_cell cell = {
        .corner = {task->scores + (row * width + x) * concepts, task->scores + (row * width + right) * concepts,
                   task->scores + (below * width + x) * concepts, task->scores + (below * width + right) * concepts},
        .candidates = candidates,
        .labels = task->segments.labels,
        .fraction_x = task->x.fraction + task->x.start[x],
        .fraction_y = task->y.fraction + task->y.start[y],
        .columns = task->x.start[x + 1] - task->x.start[x],
        .rows = task->y.start[y + 1] - task->y.start[y],
        .out = task->out + task->y.start[y] * task->out_width + task->x.start[x],
        .out_stride = task->out_width,
    };
    if (cell.columns == 0 || cell.rows == 0) {
        return;
    }
    cell.candidate_count = task->kernel->candidates(cell.corner, concepts, candidates);
    task->kernel->cell(&cell);
}

/* Token rows whose unit features and scores fit the budget: at least two, to have cells between them. */
static size_t band_rows(const assign_task *task) {
    size_t row_floats = (task->features->channels + task->segments.count) * task->features->width;
    size_t rows = BAND_FLOATS / row_floats;
    rows = rows > 2 ? rows : 2;
    return rows < task->features->height ? rows : task->features->height;
}

static diffcut_status fill_bands(work *w, assign_task *task) {
    size_t width = task->features->width, height = task->features->height, channels = task->features->channels;
    size_t most = band_rows(task);
    diffcut_status status = DIFFCUT_OK;
    task->unit = mem_array(most * width, channels * sizeof *task->unit);
    task->scores = mem_array(most * width, task->segments.count * sizeof *task->scores);
    if (task->unit == NULL || task->scores == NULL) {
        return diag_no_memory(w->diag, most * width * (channels + task->segments.count) * sizeof(float),
                              "the concepts' scores");
    }
    /* The last row of a band is the first of the next; the last band ends with the cells below the last row. */
    for (size_t row = 0; status == DIFFCUT_OK && row < height;) {
        task->first_row = row;
        task->rows = height - row < most ? height - row : most;
        bool last = row + task->rows == height;
        size_t cell_rows = last ? task->rows : task->rows - 1;
        parallel_for(w->threads, task->rows, normalise_row, task);
        status = gemm_nt(w->threads, task->rows * width, task->segments.count, channels, task->unit, channels,
                         task->means, channels, 0.0F, task->scores, task->segments.count, w->diag);
        if (status == DIFFCUT_OK) {
            parallel_for_workers(w->threads, cell_rows * width, fill_cell, task);
            row += cell_rows;
            status = work_progress(w, (double)row / (double)height);
        }
    }
    return status;
}

static diffcut_status make_concepts(work *w, const diffcut_labels *tokens, assign_task *task) {
    size_t count = (size_t)tokens->width * tokens->height, channels = task->features->channels;
    diffcut_status status = label_set_create(tokens->data, count, &task->segments, w->diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    task->segment = mem_array(count, sizeof *task->segment);
    task->order = mem_array(count, sizeof *task->order);
    task->segment_start = mem_array(task->segments.count + 1, sizeof *task->segment_start);
    task->inverse_norm = mem_array(count, sizeof *task->inverse_norm);
    task->means = mem_array(task->segments.count, channels * sizeof *task->means);
    task->candidates = mem_array(task->segments.count, w->threads * sizeof *task->candidates);
    if (task->segment == NULL || task->order == NULL || task->segment_start == NULL || task->inverse_norm == NULL ||
        task->means == NULL || task->candidates == NULL) {
        return diag_no_memory(w->diag, task->segments.count * channels * sizeof *task->means, "the concepts");
    }
    memcpy(task->segment, tokens->data, count * sizeof *task->segment);
    label_set_indices(&task->segments, count, task->segment);
    group_tokens(task, count);
    parallel_for(w->threads, task->features->height, measure_row, task);
    parallel_for(w->threads, (channels + CHANNEL_BLOCK - 1) / CHANNEL_BLOCK, average_channels, task);
    work_dump(w, "concepts", task->means, (const size_t[]){task->segments.count, channels}, 2);
    return DIFFCUT_OK;
}

static void task_free(assign_task *task) {
    label_set_free(&task->segments);
    mem_free(task->segment);
    mem_free(task->order);
    mem_free(task->segment_start);
    mem_free(task->inverse_norm);
    mem_free(task->means);
    cell_axis_free(&task->x);
    cell_axis_free(&task->y);
    mem_free(task->unit);
    mem_free(task->scores);
    mem_free(task->candidates);
    mem_free(task->out);
}

static diffcut_status check_input(work *w, const diffcut_features *features, const diffcut_labels *tokens,
                                  uint32_t width, uint32_t height) {
    if (tokens->width != features->width || tokens->height != features->height) {
        return diag_fail(w->diag, DIFFCUT_ERROR_ARGUMENT,
                         "assign: token labels are %ux%u, the features' grid is %ux%u", tokens->width, tokens->height,
                         features->width, features->height);
    }
    if (width == 0 || height == 0) {
        return diag_fail(w->diag, DIFFCUT_ERROR_ARGUMENT, "assign: a label map of %ux%u pixels", width, height);
    }
    return labels_check(tokens, "assign", w->diag);
}

diffcut_status concepts_assign(work *w, const diffcut_features *features, const diffcut_labels *tokens,
                               uint32_t width, uint32_t height, diffcut_labels *out) {
    assign_task task = {.features = features, .out_width = width};
    task.kernel = SIMD_PICK(concepts_kernel, cpu_best_level());
    diffcut_status status = check_input(w, features, tokens, width, height);
    if (status == DIFFCUT_OK) {
        status = make_concepts(w, tokens, &task);
    }
    if (status == DIFFCUT_OK) {
        status = cell_axis_create(features->width, width, &task.x, w->diag);
    }
    if (status == DIFFCUT_OK) {
        status = cell_axis_create(features->height, height, &task.y, w->diag);
    }
    if (status == DIFFCUT_OK) {
        task.out = mem_array(height, (size_t)width * sizeof *task.out);
        status = task.out != NULL ? fill_bands(w, &task)
                                  : diag_no_memory(w->diag, (size_t)width * height * sizeof *task.out, "a label map");
    }
    if (status == DIFFCUT_OK) {
        *out = (diffcut_labels){width, height, tokens->count, task.out};
        task.out = NULL;
    }
    task_free(&task);
    return status;
}

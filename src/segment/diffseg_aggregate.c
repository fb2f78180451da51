/* diffseg_aggregate.c - attention maps of several resolutions to one. See diffseg.h. */
#include "segment/diffseg.h"

#include "core/memory.h"
#include "core/parallel.h"
#include "core/upsample.h"

#include <math.h>

typedef struct aggregate_task {
    const diffseg_level *from, *to;
    float weight;
    upsample_tap *rows, *columns; /* (to->h), (to->w) */
    float *scratch;               /* (threads, to->h * to->w) */
} aggregate_task;

/* map (h, w) of one query on the finest grid. */
static void enlarge(const aggregate_task *task, const float *map, float *out) {
    uint32_t width = task->from->w;
    for (uint32_t y = 0; y < task->to->h; y++) {
        const upsample_tap *row = &task->rows[y];
        const float *top = map + (size_t)row->low * width, *bottom = map + (size_t)row->high * width;
        for (uint32_t x = 0; x < task->to->w; x++) {
            const upsample_tap *column = &task->columns[x];
            float above = top[column->low] + column->fraction * (top[column->high] - top[column->low]);
            float below = bottom[column->low] + column->fraction * (bottom[column->high] - bottom[column->low]);
            out[(size_t)y * task->to->w + x] = above + row->fraction * (below - above);
        }
    }
}

static double row_sum(const float *row, size_t count) {
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)row[i];
    }
    return sum;
}

/* First index of the finer side that lies in cell i of the coarser: floor(index * coarse / fine) is i from there. */
static size_t first_of_cell(size_t i, size_t coarse, size_t fine) {
    return (i * fine + coarse - 1) / coarse;
}

/* A query of the coarser grid: to all rows of the finest whose position lies in its cell. No two cells share one. */
static void add_query(void *context, size_t query, uint32_t worker) {
    const aggregate_task *task = context;
    const diffseg_level *from = task->from, *to = task->to;
    size_t tokens = (size_t)to->h * to->w, y = query / from->w, x = query % from->w;
    float *row = task->scratch + worker * tokens;
    enlarge(task, from->map + query * ((size_t)from->h * from->w), row);
    float factor = (float)((double)task->weight / row_sum(row, tokens));
    for (size_t fy = first_of_cell(y, from->h, to->h); fy < first_of_cell(y + 1, from->h, to->h); fy++) {
        for (size_t fx = first_of_cell(x, from->w, to->w); fx < first_of_cell(x + 1, from->w, to->w); fx++) {
            float *out = to->map + (fy * to->w + fx) * tokens;
            for (size_t i = 0; i < tokens; i++) {
                out[i] += factor * row[i];
            }
        }
    }
}

/* A row of the finest level itself. */
static void scale_row(void *context, size_t query) {
    const aggregate_task *task = context;
    size_t tokens = (size_t)task->to->h * task->to->w;
    float *row = task->to->map + query * tokens;
    float factor = (float)((double)task->weight / row_sum(row, tokens));
    for (size_t i = 0; i < tokens; i++) {
        row[i] *= factor;
    }
}

static double side(const diffseg_level *level) {
    return sqrt((double)level->h * level->w);
}

diffcut_status diffseg_aggregate(const work *w, diffseg_level *levels, size_t count, size_t *finest) {
    size_t best = 0;
    double sides = 0.0;
    for (size_t k = 0; k < count; k++) {
        best = side(&levels[k]) > side(&levels[best]) ? k : best;
        sides += side(&levels[k]);
    }
    const diffseg_level *to = &levels[best];
    size_t tokens = (size_t)to->h * to->w;
    aggregate_task task = {.to = to, .weight = (float)(side(to) / sides)};
    task.rows = mem_array((size_t)to->h + to->w, sizeof *task.rows);
    task.scratch = mem_array(tokens, w->threads * sizeof *task.scratch);
    diffcut_status status = DIFFCUT_OK;
    if (task.rows == NULL || task.scratch == NULL) {
        status = diag_no_memory(w->diag, tokens * w->threads * sizeof *task.scratch, "the attention maps");
        goto cleanup;
    }
    task.columns = task.rows + to->h;
    parallel_for(w->threads, tokens, scale_row, &task);
    for (size_t k = 0; k < count && status == DIFFCUT_OK; k++) {
        if (k == best) {
            continue;
        }
        task.from = &levels[k];
        task.weight = (float)(side(&levels[k]) / sides);
        upsample_half_pixel(levels[k].h, to->h, task.rows);
        upsample_half_pixel(levels[k].w, to->w, task.columns);
        parallel_for_workers(w->threads, (size_t)levels[k].h * levels[k].w, add_query, &task);
        status = work_progress(w, (double)(k + 1) / (double)count);
    }
    if (status == DIFFCUT_OK) {
        *finest = best;
    }
cleanup:
    mem_free(task.scratch);
    mem_free(task.rows);
    return status;
}

/* pamr_vote.c - see pamr_vote.h. A piece of work is the pixels of the photo that lie on one tile. */
#include "segment/pamr_vote.h"

#include "core/memory.h"
#include "core/parallel.h"

#include <string.h>

#define CORNER_ROWS (TILE_HEIGHT + 1) /* a tile and the first samples of the next ones */
#define CORNER_COLUMNS (TILE_WIDTH + 1)
#define CORNER_FLOATS (CORNER_ROWS * CORNER_COLUMNS)

/* Groups the samples of an axis by tile. start: (tiles + 1), zeroed. Returns the longest group. */
static size_t group_taps(const upsample_tap *taps, uint32_t count, size_t tile_side, size_t tiles, size_t *start) {
    size_t longest = 0;
    for (uint32_t i = 0; i < count; i++) {
        start[taps[i].low / tile_side + 1] = (size_t)i + 1;
    }
    for (size_t t = 0; t < tiles; t++) {
        start[t + 1] = start[t + 1] > start[t] ? start[t + 1] : start[t];
        longest = start[t + 1] - start[t] > longest ? start[t + 1] - start[t] : longest;
    }
    return longest;
}

diffcut_status pamr_vote_create(const work *w, const pamr_tiles *tiles, uint32_t width, uint32_t height,
                                size_t batches, uint32_t *labels, pamr_vote *out) {
    *out = (pamr_vote){.width = width, .height = height, .labels = labels};
    out->x = mem_array(width, sizeof *out->x);
    out->y = mem_array(height, sizeof *out->y);
    out->start_x = mem_array_zero(tiles->tiles_x + 1, sizeof *out->start_x);
    out->start_y = mem_array_zero(tiles->tiles_y + 1, sizeof *out->start_y);
    if (out->x == NULL || out->y == NULL || out->start_x == NULL || out->start_y == NULL) {
        return diag_no_memory(w->diag, width * sizeof *out->x, "the positions of a label map");
    }
    upsample_half_pixel(tiles->width, width, out->x);
    upsample_half_pixel(tiles->height, height, out->y);
    size_t longest = group_taps(out->x, width, TILE_WIDTH, tiles->tiles_x, out->start_x);
    (void)group_taps(out->y, height, TILE_HEIGHT, tiles->tiles_y, out->start_y);
    /* Each candidate's corners, one interpolated row of them, and the best of a row of pixels. */
    out->scratch_floats = tiles->batch * CORNER_FLOATS + CORNER_COLUMNS + longest;
    out->scratch = mem_array(w->threads, out->scratch_floats * sizeof *out->scratch);
    if (out->scratch == NULL) {
        return diag_no_memory(w->diag, w->threads * out->scratch_floats * sizeof *out->scratch, "comparing masks");
    }
    if (batches > 1) {
        out->best = mem_array_zero(height, (size_t)width * sizeof *out->best);
        if (out->best == NULL) {
            return diag_no_memory(w->diag, (size_t)height * width * sizeof *out->best, "comparing masks");
        }
    }
    return DIFFCUT_OK;
}

void pamr_vote_free(pamr_vote *vote) {
    mem_free(vote->x);
    mem_free(vote->y);
    mem_free(vote->start_x);
    mem_free(vote->start_y);
    mem_free(vote->best);
    mem_free(vote->scratch);
    *vote = (pamr_vote){0};
}

typedef struct vote_task {
    pamr_vote *vote;
    const pamr_tiles *tiles;
    const uint32_t *numbers;
} vote_task;

/* One row of the photo over one candidate: values (CORNER_COLUMNS) are its samples at that height. */
static void vote_row(const upsample_tap *taps, size_t count, size_t first_column, const float *restrict values,
                     uint32_t number, float *restrict best, uint32_t *restrict labels) {
    for (size_t i = 0; i < count; i++) {
        size_t column = taps[i].low - first_column;
        float value = values[column] * (1.0F - taps[i].fraction) + values[column + 1] * taps[i].fraction;
        labels[i] = value > best[i] ? number : labels[i];
        best[i] = value > best[i] ? value : best[i];
    }
}

static void vote_tile(void *context, size_t tile, uint32_t worker) {
    const vote_task *task = context;
    const pamr_tiles *t = task->tiles;
    pamr_vote *vote = task->vote;
    size_t tx = tile % t->tiles_x, ty = tile / t->tiles_x;
    size_t x0 = vote->start_x[tx], columns = vote->start_x[tx + 1] - x0;
    size_t candidates = 0, masks[PAMR_BATCH];
    float *corners = vote->scratch + worker * vote->scratch_floats;
    float *values = corners + t->batch * CORNER_FLOATS, *row_best = values + CORNER_COLUMNS;
    uint64_t any = 0, all = ~UINT64_C(0);
    pamr_tiles_look(t, (int64_t)(ty * TILE_HEIGHT), (int64_t)(tx * TILE_WIDTH), CORNER_ROWS, CORNER_COLUMNS, &any,
                    &all);
    bool settled = all != 0 && any == all && vote->best == NULL && (all & (all - 1)) == 0;
    for (uint64_t left = any; left != 0; left &= left - 1, candidates++) {
        masks[candidates] = (size_t)__builtin_ctzll(left);
        if (!settled) {
            pamr_tiles_read(t, masks[candidates], (int64_t)(ty * TILE_HEIGHT), (int64_t)(tx * TILE_WIDTH),
                            CORNER_ROWS, CORNER_COLUMNS, corners + candidates * CORNER_FLOATS, CORNER_COLUMNS);
        }
    }
    for (size_t y = vote->start_y[ty]; y < vote->start_y[ty + 1]; y++) {
        uint32_t *labels = vote->labels + y * vote->width + x0;
        float *best = vote->best != NULL ? vote->best + y * vote->width + x0 : row_best;
        if (settled) {
            for (size_t i = 0; i < columns; i++) {
                labels[i] = task->numbers[masks[0]];
            }
            continue;
        }
        if (vote->best == NULL) {
            memset(best, 0, columns * sizeof *best);
        }
        for (size_t c = 0; c < candidates; c++) {
            const float *low = corners + c * CORNER_FLOATS + (vote->y[y].low - ty * TILE_HEIGHT) * CORNER_COLUMNS;
            for (size_t i = 0; i < CORNER_COLUMNS; i++) {
                values[i] = low[i] * (1.0F - vote->y[y].fraction) + low[i + CORNER_COLUMNS] * vote->y[y].fraction;
            }
            vote_row(vote->x + x0, columns, tx * TILE_WIDTH, values, task->numbers[masks[c]], best, labels);
        }
    }
}

void pamr_vote_count(pamr_vote *vote, const pamr_tiles *tiles, uint32_t threads, const uint32_t *numbers) {
    vote_task task = {vote, tiles, numbers};
    parallel_for_workers(threads, tiles->count, vote_tile, &task);
}

/*
 * median.c - see median.h.
 *
 * The image is cut into bands of rows. The rows that a band needs of its neighbours are saved before any band is
 * changed, so the filter works in place with a few rows of scratch memory, whatever the size of the photo.
 */
#include "segment/median.h"

#include "core/memory.h"
#include "core/parallel.h"
#include "segment/median_kernel.h"

#include <string.h>

#define BAND_ROWS 64
#define MOST_SIDE 15

typedef struct median_task {
    const median_kernel *kernel;
    size_t width, height, radius, side, bands;
    size_t padded;   /* width + 2 * radius */
    uint32_t *saved; /* (bands, 2, radius, width): the rows above and below each band */
    uint32_t *ring;  /* (threads, side + 3, padded): rows with their mirrored edges, and 3 rows of scratch */
    uint32_t *labels;
} median_task;

/* Mirrors an index at the edges, the edge itself repeated: -1 is 0, count is count - 1. */
static size_t mirror(int64_t index, size_t count) {
    int64_t period = 2 * (int64_t)count;
    int64_t folded = ((index % period) + period) % period;
    return (size_t)(folded < (int64_t)count ? folded : period - 1 - folded);
}

static void save_band(void *context, size_t band) {
    const median_task *task = context;
    int64_t start = (int64_t)(band * BAND_ROWS);
    size_t end = (band + 1) * BAND_ROWS < task->height ? (band + 1) * BAND_ROWS : task->height;
    uint32_t *saved = task->saved + band * 2 * task->radius * task->width;
    for (size_t i = 0; i < task->radius; i++) {
        size_t above = mirror(start - (int64_t)task->radius + (int64_t)i, task->height);
        size_t below = mirror((int64_t)(end + i), task->height);
        memcpy(saved + i * task->width, task->labels + above * task->width, task->width * sizeof *saved);
        memcpy(saved + (task->radius + i) * task->width, task->labels + below * task->width,
               task->width * sizeof *saved);
    }
}

/* Copies a row to a row of the ring and mirrors its ends. */
static void pad_row(const median_task *task, const uint32_t *row, uint32_t *padded) {
    memcpy(padded + task->radius, row, task->width * sizeof *padded);
    for (size_t i = 0; i < task->radius; i++) {
        padded[i] = row[mirror((int64_t)i - (int64_t)task->radius, task->width)];
        padded[task->radius + task->width + i] = row[mirror((int64_t)(task->width + i), task->width)];
    }
}

/* The middle of count values, which are reordered (Hoare's selection). */
static uint32_t select_middle(uint32_t *values, size_t count) {
    size_t low = 0, high = count - 1, middle = count / 2;
    while (low < high) {
        uint32_t pivot = values[(low + high) / 2];
        size_t i = low, j = high;
        while (i <= j) {
            while (values[i] < pivot) {
                i++;
            }
            while (values[j] > pivot) {
                j--;
            }
            if (i > j) {
                break;
            }
            uint32_t value = values[i];
            values[i++] = values[j];
            values[j] = value;
            if (j == 0) {
                break;
            }
            j--;
        }
        if (middle <= j) {
            high = j;
        } else if (middle >= i) {
            low = i;
        } else {
            break;
        }
    }
    return values[middle];
}

/* Any side: most windows hold one label, which the columns' bounds tell; the others are gathered and selected from.
 */
static void filter_row(const median_task *task, const uint32_t *const *rows, uint32_t *least, uint32_t *most,
                       uint32_t *out) {
    size_t side = task->side;
    task->kernel->column_bounds(rows, side, task->padded, least, most);
    for (size_t x = 0; x < task->width; x++) {
        bool uniform = least[x] == most[x];
        for (size_t i = 1; uniform && i < side; i++) {
            uniform = least[x + i] == least[x] && most[x + i] == least[x];
        }
        if (uniform) {
            out[x] = least[x];
            continue;
        }
        uint32_t window[MOST_SIDE * MOST_SIDE];
        for (size_t i = 0; i < side; i++) {
            memcpy(window + i * side, rows[i] + x, side * sizeof *window);
        }
        out[x] = select_middle(window, side * side);
    }
}

static void filter_band(void *context, size_t band, uint32_t worker) {
    const median_task *task = context;
    size_t start = band * BAND_ROWS, width = task->width, radius = task->radius;
    size_t rows = task->height - start < BAND_ROWS ? task->height - start : BAND_ROWS;
    const uint32_t *above = task->saved + band * 2 * radius * width, *below = above + radius * width;
    uint32_t *ring = task->ring + worker * (task->side + 3) * task->padded;
    uint32_t *scratch = ring + task->side * task->padded;
    /* Input row i of the band counts from the first row above it; it lives in row i % side of the ring. */
    for (size_t i = 0; i < rows + 2 * radius; i++) {
        const uint32_t *row = i < radius          ? above + i * width
                              : i < rows + radius ? task->labels + (start + i - radius) * width
                                                  : below + (i - rows - radius) * width;
        pad_row(task, row, ring + i % task->side * task->padded);
        if (i < 2 * radius) {
            continue;
        }
        const uint32_t *window[MOST_SIDE];
        for (size_t j = 0; j < task->side; j++) {
            window[j] = ring + (i - 2 * radius + j) % task->side * task->padded;
        }
        uint32_t *out = task->labels + (start + i - 2 * radius) * width;
        if (task->side == 3) {
            task->kernel->row3(window, width, scratch, scratch + task->padded, scratch + 2 * task->padded, out);
        } else {
            filter_row(task, window, scratch, scratch + task->padded, out);
        }
    }
}

diffcut_status median_filter(const work *w, uint32_t width, uint32_t height, uint32_t side, uint32_t *labels) {
    if (side > MOST_SIDE || (side > 1 && side % 2 == 0)) {
        return diag_fail(w->diag, DIFFCUT_ERROR_ARGUMENT, "median is %u, not 0, 1 or an odd side up to %d", side,
                         MOST_SIDE);
    }
    if (side <= 1) {
        return DIFFCUT_OK;
    }
    median_task task = {.kernel = SIMD_PICK(median_kernel, cpu_best_level()),
                        .width = width,
                        .height = height,
                        .radius = side / 2,
                        .side = side,
                        .bands = ((size_t)height + BAND_ROWS - 1) / BAND_ROWS,
                        .padded = (size_t)width + 2 * (side / 2),
                        .labels = labels};
    diffcut_status status = DIFFCUT_OK;
    size_t saved_row = 2 * task.radius * task.width * sizeof(uint32_t);
    size_t ring_row = (task.side + 3) * task.padded * sizeof(uint32_t);
    task.saved = mem_array(task.bands, saved_row);
    task.ring = mem_array(w->threads, ring_row);
    if (task.saved == NULL || task.ring == NULL) {
        status = diag_no_memory(w->diag, task.bands * saved_row + w->threads * ring_row, "the median filter");
        goto cleanup;
    }
    parallel_for(w->threads, task.bands, save_band, &task);
    parallel_for_workers(w->threads, task.bands, filter_band, &task);

cleanup:
    mem_free(task.saved);
    mem_free(task.ring);
    return status;
}

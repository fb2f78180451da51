/*
 * rle.c - see rle.h. The text: run lengths, beginning with the zeros before the mask (perhaps none); from the fourth
 * on each is written as its difference to the one two before, which has the same colour; numbers are cut into groups
 * of 5 bits from the low end, bit 5 says that more follow, the last group's bit 4 is the sign, and 48 is added to
 * each to make a printable character.
 */
#include "io/rle.h"

#include "core/memory.h"

#define RLE_TILE 64 /* pixels a side, turned at once: 16 KiB read and written */

/* (height, width) to (width, height). */
static void transpose(const uint32_t *from, size_t width, size_t height, uint32_t *to) {
    for (size_t top = 0; top < height; top += RLE_TILE) {
        size_t bottom = height - top < RLE_TILE ? height : top + RLE_TILE;
        for (size_t left = 0; left < width; left += RLE_TILE) {
            size_t right = width - left < RLE_TILE ? width : left + RLE_TILE;
            for (size_t x = left; x < right; x++) {
                for (size_t y = top; y < bottom; y++) {
                    to[x * height + y] = from[y * width + x];
                }
            }
        }
    }
}

/* first[k + 1] counts the runs of label k, then becomes where they end. Returns how many there are. */
static size_t count_runs(const uint32_t *columns, size_t pixels, uint32_t count, size_t *first) {
    for (size_t i = 0; i < pixels; i++) {
        first[columns[i] + (size_t)1] += i == 0 || columns[i] != columns[i - 1];
    }
    for (size_t label = 0; label < count; label++) {
        first[label + 1] += first[label];
    }
    return first[count];
}

/* Fills the runs in; first[k] moves to the end of k's runs, which is where k + 1's begin, and is moved back. */
static void fill_runs(const uint32_t *columns, size_t pixels, uint32_t count, rle_runs *runs) {
    size_t start = 0;
    for (size_t i = 1; i <= pixels; i++) {
        if (i == pixels || columns[i] != columns[start]) {
            size_t at = runs->first[columns[start]]++;
            runs->start[at] = (uint32_t)start;
            runs->length[at] = (uint32_t)(i - start);
            start = i;
        }
    }
    for (size_t label = count; label > 0; label--) {
        runs->first[label] = runs->first[label - 1];
    }
    runs->first[0] = 0;
}

diffcut_status rle_find_runs(const diffcut_labels *labels, rle_runs *out, diffcut_diagnostics *diag) {
    size_t pixels = (size_t)labels->width * labels->height;
    if (pixels > UINT32_MAX) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "%zu pixels are more than COCO's run lengths can count", pixels);
    }
    diffcut_status status = DIFFCUT_OK;
    rle_runs runs = {.first = mem_array_zero((size_t)labels->count + 1, sizeof *runs.first)};
    uint32_t *columns = mem_array(pixels, sizeof *columns);
    if (runs.first == NULL || columns == NULL) {
        status = diag_no_memory(diag, pixels * sizeof *columns, "the label map by columns");
        goto cleanup;
    }
    transpose(labels->data, labels->width, labels->height, columns);
    size_t total = count_runs(columns, pixels, labels->count, runs.first);
    runs.start = mem_array(total, sizeof *runs.start);
    runs.length = mem_array(total, sizeof *runs.length);
    if (runs.start == NULL || runs.length == NULL) {
        status = diag_no_memory(diag, total * sizeof *runs.start, "the masks' runs");
        goto cleanup;
    }
    fill_runs(columns, pixels, labels->count, &runs);
    *out = runs;
    runs = (rle_runs){0};
cleanup:
    mem_free(columns);
    rle_free_runs(&runs);
    return status;
}

void rle_free_runs(rle_runs *runs) {
    mem_free(runs->start);
    mem_free(runs->length);
    mem_free(runs->first);
    *runs = (rle_runs){0};
}

/* Groups of 5 bits, low first, until what is left is the last group's sign all over. */
static void append_number(int64_t value, bytes *sink) {
    bool more = true;
    while (more) {
        int64_t group = value & 31;
        value = (value - group) / 32; /* exact, so it rounds down for negative values as well */
        bool negative = (group & 16) != 0;
        more = value != (negative ? -1 : 0);
        uint8_t character = (uint8_t)(48 + group + (more ? 32 : 0));
        bytes_append(sink, &character, 1);
    }
}

/* The lengths written so far: how many, and the last two. */
typedef struct rle_history {
    size_t written;
    int64_t last, before_last;
} rle_history;

static void append_length(int64_t length, rle_history *history, bytes *sink) {
    append_number(history->written > 2 ? length - history->before_last : length, sink);
    history->written++;
    history->before_last = history->last;
    history->last = length;
}

void rle_append_counts(const rle_runs *runs, uint32_t label, size_t pixels, bytes *sink) {
    rle_history history = {0};
    size_t covered = 0;
    for (size_t i = runs->first[label]; i < runs->first[label + (size_t)1]; i++) {
        append_length((int64_t)(runs->start[i] - covered), &history, sink);
        append_length(runs->length[i], &history, sink);
        covered = (size_t)runs->start[i] + runs->length[i];
    }
    if (covered < pixels) {
        append_length((int64_t)(pixels - covered), &history, sink);
    }
}

/* positions.c - see positions.h. */
#include "nn/positions.h"

#include "core/memory.h"

#include <math.h>
#include <string.h>

#define PLAIN_A (-0.75)
#define ANTIALIAS_A (-0.5)

/* Where one output place takes from: `count` neighbours from `first` on; beyond the ends the end itself. */
typedef struct taps {
    ptrdiff_t first;
    size_t count;
    float *weights;
} taps;

/* Keys' cubic convolution kernel (1981). */
static double cubic(double x, double a) {
    x = fabs(x);
    if (x < 1.0) {
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    }
    return x < 2.0 ? (((x - 5.0) * x + 8.0) * x - 4.0) * a : 0.0;
}

static void plain_taps(double scale, size_t place, taps *out) {
    double source = scale * ((double)place + 0.5) - 0.5;
    double floored = floor(source);
    out->first = (ptrdiff_t)floored - 1;
    out->count = 4;
    for (size_t i = 0; i < 4; i++) {
        out->weights[i] = (float)cubic(source - floored + 1.0 - (double)i, PLAIN_A);
    }
}

/* Those inside only, of a sum of 1. */
static void antialias_taps(double scale, size_t place, size_t side, taps *out) {
    double wide = scale > 1.0 ? scale : 1.0;
    double support = 2.0 * wide;
    double centre = scale * ((double)place + 0.5);
    double low = floor(centre - support + 0.5);
    double high = floor(centre + support + 0.5);
    size_t first = low > 0.0 ? (size_t)low : 0;
    size_t end = high < (double)side ? (size_t)high : side;
    double sum = 0.0;
    out->first = (ptrdiff_t)first;
    out->count = end - first;
    for (size_t i = 0; i < out->count; i++) {
        sum += cubic(((double)(first + i) - centre + 0.5) / wide, ANTIALIAS_A);
    }
    for (size_t i = 0; i < out->count; i++) {
        out->weights[i] = (float)(cubic(((double)(first + i) - centre + 0.5) / wide, ANTIALIAS_A) / sum);
    }
}

static void find_taps(size_t side, size_t size, size_t place, bool antialias, taps *out) {
    double scale = (double)side / (double)size;
    if (antialias) {
        antialias_taps(scale, place, side, out);
    } else {
        plain_taps(scale, place, out);
    }
}

/* Adds weighted pieces of `row` floats; neighbours lie `row` apart. */
static void gather(const float *from, size_t side, size_t row, const taps *t, float *to) {
    memset(to, 0, row * sizeof *to);
    for (size_t i = 0; i < t->count; i++) {
        ptrdiff_t at = t->first + (ptrdiff_t)i;
        at = at < 0 ? 0 : at >= (ptrdiff_t)side ? (ptrdiff_t)side - 1 : at;
        const float *piece = from + (size_t)at * row;
        for (size_t k = 0; k < row; k++) {
            to[k] += t->weights[i] * piece[k];
        }
    }
}

diffcut_status positions_resize(const float *from, uint32_t side, uint32_t c, uint32_t h, uint32_t w, bool antialias,
                                float *to, diffcut_diagnostics *diag) {
    size_t line = (size_t)side * c;
    /* A row of the old grid's columns at one new height, and the weights of one place: at most all of a side. */
    float *row = mem_array(line, sizeof *row);
    taps t = {.weights = mem_array((size_t)side + 4, sizeof *t.weights)};
    if (row == NULL || t.weights == NULL) {
        mem_free(row);
        mem_free(t.weights);
        return diag_no_memory(diag, line * sizeof *row, "the positions");
    }
    for (size_t y = 0; y < h; y++) {
        find_taps(side, h, y, antialias, &t);
        gather(from, side, line, &t, row);
        for (size_t x = 0; x < w; x++) {
            find_taps(side, w, x, antialias, &t);
            gather(row, side, c, &t, to + (y * w + x) * c);
        }
    }
    mem_free(row);
    mem_free(t.weights);
    return DIFFCUT_OK;
}

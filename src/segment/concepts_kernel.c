/* concepts_kernel.c - see concepts_kernel.h. Compiled once for every level of core/cpu.h. */
#include "segment/concepts_kernel.h"

#define SPAN 64      /* pixels of a row treated at a time */
#define LANES 16     /* spans are padded to this many */
#define MARGIN 1e-6F /* above the rounding of an interpolated score; scores are within -1 .. 1 */

static float smaller(float a, float b) {
    return a < b ? a : b;
}

static float larger(float a, float b) {
    return a > b ? a : b;
}

static size_t candidates(const float *const corner[4], size_t concepts, uint32_t *out) {
    const float *restrict a = corner[0], *restrict b = corner[1], *restrict c = corner[2], *restrict d = corner[3];
    float surest = -2.0F; /* below every score */
    for (size_t k = 0; k < concepts; k++) {
        surest = larger(surest, smaller(smaller(a[k], b[k]), smaller(c[k], d[k])));
    }
    size_t count = 0;
    for (size_t k = 0; k < concepts; k++) {
        if (larger(larger(a[k], b[k]), larger(c[k], d[k])) >= surest - MARGIN) {
            out[count++] = (uint32_t)k;
        }
    }
    return count;
}

/* One row of up to SPAN pixels at height fraction_y of the cell. fraction and out hold `padded` elements. */
static void row(const concepts_cell *cell, float fraction_y, size_t padded, const float *restrict fraction,
                uint32_t *restrict winner) {
    float best[SPAN];
    for (size_t j = 0; j < cell->candidate_count; j++) {
        uint32_t k = cell->candidates[j];
        float left = cell->corner[0][k] + fraction_y * (cell->corner[2][k] - cell->corner[0][k]);
        float right = cell->corner[1][k] + fraction_y * (cell->corner[3][k] - cell->corner[1][k]);
        float slope = right - left;
        if (j == 0) {
            for (size_t x = 0; x < padded; x++) {
                best[x] = left + fraction[x] * slope;
                winner[x] = k;
            }
            continue;
        }
        for (size_t x = 0; x < padded; x++) {
            float score = left + fraction[x] * slope;
            winner[x] = score > best[x] ? k : winner[x];
            best[x] = score > best[x] ? score : best[x];
        }
    }
}

static void cell(const concepts_cell *cell) {
    for (size_t start = 0; start < cell->columns; start += SPAN) {
        size_t count = cell->columns - start < SPAN ? cell->columns - start : SPAN;
        size_t padded = (count + LANES - 1) / LANES * LANES;
        float fraction[SPAN] = {0};
        uint32_t winner[SPAN];
        for (size_t x = 0; x < count; x++) {
            fraction[x] = cell->fraction_x[start + x];
        }
        for (size_t y = 0; y < cell->rows; y++) {
            row(cell, cell->fraction_y[y], padded, fraction, winner);
            for (size_t x = 0; x < count; x++) {
                cell->out[y * cell->out_stride + start + x] = cell->labels[winner[x]];
            }
        }
    }
}

const concepts_kernel SIMD_NAME(concepts_kernel) = {candidates, cell};

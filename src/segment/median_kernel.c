/* median_kernel.c - see median_kernel.h. Compiled once for every level of core/cpu.h. */
#include "segment/median_kernel.h"

#include <string.h>

static inline uint32_t smaller(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

static inline uint32_t larger(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}

static inline uint32_t middle_of(uint32_t a, uint32_t b, uint32_t c) {
    return larger(smaller(a, b), smaller(larger(a, b), c));
}

/* Columns are sorted first; the median of nine is then the middle of three: the largest of the columns' least, the
 * middle of their middles, the least of their largest. */
static void row3(const uint32_t *const rows[3], size_t width, uint32_t *restrict low, uint32_t *restrict middle,
                 uint32_t *restrict high, uint32_t *restrict out) {
    const uint32_t *restrict a = rows[0], *restrict b = rows[1], *restrict c = rows[2];
    for (size_t x = 0; x < width + 2; x++) {
        low[x] = smaller(smaller(a[x], b[x]), c[x]);
        middle[x] = middle_of(a[x], b[x], c[x]);
        high[x] = larger(larger(a[x], b[x]), c[x]);
    }
    for (size_t x = 0; x < width; x++) {
        uint32_t least = larger(larger(low[x], low[x + 1]), low[x + 2]);
        uint32_t centre = middle_of(middle[x], middle[x + 1], middle[x + 2]);
        uint32_t most = smaller(smaller(high[x], high[x + 1]), high[x + 2]);
        out[x] = middle_of(least, centre, most);
    }
}

static void column_bounds(const uint32_t *const *rows, size_t side, size_t width, uint32_t *restrict least,
                          uint32_t *restrict most) {
    memcpy(least, rows[0], width * sizeof *least);
    memcpy(most, rows[0], width * sizeof *most);
    for (size_t i = 1; i < side; i++) {
        const uint32_t *restrict row = rows[i];
        for (size_t x = 0; x < width; x++) {
            least[x] = smaller(least[x], row[x]);
            most[x] = larger(most[x], row[x]);
        }
    }
}

const median_kernel SIMD_NAME(median_kernel) = {row3, column_bounds};

/*
 * eigen_kernels.c - see eigen_kernels.h. Compiled once an instruction set; the generic one is the plain version that
 * the tests compare the others with.
 */
#include "segment/eigen_kernels.h"

#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

/* Doubles in a register. */
#if defined(__AVX512F__)
#define WIDTH 8
#elif defined(__AVX2__)
#define WIDTH 4
#else
#define WIDTH 2
#endif
#define PARTS (EIGEN_BLOCK / WIDTH) /* registers that hold one row of a block */
#define ROWS 4                      /* accumulators in flight: hides the latency of a fused multiply-add */
#define COLUMNS 256                 /* columns at a time: their part of x, 16 KiB, stays in the first-level cache */

typedef double vec __attribute__((vector_size(WIDTH * sizeof(double))));
typedef float vec_float __attribute__((vector_size(WIDTH * sizeof(float))));
typedef int32_t vec_int __attribute__((vector_size(WIDTH * sizeof(int32_t))));

static inline vec load(const double *from) {
    vec v;
    memcpy(&v, from, sizeof v);
    return v;
}

static inline void store(double *to, vec v) {
    memcpy(to, &v, sizeof v);
}

/* a * b + c. The tree is compiled without contraction, so the fused form is asked for by name. */
static inline vec multiply_add(double a, vec b, vec c) {
#if defined(__AVX512F__)
    return _mm512_fmadd_pd(_mm512_set1_pd(a), b, c);
#elif defined(__FMA__)
    return _mm256_fmadd_pd(_mm256_set1_pd(a), b, c);
#else
    return a * b + c;
#endif
}

static inline double sum_lanes(vec v) {
    double sum = 0.0;
    for (size_t lane = 0; lane < WIDTH; lane++) {
        sum += v[lane];
    }
    return sum;
}

static void widen(const float *from, size_t count, double *to) {
    size_t j = 0;
    for (; j + WIDTH <= count; j += WIDTH) {
        vec_float narrow;
        memcpy(&narrow, from + j, sizeof narrow);
        store(to + j, __builtin_convertvector(narrow, vec));
    }
    for (; j < count; j++) {
        to[j] = (double)from[j];
    }
}

/* y[r] += sum_j a[r][j * step] x[j] for ROWS rows a[r]; y: ROWS rows of a block. */
static inline void accumulate(const double *const a[ROWS], size_t step, const double *x, size_t count,
                              double *const y[ROWS]) {
    vec sum[ROWS][PARTS];
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t part = 0; part < PARTS; part++) {
            sum[r][part] = load(y[r] + part * WIDTH);
        }
    }
    for (size_t j = 0; j < count; j++) {
        for (size_t part = 0; part < PARTS; part++) {
            vec xj = load(x + j * EIGEN_BLOCK + part * WIDTH);
            for (size_t r = 0; r < ROWS; r++) {
                sum[r][part] = multiply_add(a[r][j * step], xj, sum[r][part]);
            }
        }
    }
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t part = 0; part < PARTS; part++) {
            store(y[r] + part * WIDTH, sum[r][part]);
        }
    }
}

/* Asks for the next rows' part of a column block while this one is worked on: rows lie far apart, so the processor
 * does not foresee them (twice as fast on matrices beyond the cache). */
static inline void fetch(const eigen_graph *graph, size_t begin, size_t end, size_t column, size_t count) {
    for (size_t i = begin; i < begin + ROWS && i < end; i++) {
        const float *next = eigen_row(graph, i) + column;
        for (size_t j = 0; j < count; j += 64 / sizeof *next) {
            __builtin_prefetch(next + j);
        }
    }
}

static void multiply(const eigen_graph *graph, size_t begin, size_t end, const double *scale, const double *x,
                     double *y) {
    double wide[ROWS][COLUMNS], spare[EIGEN_BLOCK]; /* spare: where rows past the end add up */
    memset(y + begin * EIGEN_BLOCK, 0, (end - begin) * EIGEN_BLOCK * sizeof *y);
    memset(spare, 0, sizeof spare);
    memset(wide, 0, sizeof wide);
    for (size_t column = 0; column < graph->n; column += COLUMNS) {
        size_t count = graph->n - column < COLUMNS ? graph->n - column : COLUMNS;
        for (size_t i = begin; i < end; i += ROWS) {
            const double *a[ROWS];
            double *out[ROWS];
            for (size_t r = 0; r < ROWS; r++) {
                a[r] = wide[r];
                out[r] = i + r < end ? y + (i + r) * EIGEN_BLOCK : spare;
                if (i + r < end) {
                    widen(eigen_row(graph, i + r) + column, count, wide[r]);
                }
            }
            fetch(graph, i + ROWS, end, column, count);
            accumulate(a, 1, x + column * EIGEN_BLOCK, count, out);
        }
    }
    for (size_t i = begin; i < end; i++) {
        for (size_t lane = 0; lane < EIGEN_BLOCK; lane++) {
            y[i * EIGEN_BLOCK + lane] *= scale[i];
        }
    }
}

static void gram(size_t n, const double *a, const double *b, double *out) {
    memset(out, 0, EIGEN_BLOCK * EIGEN_BLOCK * sizeof *out);
    for (size_t p = 0; p < EIGEN_BLOCK; p += ROWS) {
        const double *column[ROWS];
        double *row[ROWS];
        for (size_t r = 0; r < ROWS; r++) {
            column[r] = a + p + r;
            row[r] = out + (p + r) * EIGEN_BLOCK;
        }
        accumulate(column, EIGEN_BLOCK, b, n, row);
    }
}

static void combine(size_t n, const double *a, const double *c, double *y) {
    for (size_t part = 0; part < PARTS; part++) {
        vec row[EIGEN_BLOCK];
        for (size_t p = 0; p < EIGEN_BLOCK; p++) {
            row[p] = load(c + p * EIGEN_BLOCK + part * WIDTH);
        }
        for (size_t i = 0; i < n; i++) {
            vec sum = load(y + i * EIGEN_BLOCK + part * WIDTH);
            for (size_t p = 0; p < EIGEN_BLOCK; p++) {
                sum = multiply_add(a[i * EIGEN_BLOCK + p], row[p], sum);
            }
            store(y + i * EIGEN_BLOCK + part * WIDTH, sum);
        }
    }
}

static void row_sums(const eigen_graph *graph, size_t begin, size_t end, double *sum) {
    for (size_t i = begin; i < end; i++) {
        const float *row = eigen_row(graph, i);
        vec lanes[ROWS] = {{0.0}};
        double rest = 0.0;
        size_t j = 0;
        for (; j + (size_t)ROWS * WIDTH <= graph->n; j += (size_t)ROWS * WIDTH) {
            for (size_t r = 0; r < ROWS; r++) {
                vec_float narrow;
                memcpy(&narrow, row + j + r * WIDTH, sizeof narrow);
                lanes[r] += __builtin_convertvector(narrow, vec);
            }
        }
        for (; j < graph->n; j++) {
            rest += (double)row[j];
        }
        sum[i] = sum_lanes((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + rest;
    }
}

/* The values where mask has all bits set, widened; 0 elsewhere. */
static inline vec masked(vec_int bits, vec_int mask) {
    vec_int kept = bits & mask;
    vec_float values;
    memcpy(&values, &kept, sizeof values);
    return __builtin_convertvector(values, vec);
}

static void side_sums(const eigen_graph *graph, size_t begin, size_t end, const int32_t *bin, double *below,
                      double *above) {
    for (size_t i = begin; i < end; i++) {
        const float *row = eigen_row(graph, i);
        vec lower[2] = {{0.0}}, higher[2] = {{0.0}};
        double lower_rest = 0.0, higher_rest = 0.0;
        vec_int own = (vec_int){0} + bin[i];
        size_t j = 0;
        for (; j + 2 * (size_t)WIDTH <= graph->n; j += 2 * (size_t)WIDTH) {
            for (size_t r = 0; r < 2; r++) {
                vec_int bits, other;
                memcpy(&bits, row + j + r * WIDTH, sizeof bits);
                memcpy(&other, bin + j + r * WIDTH, sizeof other);
                lower[r] += masked(bits, other < own);
                higher[r] += masked(bits, other > own);
            }
        }
        for (; j < graph->n; j++) {
            lower_rest += bin[j] < bin[i] ? (double)row[j] : 0.0;
            higher_rest += bin[j] > bin[i] ? (double)row[j] : 0.0;
        }
        below[i] = sum_lanes(lower[0] + lower[1]) + lower_rest;
        above[i] = sum_lanes(higher[0] + higher[1]) + higher_rest;
    }
}

extern const eigen_kernels SIMD_NAME(eigen_kernels);
const eigen_kernels SIMD_NAME(eigen_kernels) = {multiply, gram, combine, row_sums, side_sums};

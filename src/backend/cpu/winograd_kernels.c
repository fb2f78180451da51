/*
 * winograd_kernels.c - see winograd_kernels.h. Built once for every instruction set by diffcut_simd_source().
 *
 * Winograd's minimal filtering (Lavin & Gray, 2016) in Toom-Cook form: y = A^T [(G w G^T) . (B^T d B)] A. The points
 * are 0, pairs +-p and infinity, so that each one-dimensional transform splits into even and odd parts:
 *   B^T  row of 0: prod (x^2 - p^2); of infinity: x times that; of +-p: x (x +- p) prod over the others (x^2 - q^2)
 *   G    row of p: (1, p, p^2) / prod over the other points (p - q); of infinity: (0, 0, 1)
 *   A^T  column of p: (1, p, ..., p^(m - 1)); of infinity: (0, ..., 0, 1)
 */
#include "backend/cpu/winograd_kernels.h"

#include "backend/cpu/vector.h"

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL /* unrolls loops of constant length by itself */
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

/* A block of ROWS x 2 vectors of sums fills the registers: 32 with AVX-512 and on arm64, else 16. */
#if defined(__AVX512F__)
#define ROWS 14
#elif defined(__aarch64__)
#define ROWS 12
#else
#define ROWS 6
#endif
/* Of a block, by bench_winograd: processors with wide vectors have the larger second-level caches. */
#if defined(__AVX512F__)
#define BLOCK_TILES 84
#define BLOCK_FLOATS 2097152
#elif defined(__aarch64__)
#define BLOCK_TILES 48
#define BLOCK_FLOATS 1048576
#else
#define BLOCK_TILES 42
#define BLOCK_FLOATS 1048576
#endif
#define PANEL_VECTORS 2
#define COLS (PANEL_VECTORS * LANES)

/* a * b + c, with one rounding where the instruction set has it. */
INLINE vfloat multiply_add(vfloat a, vfloat b, vfloat c) {
#if defined(__AVX512F__)
    return (vfloat)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
    return (vfloat)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
    return (vfloat)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return a * b + c;
#endif
}

/* ------------------------------------------------------------------------------------------------- forms */

#define PAIRS_MOST 3

/* The points of a form and the polynomials that follow from them, lowest power first. */
typedef struct points {
    size_t pairs;                          /* of points +-p; the patch is 2 pairs + 2, the tile 2 pairs */
    double pair[PAIRS_MOST];               /* p */
    double all[PAIRS_MOST + 1];            /* coefficients of prod (z - p^2), z = x^2 */
    double others[PAIRS_MOST][PAIRS_MOST]; /* the same without the pair's own factor */
} points;

#define SQUARE(p) ((p) * (p))

/* Points by a search for the least error over random and smooth inputs; see bench/winograd_error.c. */
#define F4_A 0.6875
#define F4_B 1.375
static const points f4 = {
    .pairs = 2,
    .pair = {F4_A, F4_B},
    .all = {SQUARE(F4_A) * SQUARE(F4_B), -SQUARE(F4_A) - SQUARE(F4_B), 1.0},
    .others = {{-SQUARE(F4_B), 1.0}, {-SQUARE(F4_A), 1.0}},
};

#define F6_A 0.5
#define F6_B 1.0
#define F6_C 2.0
static const points f6 = {
    .pairs = 3,
    .pair = {F6_A, F6_B, F6_C},
    .all = {-SQUARE(F6_A) * SQUARE(F6_B) * SQUARE(F6_C),
            SQUARE(F6_A) * SQUARE(F6_B) + SQUARE(F6_A) * SQUARE(F6_C) + SQUARE(F6_B) * SQUARE(F6_C),
            -SQUARE(F6_A) - SQUARE(F6_B) - SQUARE(F6_C), 1.0},
    .others = {{SQUARE(F6_B) * SQUARE(F6_C), -SQUARE(F6_B) - SQUARE(F6_C), 1.0},
               {SQUARE(F6_A) * SQUARE(F6_C), -SQUARE(F6_A) - SQUARE(F6_C), 1.0},
               {SQUARE(F6_A) * SQUARE(F6_B), -SQUARE(F6_A) - SQUARE(F6_B), 1.0}},
};

/* ------------------------------------------------------------------------------------------------- weights */

/* G: what each point takes of a line's three weights. */
static void weight_factors(const points *form, double factors[WINOGRAD_PATCH_MOST][3]) {
    size_t last = 2 * form->pairs + 1;
    for (size_t i = 0; i < last; i++) {
        double p = i == 0 ? 0.0 : i % 2 != 0 ? form->pair[(i - 1) / 2] : -form->pair[(i - 1) / 2];
        double divisor = i == 0 ? 1.0 : p; /* the distance to 0, and below to the other points */
        for (size_t pair = 0; pair < form->pairs; pair++) {
            bool own = i > 0 && (i - 1) / 2 == pair;
            divisor *= own ? 2.0 * p : SQUARE(p) - SQUARE(form->pair[pair]);
        }
        factors[i][0] = 1.0 / divisor;
        factors[i][1] = p / divisor;
        factors[i][2] = p * p / divisor;
    }
    factors[last][0] = 0.0;
    factors[last][1] = 0.0;
    factors[last][2] = 1.0;
}

/* A panel's outputs at one point of a line. */
static inline void weight_point(const double factors[3], const double *a, const double *b, const double *c,
                                double *out) {
    for (size_t o = 0; o < COLS; o++) {
        out[o] = factors[0] * a[o] + factors[1] * b[o] + factors[2] * c[o];
    }
}

static void transform_weights(const points *form, size_t channels, size_t outputs, const float *rows, float *u,
                              size_t point_stride) {
    size_t patch = 2 * form->pairs + 2;
    double factors[WINOGRAD_PATCH_MOST][3];
    double w[9][COLS] = {{0.0}};
    double half[3][COLS]; /* one point of each kernel column */
    double whole[COLS];
    weight_factors(form, factors);
    for (size_t c = 0; c < channels; c++) {
        for (size_t o = 0; o < outputs; o++) {
            for (size_t tap = 0; tap < 9; tap++) {
                w[tap][o] = (double)rows[(o * channels + c) * 9 + tap];
            }
        }
        for (size_t i = 0; i < patch; i++) {
            for (size_t x = 0; x < 3; x++) {
                weight_point(factors[i], w[x], w[3 + x], w[6 + x], half[x]);
            }
            for (size_t j = 0; j < patch; j++) {
                weight_point(factors[j], half[0], half[1], half[2], whole);
                float *to = u + (i * patch + j) * point_stride + c * COLS;
                for (size_t o = 0; o < COLS; o++) {
                    to[o] = (float)whole[o];
                }
            }
        }
    }
}

/* ------------------------------------------------------------------------------------------------- inputs */

INLINE void input_line(const points *form, const vfloat *d, vfloat *out) {
    vfloat zero = d[2 * form->pairs];
    vfloat infinity = d[2 * form->pairs + 1];
    UNROLL for (size_t k = 0; k < form->pairs; k++) {
        vfloat factor = vector_all((float)form->all[k]);
        zero = multiply_add(factor, d[2 * k], zero);
        infinity = multiply_add(factor, d[2 * k + 1], infinity);
    }
    out[0] = zero;
    out[2 * form->pairs + 1] = infinity;
    UNROLL for (size_t i = 0; i < form->pairs; i++) {
        vfloat even = d[2 * form->pairs];
        vfloat odd = d[2 * form->pairs - 1];
        UNROLL for (size_t k = 0; k + 1 < form->pairs; k++) {
            vfloat factor = vector_all((float)form->others[i][k]);
            even = multiply_add(factor, d[2 * k + 2], even);
            odd = multiply_add(factor, d[2 * k + 1], odd);
        }
        out[1 + 2 * i] = multiply_add(vector_all((float)form->pair[i]), odd, even);
        out[2 + 2 * i] = multiply_add(vector_all((float)-form->pair[i]), odd, even);
    }
}

/* The vector of channels from c on, `lanes` of which exist. */
INLINE void input_vector(const points *form, size_t c, size_t lanes, const float *const *at, float *v,
                         size_t point_stride) {
    const size_t patch = 2 * form->pairs + 2;
    vfloat half[WINOGRAD_PATCH_MOST][WINOGRAD_PATCH_MOST]; /* columns transformed */
    vfloat in[WINOGRAD_PATCH_MOST];
    vfloat out[WINOGRAD_PATCH_MOST];
    for (size_t j = 0; j < patch; j++) {
        UNROLL for (size_t i = 0; i < patch; i++) {
            in[i] = vector_load(at[i * patch + j] + c, lanes, 0.0F);
        }
        input_line(form, in, out);
        UNROLL for (size_t i = 0; i < patch; i++) {
            half[i][j] = out[i];
        }
    }
    for (size_t i = 0; i < patch; i++) {
        input_line(form, half[i], out);
        UNROLL for (size_t j = 0; j < patch; j++) {
            vector_store(v + (i * patch + j) * point_stride, LANES, out[j]);
        }
    }
}

INLINE void transform_input(const points *form, size_t channels, const float *const *at, float *v,
                            size_t point_stride) {
    size_t c = 0;
    for (; c + LANES <= channels; c += LANES) {
        input_vector(form, c, LANES, at, v, point_stride);
        v += ROWS * LANES;
    }
    if (c < channels) {
        input_vector(form, c, channels - c, at, v, point_stride);
    }
}

/* ------------------------------------------------------------------------------------------------- products */

/* One chain of sums takes at most this many channels; the chains are then added up. A chain's rounding error grows
 * with its length, and the output transform amplifies it. */
#define CHAIN 64

/* m (ROWS, COLS) = v (depth / LANES, ROWS, LANES) * u (depth, COLS), plus m unless it is the first; in registers. */
INLINE void multiply_block(size_t depth, bool first, const float *v, const float *u, float *m) {
    vfloat sums[ROWS][PANEL_VECTORS] = {{{0.0F}}};
    for (size_t k = 0; k < depth; k += LANES) {
        for (size_t lane = 0; lane < LANES; lane++) {
            vfloat left = vector_load(u, LANES, 0.0F);
            vfloat right = vector_load(u + LANES, LANES, 0.0F);
            UNROLL for (size_t row = 0; row < ROWS; row++) {
                vfloat value = vector_all(v[row * LANES + lane]);
                sums[row][0] = multiply_add(value, left, sums[row][0]);
                sums[row][1] = multiply_add(value, right, sums[row][1]);
            }
            u += COLS;
        }
        v += ROWS * LANES;
    }
    UNROLL for (size_t i = 0; i < ROWS * PANEL_VECTORS; i++) {
        vfloat sum = sums[i / PANEL_VECTORS][i % PANEL_VECTORS];
        vector_store(m + i * LANES, LANES, first ? sum : sum + vector_load(m + i * LANES, LANES, 0.0F));
    }
}

static void multiply(size_t depth, size_t groups, size_t panels, const float *v, const float *u, size_t u_panel,
                     float *m, size_t m_panel) {
    for (size_t group = 0; group < groups; group++) {
        for (size_t panel = 0; panel < panels; panel++) {
            float *to = m + panel * m_panel + group * ROWS * COLS;
            for (size_t k = 0; k < depth; k += CHAIN) {
                multiply_block(depth - k < CHAIN ? depth - k : CHAIN, k == 0, v + (group * depth + k) * ROWS,
                               u + panel * u_panel + k * COLS, to);
            }
        }
    }
}

/* ------------------------------------------------------------------------------------------------- outputs */

INLINE void output_line(const points *form, const vfloat *in, vfloat *out) {
    size_t tile = 2 * form->pairs;
    vfloat sum[PAIRS_MOST];
    vfloat difference[PAIRS_MOST];
    UNROLL for (size_t i = 0; i < form->pairs; i++) {
        sum[i] = in[1 + 2 * i] + in[2 + 2 * i];
        difference[i] = in[1 + 2 * i] - in[2 + 2 * i];
    }
    double power[PAIRS_MOST] = {1.0, 1.0, 1.0};
    UNROLL for (size_t j = 0; j < tile; j += 2) {
        vfloat even = j == 0 ? in[0] : (vfloat){0.0F};
        vfloat odd = j + 2 == tile ? in[tile + 1] : (vfloat){0.0F};
        UNROLL for (size_t i = 0; i < form->pairs; i++) {
            even = multiply_add(vector_all((float)power[i]), sum[i], even);
            odd = multiply_add(vector_all((float)(power[i] * form->pair[i])), difference[i], odd);
            power[i] *= SQUARE(form->pair[i]);
        }
        out[j] = even;
        out[j + 1] = odd;
    }
}

/* Adds the rest of the epilogue to a tile's results, one vector of `lanes` outputs from `first` on, and stores. */
INLINE void finish_tile(const vfloat *results, size_t tile, size_t first, size_t lanes,
                        const winograd_target *target) {
    vfloat add = vector_all(0.0F);
    if (target->bias != NULL) {
        add += vector_load(target->bias + first, lanes, 0.0F);
    }
    if (target->image != NULL) {
        add += vector_load(target->image + first, lanes, 0.0F);
    }
    for (size_t i = 0; i < target->rows; i++) {
        float *y = target->y + i * target->y_row + first;
        const float *residual = target->residual;
        for (size_t j = 0; j < target->cols; j++) {
            vfloat value = vector_activate(target->act, results[i * tile + j] + add);
            if (residual != NULL) {
                value +=
                    vector_load(residual + i * target->residual_row + j * target->residual_col + first, lanes, 0.0F);
            }
            vector_store(y + j * target->y_col, lanes, value);
        }
    }
}

INLINE void transform_output(const points *form, const float *m, size_t point_stride, const winograd_target *target) {
    const size_t tile = 2 * form->pairs;
    const size_t patch = tile + 2;
    vfloat half[WINOGRAD_PATCH_MOST][WINOGRAD_PATCH_MOST];
    vfloat in[WINOGRAD_PATCH_MOST];
    vfloat out[WINOGRAD_PATCH_MOST];
    vfloat results[WINOGRAD_PATCH_MOST * WINOGRAD_PATCH_MOST];
    for (size_t first = 0; first < target->outputs; first += LANES) {
        for (size_t j = 0; j < patch; j++) {
            UNROLL for (size_t i = 0; i < patch; i++) {
                in[i] = vector_load(m + (i * patch + j) * point_stride + first, LANES, 0.0F);
            }
            output_line(form, in, out);
            UNROLL for (size_t i = 0; i < tile; i++) {
                half[i][j] = out[i];
            }
        }
        for (size_t i = 0; i < tile; i++) {
            output_line(form, half[i], results + i * tile);
        }
        if (target->outputs - first >= LANES) {
            finish_tile(results, tile, first, LANES, target);
        } else {
            finish_tile(results, tile, first, target->outputs - first, target);
        }
    }
}

/* ------------------------------------------------------------------------------------------------- the table */

static void weights_f4(size_t channels, size_t outputs, const float *rows, float *u, size_t point_stride) {
    transform_weights(&f4, channels, outputs, rows, u, point_stride);
}

static void weights_f6(size_t channels, size_t outputs, const float *rows, float *u, size_t point_stride) {
    transform_weights(&f6, channels, outputs, rows, u, point_stride);
}

static void input_f4(size_t channels, const float *const *at, float *v, size_t point_stride) {
    transform_input(&f4, channels, at, v, point_stride);
}

static void input_f6(size_t channels, const float *const *at, float *v, size_t point_stride) {
    transform_input(&f6, channels, at, v, point_stride);
}

static void output_f4(const float *m, size_t point_stride, const winograd_target *target) {
    transform_output(&f4, m, point_stride, target);
}

static void output_f6(const float *m, size_t point_stride, const winograd_target *target) {
    transform_output(&f6, m, point_stride, target);
}

const winograd_kernels SIMD_NAME(winograd_kernels_table) = {
    .lanes = LANES,
    .rows = ROWS,
    .cols = COLS,
    .block_tiles = BLOCK_TILES,
    .block_floats = BLOCK_FLOATS,
    .weights = {NULL, weights_f4, weights_f6},
    .input = {NULL, input_f4, input_f6},
    .multiply = multiply,
    .output = {NULL, output_f4, output_f6},
};

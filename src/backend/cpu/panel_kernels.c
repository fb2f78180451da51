/*
 * panel_kernels.c - see panel_kernels.h. Built once for every instruction set by diffcut_simd_source().
 *
 * The block of C that is held in registers is as high as they allow: two vectors of columns a row, beside the two of
 * the panel and one of A. Without AVX512-BF16 a bf16 product widens its operands to float32, exactly.
 */
#include "backend/cpu/panel_kernels.h"
#include "backend/cpu/vector.h"

#if defined(__AVX512F__)
#define BLOCK_ROWS 14 /* of 32 registers */
#elif defined(__aarch64__)
#define BLOCK_ROWS 12
#else
#define BLOCK_ROWS 6 /* of 16 registers */
#endif
#define PANEL_COLS (2 * LANES)

#define ALWAYS_INLINE inline __attribute__((always_inline))

/* ------------------------------------------------------------------------------------------------- arithmetic */

static ALWAYS_INLINE vfloat load_words(const uint32_t *from) {
    vfloat v;
    memcpy(&v, from, sizeof v);
    return v;
}

static ALWAYS_INLINE vfloat all_words(const uint32_t *word) {
    return (vfloat)((vuint){0} + *word);
}

/* sum + the products of both halves of each word. */
static ALWAYS_INLINE vfloat multiply_add_pairs(vfloat a, vfloat b, vfloat sum) {
#if defined(__AVX512BF16__)
    return (vfloat)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
#else
    vfloat even = vector_fma((vfloat)((vuint)a << 16), (vfloat)((vuint)b << 16), sum);
    return vector_fma((vfloat)((vuint)a & 0xFFFF0000U), (vfloat)((vuint)b & 0xFFFF0000U), even);
#endif
}

/* The nearest bf16, ties to even, in the low half of each lane; NaN stays NaN. */
static ALWAYS_INLINE vuint nearest_bf16(vfloat v) {
    vuint bits = (vuint)v;
    vuint rounded = (bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16;
    vuint quiet = bits >> 16 | 0x40U;
    vuint is_nan = (vuint)(v != v);
    return (is_nan & quiet) | (~is_nan & rounded);
}

static ALWAYS_INLINE uint32_t nearest_bf16_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return value != value ? (bits >> 16 | 0x40U) : (bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16;
}

/* ------------------------------------------------------------------------------------------------- products */

/* One block of at most BLOCK_ROWS rows, which the compiler knows, and PANEL_COLS columns. */
static ALWAYS_INLINE void block(bool pairs, const size_t rows, size_t words, const uint32_t *a, const uint32_t *panel,
                                bool add, float *c, size_t ldc) {
    vfloat sums[BLOCK_ROWS][2];
#pragma GCC unroll 16
    for (size_t r = 0; r < rows; r++) {
        sums[r][0] = (vfloat){0};
        sums[r][1] = (vfloat){0};
    }
    for (size_t w = 0; w < words; w++) {
        vfloat left = load_words(panel + w * PANEL_COLS);
        vfloat right = load_words(panel + w * PANEL_COLS + LANES);
#pragma GCC unroll 16
        for (size_t r = 0; r < rows; r++) {
            vfloat one = all_words(a + r * PANEL_ROW + w);
            sums[r][0] = pairs ? multiply_add_pairs(one, left, sums[r][0]) : vector_fma(one, left, sums[r][0]);
            sums[r][1] = pairs ? multiply_add_pairs(one, right, sums[r][1]) : vector_fma(one, right, sums[r][1]);
        }
    }
#pragma GCC unroll 16
    for (size_t r = 0; r < rows; r++) {
        float *row = c + r * ldc;
        if (add) {
            sums[r][0] += vector_load(row, LANES, 0.0F);
            sums[r][1] += vector_load(row + LANES, LANES, 0.0F);
        }
        vector_store(row, LANES, sums[r][0]);
        vector_store(row + LANES, LANES, sums[r][1]);
    }
}

/* Blocks of the greatest height that is left. */
static ALWAYS_INLINE void multiply(bool pairs, size_t rows, size_t words, const uint32_t *a, const uint32_t *panel,
                                   bool add, float *c, size_t ldc) {
    size_t done;
    for (; rows > 0; rows -= done, a += done * PANEL_ROW, c += done * ldc) {
        if (rows >= BLOCK_ROWS) {
            done = BLOCK_ROWS;
            block(pairs, BLOCK_ROWS, words, a, panel, add, c, ldc);
        } else if (BLOCK_ROWS > 8 && rows >= 8) {
            done = 8;
            block(pairs, BLOCK_ROWS > 8 ? 8 : 1, words, a, panel, add, c, ldc);
        } else if (rows >= 4) {
            done = 4;
            block(pairs, 4, words, a, panel, add, c, ldc);
        } else if (rows >= 2) {
            done = 2;
            block(pairs, 2, words, a, panel, add, c, ldc);
        } else {
            done = 1;
            block(pairs, 1, words, a, panel, add, c, ldc);
        }
    }
}

static void multiply_f32(size_t rows, size_t words, const uint32_t *a, const uint32_t *panel, bool add, float *c,
                         size_t ldc) {
    multiply(false, rows, words, a, panel, add, c, ldc);
}

static void multiply_bf16(size_t rows, size_t words, const uint32_t *a, const uint32_t *panel, bool add, float *c,
                          size_t ldc) {
    multiply(true, rows, words, a, panel, add, c, ldc);
}

/* ------------------------------------------------------------------------------------------------- packing */

static void pack_rows_f32(size_t rows, size_t inner, const float *x, size_t stride, uint32_t *a) {
    for (size_t r = 0; r < rows; r++) {
        memcpy(a + r * PANEL_ROW, x + r * stride, inner * sizeof(float));
    }
}

/* `inner` floats to (inner + 1) / 2 words. */
static ALWAYS_INLINE void narrow(size_t inner, const float *x, uint32_t *words) {
    size_t i = 0;
#if defined(__AVX512BF16__)
    for (; i + 2 * LANES <= inner; i += 2 * LANES) {
        __m512bh both = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + i + LANES), _mm512_loadu_ps(x + i));
        memcpy(words + i / 2, &both, sizeof both);
    }
#endif
    for (; i + 2 <= inner; i += 2) {
        words[i / 2] = nearest_bf16_of(x[i]) | nearest_bf16_of(x[i + 1]) << 16;
    }
    if (i < inner) {
        words[i / 2] = nearest_bf16_of(x[i]);
    }
}

static void pack_rows_bf16(size_t rows, size_t inner, const float *x, size_t stride, uint32_t *a) {
    for (size_t r = 0; r < rows; r++) {
        narrow(inner, x + r * stride, a + r * PANEL_ROW);
    }
}

/* Lane i of both alternately, from the first half of the lanes and from the second. */
#if VECTOR_BYTES == 64
#define ZIP_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define ZIP_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif VECTOR_BYTES == 32
#define ZIP_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define ZIP_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#else
#define ZIP_LOW 0, 4, 1, 5
#define ZIP_HIGH 2, 6, 3, 7
#endif

/* Clang has only __builtin_shufflevector, GCC below 12 only __builtin_shuffle. */
#if defined(__clang__) || __GNUC__ >= 12
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (vuint){__VA_ARGS__})
#endif

/* Rows of a LANES x LANES square become its columns: each round zips the upper half of the rows with the lower one.
 */
static ALWAYS_INLINE void transpose(vuint square[LANES]) {
    for (size_t round = 1; round < LANES; round *= 2) {
        vuint zipped[LANES];
#pragma GCC unroll 16
        for (size_t i = 0; i < LANES / 2; i++) {
            zipped[2 * i] = SHUFFLE(square[i], square[i + LANES / 2], ZIP_LOW);
            zipped[2 * i + 1] = SHUFFLE(square[i], square[i + LANES / 2], ZIP_HIGH);
        }
        memcpy(square, zipped, sizeof zipped);
    }
}

/* Squares of LANES columns and LANES words. */
static ALWAYS_INLINE void pack_columns(bool pairs, size_t count, size_t inner, const float *columns, size_t stride,
                                       uint32_t *panel) {
    size_t step = pairs ? 2 * LANES : LANES; /* inner elements of a square */
    for (size_t first = 0; first < inner; first += step) {
        size_t here = inner - first < step ? inner - first : step;
        size_t words = pairs ? (here + 1) / 2 : here;
        uint32_t *to = panel + (pairs ? first / 2 : first) * PANEL_COLS;
        for (size_t group = 0; group < PANEL_COLS; group += LANES) {
            vuint square[LANES] = {{0}};
            for (size_t c = 0; c < LANES && group + c < count; c++) {
                const float *from = columns + (group + c) * stride + first;
                if (pairs) {
                    uint32_t narrowed[LANES] = {0};
                    narrow(here, from, narrowed);
                    memcpy(&square[c], narrowed, sizeof narrowed);
                } else {
                    square[c] = (vuint)vector_load(from, here, 0.0F);
                }
            }
            transpose(square);
            for (size_t w = 0; w < words; w++) {
                memcpy(to + w * PANEL_COLS + group, &square[w], sizeof square[w]);
            }
        }
    }
}

static void pack_columns_f32(size_t count, size_t inner, const float *columns, size_t stride, uint32_t *panel) {
    pack_columns(false, count, inner, columns, stride, panel);
}

static void pack_columns_bf16(size_t count, size_t inner, const float *columns, size_t stride, uint32_t *panel) {
    pack_columns(true, count, inner, columns, stride, panel);
}

static void pack_matrix_f32(size_t count, size_t inner, const float *matrix, size_t stride, uint32_t *panel) {
    for (size_t i = 0; i < inner; i++) {
        memcpy(panel + i * PANEL_COLS, matrix + i * stride, count * sizeof(float));
        memset(panel + i * PANEL_COLS + count, 0, (PANEL_COLS - count) * sizeof(float));
    }
}

static void pack_matrix_bf16(size_t count, size_t inner, const float *matrix, size_t stride, uint32_t *panel) {
    for (size_t i = 0; i < inner; i += 2) {
        for (size_t c = 0; c < PANEL_COLS; c += LANES) {
            size_t n = c >= count ? 0 : count - c < LANES ? count - c : LANES;
            vuint words = nearest_bf16(vector_load(matrix + i * stride + (n > 0 ? c : 0), n, 0.0F));
            if (i + 1 < inner) {
                words |= nearest_bf16(vector_load(matrix + (i + 1) * stride + (n > 0 ? c : 0), n, 0.0F)) << 16;
            }
            memcpy(panel + i / 2 * PANEL_COLS + c, &words, sizeof words);
        }
    }
}

/* ------------------------------------------------------------------------------------------------- widening */

/* As dtype_to_float, with the processor's own conversion where it has one. */
static void widen(dtype type, const void *source, size_t count, float *out) {
    size_t done = 0;
#if defined(__F16C__)
    const uint8_t *bytes = source;
    for (; type == DTYPE_F16 && done + 8 <= count; done += 8) {
        __m128i halves = _mm_loadu_si128((const __m128i *)(const void *)(bytes + 2 * done));
        _mm256_storeu_ps(out + done, _mm256_cvtph_ps(halves));
    }
#endif
    dtype_to_float(type, (const uint8_t *)source + done * dtype_size(type), count - done, out + done);
}

const panel_kernels SIMD_NAME(panel_kernels_table) = {
    .cols = PANEL_COLS,
    .rows = BLOCK_ROWS,
    .widen = widen,
    .f32 = {1, pack_rows_f32, pack_columns_f32, pack_matrix_f32, multiply_f32},
    .bf16 = {2, pack_rows_bf16, pack_columns_bf16, pack_matrix_bf16, multiply_bf16},
};

/* The packed matrix product of every instruction set of this machine: rounding to bf16, packing, and products of
 * every height against sums in double. */
#include "test.h"

#include "backend/cpu/panel.h"
#include "core/memory.h"

#include <math.h>
#include <string.h>

#define MOST_COLS 32
#define MOST_ROWS 31

static const panel_kernels *kernels_of(cpu_level level) {
    return SIMD_PICK_BF16(panel_kernels_table, level);
}

static float from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Between -1 and 1, the same on every run. */
static float value_at(size_t i) {
    uint32_t mixed = (uint32_t)(i + 1) * 2654435761U;
    mixed ^= mixed >> 15;
    return (float)(mixed * 2246822519U) * 0x1p-31F - 1.0F;
}

/* ------------------------------------------------------------------------------------------------- rounding */

/* Bits of a float and of the nearest bf16, ties to even. */
static const uint32_t roundings[][2] = {
    {0x00000000, 0x0000}, {0x80000000, 0x8000}, {0x3F800000, 0x3F80}, {0x3F807FFF, 0x3F80}, {0x3F808000, 0x3F80},
    {0x3F808001, 0x3F81}, {0x3F818000, 0x3F82}, {0x3F817FFF, 0x3F81}, {0xBF818000, 0xBF82}, {0x3FFF8000, 0x4000},
    {0x7F7FFFFF, 0x7F80}, {0x7F800000, 0x7F80}, {0xFF800000, 0xFF80}, {0x00800000, 0x0080}, {0x7F7F7FFF, 0x7F7F},
};

static void bf16_is_the_nearest_with_ties_to_even(void **state) {
    (void)state;
    enum { COUNT = sizeof roundings / sizeof *roundings };
    for (cpu_level level = CPU_GENERIC; level <= cpu_best_level(); level++) {
        const panel_product *product = &kernels_of(level)->bf16;
        for (size_t repeat = 1; repeat <= 3; repeat++) { /* in the vector part and in the rest */
            float from[3 * COUNT];
            uint32_t packed[PANEL_ROW];
            for (size_t i = 0; i < repeat * COUNT; i++) {
                from[i] = from_bits(roundings[i % COUNT][0]);
            }
            product->pack_rows(1, repeat * COUNT, from, 0, packed);
            for (size_t i = 0; i < repeat * COUNT; i++) {
                assert_int_equal(packed[i / 2] >> (i % 2 == 0 ? 0 : 16) & 0xFFFFU, roundings[i % COUNT][1]);
            }
        }
    }
}

static void nan_stays_nan_in_bf16(void **state) {
    (void)state;
    for (cpu_level level = CPU_GENERIC; level <= cpu_best_level(); level++) {
        const panel_product *product = &kernels_of(level)->bf16;
        float from[33];
        uint32_t packed[PANEL_ROW];
        uint32_t panel[17 * MOST_COLS];
        for (size_t i = 0; i < 33; i++) {
            from[i] = from_bits(i % 2 == 0 ? 0x7F800001U : 0xFFFFFFFFU);
        }
        product->pack_rows(1, 33, from, 0, packed);
        product->pack_matrix(1, 33, from, 1, panel);
        for (size_t i = 0; i < 33; i++) {
            size_t shift = i % 2 == 0 ? 0 : 16;
            assert_true(isnan(from_bits(packed[i / 2] >> shift << 16)));
            assert_true(isnan(from_bits(panel[i / 2 * kernels_of(level)->cols] >> shift << 16)));
        }
    }
}

/* ------------------------------------------------------------------------------------------------- packing */

/* A matrix and its transpose give one panel; what is beyond `count` and a last odd element is 0. */
static void columns_and_matrix_pack_alike(void **state) {
    (void)state;
    enum { INNER = 77, STRIDE = 81 };
    static float matrix[INNER * MOST_COLS];
    static float columns[MOST_COLS * STRIDE];
    static uint32_t from_matrix[INNER * MOST_COLS];
    static uint32_t from_columns[INNER * MOST_COLS];
    for (cpu_level level = CPU_GENERIC; level <= cpu_best_level(); level++) {
        const panel_kernels *k = kernels_of(level);
        const panel_product *products[] = {&k->f32, &k->bf16};
        assert_true(k->cols <= MOST_COLS && PANEL_WORDS % k->cols == 0);
        for (size_t p = 0; p < 2; p++) {
            for (size_t count = 1; count <= k->cols; count++) {
                for (size_t i = 0; i < INNER; i++) {
                    for (size_t c = 0; c < count; c++) {
                        matrix[i * MOST_COLS + c] = columns[c * STRIDE + i] = value_at(i * 100 + c);
                    }
                }
                size_t words = (INNER + p) / (p + 1);
                memset(from_matrix, 0xAA, sizeof from_matrix);
                memset(from_columns, 0x55, sizeof from_columns);
                products[p]->pack_matrix(count, INNER, matrix, MOST_COLS, from_matrix);
                products[p]->pack_columns(count, INNER, columns, STRIDE, from_columns);
                assert_memory_equal(from_matrix, from_columns, words * k->cols * sizeof(uint32_t));
                for (size_t c = count; c < k->cols; c++) {
                    assert_int_equal(from_matrix[(words - 1) * k->cols + c], 0);
                }
                if (p == 1) {
                    assert_int_equal(from_matrix[(words - 1) * k->cols] >> 16, 0);
                }
            }
        }
    }
}

/* ------------------------------------------------------------------------------------------------- products */

/* Rows and columns of numbers that bf16 holds, so that both products are exact but for the sums. */
static void check_product(const panel_kernels *k, const panel_product *product, size_t rows, size_t inner, bool add) {
    static float a[MOST_ROWS * 2 * PANEL_WORDS];
    static float b[MOST_COLS * 2 * PANEL_WORDS];
    static uint32_t packed[MOST_ROWS * PANEL_ROW];
    static uint32_t panel[PANEL_WORDS * MOST_COLS];
    static float c[(MOST_ROWS + 1) * (MOST_COLS + 3)];
    size_t ldc = k->cols + 3;
    for (size_t i = 0; i < rows * inner; i++) {
        a[i] = (float)(int)(value_at(i) * 100.0F) / 64.0F;
    }
    for (size_t i = 0; i < k->cols * inner; i++) {
        b[i] = (float)(int)(value_at(i + 7) * 100.0F) / 64.0F;
    }
    for (size_t i = 0; i < (rows + 1) * ldc; i++) {
        c[i] = (float)(i % 13);
    }
    product->pack_rows(rows, inner, a, inner, packed);
    product->pack_columns(k->cols, inner, b, inner, panel);
    product->multiply(rows, (inner + product->inner_per_word - 1) / product->inner_per_word, packed, panel, add, c,
                      ldc);
    for (size_t i = 0; i < (rows + 1) * ldc; i++) {
        size_t row = i / ldc;
        size_t col = i % ldc;
        double want = (double)(i % 13);
        if (row < rows && col < k->cols) {
            want = add ? want : 0.0;
            for (size_t j = 0; j < inner; j++) {
                want += (double)a[row * inner + j] * (double)b[col * inner + j];
            }
        }
        if (!(fabs((double)c[i] - want) <= 1e-6 * (double)inner)) {
            fail_msg("%zu rows, inner %zu%s: (%zu, %zu) is %.9g, expected %.9g", rows, inner, add ? ", added" : "",
                     row, col, (double)c[i], want);
        }
    }
}

static void products_of_every_height_are_right_and_write_nothing_else(void **state) {
    (void)state;
    static const size_t inners[] = {1, 2, 3, 31, 64, PANEL_WORDS};
    for (cpu_level level = CPU_GENERIC; level <= cpu_best_level(); level++) {
        const panel_kernels *k = kernels_of(level);
        for (size_t rows = 1; rows <= MOST_ROWS; rows++) {
            for (size_t i = 0; i < sizeof inners / sizeof *inners; i++) {
                check_product(k, &k->f32, rows, inners[i], i % 2 == 0);
                check_product(k, &k->bf16, rows, 2 * inners[i] - rows % 2, i % 2 != 0);
            }
        }
    }
}

/* A matrix that is read in place gives the bits of a packed one, from any column on. */
static void a_lent_matrix_multiplies_as_a_packed_one(void **state) {
    (void)state;
    enum { OUTER = 101, INNER = 2 * PANEL_WORDS + 33, ROWS = 19, WIDE = OUTER + 3 * MOST_COLS };
    static const dtype types[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16};
    static uint8_t data[OUTER * INNER * 4];
    static float x[ROWS * INNER];
    static uint32_t scratch[ROWS * PANEL_ROW + 3 * MOST_COLS * PANEL_WORDS];
    static float packed[ROWS * WIDE];
    static float lent[ROWS * WIDE];
    diffcut_diagnostics diag;
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = i % 4 == 3 || i % 4 == 1 ? (uint8_t)(0x38 + i % 7) : (uint8_t)(i * 37); /* tame exponents */
    }
    for (size_t i = 0; i < ROWS * INNER; i++) {
        x[i] = value_at(i);
    }
    for (cpu_level level = CPU_GENERIC; level <= cpu_best_level(); level++) {
        for (size_t k = 0; k < 6; k++) {
            dtype precision = k % 2 == 0 ? DTYPE_F32 : DTYPE_BF16;
            panel_matrix a;
            panel_matrix b;
            assert_int_equal(
                panel_matrix_create(kernels_of(level), OUTER, INNER, 1, types[k / 2], data, precision, &a, &diag),
                DIFFCUT_OK);
            assert_int_equal(
                panel_matrix_lend(kernels_of(level), OUTER, INNER, types[k / 2], data, precision, &b, &diag),
                DIFFCUT_OK);
            assert_int_equal(panel_matrix_bytes(&b), 0);
            size_t column = k % 3 * 32;
            assert_true(panel_scratch(&b, ROWS) <= sizeof scratch / sizeof *scratch);
            memset(packed, 0, sizeof packed);
            memset(lent, 0, sizeof lent);
            panel_multiply(&a, 0, INNER, ROWS, x, INNER, column, OUTER - column, scratch, packed, WIDE);
            panel_multiply(&b, 0, INNER, ROWS, x, INNER, column, OUTER - column, scratch, lent, WIDE);
            assert_memory_equal(packed, lent, sizeof lent);
            panel_matrix_free(&a);
            panel_matrix_free(&b);
        }
    }
    panel_matrix none = {.inner = 99};
    assert_int_equal(panel_matrix_lend(kernels_of(CPU_GENERIC), SIZE_MAX / 2, SIZE_MAX / 2, DTYPE_F32, data,
                                       DTYPE_F32, &none, &diag),
                     DIFFCUT_ERROR_LIMIT);
    assert_int_equal(none.inner, 99);
}

static void two_byte_weights_take_half_the_memory_and_multiply_as_their_floats(void **state) {
    (void)state;
    enum { ROWS = 13, IN = 67, TAPS = 9, OUTER = 45, WIDE = 128 };
    static const dtype types[] = {DTYPE_F16, DTYPE_BF16};
    static uint8_t stored[1 + 2 * OUTER * IN * TAPS];
    static float floats[OUTER * IN * TAPS], x[ROWS * IN * TAPS];
    static uint32_t scratch[ROWS * PANEL_ROW + 3 * MOST_COLS * PANEL_WORDS];
    static float narrow[ROWS * WIDE], wide[ROWS * WIDE];
    diffcut_diagnostics diag;
    uint8_t *data = stored + 1; /* files align nothing */
    for (size_t i = 0; i < 2 * OUTER * IN * TAPS; i++) {
        data[i] = i % 2 == 1 ? (uint8_t)(0x38 + i % 7) : (uint8_t)(i * 37);
    }
    for (size_t i = 0; i < ROWS * IN * TAPS; i++) {
        x[i] = value_at(i);
    }
    for (cpu_level level = CPU_GENERIC; level <= cpu_best_level(); level++) {
        for (size_t k = 0; k < 2; k++) {
            const panel_kernels *kernels = kernels_of(level);
            panel_matrix a, b;
            dtype_to_float(types[k], data, OUTER * IN * TAPS, floats);
            assert_int_equal(panel_matrix_create(kernels, OUTER, IN, TAPS, types[k], data, DTYPE_F32, &a, &diag),
                             DIFFCUT_OK);
            assert_int_equal(panel_matrix_create(kernels, OUTER, IN, TAPS, DTYPE_F32, floats, DTYPE_F32, &b, &diag),
                             DIFFCUT_OK);
            assert_int_equal(2 * panel_matrix_bytes(&a), panel_matrix_bytes(&b));
            assert_true(panel_scratch(&a, ROWS) <= sizeof scratch / sizeof *scratch);
            memset(narrow, 0, sizeof narrow);
            memset(wide, 0, sizeof wide);
            panel_multiply(&a, 0, IN * TAPS, ROWS, x, IN * TAPS, 0, OUTER, scratch, narrow, WIDE);
            panel_multiply(&b, 0, IN * TAPS, ROWS, x, IN * TAPS, 0, OUTER, scratch, wide, WIDE);
            assert_memory_equal(narrow, wide, sizeof wide);
            panel_matrix_free(&a);
            panel_matrix_free(&b);
        }
    }
}

static void a_weight_without_memory_is_a_clean_error(void **state) {
    (void)state;
    const float data[6] = {1, 2, 3, 4, 5, 6};
    diffcut_diagnostics diag;
    panel_matrix matrix = {.inner = 99};
    for (long left = 0; left < 2; left++) {
        mem_fail_after(left);
        diffcut_status status =
            panel_matrix_create(kernels_of(CPU_GENERIC), 2, 3, 1, DTYPE_F32, data, DTYPE_BF16, &matrix, &diag);
        mem_fail_after(-1);
        assert_int_equal(status, DIFFCUT_ERROR_MEMORY);
        assert_int_equal(matrix.inner, 99);
    }
    mem_fail_after(0);
    diffcut_status status =
        panel_matrix_create(kernels_of(CPU_GENERIC), 2, 3, 1, DTYPE_F16, data, DTYPE_F32, &matrix, &diag);
    mem_fail_after(-1);
    assert_int_equal(status, DIFFCUT_ERROR_MEMORY);
    assert_int_equal(matrix.inner, 99);
    assert_int_equal(panel_matrix_create(kernels_of(CPU_GENERIC), SIZE_MAX / 2, SIZE_MAX / 2, 1, DTYPE_F32, data,
                                         DTYPE_F32, &matrix, &diag),
                     DIFFCUT_ERROR_LIMIT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bf16_is_the_nearest_with_ties_to_even),
        cmocka_unit_test(nan_stays_nan_in_bf16),
        cmocka_unit_test(columns_and_matrix_pack_alike),
        cmocka_unit_test(products_of_every_height_are_right_and_write_nothing_else),
        cmocka_unit_test(a_lent_matrix_multiplies_as_a_packed_one),
        cmocka_unit_test(two_byte_weights_take_half_the_memory_and_multiply_as_their_floats),
        cmocka_unit_test(a_weight_without_memory_is_a_clean_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Widening to float, against the formats' definitions: every value of the 16-bit types. */
#include "test.h"

#include "core/dtype.h"

#include <math.h>
#include <string.h>

/* A binary format with the given exponent and mantissa widths, by IEEE 754's formula. */
static double value_of(uint32_t bits, int exponent_bits, int mantissa_bits) {
    int exponent = (int)(bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
    double mantissa = ldexp((double)(bits & ((1U << mantissa_bits) - 1U)), -mantissa_bits);
    int bias = (1 << (exponent_bits - 1)) - 1;
    double sign = (bits >> (exponent_bits + mantissa_bits) & 1U) != 0 ? -1.0 : 1.0;
    if (exponent == (1 << exponent_bits) - 1) {
        return mantissa > 0.0 ? (double)NAN : sign * (double)INFINITY;
    }
    return sign * (exponent == 0 ? ldexp(mantissa, 1 - bias) : ldexp(1.0 + mantissa, exponent - bias));
}

static void check_all(dtype type, int exponent_bits, int mantissa_bits) {
    for (uint32_t bits = 0; bits <= UINT16_MAX; bits++) {
        uint16_t stored = (uint16_t)bits;
        float got;
        dtype_to_float(type, &stored, 1, &got);
        double want = value_of(bits, exponent_bits, mantissa_bits);
        if (isnan(want)) {
            assert_true(isnan(got));
        } else if ((double)got != want || (signbit(got) != 0) != (signbit(want) != 0)) {
            fail_msg("%s 0x%04x: %.9g, expected %.9g", dtype_name(type), bits, (double)got, want);
        }
    }
}

static void every_half_float_widens_exactly(void **state) {
    (void)state;
    check_all(DTYPE_F16, 5, 10);
}

static void every_brain_float_widens_exactly(void **state) {
    (void)state;
    check_all(DTYPE_BF16, 8, 7);
}

static void unaligned_sources_are_read(void **state) {
    (void)state;
    const float values[3] = {1.5F, -2.25F, 1e-40F};
    const uint16_t halves[3] = {0x3C00, 0xC000, 0x0001};
    unsigned char bytes[16];
    float out[3];
    memcpy(bytes + 1, values, sizeof values);
    dtype_to_float(DTYPE_F32, bytes + 1, 3, out);
    assert_memory_equal(out, values, sizeof values);
    memcpy(bytes + 1, halves, sizeof halves);
    dtype_to_float(DTYPE_F16, bytes + 1, 3, out);
    assert_true(out[0] == 1.0F && out[1] == -2.0F && out[2] == 0x1p-24F);
}

static void nothing_is_written_for_no_elements(void **state) {
    (void)state;
    float out = 7.0F;
    uint16_t half = 0x3C00;
    dtype_to_float(DTYPE_F16, &half, 0, &out);
    dtype_to_float(DTYPE_F32, &half, 0, &out);
    assert_true(out == 7.0F);
}

static void sizes_and_names_are_those_of_safetensors(void **state) {
    (void)state;
    assert_int_equal(dtype_size(DTYPE_F32), 4);
    assert_int_equal(dtype_size(DTYPE_F16), 2);
    assert_int_equal(dtype_size(DTYPE_BF16), 2);
    assert_int_equal(dtype_size(DTYPE_OTHER), 0);
    assert_string_equal(dtype_name(DTYPE_F32), "F32");
    assert_string_equal(dtype_name(DTYPE_F16), "F16");
    assert_string_equal(dtype_name(DTYPE_BF16), "BF16");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_float_widens_exactly),
        cmocka_unit_test(every_brain_float_widens_exactly),
        cmocka_unit_test(unaligned_sources_are_read),
        cmocka_unit_test(nothing_is_written_for_no_elements),
        cmocka_unit_test(sizes_and_names_are_those_of_safetensors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

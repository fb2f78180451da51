/* test_finite.c - the first NaN or infinity is found wherever it lies, in every type, aligned or not. */
#include "test.h"

#include "core/finite.h"

#include <string.h>

#define COUNT 9001

static void test_the_first_bad_number_is_found(void **state) {
    (void)state;
    static const struct {
        dtype type;
        uint32_t good, bad[3];
    } types[] = {
        {DTYPE_F32, 0x7F7FFFFFU, {0x7F800000U, 0xFF800000U, 0x7FC00001U}},
        {DTYPE_F16, 0xFBFFU, {0x7C00U, 0xFC00U, 0x7E01U}},
        {DTYPE_BF16, 0xFF7FU, {0x7F80U, 0xFF80U, 0xFFC1U}},
    };
    static const size_t places[] = {0, 1, 4095, 4096, 5000, COUNT - 1};
    static unsigned char memory[4 * COUNT + 1];
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        size_t size = dtype_size(types[t].type);
        for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
            unsigned char *data = memory + i % 2; /* odd cases are unaligned */
            for (size_t j = 0; j < COUNT; j++) {
                memcpy(data + j * size, &types[t].good, size); /* little endian */
            }
            assert_int_equal(finite_first_bad(types[t].type, data, COUNT), COUNT);
            memcpy(data + places[i] * size, &types[t].bad[i % 3], size);
            memcpy(data + (COUNT - 1) * size, &types[t].bad[0], size);
            assert_int_equal(finite_first_bad(types[t].type, data, COUNT), places[i]);
        }
        assert_int_equal(finite_first_bad(types[t].type, memory, 0), 0);
    }
}

/* More numbers than one thread's share: the first of several bad ones is told, whichever thread sees its own first.
 */
static void test_threads_find_the_same(void **state) {
    (void)state;
    enum { MANY = 1 << 20 };
    static uint16_t data[MANY];
    static const size_t places[] = {MANY, MANY - 1, 700000, 262144, 262143, 1, 0};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (places[i] < MANY) {
            data[places[i]] = 0x7F80;
        }
        for (uint32_t threads = 1; threads <= 4; threads++) {
            assert_int_equal(finite_first_bad_of(threads, DTYPE_BF16, data, MANY), places[i]);
        }
    }
    assert_int_equal(finite_first_bad_of(2, DTYPE_BF16, data, 0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_bad_number_is_found),
        cmocka_unit_test(test_threads_find_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

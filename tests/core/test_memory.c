/* The allocator: checked sizes, alignment, growth, and the hook that makes it fail. */
#include "test.h"

#include "core/memory.h"

#include <stdint.h>
#include <string.h>

static void products_that_do_not_fit_are_told(void **state) {
    (void)state;
    size_t product = 42;
    assert_true(mem_mul(3, 5, &product));
    assert_int_equal(product, 15);
    assert_true(mem_mul(SIZE_MAX, 0, &product));
    assert_int_equal(product, 0);
    assert_true(mem_mul(SIZE_MAX, 1, &product));
    assert_false(mem_mul(SIZE_MAX, 2, &product));
    assert_false(mem_mul(SIZE_MAX / 2 + 1, 2, &product));
}

static void impossible_sizes_give_no_block(void **state) {
    (void)state;
    assert_null(mem_array(SIZE_MAX, 2));
    assert_null(mem_array(SIZE_MAX, 1));
    assert_null(mem_array(SIZE_MAX / 2 + 1, 1));
    assert_null(mem_array_zero(SIZE_MAX / 8, 16));
}

static void blocks_are_aligned_and_zeroed(void **state) {
    (void)state;
    for (size_t size = 0; size < 300; size += 7) {
        unsigned char *block = mem_array_zero(size, 1);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % MEM_ALIGNMENT, 0);
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(block[i], 0);
        }
        mem_free(block);
    }
    mem_free(NULL);
}

static void growing_keeps_what_was_used(void **state) {
    (void)state;
    int *block = mem_array_grow(NULL, 0, 3, sizeof *block);
    assert_non_null(block);
    for (int i = 0; i < 3; i++) {
        block[i] = i;
    }
    block = mem_array_grow(block, 3, 1000, sizeof *block);
    assert_non_null(block);
    assert_true(block[0] == 0 && block[1] == 1 && block[2] == 2);
    block = mem_array_grow(block, 1000, 2, sizeof *block);
    assert_non_null(block);
    assert_true(block[0] == 0 && block[1] == 1);
    assert_null(mem_array_grow(block, 2, SIZE_MAX, sizeof *block));
    assert_true(block[0] == 0 && block[1] == 1); /* the old block stays */
    mem_free(block);
}

static void strings_are_copied(void **state) {
    (void)state;
    char text[] = "latent";
    char *copy = mem_string(text);
    assert_non_null(copy);
    text[0] = 'p';
    assert_string_equal(copy, "latent");
    mem_free(copy);
}

static void the_hook_fails_the_asked_allocation_and_all_later_ones(void **state) {
    (void)state;
    mem_fail_after(2);
    void *first = mem_array(1, 1);
    void *second = mem_array_zero(1, 1);
    void *third = mem_array(1, 1);
    void *fourth = mem_string("x");
    void *fifth = mem_array_grow(first, 1, 2, 1);
    mem_fail_after(-1);
    void *sixth = mem_array(1, 1);
    assert_true(first != NULL && second != NULL && third == NULL && fourth == NULL && fifth == NULL && sixth != NULL);
    mem_free(first);
    mem_free(second);
    mem_free(sixth);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_that_do_not_fit_are_told),
        cmocka_unit_test(impossible_sizes_give_no_block),
        cmocka_unit_test(blocks_are_aligned_and_zeroed),
        cmocka_unit_test(growing_keeps_what_was_used),
        cmocka_unit_test(strings_are_copied),
        cmocka_unit_test(the_hook_fails_the_asked_allocation_and_all_later_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

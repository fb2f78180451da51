/* test_pool.c - the cpu backend's buffers: what is given back is used again, by what fits, and goes when asked to. */
#include "test.h"

#include "backend/cpu/pool.h"
#include "core/memory.h"

#define LARGE 65536

static float *data_of(backend_buffer *buffer) {
    return ((host_buffer *)(void *)buffer)->data;
}

static backend_buffer *take(cpu_pool *pool, size_t elements) {
    backend_buffer *buffer = NULL;
    diffcut_diagnostics diag;
    assert_int_equal(cpu_pool_take(pool, elements, &buffer, &diag), DIFFCUT_OK);
    assert_int_equal(buffer->elements, elements);
    data_of(buffer)[0] = 1.0F;
    data_of(buffer)[elements - 1] = 2.0F;
    return buffer;
}

static void what_is_given_back_serves_again(void **state) {
    (void)state;
    cpu_pool *pool = NULL;
    diffcut_diagnostics diag;
    assert_int_equal(cpu_pool_create(&pool, &diag), DIFFCUT_OK);
    backend_buffer *first = take(pool, LARGE);
    backend_buffer *second = take(pool, LARGE / 2);
    float *large = data_of(first);
    float *half = data_of(second);
    assert_ptr_not_equal(large, half);
    cpu_pool_give_back(first);
    cpu_pool_give_back(second);
    cpu_pool_give_back(NULL);
    first = take(pool, LARGE / 4); /* from the smaller of the gaps that it fits */
    second = take(pool, LARGE / 4);
    assert_ptr_equal(data_of(first), half);
    assert_ptr_equal(data_of(second), half + LARGE / 4);
    backend_buffer *third = take(pool, LARGE);
    assert_ptr_equal(data_of(third), large);
    cpu_pool_give_back(first); /* between two others: its gap is used again, and neighbours become one */
    first = take(pool, LARGE / 8);
    assert_ptr_equal(data_of(first), half);
    cpu_pool_give_back(second);
    cpu_pool_give_back(first);
    first = take(pool, LARGE / 2);
    assert_ptr_equal(data_of(first), half);
    cpu_pool_give_back(first);
    cpu_pool_give_back(third);
    cpu_pool_trim(pool);
    cpu_pool_destroy(pool);
}

/* Buffers of every size come and go; none touches another. */
static void buffers_never_overlap(void **state) {
    (void)state;
    enum { SLOTS = 12, ROUNDS = 2000, MOST = 5000 };
    cpu_pool *pool = NULL;
    diffcut_diagnostics diag;
    backend_buffer *held[SLOTS] = {NULL};
    uint32_t draw = 1;
    assert_int_equal(cpu_pool_create(&pool, &diag), DIFFCUT_OK);
    for (size_t round = 0; round < ROUNDS; round++) {
        draw = draw * 1664525U + 1013904223U;
        size_t slot = (draw >> 16) % SLOTS;
        if (held[slot] != NULL) {
            float value = (float)slot;
            for (size_t i = 0; i < held[slot]->elements; i++) {
                assert_true(data_of(held[slot])[i] == value);
            }
            cpu_pool_give_back(held[slot]);
            held[slot] = NULL;
        } else {
            held[slot] = take(pool, 1 + (draw >> 8) % MOST);
            for (size_t i = 0; i < held[slot]->elements; i++) {
                data_of(held[slot])[i] = (float)slot;
            }
        }
    }
    for (size_t slot = 0; slot < SLOTS; slot++) {
        cpu_pool_give_back(held[slot]);
    }
    cpu_pool_destroy(pool);
}

static void kept_memory_gives_way_when_there_is_no_more(void **state) {
    (void)state;
    cpu_pool *pool = NULL;
    diffcut_diagnostics diag;
    assert_int_equal(cpu_pool_create(&pool, &diag), DIFFCUT_OK);
    cpu_pool_give_back(take(pool, LARGE));
    backend_buffer *buffer = NULL;
    mem_fail_after(0);
    assert_int_equal(cpu_pool_take(pool, 2 * LARGE, &buffer, &diag), DIFFCUT_ERROR_MEMORY);
    mem_fail_after(-1);
    assert_null(buffer);
    mem_fail_after(1);
    assert_int_equal(cpu_pool_take(pool, 2 * LARGE, &buffer, &diag), DIFFCUT_ERROR_MEMORY);
    mem_fail_after(-1);
    assert_int_equal(cpu_pool_take(pool, SIZE_MAX / 4, &buffer, &diag), DIFFCUT_ERROR_MEMORY);
    assert_null(buffer);
    cpu_pool_give_back(take(pool, 2 * LARGE));
    for (long left = 0; left < 2; left++) {
        mem_fail_after(left);
        cpu_pool *other = NULL;
        diffcut_status status = cpu_pool_create(&other, &diag);
        mem_fail_after(-1);
        assert_int_equal(status, left == 0 ? DIFFCUT_ERROR_MEMORY : DIFFCUT_OK);
        cpu_pool_destroy(other);
    }
    cpu_pool_destroy(pool);
    cpu_pool_destroy(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_given_back_serves_again),
        cmocka_unit_test(buffers_never_overlap),
        cmocka_unit_test(kept_memory_gives_way_when_there_is_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

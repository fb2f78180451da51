/*
 * test_safetensors_write.c - what is written is read back by the reader, in one order whatever the order given; what
 * the format cannot hold is refused; every failing allocation is reported.
 */
#include "test.h"

#include "core/memory.h"
#include "io/safetensors.h"
#include "io/safetensors_write.h"

#include <string.h>

static const float numbers[6] = {0.0F, 1.0F, -2.5F, 3e38F, 1e-40F, 7.0F};
static const size_t two_by_three[2] = {2, 3};
static const size_t two[1] = {2};
static const size_t none[1] = {0};

static const safetensors_item items[] = {
    {"t50/b", numbers, two_by_three, 2},
    {"t50/a \"quoted\"\n", numbers + 2, two, 1},
    {"scalar", numbers + 5, NULL, 0},
    {"empty", NULL, none, 1},
};
static const safetensors_note notes[] = {{"prompt", "a \\ \"b\"\xff"}, {"seed", "42"}};

static void check_tensor(const safetensors *file, const safetensors_item *item) {
    const safetensors_tensor *tensor = safetensors_find(file, item->name);
    assert_non_null(tensor);
    assert_int_equal(tensor->type, DTYPE_F32);
    assert_int_equal(tensor->rank, item->rank);
    for (size_t i = 0; i < item->rank; i++) {
        assert_int_equal(tensor->shape[i], item->shape[i]);
    }
    float back[6];
    assert_true(tensor->elements <= 6);
    dtype_to_float(tensor->type, tensor->data, tensor->elements, back);
    if (tensor->elements > 0) {
        assert_memory_equal(back, item->data, tensor->elements * sizeof *back);
    }
}

static void test_what_is_written_is_read_back(void **state) {
    (void)state;
    diffcut_diagnostics diag = {.message = ""};
    diffcut_buffer written = {0};
    safetensors *file = NULL;
    assert_int_equal(safetensors_write(items, 4, notes, 2, &written, &diag), DIFFCUT_OK);
    if (safetensors_parse(written.data, written.size, "w.safetensors", &file, &diag) != DIFFCUT_OK) {
        fail_msg("%s", diag.message);
    }
    assert_int_equal(safetensors_count(file), 4);
    for (size_t i = 0; i < 4; i++) {
        check_tensor(file, &items[i]);
    }
    assert_int_equal(written.data[0] % 8, 0); /* the header's length: the data are aligned */
    assert_non_null(memmem(written.data, written.size, "\"prompt\":\"a \\\\ \\\"b\\\"\\ufffd\",\"seed\":\"42\"",
                           strlen("\"prompt\":\"a \\\\ \\\"b\\\"\\ufffd\",\"seed\":\"42\"")));
    safetensors_close(file);
    diffcut_buffer_free(&written);
}

static void test_the_order_given_changes_no_byte(void **state) {
    (void)state;
    diffcut_diagnostics diag = {.message = ""};
    const safetensors_item backwards[] = {items[3], items[2], items[1], items[0]};
    diffcut_buffer a = {0};
    diffcut_buffer b = {0};
    assert_int_equal(safetensors_write(items, 4, notes, 2, &a, &diag), DIFFCUT_OK);
    assert_int_equal(safetensors_write(backwards, 4, notes, 2, &b, &diag), DIFFCUT_OK);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    diffcut_buffer_free(&a);
    diffcut_buffer_free(&b);
}

static void test_nothing_is_a_file_too(void **state) {
    (void)state;
    diffcut_diagnostics diag = {.message = ""};
    for (size_t count = 0; count <= 2; count += 2) {
        diffcut_buffer written = {0};
        safetensors *file = NULL;
        assert_int_equal(safetensors_write(NULL, 0, notes, count, &written, &diag), DIFFCUT_OK);
        assert_int_equal(safetensors_parse(written.data, written.size, "w", &file, &diag), DIFFCUT_OK);
        assert_int_equal(safetensors_count(file), 0);
        safetensors_close(file);
        diffcut_buffer_free(&written);
    }
}

static void refuse(const safetensors_item *wrong, size_t count, const safetensors_note *words, size_t word_count,
                   const char *message) {
    diffcut_diagnostics diag = {.message = ""};
    diffcut_buffer untouched = {.data = NULL, .size = 5};
    assert_int_equal(safetensors_write(wrong, count, words, word_count, &untouched, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(untouched.size, 5);
    if (strstr(diag.message, message) == NULL) {
        fail_msg("\"%s\" does not hold \"%s\"", diag.message, message);
    }
}

static void test_what_the_format_cannot_hold_is_refused(void **state) {
    (void)state;
    static const size_t huge[3] = {SIZE_MAX / 2, 3, 1};
    static const size_t large[1] = {SIZE_MAX / 4};
    static const size_t nine[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    const safetensors_item same[] = {items[0], items[1], items[0]};
    const safetensors_note twice[] = {notes[0], notes[1], notes[0]};
    const safetensors_note half[] = {{"key", NULL}};
    refuse(same, 3, NULL, 0, "tensor t50/b is given twice");
    refuse(items, 4, twice, 3, "metadata prompt is given twice");
    refuse(items, 4, half, 1, "metadata 0 has no key or no value");
    refuse(&(safetensors_item){NULL, numbers, two, 1}, 1, NULL, 0, "tensor 0 has no name");
    refuse(&(safetensors_item){"", numbers, two, 1}, 1, NULL, 0, "cannot be a tensor's name");
    refuse(&(safetensors_item){"__metadata__", numbers, two, 1}, 1, NULL, 0, "cannot be a tensor's name");
    refuse(&(safetensors_item){"x", numbers, nine, 9}, 1, NULL, 0, "rank 9, at most 8");
    refuse(&(safetensors_item){"x", numbers, huge, 3}, 1, NULL, 0, "sizes of tensor x overflow");
    refuse(&(safetensors_item){"x", numbers, huge, 1}, 1, NULL, 0, "sizes of tensor x overflow");
    refuse(&(safetensors_item){"x", NULL, two, 1}, 1, NULL, 0, "tensor x has no data");
    const safetensors_item sum[] = {{"x", numbers, large, 1}, {"y", numbers, large, 1}};
    refuse(sum, 2, NULL, 0, "the tensors' sizes overflow");
}

static void test_every_failing_allocation_is_reported(void **state) {
    (void)state;
    bool done = false;
    for (long n = 0; !done && n < 100; n++) {
        diffcut_diagnostics diag = {.message = ""};
        diffcut_buffer written = {0};
        mem_fail_after(n);
        diffcut_status status = safetensors_write(items, 4, notes, 2, &written, &diag);
        mem_fail_after(-1);
        done = status == DIFFCUT_OK;
        if (!done) {
            assert_int_equal(status, DIFFCUT_ERROR_MEMORY);
            assert_null(written.data);
            assert_true(diag.message[0] != '\0');
        }
        diffcut_buffer_free(&written);
    }
    assert_true(done);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_read_back),
        cmocka_unit_test(test_the_order_given_changes_no_byte),
        cmocka_unit_test(test_nothing_is_a_file_too),
        cmocka_unit_test(test_what_the_format_cannot_hold_is_refused),
        cmocka_unit_test(test_every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_safetensors_write.c - what safetensors_write writes, safetensors_parse reads back as it was; the bytes are the
 * format's; and mistakes and missing memory leave nothing behind.
 */
#include "test.h"

#include "core/memory.h"
#include "io/safetensors.h"
#include "io/safetensors_write.h"

#include <string.h>

static const float first[6] = {1.0F, -2.5F, 3e-30F, 4.0F, 5.0F, 6.0F};
static const float second[1] = {7.0F};
static const size_t shape[2] = {2, 3};

static void test_written_tensors_and_texts_are_read_back(void **state) {
    (void)state;
    const safetensors_array tensors[] = {{"context", 2, shape, first}, {"a \"b\"\n", 0, NULL, second}};
    const safetensors_text text[] = {{"prompt", "caf\xC3\xA9 \"x\"\t\\"}, {"empty", ""}};
    diffcut_diagnostics diag;
    diffcut_buffer buffer = {0};
    safetensors *file = NULL;
    assert_int_equal(safetensors_write(tensors, 2, text, 2, &buffer, &diag), DIFFCUT_OK);
    assert_int_equal(safetensors_parse(buffer.data, buffer.size, "x", &file, &diag), DIFFCUT_OK);
    assert_int_equal(safetensors_count(file), 2);
    const safetensors_tensor *t = safetensors_find(file, "context");
    assert_non_null(t);
    assert_int_equal(t->rank, 2);
    assert_int_equal(t->shape[0], 2);
    assert_int_equal(t->shape[1], 3);
    assert_memory_equal(t->data, first, sizeof first);
    assert_int_equal(((const uint8_t *)t->data - buffer.data) % 8, 0);
    t = safetensors_find(file, "a \"b\"\n");
    assert_non_null(t);
    assert_int_equal(t->rank, 0);
    assert_memory_equal(t->data, second, sizeof second);
    assert_string_equal(safetensors_metadata(file, "prompt"), "caf\xC3\xA9 \"x\"\t\\");
    assert_string_equal(safetensors_metadata(file, "empty"), "");
    assert_null(safetensors_metadata(file, "other"));
    safetensors_close(file);
    diffcut_buffer_free(&buffer);
}

static void test_the_bytes_are_those_of_the_format(void **state) {
    (void)state;
    const size_t one = 1;
    const safetensors_array tensor = {"x", 1, &one, second};
    static const char header[] = "{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}  ";
    diffcut_diagnostics diag;
    diffcut_buffer buffer = {0};
    assert_int_equal(safetensors_write(&tensor, 1, NULL, 0, &buffer, &diag), DIFFCUT_OK);
    const size_t length = strlen(header);
    assert_int_equal(length % 8, 0);
    assert_int_equal(buffer.size, 8 + length + sizeof second);
    assert_int_equal(buffer.data[0], length);
    assert_memory_equal(buffer.data + 8, header, length);
    diffcut_buffer_free(&buffer);

    safetensors *file = NULL;
    assert_int_equal(safetensors_write(NULL, 0, NULL, 0, &buffer, &diag), DIFFCUT_OK);
    assert_int_equal(safetensors_parse(buffer.data, buffer.size, "x", &file, &diag), DIFFCUT_OK);
    assert_null(safetensors_metadata(file, "prompt"));
    safetensors_close(file);
    diffcut_buffer_free(&buffer);
}

static void test_mistakes_are_refused(void **state) {
    (void)state;
    const size_t huge[2] = {SIZE_MAX / 2, 3};
    const safetensors_array twice[] = {{"x", 2, shape, first}, {"x", 2, shape, first}};
    const safetensors_array reserved = {"__metadata__", 2, shape, first};
    const safetensors_array large = {"x", 2, huge, first};
    const safetensors_array deep = {"x", SAFETENSORS_MAX_RANK + 1, shape, first};
    const safetensors_text texts[] = {{"k", "1"}, {"k", "2"}};
    diffcut_diagnostics diag;
    diffcut_buffer buffer = {0};
    assert_int_equal(safetensors_write(twice, 2, NULL, 0, &buffer, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(safetensors_write(&reserved, 1, NULL, 0, &buffer, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(safetensors_write(&large, 1, NULL, 0, &buffer, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(safetensors_write(&deep, 1, NULL, 0, &buffer, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(safetensors_write(NULL, 0, texts, 2, &buffer, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_null(buffer.data);
}

static void test_every_failed_allocation_is_reported(void **state) {
    (void)state;
    const safetensors_array tensor = {"x", 2, shape, first};
    diffcut_status status = DIFFCUT_ERROR_MEMORY;
    for (long i = 0; status == DIFFCUT_ERROR_MEMORY; i++) {
        diffcut_diagnostics diag;
        diffcut_buffer buffer = {0};
        mem_fail_after(i);
        status = safetensors_write(&tensor, 1, NULL, 0, &buffer, &diag);
        mem_fail_after(-1);
        assert_true(status == DIFFCUT_OK || buffer.data == NULL);
        diffcut_buffer_free(&buffer);
    }
    assert_int_equal(status, DIFFCUT_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_tensors_and_texts_are_read_back),
        cmocka_unit_test(test_the_bytes_are_those_of_the_format),
        cmocka_unit_test(test_mistakes_are_refused),
        cmocka_unit_test(test_every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

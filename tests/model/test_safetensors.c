/*
 * test_safetensors.c - the reader takes what the format allows, and refuses the rest with the field's name. Headers
 * are written out here, so that each case shows what is wrong with it.
 */
#include "test.h"

#include "io/safetensors.h"

#include <stdio.h>
#include <string.h>

/* A file in memory: the header's length, the header, then `bytes` zero bytes of data. */
static char *make_file(const char *header, size_t bytes, size_t *size) {
    uint64_t length = strlen(header);
    *size = 8 + (size_t)length + bytes;
    char *file = calloc(*size, 1);
    assert_non_null(file);
    memcpy(file, &length, sizeof length);
    memcpy(file + 8, header, (size_t)length);
    return file;
}

static diffcut_status parse(const char *header, size_t bytes, diffcut_diagnostics *diag) {
    size_t size;
    char *data = make_file(header, bytes, &size);
    safetensors *file = NULL;
    diffcut_status status = safetensors_parse(data, size, "x.safetensors", &file, diag);
    safetensors_close(file);
    free(data);
    return status;
}

typedef struct header_case {
    const char *header;
    size_t bytes;
    const char *message; /* NULL: it is valid */
} header_case;

#define ENTRY(dtype, shape, offsets) "{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static const header_case headers[] = {
    {"{}", 0, NULL},
    {"{}   ", 0, NULL}, /* padding */
    {"{\"__metadata__\":{}}", 0, NULL},
    {"{\"__metadata__\":{\"format\":\"pt\",\"empty\":\"\"}}", 0, NULL},
    {"{\"a\":" ENTRY("\"F32\"", "[]", "[0,4]") "}", 4, NULL}, /* a scalar */
    {"{\"a\":" ENTRY("\"F32\"", "[0,7]", "[0,0]") "}", 0, NULL},
    {"{\"a\":" ENTRY("\"I64\"", "[2]", "[0,16]") "}", 16, NULL},
    {"{\"b\":" ENTRY("\"F32\"", "[1]", "[2,6]") ",\"a\":" ENTRY("\"BF16\"", "[1]", "[0,2]") "}", 6,
     NULL}, /* unsorted */
    {"{\"a\":" ENTRY("\"F32\"", "[1]", "[0,4]") ",\"e\":" ENTRY("\"F32\"", "[0]", "[4,4]") ",\"b\":" ENTRY(
         "\"F32\"", "[1]", "[4,8]") "}",
     8, NULL},
    {"", 0, "does not start with '{'"},
    {" {}", 0, "does not start with '{'"},
    {"[]", 0, "does not start with '{'"},
    {"{", 0, "not valid JSON"},
    {"{}x", 0, "not valid JSON"},
    {"{\"a\":1}", 0, "tensor a: its header entry is not an object"},
    {"{\"a\":{}}", 0, "tensor a: dtype is missing"},
    {"{\"__metadata__\":1}", 0, "__metadata__ is not an object"},
    {"{\"__metadata__\":{\"n\":1}}", 0, "__metadata__: n is not a string"},
    {"{\"__metadata__\":{\"n\":null}}", 0, "__metadata__: n is not a string"},
    {"{\"a\":" ENTRY("32", "[1]", "[0,4]") "}", 4, "dtype is 32, expected a string"},
    {"{\"a\":" ENTRY("\"f32\"", "[1]", "[0,4]") "}", 4, "unknown dtype \"f32\""},
    {"{\"a\":" ENTRY("\"F32\"", "1", "[0,4]") "}", 4, "shape is 1, expected a list"},
    {"{\"a\":" ENTRY("\"F32\"", "[-1]", "[0,4]") "}", 4, "shape[0] is -1"},
    {"{\"a\":" ENTRY("\"F32\"", "[1.0]", "[0,4]") "}", 4, "shape[0] is 1, expected a whole number"},
    {"{\"a\":" ENTRY("\"F32\"", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, "shape is a list of 9"},
    {"{\"a\":" ENTRY("\"F32\"", "[4294967296,4294967296]", "[0,0]") "}", 0, "product of shape overflows"},
    {"{\"a\":" ENTRY("\"F32\"", "[9223372036854775807]", "[0,4]") "}", 4, "more bytes than memory has"},
    {"{\"a\":" ENTRY("\"F32\"", "[1]", "[0]") "}", 4, "data_offsets are not a start and an end"},
    {"{\"a\":" ENTRY("\"F32\"", "[1]", "[0,4,8]") "}", 4, "data_offsets is a list of 3"},
    {"{\"a\":" ENTRY("\"F32\"", "[1]", "[4,0]") "}", 4, "data_offsets are not a start and an end"},
    {"{\"a\":" ENTRY("\"F32\"", "[1]", "[0,5]") "}", 4, "data_offsets end at 5, the file has 4 bytes of data"},
    {"{\"a\":" ENTRY("\"F32\"", "[1]", "[0,9223372036854775807]") "}", 4, "data_offsets end at 9223372036854775807"},
    {"{\"a\":" ENTRY("\"F32\"", "[2]", "[0,4]") "}", 4, "data_offsets span 4 bytes, [2] of F32 needs 8"},
    {"{\"a\":" ENTRY("\"F32\"", "[1]", "[0,4]") "}", 5, "the tensors end at 4, the file has 5"},
    {"{\"a\":" ENTRY("\"F32\"", "[1]", "[4,8]") "}", 8, "start at 4, the header ends at 0 (hole)"},
    {"{\"a\":" ENTRY("\"F32\"", "[1]", "[0,4]") ",\"b\":" ENTRY("\"F32\"", "[1]", "[2,6]") "}", 6,
     "tensor b: data_offsets start at 2, a ends at 4 (overlap)"},
    {"{\"a\":" ENTRY("\"F32\"", "[1]", "[0,4]") ",\"b\":" ENTRY("\"F32\"", "[1]", "[0,4]") "}", 4, "(overlap)"},
    {"{\"a\":" ENTRY("\"F32\"", "[1]", "[0,4]") ",\"a\":" ENTRY("\"F32\"", "[1]", "[4,8]") "}", 8, "duplicate"},
    {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "duplicate"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"more\":1}}", 4, "unknown field \"more\""},
    {"{\"a\\u0000b\":" ENTRY("\"F32\"", "[1]", "[0,4]") "}", 4, "not valid JSON"},
    {"{\"\xFF\":" ENTRY("\"F32\"", "[1]", "[0,4]") "}", 4, "not valid JSON"},
};

static void test_every_header_field_is_checked(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        diffcut_diagnostics diag = {.message = ""};
        diffcut_status status = parse(headers[i].header, headers[i].bytes, &diag);
        diffcut_status expected = headers[i].message == NULL ? DIFFCUT_OK : DIFFCUT_ERROR_FORMAT;
        bool named = headers[i].message == NULL || (strstr(diag.message, headers[i].message) != NULL &&
                                                    strncmp(diag.message, "x.safetensors: ", 15) == 0);
        if (status != expected || !named) {
            fail_msg("%s: status %d, message \"%s\", expected \"%s\"", headers[i].header, (int)status, diag.message,
                     headers[i].message != NULL ? headers[i].message : "");
        }
    }
}

static void test_lengths_beyond_file_and_limit_are_refused(void **state) {
    (void)state;
    static const struct {
        uint64_t length;
        size_t size;
        const char *message;
    } lengths[] = {
        {0, 7, "too short for a header length"},   {3, 10, "truncated"},
        {UINT64_MAX, 10, "over the limit"},        {SAFETENSORS_MAX_HEADER + 1, 10, "over the limit"},
        {SAFETENSORS_MAX_HEADER, 10, "truncated"},
    };
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char bytes[16] = {0};
        diffcut_diagnostics diag;
        safetensors *file = NULL;
        memcpy(bytes, &lengths[i].length, sizeof lengths[i].length);
        assert_int_equal(safetensors_parse(bytes, lengths[i].size, "x", &file, &diag), DIFFCUT_ERROR_FORMAT);
        assert_null(file);
        assert_non_null(strstr(diag.message, lengths[i].message));
    }
}

static void test_tensors_are_found_with_their_shape_and_place(void **state) {
    (void)state;
    size_t size;
    char *data = make_file(
        "{\"b\":" ENTRY("\"F16\"", "[2,3]", "[4,16]") ",\"a\":" ENTRY("\"F32\"", "[]", "[0,4]") "}", 16, &size);
    diffcut_diagnostics diag;
    safetensors *file = NULL;
    assert_int_equal(safetensors_parse(data, size, "x", &file, &diag), DIFFCUT_OK);
    assert_int_equal(safetensors_count(file), 2);
    assert_string_equal(safetensors_at(file, 0)->name, "a");
    const safetensors_tensor *b = safetensors_find(file, "b");
    assert_non_null(b);
    assert_int_equal(b->type, DTYPE_F16);
    assert_int_equal(b->rank, 2);
    assert_int_equal(b->shape[0], 2);
    assert_int_equal(b->shape[1], 3);
    assert_int_equal(b->elements, 6);
    assert_int_equal(b->bytes, 12);
    assert_ptr_equal(b->data, data + size - 12);
    assert_null(safetensors_find(file, "c"));
    assert_null(safetensors_find(file, ""));
    char text[32];
    safetensors_shape_text(b->shape, b->rank, text, sizeof text);
    assert_string_equal(text, "[2, 3]");
    safetensors_shape_text(b->shape, b->rank, text, 4); /* cut, never overrun */
    assert_string_equal(text, "[2,");
    safetensors_close(file);
    free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_header_field_is_checked),
        cmocka_unit_test(test_lengths_beyond_file_and_limit_are_refused),
        cmocka_unit_test(test_tensors_are_found_with_their_shape_and_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_npy.c - feature files of every accepted kind are read, all others are refused with the reason. */
#include "io_test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "io/npy.h"

/* A file of version `major` with this header text and data. */
static diffcut_buffer make_npy(int major, const char *header, const void *data, size_t size) {
    size_t length = strlen(header);
    size_t prefix = major == 1 ? 10 : 12;
    diffcut_buffer file = {.data = mem_array_zero(prefix + length + size, 1), .size = prefix + length + size};
    assert_non_null(file.data);
    memcpy(file.data, "\x93NUMPY", 6);
    file.data[6] = (uint8_t)major;
    file.data[8] = (uint8_t)(length & 0xFF);
    file.data[9] = (uint8_t)(length >> 8);
    memcpy(file.data + prefix, header, length);
    if (size > 0) {
        memcpy(file.data + prefix + length, data, size);
    }
    return file;
}

static void float_arrays_survive_writing_and_reading(void **state) {
    (void)state;
    float data[2 * 3 * 4];
    for (size_t i = 0; i < 24; i++) {
        data[i] = (float)i * 0.37F - 3;
    }
    diffcut_diagnostics diag;
    diffcut_features *features;
    diffcut_features *again;
    diffcut_buffer file;
    assert_ok(diffcut_features_create(2, 3, 4, data, &features, &diag), diag);
    assert_ok(diffcut_encode_features_npy(features, &file, &diag), diag);
    assert_int_equal((file.size - sizeof data) % 64, 0);
    assert_ok(diffcut_decode_features_npy(file.data, file.size, "f.npy", &again, &diag), diag);
    assert_int_equal(diffcut_features_height(again), 2);
    assert_int_equal(diffcut_features_width(again), 3);
    assert_int_equal(diffcut_features_channels(again), 4);
    assert_memory_equal(diffcut_features_data(again), data, sizeof data);
    diffcut_features_free(features);
    diffcut_features_free(again);
    diffcut_buffer_free(&file);
}

static void the_writers_header_is_numpys_own(void **state) {
    (void)state;
    static const char wanted[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }";
    const size_t shape[1] = {3};
    const float data[3] = {1, 2, 3};
    diffcut_buffer file;
    diffcut_diagnostics diag;
    assert_ok(diffcut_encode_npy(data, shape, 1, &file, &diag), diag);
    assert_int_equal(file.size, 128 + sizeof data);
    assert_memory_equal(file.data, "\x93NUMPY\x01\x00\x76\x00", 10);
    assert_memory_equal(file.data + 10, wanted, sizeof wanted - 1);
    assert_int_equal(file.data[127], '\n');
    diffcut_buffer_free(&file);
}

static void every_rank_is_written_and_parsed(void **state) {
    (void)state;
    const size_t shape[8] = {1, 2, 1, 3, 1, 2, 1, 2};
    float data[24] = {0};
    for (size_t rank = 1; rank <= 8; rank++) {
        diffcut_buffer file;
        diffcut_diagnostics diag;
        npy_array array;
        assert_ok(diffcut_encode_npy(data, shape, rank, &file, &diag), diag);
        assert_int_equal(npy_parse(file.data, file.size, &array, &diag), DIFFCUT_OK);
        assert_int_equal(array.rank, rank);
        assert_memory_equal(array.shape, shape, rank * sizeof shape[0]);
        diffcut_buffer_free(&file);
    }
    diffcut_buffer file;
    diffcut_diagnostics diag;
    const size_t huge[2] = {SIZE_MAX, 2};
    const size_t none[2] = {0, 2};
    assert_fails(diffcut_encode_npy(data, shape, 0, &file, &diag), diag, DIFFCUT_ERROR_ARGUMENT, "rank 0");
    assert_fails(diffcut_encode_npy(data, shape, 9, &file, &diag), diag, DIFFCUT_ERROR_ARGUMENT, "rank 9");
    assert_fails(diffcut_encode_npy(data, huge, 2, &file, &diag), diag, DIFFCUT_ERROR_ARGUMENT, "overflow");
    assert_fails(diffcut_encode_npy(NULL, shape, 2, &file, &diag), diag, DIFFCUT_ERROR_ARGUMENT, "NULL");
    assert_ok(diffcut_encode_npy(NULL, none, 2, &file, &diag), diag);
    diffcut_buffer_free(&file);
}

/* The same four values in the three types, versions 1 to 3, and the header's allowed spellings. */
static void all_float_types_versions_and_spellings_are_read(void **state) {
    (void)state;
    static const uint16_t f2[4] = {0x3C00, 0xC000, 0x3555, 0x0001}; /* 1, -2, 0.33325195, 2^-24 */
    static const float f4[4] = {1, -2, 0.33325195F, 0x1p-24F};
    static const double f8[4] = {1, -2, 0.333251953125, 0x1p-24};
    static const struct {
        int major;
        const char *header;
        const void *data;
        size_t size;
    } files[] = {
        {1, "{'descr': '<f2', 'fortran_order': False, 'shape': (2, 2, 1), }  \n", f2, sizeof f2},
        {2, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, 1), }\n", f4, sizeof f4},
        {3, "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2, 1), }\n", f8, sizeof f8},
        {1, "{\"shape\":(2,2,1),\"descr\":\"<f4\",\"fortran_order\":False}\n", f4, sizeof f4},
        {1, " { 'fortran_order' : False , 'shape' : ( 4 , 1 , ) , 'descr' : '<f4' , }\n", f4, sizeof f4},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        diffcut_buffer file = make_npy(files[i].major, files[i].header, files[i].data, files[i].size);
        diffcut_features *features;
        diffcut_diagnostics diag;
        assert_ok(diffcut_decode_features_npy(file.data, file.size, "f.npy", &features, &diag), diag);
        assert_int_equal(diffcut_features_height(features), 2);
        assert_int_equal(diffcut_features_width(features), 2);
        assert_int_equal(diffcut_features_channels(features), 1);
        assert_memory_equal(diffcut_features_data(features), f4, sizeof f4);
        diffcut_features_free(features);
        diffcut_buffer_free(&file);
    }
}

#define HEADER(descr, order, shape) "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }\n"

static void other_arrays_are_refused_with_the_reason(void **state) {
    (void)state;
    static const struct {
        const char *header;
        diffcut_status status;
        const char *message;
    } files[] = {
        {HEADER("'<f4'", "True", "(2, 2, 1)"), DIFFCUT_ERROR_UNSUPPORTED, "f.npy: npy: Fortran order"},
        {HEADER("'>f4'", "False", "(2, 2, 1)"), DIFFCUT_ERROR_UNSUPPORTED, "dtype '>f4'"},
        {HEADER("'<i4'", "False", "(2, 2, 1)"), DIFFCUT_ERROR_UNSUPPORTED, "dtype '<i4'"},
        {HEADER("'|O'", "False", "(2, 2, 1)"), DIFFCUT_ERROR_UNSUPPORTED, "dtype '|O'"},
        {HEADER("[('x', '<f4')]", "False", "(4,)"), DIFFCUT_ERROR_UNSUPPORTED, "structured dtype"},
        {HEADER("'<f4'", "False", "(4,)"), DIFFCUT_ERROR_UNSUPPORTED, "1 dimensions"},
        {HEADER("'<f4'", "False", "()"), DIFFCUT_ERROR_FORMAT, "needs 4 bytes, there are 16"},
        {HEADER("'<f4'", "False", "(1, 2, 2, 1)"), DIFFCUT_ERROR_UNSUPPORTED, "4 dimensions"},
        {HEADER("'<f4'", "False", "(2, 2)"), DIFFCUT_ERROR_UNSUPPORTED, "2 tokens, which is no square grid"},
        {HEADER("'<f4'", "False", "(1, 1, 1, 1, 1, 1, 1, 1, 4)"), DIFFCUT_ERROR_UNSUPPORTED, "more than 8"},
        {HEADER("'<f4'", "False", "(2, 2, 2)"), DIFFCUT_ERROR_FORMAT,
         "truncated npy: the shape needs 32 bytes, there are 16"},
        {HEADER("'<f4'", "False", "(1, 2, 1)"), DIFFCUT_ERROR_FORMAT, "malformed npy: the shape needs 8 bytes"},
        {HEADER("'<f4'", "False", "(4294967296, 4294967296, 4)"), DIFFCUT_ERROR_FORMAT, "overflow"},
        {HEADER("'<f4'", "False", "(99999999999999999999, 1, 1)"), DIFFCUT_ERROR_FORMAT, "shape[0] is no size"},
        {HEADER("'<f4'", "False", "(2, -2, 1)"), DIFFCUT_ERROR_FORMAT, "shape[1] is no size"},
        {HEADER("'<f4'", "False", "(2, , 1)"), DIFFCUT_ERROR_FORMAT, "shape[1] is no size"},
        {HEADER("'<f4'", "False", "(4)"), DIFFCUT_ERROR_FORMAT, "no tuple"},
        {HEADER("'<f4'", "False", "(2 2)"), DIFFCUT_ERROR_FORMAT, "no tuple"},
        {HEADER("'<f4'", "False", "[2, 2, 1]"), DIFFCUT_ERROR_FORMAT, "no size"},
        {HEADER("'<f4'", "0", "(2, 2, 1)"), DIFFCUT_ERROR_FORMAT, "fortran_order"},
        {HEADER("<f4", "False", "(2, 2, 1)"), DIFFCUT_ERROR_FORMAT, "descr"},
        {HEADER("'<\\x664'", "False", "(2, 2, 1)"), DIFFCUT_ERROR_FORMAT, "descr"},
        {HEADER("'<f4', 'descr': '<f4'", "False", "(2, 2, 1)"), DIFFCUT_ERROR_FORMAT, "descr stands there twice"},
        {HEADER("'<f4', 'author': 'me'", "False", "(2, 2, 1)"), DIFFCUT_ERROR_FORMAT, "a key other than"},
        {"{'descr': '<f4', 'shape': (2, 2, 1), }\n", DIFFCUT_ERROR_FORMAT, "not a dictionary"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, 1), }", DIFFCUT_ERROR_FORMAT, "newline"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, 1), } x\n", DIFFCUT_ERROR_FORMAT, "newline"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, 1)\n", DIFFCUT_ERROR_FORMAT, "not a dictionary"},
        {"{'descr", DIFFCUT_ERROR_FORMAT, "not a dictionary"},
        {"{}\n", DIFFCUT_ERROR_FORMAT, "not a dictionary"},
        {"", DIFFCUT_ERROR_FORMAT, "not a dictionary"},
    };
    static const float data[4] = {1, 2, 3, 4};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        diffcut_buffer file = make_npy(1, files[i].header, data, sizeof data);
        diffcut_features *features = NULL;
        diffcut_diagnostics diag;
        diffcut_status status = diffcut_decode_features_npy(file.data, file.size, "f.npy", &features, &diag);
        assert_fails(status, diag, files[i].status, files[i].message);
        assert_null(features);
        diffcut_buffer_free(&file);
    }
}

static void an_empty_grid_is_refused(void **state) {
    (void)state;
    static const char *const headers[] = {HEADER("'<f4'", "False", "(0, 2, 1)"),
                                          HEADER("'<f4'", "False", "(2, 2, 0)"), HEADER("'<f4'", "False", "(0, 3)")};
    for (size_t i = 0; i < 3; i++) {
        diffcut_buffer file = make_npy(1, headers[i], NULL, 0);
        diffcut_features *features;
        diffcut_diagnostics diag;
        assert_fails(diffcut_decode_features_npy(file.data, file.size, "f.npy", &features, &diag), diag,
                     DIFFCUT_ERROR_FORMAT, "is no feature grid");
        diffcut_buffer_free(&file);
    }
}

static void every_truncation_and_other_versions_are_refused(void **state) {
    (void)state;
    static const float data[4] = {1, 2, 3, 4};
    diffcut_features *features;
    diffcut_diagnostics diag;
    for (int major = 1; major <= 2; major++) {
        diffcut_buffer file = make_npy(major, HEADER("'<f4'", "False", "(2, 2, 1)"), data, sizeof data);
        for (size_t size = 0; size < file.size; size++) {
            uint8_t *part = mem_array(size, 1);
            assert_non_null(part);
            memcpy(part, file.data, size);
            assert_fails(diffcut_decode_features_npy(part, size, "f.npy", &features, &diag), diag,
                         DIFFCUT_ERROR_FORMAT,
                         size == 0  ? "empty"
                         : size < 6 ? "not an npy file"
                                    : "truncated");
            mem_free(part);
        }
        file.data[6] = 4;
        assert_fails(diffcut_decode_features_npy(file.data, file.size, "f.npy", &features, &diag), diag,
                     DIFFCUT_ERROR_UNSUPPORTED, "npy version 4.0");
        diffcut_buffer_free(&file);
    }
    assert_fails(diffcut_decode_features_npy("\x93NUMPY\x02\0\xFF\xFF\xFF\x7F....", 16, "f.npy", &features, &diag),
                 diag, DIFFCUT_ERROR_LIMIT, "npy header of 2147483647 bytes");
    assert_fails(diffcut_decode_features_npy(NULL, 1, "f.npy", &features, &diag), diag, DIFFCUT_ERROR_ARGUMENT,
                 "NULL");
}

static void nan_and_infinity_are_named_by_token(void **state) {
    (void)state;
    float data[3 * 4 * 5] = {0};
    diffcut_features *features;
    diffcut_diagnostics diag;
    data[(1 * 4 + 2) * 5 + 3] = NAN;
    data[(2 * 4 + 2) * 5 + 3] = INFINITY;
    assert_fails(diffcut_features_create(3, 4, 5, data, &features, &diag), diag, DIFFCUT_ERROR_NUMERIC,
                 "features: NaN at token 6 (row 1, column 2), channel 3");
    data[(1 * 4 + 2) * 5 + 3] = -INFINITY;
    assert_fails(diffcut_features_create(3, 4, 5, data, &features, &diag), diag, DIFFCUT_ERROR_NUMERIC,
                 "features: infinity at token 6 (row 1, column 2), channel 3");
    const double large[1] = {1e300}; /* finite, but not in float32 */
    diffcut_buffer file = make_npy(1, HEADER("'<f8'", "False", "(1, 1, 1)"), large, sizeof large);
    assert_fails(diffcut_decode_features_npy(file.data, file.size, "f.npy", &features, &diag), diag,
                 DIFFCUT_ERROR_NUMERIC, "f.npy: features: infinity at token 0");
    diffcut_buffer_free(&file);
}

static void feature_shapes_are_checked(void **state) {
    (void)state;
    const float data[1] = {0};
    diffcut_features *features;
    diffcut_diagnostics diag;
    assert_fails(diffcut_features_create(0, 1, 1, data, &features, &diag), diag, DIFFCUT_ERROR_ARGUMENT, "0x1x1");
    assert_fails(diffcut_features_create(1, 1, 1, NULL, &features, &diag), diag, DIFFCUT_ERROR_ARGUMENT, "NULL");
    assert_fails(diffcut_features_create(128, 129, 1, data, &features, &diag), diag, DIFFCUT_ERROR_LIMIT,
                 "128x129 is 16512 tokens, over the limit of 16384");
    assert_fails(diffcut_features_create(UINT32_MAX, UINT32_MAX, 1, data, &features, &diag), diag,
                 DIFFCUT_ERROR_LIMIT, "over the limit");
    assert_ok(diffcut_features_create(1, 1, 1, data, &features, &diag), diag);
    diffcut_features_free(features);
    diffcut_features_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(float_arrays_survive_writing_and_reading),
        cmocka_unit_test(the_writers_header_is_numpys_own),
        cmocka_unit_test(every_rank_is_written_and_parsed),
        cmocka_unit_test(all_float_types_versions_and_spellings_are_read),
        cmocka_unit_test(other_arrays_are_refused_with_the_reason),
        cmocka_unit_test(an_empty_grid_is_refused),
        cmocka_unit_test(every_truncation_and_other_versions_are_refused),
        cmocka_unit_test(nan_and_infinity_are_named_by_token),
        cmocka_unit_test(feature_shapes_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

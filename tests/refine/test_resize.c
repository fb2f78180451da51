/* test_resize.c - resampling equals torch's interpolate, with and without antialias, at any size. */
#include "io/resize.h"

#include "refine_fixture.h"

#include <stdio.h>
#include <string.h>

/* Both sides add up in float32, in different orders. */
#define TOLERANCE 1e-6

static float *resized(refine_work *r, const diffcut_image *image, uint32_t width, uint32_t height,
                      diffcut_resample resample) {
    float *out = malloc((size_t)width * height * 3 * sizeof *out);
    assert_non_null(out);
    assert_int_equal(resize_image(&r->w, image, width, height, resample, out), DIFFCUT_OK);
    return out;
}

static void every_size_equals_torch(void **state) {
    (void)state;
    static const uint32_t sizes[][2] = {{17, 23}, {48, 20}, {90, 131}, {40, 56}, {1, 1}, {7, 200}};
    golden *file = golden_open("%s/refine/refine.safetensors", DIFFCUT_TEST_DATA);
    assert_non_null(file);
    diffcut_image image = refine_golden_image(golden_get(file, "image"));
    refine_work r;
    refine_work_init(&r, 2, NULL);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int antialias = 0; antialias < 2; antialias++) {
            const golden_tensor *want =
                golden_get(file, "%s_%ux%u", antialias ? "antialias" : "bilinear", sizes[i][0], sizes[i][1]);
            float *values = golden_floats(want);
            float *got = resized(&r, &image, sizes[i][1], sizes[i][0],
                                 antialias ? DIFFCUT_RESAMPLE_ANTIALIAS : DIFFCUT_RESAMPLE_BILINEAR);
            assert_true(
                golden_close_to(want->name, got, values, want->shape, want->rank, want->count, TOLERANCE, 0.0));
            free(values);
            free(got);
        }
    }
    mem_free(image.rgb);
    golden_close(file);
}

static void its_own_size_is_the_image_itself(void **state) {
    (void)state;
    diffcut_image image = refine_photo(37, 29, 3);
    refine_work r;
    refine_work_init(&r, 1, NULL);
    for (int resample = 0; resample < 2; resample++) {
        float *got = resized(&r, &image, 37, 29, (diffcut_resample)resample);
        for (size_t i = 0; i < 37 * 29 * 3; i++) {
            assert_true(got[i] == (float)image.rgb[i] / 255.0F);
        }
        free(got);
    }
    mem_free(image.rgb);
}

static void thin_images_work(void **state) {
    (void)state;
    static const uint32_t sizes[][2] = {{1, 1}, {1, 5000}, {5000, 1}, {2, 3}};
    refine_work r;
    refine_work_init(&r, 2, NULL);
    for (size_t from = 0; from < 4; from++) {
        diffcut_image image = {sizes[from][0], sizes[from][1], mem_array((size_t)sizes[from][0] * sizes[from][1], 3)};
        assert_non_null(image.rgb);
        memset(image.rgb, 51, (size_t)image.width * image.height * 3);
        for (size_t to = 0; to < 4; to++) {
            for (int resample = 0; resample < 2; resample++) {
                float *got = resized(&r, &image, sizes[to][0], sizes[to][1], (diffcut_resample)resample);
                for (size_t i = 0; i < (size_t)sizes[to][0] * sizes[to][1] * 3; i++) {
                    assert_float_equal(got[i], 0.2F, 1e-6F); /* 51 / 255 */
                }
                free(got);
            }
        }
        mem_free(image.rgb);
    }
}

static void the_thread_count_changes_nothing(void **state) {
    (void)state;
    diffcut_image image = refine_photo(301, 211, 9);
    refine_work one, many;
    refine_work_init(&one, 1, NULL);
    refine_work_init(&many, 7, NULL);
    float *a = resized(&one, &image, 150, 333, DIFFCUT_RESAMPLE_ANTIALIAS);
    float *b = resized(&many, &image, 150, 333, DIFFCUT_RESAMPLE_ANTIALIAS);
    assert_memory_equal(a, b, (size_t)150 * 333 * 3 * sizeof *a);
    free(a);
    free(b);
    mem_free(image.rgb);
}

static void bad_arguments_are_named_and_change_nothing(void **state) {
    (void)state;
    diffcut_image image = refine_photo(4, 4, 1);
    diffcut_image none = {0, 4, image.rgb}, hollow = {4, 4, NULL};
    refine_work r;
    refine_work_init(&r, 1, NULL);
    float out[3] = {7.0F, 7.0F, 7.0F};
    assert_int_equal(resize_image(&r.w, &image, 0, 1, DIFFCUT_RESAMPLE_BILINEAR, out), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(resize_image(&r.w, &none, 1, 1, DIFFCUT_RESAMPLE_BILINEAR, out), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(resize_image(&r.w, &hollow, 1, 1, DIFFCUT_RESAMPLE_BILINEAR, out), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(resize_image(&r.w, &image, 1, 1, (diffcut_resample)9, out), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(r.diag.message, "9"));
    assert_true(out[0] == 7.0F && out[2] == 7.0F);
    mem_free(image.rgb);
}

static void failing_memory_is_reported_and_nothing_leaks(void **state) {
    (void)state;
    diffcut_image image = refine_photo(16, 16, 1);
    refine_work r;
    refine_work_init(&r, 2, NULL);
    float out[5 * 5 * 3] = {7.0F};
    diffcut_status status = DIFFCUT_ERROR_MEMORY;
    long allocations = 0;
    for (; status == DIFFCUT_ERROR_MEMORY; allocations++) {
        mem_fail_after(allocations);
        status = resize_image(&r.w, &image, 5, 5, DIFFCUT_RESAMPLE_ANTIALIAS, out);
        mem_fail_after(-1);
        assert_true(status == DIFFCUT_OK || (out[0] == 7.0F && r.diag.message[0] != '\0'));
    }
    assert_int_equal(status, DIFFCUT_OK);
    assert_true(allocations > 5);
    mem_free(image.rgb);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_equals_torch),
        cmocka_unit_test(its_own_size_is_the_image_itself),
        cmocka_unit_test(thin_images_work),
        cmocka_unit_test(the_thread_count_changes_nothing),
        cmocka_unit_test(bad_arguments_are_named_and_change_nothing),
        cmocka_unit_test(failing_memory_is_reported_and_nothing_leaks),
    };
    return cmocka_run_group_tests_name("resize", tests, NULL, NULL);
}

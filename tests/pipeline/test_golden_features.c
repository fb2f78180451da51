/*
 * test_golden_features.c - every golden pipeline from its pictures to the hook's output through the public interface,
 * sizes that halve to odd grids among them. Tolerance: the golden files' own, max |error| / rms <= 2e-4.
 */
#include "diffcut/diffcut.h"
#include "golden.h"
#include "test.h"

#include <math.h>
#include <stdio.h>

#define MODELS DIFFCUT_SHARED_DIR "/golden/models/"

static diffcut_image read_picture(const char *name, char picture) {
    char path[1024];
    diffcut_buffer file = {0};
    diffcut_image image = {0};
    (void)snprintf(path, sizeof path, MODELS "%s/%c.png", name, picture);
    assert_int_equal(diffcut_read_file(path, 0, &file, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_decode_image(file.data, file.size, path, NULL, &image, NULL), DIFFCUT_OK);
    diffcut_buffer_free(&file);
    return image;
}

/* The golden features are (1, tokens, channels). */
static void compare(const char *name, char picture, const diffcut_features *features, const golden_tensor *tensor) {
    size_t channels = diffcut_features_channels(features);
    const size_t shape[3] = {diffcut_features_height(features), diffcut_features_width(features), channels};
    char what[64];
    assert_int_equal(tensor->count, shape[0] * shape[1] * channels);
    float *want = golden_floats(tensor);
    double squares = 0.0;
    for (size_t i = 0; i < tensor->count; i++) {
        squares += (double)want[i] * (double)want[i];
    }
    (void)snprintf(what, sizeof what, "%s %c.features", name, picture);
    bool close = golden_close_to(what, diffcut_features_data(features), want, shape, 3, tensor->count,
                                 2e-4 * sqrt(squares / (double)tensor->count), 0.0);
    free(want);
    assert_true(close);
}

static void check_model(const char *name) {
    char path[1024];
    diffcut_diagnostics diag;
    diffcut_model *model = NULL;
    diffcut_session *session = NULL;
    (void)snprintf(path, sizeof path, MODELS "%s", name);
    golden *file = golden_open("%s/golden.safetensors", path);
    assert_non_null(file);
    if (diffcut_model_open(path, NULL, &model, &diag) != DIFFCUT_OK ||
        diffcut_session_open(model, NULL, &session, &diag) != DIFFCUT_OK) {
        fail_msg("%s: %s", name, diag.message);
    }
    diffcut_settings settings;
    diffcut_settings_init(&settings, model);
    settings.size_mode = DIFFCUT_SIZE_NATIVE;
    settings.timesteps[0] = 50; /* of the golden files, whatever the model's own */
    for (char picture = 'a'; picture <= 'c'; picture++) {
        diffcut_image image = read_picture(name, picture);
        diffcut_features *features = NULL;
        if (diffcut_features_compute(session, &image, &settings, &features) != DIFFCUT_OK) {
            fail_msg("%s %c: %s", name, picture, diffcut_session_message(session));
        }
        compare(name, picture, features, golden_get(file, "%c.features", picture));
        diffcut_features_free(features);
        diffcut_image_free(&image);
    }
    diffcut_session_close(session);
    diffcut_model_release(model);
    golden_close(file);
}

static void every_pipeline_goes_from_pixels_to_the_hook(void **state) {
    (void)state;
    static const char *const names[] = {"tiny-pixel", "tiny-sd1", "tiny-sd2", "tiny-ssd1b", "tiny-vega"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        check_model(names[i]);
    }
}

int main(void) {
    if (!golden_shared_present()) {
        printf("the golden folder is not there: skipped\n");
        return TEST_SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pipeline_goes_from_pixels_to_the_hook),
    };
    return cmocka_run_group_tests_name("golden features", tests, NULL, NULL);
}

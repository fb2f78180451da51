/*
 * test_encoders.c - image encoders behind the public interface: as models whose features every step takes, and as
 * CLIPs whose images, segments and positions lie in one space.
 */
#include "test.h"

#include "../golden.h"
#include "core/memory.h"
#include "diffcut/diffcut.h"
#include "photo.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define ENCODERS DIFFCUT_TEST_DATA "/encoders/"

typedef struct opened {
    diffcut_model *model;
    diffcut_session *session;
    diffcut_settings settings;
    diffcut_encoder_info info;
} opened;

static opened open_encoder(const char *name) {
    opened o = {.model = NULL};
    char path[1024];
    diffcut_diagnostics diag = {.message = ""};
    (void)snprintf(path, sizeof path, ENCODERS "%s", name);
    if (diffcut_model_open(path, NULL, &o.model, &diag) != DIFFCUT_OK ||
        diffcut_session_open(o.model, NULL, &o.session, &diag) != DIFFCUT_OK) {
        fail_msg("%s: %s", name, diag.message);
    }
    diffcut_settings_init(&o.settings, o.model);
    assert_true(diffcut_model_get_encoder_info(o.model, &o.info));
    return o;
}

static void close_encoder(opened *o) {
    diffcut_session_close(o->session);
    diffcut_model_release(o->model);
}

/* The golden picture of a letter. */
static diffcut_image golden_picture(const golden *file, char letter) {
    diffcut_image image;
    diffcut_diagnostics diag;
    const golden_tensor *t = golden_get(file, "%c.image_u8", letter);
    assert_int_equal(diffcut_image_create((uint32_t)t->shape[1], (uint32_t)t->shape[0], t->data, &image, &diag),
                     DIFFCUT_OK);
    return image;
}

static void assert_ok(const opened *o, diffcut_status status) {
    if (status != DIFFCUT_OK) {
        fail_msg("%s", diffcut_session_message(o->session));
    }
}

static double rms_of(const float *values, size_t count) {
    double squares = 0.0;
    for (size_t i = 0; i < count; i++) {
        squares += (double)values[i] * (double)values[i];
    }
    return sqrt(squares / (double)count);
}

/* ------------------------------------------------------------------------------------------------- features */

static void test_features_are_the_last_layers_patch_tokens(void **state) {
    static const char *const names[] = {"dinov2", "registers", "vit", "clip-vision", "siglip-vision", "clip"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        opened o = open_encoder(names[i]);
        golden *file = golden_open(ENCODERS "%s/golden.safetensors", names[i]);
        assert_non_null(file);
        diffcut_image image = golden_picture(file, 'b');
        diffcut_features *features = NULL;
        o.settings.size_mode = DIFFCUT_SIZE_NATIVE;
        assert_ok(&o, diffcut_features_compute(o.session, &image, &o.settings, &features));
        const golden_tensor *want = golden_get(file, "b.patch_tokens");
        float *values = golden_floats(want);
        assert_int_equal(diffcut_features_height(features), image.height / o.info.stride);
        assert_int_equal(diffcut_features_width(features), image.width / o.info.stride);
        assert_int_equal(diffcut_features_channels(features), o.info.channels);
        assert_true(golden_close_to(names[i], diffcut_features_data(features), values, NULL, 0, want->count,
                                    5e-5 * rms_of(values, want->count), 0.0));
        free(values);
        diffcut_features_free(features);
        diffcut_image_free(&image);
        golden_close(file);
        close_encoder(&o);
    }
}

static void test_a_photo_goes_in_at_the_trained_size_rounded_to_patches(void **state) {
    (void)state;
    opened o = open_encoder("dinov2");
    diffcut_image photo = photo_regions(300, 200);
    diffcut_features *features = NULL;
    diffcut_model_info info;
    diffcut_model_get_info(o.model, &info);
    assert_string_equal(info.family, "dinov2");
    assert_int_equal(info.size, 70);
    assert_int_equal(info.multiple, 14);
    assert_int_equal(info.feature_stride, 14);
    assert_true(info.alpha == 10.0 && info.tau == 0.5); /* the paper's */
    assert_ok(&o, diffcut_features_compute(o.session, &photo, &o.settings, &features));
    assert_int_equal(diffcut_features_width(features), 5);
    assert_int_equal(diffcut_features_height(features), 3);
    diffcut_features_free(features);
    diffcut_image_free(&photo);
    close_encoder(&o);
}

static void test_every_step_works_on_an_encoder(void **state) {
    static const char *const names[] = {"dinov2", "convnext"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        opened o = open_encoder(names[i]);
        diffcut_image photo = photo_regions(320, 256);
        diffcut_labels labels = {0};
        uint64_t bytes = 0;
        diffcut_features_part *parts = NULL;
        size_t count = 0;
        const diffcut_image *both[2] = {&photo, &photo};
        diffcut_features *batch[2] = {NULL};
        o.settings.size = 320;
        assert_ok(&o, diffcut_segment(o.session, &photo, &o.settings, &labels));
        assert_int_equal(labels.width, 320);
        assert_ok(&o, diffcut_session_plan(o.session, &photo, &o.settings, &bytes));
        assert_true(bytes > 0);
        assert_ok(&o, diffcut_features_compute_parts(o.session, &photo, &o.settings, &parts, &count));
        assert_int_equal(count, 1);
        assert_string_equal(parts[0].name, "last_hidden_state");
        assert_ok(&o, diffcut_features_compute_batch(o.session, both, 2, &o.settings, batch));
        assert_memory_equal(diffcut_features_data(batch[0]), diffcut_features_data(batch[1]),
                            diffcut_features_channels(batch[0]) * sizeof(float));
        diffcut_features_free(batch[0]);
        diffcut_features_free(batch[1]);
        diffcut_features_parts_free(parts, count);
        diffcut_labels_free(&labels);
        diffcut_image_free(&photo);
        close_encoder(&o);
    }
}

static void test_hooks_are_the_tokens_and_of_a_vit_the_keys(void **state) {
    (void)state;
    opened o = open_encoder("dinov2");
    opened trunk = open_encoder("convnext");
    diffcut_image photo = photo_regions(70, 70);
    diffcut_features *tokens = NULL;
    diffcut_features *keys = NULL;
    diffcut_hook_info hook;
    assert_true(diffcut_model_hook(o.model, 0, &hook));
    assert_string_equal(hook.name, "keys");
    assert_true(diffcut_model_hook(o.model, 1, &hook));
    assert_string_equal(hook.name, "last_hidden_state");
    assert_false(diffcut_model_hook(o.model, 2, &hook));
    assert_true(diffcut_model_hook(trunk.model, 0, &hook));
    assert_string_equal(hook.name, "last_hidden_state");
    assert_false(diffcut_model_hook(trunk.model, 1, &hook));
    assert_ok(&o, diffcut_features_compute(o.session, &photo, &o.settings, &tokens));
    o.settings.hook = "keys";
    assert_ok(&o, diffcut_features_compute(o.session, &photo, &o.settings, &keys));
    assert_memory_not_equal(diffcut_features_data(tokens), diffcut_features_data(keys), 32 * sizeof(float));
    trunk.settings.hook = "keys";
    assert_int_equal(diffcut_features_compute(trunk.session, &photo, &trunk.settings, &tokens),
                     DIFFCUT_ERROR_ARGUMENT);
    o.settings.hook = "down_blocks.2";
    assert_int_equal(diffcut_features_compute(o.session, &photo, &o.settings, &tokens), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(diffcut_session_message(o.session), "\"last_hidden_state\" and \"keys\""));
    diffcut_features_free(tokens);
    diffcut_features_free(keys);
    diffcut_image_free(&photo);
    close_encoder(&o);
    close_encoder(&trunk);
}

static void refuse_setting(opened *o, const diffcut_settings *settings, const char *name) {
    diffcut_image photo = photo_constant(70, 70, 9);
    diffcut_features *features = NULL;
    assert_int_equal(diffcut_features_compute(o->session, &photo, settings, &features), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(diffcut_session_message(o->session), name));
    assert_non_null(strstr(diffcut_session_message(o->session), "is an image encoder (dinov2)"));
    assert_null(features);
    diffcut_image_free(&photo);
}

static void test_what_only_a_diffusion_model_has_is_refused_by_name(void **state) {
    (void)state;
    opened o = open_encoder("dinov2");
    diffcut_settings s = o.settings;
    s.timesteps[0] = 50;
    refuse_setting(&o, &s, "timesteps");
    s = o.settings;
    s.noise = DIFFCUT_NOISE_CUDA;
    refuse_setting(&o, &s, "noise");
    s = o.settings;
    s.seed = 7;
    refuse_setting(&o, &s, "seed");
    s = o.settings;
    s.average = 2;
    refuse_setting(&o, &s, "average");
    s = o.settings;
    s.prompt = "a cat";
    refuse_setting(&o, &s, "prompt");
    s = o.settings;
    s.tile = 512;
    refuse_setting(&o, &s, "tile");
    diffcut_image photo = photo_constant(70, 70, 9);
    diffcut_buffer context = {0};
    diffcut_labels labels = {0};
    diffcut_diffseg_settings diffseg;
    diffcut_diffseg_settings_init(&diffseg);
    assert_int_equal(diffcut_context_save(o.session, "", &context), DIFFCUT_ERROR_UNSUPPORTED);
    assert_non_null(strstr(diffcut_session_message(o.session), "image encoder"));
    assert_int_equal(diffcut_diffseg(o.session, &photo, &o.settings, &diffseg, &labels), DIFFCUT_ERROR_UNSUPPORTED);
    diffcut_image_free(&photo);
    close_encoder(&o);
}

static void test_fingerprints_tell_encoders_apart(void **state) {
    (void)state;
    opened a = open_encoder("dinov2");
    opened b = open_encoder("registers");
    char first[DIFFCUT_FINGERPRINT_SIZE];
    char again[DIFFCUT_FINGERPRINT_SIZE];
    char other[DIFFCUT_FINGERPRINT_SIZE];
    diffcut_diagnostics diag;
    assert_int_equal(diffcut_model_fingerprint(a.model, first, &diag), DIFFCUT_OK);
    assert_int_equal(diffcut_model_fingerprint(a.model, again, &diag), DIFFCUT_OK);
    assert_int_equal(diffcut_model_fingerprint(b.model, other, &diag), DIFFCUT_OK);
    assert_string_equal(first, again);
    assert_string_not_equal(first, other);
    close_encoder(&a);
    close_encoder(&b);
}

/* ------------------------------------------------------------------------------------------------- one space */

static diffcut_encoder_settings native(void) {
    diffcut_encoder_settings settings;
    diffcut_encoder_settings_init(&settings, NULL);
    settings.size_mode = DIFFCUT_SIZE_NATIVE;
    return settings;
}

static void assert_near(const float *a, const float *b, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!(fabsf(a[i] - b[i]) < 1e-5F)) {
            fail_msg("channel %zu: %.9g and %.9g", i, (double)a[i], (double)b[i]);
        }
    }
}

static void test_an_images_embedding_equals_open_clips(void **state) {
    (void)state;
    opened o = open_encoder("convnext");
    golden *file = golden_open(ENCODERS "convnext/golden.safetensors");
    for (char letter = 'a'; letter <= 'b'; letter++) {
        diffcut_image image = golden_picture(file, letter);
        const diffcut_encoder_settings settings = native();
        float out[24];
        assert_int_equal(o.info.embedding, 24);
        assert_ok(&o, diffcut_image_embed(o.session, &image, &settings, out));
        float *want = golden_floats(golden_get(file, "%c.image_embedding_unit", letter));
        assert_near(out, want, 24);
        free(want);
        diffcut_image_free(&image);
    }
    golden_close(file);
    close_encoder(&o);
}

/* A segment that is all of the image is the image, of a trunk whose pooling is the mean. */
static void test_one_segment_of_everything_is_the_image_itself(void **state) {
    (void)state;
    opened o = open_encoder("convnext");
    diffcut_image photo = photo_regions(160, 96);
    diffcut_labels labels = {0};
    const diffcut_encoder_settings settings = native();
    diffcut_diagnostics diag;
    float whole[24];
    float segment[24];
    assert_int_equal(diffcut_labels_create(77, 31, NULL, &labels, &diag), DIFFCUT_OK); /* stretched over the image */
    assert_ok(&o, diffcut_image_embed(o.session, &photo, &settings, whole));
    assert_ok(&o, diffcut_regions_embed(o.session, &photo, &labels, &settings, segment));
    assert_near(whole, segment, 24);
    diffcut_labels_free(&labels);
    diffcut_image_free(&photo);
    close_encoder(&o);
}

/* Segments of one position each are the dense map's positions, brought to length 1; one that does not occur is 0. */
static void test_segments_of_one_position_are_the_dense_map(void **state) {
    static const char *const names[] = {"convnext", "clip", "open-clip-vit"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        opened o = open_encoder(names[i]);
        const uint32_t w = 5, h = 3, scale = 4;
        diffcut_image photo = photo_regions(w * o.info.stride, h * o.info.stride);
        const diffcut_encoder_settings settings = native();
        diffcut_features *dense = NULL;
        diffcut_labels labels = {0};
        diffcut_diagnostics diag;
        uint32_t cells[5 * 4 * 3 * 4];
        for (uint32_t k = 0; k < w * scale * h * scale; k++) {
            cells[k] = k / (w * scale) / scale * w + k % (w * scale) / scale;
        }
        assert_int_equal(diffcut_labels_create(w * scale, h * scale, cells, &labels, &diag), DIFFCUT_OK);
        labels.count++; /* a label that does not occur */
        float *out = mem_array(labels.count, o.info.embedding * sizeof *out);
        assert_non_null(out);
        assert_ok(&o, diffcut_dense_embed(o.session, &photo, &settings, &dense));
        assert_ok(&o, diffcut_regions_embed(o.session, &photo, &labels, &settings, out));
        assert_int_equal(diffcut_features_width(dense), w);
        assert_int_equal(diffcut_features_channels(dense), o.info.embedding);
        for (uint32_t cell = 0; cell < w * h; cell++) {
            float want[24];
            const float *raw = diffcut_features_data(dense) + cell * o.info.embedding;
            double length = rms_of(raw, o.info.embedding) * sqrt(o.info.embedding);
            for (uint32_t c = 0; c < o.info.embedding; c++) {
                want[c] = (float)((double)raw[c] / length);
            }
            assert_near(out + cell * o.info.embedding, want, o.info.embedding);
        }
        for (uint32_t c = 0; c < o.info.embedding; c++) {
            assert_true(out[w * h * o.info.embedding + c] == 0.0F);
        }
        mem_free(out);
        diffcut_features_free(dense);
        diffcut_labels_free(&labels);
        diffcut_image_free(&photo);
        close_encoder(&o);
    }
}

static void test_pixels_as_they_are_give_another_embedding(void **state) {
    (void)state;
    opened o = open_encoder("convnext");
    diffcut_image photo = photo_regions(96, 96);
    diffcut_encoder_settings settings = native();
    float with[24];
    float without[24];
    assert_ok(&o, diffcut_image_embed(o.session, &photo, &settings, with));
    settings.normalize = false;
    assert_ok(&o, diffcut_image_embed(o.session, &photo, &settings, without));
    assert_memory_not_equal(with, without, sizeof with);
    diffcut_image_free(&photo);
    close_encoder(&o);
}

static void test_defaults_are_the_papers_size_of_a_trunk_and_the_trained_one_of_a_vit(void **state) {
    (void)state;
    opened trunk = open_encoder("convnext");
    opened tokens = open_encoder("clip");
    diffcut_encoder_settings settings;
    diffcut_encoder_settings_init(&settings, trunk.model);
    assert_int_equal(settings.size, 1024);
    diffcut_encoder_settings_init(&settings, tokens.model);
    assert_int_equal(settings.size, 32);
    assert_true(settings.normalize);
    assert_int_equal(settings.size_mode, DIFFCUT_SIZE_SQUARE);
    close_encoder(&trunk);
    close_encoder(&tokens);
}

static void test_what_a_model_lacks_is_told(void **state) {
    (void)state;
    opened plain = open_encoder("dinov2");
    opened image_only = open_encoder("convnext");
    opened both = open_encoder("clip");
    diffcut_image photo = photo_constant(32, 32, 9);
    const char *const texts[] = {"a cat"};
    const char *const missing[] = {NULL};
    float out[24] = {7.0F};
    assert_int_equal(plain.info.embedding, 0);
    assert_int_equal(diffcut_image_embed(plain.session, &photo, NULL, out), DIFFCUT_ERROR_UNSUPPORTED);
    assert_non_null(strstr(diffcut_session_message(plain.session), "without a projection"));
    assert_false(image_only.info.has_text);
    assert_int_equal(diffcut_text_embed(image_only.session, texts, 1, out, NULL), DIFFCUT_ERROR_MODEL);
    assert_non_null(strstr(diffcut_session_message(image_only.session), "no text tower"));
    assert_non_null(strstr(diffcut_session_message(image_only.session), "token_embedding.weight"));
    assert_true(both.info.has_text);
    assert_false(both.info.has_tokenizer);
    assert_int_equal(diffcut_text_embed(both.session, texts, 1, out, NULL), DIFFCUT_ERROR_MODEL);
    assert_non_null(strstr(diffcut_session_message(both.session), "vocab.json and merges.txt"));
    assert_int_equal(diffcut_text_embed(both.session, missing, 1, out, NULL), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(diffcut_session_message(both.session), "text 1 is NULL"));
    assert_true(out[0] == 7.0F);
    diffcut_image_free(&photo);
    close_encoder(&plain);
    close_encoder(&image_only);
    close_encoder(&both);
}

static void test_a_wrong_label_map_is_refused(void **state) {
    (void)state;
    opened o = open_encoder("clip");
    diffcut_image photo = photo_constant(32, 32, 9);
    uint32_t data[4] = {0, 1, 2, 3};
    diffcut_labels labels = {.width = 2, .height = 2, .count = 3, .data = data};
    float out[48] = {7.0F};
    assert_int_equal(diffcut_regions_embed(o.session, &photo, &labels, NULL, out), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(diffcut_session_message(o.session), "label 3, and 3 labels"));
    labels.width = 0;
    assert_int_equal(diffcut_regions_embed(o.session, &photo, &labels, NULL, out), DIFFCUT_ERROR_ARGUMENT);
    assert_true(out[0] == 7.0F);
    diffcut_image_free(&photo);
    close_encoder(&o);
}

/* ------------------------------------------------------------------------------------------------- memory */

/* Opens, computes and embeds with the n-th allocation failing. */
static diffcut_status run_with_failure(const char *path, int64_t n, const diffcut_image *photo, bool head) {
    diffcut_model *model = NULL;
    diffcut_session *session = NULL;
    diffcut_features *features = NULL;
    diffcut_diagnostics diag = {.message = ""};
    diffcut_settings settings;
    const diffcut_encoder_settings how = native();
    uint32_t cells[4] = {0, 1, 1, 0};
    const diffcut_labels labels = {.width = 2, .height = 2, .count = 2, .data = cells};
    float out[48];
    const diffcut_session_settings one = {.threads = 1};
    mem_fail_after(n);
    diffcut_status status = diffcut_model_open(path, NULL, &model, &diag);
    if (status == DIFFCUT_OK) {
        status = diffcut_session_open(model, &one, &session, &diag);
    }
    if (status == DIFFCUT_OK) {
        diffcut_settings_init(&settings, model);
        status = diffcut_features_compute(session, photo, &settings, &features);
    }
    if (status == DIFFCUT_OK && head) {
        status = diffcut_regions_embed(session, photo, &labels, &how, out);
    }
    mem_fail_after(-1);
    diffcut_features_free(features);
    diffcut_session_close(session);
    diffcut_model_release(model);
    return status;
}

static void test_every_allocation_may_fail(void **state) {
    static const struct {
        const char *path;
        uint32_t side;
        bool head;
    } cases[] = {{ENCODERS "registers", 56, false}, {ENCODERS "clip", 32, true}, {ENCODERS "convnext", 96, true}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        diffcut_image photo = photo_regions(cases[i].side, cases[i].side);
        diffcut_status status = DIFFCUT_ERROR_MEMORY;
        int64_t n = 0;
        for (; status != DIFFCUT_OK && n < 20000; n++) {
            status = run_with_failure(cases[i].path, n, &photo, cases[i].head);
            assert_true(status == DIFFCUT_OK || status == DIFFCUT_ERROR_MEMORY);
        }
        assert_int_equal(status, DIFFCUT_OK);
        diffcut_image_free(&photo);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_features_are_the_last_layers_patch_tokens),
        cmocka_unit_test(test_a_photo_goes_in_at_the_trained_size_rounded_to_patches),
        cmocka_unit_test(test_every_step_works_on_an_encoder),
        cmocka_unit_test(test_hooks_are_the_tokens_and_of_a_vit_the_keys),
        cmocka_unit_test(test_what_only_a_diffusion_model_has_is_refused_by_name),
        cmocka_unit_test(test_fingerprints_tell_encoders_apart),
        cmocka_unit_test(test_an_images_embedding_equals_open_clips),
        cmocka_unit_test(test_one_segment_of_everything_is_the_image_itself),
        cmocka_unit_test(test_segments_of_one_position_are_the_dense_map),
        cmocka_unit_test(test_pixels_as_they_are_give_another_embedding),
        cmocka_unit_test(test_defaults_are_the_papers_size_of_a_trunk_and_the_trained_one_of_a_vit),
        cmocka_unit_test(test_what_a_model_lacks_is_told),
        cmocka_unit_test(test_a_wrong_label_map_is_refused),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

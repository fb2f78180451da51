/*
 * test_encode.c - features of a picture through the whole path: first stage, noise, network, hook; and what can go
 * wrong on it. Uses the embedded model and its golden run, and tests/data/tiny-pixel.
 */
#include "test.h"

#include "core/memory.h"
#include "golden.h"
#include "model/model.h"
#include "nn/encode.h"
#include "nn/first_stage.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define TINY DIFFCUT_TEST_DATA "/tiny-pixel"
#define EMBEDDED DIFFCUT_SOURCE_DIR "/models/diffcut-tiny"

typedef struct setup {
    diffcut_model *model;
    backend_stream *stream;
    diffcut_diagnostics diag;
    work w;
} setup;

static void open_setup(setup *s, const char *path, const char *backend_name, uint32_t threads) {
    const diffcut_model_settings settings = {.backend = backend_name};
    memset(s, 0, sizeof *s);
    s->w = (work){.threads = threads, .diag = &s->diag};
    if (diffcut_model_open(path, &settings, &s->model, &s->diag) != DIFFCUT_OK ||
        s->model->backend->ops->stream_create(s->model->backend, threads, &s->stream, &s->diag) != DIFFCUT_OK) {
        fail_msg("%s", s->diag.message);
    }
}

static void close_setup(setup *s) {
    s->model->backend->ops->stream_destroy(s->stream);
    diffcut_model_release(s->model);
}

/* The settings of one encoding; valid until the calling thread asks again. */
static const diffcut_settings *test_settings(int32_t timestep, const char *hook) {
    static _Thread_local diffcut_settings settings;
    diffcut_settings_init(&settings, NULL);
    settings.timesteps[0] = timestep;
    settings.hook = hook;
    return &settings;
}

/* A picture with every colour in it. */
static float *make_picture(uint32_t h, uint32_t w) {
    float *image = mem_array((size_t)h * w * 3, sizeof *image);
    assert_non_null(image);
    for (uint32_t i = 0; i < h * w * 3; i++) {
        image[i] = (float)(i * 37 % 256) / 255.0F;
    }
    return image;
}

static diffcut_status encode(setup *s, uint32_t h, uint32_t w, const char *hook, unet_features *out) {
    float *image = make_picture(h, w);
    diffcut_status status = encode_features(s->model, s->stream, &s->w, image, h, w, test_settings(20, hook),
                                            &out->data, &out->h, &out->w, &out->c);
    mem_free(image);
    return status;
}

static void test_the_embedded_model_equals_its_golden_run(void **state) {
    (void)state;
    size_t count;
    const backend_ops *const *backends = backend_list(&count);
    for (size_t b = 0; b < count; b++) {
        setup s;
        safetensors *golden = NULL;
        open_setup(&s, EMBEDDED, backends[b]->name, 2);
        assert_int_equal(safetensors_open(EMBEDDED, "golden.safetensors", &golden, &s.diag), DIFFCUT_OK);
        const safetensors_tensor *bytes = safetensors_find(golden, "image_u8");
        assert_non_null(bytes);
        uint32_t h = (uint32_t)bytes->shape[0];
        uint32_t w = (uint32_t)bytes->shape[1];
        float *image = make_picture(h, w);
        for (size_t i = 0; i < bytes->elements; i++) {
            image[i] = (float)((const uint8_t *)bytes->data)[i] / 255.0F;
        }
        unet_features f;
        diffcut_model_info info;
        diffcut_model_get_info(s.model, &info);
        if (encode_features(s.model, s.stream, &s.w, image, h, w, test_settings(info.timestep, NULL), &f.data, &f.h,
                            &f.w, &f.c) != DIFFCUT_OK) {
            fail_msg("%s", s.diag.message);
        }
        assert_int_equal(f.h * info.feature_stride, h);
        assert_int_equal(f.c, info.feature_channels);
        double error;
        bool equal = golden_compare(golden, "features", f.data, f.h, f.w, f.c, 2e-4, &error);
        printf("  backend %s: %.2g rms\n", backends[b]->name, error);
        mem_free(f.data);
        mem_free(image);
        safetensors_close(golden);
        close_setup(&s);
        assert_true(equal);
    }
}

static void test_any_module_can_be_the_hook_and_stops_the_network(void **state) {
    (void)state;
    static const struct expected {
        const char *hook;
        uint32_t h, c;
    } hooks[] = {
        {"conv_in", 16, 16},
        {"down_blocks.0.resnets.0", 16, 16},
        {"down_blocks.0.downsamplers.0", 8, 16},
        {"down_blocks.1.resnets.0.norm1", 8, 16},
        {"down_blocks.1.resnets.0.conv_shortcut", 8, 32},
        {"down_blocks.1.attentions.0.proj_in", 8, 32},
        {"down_blocks.1.attentions.0.transformer_blocks.1.attn2", 8, 32},
        {"down_blocks.1.attentions.1.transformer_blocks.0.ff", 8, 32},
        {"down_blocks.1.attentions.1.transformer_blocks.0", 8, 32},
        {"down_blocks.1.attentions.1", 8, 32},
    };
    setup s;
    open_setup(&s, TINY, "ref", 1);
    for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++) {
        unet_features f;
        if (encode(&s, 32, 32, hooks[i].hook, &f) != DIFFCUT_OK) {
            fail_msg("%s: %s", hooks[i].hook, s.diag.message);
        }
        assert_int_equal(f.h, hooks[i].h);
        assert_int_equal(f.w, hooks[i].h);
        assert_int_equal(f.c, hooks[i].c);
        mem_free(f.data);
    }
    close_setup(&s);
}

static void test_a_wrong_hook_lists_the_nearest(void **state) {
    (void)state;
    static const char *const names[] = {"down_blocks.1.attentions.1.transformer_blocks.1.attn3", "", "temb",
                                        "down_blocks.0.resnets.0.conv_shortcut"};
    setup s;
    unet_features f;
    open_setup(&s, TINY, "ref", 1);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(encode(&s, 32, 32, names[i], &f), DIFFCUT_ERROR_ARGUMENT);
        assert_non_null(strstr(s.diag.message, "no hook"));
    }
    assert_int_equal(encode(&s, 32, 32, names[0], &f), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(s.diag.message, "down_blocks.1.attentions.1.transformer_blocks.1.attn1"));
    assert_non_null(strstr(s.diag.message, "down_blocks.1.attentions.1.transformer_blocks.1.attn2"));
    char long_name[4096];
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    assert_int_equal(encode(&s, 32, 32, long_name, &f), DIFFCUT_ERROR_ARGUMENT);
    close_setup(&s);
}

/* Counts what is dumped, and remembers that the names needed are there. */
typedef struct dumped {
    size_t modules;
    unsigned seen; /* bits: image, latent, noise, noisy, features */
} dumped;

static void count_dump(void *user, const char *name, const float *data, const size_t *shape, size_t rank) {
    static const char *const names[] = {"image", "latent", "noise", "noisy", "features"};
    dumped *d = user;
    assert_non_null(data);
    assert_int_equal(rank, 3);
    assert_true(shape[0] > 0 && shape[1] > 0 && shape[2] > 0);
    d->modules += strncmp(name, "unet.", 5) == 0 ? 1 : 0;
    for (unsigned i = 0; i < 5; i++) {
        d->seen |= strcmp(name, names[i]) == 0 ? 1U << i : 0U;
    }
}

static void test_a_dump_has_every_stage_and_changes_nothing(void **state) {
    (void)state;
    setup s;
    dumped d = {0};
    unet_features plain;
    unet_features watched;
    open_setup(&s, TINY, "cpu", 2);
    assert_int_equal(encode(&s, 48, 32, NULL, &plain), DIFFCUT_OK);
    s.w.dump = count_dump;
    s.w.dump_user = &d;
    assert_int_equal(encode(&s, 48, 32, NULL, &watched), DIFFCUT_OK);
    assert_int_equal(d.seen, 31);
    assert_true(d.modules > 30);
    assert_memory_equal(plain.data, watched.data, (size_t)plain.h * plain.w * plain.c * sizeof(float));
    mem_free(plain.data);
    mem_free(watched.data);
    close_setup(&s);
}

static void test_the_thread_count_changes_no_bit(void **state) {
    (void)state;
    unet_features results[3];
    for (uint32_t i = 0; i < 3; i++) {
        setup s;
        open_setup(&s, EMBEDDED, NULL, i + 1);
        assert_int_equal(encode(&s, 64, 96, NULL, &results[i]), DIFFCUT_OK);
        close_setup(&s);
    }
    size_t bytes = (size_t)results[0].h * results[0].w * results[0].c * sizeof(float);
    assert_memory_equal(results[0].data, results[1].data, bytes);
    assert_memory_equal(results[0].data, results[2].data, bytes);
    for (size_t i = 0; i < 3; i++) {
        mem_free(results[i].data);
    }
}

static int cancel_half_way(void *user, diffcut_stage stage, double fraction) {
    (void)stage;
    *(double *)user = fraction;
    return fraction >= 0.5;
}

static void test_progress_can_cancel_between_modules(void **state) {
    (void)state;
    setup s;
    double reached = 0.0;
    unet_features f = {.data = NULL};
    open_setup(&s, TINY, "ref", 1);
    s.w.progress = cancel_half_way;
    s.w.progress_user = &reached;
    assert_int_equal(encode(&s, 32, 32, NULL, &f), DIFFCUT_ERROR_CANCELLED);
    assert_null(f.data);
    assert_true(reached >= 0.5 && reached < 0.7);
    close_setup(&s);
}

static void test_what_the_network_cannot_take_is_refused(void **state) {
    (void)state;
    setup s;
    unet_features f;
    open_setup(&s, TINY, "ref", 1);
    assert_int_equal(encode(&s, 33, 32, NULL, &f), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(s.diag.message, "multiples of 2"));
    float *image = make_picture(32, 32);
    assert_int_equal(
        encode_features(s.model, s.stream, &s.w, image, 32, 32, test_settings(1000, NULL), &f.data, &f.h, &f.w, &f.c),
        DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(s.diag.message, "timestep is 1000, expected 0 .. 999"));
    assert_int_equal(
        encode_features(s.model, s.stream, &s.w, image, 32, 32, test_settings(-1, NULL), &f.data, &f.h, &f.w, &f.c),
        DIFFCUT_ERROR_ARGUMENT);
    image[100] = NAN;
    assert_int_equal(
        encode_features(s.model, s.stream, &s.w, image, 32, 32, test_settings(20, NULL), &f.data, &f.h, &f.w, &f.c),
        DIFFCUT_ERROR_NUMERIC);
    assert_non_null(strstr(s.diag.message, "input"));
    mem_free(image);
    close_setup(&s);
}

/* Weights that are finite, whose products are not. */
static void test_infinity_made_by_a_module_is_named(void **state) {
    (void)state;
    setup s;
    open_setup(&s, TINY, "ref", 1);
    float *image = make_picture(32, 32);
    for (size_t i = 0; i < (size_t)32 * 32 * 3; i++) {
        image[i] *= 1.6e38F; /* the largest float is 3.4e38: conv_in sums past it */
    }
    unet_features f;
    assert_int_equal(
        encode_features(s.model, s.stream, &s.w, image, 32, 32, test_settings(20, NULL), &f.data, &f.h, &f.w, &f.c),
        DIFFCUT_ERROR_NUMERIC);
    assert_non_null(strstr(s.diag.message, "first made by unet module conv_in"));
    mem_free(image);
    close_setup(&s);
}

/* One session of many on one model: its own stream, a hook of its own, so that preparation races. */
typedef struct session {
    const diffcut_model *model;
    const char *hook;
    unet_features features;
    diffcut_status status;
} session;

static void *run_session(void *argument) {
    session *self = argument;
    diffcut_diagnostics diag;
    const work w = {.threads = 1, .diag = &diag};
    backend_stream *stream = NULL;
    self->status = self->model->backend->ops->stream_create(self->model->backend, 1, &stream, &diag);
    float *image = make_picture(32, 32);
    if (self->status == DIFFCUT_OK) {
        self->status = encode_features(self->model, stream, &w, image, 32, 32, test_settings(20, self->hook),
                                       &self->features.data, &self->features.h, &self->features.w, &self->features.c);
        self->model->backend->ops->stream_destroy(stream);
    }
    mem_free(image);
    return NULL;
}

static void test_many_sessions_share_a_model(void **state) {
    (void)state;
    enum { SESSIONS = 4 };
    static const char *const hooks[SESSIONS] = {"conv_in", NULL, "down_blocks.1.attentions.1", NULL};
    setup s;
    session sessions[SESSIONS];
    pthread_t threads[SESSIONS];
    open_setup(&s, TINY, "cpu", 1);
    for (size_t i = 0; i < SESSIONS; i++) {
        sessions[i] = (session){.model = s.model, .hook = hooks[i]};
        assert_int_equal(pthread_create(&threads[i], NULL, run_session, &sessions[i]), 0);
    }
    for (size_t i = 0; i < SESSIONS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(sessions[i].status, DIFFCUT_OK);
    }
    const unet_features *f = &sessions[1].features;
    assert_memory_equal(f->data, sessions[3].features.data, (size_t)f->h * f->w * f->c * sizeof(float));
    for (size_t i = 0; i < SESSIONS; i++) {
        mem_free(sessions[i].features.data);
    }
    close_setup(&s);
}

/* Each allocation of opening and encoding fails once; nothing leaks (the sanitizers look) and the last try works. */
static void test_every_failing_allocation_is_reported(void **state) {
    (void)state;
    bool done = false;
    /* Every one of the first, then a stride, since those of the weights and the run are alike. */
    for (long n = 0; !done && n < 100000; n += n < 60 ? 1 : 61) {
        diffcut_model *model = NULL;
        backend_stream *stream = NULL;
        diffcut_diagnostics diag = {.message = ""};
        const work w = {.threads = 1, .diag = &diag};
        unet_features f = {.data = NULL};
        float *image = make_picture(8, 8);
        mem_fail_after(n);
        diffcut_status status = diffcut_model_open(TINY, NULL, &model, &diag);
        if (status == DIFFCUT_OK) {
            status = model->backend->ops->stream_create(model->backend, 1, &stream, &diag);
        }
        if (status == DIFFCUT_OK) {
            status =
                encode_features(model, stream, &w, image, 8, 8, test_settings(20, NULL), &f.data, &f.h, &f.w, &f.c);
        }
        mem_fail_after(-1);
        done = status == DIFFCUT_OK;
        if (!done) {
            assert_int_equal(status, DIFFCUT_ERROR_MEMORY);
            assert_true(diag.message[0] != '\0');
            assert_null(f.data);
        }
        mem_free(f.data);
        mem_free(image);
        if (stream != NULL) {
            model->backend->ops->stream_destroy(stream);
        }
        diffcut_model_release(model);
    }
    assert_true(done);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_embedded_model_equals_its_golden_run),
        cmocka_unit_test(test_any_module_can_be_the_hook_and_stops_the_network),
        cmocka_unit_test(test_a_wrong_hook_lists_the_nearest),
        cmocka_unit_test(test_a_dump_has_every_stage_and_changes_nothing),
        cmocka_unit_test(test_the_thread_count_changes_no_bit),
        cmocka_unit_test(test_progress_can_cancel_between_modules),
        cmocka_unit_test(test_what_the_network_cannot_take_is_refused),
        cmocka_unit_test(test_infinity_made_by_a_module_is_named),
        cmocka_unit_test(test_many_sessions_share_a_model),
        cmocka_unit_test(test_every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

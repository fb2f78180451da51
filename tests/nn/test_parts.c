/*
 * test_parts.c - features of several hooks, timesteps and draws of noise: one pass gives what passes of their own
 * give, in the order promised; the mean over draws is that of successive draws of one generator; queries, keys and
 * values are what their weights make of the normed tokens; parts of different grids meet on the finest. On
 * tests/data/tiny-pixel.
 */
#include "test.h"

#include "core/memory.h"
#include "core/random.h"
#include "io/safetensors.h"
#include "model/model.h"
#include "nn/concatenate.h"
#include "nn/encode.h"
#include "nn/first_stage.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TINY DIFFCUT_TEST_DATA "/tiny-pixel"
#define BLOCK "down_blocks.1.attentions.0.transformer_blocks.0"
#define SIDE 32 /* input pixels */

typedef struct setup {
    diffcut_model *model;
    backend_stream *stream;
    diffcut_diagnostics diag;
    work w;
    float *image;
    diffcut_settings settings;
} setup;

static void open_setup(setup *s, const char *hooks) {
    memset(s, 0, sizeof *s);
    s->w = (work){.threads = 2, .diag = &s->diag};
    if (diffcut_model_open(TINY, NULL, &s->model, &s->diag) != DIFFCUT_OK ||
        s->model->backend->ops->stream_create(s->model->backend, 2, &s->stream, &s->diag) != DIFFCUT_OK) {
        fail_msg("%s", s->diag.message);
    }
    s->image = mem_array(SIDE * SIDE * 3, sizeof *s->image);
    assert_non_null(s->image);
    for (uint32_t i = 0; i < SIDE * SIDE * 3; i++) {
        s->image[i] = (float)(i * 37 % 256) / 255.0F;
    }
    diffcut_settings_init(&s->settings, NULL);
    s->settings.hook = hooks;
}

static void close_setup(setup *s) {
    mem_free(s->image);
    s->model->backend->ops->stream_destroy(s->stream);
    diffcut_model_release(s->model);
}

static void encode(setup *s, unet_features *parts, size_t count) {
    encode_request request;
    if (encode_request_make(s->model, &s->settings, &request, &s->diag) != DIFFCUT_OK) {
        fail_msg("%s", s->diag.message);
    }
    assert_int_equal(request.part_count, count);
    if (encode_parts(s->model, s->stream, &s->w, s->image, SIDE, SIDE, &s->settings, &request, parts) != DIFFCUT_OK) {
        fail_msg("%s", s->diag.message);
    }
}

static void free_parts(unet_features *parts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        mem_free(parts[i].data);
    }
}

static size_t values_of(const unet_features *f) {
    return (size_t)f->h * f->w * f->c;
}

static void assert_same(const unet_features *a, const unet_features *b) {
    assert_int_equal(a->h, b->h);
    assert_int_equal(a->w, b->w);
    assert_int_equal(a->c, b->c);
    assert_memory_equal(a->data, b->data, values_of(a) * sizeof *a->data);
}

static const char *const each_hook[] = {BLOCK ".attn1.to_k", "conv_in", BLOCK ".ff", "down_blocks.1.resnets.0.norm2"};
#define HOOKS (sizeof each_hook / sizeof *each_hook)
#define ALL_HOOKS BLOCK ".attn1.to_k,conv_in," BLOCK ".ff,down_blocks.1.resnets.0.norm2"

static void test_one_pass_gives_what_passes_of_their_own_give(void **state) {
    (void)state;
    static const int32_t timesteps[] = {300, 20};
    setup s;
    unet_features together[2 * HOOKS];
    open_setup(&s, ALL_HOOKS);
    memcpy(s.settings.timesteps, timesteps, sizeof timesteps);
    s.settings.timestep_count = 2;
    encode(&s, together, 2 * HOOKS);
    s.settings.timestep_count = 1;
    for (size_t i = 0; i < 2 * HOOKS; i++) {
        unet_features alone;
        s.settings.timesteps[0] = timesteps[i / HOOKS];
        s.settings.hook = each_hook[i % HOOKS];
        encode(&s, &alone, 1);
        assert_same(&together[i], &alone);
        mem_free(alone.data);
    }
    free_parts(together, 2 * HOOKS);
    close_setup(&s);
}

/* The k-th draw's features, from the stages themselves. */
static void encode_draw(setup *s, const unet_hook *hook, random_stream *stream, unet_features *out) {
    float *latent;
    unet_context *context;
    uint32_t h;
    uint32_t w;
    uint32_t c;
    assert_int_equal(model_prepare(s->model, s->stream, &s->w, hook, NULL, &context), DIFFCUT_OK);
    assert_int_equal(model_prepare_first_stage(s->model, &s->w), DIFFCUT_OK);
    assert_int_equal(first_stage_encode(s->model->first_stage, s->stream, &s->w, s->image, SIDE, SIDE, 0, NULL, NULL,
                                        &latent, &h, &w, &c),
                     DIFFCUT_OK);
    size_t count = (size_t)h * w * c;
    float *noise = mem_array(count, sizeof *noise);
    float *noisy = mem_array(count, sizeof *noisy);
    assert_non_null(noise);
    assert_non_null(noisy);
    random_stream_normal(stream, count, noise);
    assert_int_equal(scheduler_add_noise(&s->model->noise, s->settings.timesteps[0], latent, noise, (size_t)h * w, c,
                                         noisy, &s->diag),
                     DIFFCUT_OK);
    const unet_input input = {
        .noisy = noisy, .n = 1, .h = h, .w = w, .timestep = s->settings.timesteps[0], .context = context};
    assert_int_equal(unet_encode(s->model->network, s->stream, &s->w, &input, hook, 1, NULL, NULL, out), DIFFCUT_OK);
    model_release_context(s->model, context);
    mem_free(noisy);
    mem_free(noise);
    mem_free(latent);
}

static void test_the_mean_is_over_successive_draws_of_one_generator(void **state) {
    (void)state;
    enum { DRAWS = 3 };
    static const diffcut_noise kinds[] = {DIFFCUT_NOISE_CPU, DIFFCUT_NOISE_CUDA};
    setup s;
    open_setup(&s, BLOCK ".attn1");
    for (size_t kind = 0; kind < 2; kind++) {
        unet_features mean;
        unet_features draws[DRAWS];
        encode_request request;
        random_stream stream;
        s.settings.noise = kinds[kind];
        s.settings.seed = 7;
        s.settings.average = DRAWS;
        encode(&s, &mean, 1);
        assert_int_equal(encode_request_make(s.model, &s.settings, &request, &s.diag), DIFFCUT_OK);
        random_stream_init(&stream, kinds[kind], 7);
        for (size_t k = 0; k < DRAWS; k++) {
            encode_draw(&s, &request.hooks[0], &stream, &draws[k]);
        }
        assert_true(memcmp(draws[0].data, draws[1].data, values_of(&mean) * sizeof(float)) != 0);
        for (size_t i = 0; i < values_of(&mean); i++) {
            double sum = (double)draws[0].data[i] + (double)draws[1].data[i] + (double)draws[2].data[i];
            assert_true(mean.data[i] == (float)(sum / DRAWS));
        }
        free_parts(draws, DRAWS);
        mem_free(mean.data);
    }
    close_setup(&s);
}

/* y = (normed x) weight^T, in double: x (positions, c), normed as torch.nn.LayerNorm does. */
static double *norm_and_multiply(const safetensors *file, const char *norm, const char *weight, const double *x,
                                 size_t positions, size_t c) {
    char name[160];
    float *gamma = mem_array(c, sizeof *gamma);
    float *beta = mem_array(c, sizeof *beta);
    float *matrix = mem_array(c * c, sizeof *matrix);
    double *y = mem_array_zero(positions * c, sizeof *y);
    assert_true(gamma != NULL && beta != NULL && matrix != NULL && y != NULL);
    const safetensors_tensor *t;
    (void)snprintf(name, sizeof name, BLOCK ".%s.weight", norm);
    assert_non_null(t = safetensors_find(file, name));
    dtype_to_float(t->type, t->data, c, gamma);
    (void)snprintf(name, sizeof name, BLOCK ".%s.bias", norm);
    assert_non_null(t = safetensors_find(file, name));
    dtype_to_float(t->type, t->data, c, beta);
    (void)snprintf(name, sizeof name, BLOCK ".%s.weight", weight);
    assert_non_null(t = safetensors_find(file, name));
    assert_int_equal(t->elements, c * c);
    dtype_to_float(t->type, t->data, c * c, matrix);
    for (size_t p = 0; p < positions; p++) {
        const double *row = x + p * c;
        double mean = 0.0;
        double variance = 0.0;
        for (size_t i = 0; i < c; i++) {
            mean += row[i] / (double)c;
        }
        for (size_t i = 0; i < c; i++) {
            variance += (row[i] - mean) * (row[i] - mean) / (double)c;
        }
        for (size_t i = 0; i < c; i++) {
            double normed = (row[i] - mean) / sqrt(variance + 1e-5) * (double)gamma[i] + (double)beta[i];
            for (size_t o = 0; o < c; o++) {
                y[p * c + o] += normed * (double)matrix[o * c + i];
            }
        }
    }
    mem_free(matrix);
    mem_free(beta);
    mem_free(gamma);
    return y;
}

static void check_close(const char *what, const unet_features *got, const double *want) {
    double squares = 0.0;
    double worst = 0.0;
    size_t place = 0;
    size_t count = values_of(got);
    for (size_t i = 0; i < count; i++) {
        double difference = fabs((double)got->data[i] - want[i]);
        squares += want[i] * want[i];
        if (!(difference <= worst)) {
            worst = difference;
            place = i;
        }
    }
    double rms = sqrt(squares / (double)count);
    if (!(rms > 0.0 && worst / rms <= 2e-4)) { /* the golden files' tolerance for modules of the network */
        fail_msg("%s: error %g rms at position %zu, channel %zu: %.9g, expected %.9g", what, worst / rms,
                 place / got->c, place % got->c, (double)got->data[place], want[place]);
    }
}

static void test_queries_keys_and_values_are_the_normed_tokens_times_their_weights(void **state) {
    (void)state;
    enum { HIDDEN, ATTENDED, QUERIES, KEYS, VALUES, CROSS_QUERIES, COUNT };
    setup s;
    unet_features f[COUNT];
    safetensors *file = NULL;
    open_setup(&s, "down.1.attentions.0.proj_in,down.1.attentions.0.blocks.0.attn1," BLOCK ".attn1.to_q," BLOCK
                   ".attn1.to_k," BLOCK ".attn1.to_v,down.1.attentions.0.blocks.0.attn2.to_q");
    assert_int_equal(safetensors_open(TINY "/unet", "diffusion_pytorch_model.safetensors", &file, &s.diag),
                     DIFFCUT_OK);
    encode(&s, f, COUNT);
    size_t positions = (size_t)f[HIDDEN].h * f[HIDDEN].w;
    size_t c = f[HIDDEN].c;
    double *x = mem_array(positions * c, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < positions * c; i++) {
        x[i] = (double)f[HIDDEN].data[i];
    }
    static const char *const weights[] = {"attn1.to_q", "attn1.to_k", "attn1.to_v"};
    for (size_t i = 0; i < 3; i++) {
        double *want = norm_and_multiply(file, "norm1", weights[i], x, positions, c);
        check_close(weights[i], &f[QUERIES + i], want);
        mem_free(want);
    }
    for (size_t i = 0; i < positions * c; i++) { /* the residual */
        x[i] += (double)f[ATTENDED].data[i];
    }
    double *want = norm_and_multiply(file, "norm2", "attn2.to_q", x, positions, c);
    check_close("attn2.to_q", &f[CROSS_QUERIES], want);
    mem_free(want);
    mem_free(x);
    free_parts(f, COUNT);
    safetensors_close(file);
    close_setup(&s);
}

static void test_concatenation_is_by_timestep_then_hook_on_the_finest_grid(void **state) {
    (void)state;
    setup s;
    unet_features parts[4];
    unet_features whole;
    open_setup(&s, "down_blocks.1,conv_in"); /* 8x8 and 16x16 tokens */
    s.settings.timestep_count = 2;
    s.settings.timesteps[1] = 500;
    encode(&s, parts, 4);
    assert_int_equal(encode_features(s.model, s.stream, &s.w, s.image, SIDE, SIDE, &s.settings, &whole.data, &whole.h,
                                     &whole.w, &whole.c),
                     DIFFCUT_OK);
    assert_int_equal(whole.h, 16);
    assert_int_equal(whole.w, 16);
    assert_int_equal(parts[0].h, 8);
    assert_int_equal(whole.c, 2 * (parts[0].c + parts[1].c));
    size_t half = whole.c / 2;
    for (size_t p = 0; p < 256; p++) {
        for (size_t t = 0; t < 2; t++) {
            const float *at = whole.data + p * whole.c + t * half + parts[0].c;
            assert_memory_equal(at, parts[2 * t + 1].data + p * parts[1].c, parts[1].c * sizeof *at);
        }
    }
    free_parts(parts, 4);
    mem_free(whole.data);
    close_setup(&s);
}

/* Twice as fine with half-pixel centres: a quarter and three quarters, the outer values at the edges. */
static void test_coarser_parts_are_upsampled_with_half_pixel_centres(void **state) {
    (void)state;
    float coarse[] = {0.0F, 8.0F};
    float fine[] = {1.0F, 2.0F, 3.0F, 4.0F, 5.0F, 6.0F, 7.0F, 8.0F};
    const unet_features parts[] = {{coarse, 1, 2, 1}, {fine, 2, 4, 1}, {coarse, 2, 1, 1}};
    static const float expected[2][4][3] = {
        {{0.0F, 1.0F, 0.0F}, {2.0F, 2.0F, 0.0F}, {6.0F, 3.0F, 0.0F}, {8.0F, 4.0F, 0.0F}},
        {{0.0F, 5.0F, 8.0F}, {2.0F, 6.0F, 8.0F}, {6.0F, 7.0F, 8.0F}, {8.0F, 8.0F, 8.0F}}};
    unet_features whole;
    diffcut_diagnostics diag;
    assert_int_equal(concatenate_features(parts, 3, &whole, &diag), DIFFCUT_OK);
    assert_int_equal(whole.h, 2);
    assert_int_equal(whole.w, 4);
    assert_int_equal(whole.c, 3);
    assert_memory_equal(whole.data, expected, sizeof expected);
    mem_free(whole.data);
}

static double last_fraction;
static size_t steps_back;

static int watch(void *user, diffcut_stage stage, double fraction) {
    (void)user;
    (void)stage;
    steps_back += fraction < last_fraction ? 1 : 0;
    last_fraction = fraction;
    return 0;
}

static void test_progress_goes_forward_once_over_all_passes(void **state) {
    (void)state;
    setup s;
    unet_features parts[2];
    open_setup(&s, NULL);
    s.w.progress = watch;
    s.settings.timestep_count = 2;
    s.settings.timesteps[1] = 1;
    s.settings.average = 2;
    last_fraction = 0.0;
    steps_back = 0;
    encode(&s, parts, 2);
    assert_int_equal(steps_back, 0);
    assert_true(fabs(last_fraction - 1.0) < 1e-12);
    free_parts(parts, 2);
    close_setup(&s);
}

typedef struct names {
    size_t noise, noisy, conv_in_50, conv_in_9, features;
} names;

static void note_name(void *user, const char *name, const float *data, const size_t *shape, size_t rank) {
    (void)data;
    (void)shape;
    (void)rank;
    names *n = user;
    n->noise += strcmp(name, "noise") == 0 ? 1 : 0;
    n->noisy += strcmp(name, "t9.noisy") == 0 ? 1 : 0;
    n->conv_in_50 += strcmp(name, "t50.unet.conv_in") == 0 ? 1 : 0;
    n->conv_in_9 += strcmp(name, "t9.unet.conv_in") == 0 ? 1 : 0;
    n->features += strcmp(name, "features") == 0 ? 1 : 0;
}

static void test_the_first_draw_is_dumped_and_names_its_timestep(void **state) {
    (void)state;
    setup s;
    names n = {0};
    unet_features whole;
    open_setup(&s, NULL);
    s.w.dump = note_name;
    s.w.dump_user = &n;
    s.settings.timestep_count = 2;
    s.settings.timesteps[1] = 9;
    s.settings.average = 2;
    assert_int_equal(encode_features(s.model, s.stream, &s.w, s.image, SIDE, SIDE, &s.settings, &whole.data, &whole.h,
                                     &whole.w, &whole.c),
                     DIFFCUT_OK);
    assert_int_equal(n.noise, 1);
    assert_int_equal(n.noisy, 1);
    assert_int_equal(n.conv_in_50, 1);
    assert_int_equal(n.conv_in_9, 1);
    assert_int_equal(n.features, 1);
    mem_free(whole.data);
    close_setup(&s);
}

static void test_every_failing_allocation_is_reported(void **state) {
    (void)state;
    setup s;
    unet_features whole = {.data = NULL};
    open_setup(&s, "down_blocks.1,conv_in");
    s.settings.timestep_count = 2;
    s.settings.timesteps[1] = 9;
    s.settings.average = 2;
    bool done = false;
    for (long n = 0; !done && n < 100000; n += n < 300 ? 1 : 17) {
        mem_fail_after(n);
        diffcut_status status = encode_features(s.model, s.stream, &s.w, s.image, SIDE, SIDE, &s.settings,
                                                &whole.data, &whole.h, &whole.w, &whole.c);
        mem_fail_after(-1);
        done = status == DIFFCUT_OK;
        if (!done) {
            assert_int_equal(status, DIFFCUT_ERROR_MEMORY);
            assert_null(whole.data);
        }
    }
    assert_true(done);
    mem_free(whole.data);
    close_setup(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_pass_gives_what_passes_of_their_own_give),
        cmocka_unit_test(test_the_mean_is_over_successive_draws_of_one_generator),
        cmocka_unit_test(test_queries_keys_and_values_are_the_normed_tokens_times_their_weights),
        cmocka_unit_test(test_concatenation_is_by_timestep_then_hook_on_the_finest_grid),
        cmocka_unit_test(test_coarser_parts_are_upsampled_with_half_pixel_centres),
        cmocka_unit_test(test_progress_goes_forward_once_over_all_passes),
        cmocka_unit_test(test_the_first_draw_is_dumped_and_names_its_timestep),
        cmocka_unit_test(test_every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

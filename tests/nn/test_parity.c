/*
 * test_parity.c - the UNet encoder equals diffusers' at every module.
 *
 * For each picture of a golden model folder the golden noisy latent and context go in, and every module's output is
 * compared, in the order of computation, with the golden tensor of its name; the first that differs is named. Also:
 * the latent, the noise mix and the schedule. Arguments: the folder and the tolerance (max |error| / rms, from the
 * golden README: 2e-4, and 1e-3 for the model whose activations are so small that a wrong norm eps shows). A third
 * argument "bf16" runs the backends that have it in bf16; the reference is then left out.
 */
#include "test.h"

#include "core/memory.h"
#include "core/random.h"
#include "golden.h"
#include "model/model.h"
#include "nn/first_stage.h"

#include <stdio.h>
#include <string.h>

#define THREADS 2

static const char *folder;
static double tolerance;
static diffcut_precision precision = DIFFCUT_PRECISION_F32;
static safetensors *golden;

/* What the tap compares with. */
typedef struct comparison {
    char picture;
    size_t compared;
    char first_wrong[UNET_NAME_SIZE];
    double worst;
} comparison;

static diffcut_status compare_module(void *user, const char *module, const float *data, uint32_t h, uint32_t w,
                                     uint32_t c) {
    comparison *with = user;
    char name[UNET_NAME_SIZE + 16];
    (void)snprintf(name, sizeof name, "%c.unet.%s", with->picture, module);
    if (safetensors_find(golden, name) == NULL) {
        return DIFFCUT_OK; /* picture c has key tensors only */
    }
    double error = 0.0;
    with->compared++;
    if (!golden_compare(golden, name, data, h, w, c, tolerance, &error) && with->first_wrong[0] == '\0') {
        (void)snprintf(with->first_wrong, sizeof with->first_wrong, "%s", module);
    }
    with->worst = error > with->worst ? error : with->worst;
    return DIFFCUT_OK;
}

/* How many golden UNet tensors a picture has. */
static size_t golden_modules(char picture) {
    size_t count = 0;
    const char prefix[] = {picture, '.', 'u', 'n', 'e', 't', '.', '\0'};
    for (size_t i = 0; i < safetensors_count(golden); i++) {
        count += strncmp(safetensors_at(golden, i)->name, prefix, strlen(prefix)) == 0 ? 1 : 0;
    }
    return count;
}

static diffcut_model *open_model(const char *backend_name, diffcut_precision products) {
    diffcut_model *model = NULL;
    diffcut_diagnostics diag = {.message = ""};
    const diffcut_model_settings settings = {.backend = backend_name, .precision = products};
    if (diffcut_model_open(folder, &settings, &model, &diag) != DIFFCUT_OK) {
        fail_msg("%s", diag.message);
    }
    return model;
}

static unet_context *open_context(const diffcut_model *model, diffcut_diagnostics *diag) {
    uint32_t tokens;
    uint32_t one;
    uint32_t channels;
    uint32_t pooled_width = 0;
    float *text = golden_load(golden, "context", &tokens, &one, &channels);
    float *pooled = NULL;
    unet_context *context = NULL;
    assert_non_null(text);
    if (unet_get_plan(model->network)->config.added_condition) {
        pooled = golden_load(golden, "pooled", &one, &one, &pooled_width);
        assert_non_null(pooled);
    }
    if (unet_context_create(model->network, text, tokens, channels, pooled, pooled_width, &context, diag) !=
        DIFFCUT_OK) {
        fail_msg("%s", diag->message);
    }
    mem_free(text);
    mem_free(pooled);
    return context;
}

/* The whole encoder, then the model's own hook, on one picture. */
static void check_picture(const diffcut_model *model, backend_stream *stream, const unet_context *context,
                          char picture) {
    diffcut_diagnostics diag = {.message = ""};
    const work w = {.threads = THREADS, .diag = &diag};
    const unet_plan *plan = unet_get_plan(model->network);
    char name[32];
    uint32_t h;
    uint32_t width;
    uint32_t c;
    uint32_t ids;
    (void)snprintf(name, sizeof name, "%c.noisy", picture);
    float *noisy = golden_load(golden, name, &h, &width, &c);
    assert_non_null(noisy);
    assert_int_equal(c, plan->config.in_channels);
    float *time_ids = NULL;
    if (plan->config.added_condition) {
        uint32_t one;
        (void)snprintf(name, sizeof name, "%c.time_ids", picture);
        time_ids = golden_load(golden, name, &one, &one, &ids);
        assert_non_null(time_ids);
    }
    /* The golden files are made at t = 50, whatever the model's own default. */
    const unet_input input = {
        .noisy = noisy, .n = 1, .h = h, .w = width, .timestep = 50, .context = context, .time_ids = time_ids};
    const unet_step *step = &plan->steps[plan->count - 1];
    size_t outputs;
    unet_hook end = {.step = plan->count - 1};
    (void)snprintf(end.name, sizeof end.name, "%s", step->name);
    end.suffix = unet_step_outputs(plan, step, &outputs)[0].suffix;
    comparison with = {.picture = picture};
    unet_features features;
    diffcut_status status =
        unet_encode(model->network, stream, &w, &input, &end, 1, compare_module, &with, &features);
    if (status != DIFFCUT_OK) {
        fail_msg("picture %c: %s", picture, diag.message);
    }
    mem_free(features.data);
    printf("  picture %c: %zu modules, worst %.2g rms\n", picture, with.compared, with.worst);
    if (with.first_wrong[0] != '\0') {
        fail_msg("picture %c: the first module that differs is %s", picture, with.first_wrong);
    }
    assert_int_equal(with.compared, golden_modules(picture));

    status = unet_encode(model->network, stream, &w, &input, &model->hook, 1, NULL, NULL, &features);
    if (status != DIFFCUT_OK) {
        fail_msg("picture %c: %s", picture, diag.message);
    }
    double error;
    (void)snprintf(name, sizeof name, "%c.features", picture);
    bool equal = golden_compare(golden, name, features.data, features.h, features.w, features.c, tolerance, &error);
    mem_free(features.data);
    mem_free(noisy);
    mem_free(time_ids);
    assert_true(equal);
}

static void check_backend(const char *backend_name) {
    diffcut_diagnostics diag = {.message = ""};
    diffcut_model *model = open_model(backend_name, precision);
    backend_stream *stream = NULL;
    assert_int_equal(model->backend->ops->stream_create(model->backend, THREADS, &stream, &diag), DIFFCUT_OK);
    unet_context *context = open_context(model, &diag);
    size_t steps = unet_get_plan(model->network)->count;
    if (unet_prepare(model->network, steps, &diag) != DIFFCUT_OK ||
        unet_context_prepare(context, stream, steps, &diag) != DIFFCUT_OK) {
        fail_msg("%s", diag.message);
    }
    for (char picture = 'a'; picture <= 'c'; picture++) {
        check_picture(model, stream, context, picture);
    }
    unet_context_free(context);
    model->backend->ops->stream_destroy(stream);
    diffcut_model_release(model);
}

static void test_every_module_equals_diffusers_on_every_backend(void **state) {
    (void)state;
    size_t count;
    const backend_ops *const *backends = backend_list(&count);
    for (size_t i = 0; i < count; i++) {
        if (precision == DIFFCUT_PRECISION_BF16 && backends[i] == &backend_ref_ops) {
            continue; /* it refuses */
        }
        printf("  backend %s\n", backends[i]->name);
        check_backend(backends[i]->name);
    }
}

static void test_the_schedule_equals_diffusers(void **state) {
    (void)state;
    if (safetensors_find(golden, "scheduler.alphas_cumprod") == NULL) {
        skip();
    }
    diffcut_model *model = open_model("ref", DIFFCUT_PRECISION_F32);
    double error;
    assert_int_equal(model->noise.steps, 1000);
    /* torch rounds each beta to float32; over 1000 factors that moves the product by less than 2e-6 of its rms. */
    assert_true(
        golden_compare(golden, "scheduler.alphas_cumprod", model->noise.alphas_cumprod, 1, 1, 1000, 2e-6, &error));
    diffcut_model_release(model);
}

/* The golden latent mixed with our noise. */
static void check_noisy(const diffcut_model *model, char picture) {
    diffcut_diagnostics diag = {.message = ""};
    char name[32];
    uint32_t h;
    uint32_t w;
    uint32_t c;
    (void)snprintf(name, sizeof name, "%c.latent", picture);
    float *latent = golden_load(golden, name, &h, &w, &c);
    assert_non_null(latent);
    size_t count = (size_t)h * w * c;
    float *noise = mem_array(count, sizeof *noise);
    float *noisy = mem_array(count, sizeof *noisy);
    assert_non_null(noise);
    assert_non_null(noisy);
    random_normal(42, count, noise);
    assert_int_equal(scheduler_add_noise(&model->noise, 50, latent, noise, (size_t)h * w, c, noisy, &diag),
                     DIFFCUT_OK);
    (void)snprintf(name, sizeof name, "%c.noisy", picture);
    double error;
    bool equal = golden_compare(golden, name, noisy, h, w, c, 1e-5, &error);
    mem_free(noisy);
    mem_free(noise);
    mem_free(latent);
    assert_true(equal);
}

/* The latent from the picture's pixels. */
static void check_latent(const diffcut_model *model, char picture) {
    diffcut_diagnostics diag = {.message = ""};
    const work work_for = {.threads = 1, .diag = &diag};
    char name[32];
    (void)snprintf(name, sizeof name, "%c.image_u8", picture);
    const safetensors_tensor *bytes = safetensors_find(golden, name);
    assert_non_null(bytes);
    float *image = mem_array(bytes->elements, sizeof *image);
    assert_non_null(image);
    for (size_t i = 0; i < bytes->elements; i++) {
        image[i] = (float)((const uint8_t *)bytes->data)[i] / 255.0F;
    }
    backend_stream *stream = NULL;
    assert_int_equal(model->backend->ops->stream_create(model->backend, THREADS, &stream, &diag), DIFFCUT_OK);
    float *latent;
    uint32_t h;
    uint32_t w;
    uint32_t c;
    diffcut_status status = first_stage_prepare(model->first_stage, &diag);
    if (status == DIFFCUT_OK) {
        status = first_stage_encode(model->first_stage, stream, &work_for, image, (uint32_t)bytes->shape[0],
                                    (uint32_t)bytes->shape[1], 0, NULL, NULL, &latent, &h, &w, &c);
    }
    mem_free(image);
    model->backend->ops->stream_destroy(stream);
    if (status != DIFFCUT_OK) {
        fail_msg("picture %c: %s", picture, diag.message);
    }
    /* Pixels are only moved and scaled. */
    bool pixels = first_stage_get_kind(model->first_stage) == FIRST_STAGE_PIXEL_UNSHUFFLE;
    double error;
    (void)snprintf(name, sizeof name, "%c.latent", picture);
    bool equal = golden_compare(golden, name, latent, h, w, c, pixels ? 1e-6 : tolerance, &error);
    mem_free(latent);
    assert_true(equal);
}

static void test_latent_and_noisy_equal_the_golden_ones(void **state) {
    (void)state;
    diffcut_model *model = open_model("cpu", DIFFCUT_PRECISION_F32);
    for (char picture = 'a'; picture <= 'c'; picture++) {
        check_latent(model, picture);
        check_noisy(model, picture);
    }
    diffcut_model_release(model);
}

int main(int argc, char **argv) {
    if (argc < 3 || argc > 4 || (argc == 4 && strcmp(argv[3], "bf16") != 0)) {
        printf("usage: %s FOLDER TOLERANCE [bf16]\n", argv[0]);
        return 1;
    }
    folder = argv[1];
    tolerance = strtod(argv[2], NULL);
    precision = argc == 4 ? DIFFCUT_PRECISION_BF16 : DIFFCUT_PRECISION_F32;
    const int lacking = golden_open(folder, &golden);
    if (lacking != 0) {
        return lacking;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_module_equals_diffusers_on_every_backend),
        cmocka_unit_test(test_the_schedule_equals_diffusers),
        cmocka_unit_test(test_latent_and_noisy_equal_the_golden_ones),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    safetensors_close(golden);
    return failed;
}

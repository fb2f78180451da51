/*
 * test_whole_parity.c - the whole UNet equals diffusers': every module of the middle block and the decoder that the
 * golden file has, its output, and every self-attention map averaged over its heads, in the encoder too. Argument: a
 * golden model folder with golden_full.safetensors.
 */
#include "test.h"

#include "core/memory.h"
#include "golden.h"
#include "model/model.h"
#include "nn/unet_whole.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TIMESTEP 300
/* max |error| / rms, from the golden README: the second where convolutions are Winograd's. */
#define TOLERANCE 2e-4
#define TOLERANCE_WINOGRAD 5e-4

static const char *folder;

typedef struct comparison {
    const safetensors *file;
    double tolerance;
    size_t modules, maps;
    char first_wrong[160];
    double worst;
} comparison;

static void compare(comparison *with, const char *name, const float *data, size_t h, size_t w, size_t c) {
    double error = 0.0;
    if (!golden_compare(with->file, name, data, h, w, c, with->tolerance, &error) && with->first_wrong[0] == '\0') {
        (void)snprintf(with->first_wrong, sizeof with->first_wrong, "%s", name);
    }
    with->worst = error > with->worst ? error : with->worst;
}

static diffcut_status compare_module(void *user, const char *module, const float *data, uint32_t h, uint32_t w,
                                     uint32_t c) {
    comparison *with = user;
    const char *name = strcmp(module, "conv_out") == 0 ? "sample" : module;
    if (safetensors_find(with->file, name) != NULL) {
        compare(with, name, data, h, w, c);
        with->modules++;
    }
    return DIFFCUT_OK;
}

static void compare_map(void *user, layers *l, const unet_attention *seen) {
    comparison *with = user;
    uint32_t tokens = seen->h * seen->w;
    backend_buffer *buffer = NULL;
    char name[160];
    float *map = mem_array((size_t)tokens * tokens, sizeof *map);
    assert_non_null(map);
    layers_take(l, (size_t)tokens * tokens, &buffer);
    tensor whole = {.buffer = buffer, .n = 1, .h = tokens, .w = 1, .c = tokens, .stride = tokens};
    layers_attention_map(l, &seen->q, &seen->k, seen->heads, &whole);
    layers_download(l, &whole, map);
    if (l->status == DIFFCUT_OK) {
        (void)snprintf(name, sizeof name, "attention.%s.attn1", seen->block);
        compare(with, name, map, tokens, 1, tokens);
        with->maps++;
    }
    layers_give_back(l, buffer);
    mem_free(map);
}

/* Of the golden tensors, those under a prefix, but for the outputs of whole up blocks and of a projection before its
 * residual, which the run does not form. */
static size_t golden_count(const safetensors *file, bool maps) {
    size_t count = 0;
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const char *name = safetensors_at(file, i)->name;
        bool map = strncmp(name, "attention.", 10) == 0;
        bool block = strncmp(name, "up_blocks.", 10) == 0 && strchr(name + 10, '.') == NULL;
        count += maps ? map : !map && !block && strstr(name, ".proj_out") == NULL;
    }
    return count;
}

static float *load(const safetensors *file, const char *name, uint32_t *h, uint32_t *w, uint32_t *c) {
    float *data = golden_load(file, name, h, w, c);
    assert_non_null(data);
    return data;
}

static void check_backend(const char *name, const safetensors *golden, const safetensors *full) {
    diffcut_model *model = NULL;
    diffcut_diagnostics diag = {.message = ""};
    const diffcut_model_settings settings = {.backend = name};
    const work w = {.threads = 2, .diag = &diag};
    backend_stream *stream = NULL;
    unet_context *context = NULL;
    uint32_t h, width, c, tokens, one, channels, pooled_width = 0;
    size_t steps;
    if (diffcut_model_open(folder, &settings, &model, &diag) != DIFFCUT_OK) {
        fail_msg("%s", diag.message);
    }
    bool added = unet_get_plan(model->network)->config.added_condition;
    float *latent = load(golden, "a.latent", &h, &width, &c), *time_ids = NULL, *pooled = NULL;
    float *text = load(golden, "context", &tokens, &one, &channels);
    if (added) {
        time_ids = load(golden, "a.time_ids", &one, &one, &pooled_width);
        pooled = load(golden, "pooled", &one, &one, &pooled_width);
    }
    assert_int_equal(model->backend->ops->stream_create(model->backend, 2, &stream, &diag), DIFFCUT_OK);
    assert_int_equal(
        unet_context_create(model->network, text, tokens, channels, pooled, pooled_width, &context, &diag),
        DIFFCUT_OK);
    assert_int_equal(unet_whole_steps(model->network, true, &steps, &diag), DIFFCUT_OK);
    const unet_input input = {
        .noisy = latent, .n = 1, .h = h, .w = width, .timestep = TIMESTEP, .context = context, .time_ids = time_ids};
    comparison with = {.file = full, .tolerance = strcmp(name, "ref") == 0 ? TOLERANCE : TOLERANCE_WINOGRAD};
    assert_int_equal(unet_run_whole(model->network, stream, &w, &input, steps, compare_map, &with, NULL, NULL),
                     DIFFCUT_ERROR_ARGUMENT); /* not prepared */
    diffcut_status status = unet_prepare(model->network, steps, &diag);
    if (status == DIFFCUT_OK) {
        status = unet_context_prepare(context, stream, steps, &diag);
    }
    if (status == DIFFCUT_OK) {
        status = unet_run_whole(model->network, stream, &w, &input, steps, compare_map, &with, compare_module, &with);
    }
    if (status != DIFFCUT_OK) {
        fail_msg("%s", diag.message);
    }
    print_message("  %s: %zu modules, %zu maps, worst %.2g rms\n", name, with.modules, with.maps, with.worst);
    if (with.first_wrong[0] != '\0') {
        fail_msg("the first that differs is %s", with.first_wrong);
    }
    assert_int_equal(with.modules, golden_count(full, false));
    assert_int_equal(with.maps, golden_count(full, true));
    mem_free(pooled);
    mem_free(time_ids);
    mem_free(text);
    mem_free(latent);
    unet_context_free(context);
    model->backend->ops->stream_destroy(stream);
    diffcut_model_release(model);
}

static void the_whole_unet_equals_diffusers(void **state) {
    (void)state;
    safetensors *golden = NULL, *full = NULL;
    diffcut_diagnostics diag;
    assert_int_equal(safetensors_open(folder, "golden.safetensors", &golden, &diag), DIFFCUT_OK);
    assert_int_equal(safetensors_open(folder, "golden_full.safetensors", &full, &diag), DIFFCUT_OK);
    check_backend("ref", golden, full);
    check_backend("cpu", golden, full);
    safetensors_close(full);
    safetensors_close(golden);
}

int main(int argc, char **argv) {
    folder = argc > 1 ? argv[1] : "";
    if (access(folder, R_OK) != 0) {
        return TEST_SKIPPED;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_whole_unet_equals_diffusers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_vae_parity.c - the autoencoders' encoders equal diffusers' at every module, on every backend.
 *
 * For each picture of a golden folder its pixels go in; every module's output that the golden file has is compared,
 * in the order of computation, and the first that differs is named; at last the latent. Arguments: the golden folder,
 * the component's folder, and the tolerance (max |error| / rms, from the golden README: 2e-4; 1e-3 for the model
 * whose activations are so small that a wrong norm eps shows; 5e-5 for AutoencoderTiny).
 */
#include "test.h"

#include "core/memory.h"
#include "golden.h"
#include "vae_fixture.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define THREADS 2
#define MAX_NAME 96

static const char *component;
static double tolerance;
static safetensors *golden;

/* What the tap compares with. */
typedef struct comparison {
    char picture;
    size_t compared;
    char first_wrong[MAX_NAME];
    double worst;
} comparison;

/* The golden name of a module; pipelines put "vae." before it. False when there is none. */
static bool golden_name(char picture, const char *module, char *name, size_t size) {
    (void)snprintf(name, size, "%c.vae.%s", picture, module);
    if (safetensors_find(golden, name) == NULL) {
        (void)snprintf(name, size, "%c.%s", picture, module);
    }
    return safetensors_find(golden, name) != NULL;
}

static diffcut_status compare_module(void *user, const char *module, const float *data, uint32_t h, uint32_t w,
                                     uint32_t c) {
    comparison *with = user;
    char name[MAX_NAME];
    double error = 0.0;
    if (!golden_name(with->picture, module, name, sizeof name)) {
        return DIFFCUT_OK; /* some pictures have key tensors only */
    }
    with->compared++;
    if (!golden_compare(golden, name, data, h, w, c, tolerance, &error) && with->first_wrong[0] == '\0') {
        (void)snprintf(with->first_wrong, sizeof with->first_wrong, "%s", module);
    }
    with->worst = error > with->worst ? error : with->worst;
    return DIFFCUT_OK;
}

/* How many golden modules a picture has; the log-variance is not computed. */
static size_t golden_modules(char picture) {
    size_t count = 0;
    for (size_t i = 0; i < safetensors_count(golden); i++) {
        const char *name = safetensors_at(golden, i)->name;
        bool module = strncmp(name + 1, ".vae.", 5) == 0 || strncmp(name + 1, ".encoder.", 9) == 0;
        count += name[0] == picture && module && strstr(name, "posterior_logvar") == NULL ? 1 : 0;
    }
    return count;
}

/* The picture's pixels in [0, 1]; NULL when there is no such picture. */
static float *load_image(char picture, uint32_t *height, uint32_t *width) {
    char name[MAX_NAME];
    (void)snprintf(name, sizeof name, "%c.image_u8", picture);
    const safetensors_tensor *bytes = safetensors_find(golden, name);
    if (bytes == NULL) {
        return NULL;
    }
    float *image = mem_array(bytes->elements, sizeof *image);
    assert_non_null(image);
    for (size_t i = 0; i < bytes->elements; i++) {
        image[i] = (float)((const uint8_t *)bytes->data)[i] / 255.0F;
    }
    *height = (uint32_t)bytes->shape[0];
    *width = (uint32_t)bytes->shape[1];
    return image;
}

static void check_picture(vae *v, char picture) {
    uint32_t height;
    uint32_t width;
    float *image = load_image(picture, &height, &width);
    if (image == NULL) {
        return;
    }
    const work w = {.threads = THREADS, .diag = &v->diag};
    comparison with = {.picture = picture};
    float *latent;
    uint32_t h;
    uint32_t lw;
    uint32_t c;
    diffcut_status status = first_stage_encode(v->stage, v->stream, &w, image, height, width, 0, compare_module,
                                               &with, &latent, &h, &lw, &c);
    mem_free(image);
    if (status != DIFFCUT_OK) {
        fail_msg("picture %c: %s", picture, v->diag.message);
    }
    char name[MAX_NAME];
    double error;
    if (!golden_name(picture, "latent", name, sizeof name)) {
        assert_true(golden_name(picture, "latents", name, sizeof name));
    }
    bool equal = golden_compare(golden, name, latent, h, lw, c, tolerance, &error);
    mem_free(latent);
    printf("  picture %c: %zu modules, worst %.2g rms; latent %.2g rms\n", picture, with.compared, with.worst, error);
    if (with.first_wrong[0] != '\0') {
        fail_msg("picture %c: the first module that differs is %s", picture, with.first_wrong);
    }
    assert_int_equal(with.compared, golden_modules(picture));
    assert_true(equal);
}

static void test_every_module_equals_diffusers_on_every_backend(void **state) {
    (void)state;
    size_t count;
    const backend_ops *const *backends = backend_list(&count);
    for (size_t i = 0; i < count; i++) {
        vae v;
        printf("  backend %s\n", backends[i]->name);
        if (vae_open(component, backends[i]->name, THREADS, &v) != DIFFCUT_OK) {
            fail_msg("%s", v.diag.message);
        }
        for (char picture = 'a'; picture <= 'c'; picture++) {
            check_picture(&v, picture);
        }
        vae_close(&v);
    }
}

int main(int argc, char **argv) {
    if (argc != 4) {
        printf("usage: %s GOLDEN COMPONENT TOLERANCE\n", argv[0]);
        return 1;
    }
    component = argv[2];
    tolerance = strtod(argv[3], NULL);
    if (access(component, F_OK) != 0) {
        printf("%s is not there: skipped\n", component);
        return TEST_SKIPPED;
    }
    const int lacking = golden_open(argv[1], &golden);
    if (lacking != 0) {
        return lacking;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_module_equals_diffusers_on_every_backend),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    safetensors_close(golden);
    return failed;
}

/*
 * test_first_stage.c - autoencoders as first stages: what their configuration and weights may be, the latent's scale,
 * numbers that are not finite, memory that fails. On small random networks.
 */
#include "test.h"

#include "core/memory.h"
#include "nn/autoencoder.h"
#include "vae_fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PATH_SIZE 4096

/* ------------------------------------------------------------------------------------------------- opening */

/* A configuration in which one text is replaced, and what opening it then says. */
typedef struct wrong_case {
    const char *config, *from, *to;
    diffcut_status status;
    const char *message[2];
} wrong_case;

static const wrong_case wrong_cases[] = {
    {vae_kl_config,
     "AutoencoderKL",
     "VQModel",
     DIFFCUT_ERROR_UNSUPPORTED,
     {"vae/config.json: _class_name \"VQModel\"", "AutoencoderKL and AutoencoderTiny"}},
    {vae_kl_config, "\"_class_name\": \"AutoencoderKL\", ", "", DIFFCUT_ERROR_MODEL, {"_class_name is missing"}},
    {vae_kl_config, "\"silu\"", "\"mish\"", DIFFCUT_ERROR_UNSUPPORTED, {"act_fn \"mish\"", "\"silu\" is"}},
    {vae_kl_config,
     "[16, 16, 24, 24]",
     "[16, 16, 24]",
     DIFFCUT_ERROR_MODEL,
     {"block_out_channels has 3 items, down_block_types 4"}},
    {vae_kl_config,
     "[16, 16, 24, 24]",
     "[16, 16, 24, 25]",
     DIFFCUT_ERROR_MODEL,
     {"block_out_channels[3] is 25, not a multiple of norm_num_groups 8"}},
    {vae_kl_config, "[16, 16, 24, 24]", "[16, -16, 24, 24]", DIFFCUT_ERROR_MODEL, {"block_out_channels[1] is -16"}},
    {vae_kl_config,
     "[16, 16, 24, 24]",
     "[16, 16, 24, 4000000000]",
     DIFFCUT_ERROR_MODEL,
     {"block_out_channels[3] is 4000000000"}},
    {vae_kl_config,
     "\"DownEncoderBlock2D\"],",
     "\"AttnDownEncoderBlock2D\"],",
     DIFFCUT_ERROR_UNSUPPORTED,
     {"down_block_types[3] is \"AttnDownEncoderBlock2D\"", "DownEncoderBlock2D is supported"}},
    {vae_kl_config, "\"in_channels\": 3", "\"in_channels\": 4", DIFFCUT_ERROR_MODEL, {"in_channels is 4"}},
    {vae_kl_config,
     "\"latent_channels\": 4",
     "\"latent_channels\": 0",
     DIFFCUT_ERROR_MODEL,
     {"latent_channels is 0"}},
    {vae_kl_config,
     "\"layers_per_block\": 1",
     "\"layers_per_block\": \"two\"",
     DIFFCUT_ERROR_MODEL,
     {"layers_per_block is \"two\""}},
    {vae_kl_config,
     "\"latents_mean\": null",
     "\"latents_mean\": [1, 2, 3, 4]",
     DIFFCUT_ERROR_UNSUPPORTED,
     {"latents_mean is not supported"}},
    {vae_kl_config, "\"scaling_factor\": 0.5", "\"scaling_factor\": 0", DIFFCUT_ERROR_MODEL, {"scaling_factor is 0"}},
    {vae_kl_config,
     "\"shift_factor\": null",
     "\"new_trick\": 1",
     DIFFCUT_ERROR_UNSUPPORTED,
     {"vae/config.json: new_trick is not a key"}},
    {vae_kl_config, "true, \"use_quant_conv\": true", "3", DIFFCUT_ERROR_MODEL, {"mid_block_add_attention is 3"}},
    {vae_kl_config,
     "[16, 16, 24, 24],\n \"down_block_types\": [\"DownEncoderBlock2D\", ",
     "[16, 16, 24],\n \"down_block_types\": [",
     DIFFCUT_ERROR_MODEL,
     {"this AutoencoderKL makes latents 4 times smaller than the picture", "takes them 8 times smaller"}},
    {vae_tiny_config, "\"relu\"", "\"silu\"", DIFFCUT_ERROR_UNSUPPORTED, {"act_fn \"silu\"", "\"relu\" is"}},
    {vae_tiny_config,
     "[8, 8, 8, 8]",
     "[8, 8, 8, 16]",
     DIFFCUT_ERROR_MODEL,
     {"encoder_block_out_channels[3] is 16, the first is 8"}},
    {vae_tiny_config,
     "[1, 2, 0, 1]",
     "[1, 2, 1]",
     DIFFCUT_ERROR_MODEL,
     {"num_encoder_blocks has 3 items, encoder_block_out_channels 4"}},
    {vae_tiny_config, "[1, 2, 0, 1]", "[1, 2, 0, 1000]", DIFFCUT_ERROR_MODEL, {"num_encoder_blocks[3] is 1000"}},
    {vae_tiny_config,
     "\"scaling_factor\"",
     "\"latents_std\": [1], \"scaling_factor\"",
     DIFFCUT_ERROR_UNSUPPORTED,
     {"latents_std is not a key"}},
};

static void test_every_wrong_field_is_named(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof wrong_cases / sizeof *wrong_cases; i++) {
        const wrong_case *wrong = &wrong_cases[i];
        char path[PATH_SIZE];
        vae v;
        char *config = vae_replace(wrong->config, wrong->from, wrong->to);
        vae_make(config, path, sizeof path);
        diffcut_status status = vae_open(path, "ref", 1, &v);
        for (size_t m = 0; m < 2 && wrong->message[m] != NULL; m++) {
            if (status != wrong->status || strstr(v.diag.message, wrong->message[m]) == NULL) {
                fail_msg("%s: status %d, \"%s\", without \"%s\"", wrong->to, (int)status, v.diag.message,
                         wrong->message[m]);
            }
        }
        vae_close(&v);
        vae_remove(path);
        free(config);
    }
}

/* The configuration asks for something else than what the weights are. */
static void test_missing_and_misshapen_weights_are_named(void **state) {
    (void)state;
    static const struct {
        const char *from, *to, *message;
    } cases[] = {
        {"\"layers_per_block\": 1", "\"layers_per_block\": 2",
         "encoder.down_blocks.0.resnets.1.norm1.weight is missing"},
        {"[16, 16, 24, 24]", "[16, 16, 24, 32]", "vae/config.json asks for [32"},
        {"\"latent_channels\": 4", "\"latent_channels\": 8",
         "this AutoencoderKL has latents of 8 channels, unet/config.json has in_channels 4"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[PATH_SIZE];
        vae v;
        char *config = vae_replace(vae_kl_config, cases[i].from, cases[i].to);
        vae_make(vae_kl_config, path, sizeof path);
        char name[PATH_SIZE + 32];
        (void)snprintf(name, sizeof name, "%s/" AUTOENCODER_CONFIG, path);
        FILE *file = fopen(name, "w");
        assert_non_null(file);
        assert_true(fputs(config, file) >= 0);
        assert_int_equal(fclose(file), 0);
        diffcut_status status = vae_open(path, "ref", 1, &v);
        assert_int_equal(status, DIFFCUT_ERROR_MODEL);
        if (strstr(v.diag.message, cases[i].message) == NULL) {
            fail_msg("\"%s\", without \"%s\"", v.diag.message, cases[i].message);
        }
        vae_close(&v);
        vae_remove(path);
        free(config);
    }
}

static void test_what_is_declared_must_be_there(void **state) {
    (void)state;
    char path[PATH_SIZE];
    vae v;
    vae_make(vae_tiny_config, path, sizeof path);
    assert_int_equal(vae_open(path, "ref", 1, &v), DIFFCUT_OK);
    assert_int_equal(first_stage_get_kind(v.stage), FIRST_STAGE_AUTOENCODER_TINY);
    first_stage_wanted wanted = {.kind = FIRST_STAGE_AUTOENCODER_KL, .factor = 8, .channels = 4};
    first_stage *other = NULL;
    assert_int_equal(first_stage_open(v.backend, &wanted, v.source, &other, &v.diag), DIFFCUT_ERROR_MODEL);
    assert_non_null(
        strstr(v.diag.message, "is AutoencoderTiny, but diffcut.json has first_stage.type AutoencoderKL"));
    wanted.kind = FIRST_STAGE_AUTOENCODER_TINY;
    wanted.channels = 12;
    assert_int_equal(first_stage_open(v.backend, &wanted, v.source, &other, &v.diag), DIFFCUT_ERROR_MODEL);
    assert_non_null(strstr(v.diag.message, "latents of 4 channels, unet/config.json has in_channels 12"));
    wanted.channels = 4;
    wanted.factor = 2;
    assert_int_equal(first_stage_open(v.backend, &wanted, v.source, &other, &v.diag), DIFFCUT_ERROR_MODEL);
    assert_non_null(strstr(v.diag.message, "8 times smaller than the picture; the model takes them 2 times smaller"));
    assert_null(other);
    vae_close(&v);
    vae_remove(path);
}

/* ------------------------------------------------------------------------------------------------- encoding */

static void test_sides_that_do_not_divide_are_refused(void **state) {
    (void)state;
    char path[PATH_SIZE];
    vae v;
    vae_make(vae_tiny_config, path, sizeof path);
    assert_int_equal(vae_open(path, "cpu", 1, &v), DIFFCUT_OK);
    const work w = {.threads = 1, .diag = &v.diag};
    static const uint32_t sides[][2] = {{0, 64}, {64, 0}, {60, 64}, {64, 4}};
    float *image = vae_picture(64, 64);
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        float *latent = NULL;
        uint32_t h;
        uint32_t lw;
        uint32_t c;
        assert_int_equal(first_stage_encode(v.stage, v.stream, &w, image, sides[i][0], sides[i][1], 0, NULL, NULL,
                                            &latent, &h, &lw, &c),
                         DIFFCUT_ERROR_ARGUMENT);
        assert_non_null(strstr(v.diag.message, "multiples of 8 pixels"));
        assert_null(latent);
    }
    mem_free(image);
    vae_close(&v);
    vae_remove(path);
}

/* Mean and scale, by hand from what the taps see. */
typedef struct last_output {
    float values[256];
    uint32_t c;
} last_output;

static diffcut_status keep_moments(void *user, const char *module, const float *data, uint32_t h, uint32_t w,
                                   uint32_t c) {
    last_output *last = user;
    if (strcmp(module, "moments") == 0) {
        assert_true((size_t)h * w * c <= sizeof last->values / sizeof *last->values);
        memcpy(last->values, data, (size_t)h * w * c * sizeof *data);
        last->c = c;
    }
    return DIFFCUT_OK;
}

static void test_latent_is_the_shifted_and_scaled_mean(void **state) {
    (void)state;
    char path[PATH_SIZE];
    vae v;
    /* Without quant_conv and attention, and with a shift: those who have them are in the golden files. */
    char *plain = vae_replace(vae_kl_config, "true, \"use_quant_conv\": true", "false, \"use_quant_conv\": false");
    char *config = vae_replace(plain, "\"shift_factor\": null", "\"shift_factor\": 0.25");
    vae_make(config, path, sizeof path);
    if (vae_open(path, "cpu", 2, &v) != DIFFCUT_OK) {
        fail_msg("%s", v.diag.message);
    }
    const work w = {.threads = 2, .diag = &v.diag};
    float *image = vae_picture(40, 24);
    last_output last = {.c = 0};
    float *latent;
    uint32_t h;
    uint32_t lw;
    uint32_t c;
    assert_int_equal(
        first_stage_encode(v.stage, v.stream, &w, image, 40, 24, 0, keep_moments, &last, &latent, &h, &lw, &c),
        DIFFCUT_OK);
    assert_int_equal(last.c, 8);
    for (size_t p = 0; p < (size_t)h * lw; p++) {
        for (size_t i = 0; i < c; i++) {
            assert_true(latent[p * c + i] == (last.values[p * last.c + i] - 0.25F) * 0.5F);
        }
    }
    mem_free(latent);
    mem_free(image);
    vae_close(&v);
    vae_remove(path);
    free(config);
    free(plain);
}

/* ------------------------------------------------------------------------------------------------- failures */

static void test_the_module_that_makes_infinity_is_named(void **state) {
    (void)state;
    static const uint32_t tiles[] = {0, 64};
    char path[PATH_SIZE];
    vae v;
    float *image = vae_picture(96, 64);
    vae_make(vae_kl_config, path, sizeof path);
    /* Finite itself, but not times an activation above 1.2. */
    vae_poke(path, "encoder.down_blocks.1.downsamplers.0.conv.weight", 0, 3e38F);
    assert_int_equal(vae_open(path, "cpu", 2, &v), DIFFCUT_OK);
    const work w = {.threads = 2, .diag = &v.diag};
    for (size_t i = 0; i < 2; i++) {
        float *latent = NULL;
        uint32_t h;
        uint32_t lw;
        uint32_t c;
        assert_int_equal(
            first_stage_encode(v.stage, v.stream, &w, image, 96, 64, tiles[i], NULL, NULL, &latent, &h, &lw, &c),
            DIFFCUT_ERROR_NUMERIC);
        assert_null(latent);
        if (strstr(v.diag.message, "first made by vae module encoder.down_blocks.1.downsamplers.0") == NULL) {
            fail_msg("%s", v.diag.message);
        }
        image[5] = NAN;
        assert_int_equal(
            first_stage_encode(v.stage, v.stream, &w, image, 96, 64, tiles[i], NULL, NULL, &latent, &h, &lw, &c),
            DIFFCUT_ERROR_NUMERIC);
        assert_non_null(strstr(v.diag.message, "input holds NaN"));
        image[5] = 0.5F;
    }
    mem_free(image);
    vae_close(&v);
    vae_remove(path);
}

/* Each allocation of opening and encoding fails once; nothing leaks (the sanitizers look) and the last try works. */
static void test_every_failing_allocation_is_reported(void **state) {
    (void)state;
    static const char *const configs[] = {vae_kl_config, vae_tiny_config};
    for (size_t i = 0; i < 2; i++) {
        char path[PATH_SIZE];
        bool done = false;
        float *image = vae_picture(80, 8);
        vae_make(configs[i], path, sizeof path);
        for (long n = 0; !done && n < 100000; n += n < 40 ? 1 : 7) {
            vae v;
            float *latent = NULL;
            mem_fail_after(n);
            diffcut_status status = vae_open(path, "cpu", 1, &v);
            if (status == DIFFCUT_OK) {
                const work w = {.threads = 1, .diag = &v.diag};
                uint32_t h;
                uint32_t lw;
                uint32_t c;
                status =
                    first_stage_encode(v.stage, v.stream, &w, image, 80, 8, 64, NULL, NULL, &latent, &h, &lw, &c);
            }
            mem_fail_after(-1);
            done = status == DIFFCUT_OK;
            if (!done) {
                assert_int_equal(status, DIFFCUT_ERROR_MEMORY);
                assert_true(v.diag.message[0] != '\0');
                assert_null(latent);
            }
            mem_free(latent);
            vae_close(&v);
        }
        assert_true(done);
        mem_free(image);
        vae_remove(path);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_wrong_field_is_named),
        cmocka_unit_test(test_missing_and_misshapen_weights_are_named),
        cmocka_unit_test(test_what_is_declared_must_be_there),
        cmocka_unit_test(test_sides_that_do_not_divide_are_refused),
        cmocka_unit_test(test_latent_is_the_shifted_and_scaled_mean),
        cmocka_unit_test(test_the_module_that_makes_infinity_is_named),
        cmocka_unit_test(test_every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

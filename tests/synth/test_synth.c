/*
 * test_synth.c - synthetic checkpoints are as large as the published ones, the same for the same seed, sound to the
 * check of checkpoints, usable, and never half-written.
 */
#include "broken.h"
#include "test.h"

#include "core/memory.h"
#include "diffcut/diffcut.h"
#include "synth/synth_list.h"
#include "synth/synth_values.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define TINY DIFFCUT_TEST_DATA "/tiny-pixel"
#define WEIGHTS BROKEN_WEIGHTS

/* An empty folder for a test's outputs; removed with broken_remove. */
static void make_folder(char path[512]) {
    const char *base = getenv("TMPDIR");
    (void)snprintf(path, 512, "%s/diffcut-test-XXXXXX", base != NULL && base[0] == '/' ? base : P_tmpdir);
    assert_non_null(mkdtemp(path));
}

static void in_folder(const char *folder, const char *name, char path[1024]) {
    (void)snprintf(path, 1024, "%s/%s", folder, name);
}

static bool is_there(const char *folder, const char *name) {
    char path[1024];
    in_folder(folder, name, path);
    return access(path, F_OK) == 0;
}

/* ------------------------------------------------------------------------------------------------- sizes */

typedef struct sum {
    uint64_t unet, vae, text, text_2;
} sum;

static int add(void *user, const diffcut_synth_part *part) {
    sum *s = user;
    assert_int_equal(part->bytes_written, 0);
    assert_int_equal(part->bytes, 2 * part->parameters);
    uint64_t *place = strcmp(part->component, "unet") == 0           ? &s->unet
                      : strcmp(part->component, "vae") == 0          ? &s->vae
                      : strcmp(part->component, "text_encoder") == 0 ? &s->text
                                                                     : &s->text_2;
    *place = part->parameters;
    return 0;
}

/* Millions, to the last published digit. */
static void near(const char *what, uint64_t got, double millions) {
    if (fabs((double)got / 1e6 - millions) > 0.006 * (millions > 0.0)) {
        fail_msg("%s has %.3f M parameters, published are %.2f M", what, (double)got / 1e6, millions);
    }
}

static void test_networks_have_the_published_number_of_parameters(void **state) {
    (void)state;
    /* Counts of the published weights; of SSD-1B and Segmind-Vega only "1.3 B" and "745 M" are published. */
    static const struct {
        const char *name;
        double unet, vae, text, text_2;
    } known[] = {
        {"sd1", 859.52, 83.65, 123.06, 0},
        {"sd2", 865.91, 83.65, 340.39, 0},
        {"sdxl-base", 2567.46, 83.65, 123.06, 694.66},
        {"ssd-1b", 1331.33, 83.65, 123.06, 694.66},
        {"vega", 745.23, 83.65, 123.06, 694.66},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        sum s = {0};
        diffcut_diagnostics diag;
        diffcut_status status = diffcut_model_synth(known[i].name, NULL, NULL, add, &s, &diag);
        if (status != DIFFCUT_OK) {
            fail_msg("%s: %s", known[i].name, diag.message);
        }
        near(known[i].name, s.unet, known[i].unet);
        near(known[i].name, s.vae, known[i].vae);
        near(known[i].name, s.text, known[i].text);
        near(known[i].name, s.text_2, known[i].text_2);
    }
}

/* ------------------------------------------------------------------------------------------------- numbers */

static float from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void test_levels_are_rounded_to_the_nearest(void **state) {
    (void)state;
    static synth_values values;
    static const size_t fan_ins[] = {1, 320, 11520, (size_t)1 << 40}; /* the last one's levels are subnormal halves */
    static const dtype types[] = {DTYPE_F16, DTYPE_BF16};
    for (size_t i = 0; i < sizeof fan_ins / sizeof *fan_ins; i++) {
        for (size_t t = 0; t < 2; t++) {
            const synth_tensor tensor = {.name = "a", .fan_in = fan_ins[i], .kind = SYNTH_WEIGHT};
            synth_values_start(&values, 1, "unet", &tensor, types[t]);
            for (size_t level = 0; level < SYNTH_LEVELS; level++) {
                double want = (double)from_bits(values.levels32[level]);
                float got;
                dtype_to_float(types[t], &values.levels16[level], 1, &got);
                double step = types[t] == DTYPE_F16 ? fmax(fabs(want) * 0x1p-11, 0x1p-25) : fabs(want) * 0x1p-8;
                if (fabs((double)got - want) > step) {
                    fail_msg("%s, level %zu: %.9g for %.9g", dtype_name(types[t]), level, (double)got, want);
                }
            }
        }
    }
}

static void test_weights_keep_the_size_of_activations(void **state) {
    (void)state;
    static synth_values values;
    static float numbers[65536];
    const size_t count = sizeof numbers / sizeof *numbers;
    static const struct {
        synth_kind kind;
        size_t fan_in;
        double mean, deviation;
    } kinds[] = {{SYNTH_WEIGHT, 64, 0.0, 0.125}, {SYNTH_SCALE, 1, 1.0, 0.05}, {SYNTH_BIAS, 1, 0.0, 0.02}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const synth_tensor tensor = {.name = "a.weight", .fan_in = kinds[i].fan_in, .kind = kinds[i].kind};
        synth_values_start(&values, 0, "unet", &tensor, DTYPE_F32);
        synth_values_next(&values, count, numbers);
        double total = 0.0;
        double square = 0.0;
        for (size_t j = 0; j < count; j++) {
            total += (double)numbers[j];
        }
        for (size_t j = 0; j < count; j++) {
            square += ((double)numbers[j] - total / (double)count) * ((double)numbers[j] - total / (double)count);
        }
        /* Five standard errors of 65536 numbers. */
        assert_true(fabs(total / (double)count - kinds[i].mean) < kinds[i].deviation * 5.0 / 256.0);
        assert_true(fabs(sqrt(square / (double)count) - kinds[i].deviation) < kinds[i].deviation * 0.02);
    }
}

static void test_pieces_make_the_same_stream(void **state) {
    (void)state;
    static synth_values values;
    static uint16_t whole[1003];
    static uint16_t pieces[1003];
    const synth_tensor tensor = {.name = "a.weight", .fan_in = 3, .kind = SYNTH_WEIGHT};
    synth_values_start(&values, 7, "vae", &tensor, DTYPE_F16);
    synth_values_next(&values, 1003, whole);
    synth_values_start(&values, 7, "vae", &tensor, DTYPE_F16);
    synth_values_next(&values, 400, pieces);
    synth_values_next(&values, 603, pieces + 400);
    assert_memory_equal(whole, pieces, sizeof whole);
    synth_values_start(&values, 7, "unet", &tensor, DTYPE_F16);
    synth_values_next(&values, 1003, pieces);
    assert_memory_not_equal(whole, pieces, sizeof whole);
}

/* ------------------------------------------------------------------------------------------------- folders */

static diffcut_status synth(const char *folder, const diffcut_synth_settings *settings, diffcut_diagnostics *diag) {
    return diffcut_model_synth(TINY, folder, settings, NULL, NULL, diag);
}

static void must(diffcut_status status, const diffcut_diagnostics *diag) {
    if (status != DIFFCUT_OK) {
        fail_msg("%s", diag->message);
    }
}

static void test_a_seed_gives_the_same_bytes_and_another_one_others(void **state) {
    (void)state;
    char base[512];
    char path[3][1024];
    size_t size[3];
    char *data[3];
    diffcut_diagnostics diag;
    make_folder(base);
    for (size_t i = 0; i < 3; i++) {
        diffcut_synth_settings settings;
        diffcut_synth_settings_init(&settings);
        settings.seed = i == 2 ? 1 : 0;
        (void)snprintf(path[i], sizeof path[i], "%s/m%zu%s", base, i, i == 1 ? "//" : "");
        must(synth(path[i], &settings, &diag), &diag);
        data[i] = broken_read(path[i], WEIGHTS, &size[i]);
    }
    assert_int_equal(size[0], size[1]);
    assert_int_equal(size[0], size[2]);
    assert_memory_equal(data[0], data[1], size[0]);
    assert_memory_not_equal(data[0], data[2], size[0]);
    for (size_t i = 0; i < 3; i++) {
        free(data[i]);
    }
    broken_remove(base);
}

static void no_problem(void *user, const diffcut_finding *finding) {
    (void)user;
    fail_msg("%s", finding->message);
}

static void test_the_result_is_sound_and_its_features_are_of_sane_size(void **state) {
    (void)state;
    static const char *const dtypes[] = {"f16", "bf16", "f32"};
    static const char *const names[] = {"F16", "BF16", "F32"};
    for (size_t i = 0; i < 3; i++) {
        char base[512];
        char path[1024];
        diffcut_diagnostics diag;
        diffcut_synth_settings settings;
        make_folder(base);
        in_folder(base, "model", path);
        diffcut_synth_settings_init(&settings);
        settings.dtype = dtypes[i];
        must(synth(path, &settings, &diag), &diag);
        diffcut_verify_settings verify;
        diffcut_verify_report report;
        diffcut_verify_settings_init(&verify);
        verify.values = true;
        must(diffcut_model_verify(path, &verify, no_problem, NULL, &report, &diag), &diag);
        assert_int_equal(report.problems, 0);

        diffcut_model *model;
        diffcut_model_info info;
        must(diffcut_model_open(path, NULL, &model, &diag), &diag);
        diffcut_model_get_info(model, &info);
        assert_string_equal(info.dtype, names[i]);
        diffcut_session *session;
        must(diffcut_session_open(model, NULL, &session, &diag), &diag);
        static uint8_t rgb[64 * 64 * 3];
        for (size_t p = 0; p < sizeof rgb; p++) {
            rgb[p] = (uint8_t)(p * p >> 5);
        }
        diffcut_image image;
        diffcut_features *features;
        diffcut_settings work;
        must(diffcut_image_create(64, 64, rgb, &image, &diag), &diag);
        diffcut_settings_init(&work, model);
        work.size = 64;
        if (diffcut_features_compute(session, &image, &work, &features) != DIFFCUT_OK) {
            fail_msg("%s", diffcut_session_message(session));
        }
        size_t count = (size_t)diffcut_features_height(features) * diffcut_features_width(features) *
                       diffcut_features_channels(features);
        double square = 0.0;
        for (size_t f = 0; f < count; f++) {
            square += pow((double)diffcut_features_data(features)[f], 2.0);
        }
        double rms = sqrt(square / (double)count);
        if (!(rms > 0.01 && rms < 100.0)) {
            fail_msg("features have rms %g", rms);
        }
        diffcut_features_free(features);
        diffcut_image_free(&image);
        diffcut_session_close(session);
        diffcut_model_release(model);
        broken_remove(base);
    }
}

static void test_a_folder_that_holds_something_is_kept(void **state) {
    (void)state;
    char path[512];
    size_t size;
    diffcut_diagnostics diag;
    diffcut_synth_settings settings;
    diffcut_synth_settings_init(&settings);
    make_folder(path);
    must(synth(path, NULL, &diag), &diag); /* an empty one is taken */
    broken_write(path, "notes.txt", "mine", 4);
    broken_write(path, WEIGHTS, "old", 3);
    assert_int_equal(synth(path, NULL, &diag), DIFFCUT_ERROR_EXISTS);
    assert_non_null(strstr(diag.message, "exists already"));
    char *old = broken_read(path, WEIGHTS, &size);
    assert_memory_equal(old, "old", 3);
    free(old);
    settings.replace = true;
    must(synth(path, &settings, &diag), &diag);
    assert_true(is_there(path, "notes.txt"));
    char *fresh = broken_read(path, WEIGHTS, &size);
    assert_true(size > 1000);
    free(fresh);
    char partial[1024];
    (void)snprintf(partial, sizeof partial, "%s.partial-%lx-0", path, (unsigned long)getpid());
    assert_int_not_equal(access(partial, F_OK), 0);
    broken_remove(path);
}

static int cancel_late(void *user, const diffcut_synth_part *part) {
    (void)user;
    return part->bytes_written > 0;
}

/* After a failure there is neither the folder nor what grew beside it. */
static void nothing_left(const char *base) {
    assert_int_equal(rmdir(base), 0);
}

static void test_a_cancelled_run_leaves_nothing(void **state) {
    (void)state;
    char base[512];
    char path[1024];
    diffcut_diagnostics diag;
    make_folder(base);
    in_folder(base, "model", path);
    assert_int_equal(diffcut_model_synth(TINY, path, NULL, cancel_late, NULL, &diag), DIFFCUT_ERROR_CANCELLED);
    nothing_left(base);
}

static void test_a_full_disk_is_told_and_leaves_nothing(void **state) {
    (void)state;
    char base[512];
    char path[1024];
    diffcut_diagnostics diag;
    struct rlimit old;
    make_folder(base);
    in_folder(base, "model", path);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    const struct rlimit small = {20000, old.rlim_max}; /* room for the configurations, none for the weights */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    diffcut_status status = synth(path, NULL, &diag);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    (void)signal(SIGXFSZ, handler);
    assert_int_equal(status, DIFFCUT_ERROR_IO);
    assert_non_null(strstr(diag.message, WEIGHTS));
    nothing_left(base);
}

static void test_every_failing_allocation_is_told_and_leaves_nothing(void **state) {
    (void)state;
    char base[512];
    char path[1024];
    diffcut_diagnostics diag;
    make_folder(base);
    in_folder(base, "model", path);
    diffcut_status status = DIFFCUT_ERROR_MEMORY;
    for (long n = 0; status == DIFFCUT_ERROR_MEMORY; n++) {
        mem_fail_after(n);
        status = synth(path, NULL, &diag);
        mem_fail_after(-1);
        if (status != DIFFCUT_OK) {
            assert_int_equal(status, DIFFCUT_ERROR_MEMORY);
            assert_false(is_there(base, "model"));
        }
    }
    assert_int_equal(status, DIFFCUT_OK);
    broken_remove(path);
    nothing_left(base);
}

/* ------------------------------------------------------------------------------------------------- mistakes */

static void expect(diffcut_status status, diffcut_status wanted, const diffcut_diagnostics *diag, const char *text) {
    if (status != wanted || strstr(diag->message, text) == NULL) {
        fail_msg("status %d, \"%s\"; expected %d with \"%s\"", (int)status, diag->message, (int)wanted, text);
    }
}

static void test_mistakes_are_named(void **state) {
    (void)state;
    char base[512];
    char path[1024];
    diffcut_diagnostics diag;
    diffcut_synth_settings settings;
    make_folder(base);
    in_folder(base, "a/b", path);
    diffcut_synth_settings_init(&settings);
    expect(diffcut_model_synth("ssd1b", path, NULL, NULL, NULL, &diag), DIFFCUT_ERROR_ARGUMENT, &diag,
           "ssd1b: neither a known architecture (ssd-1b, vega, sd1, sd2, sdxl-base) nor a folder");
    expect(diffcut_model_synth(NULL, path, NULL, NULL, NULL, &diag), DIFFCUT_ERROR_ARGUMENT, &diag, "NULL");
    settings.dtype = "f8";
    expect(synth(path, &settings, &diag), DIFFCUT_ERROR_ARGUMENT, &diag, "dtype is \"f8\"; f16, bf16 and f32");
    expect(diffcut_model_synth(base, NULL, NULL, NULL, NULL, &diag), DIFFCUT_ERROR_MODEL, &diag,
           "no unet/config.json");
    expect(synth(path, NULL, &diag), DIFFCUT_ERROR_IO, &diag, "No such file");
    expect(synth("", NULL, &diag), DIFFCUT_ERROR_ARGUMENT, &diag, "empty");
    broken_write(base, "a", "x", 1);
    in_folder(base, "a", path);
    expect(synth(path, NULL, &diag), DIFFCUT_ERROR_EXISTS, &diag, "is no folder");
    broken_remove(base);
}

static void test_a_decoder_that_cannot_be_listed_is_named(void **state) {
    (void)state;
    static const struct {
        const char *from, *to, *message;
    } wrong[] = {
        {"\"UNetMidBlock2DCrossAttn\"", "\"Other\"", "mid_block_type \"Other\" is not supported"},
        {"\"UpBlock2D\"\n", "\"UpBlock3D\"\n", "up_block_types[1] is \"UpBlock3D\""},
        {"\"CrossAttnUpBlock2D\",", "", "up_block_types has 1 items, down_block_types 2"},
        {"\"reverse_transformer_layers_per_block\": null", "\"reverse_transformer_layers_per_block\": [1, 2, 3]",
         "reverse_transformer_layers_per_block has 3 items, expected 2"},
        {"\"out_channels\": 12", "\"out_channels\": -1", "out_channels is -1"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char path[512];
        diffcut_diagnostics diag;
        broken_copy(path, sizeof path);
        broken_replace(path, "unet/config.json", wrong[i].from, wrong[i].to);
        diffcut_status status = diffcut_model_synth(path, NULL, NULL, NULL, NULL, &diag);
        assert_int_not_equal(status, DIFFCUT_OK);
        expect(status, status, &diag, wrong[i].message);
        broken_remove(path);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_networks_have_the_published_number_of_parameters),
        cmocka_unit_test(test_levels_are_rounded_to_the_nearest),
        cmocka_unit_test(test_weights_keep_the_size_of_activations),
        cmocka_unit_test(test_pieces_make_the_same_stream),
        cmocka_unit_test(test_a_seed_gives_the_same_bytes_and_another_one_others),
        cmocka_unit_test(test_the_result_is_sound_and_its_features_are_of_sane_size),
        cmocka_unit_test(test_a_folder_that_holds_something_is_kept),
        cmocka_unit_test(test_a_cancelled_run_leaves_nothing),
        cmocka_unit_test(test_a_full_disk_is_told_and_leaves_nothing),
        cmocka_unit_test(test_every_failing_allocation_is_told_and_leaves_nothing),
        cmocka_unit_test(test_mistakes_are_named),
        cmocka_unit_test(test_a_decoder_that_cannot_be_listed_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_verify.c - the check of checkpoints finds nothing in a sound one, and in a broken one everything, by name.
 */
#include "broken.h"
#include "test.h"

#include "core/memory.h"
#include "diffcut/diffcut.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MOST 8

typedef struct finds {
    size_t count;
    struct {
        diffcut_finding_kind kind;
        bool problem;
        char component[32], tensor[128], message[512];
    } all[MOST];
} finds;

static void keep(void *user, const diffcut_finding *finding) {
    finds *f = user;
    assert_true(f->count < MOST);
    f->all[f->count].kind = finding->kind;
    f->all[f->count].problem = finding->problem;
    (void)snprintf(f->all[f->count].component, sizeof f->all[0].component, "%s", finding->component);
    (void)snprintf(f->all[f->count].tensor, sizeof f->all[0].tensor, "%s",
                   finding->tensor != NULL ? finding->tensor : "");
    (void)snprintf(f->all[f->count].message, sizeof f->all[0].message, "%s", finding->message);
    f->count++;
}

static diffcut_verify_report check(const char *path, bool values, finds *f) {
    diffcut_verify_settings settings;
    diffcut_verify_report report;
    diffcut_diagnostics diag;
    *f = (finds){0};
    diffcut_verify_settings_init(&settings);
    settings.values = values;
    diffcut_status status = diffcut_model_verify(path, &settings, keep, f, &report, &diag);
    if (status != DIFFCUT_OK) {
        fail_msg("%s", diag.message);
    }
    return report;
}

/* One of the findings is this. */
static void has(const finds *f, diffcut_finding_kind kind, const char *tensor, const char *message) {
    for (size_t i = 0; i < f->count; i++) {
        if (f->all[i].kind == kind && strcmp(f->all[i].tensor, tensor) == 0 &&
            strstr(f->all[i].message, message) != NULL) {
            return;
        }
    }
    fail_msg("no finding %s of %s with \"%s\" among %zu; the first is %s", diffcut_finding_name(kind), tensor,
             message, f->count, f->count > 0 ? f->all[0].message : "none");
}

static void test_a_sound_checkpoint_has_no_problem(void **state) {
    (void)state;
    char path[512];
    finds f;
    broken_copy(path, sizeof path);
    diffcut_verify_report report = check(path, true, &f);
    assert_int_equal(f.count, 0);
    assert_int_equal(report.problems, 0);
    diffcut_model *model;
    diffcut_model_info info;
    assert_int_equal(diffcut_model_open(path, NULL, &model, NULL), DIFFCUT_OK);
    diffcut_model_get_info(model, &info);
    assert_int_equal(report.parameters_needed, info.parameters_needed);
    diffcut_model_release(model);
    broken_remove(path);
}

static void test_every_fault_is_named_at_once(void **state) {
    (void)state;
    char path[512];
    finds f;
    broken_copy(path, sizeof path);
    broken_replace(path, BROKEN_WEIGHTS, "\"conv_in.bias\"", "\"conv_in.baas\"");
    broken_replace(path, BROKEN_WEIGHTS, "[16,12,3,3]", "[12,16,3,3]");
    broken_replace(path, BROKEN_WEIGHTS, "\"time_embedding.linear_2.weight\"", "\"time_embedding.linear_3.weight\"");
    diffcut_verify_report report = check(path, false, &f);
    has(&f, DIFFCUT_FINDING_MISSING, "conv_in.bias", "tensor conv_in.bias is missing");
    has(&f, DIFFCUT_FINDING_EXTRA, "conv_in.baas", "tensor conv_in.baas is none of this network's");
    has(&f, DIFFCUT_FINDING_SHAPE, "conv_in.weight", "has shape [12, 16, 3, 3], unet/config.json asks for");
    has(&f, DIFFCUT_FINDING_MISSING, "time_embedding.linear_2.weight", "is missing");
    has(&f, DIFFCUT_FINDING_EXTRA, "time_embedding.linear_3.weight", "none of this network's");
    assert_int_equal(f.count, 5);
    assert_int_equal(report.problems, 5);
    for (size_t i = 0; i < f.count; i++) {
        assert_true(f.all[i].problem);
        assert_string_equal(f.all[i].component, "unet");
    }
    broken_remove(path);
}

static void test_a_type_that_is_not_computed_with_is_named(void **state) {
    (void)state;
    char path[512];
    finds f;
    broken_copy(path, sizeof path);
    broken_replace(path, BROKEN_WEIGHTS, "\"F32\",\"shape\":[16],\"data_offsets\":[0,64]",
                   "\"I32\",\"shape\":[16],\"data_offsets\":[0,64]");
    assert_int_equal(check(path, false, &f).problems, 1);
    has(&f, DIFFCUT_FINDING_TYPE, "conv_in.bias", "has dtype I32; F32, F16 and BF16 are supported");
    broken_remove(path);
}

static void test_numbers_that_are_none_are_found_when_asked_for(void **state) {
    (void)state;
    char path[512];
    size_t size;
    finds f;
    broken_copy(path, sizeof path);
    char *data = broken_read(path, BROKEN_WEIGHTS, &size);
    uint64_t header;
    memcpy(&header, data, sizeof header);
    const uint32_t infinity = 0xFF800000U;
    memcpy(data + 8 + header + 4 * 5, &infinity, sizeof infinity); /* conv_in.bias comes first */
    broken_write(path, BROKEN_WEIGHTS, data, size);
    free(data);
    assert_int_equal(check(path, false, &f).problems, 0);
    assert_int_equal(check(path, true, &f).problems, 1);
    has(&f, DIFFCUT_FINDING_VALUES, "conv_in.bias", "holds NaN or infinity (element 5 of 16)");
    broken_remove(path);
}

static void test_files_and_configurations_are_told_apart(void **state) {
    (void)state;
    char path[512];
    char file[1024];
    finds f;
    broken_copy(path, sizeof path);
    (void)snprintf(file, sizeof file, "%s/scheduler/scheduler_config.json", path);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(check(path, false, &f).problems, 0);
    assert_int_equal(f.count, 1);
    has(&f, DIFFCUT_FINDING_FILE, "", "scheduler_config.json");
    broken_replace(path, "unet/config.json", "\"norm_num_groups\": 8", "\"norm_num_groups\": 0");
    assert_int_equal(check(path, false, &f).problems, 1);
    has(&f, DIFFCUT_FINDING_CONFIG, "", "norm_num_groups is 0");
    (void)snprintf(file, sizeof file, "%s/%s", path, BROKEN_WEIGHTS);
    assert_int_equal(truncate(file, 5000), 0);
    assert_int_equal(check(path, false, &f).problems, 1);
    has(&f, DIFFCUT_FINDING_FILE, "", "truncated");
    assert_int_equal(unlink(file), 0);
    (void)snprintf(file, sizeof file, "%s/unet/config.json", path);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(check(path, false, &f).problems, 2);
    has(&f, DIFFCUT_FINDING_FILE, "", "unet/config.json");
    has(&f, DIFFCUT_FINDING_FILE, "", "diffusion_pytorch_model");
    broken_remove(path);
}

static void test_what_cannot_be_looked_at_is_an_error(void **state) {
    (void)state;
    diffcut_verify_report report = {.problems = 77};
    diffcut_diagnostics diag;
    assert_int_equal(diffcut_model_verify("/nonexistent/model", NULL, NULL, NULL, &report, &diag), DIFFCUT_ERROR_IO);
    assert_int_equal(report.problems, 77);
    assert_int_equal(diffcut_model_verify("/nonexistent/model", NULL, NULL, NULL, NULL, &diag),
                     DIFFCUT_ERROR_ARGUMENT);
}

static void test_every_failing_allocation_is_told(void **state) {
    (void)state;
    char path[512];
    broken_copy(path, sizeof path);
    diffcut_status status = DIFFCUT_ERROR_MEMORY;
    for (long n = 0; status == DIFFCUT_ERROR_MEMORY; n++) {
        diffcut_verify_report report = {.problems = 77};
        diffcut_diagnostics diag;
        mem_fail_after(n);
        status = diffcut_model_verify(path, NULL, NULL, NULL, &report, &diag);
        mem_fail_after(-1);
        if (status != DIFFCUT_OK) {
            assert_int_equal(status, DIFFCUT_ERROR_MEMORY);
            assert_int_equal(report.problems, 77);
        } else {
            assert_int_equal(report.problems, 0);
        }
    }
    assert_int_equal(status, DIFFCUT_OK);
    broken_remove(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sound_checkpoint_has_no_problem),
        cmocka_unit_test(test_every_fault_is_named_at_once),
        cmocka_unit_test(test_a_type_that_is_not_computed_with_is_named),
        cmocka_unit_test(test_numbers_that_are_none_are_found_when_asked_for),
        cmocka_unit_test(test_files_and_configurations_are_told_apart),
        cmocka_unit_test(test_what_cannot_be_looked_at_is_an_error),
        cmocka_unit_test(test_every_failing_allocation_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

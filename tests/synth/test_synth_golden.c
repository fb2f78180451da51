/*
 * test_synth_golden.c - a synthetic checkpoint has exactly the tensors, by name and shape, of the real one whose
 * configurations it was made from; and the check of checkpoints finds the golden ones sound and names what is taken
 * from one.
 */
#include "broken.h"
#include "test.h"

#include "diffcut/diffcut.h"
#include "io/safetensors.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODELS DIFFCUT_SHARED_DIR "/golden/models/"

static const char *const models[] = {"tiny-ssd1b", "tiny-vega", "tiny-sd1", "tiny-sd2"};
enum { MODEL_COUNT = sizeof models / sizeof *models };

static const char *const weights[] = {"unet/diffusion_pytorch_model.safetensors",
                                      "vae/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors",
                                      "text_encoder_2/model.safetensors"};

static void must(diffcut_status status, const diffcut_diagnostics *diag) {
    if (status != DIFFCUT_OK) {
        fail_msg("%s", diag->message);
    }
}

/* Makes base/model like the golden one of this name. */
static void make_like(const char *name, char base[512], char path[1024]) {
    const char *temporary = getenv("TMPDIR");
    char source[1024];
    diffcut_diagnostics diag;
    (void)snprintf(base, 512, "%s/diffcut-test-XXXXXX",
                   temporary != NULL && temporary[0] == '/' ? temporary : P_tmpdir);
    assert_non_null(mkdtemp(base));
    (void)snprintf(path, 1024, "%s/model", base);
    (void)snprintf(source, sizeof source, MODELS "%s", name);
    must(diffcut_model_synth(source, path, NULL, NULL, NULL, &diag), &diag);
}

static void compare(const char *model, const char *file, const safetensors *real, const safetensors *made) {
    assert_int_equal(safetensors_count(real), safetensors_count(made));
    for (size_t i = 0; i < safetensors_count(real); i++) {
        const safetensors_tensor *a = safetensors_at(real, i);
        const safetensors_tensor *b = safetensors_at(made, i);
        char shapes[2][96];
        safetensors_shape_text(a->shape, a->rank, shapes[0], sizeof shapes[0]);
        safetensors_shape_text(b->shape, b->rank, shapes[1], sizeof shapes[1]);
        if (strcmp(a->name, b->name) != 0 || strcmp(shapes[0], shapes[1]) != 0) {
            fail_msg("%s/%s: tensor %zu is %s %s, the real one %s %s", model, file, i, b->name, shapes[1], a->name,
                     shapes[0]);
        }
    }
}

static void test_names_and_shapes_are_the_real_ones(void **state) {
    (void)state;
    for (size_t m = 0; m < MODEL_COUNT; m++) {
        char base[512];
        char path[1024];
        char source[1024];
        make_like(models[m], base, path);
        (void)snprintf(source, sizeof source, MODELS "%s", models[m]);
        for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
            safetensors *real;
            safetensors *made;
            diffcut_diagnostics diag;
            char file[1536];
            (void)snprintf(file, sizeof file, "%s/%s", source, weights[i]);
            if (access(file, F_OK) != 0) {
                (void)snprintf(file, sizeof file, "%s/%s", path, weights[i]);
                assert_int_not_equal(access(file, F_OK), 0);
                continue;
            }
            must(safetensors_open(source, weights[i], &real, &diag), &diag);
            must(safetensors_open(path, weights[i], &made, &diag), &diag);
            compare(models[m], weights[i], real, made);
            safetensors_close(real);
            safetensors_close(made);
        }
        broken_remove(base);
    }
}

typedef struct tally {
    unsigned count[DIFFCUT_FINDING_COUNT];
    char last[DIFFCUT_FINDING_COUNT][512];
} tally;

static void count(void *user, const diffcut_finding *finding) {
    tally *t = user;
    t->count[finding->kind]++;
    (void)snprintf(t->last[finding->kind], sizeof t->last[0], "%s", finding->message);
}

/* Checks a folder, which must have this many findings of a kind and no others. */
static void finds(const char *path, diffcut_finding_kind kind, unsigned wanted, const char *text) {
    tally t = {{0}, {{0}}};
    diffcut_verify_report report;
    diffcut_diagnostics diag;
    must(diffcut_model_verify(path, NULL, count, &t, &report, &diag), &diag);
    for (unsigned k = 0; k < DIFFCUT_FINDING_COUNT; k++) {
        if (t.count[k] != (k == (unsigned)kind ? wanted : 0)) {
            fail_msg("%u findings of kind %s, expected %u of %s: %s", t.count[k],
                     diffcut_finding_name((diffcut_finding_kind)k), wanted, diffcut_finding_name(kind), t.last[k]);
        }
    }
    assert_int_equal(report.problems, wanted);
    if (wanted > 0 && strstr(t.last[kind], text) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", t.last[kind], text);
    }
}

static void test_the_golden_checkpoints_are_sound(void **state) {
    (void)state;
    for (size_t m = 0; m < MODEL_COUNT; m++) {
        char path[1024];
        (void)snprintf(path, sizeof path, MODELS "%s", models[m]);
        finds(path, DIFFCUT_FINDING_FILE, 0, "");
    }
    finds(MODELS "tiny-ssd1b-sharded", DIFFCUT_FINDING_FILE, 0, "");
    finds(MODELS "tiny-pixel", DIFFCUT_FINDING_FILE, 0, "");
}

static void test_what_is_taken_away_is_named(void **state) {
    (void)state;
    static const struct {
        const char *file;
        diffcut_finding_kind kind;
        const char *text;
    } files[] = {
        {"tokenizer_2/vocab.json", DIFFCUT_FINDING_FILE, "tokenizer_2/vocab.json"},
        {"tokenizer/merges.txt", DIFFCUT_FINDING_FILE, "tokenizer/merges.txt"},
        {"text_encoder_2/model.safetensors", DIFFCUT_FINDING_FILE, "text_encoder_2"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char base[512];
        char path[1024];
        char file[1536];
        make_like("tiny-ssd1b", base, path);
        (void)snprintf(file, sizeof file, "%s/%s", path, files[i].file);
        assert_int_equal(unlink(file), 0);
        finds(path, files[i].kind, 1, files[i].text);
        broken_remove(base);
    }
}

/* Tensors under a name of the same length, so that the header keeps its size. */
static void test_renamed_and_misshapen_tensors_are_named_in_every_part(void **state) {
    (void)state;
    static const struct {
        const char *file, *from, *to;
        unsigned missing, extra, shape;
    } changes[] = {
        {"vae/diffusion_pytorch_model.safetensors", "\"encoder.conv_in.weight\"", "\"encoder.conv_in.wrongs\"", 1, 1,
         0},
        {"vae/diffusion_pytorch_model.safetensors", "\"decoder.conv_in.weight\"", "\"decoder.conv_in.wrongs\"", 0, 0,
         0}, /* not needed */
        {"text_encoder/model.safetensors", "\"text_model.final_layer_norm.bias\"",
         "\"text_model.final_layer_norm.bios\"", 1, 1, 0},
        {"text_encoder_2/model.safetensors", "\"shape\":[20,12]", "\"shape\":[12,20]", 0, 0, 1},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char base[512];
        char path[1024];
        tally t = {{0}, {{0}}};
        diffcut_verify_report report;
        diffcut_diagnostics diag;
        make_like("tiny-ssd1b", base, path);
        broken_replace(path, changes[i].file, changes[i].from, changes[i].to);
        must(diffcut_model_verify(path, NULL, count, &t, &report, &diag), &diag);
        assert_int_equal(t.count[DIFFCUT_FINDING_MISSING], changes[i].missing);
        assert_int_equal(t.count[DIFFCUT_FINDING_EXTRA], changes[i].extra);
        assert_int_equal(t.count[DIFFCUT_FINDING_SHAPE], changes[i].shape);
        assert_int_equal(report.problems, changes[i].missing + changes[i].extra + changes[i].shape);
        broken_remove(base);
    }
}

int main(void) {
    if (access(MODELS "tiny-ssd1b", F_OK) != 0) {
        printf("%s is not there: skipped\n", MODELS "tiny-ssd1b");
        return TEST_SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_shapes_are_the_real_ones),
        cmocka_unit_test(test_the_golden_checkpoints_are_sound),
        cmocka_unit_test(test_what_is_taken_away_is_named),
        cmocka_unit_test(test_renamed_and_misshapen_tensors_are_named_in_every_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

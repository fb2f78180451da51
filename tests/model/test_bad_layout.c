/*
 * test_bad_layout.c - broken indexes, shards and downloads give the right status, and a message that names the file
 * and what is wrong with it.
 */
#include "forge.h"
#include "test.h"

#include "diffcut/diffcut.h"
#include "io/safetensors.h"
#include "model/checkpoint.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ORIGINAL DIFFCUT_TEST_DATA "/tiny-pixel"
#define WEIGHTS "unet/diffusion_pytorch_model.safetensors"
#define FIRST "diffusion_pytorch_model-00001-of-00002.safetensors"
#define SECOND "diffusion_pytorch_model-00002-of-00002.safetensors"
#define INDEX WEIGHTS ".index.json"

static char folder[512];

/* What is to be wrong with the shards. */
typedef struct fault {
    const char *renamed;     /* this tensor has another name in its shard */
    const char *wrong_dtype; /* this one's numbers are said to be I64 */
    bool twice;              /* the first tensor is in both */
} fault;

static const fault none = {0};

static void write_shard(const safetensors *from, size_t start, size_t end, const fault *wrong, const char *name) {
    forge file = {0};
    char local[128];
    for (size_t i = start; i < end; i++) {
        const safetensors_tensor *stored = safetensors_at(from, i);
        bool other = wrong->renamed != NULL && strcmp(stored->name, wrong->renamed) == 0;
        bool integer = wrong->wrong_dtype != NULL && strcmp(stored->name, wrong->wrong_dtype) == 0;
        forge_tensor(&file, integer ? "I64" : stored->type_name, stored->rank, stored->shape,
                     integer ? NULL : stored->data, "%s%s", stored->name, other ? ".renamed" : "");
    }
    if (wrong->twice && start > 0) {
        const safetensors_tensor *stored = safetensors_at(from, 0);
        forge_tensor(&file, stored->type_name, stored->rank, stored->shape, stored->data, "%s", stored->name);
    }
    (void)snprintf(local, sizeof local, "unet/%s", name);
    forge_write(&file, folder, local);
}

/* tests/data/tiny-pixel with its weights in two shards. */
static void make_model(const fault *wrong) {
    static const char *const same[] = {"unet/config.json", "scheduler/scheduler_config.json", "diffcut.json"};
    safetensors *from = NULL;
    diffcut_diagnostics diag;
    char *text = calloc(1, 1U << 20);
    size_t used;
    assert_non_null(text);
    assert_int_equal(safetensors_open(ORIGINAL, WEIGHTS, &from, &diag), DIFFCUT_OK);
    size_t count = safetensors_count(from);
    write_shard(from, 0, count / 2, wrong, FIRST);
    write_shard(from, count / 2, count, wrong, SECOND);
    used = (size_t)sprintf(text, "{\"metadata\": {\"total_size\": 1}, \"weight_map\": {");
    for (size_t i = 0; i < count; i++) {
        used += (size_t)sprintf(text + used, "%s\"%s\": \"%s\"", i > 0 ? ", " : "", safetensors_at(from, i)->name,
                                i < count / 2 ? FIRST : SECOND);
    }
    (void)sprintf(text + used, "}}");
    forge_text(folder, INDEX, text);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        char target[FORGE_PATH];
        (void)snprintf(target, sizeof target, "%s/%s", ORIGINAL, same[i]);
        forge_link(target, folder, same[i]);
    }
    safetensors_close(from);
    free(text);
}

static void place_of(const char *name, char *path) {
    int length = snprintf(path, FORGE_PATH, "%s/%s", folder, name);
    assert_true(length > 0 && length < FORGE_PATH);
}

static void expect_at(const char *path, diffcut_status status, const char *message, const char *also) {
    diffcut_model *model = NULL;
    diffcut_diagnostics diag = {.message = ""};
    diffcut_status got = diffcut_model_open(path, NULL, &model, &diag);
    if (got != status || strstr(diag.message, message) == NULL || strstr(diag.message, also) == NULL) {
        fail_msg("status %d, message \"%s\"; expected %d, \"%s\" and \"%s\"", (int)got, diag.message, (int)status,
                 message, also);
    }
    assert_int_equal(model != NULL, status == DIFFCUT_OK);
    diffcut_model_release(model);
}

static void expect(diffcut_status status, const char *message, const char *also) {
    expect_at(folder, status, message, also);
}

static int start(void **state) {
    (void)state;
    forge_folder(folder, sizeof folder);
    make_model(&none);
    return 0;
}

static int finish(void **state) {
    (void)state;
    forge_remove(folder);
    return 0;
}

static void test_shards_of_a_small_model_are_opened(void **state) {
    (void)state;
    expect(DIFFCUT_OK, "", "");
}

static void test_a_shard_that_is_not_there_is_named(void **state) {
    (void)state;
    char path[FORGE_PATH];
    place_of("unet/" SECOND, path);
    assert_int_equal(unlink(path), 0);
    expect(DIFFCUT_ERROR_MODEL, INDEX ": weight_map names " SECOND, "not there");
    forge_link(SECOND, folder, "unet/" SECOND); /* a link to itself */
    expect(DIFFCUT_ERROR_IO, "unet/" SECOND, "symbolic links");
}

static void test_a_shard_that_is_broken_is_named(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        diffcut_status status;
        const char *message;
    } cases[] = {
        {"", 0, DIFFCUT_ERROR_FORMAT, "empty"},
        {"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", 60, DIFFCUT_ERROR_FORMAT,
         "a Git LFS pointer"},
        {"PK\3\4archive/data.pkl", 20, DIFFCUT_ERROR_UNSUPPORTED, "unpickling runs the code"},
        {"\x80\2}q\0", 5, DIFFCUT_ERROR_UNSUPPORTED, "use the safetensors file"},
        {"<!DOCTYPE html><html>", 21, DIFFCUT_ERROR_FORMAT, "the download failed"},
        {"GGUF\3\0\0\0\0\0\0\0", 12, DIFFCUT_ERROR_FORMAT, "a GGUF file"},
        {"anything", 8, DIFFCUT_ERROR_FORMAT, "header length"},
    };
    char path[FORGE_PATH];
    place_of("unet/" SECOND, path);
    assert_int_equal(truncate(path, 1000), 0);
    expect(DIFFCUT_ERROR_FORMAT, "unet/" SECOND, "truncated");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(cases[i].bytes, 1, cases[i].size, file), cases[i].size);
        assert_int_equal(fclose(file), 0);
        expect(cases[i].status, "unet/" SECOND, cases[i].message);
    }
}

static void test_shards_that_disagree_with_the_index_are_named(void **state) {
    (void)state;
    make_model(&(fault){.renamed = "conv_in.bias"});
    expect(DIFFCUT_ERROR_MODEL, INDEX ": weight_map puts conv_in.bias in unet/" FIRST, "which lacks it");
    make_model(&(fault){.wrong_dtype = "conv_in.weight"});
    expect(DIFFCUT_ERROR_MODEL, "unet/" FIRST ": tensor conv_in.weight has dtype I64", "F32, F16 and BF16");
    make_model(&(fault){.twice = true});
    expect(DIFFCUT_ERROR_MODEL, "is in both unet/", "unet/" SECOND);
}

static void test_every_wrong_index_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *text;
        diffcut_status status;
        const char *message;
    } cases[] = {
        {"{}", DIFFCUT_ERROR_MODEL, "weight_map is missing"},
        {"{\"weight_map\": {}}", DIFFCUT_ERROR_MODEL, "weight_map is empty"},
        {"{\"weight_map\": [1]}", DIFFCUT_ERROR_MODEL, "weight_map is a list of 1, expected an object"},
        {"{\"weight_map\": {\"a\": 1}}", DIFFCUT_ERROR_MODEL, "a is 1, expected a string"},
        {"{\"weight_map\": {\"a\": null}}", DIFFCUT_ERROR_MODEL, "a is missing"},
        {"{\"weight_map\": {\"a\": \"\"}}", DIFFCUT_ERROR_MODEL, "a is \"\""},
        {"{\"weight_map\": {\"a\": \"../x.safetensors\"}}", DIFFCUT_ERROR_MODEL, "puts a in \"../x.safetensors\""},
        {"{\"weight_map\": {\"a\": \"/etc/x.safetensors\"}}", DIFFCUT_ERROR_MODEL, "beside the index"},
        {"{\"weight_map\": {\"a\": \"..\"}}", DIFFCUT_ERROR_MODEL, "beside the index"},
        {"{\"weight_map\": {\"a\": \"x.bin\"}}", DIFFCUT_ERROR_UNSUPPORTED, "x.bin: a PyTorch pickle"},
        {"{\"weight_map\": {\"a\": \"config.json\"}}", DIFFCUT_ERROR_MODEL, "expected a .safetensors file"},
        {"{\"weight_map\": {\"a\": \"none.safetensors\"}}", DIFFCUT_ERROR_MODEL, "names none.safetensors"},
        {"{\"weight_map\": {\"a\": \"" FIRST "\"}}", DIFFCUT_ERROR_MODEL, "which lacks it"},
        {"{\"weight_map\": {\"a\": \"x\", \"a\": \"y\"}}", DIFFCUT_ERROR_FORMAT, "duplicate"},
        {"{\"weight_map\"", DIFFCUT_ERROR_FORMAT, "not valid JSON"},
        {"", DIFFCUT_ERROR_FORMAT, "not valid JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        forge_text(folder, INDEX, cases[i].text);
        const char *file = cases[i].status == DIFFCUT_ERROR_UNSUPPORTED ? "" : INDEX;
        expect(cases[i].status, cases[i].message, file);
    }
}

static void test_a_name_of_any_length_is_refused_or_read(void **state) {
    (void)state;
    char text[2000];
    char name[1000];
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    (void)snprintf(text, sizeof text, "{\"weight_map\": {\"a\": \"%s.safetensors\"}}", name);
    forge_text(folder, INDEX, text);
    expect(DIFFCUT_ERROR_MODEL, INDEX, "a string of 1 to 255 bytes");
    (void)snprintf(text, sizeof text, "{\"weight_map\": {\"%s\": \"%s\"}}", name, FIRST);
    forge_text(folder, INDEX, text);
    expect(DIFFCUT_ERROR_MODEL, INDEX, "which lacks it");
}

static void test_pickles_are_refused_with_what_to_do(void **state) {
    (void)state;
    static const char *const names[] = {"x.ckpt", "x.bin", "x.pt", "x.pth"};
    char path[FORGE_PATH];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        forge_text(folder, names[i], "anything");
        place_of(names[i], path);
        expect_at(path, DIFFCUT_ERROR_UNSUPPORTED, names[i], "convert it with PyTorch");
    }
    place_of("unet/" FIRST, path);
    assert_int_equal(unlink(path), 0);
    place_of("unet/" SECOND, path);
    assert_int_equal(unlink(path), 0);
    place_of(INDEX, path);
    assert_int_equal(unlink(path), 0);
    forge_text(folder, "unet/diffusion_pytorch_model.bin", "anything");
    expect(DIFFCUT_ERROR_UNSUPPORTED, "unet/diffusion_pytorch_model.bin", "unpickling runs the code");
}

static void test_a_folder_without_a_model_says_what_there_is(void **state) {
    (void)state;
    char path[FORGE_PATH];
    forge_text(folder, "empty/.keep", "");
    place_of("empty", path);
    expect_at(path, DIFFCUT_ERROR_MODEL, "the model has no unet/config.json", "or a single safetensors file");
    forge_text(folder, "empty/v1.ckpt", "");
    expect_at(path, DIFFCUT_ERROR_UNSUPPORTED, "v1.ckpt", "PyTorch pickle");
    forge_text(folder, "empty/v1.safetensors", "");
    expect_at(path, DIFFCUT_ERROR_MODEL, "if v1.safetensors is a whole checkpoint", "give that file");
    forge_link("loop", folder, "loop");
    place_of("loop", path);
    expect_at(path, DIFFCUT_ERROR_IO, "loop", "symbolic links");
    place_of("fifo", path);
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_at(path, DIFFCUT_ERROR_MODEL, "fifo", "nor a regular file");
}

static void test_a_component_that_is_not_there_is_named(void **state) {
    (void)state;
    checkpoint *self = NULL;
    diffcut_diagnostics diag;
    assert_int_equal(checkpoint_open_component(folder, "vae", NULL, &self, &diag), DIFFCUT_ERROR_MODEL);
    assert_non_null(strstr(diag.message, "neither config.json nor vae/config.json"));
    assert_int_equal(checkpoint_open_component(folder, "wings", NULL, &self, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(checkpoint_open(folder, &(checkpoint_settings){.config = folder}, &self, &diag),
                     DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(diag.message, "a folder has its own configurations"));
    assert_null(self);
    assert_int_equal(checkpoint_open(folder, NULL, &self, &diag), DIFFCUT_OK);
    assert_int_equal(checkpoint_require(self, "text_encoder", &diag), DIFFCUT_ERROR_MODEL);
    assert_non_null(strstr(diag.message, "the model has no text_encoder/model.safetensors"));
    assert_int_equal(checkpoint_has_component(self, "text_encoder"), false);
    assert_int_equal(checkpoint_has_component(self, "unet"), true);
    checkpoint_close(self);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_shards_of_a_small_model_are_opened, start, finish),
        cmocka_unit_test_setup_teardown(test_a_shard_that_is_not_there_is_named, start, finish),
        cmocka_unit_test_setup_teardown(test_a_shard_that_is_broken_is_named, start, finish),
        cmocka_unit_test_setup_teardown(test_shards_that_disagree_with_the_index_are_named, start, finish),
        cmocka_unit_test_setup_teardown(test_every_wrong_index_is_refused, start, finish),
        cmocka_unit_test_setup_teardown(test_a_name_of_any_length_is_refused_or_read, start, finish),
        cmocka_unit_test_setup_teardown(test_pickles_are_refused_with_what_to_do, start, finish),
        cmocka_unit_test_setup_teardown(test_a_folder_without_a_model_says_what_there_is, start, finish),
        cmocka_unit_test_setup_teardown(test_a_component_that_is_not_there_is_named, start, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_layouts.c - the same tensors through every layout: sharded, single file, variants and the Hugging Face cache
 * give, under the same names, the very bits that the fp16 folder gives; and what is not needed is never read.
 */
#include "forge.h"
#include "test.h"

#include "core/memory.h"
#include "golden.h"
#include "model/checkpoint.h"
#include "nn/unet.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MODELS DIFFCUT_SHARED_DIR "/golden/models"
#define FOLDER MODELS "/tiny-ssd1b"
#define SHARDED MODELS "/tiny-ssd1b-sharded"
#define SINGLE MODELS "/tiny-ssd1b-single/tiny-ssd1b.safetensors"
#define COMMIT "0123456789abcdef0123456789abcdef01234567"

static const char *const components[] = {"unet", "vae", "text_encoder", "text_encoder_2"};
enum { COMPONENTS = sizeof components / sizeof *components };

static char temporary[512];

static checkpoint *open_all(const char *path, const checkpoint_settings *settings) {
    checkpoint *self = NULL;
    diffcut_diagnostics diag;
    diffcut_status status = checkpoint_open(path, settings, &self, &diag);
    for (size_t i = 0; i < COMPONENTS && status == DIFFCUT_OK; i++) {
        status = checkpoint_require(self, components[i], &diag);
    }
    if (status != DIFFCUT_OK) {
        fail_msg("%s: %s", path, diag.message);
    }
    return self;
}

static checkpoint *open_component(const char *path) {
    checkpoint *self = NULL;
    diffcut_diagnostics diag;
    diffcut_status status = checkpoint_open_component(path, "vae", NULL, &self, &diag);
    if (status == DIFFCUT_OK) {
        status = checkpoint_require(self, "vae", &diag);
    }
    if (status != DIFFCUT_OK) {
        fail_msg("%s: %s", path, diag.message);
    }
    return self;
}

/* Every tensor of want that starts so is in got, bit for bit. Returns their number. */
static size_t expect_equal(const checkpoint *want, const checkpoint *got, const char *component, const char *start) {
    size_t equal = 0;
    for (size_t i = 0; i < checkpoint_count(want, component); i++) {
        const safetensors_tensor *a = checkpoint_at(want, component, i);
        const safetensors_tensor *b;
        const char *file;
        diffcut_diagnostics diag;
        if (strncmp(a->name, start, strlen(start)) != 0) {
            continue;
        }
        if (checkpoint_find(got, component, a->name, &b, &file, &diag) != DIFFCUT_OK) {
            fail_msg("%s: %s", component, diag.message);
        }
        if (a->type != b->type || a->rank != b->rank || memcmp(a->shape, b->shape, a->rank * sizeof *a->shape) != 0 ||
            memcmp(a->data, b->data, a->bytes) != 0) {
            fail_msg("%s: tensor %s of %s differs", component, a->name, checkpoint_path(got));
        }
        equal++;
    }
    return equal;
}

static void expect_all_equal(checkpoint *want, checkpoint *got) {
    size_t equal = 0;
    for (size_t i = 0; i < COMPONENTS; i++) {
        equal += expect_equal(want, got, components[i], "");
    }
    assert_int_equal(equal, 1029); /* as diffusers counts them */
    checkpoint_close(got);
    checkpoint_close(want);
}

static checkpoint *open_fp16(void) {
    return open_all(FOLDER, &(checkpoint_settings){.variant = "fp16"});
}

static void test_shards_give_the_bits_of_one_file(void **state) {
    (void)state;
    expect_all_equal(open_fp16(), open_all(SHARDED, NULL));
}

static void test_a_single_file_gives_the_bits_of_the_folder(void **state) {
    (void)state;
    checkpoint *single = open_all(SINGLE, &(checkpoint_settings){.config = FOLDER});
    char *path = NULL;
    diffcut_diagnostics diag;
    assert_string_equal(checkpoint_name(single), "tiny-ssd1b");
    assert_int_equal(checkpoint_path_of(single, "tokenizer_2/merges.txt", &path, &diag), DIFFCUT_OK);
    assert_int_equal(access(path, R_OK), 0);
    mem_free(path);
    assert_int_equal(checkpoint_path_of(single, "tokenizer_3/merges.txt", &path, &diag), DIFFCUT_ERROR_MODEL);
    assert_non_null(strstr(diag.message, "tokenizer_3/merges.txt"));
    expect_all_equal(open_fp16(), single);
}

static void test_variants_are_chosen_by_name_or_preference(void **state) {
    (void)state;
    static const struct {
        const char *variant;
        dtype unet;
    } cases[] = {{NULL, DTYPE_F32}, {"fp16", DTYPE_F16}, {"bf16", DTYPE_BF16}};
    diffcut_diagnostics diag;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        checkpoint *self = open_all(FOLDER, &(checkpoint_settings){.variant = cases[i].variant});
        assert_int_equal(checkpoint_at(self, "unet", 0)->type, cases[i].unet);
        assert_int_equal(checkpoint_at(self, "vae", 0)->type, cases[i].unet);
        checkpoint_close(self);
    }
    checkpoint *self = NULL;
    const checkpoint_settings unknown = {.variant = "fp8"};
    assert_int_equal(checkpoint_open(FOLDER, &unknown, &self, &diag), DIFFCUT_OK);
    assert_int_equal(checkpoint_has_component(self, "unet"), false);
    assert_int_equal(checkpoint_require(self, "unet", &diag), DIFFCUT_ERROR_MODEL);
    assert_non_null(strstr(diag.message, "the model has no unet/diffusion_pytorch_model.fp8.safetensors; there is "));
    assert_non_null(strstr(diag.message, "diffusion_pytorch_model.bf16.safetensors"));
    checkpoint_close(self);
}

static const char *const sharded_files[] = {"unet/config.json",
                                            "unet/diffusion_pytorch_model-00001-of-00003.safetensors",
                                            "unet/diffusion_pytorch_model-00002-of-00003.safetensors",
                                            "unet/diffusion_pytorch_model-00003-of-00003.safetensors",
                                            "vae/config.json",
                                            "vae/diffusion_pytorch_model.safetensors",
                                            "text_encoder/config.json",
                                            "text_encoder/model.safetensors",
                                            "text_encoder_2/config.json",
                                            "text_encoder_2/model-00001-of-00002.safetensors",
                                            "text_encoder_2/model-00002-of-00002.safetensors",
                                            "text_encoder_2/model.safetensors.index.json"};
#define SHARDED_FILES (sizeof sharded_files / sizeof *sharded_files)
#define UNET_INDEX "unet/diffusion_pytorch_model.safetensors.index.json"

/* Links one file of the sharded model into a folder below the temporary one. */
static void link_sharded(const char *below, const char *name, const char *as) {
    char local[FORGE_PATH];
    char target[FORGE_PATH];
    (void)snprintf(target, sizeof target, "%s/%s", SHARDED, name);
    (void)snprintf(local, sizeof local, "%s/%s", below, as);
    forge_link(target, temporary, local);
}

static void test_an_index_of_a_variant_is_found_under_its_three_names(void **state) {
    (void)state;
    static const char *const names[] = {"unet/diffusion_pytorch_model.safetensors.index.fp16.json",
                                        "unet/diffusion_pytorch_model.fp16.safetensors.index.json",
                                        "unet/diffusion_pytorch_model.safetensors.fp16.index.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char below[16];
        char folder[600];
        (void)snprintf(below, sizeof below, "index%zu", i);
        for (size_t j = 0; j < SHARDED_FILES; j++) {
            link_sharded(below, sharded_files[j], sharded_files[j]);
        }
        link_sharded(below, UNET_INDEX, names[i]);
        (void)snprintf(folder, sizeof folder, "%s/%s", temporary, below);
        expect_all_equal(open_fp16(), open_all(folder, NULL)); /* there is no plain one */
    }
}

/* ------------------------------------------------------------------------------------------------- first stages */

static void test_older_attention_names_give_the_same_tensors(void **state) {
    (void)state;
    checkpoint *want = open_component(MODELS "/tiny-sd1");
    checkpoint *got = open_component(MODELS "/tiny-sd1/vae_legacy_keys");
    assert_true(expect_equal(want, got, "vae", "encoder.") > 90);
    assert_int_equal(expect_equal(want, got, "vae", "quant_conv."), 2);
    assert_int_equal(checkpoint_has(got, "vae/config.json"), true);
    checkpoint_close(got);
    checkpoint_close(want);
}

static void test_a_component_is_found_in_a_model_alone_and_as_a_file(void **state) {
    (void)state;
    static const char *const paths[] = {MODELS "/tiny-sd1/vae",
                                        MODELS "/tiny-sd1/vae/diffusion_pytorch_model.safetensors"};
    diffcut_diagnostics diag;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        checkpoint *want = open_component(MODELS "/tiny-sd1");
        checkpoint *got = open_component(paths[i]);
        json_document config;
        assert_true(expect_equal(want, got, "vae", "") > 180);
        assert_int_equal(checkpoint_json(got, "vae/config.json", &config, &diag), DIFFCUT_OK);
        assert_string_equal(config.root.file, "vae/config.json");
        json_document_free(&config);
        checkpoint_close(got);
        checkpoint_close(want);
    }
}

static void test_the_original_taesd_file_gives_the_folders_encoder(void **state) {
    (void)state;
    static const uint32_t blocks[] = {1, 3, 3, 3};
    diffcut_diagnostics diag;
    /* The config.json beside it describes the other file there, in other words than are told here. */
    static const char path[] = MODELS "/tiny-taesd/taesd_encoder.safetensors";
    checkpoint *want = open_component(MODELS "/tiny-taesd");
    checkpoint *got = open_component(path);
    assert_int_equal(expect_equal(want, got, "vae", "encoder."), checkpoint_count(got, "vae"));
    json_document config;
    uint32_t values[8];
    size_t count;
    const char *type;
    assert_int_equal(checkpoint_json(got, "vae/config.json", &config, &diag), DIFFCUT_OK);
    assert_int_equal(json_get_text(config.root, "_class_name", true, NULL, 50, &type, &diag), DIFFCUT_OK);
    assert_string_equal(type, "AutoencoderTiny");
    assert_int_equal(json_get_uint_list(config.root, "num_encoder_blocks", 1, 9, 8, values, &count, &diag),
                     DIFFCUT_OK);
    assert_int_equal(count, 4);
    assert_memory_equal(values, blocks, sizeof blocks);
    json_document_free(&config);
    checkpoint_close(got);
    checkpoint_close(want);
}

static void test_text_encoder_keys_have_one_form(void **state) {
    (void)state;
    static const char *const paths[] = {MODELS "/tiny-vega", FOLDER}; /* without and with "text_model." in the file */
    for (size_t i = 0; i < 2; i++) {
        checkpoint *self = open_all(paths[i], NULL);
        const safetensors_tensor *found;
        const char *file;
        diffcut_diagnostics diag;
        assert_int_equal(checkpoint_find(self, "text_encoder", "text_model.encoder.layers.0.layer_norm1.weight",
                                         &found, &file, &diag),
                         DIFFCUT_OK);
        checkpoint_close(self);
    }
}

/* ------------------------------------------------------------------------------------------------- the cache */

/* A cache as huggingface_hub lays it out: links in the snapshot, blobs beside it. */
static void make_cache(const char *root, const char *reference) {
    char local[FORGE_PATH];
    char target[FORGE_PATH];
    static const char model[] = "models--tiny--ssd-1b";
    for (size_t i = 0; i <= SHARDED_FILES; i++) {
        const char *name = i < SHARDED_FILES ? sharded_files[i] : UNET_INDEX;
        (void)snprintf(local, sizeof local, "%s/blobs/%040zx", model, i);
        (void)snprintf(target, sizeof target, "%s/%s", SHARDED, name);
        forge_link(target, root, local);
        (void)snprintf(local, sizeof local, "%s/snapshots/" COMMIT "/%s", model, name);
        (void)snprintf(target, sizeof target, "../../../blobs/%040zx", i);
        forge_link(target, root, local);
    }
    if (reference != NULL) {
        (void)snprintf(local, sizeof local, "%s/refs/%s", model, reference);
        forge_text(root, local, COMMIT);
    }
}

static void clear_environment(void) {
    static const char *const names[] = {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(unsetenv(names[i]), 0);
    }
    assert_int_equal(setenv("HOME", "/nonexistent", 1), 0);
}

static void test_a_name_is_found_in_the_cache_wherever_it_lies(void **state) {
    (void)state;
    static const struct {
        const char *variable, *value, *root; /* below the temporary folder */
    } places[] = {{"HF_HUB_CACHE", "c0", "c0"},
                  {"HUGGINGFACE_HUB_CACHE", "c1", "c1"},
                  {"HF_HOME", "c2", "c2/hub"},
                  {"XDG_CACHE_HOME", "c3", "c3/huggingface/hub"},
                  {"HOME", "c4", "c4/.cache/huggingface/hub"}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char root[600];
        char value[600];
        char local[100];
        (void)snprintf(local, sizeof local, "%s/x", places[i].root);
        forge_text(temporary, local, "");
        (void)snprintf(root, sizeof root, "%s/%s", temporary, places[i].root);
        (void)snprintf(value, sizeof value, "%s/%s", temporary, places[i].value);
        make_cache(root, i % 2 == 0 ? "main" : NULL); /* or its only snapshot is taken */
        clear_environment();
        assert_int_equal(setenv(places[i].variable, value, 1), 0);
        checkpoint *self = open_all("tiny/ssd-1b", NULL);
        assert_string_equal(checkpoint_name(self), "tiny/ssd-1b");
        expect_all_equal(open_fp16(), self);
    }
}

static void test_revisions_are_branches_tags_and_commits(void **state) {
    (void)state;
    static const struct {
        const char *name;
        diffcut_status status;
        const char *message;
    } cases[] = {
        {"tiny/ssd-1b@refs/pr/1", DIFFCUT_OK, ""},
        {"tiny/ssd-1b@" COMMIT, DIFFCUT_OK, ""},
        {"tiny/ssd-1b", DIFFCUT_OK, ""}, /* the only snapshot */
        {"tiny/ssd-1b@v2", DIFFCUT_ERROR_IO, "no snapshot of revision \"v2\""},
        {"tiny/ssd-1b@v2", DIFFCUT_ERROR_IO, "get it with \"diffcut model pull tiny/ssd-1b@v2\""},
        {"tiny/other@v2", DIFFCUT_ERROR_IO, "get it with \"diffcut model pull tiny/other@v2\""},
        {"tiny/ssd-1b@../../x", DIFFCUT_ERROR_IO, "No such file"},
        {"tiny/other", DIFFCUT_ERROR_IO, "get it with \"diffcut model pull tiny/other\""},
        {"../tiny", DIFFCUT_ERROR_IO, "../tiny: No such file"},
        {"tiny/..", DIFFCUT_ERROR_IO, "tiny/..: No such file"},
        {"tiny/ssd-1b/unet", DIFFCUT_ERROR_IO, "tiny/ssd-1b/unet: No such file"},
        {"a--b/c", DIFFCUT_ERROR_IO, "a--b/c: No such file"},
        {"tiny", DIFFCUT_ERROR_IO, "tiny: No such file"},
    };
    char root[600];
    forge_text(temporary, "revisions/x", "");
    (void)snprintf(root, sizeof root, "%s/revisions", temporary);
    make_cache(root, "refs/pr/1");
    clear_environment();
    assert_int_equal(setenv("HF_HUB_CACHE", root, 1), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        checkpoint *self = NULL;
        diffcut_diagnostics diag = {.message = ""};
        diffcut_status status = checkpoint_open(cases[i].name, NULL, &self, &diag);
        if (status != cases[i].status || strstr(diag.message, cases[i].message) == NULL) {
            fail_msg("%s: status %d, message \"%s\"", cases[i].name, (int)status, diag.message);
        }
        checkpoint_close(self);
    }
    diffcut_diagnostics diag;
    checkpoint *self = NULL;
    assert_int_equal(checkpoint_open("tiny/other", NULL, &self, &diag), DIFFCUT_ERROR_IO);
    assert_non_null(strstr(diag.message, "revisions/models--tiny--other"));
}

/* ------------------------------------------------------------------------------------------------- pages */

/* Forbids reading the pages that lie wholly inside the tensor. Returns their number. */
static size_t forbid(const safetensors_tensor *stored) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = ((uintptr_t)stored->data + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)stored->data + stored->bytes) / page * page;
    if (end <= start) {
        return 0;
    }
    assert_int_equal(mprotect((void *)start, end - start, PROT_NONE), 0);
    return (end - start) / page;
}

static bool begins(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

/* The UNet's encoder is prepared whole while every page of what it does not need would end the program. */
static void test_pages_of_the_decoder_are_never_read(void **state) {
    (void)state;
    diffcut_diagnostics diag;
    checkpoint *self = open_all(SINGLE, &(checkpoint_settings){.config = FOLDER});
    json_document document;
    unet_config config;
    backend *target = NULL;
    unet *network = NULL;
    unet_hook hook;
    size_t pages = 0;
    for (size_t c = 0; c < COMPONENTS; c++) {
        for (size_t i = 0; i < checkpoint_count(self, components[c]); i++) {
            const safetensors_tensor *stored = checkpoint_at(self, components[c], i);
            if (c > 0 || begins(stored->name, "up_blocks.") || begins(stored->name, "mid_block.")) {
                pages += strcmp(stored->name, "text_projection.weight") != 0 ? forbid(stored) : 0;
            }
        }
    }
    assert_true(pages > 500);
    assert_int_equal(checkpoint_json(self, "unet/config.json", &document, &diag), DIFFCUT_OK);
    assert_int_equal(unet_config_read(document.root, &config, &diag), DIFFCUT_OK);
    json_document_free(&document);
    assert_int_equal(backend_open("ref", &target, &diag), DIFFCUT_OK);
    assert_int_equal(unet_open(target, self, &config, &network, &diag), DIFFCUT_OK);
    assert_int_equal(unet_plan_default_hook(unet_get_plan(network), &hook, &diag), DIFFCUT_OK);
    if (unet_prepare(network, hook.step + 1, &diag) != DIFFCUT_OK) {
        fail_msg("%s", diag.message);
    }
    unet_close(network);
    target->ops->close(target);
    checkpoint_close(self);
}

/* ------------------------------------------------------------------------------------------------- memory */

static void test_no_allocation_failure_is_lost(void **state) {
    (void)state;
    static const struct {
        const char *path;
        checkpoint_settings settings;
    } cases[] = {{SHARDED, {0}}, {SINGLE, {.config = FOLDER}}, {FOLDER, {.variant = "fp16"}}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        long walked = 0;
        diffcut_status status;
        do {
            checkpoint *self = NULL;
            diffcut_diagnostics diag = {.message = ""};
            mem_fail_after(walked);
            status = checkpoint_open(cases[c].path, &cases[c].settings, &self, &diag);
            for (size_t i = 0; i < COMPONENTS && status == DIFFCUT_OK; i++) {
                status = checkpoint_require(self, components[i], &diag);
            }
            mem_fail_after(-1);
            assert_true(status == DIFFCUT_OK || diag.message[0] != '\0');
            checkpoint_close(self);
            walked = walked < 40 ? walked + 1 : walked + walked / 8;
        } while (status != DIFFCUT_OK && walked < 100000);
        assert_int_equal(status, DIFFCUT_OK);
    }
}

static int make_folder(void **state) {
    (void)state;
    forge_folder(temporary, sizeof temporary);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    forge_remove(temporary);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shards_give_the_bits_of_one_file),
        cmocka_unit_test(test_a_single_file_gives_the_bits_of_the_folder),
        cmocka_unit_test(test_variants_are_chosen_by_name_or_preference),
        cmocka_unit_test(test_an_index_of_a_variant_is_found_under_its_three_names),
        cmocka_unit_test(test_older_attention_names_give_the_same_tensors),
        cmocka_unit_test(test_a_component_is_found_in_a_model_alone_and_as_a_file),
        cmocka_unit_test(test_the_original_taesd_file_gives_the_folders_encoder),
        cmocka_unit_test(test_text_encoder_keys_have_one_form),
        cmocka_unit_test(test_a_name_is_found_in_the_cache_wherever_it_lies),
        cmocka_unit_test(test_revisions_are_branches_tags_and_commits),
        cmocka_unit_test(test_pages_of_the_decoder_are_never_read),
        cmocka_unit_test(test_no_allocation_failure_is_lost),
    };
    if (!golden_shared_present()) {
        return TEST_SKIPPED;
    }
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

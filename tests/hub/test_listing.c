/* test_listing.c - what is needed of a repository, paths that stay inside, and every allocation failing in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/memory.h"
#include "hub/listing.h"
#include "hub/names.h"
#include "hub/select.h"

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define SHA256 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

/* The listing of a repository that holds these paths. */
static void list(const char *const *paths, listing *out) {
    char text[8192] = "{\"sha\": \"" COMMIT "\", \"siblings\": [";
    for (size_t i = 0; paths[i] != NULL; i++) {
        const size_t used = strlen(text);
        (void)snprintf(text + used, sizeof text - used, "%s{\"rfilename\": \"%s\", \"size\": 7}", i > 0 ? ", " : "",
                       paths[i]);
    }
    strcat(text, "]}");
    diffcut_diagnostics diag = {{0}};
    assert_int_equal(listing_parse(text, strlen(text), "listing", out, &diag), DIFFCUT_OK);
}

/* The paths that are taken, in order, are exactly these (or the status is not OK and the message holds the word). */
static void expect(const char *const *paths, const char *variant, const char *const *expected, const char *word) {
    listing all;
    list(paths, &all);
    bool wanted[64] = {false};
    diffcut_diagnostics diag = {{0}};
    const select_settings settings = {variant, NULL};
    const diffcut_status status = select_files(&all, "org/name", &settings, wanted, &diag);
    if (word != NULL) {
        assert_int_equal(status, DIFFCUT_ERROR_MODEL);
        assert_non_null(strstr(diag.message, word));
    } else {
        assert_int_equal(status, DIFFCUT_OK);
        size_t next = 0;
        for (size_t i = 0; i < all.count; i++) {
            if (wanted[i]) {
                assert_non_null(expected[next]);
                assert_string_equal(all.files[i].path, expected[next]);
                next++;
            }
        }
        assert_null(expected[next]);
    }
    listing_free(&all);
}

#define PATHS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define UNET "unet/diffusion_pytorch_model"

static void one_variant_of_the_weights_is_taken(void **state) {
    (void)state;
    const char *const *all = PATHS("unet/config.json", UNET ".bf16.safetensors", UNET ".fp16.safetensors",
                                   UNET ".safetensors", UNET ".non_ema.safetensors", UNET ".bin");
    expect(all, NULL, PATHS("unet/config.json", UNET ".fp16.safetensors"), NULL);
    expect(all, "", PATHS("unet/config.json", UNET ".safetensors"), NULL);
    expect(all, "bf16", PATHS("unet/config.json", UNET ".bf16.safetensors"), NULL);
    expect(all, "int8", NULL, "there are: bf16, fp16, non_ema, plain");
    expect(PATHS("unet/config.json", UNET ".bf16.safetensors"), NULL,
           PATHS("unet/config.json", UNET ".bf16.safetensors"), NULL);
    expect(PATHS("unet/config.json", UNET ".non_ema.safetensors"), NULL, NULL, "--variant takes another");
    expect(PATHS("unet/config.json", UNET ".bin"), NULL, NULL, "pickles");
}

/* Both orders of shard and variant have been written by the libraries. */
static void shards_are_taken_together_or_not_at_all(void **state) {
    (void)state;
    expect(PATHS("unet/config.json", UNET ".fp16-00001-of-00002.safetensors", UNET ".fp16-00002-of-00002.safetensors",
                 UNET ".safetensors.index.fp16.json"),
           NULL,
           PATHS("unet/config.json", UNET ".fp16-00001-of-00002.safetensors", UNET ".fp16-00002-of-00002.safetensors",
                 UNET ".safetensors.index.fp16.json"),
           NULL);
    expect(PATHS("unet/config.json", UNET "-00001-of-00002.fp16.safetensors", UNET "-00002-of-00002.fp16.safetensors",
                 UNET ".safetensors.index.fp16.json", UNET "-00001-of-00001.safetensors",
                 UNET ".safetensors.index.json"),
           "", PATHS("unet/config.json", UNET "-00001-of-00001.safetensors", UNET ".safetensors.index.json"), NULL);
    expect(PATHS("unet/config.json", UNET "-00001-of-00002.safetensors", UNET ".safetensors.index.json"), NULL, NULL,
           "no whole fp16, plain or bf16 weights in unet");
    expect(PATHS("unet/config.json", UNET "-00001-of-00001.safetensors"), NULL, NULL, "no whole");
}

static void an_image_encoders_files_are_taken(void **state) {
    (void)state;
    expect(PATHS("README.md", "config.json", "model.safetensors", "preprocessor_config.json", "pytorch_model.bin"),
           NULL, PATHS("README.md", "config.json", "model.safetensors", "preprocessor_config.json"), NULL);
    expect(PATHS("config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                 "model.safetensors.index.json", "tf_model.h5"),
           NULL,
           PATHS("config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                 "model.safetensors.index.json"),
           NULL);
    expect(PATHS("merges.txt", "open_clip_config.json", "open_clip_model.safetensors", "open_clip_pytorch_model.bin",
                 "tokenizer.json", "vocab.json"),
           NULL, PATHS("merges.txt", "open_clip_config.json", "open_clip_model.safetensors", "vocab.json"), NULL);
    /* Where both are there, transformers' layout. */
    expect(PATHS("config.json", "model.safetensors", "open_clip_config.json", "open_clip_model.safetensors"), NULL,
           PATHS("config.json", "model.safetensors"), NULL);
}

static void paths_stay_inside_their_folder(void **state) {
    (void)state;
    static const char *const inside[] = {"a", "a/b", ".gitattributes", "a/..b", "\xc3\xa9/x y"};
    static const char *const outside[] = {"",     "/",    "/a",     "a/",    "a//b", ".",    "..",
                                          "../a", "a/..", "a/../b", "a/./b", "a\\b", "a\nb", "a\x7f"};
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        assert_true(names_is_relative(inside[i]));
    }
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        assert_false(names_is_relative(outside[i]));
    }
    assert_true(names_is_hex(COMMIT, 40));
    assert_false(names_is_hex(COMMIT, 39));
    assert_false(names_is_hex("../" COMMIT, 43));
    assert_false(names_is_hex("0123456789ABCDEF0123456789abcdef01234567", 40));
}

static void a_listing_survives_every_allocation_failing(void **state) {
    (void)state;
    static const char text[] = "{\"sha\": \"" COMMIT "\", \"cardData\": {\"license\": \"mit\"}, \"siblings\": ["
                               "{\"rfilename\": \"b\", \"size\": 3, \"blobId\": \"" COMMIT "\", \"lfs\": "
                               "{\"sha256\": \"" SHA256 "\", \"size\": 5000}}, {\"rfilename\": \"a\"}]}";
    diffcut_diagnostics diag = {{0}};
    listing made = {0};
    diffcut_status status = DIFFCUT_ERROR_MEMORY;
    for (long n = 0; status != DIFFCUT_OK; n++) {
        assert_true(n < 100);
        mem_fail_after(n);
        status = listing_parse(text, sizeof text - 1, "listing", &made, &diag);
        mem_fail_after(-1);
        if (status != DIFFCUT_OK) {
            assert_int_equal(made.count, 0);
        }
    }
    assert_int_equal(made.count, 2);
    assert_string_equal(made.files[0].path, "a");
    assert_true(made.files[0].size == LISTING_NOT_SAID);
    assert_string_equal(made.files[0].hash, "");
    assert_true(made.files[1].size == 5000);
    assert_string_equal(made.files[1].hash, SHA256);
    assert_string_equal(made.license, "mit");
    assert_int_equal(listing_find(&made, "b"), 1);
    assert_true(listing_find(&made, "c") == SIZE_MAX);
    listing_free(&made);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_variant_of_the_weights_is_taken),
        cmocka_unit_test(shards_are_taken_together_or_not_at_all),
        cmocka_unit_test(an_image_encoders_files_are_taken),
        cmocka_unit_test(paths_stay_inside_their_folder),
        cmocka_unit_test(a_listing_survives_every_allocation_failing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

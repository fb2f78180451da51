/* test_about.c - the licence that a README names, the variant that a file's name tells. */
#include "test.h"

#include "model/about.h"

#include <string.h>

static void test_the_front_matter_names_the_licence(void **state) {
    (void)state;
    static const struct {
        const char *text, *license;
    } cases[] = {
        {"---\nlicense: apache-2.0\ntags:\n- a\n---\ntext", "apache-2.0"},
        {"---\r\nlicense: apache-2.0\r\n---\r\n", "apache-2.0"},
        {"---\nlicense: 'mit' # as is\n---\n", "mit"},
        {"---\nlicense: other\nlicense_name: \"sdxl-1.0\"\nlicense_link: LICENSE.md\n---\n", "sdxl-1.0"},
        {"---\nlicense_name: own\nlicense: other\n---\n", "own"},
        {"---\nlicense: mit\nlicense_name: own\n---\n", "mit"},
        {"---\nlicense: other\n---\n", "other"},
        {"---\nlicense:\n- openrail++\n- mit\n---\n", "openrail++"},
        {"---\nlicense:\n  - openrail++\n---\n", "openrail++"},
        {"---\ntags: [a]\n---\nlicense: mit\n", ""}, /* below the front matter it is text */
        {"license: mit\n", ""},
        {"---", ""},
        {"---\nlicense:", ""},
        {"---\n\n\nlicense: mit", "mit"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char got[ABOUT_TEXT_SIZE];
        about_license(cases[i].text, got);
        if (strcmp(got, cases[i].license) != 0) {
            fail_msg("case %zu: \"%s\", expected \"%s\"", i, got, cases[i].license);
        }
    }
}

static void test_a_long_value_is_cut(void **state) {
    (void)state;
    char text[600] = "---\nlicense: ";
    char got[ABOUT_TEXT_SIZE];
    memset(text + strlen(text), 'x', 500);
    about_license(text, got);
    assert_int_equal(strlen(got), ABOUT_TEXT_SIZE - 1);
}

static void test_the_files_name_tells_the_variant(void **state) {
    (void)state;
    static const struct {
        const char *file, *variant;
    } cases[] = {
        {"unet/diffusion_pytorch_model.safetensors", ""},
        {"unet/diffusion_pytorch_model.fp16.safetensors", "fp16"},
        {"unet/diffusion_pytorch_model.fp16-00001-of-00003.safetensors", "fp16"},
        {"unet/diffusion_pytorch_model-00001-of-00003.safetensors", ""},
        {"a.b/model.bf16.safetensors", "bf16"},
        {"model", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char got[ABOUT_TEXT_SIZE];
        about_variant(cases[i].file, got);
        assert_string_equal(got, cases[i].variant);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_front_matter_names_the_licence),
        cmocka_unit_test(test_a_long_value_is_cut),
        cmocka_unit_test(test_the_files_name_tells_the_variant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

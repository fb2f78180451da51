/*
 * test_unet_plan.c - the network is what its configuration says: families, default hooks, heads and depths in each of
 * the forms that checkpoints write them, without any weights.
 */
#include "test.h"

#include "model/settings.h"
#include "nn/unet_plan.h"

#include <stdio.h>
#include <string.h>

/* The structure of real checkpoints, from their published configurations: keys that matter only. */
#define SD1                                                                                                          \
    "\"in_channels\":4,\"attention_head_dim\":8,\"block_out_channels\":[320,640,1280,1280],\"cross_attention_dim\":" \
    "768,"                                                                                                           \
    "\"down_block_types\":[\"CrossAttnDownBlock2D\",\"CrossAttnDownBlock2D\",\"CrossAttnDownBlock2D\","              \
    "\"DownBlock2D\"]"
#define SDXL                                                                                                         \
    "\"in_channels\":4,\"attention_head_dim\":[5,10,20],\"block_out_channels\":[320,640,1280],"                      \
    "\"cross_attention_dim\":2048,\"use_linear_projection\":true,\"addition_embed_type\":\"text_time\","             \
    "\"addition_time_embed_dim\":256,\"projection_class_embeddings_input_dim\":2816,"                                \
    "\"down_block_types\":[\"DownBlock2D\",\"CrossAttnDownBlock2D\",\"CrossAttnDownBlock2D\"]"

typedef struct family_case {
    const char *config;
    model_family family;
    uint32_t size;
    const char *hook;
    uint32_t channels, level;
} family_case;

static const family_case families[] = {
    {"{" SD1 "}", MODEL_SD, 512, "down_blocks.2.attentions.1.transformer_blocks.0.attn1", 1280, 2},
    {"{" SDXL ",\"transformer_layers_per_block\":[1,2,10]}", MODEL_SDXL, 1024,
     "down_blocks.2.attentions.1.transformer_blocks.9.attn1", 1280, 2},
    {"{" SDXL ",\"transformer_layers_per_block\":[1,[2,2],[4,3]]}", MODEL_SDXL, 1024,
     "down_blocks.2.attentions.1.transformer_blocks.2.attn1", 1280, 2},
    {"{" SDXL ",\"transformer_layers_per_block\":1}", MODEL_SDXL, 1024,
     "down_blocks.2.attentions.1.transformer_blocks.0.attn1", 1280, 2},
};

static void read_config(const char *text, unet_config *config) {
    json_document document;
    diffcut_diagnostics diag = {.message = ""};
    if (json_parse(text, strlen(text), "unet/config.json", &document, &diag) != DIFFCUT_OK ||
        unet_config_read(document.root, config, &diag) != DIFFCUT_OK) {
        fail_msg("%s", diag.message);
    }
    json_document_free(&document);
}

static void test_families_and_hooks_come_from_the_configuration(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        unet_config config;
        unet_plan plan;
        unet_hook hook;
        unet_hook same;
        model_settings settings;
        bool known;
        diffcut_diagnostics diag;
        read_config(families[i].config, &config);
        model_settings_init(&config, &settings, &known);
        assert_true(known);
        assert_int_equal(settings.family, families[i].family);
        assert_int_equal(settings.size, families[i].size);
        assert_int_equal(settings.timestep, 50);
        assert_int_equal(unet_plan_create(&config, &plan, &diag), DIFFCUT_OK);
        assert_int_equal(unet_plan_default_hook(&plan, &hook, &diag), DIFFCUT_OK);
        assert_string_equal(hook.name, families[i].hook);
        assert_int_equal(hook.channels, families[i].channels);
        assert_int_equal(hook.level, families[i].level);
        assert_int_equal(unet_plan_hook(&plan, families[i].hook, &same, &diag), DIFFCUT_OK);
        assert_int_equal(same.step, hook.step);
        unet_plan_free(&plan);
    }
}

static void test_heads_are_attention_head_dim_unless_num_attention_heads_is_given(void **state) {
    (void)state;
    unet_config config;
    read_config("{" SDXL "}", &config);
    assert_int_equal(config.blocks[0].heads, 5);
    assert_int_equal(config.blocks[2].heads, 20);
    read_config("{" SDXL ",\"num_attention_heads\":4}", &config);
    assert_int_equal(config.blocks[0].heads, 4);
    assert_int_equal(config.blocks[2].heads, 4);
    assert_int_equal(unet_config_pooled_width(&config), 1280);
    assert_int_equal(unet_config_time_width(&config), 1280);
}

static void test_absent_keys_have_the_defaults_of_diffusers(void **state) {
    (void)state;
    unet_config config;
    read_config("{" SD1 "}", &config);
    assert_int_equal(config.blocks[3].layers, 2);
    assert_int_equal(config.blocks[0].depth[1], 1);
    assert_int_equal(config.norm_groups, 32);
    assert_true(config.norm_eps == 1e-5F);
    assert_int_equal(config.downsample_padding, 1);
    assert_true(config.flip_sin_to_cos);
    assert_false(config.linear_projection);
    assert_false(config.added_condition);
    assert_false(config.blocks[3].downsample);
}

static void test_a_network_without_attention_near_its_end_needs_a_named_hook(void **state) {
    (void)state;
    unet_config config;
    unet_plan plan;
    unet_hook hook;
    diffcut_diagnostics diag;
    read_config("{\"block_out_channels\":[32,32,32],\"down_block_types\":[\"CrossAttnDownBlock2D\",\"DownBlock2D\","
                "\"DownBlock2D\"]}",
                &config);
    assert_int_equal(unet_plan_create(&config, &plan, &diag), DIFFCUT_OK);
    assert_int_equal(unet_plan_default_hook(&plan, &hook, &diag), DIFFCUT_ERROR_UNSUPPORTED);
    assert_non_null(strstr(diag.message, "name a hook"));
    unet_plan_free(&plan);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families_and_hooks_come_from_the_configuration),
        cmocka_unit_test(test_heads_are_attention_head_dim_unless_num_attention_heads_is_given),
        cmocka_unit_test(test_absent_keys_have_the_defaults_of_diffusers),
        cmocka_unit_test(test_a_network_without_attention_near_its_end_needs_a_named_hook),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

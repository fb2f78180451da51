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

static void make_plan(const char *text, unet_plan *plan) {
    unet_config config;
    diffcut_diagnostics diag;
    read_config(text, &config);
    assert_int_equal(unet_plan_create(&config, plan, &diag), DIFFCUT_OK);
}

static void test_short_names_and_whole_blocks_are_hooks(void **state) {
    (void)state;
    static const struct {
        const char *given, *full;
        uint32_t channels, level;
    } names[] = {
        {"down.2.attentions.1.blocks.0.attn1", "down_blocks.2.attentions.1.transformer_blocks.0.attn1", 1280, 2},
        {"down.1.attentions.0.blocks.0.attn1.to_v", "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_v", 640,
         1},
        {"down_blocks.1.attentions.0.blocks.0.attn2.to_q",
         "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_q", 640, 1},
        {"down.0", "down_blocks.0.downsamplers.0", 320, 1},
        {"down_blocks.2", "down_blocks.2.downsamplers.0", 1280, 3},
        {"down_blocks.3", "down_blocks.3.resnets.1", 1280, 3},
        {"conv_in", "conv_in", 320, 0},
    };
    unet_plan plan;
    make_plan("{" SD1 "}", &plan);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        unet_hook hook;
        diffcut_diagnostics diag;
        if (unet_plan_hook(&plan, names[i].given, &hook, &diag) != DIFFCUT_OK) {
            fail_msg("%s", diag.message);
        }
        assert_string_equal(hook.name, names[i].full);
        assert_int_equal(hook.channels, names[i].channels);
        assert_int_equal(hook.level, names[i].level);
    }
    unet_plan_free(&plan);
}

static void test_what_cannot_be_a_hook_is_refused_with_the_reason(void **state) {
    (void)state;
    static const struct {
        const char *names, *message;
    } wrong[] = {
        {"mid_block.attentions.0", "cannot be a hook: only the encoder is run"},
        {"up.1.attentions.0.blocks.0.attn1", "cannot be a hook: only the encoder is run"},
        {"conv_out", "cannot be a hook: only the encoder is run"},
        {"down.1.attentions.0.blocks.0.attn2.to_k", "it holds the text's tokens"},
        {"down.1.attentions.0.blocks.0.attn2.to_v", "it holds the text's tokens"},
        {"upper", "no hook \"upper\""},
        {"time_embedding", "no hook \"time_embedding\""},
        {"down_blocks.4", "no hook \"down_blocks.4\""},
        {"down_blocks.", "no hook \"down_blocks.\""},
        {"", "no hook \"\""},
        {"conv_in,", "no hook \"\""},
        {"conv_in, down_blocks.0", "no hook \" down_blocks.0\"; the nearest are: down_blocks.0."},
        {"down.0,conv_in,down_blocks.0.downsamplers.0", "hook down_blocks.0.downsamplers.0 is given twice"},
    };
    unet_plan plan;
    make_plan("{" SD1 "}", &plan);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        unet_hook hooks[UNET_MAX_HOOKS];
        size_t count = 5;
        diffcut_diagnostics diag;
        assert_int_equal(unet_plan_hooks(&plan, wrong[i].names, hooks, &count, &diag), DIFFCUT_ERROR_ARGUMENT);
        assert_int_equal(count, 5);
        if (strstr(diag.message, wrong[i].message) == NULL) {
            fail_msg("\"%s\" does not hold \"%s\"", diag.message, wrong[i].message);
        }
    }
    unet_plan_free(&plan);
}

/* A list has an end: one hook more than there is room for, and one name longer than any. */
static void test_lists_of_hooks_have_limits(void **state) {
    (void)state;
    unet_plan plan;
    unet_hook hooks[UNET_MAX_HOOKS];
    size_t count;
    diffcut_diagnostics diag;
    char list[(UNET_MAX_HOOKS + 1) * UNET_NAME_SIZE] = "";
    make_plan("{" SDXL ",\"transformer_layers_per_block\":[1,2,10]}", &plan);
    size_t used = 0;
    for (size_t i = 0; i < UNET_MAX_HOOKS; i++) {
        unet_hook hook;
        assert_true(unet_plan_hook_at(&plan, i, &hook));
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? "," : "", hook.name);
    }
    assert_int_equal(unet_plan_hooks(&plan, list, hooks, &count, &diag), DIFFCUT_OK);
    assert_int_equal(count, UNET_MAX_HOOKS);
    (void)snprintf(list + used, sizeof list - used, ",conv_in");
    assert_int_equal(unet_plan_hooks(&plan, list, hooks, &count, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(diag.message, "more than 64 hooks"));
    memset(list, 'd', sizeof list - 1);
    list[sizeof list - 1] = '\0';
    assert_int_equal(unet_plan_hooks(&plan, list, hooks, &count, &diag), DIFFCUT_ERROR_ARGUMENT);
    unet_plan_free(&plan);
}

static void test_every_listed_hook_is_found_by_its_name(void **state) {
    (void)state;
    unet_plan plan;
    unet_hook hook;
    size_t count = 0;
    make_plan("{" SD1 "}", &plan);
    for (; unet_plan_hook_at(&plan, count, &hook); count++) {
        unet_hook same;
        diffcut_diagnostics diag;
        assert_int_equal(unet_plan_hook(&plan, hook.name, &same, &diag), DIFFCUT_OK);
        assert_string_equal(same.name, hook.name);
        assert_int_equal(same.step, hook.step);
    }
    assert_true(count > 100);
    assert_false(unet_plan_hook_at(&plan, SIZE_MAX, &hook));
    unet_plan_free(&plan);
}

static void test_sides_round_up_at_each_level(void **state) {
    (void)state;
    unet_plan plan;
    make_plan("{" SD1 "}", &plan);
    assert_int_equal(unet_plan_side(&plan, 0, 7), 7);
    assert_int_equal(unet_plan_side(&plan, 1, 7), 4);
    assert_int_equal(unet_plan_side(&plan, 2, 64), 16);
    assert_int_equal(unet_plan_side(&plan, 3, 1), 1);
    unet_plan_free(&plan);
    make_plan("{" SD1 ",\"downsample_padding\":0}", &plan);
    assert_int_equal(unet_plan_side(&plan, 1, 8), 4);
    assert_int_equal(unet_plan_side(&plan, 3, 1), 0);
    unet_plan_free(&plan);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families_and_hooks_come_from_the_configuration),
        cmocka_unit_test(test_heads_are_attention_head_dim_unless_num_attention_heads_is_given),
        cmocka_unit_test(test_absent_keys_have_the_defaults_of_diffusers),
        cmocka_unit_test(test_a_network_without_attention_near_its_end_needs_a_named_hook),
        cmocka_unit_test(test_short_names_and_whole_blocks_are_hooks),
        cmocka_unit_test(test_what_cannot_be_a_hook_is_refused_with_the_reason),
        cmocka_unit_test(test_lists_of_hooks_have_limits),
        cmocka_unit_test(test_every_listed_hook_is_found_by_its_name),
        cmocka_unit_test(test_sides_round_up_at_each_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_bad_encoder.c - image encoders that cannot be: each is refused with a message that names the file and what is
 * wrong with it, and nothing else changes.
 */
#include "test.h"

#include "broken.h"
#include "core/memory.h"
#include "diffcut/diffcut.h"

#include <stdio.h>
#include <string.h>

#define ENCODERS DIFFCUT_TEST_DATA "/encoders/"
#define TRANSFORMERS "config.json"
#define OPEN_CLIP "open_clip_config.json"
#define WEIGHTS "model.safetensors"
#define OPEN_CLIP_WEIGHTS "open_clip_model.safetensors"

/* The folder is not opened, with this status and a message that has these words. */
static void refuse(const char *path, const diffcut_model_settings *settings, diffcut_status status, const char *words,
                   const char *more) {
    diffcut_diagnostics diag = {.message = ""};
    diffcut_model *model = NULL;
    diffcut_status got = diffcut_model_open(path, settings, &model, &diag);
    if (got != status || strstr(diag.message, words) == NULL || strstr(diag.message, more) == NULL) {
        printf("status %d, message: %s\n  wanted: %d, \"%s\", \"%s\"\n", (int)got, diag.message, (int)status, words,
               more);
    }
    assert_int_equal(got, status);
    assert_non_null(strstr(diag.message, words));
    assert_non_null(strstr(diag.message, more));
    assert_null(model);
}

/* One change of text to a copy. */
static void refuse_change(const char *name, const char *file, const char *from, const char *to, diffcut_status status,
                          const char *words, const char *more) {
    char path[1024];
    broken_copy_encoder(name, path, sizeof path);
    broken_replace(path, file, from, to);
    refuse(path, NULL, status, words, more);
    broken_remove(path);
}

static void test_configurations_that_contradict_themselves_or_are_absurd_are_refused(void **state) {
    (void)state;
    const diffcut_status bad = DIFFCUT_ERROR_MODEL;
    refuse_change("dinov2", TRANSFORMERS, "\"hidden_size\": 32", "\"hidden_size\": 30", bad, "hidden_size is 30",
                  "num_attention_heads 4");
    refuse_change("dinov2", TRANSFORMERS, "\"hidden_size\": 32", "\"hidden_size\": 4000000000", bad, "config.json",
                  "hidden_size");
    refuse_change("dinov2", TRANSFORMERS, "\"num_hidden_layers\": 3", "\"num_hidden_layers\": 0", bad, "config.json",
                  "num_hidden_layers");
    refuse_change("dinov2", TRANSFORMERS, "\"patch_size\": 14", "\"patch_size\": 71", bad, "patch_size is 71",
                  "image_size 70");
    refuse_change("dinov2", TRANSFORMERS, "\"mlp_ratio\": 4", "\"mlp_ratio\": -1", bad, "config.json", "mlp_ratio");
    refuse_change("dinov2", TRANSFORMERS, "\"num_channels\": 3", "\"num_channels\": 4", bad, "config.json",
                  "num_channels");
    refuse_change("dinov2", TRANSFORMERS, "\"layer_norm_eps\": 1e-06", "\"layer_norm_eps\": \"small\"", bad,
                  "config.json", "layer_norm_eps");
    refuse_change("dinov2", TRANSFORMERS, "\"model_type\": \"dinov2\",", "", bad, "config.json", "model_type");
    refuse_change("convnext", OPEN_CLIP, "\"embed_dim\": 24", "\"embed_dim\": 0", bad, OPEN_CLIP, "embed_dim");
    refuse_change("convnext", OPEN_CLIP, "\"vision_cfg\"", "\"visual\"", DIFFCUT_ERROR_UNSUPPORTED, OPEN_CLIP,
                  "model_cfg.visual");
    refuse_change("convnext", OPEN_CLIP, "\"heads\": 2", "\"heads\": 3", bad, "text_cfg", "heads 3");
    refuse_change("convnext", OPEN_CLIP, "0.48145466", "\"red\"", bad, OPEN_CLIP, "mean");
    refuse_change("open-clip-vit", OPEN_CLIP, "\"head_width\": 8", "\"head_width\": 7", bad, "vision_cfg",
                  "head_width 7");
}

static void test_what_is_valid_and_not_built_is_refused_by_name(void **state) {
    (void)state;
    const diffcut_status other = DIFFCUT_ERROR_UNSUPPORTED;
    refuse_change("dinov2", TRANSFORMERS, "\"model_type\": \"dinov2\"", "\"model_type\": \"beit\"", other,
                  "model_type \"beit\"", "dinov2");
    refuse_change("dinov2", TRANSFORMERS, "\"hidden_act\": \"gelu\"", "\"hidden_act\": \"mish\"", other,
                  "hidden_act \"mish\"", "quick_gelu");
    refuse_change("convnext", OPEN_CLIP, "\"convnext_large\"", "\"resnet50\"", other, "timm_model_name \"resnet50\"",
                  "convnext");
    refuse_change("convnext", OPEN_CLIP, "\"timm_pool\": \"\"", "\"timm_pool\": \"abs_attn\"", other,
                  "timm_pool \"abs_attn\"", "avg");
    refuse_change("convnext", OPEN_CLIP, "\"timm_proj\": \"mlp\"", "\"timm_proj\": \"none\"", other,
                  "timm_proj \"none\"", "linear");
    refuse_change("convnext", OPEN_CLIP, "\"layers\": 3", "\"layers\": 3, \"hf_model_name\": \"x\"", other,
                  "text_cfg.hf_model_name", OPEN_CLIP);
    refuse_change("convnext", OPEN_CLIP_WEIGHTS, "visual.trunk.stages.0.blocks.0.norm.weight",
                  "visual.trunk.stages.0.blocks.0.mlp.grn.weight", other, "global response norms", "V2");
}

static void test_missing_and_misshapen_tensors_are_named(void **state) {
    (void)state;
    const diffcut_status bad = DIFFCUT_ERROR_MODEL;
    refuse_change("dinov2", WEIGHTS, "\"encoder.layer.1.layer_scale1.lambda1\"",
                  "\"encoder.layer.1.layer_scale1.lambda9\"", bad, "encoder.layer.1.layer_scale1.lambda1",
                  "is missing");
    refuse_change("dinov2", WEIGHTS, "\"embeddings.position_embeddings\"", "\"embeddings.positional_embedding\"", bad,
                  "embeddings.position_embeddings", "is missing");
    refuse_change("dinov2", TRANSFORMERS, "\"image_size\": 70", "\"image_size\": 84", bad,
                  "embeddings.position_embeddings has shape [1, 26, 32]", "config.json asks for [37, 32]");
    refuse_change("dinov2", TRANSFORMERS, "\"hidden_size\": 32", "\"hidden_size\": 64", bad, "has shape",
                  "config.json asks for");
    refuse_change("registers", TRANSFORMERS, "\"num_register_tokens\": 3", "\"num_register_tokens\": 5", bad,
                  "embeddings.register_tokens has shape [1, 3, 24]", "asks for [5, 24]");
    refuse_change("convnext", OPEN_CLIP_WEIGHTS, "\"visual.trunk.stages.2.blocks.1.conv_dw.bias\"",
                  "\"visual.trunk.stages.2.blocks.1.conv_dw.bios\"", bad, "stages.2.blocks.1.conv_dw.bias",
                  "is missing");
    refuse_change("convnext", OPEN_CLIP_WEIGHTS, "\"visual.head.mlp.fc1.weight\"", "\"visual.head.mlp.fc9.weight\"",
                  bad, "visual.head.mlp.fc1.weight", "missing");
    refuse_change("convnext", OPEN_CLIP_WEIGHTS, "\"visual.trunk.stem.0.weight\"", "\"visual.trunk.stem.9.weight\"",
                  bad, "no ConvNeXt", "stem.0.weight");
    /* The image's and the text's widths in the shared space differ. */
    refuse_change("open-clip-vit", OPEN_CLIP, "\"embed_dim\": 12", "\"embed_dim\": 16", bad,
                  "visual_projection.weight has shape [12, 24]", "open_clip_config.json asks for [16, 24]");
    refuse_change("clip", TRANSFORMERS, "\"projection_dim\": 12,\n  \"text_config\"",
                  "\"projection_dim\": 13,\n  \"text_config\"", bad, "visual_projection.weight has shape [12, 24]",
                  "asks for [13, 24]");
}

static void test_a_truncated_file_is_refused(void **state) {
    (void)state;
    char path[1024];
    size_t size;
    broken_copy_encoder("dinov2", path, sizeof path);
    char *data = broken_read(path, WEIGHTS, &size);
    broken_write(path, WEIGHTS, data, size - 1000);
    refuse(path, NULL, DIFFCUT_ERROR_FORMAT, WEIGHTS, "");
    free(data);
    broken_remove(path);
}

static void test_missing_files_are_named(void **state) {
    (void)state;
    char path[1024];
    char name[1200];
    broken_copy_encoder("dinov2", path, sizeof path);
    (void)snprintf(name, sizeof name, "%s/" WEIGHTS, path);
    assert_int_equal(remove(name), 0);
    refuse(path, NULL, DIFFCUT_ERROR_MODEL, "the model has no " WEIGHTS, "");
    broken_remove(path);
    broken_copy_encoder("clip", path, sizeof path);
    (void)snprintf(name, sizeof name, "%s/model-00002-of-00002.safetensors", path);
    assert_int_equal(remove(name), 0);
    refuse(path, NULL, DIFFCUT_ERROR_MODEL, "model-00002-of-00002.safetensors", "not there");
    broken_remove(path);
}

static void test_settings_of_diffusion_models_are_refused(void **state) {
    (void)state;
    const diffcut_model_settings stage = {.first_stage = "somewhere"};
    const diffcut_model_settings context = {.context = "somewhere"};
    const diffcut_model_settings words = {.tokenizer = "/nowhere"};
    refuse(ENCODERS "dinov2", &stage, DIFFCUT_ERROR_ARGUMENT, "an image encoder takes no first stage", "");
    refuse(ENCODERS "dinov2", &context, DIFFCUT_ERROR_ARGUMENT, "an image encoder takes no context", "");
    refuse(ENCODERS "dinov2", &words, DIFFCUT_ERROR_ARGUMENT, "no text tower", "/nowhere");
    refuse(ENCODERS "clip", &words, DIFFCUT_ERROR_MODEL, "vocab.json and merges.txt", "/nowhere lacks both");
    refuse(DIFFCUT_TEST_DATA "/tiny-pixel", &words, DIFFCUT_ERROR_ARGUMENT, "for a CLIP only", "/nowhere");
}

/* ------------------------------------------------------------------------------------------------- verify */

typedef struct findings {
    size_t count;
    char text[4096];
} findings;

static void collect(void *user, const diffcut_finding *finding) {
    findings *all = user;
    size_t used = strlen(all->text);
    (void)snprintf(all->text + used, sizeof all->text - used, "%s: %s\n", diffcut_finding_name(finding->kind),
                   finding->message);
    all->count++;
}

static void test_verify_finds_nothing_wrong_with_whole_encoders(void **state) {
    static const char *const names[] = {"dinov2", "registers",     "vit",           "clip-vision",
                                        "clip",   "siglip-vision", "open-clip-vit", "convnext"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[1024];
        findings all = {0};
        diffcut_verify_report report;
        diffcut_diagnostics diag;
        diffcut_verify_settings settings;
        diffcut_verify_settings_init(&settings);
        settings.values = true;
        (void)snprintf(path, sizeof path, ENCODERS "%s", names[i]);
        assert_int_equal(diffcut_model_verify(path, &settings, collect, &all, &report, &diag), DIFFCUT_OK);
        if (report.problems != 0) {
            fail_msg("%s: %s", names[i], all.text);
        }
        assert_true(report.tensors_needed > 20);
    }
}

static void test_verify_names_every_fault(void **state) {
    (void)state;
    char path[1024];
    findings all = {0};
    diffcut_verify_report report;
    diffcut_diagnostics diag;
    broken_copy_encoder("dinov2", path, sizeof path);
    broken_replace(path, WEIGHTS, "\"encoder.layer.0.layer_scale2.lambda1\"",
                   "\"encoder.layer.0.layer_scale2.lambda9\"");
    broken_replace(path, WEIGHTS, "\"encoder.layer.2.norm1.bias\"", "\"encoder.layer.2.norm9.bias\"");
    assert_int_equal(diffcut_model_verify(path, NULL, collect, &all, &report, &diag), DIFFCUT_OK);
    broken_remove(path);
    assert_int_equal(report.problems, 4);
    assert_non_null(strstr(all.text, "missing: model.safetensors: tensor encoder.layer.0.layer_scale2.lambda1"));
    assert_non_null(strstr(all.text, "missing: model.safetensors: tensor encoder.layer.2.norm1.bias"));
    assert_non_null(strstr(all.text, "extra: model.safetensors: tensor encoder.layer.0.layer_scale2.lambda9"));
    assert_non_null(strstr(all.text, "extra: model.safetensors: tensor encoder.layer.2.norm9.bias"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configurations_that_contradict_themselves_or_are_absurd_are_refused),
        cmocka_unit_test(test_what_is_valid_and_not_built_is_refused_by_name),
        cmocka_unit_test(test_missing_and_misshapen_tensors_are_named),
        cmocka_unit_test(test_a_truncated_file_is_refused),
        cmocka_unit_test(test_missing_files_are_named),
        cmocka_unit_test(test_settings_of_diffusion_models_are_refused),
        cmocka_unit_test(test_verify_finds_nothing_wrong_with_whole_encoders),
        cmocka_unit_test(test_verify_names_every_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

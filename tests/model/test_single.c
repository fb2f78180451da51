/*
 * test_single.c - single files: at the real models' full size (sparse files that hold names and shapes), the
 * configurations told from the tensors are those the models are published with; relatives are refused by their kind.
 */
#include "forge.h"
#include "test.h"

#include "model/checkpoint.h"
#include "model/single_config.h"
#include "nn/unet_config.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define UNET "model.diffusion_model."

static const forge_unet sd1 = {.prefix = UNET,
                               .in_channels = 4,
                               .levels = 4,
                               .layers = 2,
                               .context = 768,
                               .channels = {320, 640, 1280, 1280},
                               .depth = {1, 1, 1, 0},
                               .middle_attention = true};
static const forge_unet sd2 = {.prefix = UNET,
                               .in_channels = 4,
                               .levels = 4,
                               .layers = 2,
                               .context = 1024,
                               .channels = {320, 640, 1280, 1280},
                               .depth = {1, 1, 1, 0},
                               .linear = true,
                               .middle_attention = true};
static const forge_unet sdxl = {.prefix = UNET,
                                .in_channels = 4,
                                .levels = 3,
                                .layers = 2,
                                .context = 2048,
                                .label = 2816,
                                .channels = {320, 640, 1280},
                                .depth = {0, 2, 10},
                                .linear = true,
                                .middle_attention = true};
static const forge_unet ssd1b = {.prefix = UNET,
                                 .in_channels = 4,
                                 .levels = 3,
                                 .layers = 2,
                                 .context = 2048,
                                 .label = 2816,
                                 .channels = {320, 640, 1280},
                                 .depth = {0, 2, 4},
                                 .up_depth = 4,
                                 .linear = true};
static const forge_unet vega = {.prefix = UNET,
                                .in_channels = 4,
                                .levels = 3,
                                .layers = 2,
                                .context = 2048,
                                .label = 2816,
                                .channels = {320, 640, 1280},
                                .depth = {0, 1, 2},
                                .linear = true};

/* What the published configurations say. */
typedef struct known {
    const char *name;
    const forge_unet *unet;
    uint32_t heads[4];
    double scaling;
    uint64_t unet_parameters; /* of the published model; 0: not checked */
    uint32_t text_layers, text_width, text_heads;
    const char *text_act, *pad;
} known;

static const known models[] = {
    {"sd1", &sd1, {8, 8, 8, 8}, 0.18215, 859520964, 12, 768, 12, "quick_gelu", "<|endoftext|>"},
    {"sd2", &sd2, {5, 10, 20, 20}, 0.18215, 865910724, 23, 1024, 16, "gelu", "!"},
    {"sdxl", &sdxl, {5, 10, 20}, 0.13025, 2567463684, 12, 768, 12, "quick_gelu", "<|endoftext|>"},
    {"ssd-1b", &ssd1b, {5, 10, 20}, 0.13025, 0, 12, 768, 12, "quick_gelu", "<|endoftext|>"},
    {"vega", &vega, {5, 10, 20}, 0.13025, 0, 12, 768, 12, "quick_gelu", "<|endoftext|>"},
};

static char folder[512];

/* Writes the whole checkpoint as folder/name.safetensors. */
static void write_model(const forge_unet *unet, const char *name, char *path, size_t size) {
    forge file = {0};
    forge_add_unet(&file, unet);
    forge_add_autoencoder(&file, "first_stage_model.");
    if (unet->label > 0) {
        forge_add_clip(&file, "conditioner.embedders.0.transformer.text_model.");
        forge_add_open_clip(&file, "conditioner.embedders.1.model.", 1280, 32);
    } else if (unet->linear) {
        forge_add_open_clip(&file, "cond_stage_model.model.", 1024, 24);
    } else {
        forge_add_clip(&file, "cond_stage_model.transformer.text_model.");
    }
    char local[64];
    (void)snprintf(local, sizeof local, "%s.safetensors", name);
    forge_write(&file, folder, local);
    (void)snprintf(path, size, "%s/%s", folder, local);
}

static checkpoint *open_model(const char *path) {
    checkpoint *self = NULL;
    diffcut_diagnostics diag;
    if (checkpoint_open(path, NULL, &self, &diag) != DIFFCUT_OK) {
        fail_msg("%s", diag.message);
    }
    return self;
}

static json_document read_json(const checkpoint *self, const char *name) {
    json_document document;
    diffcut_diagnostics diag;
    if (checkpoint_json(self, name, &document, &diag) != DIFFCUT_OK) {
        fail_msg("%s", diag.message);
    }
    return document;
}

static void expect_uint(json_view view, const char *key, uint32_t want) {
    uint32_t got;
    diffcut_diagnostics diag;
    if (json_get_uint(view, key, NULL, 0, UINT32_MAX, &got, &diag) != DIFFCUT_OK) {
        fail_msg("%s", diag.message);
    }
    if (got != want) {
        fail_msg("%s: %s is %u, expected %u", view.file, key, got, want);
    }
}

static void expect_text(json_view view, const char *key, const char *want) {
    const char *got;
    diffcut_diagnostics diag;
    if (json_get_text(view, key, true, NULL, 100, &got, &diag) != DIFFCUT_OK) {
        fail_msg("%s", diag.message);
    }
    assert_string_equal(got, want);
}

static void expect_unet(const checkpoint *self, const known *model) {
    json_document document = read_json(self, "unet/config.json");
    unet_config config;
    diffcut_diagnostics diag;
    if (unet_config_read(document.root, &config, &diag) != DIFFCUT_OK) {
        fail_msg("%s: %s", model->name, diag.message);
    }
    json_document_free(&document);
    assert_int_equal(config.in_channels, 4);
    assert_int_equal(config.block_count, model->unet->levels);
    assert_int_equal(config.norm_groups, 32);
    assert_true(config.norm_eps > 0.99e-5F && config.norm_eps < 1.01e-5F);
    assert_int_equal(config.linear_projection, model->unet->linear);
    assert_int_equal(config.added_condition, model->unet->label > 0);
    assert_true(config.flip_sin_to_cos && config.freq_shift == 0.0F && config.downsample_padding == 1);
    if (config.added_condition) {
        assert_int_equal(config.added_time_dim, 256);
        assert_int_equal(config.added_input, 2816);
    }
    for (size_t i = 0; i < config.block_count; i++) {
        const unet_block_config *block = &config.blocks[i];
        assert_int_equal(block->channels, model->unet->channels[i]);
        assert_int_equal(block->layers, 2);
        assert_int_equal(block->attention, model->unet->depth[i] > 0);
        assert_int_equal(block->downsample, i + 1 < config.block_count);
        assert_int_equal(block->heads, model->heads[i]);
        assert_int_equal(block->context_channels, model->unet->context);
        for (size_t j = 0; block->attention && j < block->layers; j++) {
            assert_int_equal(block->depth[j], model->unet->depth[i]);
        }
    }
}

static void expect_vae(const checkpoint *self, double scaling) {
    static const uint32_t widths[] = {128, 256, 512, 512};
    json_document document = read_json(self, "vae/config.json");
    diffcut_diagnostics diag;
    uint32_t channels[8];
    size_t count;
    double got;
    bool flag;
    expect_text(document.root, "_class_name", "AutoencoderKL");
    expect_uint(document.root, "in_channels", 3);
    expect_uint(document.root, "latent_channels", 4);
    expect_uint(document.root, "layers_per_block", 2);
    expect_uint(document.root, "norm_num_groups", 32);
    assert_int_equal(json_get_uint_list(document.root, "block_out_channels", 1, 9999, 8, channels, &count, &diag),
                     DIFFCUT_OK);
    assert_int_equal(count, 4);
    assert_memory_equal(channels, widths, sizeof widths);
    assert_int_equal(json_get_real(document.root, "scaling_factor", NULL, 0.0, 1.0, &got, &diag), DIFFCUT_OK);
    assert_true(got == scaling);
    assert_int_equal(json_get_flag(document.root, "mid_block_add_attention", false, &flag, &diag), DIFFCUT_OK);
    assert_true(flag);
    json_document_free(&document);
}

static void expect_text_encoder(const checkpoint *self, const char *name, uint32_t width, uint32_t layers,
                                uint32_t heads, const char *act) {
    json_document document = read_json(self, name);
    expect_uint(document.root, "vocab_size", 49408);
    expect_uint(document.root, "max_position_embeddings", 77);
    expect_uint(document.root, "hidden_size", width);
    expect_uint(document.root, "intermediate_size", 4 * width);
    expect_uint(document.root, "num_hidden_layers", layers);
    expect_uint(document.root, "num_attention_heads", heads);
    expect_uint(document.root, "projection_dim", width);
    expect_text(document.root, "hidden_act", act);
    json_document_free(&document);
}

static void expect_tensor(const checkpoint *self, const char *component, const char *name, size_t rank, size_t a,
                          size_t b) {
    const safetensors_tensor *found;
    const char *file;
    diffcut_diagnostics diag;
    if (checkpoint_find(self, component, name, &found, &file, &diag) != DIFFCUT_OK) {
        fail_msg("%s", diag.message);
    }
    assert_int_equal(found->rank, rank);
    assert_int_equal(found->shape[0], a);
    assert_int_equal(found->shape[1], b);
}

static void test_configurations_told_from_tensors_are_the_published_ones(void **state) {
    (void)state;
    diffcut_diagnostics diag;
    char path[640];
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        const known *model = &models[i];
        write_model(model->unet, model->name, path, sizeof path);
        checkpoint *self = open_model(path);
        assert_string_equal(checkpoint_name(self), model->name);
        assert_int_equal(checkpoint_require(self, "unet", &diag), DIFFCUT_OK);
        if (model->unet_parameters > 0) {
            assert_int_equal(checkpoint_parameters(self, "unet"), model->unet_parameters);
        }
        expect_unet(self, model);
        assert_int_equal(checkpoint_parameters(self, "vae"), 83653863);
        expect_vae(self, model->scaling);
        expect_tensor(self, "vae", "encoder.mid_block.attentions.0.to_q.weight", 2, 512, 512);
        expect_tensor(self, "vae", "decoder.up_blocks.3.resnets.0.conv_shortcut.weight", 4, 128, 256);
        expect_tensor(self, "unet", "down_blocks.1.downsamplers.0.conv.weight", 4, 640, 640);
        expect_text_encoder(self, "text_encoder/config.json", model->text_width, model->text_layers,
                            model->text_heads, model->text_act);
        json_document tokenizer = read_json(self, "tokenizer/tokenizer_config.json");
        expect_text(tokenizer.root, "pad_token", model->pad);
        json_document_free(&tokenizer);
        json_document scheduler = read_json(self, "scheduler/scheduler_config.json");
        expect_text(scheduler.root, "beta_schedule", "scaled_linear");
        json_document_free(&scheduler);
        assert_int_equal(checkpoint_has_component(self, "text_encoder_2"), model->unet->label > 0);
        assert_int_equal(checkpoint_has(self, "text_encoder_2/config.json"), model->unet->label > 0);
        if (model->unet->label > 0) {
            expect_text_encoder(self, "text_encoder_2/config.json", 1280, 32, 20, "gelu");
            expect_tensor(self, "text_encoder_2", "text_model.encoder.layers.31.self_attn.v_proj.weight", 2, 1280,
                          1280);
            expect_tensor(self, "unet", "down_blocks.2.attentions.1.proj_in.weight", 2, 1280, 1280);
        } else {
            assert_int_equal(checkpoint_has(self, "tokenizer/vocab.json"), false);
            expect_tensor(self, "unet", "up_blocks.1.upsamplers.0.conv.weight", 4, 1280, 1280);
        }
        checkpoint_close(self);
        assert_int_equal(unlink(path), 0);
    }
}

/* ------------------------------------------------------------------------------------------------- refusals */

static void expect_refusal(const char *path, diffcut_status status, const char *message) {
    checkpoint *self = NULL;
    diffcut_diagnostics diag;
    diffcut_status got = checkpoint_open(path, NULL, &self, &diag);
    if (got != status || strstr(diag.message, message) == NULL) {
        fail_msg("status %d, message \"%s\"; expected %d, \"%s\"", (int)got, got == DIFFCUT_OK ? "" : diag.message,
                 (int)status, message);
    }
    assert_null(self);
}

static void test_relatives_are_refused_by_their_kind(void **state) {
    (void)state;
    static const size_t shape[] = {8, 8};
    static const struct {
        const char *tensor, *message;
    } strangers[] = {
        {"double_blocks.0.img_attn.qkv.weight", "a Flux checkpoint"},
        {UNET "joint_blocks.0.x_block.attn.qkv.weight", "a Stable Diffusion 3 checkpoint"},
        {"lora_unet_down_blocks_0.lora_up.weight", "a LoRA"},
        {"down_blocks.0.resnets.0.conv1.weight", "one component of a diffusers folder"},
        {"control_model.input_blocks.0.0.weight", "a ControlNet"},
    };
    char path[640];
    (void)snprintf(path, sizeof path, "%s/x.safetensors", folder);
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
        forge file = {0};
        forge_tensor(&file, "F16", 2, shape, NULL, "%s", strangers[i].tensor);
        forge_write(&file, folder, "x.safetensors");
        expect_refusal(path, DIFFCUT_ERROR_UNSUPPORTED, strangers[i].message);
    }
    forge file = {0};
    forge_tensor(&file, "F16", 2, shape, NULL, "weight");
    forge_write(&file, folder, "x.safetensors");
    expect_refusal(path, DIFFCUT_ERROR_MODEL, "x.safetensors: not a Stable Diffusion checkpoint: tensor " UNET);

    forge_unet inpainting = sd1;
    inpainting.in_channels = 9;
    forge_add_unet(&file, &inpainting);
    forge_write(&file, folder, "x.safetensors");
    expect_refusal(path, DIFFCUT_ERROR_UNSUPPORTED, "an inpainting checkpoint");

    forge_add_unet(&file, &sdxl);
    forge_add_open_clip(&file, "conditioner.embedders.0.model.", 1280, 2);
    forge_write(&file, folder, "x.safetensors");
    expect_refusal(path, DIFFCUT_ERROR_UNSUPPORTED, "an SDXL refiner");

    forge_unet unclip = sd2;
    unclip.label = 2048;
    forge_add_unet(&file, &unclip);
    forge_add_open_clip(&file, "cond_stage_model.model.", 1024, 2);
    forge_write(&file, folder, "x.safetensors");
    expect_refusal(path, DIFFCUT_ERROR_UNSUPPORTED, "an unCLIP checkpoint");

    forge_add_unet(&file, &sd2);
    forge_tensor(&file, "F16", 2, shape, NULL, UNET "input_blocks.1.0.time_stack.in_layers.0.weight");
    forge_write(&file, folder, "x.safetensors");
    expect_refusal(path, DIFFCUT_ERROR_UNSUPPORTED, "a video checkpoint");
}

static void test_what_shapes_cannot_tell_is_asked_for(void **state) {
    (void)state;
    char path[640];
    forge_unet narrow = sdxl;
    narrow.channels[0] = 96; /* a multiple of 32, not of the heads' 64 */
    write_model(&narrow, "narrow", path, sizeof path);
    checkpoint *self = open_model(path);
    json_document document;
    diffcut_diagnostics diag;
    assert_int_equal(checkpoint_json(self, "unet/config.json", &document, &diag), DIFFCUT_ERROR_MODEL);
    assert_non_null(strstr(diag.message, "narrow.safetensors: its configuration cannot be told from its tensors: a "
                                         "UNet block has 96 channels, not a multiple of 64"));
    assert_int_equal(checkpoint_json(self, "model_index.json", &document, &diag), DIFFCUT_ERROR_MODEL);
    assert_non_null(strstr(diag.message, "model_index.json"));
    checkpoint_close(self);
}

static void test_settings_of_the_other_layout_are_refused(void **state) {
    (void)state;
    static const struct {
        checkpoint_settings settings;
        diffcut_status status;
        const char *message;
    } cases[] = {
        {{.variant = "fp16"}, DIFFCUT_ERROR_ARGUMENT, "a single file has no variant \"fp16\""},
        {{.variant = "../x"}, DIFFCUT_ERROR_ARGUMENT, "variant \"../x\" is no variant's name"},
        {{.config = "/nonexistent"}, DIFFCUT_ERROR_MODEL, "the folder of configurations has no unet/config.json"},
    };
    char path[640];
    checkpoint *self = NULL;
    diffcut_diagnostics diag;
    write_model(&sd1, "settings", path, sizeof path);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(checkpoint_open(path, &cases[i].settings, &self, &diag), cases[i].status);
        assert_non_null(strstr(diag.message, cases[i].message));
    }
}

/* ------------------------------------------------------------------------------------------------- first stages */

static void test_an_autoencoder_alone_takes_its_scaling_from_the_model(void **state) {
    (void)state;
    char path[640];
    checkpoint *self = NULL;
    diffcut_diagnostics diag;
    json_document document;
    const checkpoint_settings fed = {.scaling_factor = single_config_scaling_factor(true)};
    forge file = {0};
    forge_add_autoencoder(&file, "");
    forge_write(&file, folder, "vae.safetensors");
    (void)snprintf(path, sizeof path, "%s/vae.safetensors", folder);
    if (checkpoint_open_component(path, "vae", &fed, &self, &diag) != DIFFCUT_OK) {
        fail_msg("%s", diag.message);
    }
    assert_int_equal(checkpoint_require(self, "vae", &diag), DIFFCUT_OK);
    expect_vae(self, 0.13025);
    expect_tensor(self, "vae", "encoder.down_blocks.2.resnets.0.conv_shortcut.weight", 4, 512, 256);
    checkpoint_close(self);
    assert_int_equal(checkpoint_open_component(path, "vae", NULL, &self, &diag), DIFFCUT_OK);
    assert_int_equal(checkpoint_json(self, "vae/config.json", &document, &diag), DIFFCUT_ERROR_MODEL);
    assert_non_null(strstr(diag.message, "scaling_factor"));
    checkpoint_close(self);
    expect_refusal(path, DIFFCUT_ERROR_MODEL, "not a Stable Diffusion checkpoint");

    write_model(&sd2, "whole", path, sizeof path);
    assert_int_equal(checkpoint_open_component(path, "vae", &fed, &self, &diag), DIFFCUT_OK);
    expect_vae(self, 0.18215); /* a whole checkpoint says its own */
    assert_int_equal(checkpoint_has_component(self, "unet"), false);
    checkpoint_close(self);
}

/* ------------------------------------------------------------------------------------------------- pages */

/* Pages of the tensor that are in memory, without those at its ends that read-ahead of a neighbour may bring. */
static size_t resident(const safetensors_tensor *tensor, size_t margin) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = ((uintptr_t)tensor->data + margin + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)tensor->data + tensor->bytes) / page * page;
    if (end <= start + margin) {
        return 0;
    }
    size_t pages = (end - margin - start) / page;
    unsigned char *seen = malloc(pages > 0 ? pages : 1);
    size_t count = 0;
    assert_non_null(seen);
    if (mincore((void *)start, pages * page, seen) == 0) {
        for (size_t i = 0; i < pages; i++) {
            count += seen[i] & 1U;
        }
    }
    free(seen);
    return count;
}

static volatile unsigned sink;

static void test_opening_a_large_file_reads_its_header_only(void **state) {
    (void)state;
    const size_t margin = (size_t)1 << 20;
    const char *const components[] = {"unet", "vae", "text_encoder"};
    char path[640];
    diffcut_diagnostics diag;
    write_model(&sdxl, "large", path, sizeof path);
    checkpoint *self = open_model(path);
    /* Reads one tensor, as a weight is. */
    const safetensors_tensor *read;
    const char *file;
    assert_int_equal(checkpoint_find(self, "unet", "down_blocks.2.resnets.1.conv1.weight", &read, &file, &diag),
                     DIFFCUT_OK);
    for (size_t i = 0; i < read->bytes; i += 512) {
        sink += ((const unsigned char *)read->data)[i];
    }
    assert_true(resident(read, 0) > 0);
    size_t looked_at = 0;
    for (size_t c = 0; c < 3; c++) {
        assert_int_equal(checkpoint_require(self, components[c], &diag), DIFFCUT_OK);
        for (size_t i = 0; i < checkpoint_count(self, components[c]); i++) {
            const safetensors_tensor *tensor = checkpoint_at(self, components[c], i);
            uintptr_t distance = (uintptr_t)tensor->data > (uintptr_t)read->data
                                     ? (uintptr_t)tensor->data - (uintptr_t)read->data
                                     : (uintptr_t)read->data - (uintptr_t)tensor->data;
            if (distance > 2 * read->bytes) {
                size_t pages = resident(tensor, margin);
                if (pages > 0) {
                    fail_msg("%zu pages of %s were read", pages, tensor->name);
                }
                looked_at++;
            }
        }
    }
    assert_true(looked_at > 1000);
    /* What was read can be given back, and read again. */
    checkpoint_release(self, read);
    sink += ((const unsigned char *)read->data)[read->bytes / 2];
    checkpoint_close(self);
}

static int make_folder(void **state) {
    (void)state;
    forge_folder(folder, sizeof folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    forge_remove(folder);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configurations_told_from_tensors_are_the_published_ones),
        cmocka_unit_test(test_relatives_are_refused_by_their_kind),
        cmocka_unit_test(test_what_shapes_cannot_tell_is_asked_for),
        cmocka_unit_test(test_settings_of_the_other_layout_are_refused),
        cmocka_unit_test(test_an_autoencoder_alone_takes_its_scaling_from_the_model),
        cmocka_unit_test(test_opening_a_large_file_reads_its_header_only),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

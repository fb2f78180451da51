/*
 * test_bad_model.c - a wrong model folder gives the right status and a message that names the file, the tensor or
 * key, and what is wrong; and info says what is true of a right one.
 */
#include "broken.h"
#include "test.h"

#include "core/memory.h"
#include "core/work.h"
#include "diffcut/diffcut.h"
#include "model/model.h"
#include "nn/encode.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNET "unet/config.json"
#define SCHEDULER "scheduler/scheduler_config.json"
#define OWN "diffcut.json"
#define WEIGHTS BROKEN_WEIGHTS

/* A file in which one text is replaced, and what opening the folder then says. */
typedef struct wrong_case {
    const char *file, *from, *to;
    diffcut_status status;
    const char *message[3];
} wrong_case;

static const wrong_case cases[] = {
    /* the network's configuration */
    {UNET,
     "    32\n  ],\n  \"center",
     "    33\n  ],\n  \"center",
     DIFFCUT_ERROR_MODEL,
     {"unet/config.json: block_out_channels[1] is 33, not a multiple of norm_num_groups 8"}},
    {UNET,
     "    32\n  ],\n  \"center",
     "    -32\n  ],\n  \"center",
     DIFFCUT_ERROR_MODEL,
     {"block_out_channels[1] is -32, expected a whole number from 1 to"}},
    {UNET,
     "    32\n  ],\n  \"center",
     "    9223372036854775807\n  ],\n  \"center",
     DIFFCUT_ERROR_MODEL,
     {"block_out_channels[1] is 9223372036854775807"}},
    {UNET,
     "    32\n  ],\n  \"center",
     "    92233720368547758070\n  ],\n  \"center",
     DIFFCUT_ERROR_FORMAT,
     {"unet/config.json: not valid JSON", "line"}},
    {UNET,
     "    32\n  ],\n  \"center",
     "    \"32\"\n  ],\n  \"center",
     DIFFCUT_ERROR_MODEL,
     {"block_out_channels[1] is \"32\", expected a whole number"}},
    {UNET,
     "    32\n  ],\n  \"center",
     "    32, 64\n  ],\n  \"center",
     DIFFCUT_ERROR_MODEL,
     {"block_out_channels has 3 items, down_block_types 2"}},
    {UNET, "    32\n  ],\n  \"center", "    1e400\n  ],\n  \"center", DIFFCUT_ERROR_FORMAT, {"not valid JSON"}},
    {UNET, "\"norm_num_groups\": 8", "\"norm_num_groups\": 0", DIFFCUT_ERROR_MODEL, {"norm_num_groups is 0"}},
    {UNET, "\"norm_num_groups\": 8", "\"norm_num_groups\": 8.5", DIFFCUT_ERROR_MODEL, {"norm_num_groups is 8.5"}},
    {UNET, "\"norm_eps\": 1e-05", "\"norm_eps\": -1", DIFFCUT_ERROR_MODEL, {"norm_eps is -1, expected a number"}},
    {UNET,
     "    2,\n    4\n",
     "    2,\n    5\n",
     DIFFCUT_ERROR_MODEL,
     {"block_out_channels[1] is 32, not a multiple of its 5 heads (attention_head_dim)"}},
    {UNET, "    2,\n    4\n", "    4\n", DIFFCUT_ERROR_MODEL, {"attention_head_dim has 1 items, expected 2"}},
    {UNET,
     "\"CrossAttnDownBlock2D\"",
     "\"AttnDownBlock2D\"",
     DIFFCUT_ERROR_UNSUPPORTED,
     {"down_block_types[1] is \"AttnDownBlock2D\"", "DownBlock2D and CrossAttnDownBlock2D are supported"}},
    {UNET, "\"act_fn\": \"silu\"", "\"act_fn\": \"relu\"", DIFFCUT_ERROR_UNSUPPORTED, {"act_fn \"relu\""}},
    {UNET,
     "\"class_embed_type\": null",
     "\"class_embed_type\": \"timestep\"",
     DIFFCUT_ERROR_UNSUPPORTED,
     {"class_embed_type is not supported"}},
    {UNET,
     "\"only_cross_attention\": false",
     "\"only_cross_attention\": [false, true]",
     DIFFCUT_ERROR_UNSUPPORTED,
     {"only_cross_attention is not supported"}},
    {UNET,
     "\"addition_embed_type\": null",
     "\"addition_embed_type\": \"image\"",
     DIFFCUT_ERROR_UNSUPPORTED,
     {"addition_embed_type \"image\""}},
    {UNET,
     "\"addition_embed_type\": null",
     "\"addition_embed_type\": \"text_time\"",
     DIFFCUT_ERROR_MODEL,
     {"addition_time_embed_dim is missing"}},
    {UNET,
     "\"resnet_out_scale_factor\": 1.0",
     "\"resnet_out_scale_factor\": 0.7",
     DIFFCUT_ERROR_UNSUPPORTED,
     {"resnet_out_scale_factor 0.7"}},
    {UNET, "\"conv_in_kernel\": 3", "\"conv_in_kernel\": 5", DIFFCUT_ERROR_UNSUPPORTED, {"conv_in_kernel 5"}},
    {UNET,
     "\"dropout\": 0.0",
     "\"new_trick\": true",
     DIFFCUT_ERROR_UNSUPPORTED,
     {"new_trick is not a key that this version knows"}},
    {UNET, "\"dropout\": 0.0", "\"in_channels\": 12", DIFFCUT_ERROR_FORMAT, {"unet/config.json", "duplicate"}},
    {UNET,
     "\"use_linear_projection\": true",
     "\"use_linear_projection\": 1",
     DIFFCUT_ERROR_MODEL,
     {"use_linear_projection is 1, expected true or false"}},
    {UNET,
     "\"use_linear_projection\": true",
     "\"use_linear_projection\": false",
     DIFFCUT_ERROR_MODEL,
     {"attentions.0.proj_in.weight has shape [32, 32], unet/config.json asks for [32, 32, 1, 1]"}},
    {UNET,
     "\"layers_per_block\": [\n    1,\n    2\n  ]",
     "\"layers_per_block\": 1000000",
     DIFFCUT_ERROR_MODEL,
     {"layers_per_block is 1000000"}},
    {UNET,
     "\"layers_per_block\": [\n    1,\n    2\n  ]",
     "\"layers_per_block\": 2",
     DIFFCUT_ERROR_MODEL,
     {WEIGHTS ": tensor down_blocks.0.resnets.1.norm1.weight is missing"}},
    {UNET,
     "\"transformer_layers_per_block\": [\n    1,\n    2\n  ]",
     "\"transformer_layers_per_block\": [1, [2]]",
     DIFFCUT_ERROR_MODEL,
     {"transformer_layers_per_block[1] has 1 items, expected 2"}},
    {UNET,
     "\"cross_attention_dim\": 32",
     "\"cross_attention_dim\": [32, 16]",
     DIFFCUT_ERROR_UNSUPPORTED,
     {"cross_attention_dim[1] is 16"}},
    {UNET, "\"freq_shift\": 0", "\"freq_shift\": \"0\"", DIFFCUT_ERROR_MODEL, {"freq_shift is \"0\""}},
    {UNET, "\"_class_name\": \"UNet2DConditionModel\",", "", DIFFCUT_OK, {NULL}},
    {UNET, "{\n  \"_class", "[{\n  \"_class", DIFFCUT_ERROR_FORMAT, {"unet/config.json: not valid JSON"}},
    /* its scheduler */
    {SCHEDULER,
     "\"scaled_linear\"",
     "\"squaredcos_cap_v2\"",
     DIFFCUT_ERROR_UNSUPPORTED,
     {"scheduler/scheduler_config.json: beta_schedule \"squaredcos_cap_v2\"", "scaled_linear"}},
    {SCHEDULER, "\"beta_start\": 0.00085", "\"beta_start\": -0.1", DIFFCUT_ERROR_MODEL, {"beta_start is -0.1"}},
    {SCHEDULER,
     "\"num_train_timesteps\": 1000",
     "\"num_train_timesteps\": 4000000000",
     DIFFCUT_ERROR_MODEL,
     {"num_train_timesteps is 4000000000"}},
    {SCHEDULER,
     "\"num_train_timesteps\": 1000",
     "\"num_train_timesteps\": 50",
     DIFFCUT_ERROR_MODEL,
     {"timestep is 50 (diffcut.json's, else the paper's); " SCHEDULER " has 0 .. 49"}},
    {SCHEDULER, "\"trained_betas\": null", "\"trained_betas\": [0.1]", DIFFCUT_ERROR_UNSUPPORTED, {"trained_betas"}},
    {SCHEDULER,
     "\"rescale_betas_zero_snr\": false",
     "\"rescale_betas_zero_snr\": true",
     DIFFCUT_ERROR_UNSUPPORTED,
     {"rescale_betas_zero_snr"}},
    /* diffcut.json */
    {OWN,
     "\"factor\": 2",
     "\"factor\": 4",
     DIFFCUT_ERROR_MODEL,
     {"diffcut.json: first_stage.factor 4 gives 48 channels, unet/config.json has in_channels 12"}},
    {OWN, "\"factor\": 2", "\"factor\": 0", DIFFCUT_ERROR_MODEL, {"factor is 0"}},
    {OWN,
     "\"pixel_unshuffle\"",
     "\"wavelets\"",
     DIFFCUT_ERROR_UNSUPPORTED,
     {"first_stage.type \"wavelets\"", "\"AutoencoderKL\" and \"AutoencoderTiny\""}},
    {OWN, "\"zeros\"", "\"empty-prompt\"", DIFFCUT_ERROR_UNSUPPORTED, {"context \"empty-prompt\""}},
    {OWN, "\"context_tokens\": 1", "\"context_tokens\": 0", DIFFCUT_ERROR_MODEL, {"context_tokens is 0"}},
    {OWN, "\"context_tokens\": 1", "\"tua\": 0.5", DIFFCUT_ERROR_MODEL, {"diffcut.json: tua is not a key"}},
    {OWN, "\"context_tokens\": 1", "\"format\": 2", DIFFCUT_ERROR_UNSUPPORTED, {"format is 2, this version reads 1"}},
    {OWN, "\"context_tokens\": 1", "\"size\": 100000000", DIFFCUT_ERROR_MODEL, {"size is 100000000"}},
    {OWN, "\"context_tokens\": 1", "\"alpha\": 0", DIFFCUT_ERROR_MODEL, {"alpha is 0, expected"}},
    {OWN,
     "\"context_tokens\": 1",
     "\"tau\": 1.5",
     DIFFCUT_ERROR_MODEL,
     {"tau is 1.5, expected a number from 0 to 1"}},
    {OWN, "\"context_tokens\": 1", "\"timestep\": 1000", DIFFCUT_ERROR_MODEL, {"timestep is 1000"}},
    {OWN,
     "\"context_tokens\": 1",
     "\"hook\": \"down_blocks.1.attentions.2\"",
     DIFFCUT_ERROR_MODEL,
     {"diffcut.json: hook: ", "the nearest are", "down_blocks.1.attentions.1"}},
    {OWN, "\"context_tokens\": 1", "\"name\": \"\"", DIFFCUT_ERROR_MODEL, {"name is \"\""}},
    /* the weights' header */
    {WEIGHTS, "\"conv_in.bias\"", "\"conv_in.baas\"", DIFFCUT_ERROR_MODEL, {"tensor conv_in.bias is missing"}},
    {WEIGHTS,
     "[16,12,3,3]",
     "[12,16,3,3]",
     DIFFCUT_ERROR_MODEL,
     {"tensor conv_in.weight has shape [12, 16, 3, 3], unet/config.json asks for [16, 12, 3, 3]"}},
    {WEIGHTS,
     "\"F32\",\"shape\":[16],\"data_offsets\":[0,64]",
     "\"I32\",\"shape\":[16],\"data_offsets\":[0,64]",
     DIFFCUT_ERROR_MODEL,
     {"tensor conv_in.bias has dtype I32; F32, F16 and BF16 are supported"}},
    {WEIGHTS,
     "\"F32\",\"shape\":[16],\"data_offsets\":[0,64]",
     "\"F31\",\"shape\":[16],\"data_offsets\":[0,64]",
     DIFFCUT_ERROR_FORMAT,
     {"tensor conv_in.bias: unknown dtype \"F31\""}},
    {WEIGHTS,
     "\"F32\",\"shape\":[16],\"data_offsets\":[0,64]",
     "\"F16\",\"shape\":[16],\"data_offsets\":[0,64]",
     DIFFCUT_ERROR_FORMAT,
     {"tensor conv_in.bias: data_offsets span 64 bytes, [16] of F16 needs 32"}},
    {WEIGHTS, "\"data_offsets\":[64,6976]", "\"data_offsets\":[60,6972]", DIFFCUT_ERROR_FORMAT, {"(overlap)"}},
    {WEIGHTS, "\"data_offsets\":[64,6976]", "\"data_offsets\":[68,6980]", DIFFCUT_ERROR_FORMAT, {"(hole)"}},
    {WEIGHTS, "\"conv_in.bias\"", "\"conv_in.weight\"", DIFFCUT_ERROR_FORMAT, {"not valid JSON: duplicate"}},
};

static diffcut_status open_and_close(const char *path, diffcut_diagnostics *diag) {
    diffcut_model *model = NULL;
    diffcut_status status = diffcut_model_open(path, NULL, &model, diag);
    if (status != DIFFCUT_OK) {
        assert_null(model);
    }
    diffcut_model_release(model);
    return status;
}

static void expect(const char *path, diffcut_status status, const char *const *message, const char *what) {
    diffcut_diagnostics diag;
    diffcut_status got = open_and_close(path, &diag);
    if (got != status) {
        fail_msg("%s: status %d (%s), expected %d", what, (int)got, diag.message, (int)status);
    }
    for (size_t i = 0; i < 3 && message[i] != NULL; i++) {
        if (strstr(diag.message, message[i]) == NULL) {
            fail_msg("%s: the message is \"%s\", without \"%s\"", what, diag.message, message[i]);
        }
    }
}

static void test_every_wrong_field_is_named(void **state) {
    (void)state;
    char path[512];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        broken_copy(path, sizeof path);
        broken_replace(path, cases[i].file, cases[i].from, cases[i].to);
        expect(path, cases[i].status, cases[i].message, cases[i].to);
        broken_remove(path);
    }
}

static void test_missing_files_are_named(void **state) {
    (void)state;
    static const struct {
        const char *file;
        diffcut_status status;
    } files[] = {{UNET, DIFFCUT_ERROR_MODEL},
                 {WEIGHTS, DIFFCUT_ERROR_MODEL},
                 {OWN, DIFFCUT_ERROR_UNSUPPORTED}, /* 12 channels then fit no family */
                 {SCHEDULER, DIFFCUT_OK},
                 {"model_index.json", DIFFCUT_OK}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[512];
        char file[1024];
        broken_copy(path, sizeof path);
        (void)snprintf(file, sizeof file, "%s/%s", path, files[i].file);
        assert_int_equal(unlink(file), 0);
        const char *message[3] = {files[i].status == DIFFCUT_OK ? NULL : files[i].file};
        expect(path, files[i].status, message, files[i].file);
        broken_remove(path);
    }
}

static void test_what_is_no_folder_is_said_so(void **state) {
    (void)state;
    char path[512];
    char file[1024];
    broken_copy(path, sizeof path);
    (void)snprintf(file, sizeof file, "%s/%s", path, UNET);
    expect(file, DIFFCUT_ERROR_MODEL, (const char *const[3]){"not a folder, nor a safetensors file"}, "a file");
    (void)snprintf(file, sizeof file, "%s/nowhere", path);
    expect(file, DIFFCUT_ERROR_IO, (const char *const[3]){"nowhere", "No such file"}, "nothing");
    expect("", DIFFCUT_ERROR_IO, (const char *const[3]){"No such file"}, "an empty path");
    (void)snprintf(file, sizeof file, "%s/%s", path, UNET);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(mkdir(file, 0700), 0);
    expect(path, DIFFCUT_ERROR_IO, (const char *const[3]){UNET, "not a regular file"}, "a folder as config");
    assert_int_equal(rmdir(file), 0);
    assert_int_equal(mkfifo(file, 0600), 0);
    expect(path, DIFFCUT_ERROR_IO, (const char *const[3]){UNET, "not a regular file"}, "a pipe as config");
    assert_int_equal(unlink(file), 0);
    assert_int_equal(symlink("config.json", file), 0);
    expect(path, DIFFCUT_ERROR_IO, (const char *const[3]){UNET}, "a cyclic link as config");
    broken_remove(path);
}

static void test_an_unreadable_file_is_named(void **state) {
    (void)state;
    char path[512];
    char file[1024];
    broken_copy(path, sizeof path);
    (void)snprintf(file, sizeof file, "%s/%s", path, WEIGHTS);
    assert_int_equal(chmod(file, 0), 0);
    /* Root reads everything, so it steps down for the moment. */
    bool root = geteuid() == 0;
    char folder[1024];
    (void)snprintf(folder, sizeof folder, "%s/unet", path);
    assert_int_equal(chmod(path, 0755), 0);
    assert_int_equal(chmod(folder, 0755), 0);
    if (root && seteuid(65534) != 0) {
        broken_remove(path);
        skip();
    }
    expect(path, DIFFCUT_ERROR_IO, (const char *const[3]){WEIGHTS, "Permission denied"}, "unreadable");
    if (root) {
        assert_int_equal(seteuid(0), 0);
    }
    broken_remove(path);
}

static void test_every_truncation_of_the_weights_is_refused(void **state) {
    (void)state;
    char path[512];
    size_t size;
    broken_copy(path, sizeof path);
    char *data = broken_read(path, WEIGHTS, &size);
    const size_t lengths[] = {0, 1, 7, 8, 9, 1000, 15480, 15479, size / 2, size - 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        broken_write(path, WEIGHTS, data, lengths[i]);
        expect(path, DIFFCUT_ERROR_FORMAT, (const char *const[3]){WEIGHTS}, "truncated");
    }
    char *longer = calloc(size + 1, 1);
    assert_non_null(longer);
    memcpy(longer, data, size);
    broken_write(path, WEIGHTS, longer, size + 1);
    expect(path, DIFFCUT_ERROR_FORMAT, (const char *const[3]){"the tensors end at"}, "one byte more");
    memset(longer, 0xFF, 8);
    broken_write(path, WEIGHTS, longer, size);
    expect(path, DIFFCUT_ERROR_FORMAT, (const char *const[3]){"header length 18446744073709551615 is over the limit"},
           "a huge header length");
    free(longer);
    free(data);
    broken_remove(path);
}

static void test_a_config_over_the_limit_is_refused(void **state) {
    (void)state;
    char path[512];
    size_t size = JSON_MAX_FILE + 1;
    char *spaces = malloc(size);
    assert_non_null(spaces);
    memset(spaces, ' ', size);
    broken_copy(path, sizeof path);
    broken_write(path, UNET, spaces, size);
    expect(path, DIFFCUT_ERROR_LIMIT, (const char *const[3]){UNET, "bytes of JSON"}, "17 MB of spaces");
    memset(spaces, '[', 1000);
    broken_write(path, UNET, spaces, 1000);
    expect(path, DIFFCUT_ERROR_FORMAT, (const char *const[3]){UNET, "nested 1000 deep"}, "deep nesting");
    broken_write(path, UNET, spaces, 0);
    expect(path, DIFFCUT_ERROR_FORMAT, (const char *const[3]){UNET}, "empty");
    free(spaces);
    broken_remove(path);
}

/* Writes a NaN at a byte offset of the weights' data, then computes features. */
static diffcut_status encode_with_nan(const char *path, size_t offset, diffcut_diagnostics *diag) {
    size_t size;
    char *data = broken_read(path, WEIGHTS, &size);
    uint64_t header;
    memcpy(&header, data, sizeof header);
    uint32_t bits = 0x7FC00000U; /* a quiet NaN */
    memcpy(data + 8 + header + offset, &bits, sizeof bits);
    broken_write(path, WEIGHTS, data, size);
    free(data);
    diffcut_model *model = NULL;
    backend_stream *stream = NULL;
    const work w = {.threads = 1, .diag = diag};
    assert_int_equal(diffcut_model_open(path, NULL, &model, diag), DIFFCUT_OK);
    assert_int_equal(model->backend->ops->stream_create(model->backend, 1, &stream, diag), DIFFCUT_OK);
    float image[8 * 8 * 3] = {0};
    float *features = NULL;
    uint32_t h;
    uint32_t wide;
    uint32_t c;
    diffcut_settings settings;
    diffcut_settings_init(&settings, NULL);
    diffcut_status status = encode_features(model, stream, &w, image, 8, 8, &settings, &features, &h, &wide, &c);
    mem_free(features);
    model->backend->ops->stream_destroy(stream);
    diffcut_model_release(model);
    return status;
}

static void test_nan_in_a_needed_weight_is_named_and_others_are_not_read(void **state) {
    (void)state;
    char path[512];
    diffcut_diagnostics diag;
    broken_copy(path, sizeof path);
    /* proj_out of the last attention lies beyond the hook: never read, so its NaN does no harm. */
    safetensors *file = NULL;
    assert_int_equal(safetensors_open(path, WEIGHTS, &file, &diag), DIFFCUT_OK);
    const safetensors_tensor *first = safetensors_find(file, "conv_in.bias"); /* its data come first */
    const safetensors_tensor *beyond = safetensors_find(file, "down_blocks.1.attentions.1.proj_out.weight");
    const safetensors_tensor *needed = safetensors_find(file, "down_blocks.1.resnets.1.conv2.weight");
    assert_true(first != NULL && beyond != NULL && needed != NULL);
    size_t beyond_at = (size_t)((const char *)beyond->data - (const char *)first->data);
    size_t needed_at = (size_t)((const char *)needed->data - (const char *)first->data);
    safetensors_close(file);
    assert_int_equal(encode_with_nan(path, beyond_at, &diag), DIFFCUT_OK);
    assert_int_equal(encode_with_nan(path, needed_at + 40, &diag), DIFFCUT_ERROR_NUMERIC);
    assert_non_null(
        strstr(diag.message, "tensor down_blocks.1.resnets.1.conv2.weight holds NaN or infinity (element 10"));
    broken_remove(path);
}

static void test_info_tells_what_the_folder_says(void **state) {
    (void)state;
    diffcut_model *model = NULL;
    diffcut_model_info info;
    diffcut_diagnostics diag;
    const diffcut_model_settings settings = {.backend = "ref"};
    assert_int_equal(diffcut_model_open(DIFFCUT_TEST_DATA "/../data/tiny-pixel/", &settings, &model, &diag),
                     DIFFCUT_OK);
    diffcut_model_get_info(model, &info);
    assert_string_equal(info.name, "tiny-pixel"); /* the folder's: diffcut.json gives none */
    assert_string_equal(info.family, "pixel");
    assert_string_equal(info.first_stage, "pixel_unshuffle");
    assert_string_equal(info.backend, "ref");
    assert_string_equal(info.dtype, "F32");
    assert_string_equal(info.hook, "down_blocks.1.attentions.1.transformer_blocks.1.attn1");
    assert_int_equal(info.multiple, 4);
    assert_int_equal(info.feature_stride, 4);
    assert_int_equal(info.feature_channels, 32);
    assert_int_equal(info.timestep, 50);
    assert_true(info.alpha == 10.0 && info.tau == 0.5);
    assert_int_equal(info.bytes_needed, 4 * info.parameters_needed);
    /* Beyond the hook: attn2 (4 products and a bias), ff, two norms, proj_out of 32 channels. */
    assert_int_equal(info.parameters_total - info.parameters_needed,
                     (4 * 1024 + 32) + (256 * 32 + 256 + 32 * 128 + 32) + 4 * 32 + (1024 + 32));
    assert_ptr_equal(diffcut_model_retain(model), model);
    diffcut_model_release(model);
    diffcut_model_get_info(model, &info); /* one owner is left */
    diffcut_model_release(model);
    diffcut_model_release(NULL);
}

static void test_an_unknown_backend_lists_those_there_are(void **state) {
    (void)state;
    diffcut_model *model = NULL;
    diffcut_diagnostics diag;
    const diffcut_model_settings settings = {.backend = "abacus"};
    assert_int_equal(diffcut_model_open(DIFFCUT_TEST_DATA "/tiny-pixel", &settings, &model, &diag),
                     DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(diag.message, "ref"));
}

static void test_precision_is_what_was_asked_and_small_models_stay_in_f32(void **state) {
    (void)state;
    static const struct {
        const char *backend;
        diffcut_precision precision;
        const char *expected; /* NULL: refused */
    } wishes[] = {
        {"cpu", DIFFCUT_PRECISION_AUTO, "f32"},  {"cpu", DIFFCUT_PRECISION_F32, "f32"},
        {"cpu", DIFFCUT_PRECISION_BF16, "bf16"}, {"ref", DIFFCUT_PRECISION_AUTO, "f32"},
        {"ref", DIFFCUT_PRECISION_BF16, NULL},   {"cpu", (diffcut_precision)3, NULL},
    };
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
        diffcut_model *model = NULL;
        diffcut_model_info info;
        diffcut_diagnostics diag;
        const diffcut_model_settings settings = {.backend = wishes[i].backend, .precision = wishes[i].precision};
        diffcut_status status = diffcut_model_open(DIFFCUT_TEST_DATA "/tiny-pixel", &settings, &model, &diag);
        if (wishes[i].expected == NULL) {
            assert_int_not_equal(status, DIFFCUT_OK);
            assert_non_null(strstr(diag.message, "precision"));
            continue;
        }
        assert_int_equal(status, DIFFCUT_OK);
        diffcut_model_get_info(model, &info);
        assert_string_equal(info.precision, wishes[i].expected);
        diffcut_model_release(model);
    }
}

static void test_the_embedded_model_is_found_through_the_environment(void **state) {
    (void)state;
    diffcut_model *model = NULL;
    diffcut_model_info info;
    diffcut_diagnostics diag;
    assert_int_equal(setenv("DIFFCUT_MODELS", DIFFCUT_SOURCE_DIR "/models", 1), 0);
    if (diffcut_model_open(NULL, NULL, &model, &diag) != DIFFCUT_OK) {
        fail_msg("%s", diag.message);
    }
    diffcut_model_get_info(model, &info);
    assert_string_equal(info.name, "diffcut-tiny");
    diffcut_model_release(model);
    assert_int_equal(setenv("DIFFCUT_MODELS", "/nonexistent", 1), 0);
    char *path = NULL;
    if (model_find_embedded(&path, &diag) == DIFFCUT_OK) {
        mem_free(path); /* one lies beside this build */
    } else {
        assert_non_null(strstr(diag.message, "/nonexistent/diffcut-tiny"));
        assert_non_null(strstr(diag.message, "share/diffcut/models"));
    }
    assert_int_equal(unsetenv("DIFFCUT_MODELS"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_wrong_field_is_named),
        cmocka_unit_test(test_missing_files_are_named),
        cmocka_unit_test(test_what_is_no_folder_is_said_so),
        cmocka_unit_test(test_an_unreadable_file_is_named),
        cmocka_unit_test(test_every_truncation_of_the_weights_is_refused),
        cmocka_unit_test(test_a_config_over_the_limit_is_refused),
        cmocka_unit_test(test_nan_in_a_needed_weight_is_named_and_others_are_not_read),
        cmocka_unit_test(test_info_tells_what_the_folder_says),
        cmocka_unit_test(test_an_unknown_backend_lists_those_there_are),
        cmocka_unit_test(test_precision_is_what_was_asked_and_small_models_stay_in_f32),
        cmocka_unit_test(test_the_embedded_model_is_found_through_the_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

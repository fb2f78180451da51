/*
 * test_context.c - a model's text context: computed once per prompt and bounded, the same from a context file as from
 * the encoders; and what is missing, broken or of another model is named.
 */
#include "test.h"

#include "../nn/pipeline_links.h"
#include "core/memory.h"
#include "io/safetensors_write.h"
#include "model/context_file.h"
#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define GOLDEN DIFFCUT_SHARED_DIR "/golden/models"
#define SD1 GOLDEN "/tiny-sd1"
#define SDXL GOLDEN "/tiny-vega"
#define PIXEL DIFFCUT_TEST_DATA "/tiny-pixel"

static void need_golden(void) {
    if (access(SD1, F_OK) != 0) {
        skip();
    }
}

static diffcut_status open_model(const char *path, const char *context, diffcut_model **model,
                                 diffcut_diagnostics *diag) {
    const diffcut_model_settings settings = {.backend = "cpu", .context = context};
    *model = NULL;
    return diffcut_model_open(path, &settings, model, diag);
}

static diffcut_session *open_session(const char *path, const char *context) {
    diffcut_model *model;
    diffcut_session *session = NULL;
    diffcut_diagnostics diag;
    if (open_model(path, context, &model, &diag) != DIFFCUT_OK ||
        diffcut_session_open(model, NULL, &session, &diag) != DIFFCUT_OK) {
        fail_msg("%s", diag.message);
    }
    diffcut_model_release(model);
    return session;
}

/* What asking for a prompt says. */
static void expect_message(diffcut_session *session, const char *prompt, diffcut_status status, const char *part) {
    diffcut_buffer file = {.data = NULL};
    assert_int_equal(diffcut_context_save(session, prompt, &file), status);
    assert_null(file.data);
    if (strstr(diffcut_session_message(session), part) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", diffcut_session_message(session), part);
    }
}

/* ------------------------------------------------------------------------------------------------- files */

static void save(diffcut_session *session, const char *prompt, const char *folder, const char *name) {
    diffcut_buffer file = {.data = NULL};
    if (diffcut_context_save(session, prompt, &file) != DIFFCUT_OK) {
        fail_msg("%s", diffcut_session_message(session));
    }
    pipeline_write(folder, name, file.data, file.size);
    diffcut_buffer_free(&file);
}

/* Features of a grey photo under a prompt; the caller frees them. */
static diffcut_features *features_of(diffcut_session *session, const char *prompt) {
    uint8_t pixels[64 * 64 * 3];
    for (size_t i = 0; i < sizeof pixels; i++) {
        pixels[i] = (uint8_t)(i * 7 % 251);
    }
    const diffcut_image image = {64, 64, pixels};
    diffcut_settings settings;
    diffcut_features *features = NULL;
    diffcut_settings_init(&settings, NULL);
    settings.size_mode = DIFFCUT_SIZE_NATIVE;
    settings.prompt = prompt;
    if (diffcut_features_compute(session, &image, &settings, &features) != DIFFCUT_OK) {
        fail_msg("%s", diffcut_session_message(session));
    }
    return features;
}

static bool equal_features(const diffcut_features *a, const diffcut_features *b) {
    size_t count = (size_t)diffcut_features_height(a) * diffcut_features_width(a) * diffcut_features_channels(a);
    return memcmp(diffcut_features_data(a), diffcut_features_data(b), count * sizeof(float)) == 0;
}

static void check_file_replaces_encoders(const char *golden, bool two) {
    char path[PIPELINE_PATH_SIZE];
    char file[PIPELINE_PATH_SIZE + 16];
    pipeline_link(golden, path);
    pipeline_vocabulary(path, "tokenizer");
    if (two) {
        pipeline_vocabulary(path, "tokenizer_2");
    }
    (void)snprintf(file, sizeof file, "%s/cat.context", path);
    diffcut_session *whole = open_session(path, NULL);
    save(whole, "a cat", path, "cat.context");
    diffcut_features *expected = features_of(whole, "a cat");
    diffcut_features *empty = features_of(whole, NULL);
    diffcut_session_close(whole);

    pipeline_drop(path, "text_encoder/model.safetensors");
    diffcut_session *without = open_session(path, file);
    diffcut_features *found = features_of(without, "a cat");
    assert_true(equal_features(expected, found));
    assert_false(equal_features(expected, empty));
    expect_message(without, NULL, DIFFCUT_ERROR_ARGUMENT,
                   "the context of the prompt \"a cat\"; the one asked for is \"\"");
    diffcut_session_close(without);
    diffcut_features_free(expected);
    diffcut_features_free(empty);
    diffcut_features_free(found);
    pipeline_remove(path);
}

static void test_features_from_a_context_file_equal_those_from_the_encoders(void **state) {
    (void)state;
    need_golden();
    check_file_replaces_encoders(SD1, false);
    check_file_replaces_encoders(SDXL, true);
}

static diffcut_status open_file_text(const char *path, diffcut_diagnostics *diag) {
    diffcut_model *model;
    diffcut_status status = open_model(SD1, path, &model, diag);
    diffcut_model_release(model);
    return status;
}

static void expect_file(const char *folder, const char *name, diffcut_status status, const char *part) {
    char path[PIPELINE_PATH_SIZE + 32];
    diffcut_diagnostics diag;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    diffcut_status got = open_file_text(path, &diag);
    if (got != status || strstr(diag.message, part) == NULL || strstr(diag.message, name) == NULL) {
        fail_msg("status %d \"%s\", expected %d \"%s\"", (int)got, diag.message, (int)status, part);
    }
}

/* A context file with these tensors and texts. */
static void write_file(const char *folder, const safetensors_array *tensors, size_t count, const char *version,
                       const char *shapes) {
    const safetensors_text text[] = {
        {"format", "diffcut-context"}, {"version", version}, {"family", "sd"}, {"prompt", ""}, {"shapes", shapes}};
    diffcut_buffer file;
    diffcut_diagnostics diag;
    assert_int_equal(safetensors_write(tensors, count, text, 5, &file, &diag), DIFFCUT_OK);
    pipeline_write(folder, "x.context", file.data, file.size);
    diffcut_buffer_free(&file);
}

static void test_broken_and_foreign_context_files_are_refused(void **state) {
    (void)state;
    need_golden();
    char path[PIPELINE_PATH_SIZE];
    pipeline_link(SD1, path);
    float numbers[2 * 12] = {0};
    const size_t shape[2] = {2, 12};
    const size_t flat[1] = {24};
    safetensors_array tensors[] = {{"context", 2, shape, numbers}, {"pooled", 1, flat, numbers}};

    write_file(path, tensors, 1, "1", "2x12+0");
    char file[PIPELINE_PATH_SIZE + 16];
    diffcut_diagnostics diag;
    (void)snprintf(file, sizeof file, "%s/x.context", path);
    assert_int_equal(open_file_text(file, &diag), DIFFCUT_OK);

    size_t size;
    char *bytes = pipeline_read(path, "x.context", &size);
    pipeline_write(path, "x.context", bytes, size - 5);
    expect_file(path, "x.context", DIFFCUT_ERROR_FORMAT, "data_offsets end at 96");
    pipeline_write(path, "x.context", bytes, 5);
    expect_file(path, "x.context", DIFFCUT_ERROR_FORMAT, "too short");
    free(bytes);
    pipeline_write(path, "x.context", "", 0);
    expect_file(path, "x.context", DIFFCUT_ERROR_FORMAT, "too short");
    expect_file(path, "nosuch.context", DIFFCUT_ERROR_IO, "No such file");
    expect_file(path, "text_encoder/model.safetensors", DIFFCUT_ERROR_FORMAT, "not a context file");

    write_file(path, tensors, 1, "2", "2x12+0");
    expect_file(path, "x.context", DIFFCUT_ERROR_UNSUPPORTED, "version 2; this version reads 1");
    write_file(path, tensors, 1, "1", "2x13+0");
    expect_file(path, "x.context", DIFFCUT_ERROR_FORMAT, "its shapes are 2x12+0, its __metadata__ says 2x13+0");
    write_file(path, tensors, 2, "1", "2x12+24");
    expect_file(path, "x.context", DIFFCUT_ERROR_MODEL, "a context of another model");
    write_file(path, tensors + 1, 1, "1", "2x12+24");
    expect_file(path, "x.context", DIFFCUT_ERROR_FORMAT, "holds context [tokens, channels]");
    tensors[0].rank = 1;
    tensors[0].shape = flat;
    write_file(path, tensors, 1, "1", "24x0+0");
    expect_file(path, "x.context", DIFFCUT_ERROR_FORMAT, "holds context [tokens, channels]");
    tensors[0].rank = 2;
    tensors[0].shape = (const size_t[2]){12, 2};
    write_file(path, tensors, 1, "1", "12x2+0");
    expect_file(path, "x.context", DIFFCUT_ERROR_MODEL, "a context of another model");
    tensors[0].shape = shape;
    numbers[7] = NAN;
    write_file(path, tensors, 1, "1", "2x12+0");
    expect_file(path, "x.context", DIFFCUT_ERROR_NUMERIC, "tensor context holds NaN or infinity (element 7)");
    pipeline_remove(path);
}

static void test_every_failed_allocation_of_a_context_file_is_reported(void **state) {
    (void)state;
    need_golden();
    char path[PIPELINE_PATH_SIZE];
    char file[PIPELINE_PATH_SIZE + 16];
    float numbers[24] = {0};
    const size_t shape[2] = {2, 12};
    const safetensors_array only = {"context", 2, shape, numbers};
    pipeline_link(SD1, path);
    write_file(path, &only, 1, "1", "2x12+0");
    (void)snprintf(file, sizeof file, "%s/x.context", path);
    diffcut_status status = DIFFCUT_ERROR_MEMORY;
    for (long i = 0; status == DIFFCUT_ERROR_MEMORY; i++) {
        context_arrays arrays = {.data = NULL};
        char *family = NULL;
        char *prompt = NULL;
        diffcut_diagnostics diag;
        mem_fail_after(i);
        status = context_file_read(file, &arrays, &family, &prompt, &diag);
        mem_fail_after(-1);
        assert_true(status == DIFFCUT_OK || (arrays.data == NULL && family == NULL && prompt == NULL));
        context_arrays_free(&arrays);
        mem_free(family);
        mem_free(prompt);
    }
    assert_int_equal(status, DIFFCUT_OK);
    pipeline_remove(path);
}

/* ------------------------------------------------------------------------------------------------- encoders */

static void test_missing_encoders_are_named_when_a_text_is_asked_for(void **state) {
    (void)state;
    need_golden();
    char path[PIPELINE_PATH_SIZE];
    pipeline_link(SDXL, path);
    pipeline_drop(path, "text_encoder/model.safetensors");
    pipeline_drop(path, "text_encoder_2/model.safetensors");
    pipeline_drop(path, "text_encoder_2/config.json");
    diffcut_session *session = open_session(path, NULL);
    expect_message(session, "", DIFFCUT_ERROR_MODEL,
                   "files that the model has not: text_encoder/model.safetensors, text_encoder_2/config.json, "
                   "text_encoder_2/model.safetensors. Get them, or take the context from a file (--context)");
    diffcut_session_close(session);
    pipeline_remove(path);
}

static void test_a_missing_vocabulary_is_named_and_the_empty_prompt_needs_none(void **state) {
    (void)state;
    need_golden();
    char path[PIPELINE_PATH_SIZE];
    diffcut_buffer with = {.data = NULL};
    diffcut_buffer without = {.data = NULL};
    pipeline_link(SDXL, path);
    diffcut_session *session = open_session(path, NULL);
    assert_int_equal(diffcut_context_save(session, "", &with), DIFFCUT_OK);
    static const char *const files[] = {"vocab.json", "merges.txt", "tokenizer_config.json",
                                        "special_tokens_map.json"};
    pipeline_drop(path, "tokenizer/vocab.json");
    expect_message(session, "a cat", DIFFCUT_ERROR_MODEL, "tokenizer/merges.txt, and");
    expect_message(session, "a cat", DIFFCUT_ERROR_MODEL, "lacks tokenizer/vocab.json");
    for (size_t i = 0; i < 4; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "tokenizer/%s", files[i]);
        if (i > 0) {
            pipeline_drop(path, name);
        }
        (void)snprintf(name, sizeof name, "tokenizer_2/%s", files[i]);
        pipeline_drop(path, name);
    }
    expect_message(session, "a cat", DIFFCUT_ERROR_MODEL, "lacks both; the empty prompt needs neither");
    /* Without any tokenizer the pads are the end for the first encoder and token 0 for the second, as its own are. */
    assert_int_equal(diffcut_context_save(session, NULL, &without), DIFFCUT_OK);
    assert_int_equal(with.size, without.size);
    assert_memory_equal(with.data, without.data, with.size);
    diffcut_buffer_free(&with);
    diffcut_buffer_free(&without);
    diffcut_session_close(session);
    pipeline_remove(path);
}

static void test_a_long_prompt_is_cut_with_a_note_each_time(void **state) {
    (void)state;
    need_golden();
    diffcut_session *session = open_session(SD1, NULL);
    char prompt[300];
    memset(prompt, '7', sizeof prompt);
    prompt[sizeof prompt - 1] = '\0';
    for (int time = 0; time < 2; time++) {
        diffcut_features *features = features_of(session, prompt);
        assert_string_equal(diffcut_session_note(session),
                            "the prompt was cut to 77 tokens, its start and end included");
        diffcut_features_free(features);
    }
    diffcut_features_free(features_of(session, "7"));
    assert_string_equal(diffcut_session_note(session), "");
    expect_message(session, "\xFF", DIFFCUT_ERROR_ARGUMENT, "the prompt is not UTF-8 (byte 0 is 0xFF)");
    diffcut_session_close(session);
}

static void test_a_model_without_text_takes_neither_prompt_nor_file(void **state) {
    (void)state;
    diffcut_session *session = open_session(PIXEL, NULL);
    expect_message(session, "a cat", DIFFCUT_ERROR_ARGUMENT, "trained without text");
    uint8_t pixels[16 * 16 * 3] = {0};
    const diffcut_image image = {16, 16, pixels};
    diffcut_settings settings;
    diffcut_features *features = NULL;
    diffcut_settings_init(&settings, NULL);
    settings.size_mode = DIFFCUT_SIZE_SQUARE;
    settings.size = 64;
    settings.prompt = "a cat";
    assert_int_equal(diffcut_features_compute(session, &image, &settings, &features), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(diffcut_session_message(session), "takes no prompt"));
    diffcut_session_close(session);
    diffcut_model *model;
    diffcut_diagnostics diag;
    assert_int_equal(open_model(PIXEL, "x.context", &model, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(diag.message, "takes no context file"));
}

/* A file of the pipeline in which one text is replaced, and what opening it then says. */
typedef struct wrong_case {
    const char *golden, *file, *from, *to;
    diffcut_status status;
    const char *message;
} wrong_case;

#define FIRST "text_encoder/config.json"
#define SECOND "text_encoder_2/config.json"

static const wrong_case cases[] = {
    {SD1, FIRST, "\"hidden_size\": 12", "\"hidden_size\": -12", DIFFCUT_ERROR_MODEL, "hidden_size is -12, expected"},
    {SD1, FIRST, "\"hidden_size\": 12", "\"hidden_size\": 123456789", DIFFCUT_ERROR_MODEL,
     "hidden_size is 123456789"},
    {SD1, FIRST, "\"hidden_size\": 12", "\"hidden_size\": \"12\"", DIFFCUT_ERROR_MODEL, "hidden_size is \"12\""},
    {SD1, FIRST, "\"hidden_size\": 12", "\"hidden_size\": 16", DIFFCUT_ERROR_MODEL,
     "text_encoder/config.json: hidden_size is 16, unet/config.json: cross_attention_dim is 12"},
    {SD1, FIRST, "\"num_attention_heads\": 2", "\"num_attention_heads\": 5", DIFFCUT_ERROR_MODEL,
     "hidden_size is 12, not a multiple of num_attention_heads 5"},
    {SD1, FIRST, "\"num_attention_heads\": 2", "\"num_attention_heads\": 0", DIFFCUT_ERROR_MODEL,
     "num_attention_heads is 0"},
    {SD1, FIRST, "quick_gelu", "relu", DIFFCUT_ERROR_UNSUPPORTED, "hidden_act \"relu\" is not supported"},
    {SD1, FIRST, "clip_text_model", "t5", DIFFCUT_ERROR_UNSUPPORTED, "model_type \"t5\" is not supported"},
    {SD1, FIRST, "\"layer_norm_eps\": 1e-05", "\"layer_norm_eps\": 0", DIFFCUT_ERROR_MODEL, "layer_norm_eps is 0"},
    {SD1, FIRST, "\"num_hidden_layers\": 3", "\"num_hidden_layers\": 4", DIFFCUT_ERROR_MODEL,
     "tensor text_model.encoder.layers.3.layer_norm1.weight is missing"},
    {SD1, FIRST, "\"intermediate_size\": 48", "\"intermediate_size\": 47", DIFFCUT_ERROR_MODEL,
     "mlp.fc1.weight has shape [48, 12], text_encoder/config.json asks for [47, 12]"},
    {SD1, FIRST, "\"vocab_size\": 49408", "\"vocab_size\": 49407", DIFFCUT_ERROR_MODEL,
     "token_embedding.weight has shape [49408, 12]"},
    {SD1, FIRST, "\"max_position_embeddings\": 77", "\"max_position_embeddings\": 76", DIFFCUT_ERROR_MODEL,
     "position_embedding.weight has shape [77, 12]"},
    {SD1, FIRST, "{", "[", DIFFCUT_ERROR_FORMAT, "text_encoder/config.json: not valid JSON"},
    {SDXL, SECOND, "\"hidden_size\": 8", "\"hidden_size\": 9", DIFFCUT_ERROR_MODEL,
     "cross_attention_dim 16 is not their sum"},
    {SDXL, SECOND, "\"projection_dim\": 12", "\"projection_dim\": 13", DIFFCUT_ERROR_MODEL,
     "projection_dim is 13, unet/config.json's projection_class_embeddings_input_dim leaves 12"},
};

static void test_wrong_configurations_name_their_key(void **state) {
    (void)state;
    need_golden();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[PIPELINE_PATH_SIZE];
        diffcut_model *model;
        diffcut_diagnostics diag;
        pipeline_link(cases[i].golden, path);
        pipeline_replace(path, cases[i].file, cases[i].from, cases[i].to);
        diffcut_status status = open_model(path, NULL, &model, &diag);
        diffcut_model_release(model);
        if (status != cases[i].status || strstr(diag.message, cases[i].message) == NULL) {
            fail_msg("case %zu: status %d \"%s\", expected \"%s\"", i, (int)status, diag.message, cases[i].message);
        }
        pipeline_remove(path);
    }
}

static void test_wrong_tokenizers_and_weights_name_their_file(void **state) {
    (void)state;
    need_golden();
    char path[PIPELINE_PATH_SIZE];
    pipeline_link(SD1, path);
    diffcut_session *session = open_session(path, NULL);
    pipeline_replace(path, "tokenizer/tokenizer_config.json", "\"model_max_length\": 77", "\"model_max_length\": 78");
    expect_message(session, "", DIFFCUT_ERROR_MODEL,
                   "model_max_length is 78, text_encoder/config.json: max_position");
    pipeline_replace(path, "tokenizer/tokenizer_config.json", "\"model_max_length\": 78", "\"model_max_length\": 77");
    pipeline_write(path, "tokenizer/vocab.json", "{\"a\": ", 6);
    expect_message(session, "a", DIFFCUT_ERROR_FORMAT, "tokenizer/vocab.json: not valid JSON");
    pipeline_write(path, "tokenizer/vocab.json", "{\"a\": 3}", 8);
    expect_message(session, "a", DIFFCUT_ERROR_MODEL, "tokenizer/vocab.json: <|startoftext|> is missing");
    diffcut_session_close(session);

    size_t size;
    diffcut_model *model;
    diffcut_diagnostics diag;
    char *weights = pipeline_read(path, "text_encoder/model.safetensors", &size);
    pipeline_write(path, "text_encoder/model.safetensors", weights, size / 2);
    free(weights);
    assert_int_equal(open_model(path, NULL, &model, &diag), DIFFCUT_ERROR_FORMAT);
    assert_non_null(strstr(diag.message, "text_encoder/model.safetensors"));
    pipeline_remove(path);
}

static void test_a_refiner_is_refused(void **state) {
    (void)state;
    need_golden();
    char path[PIPELINE_PATH_SIZE];
    diffcut_model *model;
    diffcut_diagnostics diag;
    pipeline_link(SDXL, path);
    pipeline_drop(path, "text_encoder/model.safetensors");
    pipeline_replace(path, SECOND, "\"hidden_size\": 8", "\"hidden_size\": 16");
    assert_int_equal(open_model(path, NULL, &model, &diag), DIFFCUT_ERROR_UNSUPPORTED);
    assert_non_null(strstr(diag.message, "SDXL refiner"));
    pipeline_remove(path);
}

/* ------------------------------------------------------------------------------------------------- cache */

static void test_contexts_are_kept_per_prompt_and_bounded(void **state) {
    (void)state;
    need_golden();
    enum { PROMPTS = CONTEXT_CACHE_KEPT + 3 };
    diffcut_model *model;
    diffcut_diagnostics diag;
    backend_stream *stream = NULL;
    unet_context *contexts[PROMPTS];
    const work w = {.threads = 1, .diag = &diag};
    assert_int_equal(open_model(SD1, NULL, &model, &diag), DIFFCUT_OK);
    assert_int_equal(model->backend->ops->stream_create(model->backend, 1, &stream, &diag), DIFFCUT_OK);
    for (int i = 0; i < PROMPTS; i++) {
        const char prompt[] = {(char)('a' + i), '\0'};
        assert_int_equal(model_prepare(model, stream, &w, &model->hook, prompt, &contexts[i]), DIFFCUT_OK);
    }
    assert_int_equal(model->contexts.count, PROMPTS); /* all are in use */
    unet_context *again = NULL;
    assert_int_equal(model_prepare(model, stream, &w, &model->hook, "a", &again), DIFFCUT_OK);
    assert_ptr_equal(again, contexts[0]);
    model_release_context(model, again);
    for (int i = 0; i < PROMPTS; i++) {
        model_release_context(model, contexts[i]);
    }
    assert_int_equal(model->contexts.count, CONTEXT_CACHE_KEPT);
    assert_int_equal(model_prepare(model, stream, &w, &model->hook, "z", &again), DIFFCUT_OK);
    assert_int_equal(model->contexts.count, CONTEXT_CACHE_KEPT);
    model_release_context(model, again);
    model_release_context(model, NULL);
    model->backend->ops->stream_destroy(stream);
    diffcut_model_release(model);
}

static void test_every_failed_allocation_of_a_context_is_reported(void **state) {
    (void)state;
    need_golden();
    diffcut_session *session = open_session(SD1, NULL);
    diffcut_status status = DIFFCUT_ERROR_MEMORY;
    for (long i = 0; status == DIFFCUT_ERROR_MEMORY; i++) {
        diffcut_buffer file = {.data = NULL};
        mem_fail_after(i);
        status = diffcut_context_save(session, "", &file);
        mem_fail_after(-1);
        assert_true(status == DIFFCUT_OK || file.data == NULL);
        diffcut_buffer_free(&file);
    }
    assert_int_equal(status, DIFFCUT_OK);
    diffcut_session_close(session);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_features_from_a_context_file_equal_those_from_the_encoders),
        cmocka_unit_test(test_broken_and_foreign_context_files_are_refused),
        cmocka_unit_test(test_every_failed_allocation_of_a_context_file_is_reported),
        cmocka_unit_test(test_missing_encoders_are_named_when_a_text_is_asked_for),
        cmocka_unit_test(test_a_missing_vocabulary_is_named_and_the_empty_prompt_needs_none),
        cmocka_unit_test(test_a_long_prompt_is_cut_with_a_note_each_time),
        cmocka_unit_test(test_a_model_without_text_takes_neither_prompt_nor_file),
        cmocka_unit_test(test_wrong_configurations_name_their_key),
        cmocka_unit_test(test_wrong_tokenizers_and_weights_name_their_file),
        cmocka_unit_test(test_a_refiner_is_refused),
        cmocka_unit_test(test_contexts_are_kept_per_prompt_and_bounded),
        cmocka_unit_test(test_every_failed_allocation_of_a_context_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

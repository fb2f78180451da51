/*
 * test_text_parity.c - the text encoders equal transformers' at every hidden state, and the contexts diffusers', on
 * every backend: for the empty prompt and a longer one, each from the ids that our tokenizer makes where the full
 * vocabulary is. Arguments: the golden pipeline's folder and the tolerance (max |error| / rms, 5e-5 from the golden
 * README).
 */
#include "test.h"

#include "core/memory.h"
#include "golden.h"
#include "model/model.h"
#include "nn/clip_text.h"
#include "pipeline_links.h"

#include <stdio.h>
#include <string.h>

#define PROMPT_2 "a photo of a cat, near 2 dogs!"
#define TOKENS 77

static const char *folder;
static double tolerance;
static safetensors *golden;

typedef struct comparison {
    const char *component;
    size_t compared;
    char first_wrong[128];
    double worst;
} comparison;

static diffcut_status compare_module(void *user, const char *module, const float *data, uint32_t h, uint32_t w,
                                     uint32_t c) {
    comparison *with = user;
    char name[128];
    (void)snprintf(name, sizeof name, "%s.%s", with->component, module);
    double error = 0.0;
    with->compared++;
    if (!golden_compare(golden, name, data, h, w, c, tolerance, &error) && with->first_wrong[0] == '\0') {
        (void)snprintf(with->first_wrong, sizeof with->first_wrong, "%s", name);
    }
    with->worst = error > with->worst ? error : with->worst;
    return DIFFCUT_OK;
}

/* Golden ids of an encoder: (1, 77) of int32. */
static void golden_ids(const char *name, uint32_t ids[TOKENS]) {
    const safetensors_tensor *t = safetensors_find(golden, name);
    assert_non_null(t);
    assert_int_equal(t->elements, TOKENS);
    memcpy(ids, t->data, TOKENS * sizeof *ids);
}

static size_t golden_count(const char *component) {
    size_t count = 0;
    size_t length = strlen(component);
    for (size_t i = 0; i < safetensors_count(golden); i++) {
        const char *name = safetensors_at(golden, i)->name;
        count +=
            strncmp(name, component, length) == 0 && name[length] == '.' && strcmp(name + length, ".input_ids") != 0;
    }
    return count;
}

/* The whole of an encoder, whatever part of it its pipeline takes. */
static void check_encoder(checkpoint *source, backend *target, backend_stream *stream, const char *component) {
    diffcut_diagnostics diag = {.message = ""};
    const work w = {.threads = 2, .diag = &diag};
    char config_name[64];
    char ids_name[64];
    json_document document;
    uint32_t ids[TOKENS];
    clip_text encoder = {.source = source, .component = component, .pooled = strcmp(component, "text_encoder") != 0};
    (void)snprintf(config_name, sizeof config_name, "%s/config.json", component);
    (void)snprintf(ids_name, sizeof ids_name, "%s.input_ids", component);
    if (checkpoint_require(source, component, &diag) != DIFFCUT_OK ||
        checkpoint_json(source, config_name, &document, &diag) != DIFFCUT_OK ||
        clip_text_config_read(document.root, &encoder.config, &diag) != DIFFCUT_OK) {
        fail_msg("%s", diag.message);
    }
    json_document_free(&document);
    golden_ids(ids_name, ids);
    comparison with = {.component = component};
    clip_text_output out;
    if (clip_text_encode(&encoder, target, stream, &w, ids, TOKENS, compare_module, &with, &out) != DIFFCUT_OK) {
        fail_msg("%s", diag.message);
    }
    mem_free(out.tokens);
    mem_free(out.pooled);
    printf("  %s %s: %zu states, worst %.2g rms\n", target->ops->name, component, with.compared, with.worst);
    if (with.first_wrong[0] != '\0') {
        fail_msg("the first state that differs is %s", with.first_wrong);
    }
    assert_int_equal(with.compared, golden_count(component));
}

/* A model with its stream. */
typedef struct opened {
    diffcut_model *model;
    backend_stream *stream;
} opened;

static opened open_model(const char *path, const char *backend_name) {
    opened o = {.model = NULL};
    diffcut_diagnostics diag = {.message = ""};
    const diffcut_model_settings settings = {.backend = backend_name};
    if (diffcut_model_open(path, &settings, &o.model, &diag) != DIFFCUT_OK ||
        o.model->backend->ops->stream_create(o.model->backend, 2, &o.stream, &diag) != DIFFCUT_OK) {
        fail_msg("%s", diag.message);
    }
    return o;
}

static void close_model(opened *o) {
    o->model->backend->ops->stream_destroy(o->stream);
    diffcut_model_release(o->model);
}

static void for_each_backend(void (*check)(const char *backend_name)) {
    size_t count;
    const backend_ops *const *backends = backend_list(&count);
    for (size_t i = 0; i < count; i++) {
        check(backends[i]->name);
    }
}

static void check_encoders(const char *backend_name) {
    opened o = open_model(folder, backend_name);
    check_encoder(o.model->source, o.model->backend, o.stream, "text_encoder");
    if (checkpoint_has_component(o.model->source, "text_encoder_2")) {
        check_encoder(o.model->source, o.model->backend, o.stream, "text_encoder_2");
    }
    close_model(&o);
}

static void test_every_hidden_state_equals_transformers_on_every_backend(void **state) {
    (void)state;
    for_each_backend(check_encoders);
}

static void check_context(const opened *o, const char *prompt, const char *context, const char *pooled) {
    diffcut_diagnostics diag = {.message = ""};
    diffcut_diagnostics note = {.message = ""};
    const work w = {.threads = 2, .diag = &diag, .note = &note};
    context_arrays arrays;
    double error;
    if (model_encode_text(o->model, o->stream, &w, prompt, &arrays) != DIFFCUT_OK) {
        fail_msg("%s", diag.message);
    }
    bool equal = golden_compare(golden, context, arrays.data, arrays.tokens, 1, arrays.channels, tolerance, &error);
    if (safetensors_find(golden, pooled) != NULL) {
        equal = golden_compare(golden, pooled, arrays.pooled, 1, 1, arrays.pooled_width, tolerance, &error) && equal;
    } else {
        assert_null(arrays.pooled);
    }
    context_arrays_free(&arrays);
    assert_string_equal(note.message, "");
    assert_true(equal);
}

static void check_empty_prompt(const char *backend_name) {
    opened o = open_model(folder, backend_name);
    check_context(&o, NULL, "context", "pooled");
    check_context(&o, "", "context", "pooled");
    close_model(&o);
}

static void test_the_empty_prompts_context_equals_the_golden_one(void **state) {
    (void)state;
    for_each_backend(check_empty_prompt);
}

static char linked[PIPELINE_PATH_SIZE]; /* the pipeline with the full vocabulary */

static void check_long_prompt(const char *backend_name) {
    opened o = open_model(linked, backend_name);
    check_context(&o, PROMPT_2, "prompt2.context", "prompt2.pooled");
    close_model(&o);
}

static void test_a_prompts_context_equals_the_golden_one(void **state) {
    (void)state;
    pipeline_link(folder, linked);
    pipeline_vocabulary(linked, "tokenizer");
    if (safetensors_find(golden, "prompt2.input_ids_2") != NULL) {
        pipeline_vocabulary(linked, "tokenizer_2");
    }
    for_each_backend(check_long_prompt);
    pipeline_remove(linked);
}

int main(int argc, char **argv) {
    if (argc != 3) {
        printf("usage: %s FOLDER TOLERANCE\n", argv[0]);
        return 1;
    }
    folder = argv[1];
    tolerance = strtod(argv[2], NULL);
    const int lacking = golden_open(folder, &golden);
    if (lacking != 0) {
        return lacking;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_hidden_state_equals_transformers_on_every_backend),
        cmocka_unit_test(test_the_empty_prompts_context_equals_the_golden_one),
        cmocka_unit_test(test_a_prompts_context_equals_the_golden_one),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    safetensors_close(golden);
    return failed;
}

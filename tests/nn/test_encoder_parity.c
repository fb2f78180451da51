/*
 * test_encoder_parity.c - image encoders equal transformers' and open_clip's at every stage that the golden files
 * hold, on every backend: hidden states, patch tokens, keys, MaskCLIP's dense map, pooled embeddings, a trunk's
 * stages; text towers at every hidden state and in their embeddings; CLIP's token ids. Arguments: the golden folder
 * and, to be read with the full vocabulary where that is, the tokenizer's. Tolerance 5e-5 of the rms, the golden
 * README's.
 */
#include "test.h"

#include "core/memory.h"
#include "golden.h"
#include "model/model.h"
#include "nn/positions.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TOLERANCE 5e-5
#define MAX_COMPARED 256

static const char *folder;
static const char *vocabulary; /* or NULL */
static safetensors *golden;

/* Golden tensors that were compared. */
static struct {
    const char *names[MAX_COMPARED];
    size_t count;
    bool equal;
    double worst;
} compared;

static const char *golden_name(const char *name) {
    const safetensors_tensor *t = safetensors_find(golden, name);
    return t != NULL ? t->name : NULL;
}

/* Compares what the golden file has; data is (h, w, c). */
static void compare(const char *name, const float *data, size_t h, size_t w, size_t c) {
    double error = 0.0;
    if (golden_name(name) == NULL) {
        return;
    }
    compared.equal = golden_compare(golden, name, data, h, w, c, TOLERANCE, &error) && compared.equal;
    compared.worst = error > compared.worst ? error : compared.worst;
    assert_true(compared.count < MAX_COMPARED);
    compared.names[compared.count++] = golden_name(name);
}

/* Every tensor of the golden file is compared, but for these beginnings or ends. */
static void check_all_compared(const char *const *others) {
    for (size_t i = 0; i < safetensors_count(golden); i++) {
        const char *name = safetensors_at(golden, i)->name;
        bool seen = false;
        for (size_t k = 0; others[k] != NULL; k++) {
            seen = seen || strstr(name, others[k]) != NULL;
        }
        for (size_t k = 0; k < compared.count; k++) {
            seen = seen || strcmp(name, compared.names[k]) == 0;
        }
        if (!seen) {
            fail_msg("%s was compared with nothing", name);
        }
    }
}

/* ------------------------------------------------------------------------------------------------- a model */

typedef struct opened {
    diffcut_model *model;
    backend_stream *stream;
    diffcut_diagnostics diag;
    work w;
} opened;

static void open_model(const char *backend_name, opened *o) {
    const diffcut_model_settings settings = {.backend = backend_name};
    *o = (opened){.model = NULL};
    o->w = (work){.threads = 2, .diag = &o->diag};
    if (diffcut_model_open(folder, &settings, &o->model, &o->diag) != DIFFCUT_OK ||
        o->model->backend->ops->stream_create(o->model->backend, 2, &o->stream, &o->diag) != DIFFCUT_OK ||
        model_prepare_encoder(o->model, &o->w, o->model->encoder->image.has_head) != DIFFCUT_OK) {
        fail_msg("%s", o->diag.message);
    }
}

static void close_model(opened *o) {
    o->model->backend->ops->stream_destroy(o->stream);
    diffcut_model_release(o->model);
}

static void for_each_backend(void (*check)(opened *o)) {
    size_t count;
    const backend_ops *const *backends = backend_list(&count);
    for (size_t i = 0; i < count; i++) {
        opened o;
        compared.count = 0;
        compared.equal = true;
        compared.worst = 0.0;
        open_model(backends[i]->name, &o);
        check(&o);
        printf("  %s: %zu tensors, worst %.2g rms\n", backends[i]->name, compared.count, compared.worst);
        close_model(&o);
        assert_true(compared.equal);
    }
}

/* ------------------------------------------------------------------------------------------------- images */

/* A golden picture in [0, 1]; NULL when there is none. The caller frees it with mem_free. */
static float *load_picture(char letter, uint32_t *h, uint32_t *w) {
    char name[32];
    (void)snprintf(name, sizeof name, "%c.image_u8", letter);
    const safetensors_tensor *t = safetensors_find(golden, name);
    if (t == NULL) {
        return NULL;
    }
    float *out = mem_array(t->elements, sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < t->elements; i++) {
        out[i] = (float)((const uint8_t *)t->data)[i] / 255.0F;
    }
    *h = (uint32_t)t->shape[0];
    *w = (uint32_t)t->shape[1];
    return out;
}

static diffcut_status compare_module(void *user, const char *module, const float *data, uint32_t h, uint32_t w,
                                     uint32_t c) {
    char name[160];
    (void)snprintf(name, sizeof name, "%c.%s", *(const char *)user, module);
    compare(name, data, h, w, c);
    return DIFFCUT_OK;
}

static void compare_at(char letter, const char *name, const float *data, size_t h, size_t w, size_t c) {
    char full[160];
    (void)snprintf(full, sizeof full, "%c.%s", letter, name);
    compare(full, data, h, w, c);
}

static encoder_map run(opened *o, char letter, const float *pixels, uint32_t h, uint32_t w, encoder_output wanted,
                       bool taps) {
    encoder_map map;
    if (image_encoder_run(&o->model->encoder->image, o->stream, &o->w, pixels, h, w, true, wanted,
                          taps ? compare_module : NULL, &letter, &map) != DIFFCUT_OK) {
        fail_msg("%s", o->diag.message);
    }
    return map;
}

/* A trunk's head makes of a map what `head.norm` and the projection are called in its golden file. */
static void compare_heads(opened *o, char letter, const encoder_map *map, bool pooled) {
    const image_head *head = &o->model->encoder->image.head;
    size_t count = (size_t)map->h * map->w;
    float *out = mem_array(count, head->embedding * sizeof *out);
    assert_non_null(out);
    if (image_head_run(head, o->stream, &o->w, map->data, (uint32_t)count, NULL, NULL, out) != DIFFCUT_OK) {
        fail_msg("%s", o->diag.message);
    }
    if (pooled) {
        compare_at(letter, "image_embeds", out, 1, 1, head->embedding);
        compare_at(letter, "image_embedding", out, 1, 1, head->embedding);
        compare_at(letter, "visual.head.mlp", out, 1, 1, head->embedding);
    } else {
        compare_at(letter, "dense_embedding", out, map->h, map->w, head->embedding);
    }
    mem_free(out);
}

/* The trunk's own norm, on the map and on its mean. */
static diffcut_status compare_norm(void *user, const char *module, const float *data, uint32_t h, uint32_t w,
                                   uint32_t c) {
    const encoder_map *map = user;
    (void)w;
    if (strcmp(module, "head.norm") != 0) {
        return DIFFCUT_OK;
    }
    char letter = (char)map->c; /* see its caller */
    if (h > 1) {
        compare_at(letter, "dense_normed", data, map->h, map->w, c);
    } else {
        compare_at(letter, "visual.trunk.head", data, 1, 1, c);
        compare_at(letter, "visual.trunk.head.norm", data, 1, 1, c);
    }
    return DIFFCUT_OK;
}

static void compare_trunk_norm(opened *o, char letter, const encoder_map *map) {
    const image_head *head = &o->model->encoder->image.head;
    size_t count = (size_t)map->h * map->w;
    float *out = mem_array(count, head->embedding * sizeof *out);
    encoder_map told = {.h = map->h, .w = map->w, .c = (uint32_t)letter};
    assert_non_null(out);
    if (image_head_run(head, o->stream, &o->w, map->data, (uint32_t)count, compare_norm, &told, out) != DIFFCUT_OK) {
        fail_msg("%s", o->diag.message);
    }
    mem_free(out);
}

static void check_picture(opened *o, char letter) {
    uint32_t h;
    uint32_t w;
    const image_encoder *image = &o->model->encoder->image;
    float *pixels = load_picture(letter, &h, &w);
    if (pixels == NULL) {
        return;
    }
    encoder_map tokens = run(o, letter, pixels, h, w, ENCODER_TOKENS, true);
    compare_at(letter, "patch_tokens", tokens.data, (size_t)tokens.h * tokens.w, 1, tokens.c);
    compare_at(letter, "dense_trunk", tokens.data, tokens.h, tokens.w, tokens.c);
    if (image->vit != NULL) {
        encoder_map keys = run(o, letter, pixels, h, w, ENCODER_KEYS, false);
        compare_at(letter, "keys", keys.data, (size_t)keys.h * keys.w, 1, keys.c);
        mem_free(keys.data);
    }
    if (image->has_head) {
        encoder_map dense = run(o, letter, pixels, h, w, ENCODER_DENSE, false);
        encoder_map pooled = run(o, letter, pixels, h, w, ENCODER_POOLED, false);
        compare_at(letter, "visual.trunk.head.global_pool", pooled.data, 1, 1, pooled.c);
        compare_heads(o, letter, &dense, false);
        compare_heads(o, letter, &pooled, true);
        compare_trunk_norm(o, letter, &dense);
        compare_trunk_norm(o, letter, &pooled);
        mem_free(dense.data);
        mem_free(pooled.data);
    }
    mem_free(tokens.data);
    mem_free(pixels);
}

static void check_images(opened *o) {
    /* Those that are inputs, that transformers computes beside what is used here, or that other tests compare. */
    static const char *const others[] = {"image_u8",        "pixel_values",       "text.",
                                         "logit_scale_exp", "position_embedding", "patch_tokens_post_layernorm",
                                         "pooler_output",   "embedding_unit",     NULL};
    for (char letter = 'a'; letter <= 'c'; letter++) {
        check_picture(o, letter);
    }
    check_all_compared(others);
}

static void test_every_stage_of_an_image_equals_the_golden_one_on_every_backend(void **state) {
    (void)state;
    for_each_backend(check_images);
}

/* ------------------------------------------------------------------------------------------------- positions */

/* The golden file's own grids, with the class token's position before them. */
static void test_interpolated_positions_equal_the_golden_ones(void **state) {
    (void)state;
    diffcut_diagnostics diag = {.message = ""};
    uint32_t count;
    uint32_t one;
    uint32_t c;
    double error;
    float *trained = golden_load(golden, "a.position_embedding", &count, &one, &c);
    uint32_t side = (uint32_t)lround(sqrt(count - 1.0));
    static const struct {
        const char *name;
        uint32_t h, w;
    } grids[] = {{"b.position_embedding", 8, 6}, {"c.position_embedding", 3, 7}};
    for (size_t i = 0; i < 2; i++) {
        float *out = mem_array(((size_t)grids[i].h * grids[i].w + 1) * c, sizeof *out);
        assert_non_null(out);
        memcpy(out, trained, c * sizeof *out);
        assert_int_equal(positions_resize(trained + c, side, c, grids[i].h, grids[i].w, false, out + c, &diag),
                         DIFFCUT_OK);
        assert_true(
            golden_compare(golden, grids[i].name, out, (size_t)grids[i].h * grids[i].w + 1, 1, c, TOLERANCE, &error));
        mem_free(out);
    }
    mem_free(trained);
}

/* ------------------------------------------------------------------------------------------------- texts */

/* The golden ids (texts, length). */
static const uint32_t *golden_ids(size_t *texts, size_t *length) {
    const safetensors_tensor *t = safetensors_find(golden, "text.ids");
    assert_non_null(t);
    *texts = t->shape[0];
    *length = t->shape[1];
    return t->data;
}

/* One text's states, in the golden file's first texts. */
typedef struct one_text {
    size_t index;
} one_text;

static diffcut_status compare_state(void *user, const char *module, const float *data, uint32_t h, uint32_t w,
                                    uint32_t c) {
    const one_text *text = user;
    char name[64];
    size_t layer;
    if (sscanf(module, "hidden_states.%zu", &layer) == 1 && layer > 0) {
        (void)snprintf(name, sizeof name, "text.transformer.resblocks.%zu", layer - 1);
    } else if (strcmp(module, "last_hidden_state") == 0) {
        (void)snprintf(name, sizeof name, "text.ln_final");
    } else {
        return DIFFCUT_OK;
    }
    const safetensors_tensor *t = safetensors_find(golden, name);
    if (t == NULL || text->index >= t->shape[0]) {
        return DIFFCUT_OK;
    }
    const float *want = (const float *)t->data + text->index * h * c;
    double squares = 0.0;
    double worst = 0.0;
    for (size_t i = 0; i < (size_t)h * w * c; i++) {
        squares += (double)want[i] * (double)want[i];
        worst = fmax(worst, fabs((double)data[i] - (double)want[i]));
    }
    double error = worst / sqrt(squares / ((double)h * c));
    compared.worst = fmax(compared.worst, error);
    if (!(error <= TOLERANCE)) {
        printf("%s of text %zu: error %.3g rms\n", name, text->index, error);
        compared.equal = false;
    }
    compared.count++;
    return DIFFCUT_OK;
}

static void check_states(opened *o) {
    const clip_text *network = &o->model->encoder->text.network;
    size_t texts;
    size_t length;
    const uint32_t *ids = golden_ids(&texts, &length);
    for (size_t i = 0; i < texts; i++) {
        one_text text = {i};
        clip_text_output out;
        if (clip_text_encode(network, o->model->backend, o->stream, &o->w, ids + i * length, length, compare_state,
                             &text, &out) != DIFFCUT_OK) {
            fail_msg("%s", o->diag.message);
        }
        mem_free(out.tokens);
        mem_free(out.pooled);
    }
}

static void test_every_state_of_the_text_tower_equals_the_golden_one(void **state) {
    (void)state;
    for_each_backend(check_states);
}

static size_t text_end(const uint32_t *ids, size_t length) {
    size_t end = 0;
    for (size_t i = 1; i < length; i++) {
        end = ids[i] > ids[end] ? i : end;
    }
    return end + 1;
}

/* All texts at once, each cut at its end; then the list several times over, as many texts of a class list are. */
static void check_embeddings(opened *o) {
    const clip_text *network = &o->model->encoder->text.network;
    size_t width = network->config.projected;
    size_t texts;
    size_t length;
    const uint32_t *ids = golden_ids(&texts, &length);
    size_t all = 3 * texts;
    clip_text_ids *lists = mem_array(all, sizeof *lists);
    float *out = mem_array(all * width, sizeof *out);
    assert_non_null(lists);
    assert_non_null(out);
    for (size_t i = 0; i < all; i++) {
        const uint32_t *row = ids + i % texts * length;
        lists[i] = (clip_text_ids){row, text_end(row, length)};
    }
    if (clip_text_embed(network, o->model->backend, o->stream, &o->w, lists, all, out) != DIFFCUT_OK) {
        fail_msg("%s", o->diag.message);
    }
    compare("text.embedding", out, texts, 1, width);
    assert_int_equal(compared.count, 1);
    for (size_t i = texts; i < all; i++) {
        assert_memory_equal(out + i * width, out + i % texts * width, width * sizeof *out);
    }
    mem_free(lists);
    mem_free(out);
}

static void test_embeddings_of_many_texts_equal_the_golden_ones_and_do_not_depend_on_each_other(void **state) {
    (void)state;
    for_each_backend(check_embeddings);
}

static void test_logit_scale_equals_the_golden_one(void **state) {
    (void)state;
    const safetensors_tensor *t = safetensors_find(golden, "logit_scale_exp");
    opened o;
    assert_non_null(t);
    open_model("ref", &o);
    assert_true(fabsf(o.model->encoder->logit_scale - *(const float *)t->data) < 1e-4F);
    close_model(&o);
}

/* The texts that the golden ids were made of (gen/convnext.py). */
static const char *const texts_of_golden[] = {"",
                                              "cat",
                                              "a photo of a cat",
                                              "a bad photo of the dining table.",
                                              "This is a photo of a small traffic light.",
                                              "caf\xc3\xa9 &amp; bar!",
                                              "itap of my bicycle.",
                                              NULL, /* a long one */
                                              "\xe6\x97\xa5\xe6\x9c\xac temple"};
#define LONG_TEXT 7

static void test_unit_embeddings_of_texts_equal_open_clips(void **state) {
    (void)state;
    char long_text[600] = "a photo of a ";
    const char *texts[sizeof texts_of_golden / sizeof *texts_of_golden];
    const size_t count = sizeof texts / sizeof *texts;
    const diffcut_model_settings settings = {.tokenizer = vocabulary};
    diffcut_diagnostics diag = {.message = ""};
    diffcut_model *model;
    diffcut_session *session;
    double error;
    memcpy(texts, texts_of_golden, sizeof texts);
    for (size_t i = 0; i < 90; i++) {
        (void)strcat(long_text, "very ");
    }
    texts[LONG_TEXT] = strcat(long_text, "long street");
    if (diffcut_model_open(folder, &settings, &model, &diag) != DIFFCUT_OK) {
        fail_msg("%s", diag.message);
    }
    diffcut_encoder_info info;
    assert_true(diffcut_model_get_encoder_info(model, &info));
    assert_true(info.has_text && info.has_tokenizer);
    assert_int_equal(info.text_length, 77);
    assert_int_equal(diffcut_session_open(model, NULL, &session, &diag), DIFFCUT_OK);
    float *out = mem_array(count * info.embedding, sizeof *out);
    bool truncated[sizeof texts / sizeof *texts] = {false};
    assert_non_null(out);
    if (diffcut_text_embed(session, texts, count, out, truncated) != DIFFCUT_OK) {
        fail_msg("%s", diffcut_session_message(session));
    }
    assert_true(golden_compare(golden, "text.embedding_unit", out, count, 1, info.embedding, TOLERANCE, &error));
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(truncated[i], i == LONG_TEXT);
    }
    assert_non_null(strstr(diffcut_session_note(session), "1 of 9 texts were cut to 77 tokens"));
    mem_free(out);
    diffcut_session_close(session);
    diffcut_model_release(model);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        printf("usage: %s FOLDER [VOCABULARY]\n", argv[0]);
        return 1;
    }
    folder = argv[1];
    vocabulary = argc > 2 ? argv[2] : NULL;
    const int lacking = golden_open(folder, &golden);
    if (lacking != 0) {
        return lacking;
    }
    /* Only what this golden file holds is tested. */
    const struct CMUnitTest images[] = {
        cmocka_unit_test(test_every_stage_of_an_image_equals_the_golden_one_on_every_backend)};
    const struct CMUnitTest positions[] = {cmocka_unit_test(test_interpolated_positions_equal_the_golden_ones)};
    const struct CMUnitTest states[] = {cmocka_unit_test(test_every_state_of_the_text_tower_equals_the_golden_one)};
    const struct CMUnitTest embeddings[] = {
        cmocka_unit_test(test_embeddings_of_many_texts_equal_the_golden_ones_and_do_not_depend_on_each_other),
        cmocka_unit_test(test_logit_scale_equals_the_golden_one)};
    const struct CMUnitTest words[] = {cmocka_unit_test(test_unit_embeddings_of_texts_equal_open_clips)};
    int failed = cmocka_run_group_tests(images, NULL, NULL);
    if (golden_name("a.position_embedding") != NULL) {
        failed += cmocka_run_group_tests(positions, NULL, NULL);
    }
    if (golden_name("text.ln_final") != NULL) {
        failed += cmocka_run_group_tests(states, NULL, NULL);
    }
    if (golden_name("text.ids") != NULL) {
        failed += cmocka_run_group_tests(embeddings, NULL, NULL);
    }
    if (vocabulary != NULL) {
        failed += cmocka_run_group_tests(words, NULL, NULL);
    }
    safetensors_close(golden);
    return failed;
}

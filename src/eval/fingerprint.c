/*
 * fingerprint.c - diffcut_model_fingerprint: one number for everything a model computes with.
 *
 * Weights of up to 64 MiB are hashed whole; of larger ones each tensor's head and blocks spread evenly over it: a
 * fine-tuned or quantised checkpoint differs all over, and hashing gigabytes would take longer than the features of
 * several photos. Called by whoever keeps features beyond a run.
 */
#include "core/memory.h"
#include "hub/hash.h"
#include "io/bytes.h"
#include "io/entry.h"
#include "model/model.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define WHOLE_BYTES ((uint64_t)64 << 20) /* of all of a model's weights */
#define BLOCK_BYTES ((size_t)4096)
#define BLOCKS                                                                                                       \
    4 /* of a tensor that is not hashed whole: 10 MB of a model with 600 tensors, a thirtieth of a second */

/* What is hashed of a model: components, then files. */
static const char *const components[] = {"unet", "vae", "text_encoder", "text_encoder_2", NULL};
static const char *const configurations[] = {"unet/config.json",
                                             "vae/config.json",
                                             "scheduler/scheduler_config.json",
                                             "text_encoder/config.json",
                                             "text_encoder_2/config.json",
                                             "diffcut.json",
                                             NULL};

static const char *const encoder_components[] = {"encoder", NULL};
static const char *const encoder_configurations[] = {
    "config.json",           "open_clip_config.json",   "preprocessor_config.json",
    "tokenizer_config.json", "special_tokens_map.json", NULL};

/* A text with its NUL, so that "ab","c" is not "a","bc". */
static void add_text(hash *h, const char *text) {
    hash_add(h, text, strlen(text) + 1);
}

static void add_number(hash *h, uint64_t number) {
    uint8_t digits[8];
    for (size_t i = 0; i < sizeof digits; i++) {
        digits[i] = (uint8_t)(number >> 8 * i);
    }
    hash_add(h, digits, sizeof digits);
}

static void add_values(hash *h, const safetensors_tensor *weight, bool whole) {
    const uint8_t *data = weight->data;
    if (whole || weight->bytes <= BLOCKS * BLOCK_BYTES) {
        hash_add(h, data, weight->bytes);
        return;
    }
    const size_t step = (weight->bytes - BLOCK_BYTES) / (BLOCKS - 1);
    for (size_t i = 0; i < BLOCKS; i++) {
        hash_add(h, data + i * step, BLOCK_BYTES);
    }
}

static void add_component(hash *h, const checkpoint *source, const char *component, bool whole) {
    const size_t count = checkpoint_count(source, component);
    add_text(h, component);
    add_number(h, count);
    for (size_t i = 0; i < count; i++) {
        const safetensors_tensor *weight = checkpoint_at(source, component, i);
        add_text(h, weight->name);
        add_text(h, weight->type_name);
        add_number(h, weight->rank);
        for (size_t axis = 0; axis < weight->rank; axis++) {
            add_number(h, weight->shape[axis]);
        }
        if (weight->data != NULL) {
            add_values(h, weight, whole);
            checkpoint_release(source, weight);
        }
    }
}

static diffcut_status add_configuration(hash *h, const checkpoint *source, const char *name,
                                        diffcut_diagnostics *diag) {
    add_text(h, name);
    if (!checkpoint_has(source, name)) {
        return DIFFCUT_OK;
    }
    json_document document;
    diffcut_status status = checkpoint_json(source, name, &document, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    bytes text = {0};
    json_write(document.root, &text);
    json_document_free(&document);
    if (!bytes_ok(&text)) {
        mem_free(text.data);
        return diag_no_memory(diag, text.wanted, name);
    }
    hash_add(h, text.data, text.size);
    mem_free(text.data);
    return DIFFCUT_OK;
}

static diffcut_status add_checkpoint(hash *h, const checkpoint *source, diffcut_diagnostics *diag) {
    bool encoder = checkpoint_get_kind(source) != CHECKPOINT_DIFFUSION;
    const char *const *parts = encoder ? encoder_components : components;
    const char *const *files = encoder ? encoder_configurations : configurations;
    uint64_t total = 0;
    for (size_t i = 0; parts[i] != NULL; i++) {
        for (size_t t = 0; t < checkpoint_count(source, parts[i]); t++) {
            total += checkpoint_at(source, parts[i], t)->bytes;
        }
    }
    diffcut_status status = DIFFCUT_OK;
    for (size_t i = 0; files[i] != NULL && status == DIFFCUT_OK; i++) {
        status = add_configuration(h, source, files[i], diag);
    }
    for (size_t i = 0; parts[i] != NULL && status == DIFFCUT_OK; i++) {
        add_component(h, source, parts[i], total <= WHOLE_BYTES);
    }
    return status;
}

/* The words' files of a text tower, wherever they lie. */
static diffcut_status add_words(hash *h, const text_tower *text, diffcut_diagnostics *diag) {
    static const char *const files[] = {"vocab.json", "merges.txt"};
    diffcut_status status = DIFFCUT_OK;
    for (size_t i = 0; i < sizeof files / sizeof *files && text->has_files && status == DIFFCUT_OK; i++) {
        char path[PATH_MAX];
        diffcut_buffer data = {.data = NULL};
        (void)snprintf(path, sizeof path, "%.*s/%s", PATH_MAX - 32, text_tower_folder(text), files[i]);
        status = diffcut_read_file(path, 0, &data, diag);
        if (status == DIFFCUT_OK) {
            add_number(h, data.size);
            hash_add(h, data.data, data.size);
        }
        diffcut_buffer_free(&data);
    }
    return status;
}

diffcut_status diffcut_model_fingerprint(const diffcut_model *model, char fingerprint[DIFFCUT_FINGERPRINT_SIZE],
                                         diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (model == NULL || fingerprint == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_model_fingerprint: model or fingerprint is NULL");
    }
    diffcut_model_info info;
    diffcut_model_get_info(model, &info);
    hash h;
    hash_start(&h, HASH_SHA256);
    add_text(&h, "diffcut model 1");
    add_text(&h, info.backend);
    add_text(&h, info.precision);
    add_text(&h, info.first_stage);
    diffcut_status status = add_checkpoint(&h, model->source, diag);
    if (status == DIFFCUT_OK && model->encoder != NULL) {
        status = add_words(&h, &model->encoder->text, diag);
    }
    if (status == DIFFCUT_OK && model->other != NULL) {
        status = add_checkpoint(&h, model->other, diag);
    }
    if (status == DIFFCUT_OK) {
        char text[HASH_TEXT_SIZE];
        hash_finish(&h, text);
        _Static_assert(HASH_TEXT_SIZE == DIFFCUT_FINGERPRINT_SIZE, "SHA-256");
        memcpy(fingerprint, text, sizeof text);
    }
    return status;
}

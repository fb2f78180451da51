/*
 * fuzz_config.c - any bytes as each of a model's JSON files: refused with a message, or a plan whose default hook can
 * be found by its name.
 */
#include "model/settings.h"
#include "nn/open_clip_config.h"
#include "nn/scheduler.h"
#include "nn/unet_plan.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A failure has a message. */
static int failed(diffcut_status status, const diffcut_diagnostics *diag) {
    if (status != DIFFCUT_OK && diag->message[0] == '\0') {
        abort();
    }
    return status != DIFFCUT_OK;
}

static void try_plan(const unet_config *config) {
    diffcut_diagnostics diag = {.message = ""};
    unet_plan plan;
    unet_hook hook;
    unet_hook again;
    if (failed(unet_plan_create(config, &plan, &diag), &diag)) {
        return;
    }
    if (!failed(unet_plan_default_hook(&plan, &hook, &diag), &diag) &&
        (unet_plan_hook(&plan, hook.name, &again, &diag) != DIFFCUT_OK || again.step != hook.step)) {
        abort();
    }
    for (size_t i = 0; i < plan.count; i++) {
        weight_need needs[UNET_SLOTS];
        unet_step_needs(&plan, &plan.steps[i], needs);
    }
    unet_plan_free(&plan);
}

/* What is accepted can be computed with: sizes go together. */
static void try_encoders(json_view root) {
    diffcut_diagnostics diag = {.message = ""};
    vit_config image;
    clip_text_config text;
    open_clip_config both;
    if (!failed(vit_config_read(root, &image, &diag), &diag) &&
        (image.width % image.heads != 0 || vit_config_grid(&image) == 0 || image.wide == 0)) {
        abort();
    }
    if (!failed(clip_text_config_read(root, &text, &diag), &diag) && text.width % text.heads != 0) {
        abort();
    }
    if (!failed(open_clip_config_read(root, &both, &diag), &diag) &&
        (both.text.width % both.text.heads != 0 || both.text.wide == 0 || both.image_size == 0 ||
         (!both.timm && (both.vit.heads == 0 || both.vit.wide == 0)))) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    diffcut_diagnostics diag = {.message = ""};
    json_document document;
    if (failed(json_parse(data, size, "input", &document, &diag), &diag)) {
        return 0;
    }
    unet_config config;
    if (!failed(unet_config_read(document.root, &config, &diag), &diag)) {
        try_plan(&config);
    }
    try_encoders(document.root);
    scheduler noise;
    (void)failed(scheduler_read(document.root, &noise, &diag), &diag);

    const unet_config pixel = {.in_channels = 12, .block_count = 1, .blocks = {{.channels = 32, .layers = 1}}};
    model_settings base;
    model_settings settings;
    bool known;
    model_settings_init(&pixel, &base, &known);
    (void)failed(model_settings_read(document.root, &pixel, &base, &settings, &diag), &diag);
    json_document_free(&document);
    return 0;
}

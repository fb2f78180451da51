/* hooks.c - the outputs of a model's network that can be taken as features: diffcut_model_hook, and hooks.h. */
#include "model/hooks.h"

#include "model/model.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    encoder_output output;
} encoder_hooks[] = {{HOOKS_KEYS, ENCODER_KEYS}, {HOOKS_TOKENS, ENCODER_TOKENS}}; /* in the order of computation */

#define ENCODER_HOOKS (sizeof encoder_hooks / sizeof *encoder_hooks)

/* A convolutional trunk has no keys. */
static size_t first_hook(const model_encoder *encoder) {
    return encoder->image.vit != NULL ? 0 : 1;
}

diffcut_status hooks_find(const model_encoder *encoder, const char *name, encoder_output *out,
                          diffcut_diagnostics *diag) {
    for (size_t i = first_hook(encoder); i < ENCODER_HOOKS; i++) {
        if (strcmp(name != NULL ? name : HOOKS_TOKENS, encoder_hooks[i].name) == 0) {
            *out = encoder_hooks[i].output;
            return DIFFCUT_OK;
        }
    }
    return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "hook \"%.80s\": an image encoder has %s", name,
                     first_hook(encoder) == 0 ? "\"" HOOKS_TOKENS "\" and \"" HOOKS_KEYS "\", one at a time"
                                              : "\"" HOOKS_TOKENS "\" only");
}

static bool encoder_hook(const model_encoder *encoder, size_t index, diffcut_hook_info *info) {
    size_t place = first_hook(encoder) + index;
    if (index >= ENCODER_HOOKS || place >= ENCODER_HOOKS) {
        return false;
    }
    *info = (diffcut_hook_info){.channels = encoder->image.channels, .stride = encoder->image.stride};
    (void)snprintf(info->name, sizeof info->name, "%s", encoder_hooks[place].name);
    return true;
}

bool diffcut_model_hook(const diffcut_model *model, size_t index, diffcut_hook_info *info) {
    unet_hook hook;
    if (model->encoder != NULL) {
        return encoder_hook(model->encoder, index, info);
    }
    if (!unet_plan_hook_at(unet_get_plan(model->network), index, &hook)) {
        return false;
    }
    *info = (diffcut_hook_info){.channels = hook.channels, .stride = model->settings.factor << hook.level};
    (void)snprintf(info->name, sizeof info->name, "%s", hook.name);
    return true;
}

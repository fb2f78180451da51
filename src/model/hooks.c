/* hooks.c - the modules of a model's network whose outputs can be taken as features: diffcut_model_hook. */
#include "model/model.h"

#include <stdio.h>

bool diffcut_model_hook(const diffcut_model *model, size_t index, diffcut_hook_info *info) {
    unet_hook hook;
    if (!unet_plan_hook_at(unet_get_plan(model->network), index, &hook)) {
        return false;
    }
    *info = (diffcut_hook_info){.channels = hook.channels, .stride = model->settings.factor << hook.level};
    (void)snprintf(info->name, sizeof info->name, "%s", hook.name);
    return true;
}

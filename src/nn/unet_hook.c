/* unet_hook.c - finds a hook by its module's name, and says which names come near a wrong one. See unet_plan.h. */
#include "nn/unet_plan.h"

#include <stdio.h>
#include <string.h>

#define NEAREST 3

static void fill_hook(const unet_plan *plan, size_t index, const unet_output *output, unet_hook *out) {
    const unet_step *step = &plan->steps[index];
    bool before_conv = strcmp(output->suffix, ".norm1") == 0 && step->kind == UNET_RESNET;
    *out = (unet_hook){.step = index, .suffix = output->suffix, .level = step->level};
    out->channels = before_conv ? step->in : step->out;
    out->level += step->kind == UNET_DOWNSAMPLE ? 1 : 0; /* its output is on the halved grid */
    (void)snprintf(out->name, sizeof out->name, "%.80s%s", step->name, output->suffix);
}

/* Levenshtein distance of two names shorter than UNET_NAME_SIZE. */
static size_t distance(const char *a, const char *b) {
    size_t row[UNET_NAME_SIZE + 1];
    size_t width = strlen(b);
    for (size_t j = 0; j <= width; j++) {
        row[j] = j;
    }
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < width; j++) {
            size_t best = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j + 1] = row[j + 1] + 1 < best ? row[j + 1] + 1 : best;
        }
    }
    return row[width];
}

/* Keeps the nearest names so far, the best first. */
typedef struct near_names {
    unet_hook hooks[NEAREST];
    size_t distances[NEAREST];
    size_t count;
} near_names;

static void consider(near_names *near, const unet_hook *hook, size_t far) {
    size_t place = near->count;
    while (place > 0 && near->distances[place - 1] > far) {
        place--;
    }
    if (place == NEAREST) {
        return;
    }
    size_t kept = near->count < NEAREST ? near->count : NEAREST - 1;
    for (size_t i = kept; i > place; i--) {
        near->hooks[i] = near->hooks[i - 1];
        near->distances[i] = near->distances[i - 1];
    }
    near->hooks[place] = *hook;
    near->distances[place] = far;
    near->count = kept + 1;
}

static diffcut_status no_such_hook(const char *name, const near_names *near, diffcut_diagnostics *diag) {
    char list[NEAREST * (UNET_NAME_SIZE + 2)] = "";
    size_t used = 0;
    for (size_t i = 0; i < near->count; i++) {
        int wrote = snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "", near->hooks[i].name);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
    return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "the UNet has no hook \"%.100s\"; the nearest are: %s", name,
                     list);
}

diffcut_status unet_plan_hook(const unet_plan *plan, const char *name, unet_hook *out, diffcut_diagnostics *diag) {
    near_names near = {.count = 0};
    bool short_enough = strlen(name) < UNET_NAME_SIZE;
    char cut[UNET_NAME_SIZE];
    (void)snprintf(cut, sizeof cut, "%s", name);
    for (size_t i = 0; i < plan->count; i++) {
        size_t count;
        const unet_output *outputs = unet_step_outputs(plan, &plan->steps[i], &count);
        for (size_t j = 0; j < count; j++) {
            unet_hook hook;
            if (!outputs[j].grid) {
                continue;
            }
            fill_hook(plan, i, &outputs[j], &hook);
            if (short_enough && strcmp(hook.name, name) == 0) {
                *out = hook;
                return DIFFCUT_OK;
            }
            consider(&near, &hook, distance(cut, hook.name));
        }
    }
    return no_such_hook(name, &near, diag);
}

diffcut_status unet_plan_default_hook(const unet_plan *plan, unet_hook *out, diffcut_diagnostics *diag) {
    uint32_t last = plan->config.block_count - 1;
    if (!plan->config.blocks[last].attention && last > 0) {
        last--;
    }
    if (!plan->config.blocks[last].attention) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                         "unet/config.json: neither of the last two down blocks has attention; name a hook");
    }
    for (size_t i = plan->count; i-- > 0;) {
        if (plan->steps[i].kind == UNET_SELF_ATTENTION && plan->steps[i].level == last) {
            size_t count;
            fill_hook(plan, i, unet_step_outputs(plan, &plan->steps[i], &count), out);
            return DIFFCUT_OK;
        }
    }
    return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "unet/config.json: no self-attention to take features from");
}

/*
 * unet_hook.c - finds hooks by their modules' names, in full or short, and says which names come near a wrong one, or
 * why a module is no hook. See unet_plan.h.
 */
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

/* ------------------------------------------------------------------------------------------------- names */

/* A component of a dotted name, as diffusers calls it. */
static const char *full_component(const char *component) {
    static const struct {
        const char *in_short, *full;
    } names[] = {{"down", "down_blocks"}, {"blocks", "transformer_blocks"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(component, names[i].in_short) == 0) {
            return names[i].full;
        }
    }
    return component;
}

/* The name with its short components in full; false when it is too long to be any module's. */
static bool full_name(const char *name, char out[UNET_NAME_SIZE]) {
    size_t used = 0;
    out[0] = '\0';
    for (const char *at = name;;) {
        char component[UNET_NAME_SIZE];
        size_t length = strcspn(at, ".");
        int wrote = snprintf(component, sizeof component, "%.*s", (int)(length < 64 ? length : 64), at);
        if (length >= 64 || wrote < 0) {
            return false;
        }
        wrote = snprintf(out + used, UNET_NAME_SIZE - used, "%s%s", at == name ? "" : ".", full_component(component));
        if (wrote < 0 || (size_t)wrote >= UNET_NAME_SIZE - used) {
            return false;
        }
        used += (size_t)wrote;
        if (at[length] == '\0') {
            return true;
        }
        at += length + 1;
    }
}

/* "down_blocks.1": the last output of that block. */
static bool find_block(const unet_plan *plan, const char *name, unet_hook *out) {
    for (uint32_t level = 0; level < plan->config.block_count; level++) {
        char block[32];
        (void)snprintf(block, sizeof block, "down_blocks.%u", level);
        if (strcmp(name, block) != 0) {
            continue;
        }
        for (size_t i = plan->count; i-- > 0;) {
            if (plan->steps[i].level == level) {
                fill_hook(plan, i, &(unet_output){"", true}, out);
                return true;
            }
        }
    }
    return false;
}

static bool ends_with(const char *name, const char *ending) {
    size_t length = strlen(name);
    size_t tail = strlen(ending);
    return length >= tail && strcmp(name + length - tail, ending) == 0;
}

/* Why a module of the network is no hook, or NULL. */
static const char *refusal(const char *name) {
    static const char *const decoder[] = {"up", "up_blocks", "mid", "mid_block", "conv_norm_out", "conv_out"};
    size_t length = strcspn(name, ".");
    for (size_t i = 0; i < sizeof decoder / sizeof *decoder; i++) {
        if (strlen(decoder[i]) == length && strncmp(name, decoder[i], length) == 0) {
            return "only the encoder is run: conv_in and down_blocks";
        }
    }
    if (ends_with(name, ".attn2.to_k") || ends_with(name, ".attn2.to_v")) {
        return "it holds the text's tokens, which have no place in the picture; its queries, to_q, do";
    }
    return NULL;
}

bool unet_plan_hook_at(const unet_plan *plan, size_t index, unet_hook *out) {
    for (size_t i = 0; i < plan->count; i++) {
        size_t count;
        const unet_output *outputs = unet_step_outputs(plan, &plan->steps[i], &count);
        for (size_t j = 0; j < count; j++) {
            if (outputs[j].grid && index-- == 0) {
                fill_hook(plan, i, &outputs[j], out);
                return true;
            }
        }
    }
    return false;
}

diffcut_status unet_plan_hook(const unet_plan *plan, const char *name, unet_hook *out, diffcut_diagnostics *diag) {
    near_names near = {.count = 0};
    char full[UNET_NAME_SIZE];
    bool short_enough = full_name(name, full);
    if (short_enough && find_block(plan, full, out)) {
        return DIFFCUT_OK;
    }
    if (!short_enough) {
        (void)snprintf(full, sizeof full, "%s", name);
    }
    for (size_t i = 0; i < plan->count; i++) {
        size_t count;
        const unet_output *outputs = unet_step_outputs(plan, &plan->steps[i], &count);
        for (size_t j = 0; j < count; j++) {
            unet_hook hook;
            if (!outputs[j].grid) {
                continue;
            }
            fill_hook(plan, i, &outputs[j], &hook);
            if (short_enough && strcmp(hook.name, full) == 0) {
                *out = hook;
                return DIFFCUT_OK;
            }
            consider(&near, &hook, distance(full, hook.name));
        }
    }
    const char *reason = refusal(full);
    if (reason != NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "\"%.100s\" cannot be a hook: %s", name, reason);
    }
    return no_such_hook(name, &near, diag);
}

diffcut_status unet_plan_hooks(const unet_plan *plan, const char *names, unet_hook *out, size_t *count,
                               diffcut_diagnostics *diag) {
    size_t found = 0;
    unet_hook hooks[UNET_MAX_HOOKS];
    for (const char *at = names;; at++) {
        char name[2 * UNET_NAME_SIZE]; /* a longer one is cut, and is none all the same */
        size_t length = strcspn(at, ",");
        (void)snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : sizeof name), at);
        if (found == UNET_MAX_HOOKS) {
            return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "more than %d hooks", UNET_MAX_HOOKS);
        }
        diffcut_status status = unet_plan_hook(plan, name, &hooks[found], diag);
        if (status != DIFFCUT_OK) {
            return status;
        }
        for (size_t i = 0; i < found; i++) {
            if (strcmp(hooks[i].name, hooks[found].name) == 0) {
                return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "hook %s is given twice", hooks[i].name);
            }
        }
        found++;
        at += length;
        if (*at == '\0') {
            break;
        }
    }
    memcpy(out, hooks, found * sizeof *out);
    *count = found;
    return DIFFCUT_OK;
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

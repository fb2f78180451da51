/*
 * unet_encode.c - runs a UNet's encoder up to its last hook. See unet.h.
 *
 * Three grids and one wide buffer serve the whole run, each as large as the largest step asks for, for all images:
 *   x  the activation between steps (h, w, c); inside a transformer its residual
 *   y  a resnet's output, which then changes places with x; inside a transformer the normalised tokens
 *   t  a resnet's middle; inside a transformer the hidden tokens (h*w, c)
 *   f  wide: q, k, v side by side (3 c), or the feed-forward's gated products (4 c)
 * A module's output that the fused operations never form (before a residual, before an activation) is computed once
 * more into `extra`, for taps and hooks only. The steps' own operations: unet_time.c, unet_resnet.c,
 * unet_transformer.c.
 */
#include "nn/unet_run.h"

#include "core/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------- views */

tensor unet_grid(const unet_run *r, backend_buffer *buffer, uint32_t c) {
    return (tensor){.buffer = buffer, .n = r->input->n, .h = r->h, .w = r->w, .c = c, .stride = c};
}

tensor unet_tokens(const unet_run *r, backend_buffer *buffer, uint32_t first, uint32_t c, uint32_t stride) {
    return (tensor){
        .buffer = buffer, .offset = first, .n = r->input->n, .h = r->h * r->w, .w = 1, .c = c, .stride = stride};
}

tensor unet_vector(const unet_run *r, size_t offset, uint32_t c) {
    uint32_t n = r->input->n;
    return (tensor){.buffer = r->vectors, .offset = n * offset, .n = n, .h = 1, .w = 1, .c = c, .stride = c};
}

/* ------------------------------------------------------------------------------------------------- outputs */

/* The hook that is this output of this step, or NULL. */
static const unet_hook *find_hook(const unet_run *r, const char *suffix) {
    for (size_t i = 0; i < r->hook_count; i++) {
        if (r->index == r->hooks[i].step && strcmp(suffix, r->hooks[i].suffix) == 0) {
            return &r->hooks[i];
        }
    }
    return NULL;
}

bool unet_wanted(const unet_run *r, const char *suffix) {
    return r->layers.tap != NULL || find_hook(r, suffix) != NULL;
}

static void keep_image(unet_run *r, uint32_t image, const unet_hook *hook, const tensor *value, uint32_t h,
                       uint32_t w) {
    layers *l = &r->layers;
    tensor own = *value;
    own.n = 1;
    size_t positions = tensor_positions(&own);
    own.offset += image * positions * own.stride;
    float *data = mem_array(positions * own.c, sizeof *data);
    if (data == NULL) {
        l->status = diag_no_memory(l->work->diag, positions * own.c * sizeof *data, "the features");
        return;
    }
    layers_download(l, &own, data);
    if (l->status != DIFFCUT_OK) {
        mem_free(data);
        return;
    }
    r->kept[image * r->hook_count + (size_t)(hook - r->hooks)] = (unet_features){data, h, w, own.c};
}

static void keep(unet_run *r, const unet_hook *hook, const tensor *value, uint32_t h, uint32_t w) {
    for (uint32_t image = 0; image < r->input->n && r->layers.status == DIFFCUT_OK; image++) {
        keep_image(r, image, hook, value, h, w);
    }
    r->missing--;
    r->layers.done = r->missing == 0;
}

static void emit_sized(unet_run *r, const char *suffix, const tensor *value, uint32_t h, uint32_t w) {
    char module[UNET_NAME_SIZE];
    const unet_hook *hook = find_hook(r, suffix);
    (void)snprintf(module, sizeof module, "%.70s%s", r->step->name, suffix);
    layers_tap(&r->layers, module, value, h, w);
    if (hook != NULL && r->layers.status == DIFFCUT_OK) {
        keep(r, hook, value, h, w);
    }
}

void unet_emit(unet_run *r, const char *suffix, const tensor *value) {
    emit_sized(r, suffix, value, r->h, r->w);
}

void unet_emit_vector(unet_run *r, const char *suffix, const tensor *value) {
    emit_sized(r, suffix, value, 1, 1);
}

/* ------------------------------------------------------------------------------------------------- the run */

static void (*const run_step[UNET_KIND_COUNT])(unet_run *) = {
    [UNET_TIME] = unet_run_time,
    [UNET_CONV_IN] = unet_run_conv_in,
    [UNET_RESNET] = unet_run_resnet,
    [UNET_TRANSFORMER_IN] = unet_run_transformer_in,
    [UNET_SELF_ATTENTION] = unet_run_self_attention,
    [UNET_CROSS_ATTENTION] = unet_run_cross_attention,
    [UNET_FEED_FORWARD] = unet_run_feed_forward,
    [UNET_TRANSFORMER_OUT] = unet_run_transformer_out,
    [UNET_DOWNSAMPLE] = unet_run_downsample,
    [UNET_UPSAMPLE] = unet_run_upsample,
    [UNET_CONV_OUT] = unet_run_conv_out,
};

/* Raises *most to n * h * w * c. */
static bool raise_to(const unet_run *r, size_t *most, uint32_t h, uint32_t w, uint32_t c) {
    size_t elements;
    if (!mem_mul(h, w, &elements) || !mem_mul(elements, r->input->n, &elements) || elements > UINT32_MAX ||
        !mem_mul(elements, c, &elements)) {
        return false;
    }
    *most = elements > *most ? elements : *most;
    return true;
}

/* Channels of the wide buffer that a step asks for. */
static uint32_t wide_channels(const unet_step *step) {
    switch (step->kind) {
    case UNET_SELF_ATTENTION:
        return 3 * step->out;
    case UNET_CROSS_ATTENTION:
        return step->out;
    case UNET_FEED_FORWARD:
        return 4 * step->out;
    default:
        return 0;
    }
}

static bool has_hook(const unet_run *r, size_t step) {
    for (size_t i = 0; i < r->hook_count; i++) {
        if (r->hooks[i].step == step) {
            return true;
        }
    }
    return false;
}

/* The grids of a run's steps, followed without running it. */
typedef struct grid_walk {
    uint32_t h, w;
    uint32_t skips[UNET_MAX_SKIPS][2]; /* of the outputs that wait for the decoder */
    size_t waiting;
} grid_walk;

/* To the grid after a step. */
static diffcut_status walk_step(const unet_plan *plan, const unet_step *step, grid_walk *walk,
                                diffcut_diagnostics *diag) {
    uint32_t padding = plan->config.downsample_padding;
    if (step->kind == UNET_DOWNSAMPLE) {
        if (walk->h + padding < 2 || walk->w + padding < 2) {
            return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "the picture is too small for %s", step->name);
        }
        walk->h = unet_halved(walk->h, padding);
        walk->w = unet_halved(walk->w, padding);
    } else if (step->kind == UNET_UPSAMPLE) {
        walk->h = walk->skips[walk->waiting - 1][0];
        walk->w = walk->skips[walk->waiting - 1][1];
    }
    if (step->skip) {
        walk->skips[walk->waiting][0] = walk->h;
        walk->skips[walk->waiting++][1] = walk->w;
    }
    walk->waiting -= step->skipped > 0 ? 1 : 0;
    return DIFFCUT_OK;
}

/* Sizes of the buffers: what the largest of the run's steps asks for. */
static diffcut_status plan_memory(unet_run *r) {
    const unet_plan *plan = &r->network->plan;
    diffcut_diagnostics *diag = r->layers.work->diag;
    grid_walk walk = {.h = r->h, .w = r->w};
    uint32_t inputs = plan->config.added_input;
    bool fits = true;
    for (size_t i = 0; i < r->steps && fits; i++) {
        const unet_step *step = &plan->steps[i];
        uint32_t c = step->in > step->out ? step->in : step->out;
        if (step->kind == UNET_TIME) {
            inputs = step->in > inputs ? step->in : inputs;
            continue;
        }
        inputs = step->kind == UNET_RESNET && step->out > inputs ? step->out : inputs;
        bool seen = r->layers.tap != NULL || has_hook(r, i);
        for (int after = 0; after < 2 && fits; after++) { /* a step may work on the grid that it makes */
            fits = raise_to(r, &r->memory.grid, walk.h, walk.w, c) &&
                   raise_to(r, &r->memory.wide, walk.h, walk.w, wide_channels(step)) &&
                   (!seen || raise_to(r, &r->memory.extra, walk.h, walk.w, c));
            diffcut_status status = after == 0 ? walk_step(plan, step, &walk, diag) : DIFFCUT_OK;
            if (status != DIFFCUT_OK) {
                return status;
            }
        }
    }
    size_t vectors = 4 * (size_t)unet_config_time_width(&plan->config) + inputs;
    fits = fits && mem_mul(vectors, r->input->n, &r->memory.vectors);
    return fits ? DIFFCUT_OK
                : diag_fail(diag, DIFFCUT_ERROR_LIMIT, "%u latents of %ux%u are too large", r->input->n, r->w, r->h);
}

static void take_buffers(unet_run *r) {
    layers_take(&r->layers, r->memory.grid, &r->x);
    layers_take(&r->layers, r->memory.grid, &r->y);
    layers_take(&r->layers, r->memory.grid, &r->t);
    layers_take(&r->layers, r->memory.wide, &r->f);
    layers_take(&r->layers, r->memory.extra, &r->extra);
    layers_take(&r->layers, r->memory.vectors, &r->vectors);
}

static void give_back_buffers(const unet_run *r) {
    backend_buffer *const buffers[] = {r->x, r->y, r->t, r->f, r->extra, r->vectors};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        layers_give_back(&r->layers, buffers[i]);
    }
}

static void forget(unet_features *kept, size_t count) {
    for (size_t i = 0; i < count; i++) {
        mem_free(kept[i].data);
        kept[i] = (unet_features){0};
    }
}

/* Steps up to and with the last hook's. */
static size_t needed_steps(const unet_hook *hooks, size_t count) {
    size_t steps = 0;
    for (size_t i = 0; i < count; i++) {
        steps = hooks[i].step + 1 > steps ? hooks[i].step + 1 : steps;
    }
    return steps;
}

diffcut_status unet_run_network(unet_run *r) {
    layers *l = &r->layers;
    bool decodes = r->steps > r->network->plan.count;
    r->h = r->input->h;
    r->w = r->input->w;
    r->missing = r->hook_count;
    l->status = plan_memory(r);
    take_buffers(r);
    l->backend->ops->stream_precision(l->stream, r->network->precision);
    for (size_t i = 0; i < r->steps && l->status == DIFFCUT_OK; i++) {
        l->status = work_progress(l->work, (double)i / (double)r->steps);
        r->index = i;
        r->step = &r->network->plan.steps[i];
        if (l->status == DIFFCUT_OK) {
            run_step[r->step->kind](r);
        }
        if (decodes && r->step->skip) {
            unet_push_skip(r);
        }
    }
    l->backend->ops->stream_precision(l->stream, DTYPE_F32); /* other networks run on this stream too */
    unet_drop_skips(r);
    give_back_buffers(r);
    layers_end(l);
    if (l->status == DIFFCUT_OK) {
        l->status = work_progress(l->work, 1.0);
    }
    if (l->status != DIFFCUT_OK) {
        forget(r->kept, r->input->n * r->hook_count);
    }
    return l->status;
}

static bool all_finite(const float *data, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(data[i])) {
            return false;
        }
    }
    return true;
}

static bool all_kept_finite(const unet_run *r) {
    bool finite = true;
    for (size_t i = 0; i < r->input->n * r->hook_count && finite; i++) {
        finite = all_finite(r->kept[i].data, (size_t)r->kept[i].h * r->kept[i].w * r->kept[i].c);
    }
    return finite;
}

/* A tap that stops at the first output that is not finite, with the message. */
static diffcut_status find_not_finite(void *user, const char *module, const float *data, uint32_t h, uint32_t w,
                                      uint32_t c) {
    if (all_finite(data, (size_t)h * w * c)) {
        return DIFFCUT_OK;
    }
    return diag_fail(user, DIFFCUT_ERROR_NUMERIC, "the features hold NaN or infinity, first made by unet module %s",
                     module);
}

/* Runs an image once more, watched, into the emptied `kept`; DIFFCUT_OK when nothing was found. */
static diffcut_status watch_image(const unet_run *run_before, uint32_t image) {
    unet_input input = *run_before->input;
    diffcut_diagnostics *diag = run_before->layers.work->diag;
    size_t count = (size_t)input.h * input.w * run_before->network->plan.config.in_channels;
    input.n = 1;
    input.noisy += image * count;
    if (!all_finite(input.noisy, count)) {
        return diag_fail(diag, DIFFCUT_ERROR_NUMERIC, "the UNet's input holds NaN or infinity");
    }
    work quiet = *run_before->layers.work; /* the steps have been reported once */
    quiet.progress = NULL;
    unet_run again = {.network = run_before->network,
                      .layers = {.backend = run_before->layers.backend,
                                 .stream = run_before->layers.stream,
                                 .work = &quiet,
                                 .tap = find_not_finite,
                                 .tap_user = diag},
                      .input = &input,
                      .hooks = run_before->hooks,
                      .kept = run_before->kept,
                      .hook_count = run_before->hook_count,
                      .steps = run_before->steps};
    diffcut_status status = unet_run_network(&again);
    forget(again.kept, again.hook_count);
    return status;
}

/* The failure, with the module that made the first value that is not finite. Empties `kept`. */
static diffcut_status explain_not_finite(const unet_run *r) {
    diffcut_status status = DIFFCUT_OK;
    forget(r->kept, r->input->n * r->hook_count);
    for (uint32_t image = 0; image < r->input->n && status == DIFFCUT_OK; image++) {
        status = watch_image(r, image);
    }
    return status != DIFFCUT_OK
               ? status
               : diag_fail(r->layers.work->diag, DIFFCUT_ERROR_NUMERIC, "the features hold NaN or infinity");
}

static diffcut_status check_input(const unet *self, const unet_input *input, const unet_hook *hooks, size_t count,
                                  diffcut_diagnostics *diag) {
    if (input->n == 0 || input->h == 0 || input->w == 0) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "%u latents of %ux%u", input->n, input->w, input->h);
    }
    for (size_t i = 0; i < count; i++) {
        size_t step = hooks[i].step;
        if (step >= self->prepared || input->context == NULL || step >= input->context->prepared) {
            return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "the UNet is not prepared up to %s", hooks[i].name);
        }
    }
    if (self->plan.config.added_condition && input->time_ids == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "this UNet needs time ids");
    }
    return DIFFCUT_OK;
}

diffcut_status unet_encode(const unet *self, backend_stream *stream, const work *w, const unet_input *input,
                           const unet_hook *hooks, size_t hook_count, layer_tap_fn tap, void *tap_user,
                           unet_features *out) {
    diffcut_status status = check_input(self, input, hooks, hook_count, w->diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (tap != NULL && input->n > 1) {
        return diag_fail(w->diag, DIFFCUT_ERROR_ARGUMENT, "modules' outputs are seen of one latent, not of %u",
                         input->n);
    }
    size_t count = hook_count * input->n; /* at most 64 * 2^32 */
    unet_features *kept = mem_array_zero(count, sizeof *kept);
    if (kept == NULL) {
        return diag_fail(w->diag, DIFFCUT_ERROR_MEMORY, "no memory for the features of %u latents", input->n);
    }
    unet_run r = {.network = self,
                  .layers = {.backend = self->backend, .stream = stream, .work = w, .tap = tap, .tap_user = tap_user},
                  .input = input,
                  .hooks = hooks,
                  .kept = kept,
                  .hook_count = hook_count,
                  .steps = needed_steps(hooks, hook_count)};
    status = unet_run_network(&r);
    if (status == DIFFCUT_OK && !all_kept_finite(&r)) {
        status = explain_not_finite(&r);
    }
    if (status == DIFFCUT_OK) {
        memcpy(out, kept, count * sizeof *kept);
    }
    mem_free(kept);
    return status;
}

diffcut_status unet_planned(const unet *self, const work *w, uint32_t height, uint32_t width, const unet_hook *hooks,
                            size_t hook_count, size_t *elements) {
    const unet_input one = {.n = 1, .h = height, .w = width};
    unet_run r = {.network = self,
                  .layers = {.work = w},
                  .input = &one,
                  .hooks = hooks,
                  .hook_count = hook_count,
                  .h = height,
                  .w = width,
                  .steps = needed_steps(hooks, hook_count)};
    diffcut_status status = plan_memory(&r);
    if (status == DIFFCUT_OK) {
        *elements = 3 * r.memory.grid + r.memory.wide + r.memory.extra + r.memory.vectors;
    }
    return status;
}

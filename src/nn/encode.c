/* encode.c - see encode.h. */
#include "nn/encode.h"

#include "core/memory.h"
#include "core/random.h"
#include "model/model.h"
#include "nn/concatenate.h"
#include "nn/first_stage.h"

#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------- request */

diffcut_status encode_request_make(const diffcut_model *model, const diffcut_settings *settings, encode_request *out,
                                   diffcut_diagnostics *diag) {
    encode_request request = {.hooks = {model->hook}, .hook_count = 1, .factor = model->settings.factor};
    if (settings->hook != NULL) {
        diffcut_status status =
            unet_plan_hooks(unet_get_plan(model->network), settings->hook, request.hooks, &request.hook_count, diag);
        if (status != DIFFCUT_OK) {
            return status;
        }
    }
    uint64_t channels = 0;
    uint32_t level = 0;
    for (size_t i = 0; i < request.hook_count; i++) {
        channels += request.hooks[i].channels;
        level = request.hooks[i].level > level ? request.hooks[i].level : level;
    }
    channels *= settings->timestep_count;
    if (channels > ENCODE_MAX_CHANNELS) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT,
                         "%zu hooks at %u timesteps give %llu channels, at most %d are computed", request.hook_count,
                         settings->timestep_count, (unsigned long long)channels, ENCODE_MAX_CHANNELS);
    }
    request.channels = (uint32_t)channels;
    request.part_count = request.hook_count * settings->timestep_count;
    request.multiple = request.factor << level;
    *out = request;
    return DIFFCUT_OK;
}

void encode_request_grid(const diffcut_model *model, const encode_request *request, uint32_t height, uint32_t width,
                         uint32_t *fh, uint32_t *fw) {
    const unet_plan *plan = unet_get_plan(model->network);
    uint32_t level = request->hooks[0].level;
    for (size_t i = 1; i < request->hook_count; i++) {
        level = request->hooks[i].level < level ? request->hooks[i].level : level;
    }
    *fh = unet_plan_side(plan, level, height / request->factor);
    *fw = unet_plan_side(plan, level, width / request->factor);
}

/* ------------------------------------------------------------------------------------------------- one picture */

/* A picture on its way. */
typedef struct encoding {
    const diffcut_model *model;
    backend_stream *stream;
    const work *work;
    const diffcut_settings *settings;
    const encode_request *request;
    uint32_t height, width; /* of the input */
    unet_context *context;
    float *latent; /* (h, w, c) */
    uint32_t h, w, c;
    float *noise;          /* (c, h, w), as drawn */
    float *noisy;          /* (h, w, c) */
    unet_features *parts;  /* the results, the caller's */
    double **sums;         /* over the draws, one a part; NULL for one draw */
    double done, all;      /* for progress: runs of the UNet, and what the first stage takes in runs */
    const char *dumped_as; /* before a module's name: "unet", "t50.unet" */
} encoding;

static void dump_grid(const work *w, const char *name, const float *data, uint32_t h, uint32_t width, uint32_t c) {
    const size_t shape[3] = {h, width, c};
    work_dump(w, name, data, shape, 3);
}

/* A module's output, under its network's name. */
static void dump_named(const work *w, const char *network, const char *module, const float *data, uint32_t h,
                       uint32_t width, uint32_t c) {
    char name[UNET_NAME_SIZE + 32];
    (void)snprintf(name, sizeof name, "%s.%s", network, module);
    dump_grid(w, name, data, h, width, c);
}

static diffcut_status dump_module(void *user, const char *module, const float *data, uint32_t h, uint32_t w,
                                  uint32_t c) {
    const encoding *e = user;
    dump_named(e->work, e->dumped_as, module, data, h, w, c);
    return DIFFCUT_OK;
}

static diffcut_status dump_first_stage(void *user, const char *module, const float *data, uint32_t h, uint32_t w,
                                       uint32_t c) {
    const encoding *e = user;
    dump_named(e->work, "vae", module, data, h, w, c);
    return DIFFCUT_OK;
}

/* The next `runs` runs' part of the whole's progress. */
static work next_part(encoding *e, double runs) {
    double before = e->done;
    e->done += runs;
    return work_part(e->work, before / e->all, e->done / e->all);
}

static diffcut_status make_latent(encoding *e, const float *image) {
    const work part = next_part(e, first_stage_runs(e->model->first_stage));
    diffcut_status status =
        first_stage_encode(e->model->first_stage, e->stream, &part, image, e->height, e->width, e->settings->tile,
                           work_dumps(e->work) ? dump_first_stage : NULL, e, &e->latent, &e->h, &e->w, &e->c);
    if (status != DIFFCUT_OK) {
        return status;
    }
    dump_grid(e->work, "image", image, e->height, e->width, 3);
    dump_grid(e->work, "latent", e->latent, e->h, e->w, e->c);
    return DIFFCUT_OK;
}

static diffcut_status take_memory(encoding *e) {
    size_t count = (size_t)e->h * e->w * e->c; /* the first stage has checked the product */
    e->noise = mem_array(count, sizeof *e->noise);
    e->noisy = mem_array(count, sizeof *e->noisy);
    if (e->noise == NULL || e->noisy == NULL) {
        return diag_no_memory(e->work->diag, count * sizeof *e->noise, "the noise");
    }
    if (e->settings->average > 1) {
        e->sums = mem_array_zero(e->request->part_count, sizeof *e->sums);
        if (e->sums == NULL) {
            return diag_no_memory(e->work->diag, e->request->part_count * sizeof *e->sums, "the features' sums");
        }
    }
    return DIFFCUT_OK;
}

/* One timestep of one draw: the latent with the noise, through the network; drawn[hook] is new. */
static diffcut_status run_pass(encoding *e, size_t time, bool dump, unet_features *drawn) {
    int32_t timestep = e->settings->timesteps[time];
    bool several = e->settings->timestep_count > 1;
    char prefix[24] = "";
    char network[32];
    diffcut_status status = scheduler_add_noise(&e->model->noise, timestep, e->latent, e->noise, (size_t)e->h * e->w,
                                                e->c, e->noisy, e->work->diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (several) {
        (void)snprintf(prefix, sizeof prefix, "t%d.", timestep);
    }
    (void)snprintf(network, sizeof network, "%sunet", prefix);
    e->dumped_as = network;
    if (dump) {
        char name[32];
        (void)snprintf(name, sizeof name, "%snoisy", prefix);
        dump_grid(e->work, name, e->noisy, e->h, e->w, e->c);
    }
    /* SDXL's original height and width, crop's top and left, target height and width. */
    float height = (float)e->height;
    float width = (float)e->width;
    const float time_ids[UNET_TIME_IDS] = {height, width, 0.0F, 0.0F, height, width};
    const unet_input input = {
        .noisy = e->noisy, .h = e->h, .w = e->w, .timestep = timestep, .context = e->context, .time_ids = time_ids};
    const work part = next_part(e, 1.0);
    return unet_encode(e->model->network, e->stream, &part, &input, e->request->hooks, e->request->hook_count,
                       dump ? dump_module : NULL, e, drawn);
}

/* Adds a pass's output to its part's sum, and frees it; the first one gives the part its shape. */
static diffcut_status add_to_sum(encoding *e, size_t part, unet_features *drawn) {
    size_t count = (size_t)drawn->h * drawn->w * drawn->c;
    if (e->sums[part] == NULL) {
        e->sums[part] = mem_array_zero(count, sizeof **e->sums);
        if (e->sums[part] == NULL) {
            return diag_no_memory(e->work->diag, count * sizeof **e->sums, "the features' sums");
        }
    }
    for (size_t i = 0; i < count; i++) {
        e->sums[part][i] += (double)drawn->data[i];
    }
    mem_free(e->parts[part].data); /* the last draw's; its memory holds the mean in the end */
    e->parts[part] = *drawn;
    *drawn = (unet_features){0};
    return DIFFCUT_OK;
}

static diffcut_status run_draw(encoding *e, uint32_t draw) {
    unet_features drawn[UNET_MAX_HOOKS] = {{0}};
    diffcut_status status = DIFFCUT_OK;
    size_t hooks = e->request->hook_count;
    for (size_t t = 0; t < e->settings->timestep_count && status == DIFFCUT_OK; t++) {
        status = run_pass(e, t, draw == 0 && work_dumps(e->work), drawn);
        for (size_t k = 0; k < hooks && status == DIFFCUT_OK; k++) {
            if (e->sums != NULL) {
                status = add_to_sum(e, t * hooks + k, &drawn[k]);
            } else {
                e->parts[t * hooks + k] = drawn[k];
                drawn[k] = (unet_features){0};
            }
        }
    }
    for (size_t k = 0; k < hooks; k++) {
        mem_free(drawn[k].data);
    }
    return status;
}

static diffcut_status run_draws(encoding *e) {
    size_t count = (size_t)e->h * e->w * e->c;
    random_stream stream;
    random_stream_init(&stream, e->settings->noise, e->settings->seed);
    diffcut_status status = DIFFCUT_OK;
    for (uint32_t draw = 0; draw < e->settings->average && status == DIFFCUT_OK; draw++) {
        random_stream_normal(&stream, count, e->noise);
        if (draw == 0) {
            const size_t shape[3] = {e->c, e->h, e->w};
            work_dump(e->work, "noise", e->noise, shape, 3);
        }
        status = run_draw(e, draw);
    }
    for (size_t p = 0; status == DIFFCUT_OK && e->sums != NULL && p < e->request->part_count; p++) {
        size_t values = (size_t)e->parts[p].h * e->parts[p].w * e->parts[p].c;
        for (size_t i = 0; i < values; i++) {
            e->parts[p].data[i] = (float)(e->sums[p][i] / (double)e->settings->average);
        }
    }
    return status;
}

static void free_encoding(encoding *e) {
    for (size_t p = 0; e->sums != NULL && p < e->request->part_count; p++) {
        mem_free(e->sums[p]);
    }
    mem_free(e->sums);
    mem_free(e->noisy);
    mem_free(e->noise);
    mem_free(e->latent);
    model_release_context(e->model, e->context);
}

static const unet_hook *deepest(const encode_request *request) {
    const unet_hook *last = &request->hooks[0];
    for (size_t i = 1; i < request->hook_count; i++) {
        last = request->hooks[i].step > last->step ? &request->hooks[i] : last;
    }
    return last;
}

static void free_parts(unet_features *parts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        mem_free(parts[i].data);
    }
    mem_free(parts);
}

diffcut_status encode_parts(const diffcut_model *model, backend_stream *stream, const work *w, const float *image,
                            uint32_t height, uint32_t width, const diffcut_settings *settings,
                            const encode_request *request, unet_features *parts) {
    encoding e = {.model = model,
                  .stream = stream,
                  .work = w,
                  .settings = settings,
                  .request = request,
                  .height = height,
                  .width = width};
    e.all = first_stage_runs(model->first_stage) + (double)settings->average * settings->timestep_count;
    e.parts = mem_array_zero(request->part_count, sizeof *e.parts);
    if (e.parts == NULL) {
        return diag_no_memory(w->diag, request->part_count * sizeof *e.parts, "the features");
    }
    diffcut_status status = work_progress(w, 0.0);
    if (status == DIFFCUT_OK) {
        status = model_prepare_text(model, stream, w, settings->prompt);
    }
    if (status == DIFFCUT_OK) {
        status = model_prepare_first_stage(model, w);
    }
    if (status == DIFFCUT_OK) {
        status = make_latent(&e, image);
    }
    if (status == DIFFCUT_OK) {
        status = model_prepare(model, stream, w, deepest(request), settings->prompt, &e.context);
    }
    if (status == DIFFCUT_OK) {
        status = take_memory(&e);
    }
    if (status == DIFFCUT_OK) {
        status = run_draws(&e);
    }
    free_encoding(&e);
    if (status != DIFFCUT_OK) {
        free_parts(e.parts, request->part_count);
        return status;
    }
    memcpy(parts, e.parts, request->part_count * sizeof *parts);
    mem_free(e.parts);
    return DIFFCUT_OK;
}

diffcut_status encode_features(const diffcut_model *model, backend_stream *stream, const work *w, const float *image,
                               uint32_t height, uint32_t width, const diffcut_settings *settings, float **features,
                               uint32_t *fh, uint32_t *fw, uint32_t *fc) {
    encode_request request;
    unet_features *parts = NULL;
    unet_features whole = {0};
    diffcut_status status = encode_request_make(model, settings, &request, w->diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    parts = mem_array_zero(request.part_count, sizeof *parts);
    if (parts == NULL) {
        return diag_no_memory(w->diag, request.part_count * sizeof *parts, "the features");
    }
    status = encode_parts(model, stream, w, image, height, width, settings, &request, parts);
    if (status == DIFFCUT_OK && request.part_count == 1) {
        whole = parts[0];
        parts[0] = (unet_features){0};
    } else if (status == DIFFCUT_OK) {
        status = concatenate_features(parts, request.part_count, &whole, w->diag);
    }
    free_parts(parts, request.part_count);
    if (status != DIFFCUT_OK) {
        return status;
    }
    dump_grid(w, "features", whole.data, whole.h, whole.w, whole.c);
    *features = whole.data;
    *fh = whole.h;
    *fw = whole.w;
    *fc = whole.c;
    return DIFFCUT_OK;
}

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

/* ------------------------------------------------------------------------------------------------- pictures */

/* Pictures of one size on their way. */
typedef struct encoding {
    const diffcut_model *model;
    backend_stream *stream;
    const work *work;
    const diffcut_settings *settings;
    const encode_request *request;
    const float *const *images;
    uint32_t count;         /* of images */
    uint32_t height, width; /* of an input */
    unet_context *context;
    float **latents; /* one an image: (h, w, c) */
    uint32_t h, w, c;
    float *noise;          /* (c, h, w), as drawn */
    float *noisy;          /* (count, h, w, c) */
    unet_features *parts;  /* the results, by image, then part */
    unet_features *drawn;  /* of one pass, by image, then hook */
    double **sums;         /* over the draws, as parts; NULL for one draw */
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

static diffcut_status make_latents(encoding *e) {
    diffcut_status status = DIFFCUT_OK;
    bool dumps = work_dumps(e->work);
    for (uint32_t i = 0; i < e->count && status == DIFFCUT_OK; i++) {
        const work part = next_part(e, first_stage_runs(e->model->first_stage));
        status = first_stage_encode(e->model->first_stage, e->stream, &part, e->images[i], e->height, e->width,
                                    e->settings->tile, dumps ? dump_first_stage : NULL, e, &e->latents[i], &e->h,
                                    &e->w, &e->c);
    }
    if (status == DIFFCUT_OK && dumps) {
        dump_grid(e->work, "image", e->images[0], e->height, e->width, 3);
        dump_grid(e->work, "latent", e->latents[0], e->h, e->w, e->c);
    }
    return status;
}

/* What holds the results. */
static diffcut_status take_lists(encoding *e) {
    size_t parts = e->count * e->request->part_count; /* at most 2^32 * 1024 */
    e->parts = mem_array_zero(parts, sizeof *e->parts);
    e->drawn = mem_array_zero(e->count * e->request->hook_count, sizeof *e->drawn);
    e->latents = mem_array_zero(e->count, sizeof *e->latents);
    bool summed = e->settings->average > 1;
    if (summed) {
        e->sums = mem_array_zero(parts, sizeof *e->sums);
    }
    if (e->parts == NULL || e->drawn == NULL || e->latents == NULL || (summed && e->sums == NULL)) {
        return diag_fail(e->work->diag, DIFFCUT_ERROR_MEMORY, "no memory for the features of %u photos", e->count);
    }
    return DIFFCUT_OK;
}

static diffcut_status take_noise(encoding *e) {
    size_t values = (size_t)e->h * e->w * e->c; /* the first stage has checked the product */
    e->noise = mem_array(values, sizeof *e->noise);
    e->noisy = mem_array(e->count, values * sizeof *e->noisy);
    if (e->noise == NULL || e->noisy == NULL) {
        return diag_no_memory(e->work->diag, values * sizeof *e->noise, "the noise");
    }
    return DIFFCUT_OK;
}

static diffcut_status add_noise(encoding *e, int32_t timestep) {
    size_t positions = (size_t)e->h * e->w;
    diffcut_status status = DIFFCUT_OK;
    for (uint32_t i = 0; i < e->count && status == DIFFCUT_OK; i++) {
        status = scheduler_add_noise(&e->model->noise, timestep, e->latents[i], e->noise, positions, e->c,
                                     e->noisy + i * positions * e->c, e->work->diag);
    }
    return status;
}

/* One timestep of one draw: the latents with the noise, through the network; e->drawn is new. */
static diffcut_status run_pass(encoding *e, size_t time, bool dump) {
    int32_t timestep = e->settings->timesteps[time];
    bool several = e->settings->timestep_count > 1;
    char prefix[24] = "";
    char network[32];
    diffcut_status status = add_noise(e, timestep);
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
    const unet_input input = {.noisy = e->noisy,
                              .n = e->count,
                              .h = e->h,
                              .w = e->w,
                              .timestep = timestep,
                              .context = e->context,
                              .time_ids = time_ids};
    const work part = next_part(e, (double)e->count);
    return unet_encode(e->model->network, e->stream, &part, &input, e->request->hooks, e->request->hook_count,
                       dump ? dump_module : NULL, e, e->drawn);
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

/* Moves a pass's outputs to where they belong. */
static diffcut_status take_drawn(encoding *e, size_t time) {
    size_t hooks = e->request->hook_count;
    for (size_t i = 0; i < e->count * hooks; i++) {
        size_t part = i / hooks * e->request->part_count + time * hooks + i % hooks;
        if (e->sums == NULL) {
            e->parts[part] = e->drawn[i];
            e->drawn[i] = (unet_features){0};
            continue;
        }
        diffcut_status status = add_to_sum(e, part, &e->drawn[i]);
        if (status != DIFFCUT_OK) {
            return status;
        }
    }
    return DIFFCUT_OK;
}

static diffcut_status run_draw(encoding *e, uint32_t draw) {
    diffcut_status status = DIFFCUT_OK;
    for (size_t t = 0; t < e->settings->timestep_count && status == DIFFCUT_OK; t++) {
        status = run_pass(e, t, draw == 0 && work_dumps(e->work));
        if (status == DIFFCUT_OK) {
            status = take_drawn(e, t);
        }
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
    size_t parts = e->count * e->request->part_count;
    for (size_t p = 0; status == DIFFCUT_OK && e->sums != NULL && p < parts; p++) {
        size_t values = (size_t)e->parts[p].h * e->parts[p].w * e->parts[p].c;
        for (size_t i = 0; i < values; i++) {
            e->parts[p].data[i] = (float)(e->sums[p][i] / (double)e->settings->average);
        }
    }
    return status;
}

static void free_parts(unet_features *parts, size_t count) {
    for (size_t i = 0; parts != NULL && i < count; i++) {
        mem_free(parts[i].data);
    }
    mem_free(parts);
}

/* Everything but the context, which is the model's, and the images. */
static void free_encoding(encoding *e) {
    size_t parts = e->count * e->request->part_count;
    for (size_t p = 0; e->sums != NULL && p < parts; p++) {
        mem_free(e->sums[p]);
    }
    for (uint32_t i = 0; e->latents != NULL && i < e->count; i++) {
        mem_free(e->latents[i]);
    }
    mem_free(e->sums);
    mem_free(e->noisy);
    mem_free(e->noise);
    mem_free(e->latents);
    free_parts(e->drawn, e->count * e->request->hook_count);
    free_parts(e->parts, parts);
}

static const unet_hook *deepest(const encode_request *request) {
    const unet_hook *last = &request->hooks[0];
    for (size_t i = 1; i < request->hook_count; i++) {
        last = request->hooks[i].step > last->step ? &request->hooks[i] : last;
    }
    return last;
}

static diffcut_status run_encoding(encoding *e) {
    const diffcut_settings *settings = e->settings;
    diffcut_status status = work_progress(e->work, 0.0);
    if (status == DIFFCUT_OK) {
        status = model_prepare_text(e->model, e->stream, e->work, settings->prompt);
    }
    if (status == DIFFCUT_OK) {
        status = model_prepare_first_stage(e->model, e->work);
    }
    if (status == DIFFCUT_OK) {
        status = make_latents(e);
    }
    if (status == DIFFCUT_OK) {
        status = model_prepare(e->model, e->stream, e->work, deepest(e->request), settings->prompt, &e->context);
    }
    if (status == DIFFCUT_OK) {
        status = take_noise(e);
    }
    return status == DIFFCUT_OK ? run_draws(e) : status;
}

diffcut_status encode_parts_batch(const diffcut_model *model, backend_stream *stream, const work *w,
                                  const float *const *images, uint32_t count, uint32_t height, uint32_t width,
                                  const diffcut_settings *settings, const encode_request *request,
                                  unet_features *parts) {
    work silent = *w;
    silent.dump = count > 1 ? NULL : w->dump;
    encoding e = {.model = model,
                  .stream = stream,
                  .work = &silent,
                  .settings = settings,
                  .request = request,
                  .images = images,
                  .count = count,
                  .height = height,
                  .width = width};
    e.all = first_stage_runs(model->first_stage) + (double)settings->average * settings->timestep_count;
    e.all *= (double)count;
    diffcut_status status = take_lists(&e);
    if (status == DIFFCUT_OK) {
        status = run_encoding(&e);
    }
    if (status == DIFFCUT_OK) {
        size_t all = count * request->part_count;
        memcpy(parts, e.parts, all * sizeof *parts);
        memset(e.parts, 0, all * sizeof *parts); /* theirs now */
    }
    model_release_context(model, e.context);
    free_encoding(&e);
    return status;
}

diffcut_status encode_parts(const diffcut_model *model, backend_stream *stream, const work *w, const float *image,
                            uint32_t height, uint32_t width, const diffcut_settings *settings,
                            const encode_request *request, unet_features *parts) {
    return encode_parts_batch(model, stream, w, &image, 1, height, width, settings, request, parts);
}

/* One image's parts side by side; what is moved to *out leaves them. */
static diffcut_status join_parts(unet_features *parts, size_t count, unet_features *out, diffcut_diagnostics *diag) {
    if (count > 1) {
        return concatenate_features(parts, count, out, diag);
    }
    *out = parts[0];
    parts[0] = (unet_features){0};
    return DIFFCUT_OK;
}

diffcut_status encode_features_batch(const diffcut_model *model, backend_stream *stream, const work *w,
                                     const float *const *images, uint32_t count, uint32_t height, uint32_t width,
                                     const diffcut_settings *settings, unet_features *features) {
    encode_request request;
    diffcut_status status = encode_request_make(model, settings, &request, w->diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    size_t all = count * request.part_count;
    unet_features *parts = mem_array_zero(all, sizeof *parts);
    unet_features *joined = mem_array_zero(count, sizeof *joined);
    if (parts == NULL || joined == NULL) {
        status = diag_fail(w->diag, DIFFCUT_ERROR_MEMORY, "no memory for the features of %u photos", count);
    }
    if (status == DIFFCUT_OK) {
        status = encode_parts_batch(model, stream, w, images, count, height, width, settings, &request, parts);
    }
    for (uint32_t i = 0; i < count && status == DIFFCUT_OK; i++) {
        status = join_parts(parts + i * request.part_count, request.part_count, &joined[i], w->diag);
    }
    if (status == DIFFCUT_OK) {
        memcpy(features, joined, count * sizeof *features);
        memset(joined, 0, count * sizeof *joined); /* the caller's now */
    }
    free_parts(parts, all);
    free_parts(joined, count);
    return status;
}

diffcut_status encode_features(const diffcut_model *model, backend_stream *stream, const work *w, const float *image,
                               uint32_t height, uint32_t width, const diffcut_settings *settings, float **features,
                               uint32_t *fh, uint32_t *fw, uint32_t *fc) {
    unet_features whole = {0};
    diffcut_status status = encode_features_batch(model, stream, w, &image, 1, height, width, settings, &whole);
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

/* encode.c - see encode.h. */
#include "nn/encode.h"

#include "core/memory.h"
#include "core/random.h"
#include "model/model.h"
#include "nn/first_stage.h"

#include <math.h>
#include <stdio.h>

/* The latent, with its noise mixed in; noisy (h, w, c) is freed with mem_free. */
typedef struct noisy_latent {
    float *data;
    uint32_t h, w, c;
} noisy_latent;

static void dump_grid(const work *w, const char *name, const float *data, uint32_t h, uint32_t width, uint32_t c) {
    const size_t shape[3] = {h, width, c};
    work_dump(w, name, data, shape, 3);
}

/* A module's output, under its network's name. */
static void dump_named(const work *w, const char *network, const char *module, const float *data, uint32_t h,
                       uint32_t width, uint32_t c) {
    char name[UNET_NAME_SIZE + 8];
    (void)snprintf(name, sizeof name, "%s.%s", network, module);
    dump_grid(w, name, data, h, width, c);
}

static diffcut_status dump_module(void *user, const char *module, const float *data, uint32_t h, uint32_t w,
                                  uint32_t c) {
    dump_named(user, "unet", module, data, h, w, c);
    return DIFFCUT_OK;
}

static diffcut_status dump_first_stage(void *user, const char *module, const float *data, uint32_t h, uint32_t w,
                                       uint32_t c) {
    dump_named(user, "vae", module, data, h, w, c);
    return DIFFCUT_OK;
}

static diffcut_status add_noise(const diffcut_model *model, const work *w, const float *latent, int32_t timestep,
                                uint64_t seed, noisy_latent *out) {
    size_t positions = (size_t)out->h * out->w; /* the first stage has checked the product */
    size_t count = positions * out->c;
    float *noise = mem_array(count, sizeof *noise);
    float *noisy = mem_array(count, sizeof *noisy);
    diffcut_status status = DIFFCUT_OK;
    if (noise == NULL || noisy == NULL) {
        status = diag_no_memory(w->diag, count * sizeof *noise, "the noise");
        goto cleanup;
    }
    random_normal(seed, count, noise); /* in the order (c, h, w) */
    status = scheduler_add_noise(&model->noise, timestep, latent, noise, positions, out->c, noisy, w->diag);
    if (status != DIFFCUT_OK) {
        goto cleanup;
    }
    const size_t shape[3] = {out->c, out->h, out->w};
    work_dump(w, "noise", noise, shape, 3);
    dump_grid(w, "noisy", noisy, out->h, out->w, out->c);
    out->data = noisy;
    noisy = NULL;
cleanup:
    mem_free(noise);
    mem_free(noisy);
    return status;
}

static diffcut_status make_noisy(const diffcut_model *model, backend_stream *stream, const work *w,
                                 const float *image, uint32_t height, uint32_t width,
                                 const diffcut_settings *settings, noisy_latent *out) {
    float *latent;
    work user = *w; /* the tap's user pointer is not const */
    diffcut_status status =
        first_stage_encode(model->first_stage, stream, w, image, height, width, settings->tile,
                           work_dumps(w) ? dump_first_stage : NULL, &user, &latent, &out->h, &out->w, &out->c);
    if (status != DIFFCUT_OK) {
        return status;
    }
    dump_grid(w, "image", image, height, width, 3);
    dump_grid(w, "latent", latent, out->h, out->w, out->c);
    status = add_noise(model, w, latent, settings->timesteps[0], settings->seed, out);
    mem_free(latent);
    return status;
}

diffcut_status encode_features(const diffcut_model *model, backend_stream *stream, const work *w, const float *image,
                               uint32_t height, uint32_t width, const diffcut_settings *settings, float **features,
                               uint32_t *fh, uint32_t *fw, uint32_t *fc) {
    unet_hook where = model->hook;
    unet_context *context = NULL;
    noisy_latent noisy = {0};
    unet_features result;
    diffcut_status status = work_progress(w, 0.0);
    if (status == DIFFCUT_OK && settings->hook != NULL) {
        status = unet_plan_hook(unet_get_plan(model->network), settings->hook, &where, w->diag);
    }
    if (status == DIFFCUT_OK) {
        status = model_prepare(model, stream, w, &where, settings->prompt, &context);
    }
    if (status == DIFFCUT_OK) {
        status = make_noisy(model, stream, w, image, height, width, settings, &noisy);
    }
    if (status != DIFFCUT_OK) {
        goto cleanup;
    }
    /* SDXL's original height and width, crop's top and left, target height and width. */
    const float time_ids[UNET_TIME_IDS] = {(float)height, (float)width, 0.0F, 0.0F, (float)height, (float)width};
    const unet_input input = {.noisy = noisy.data,
                              .h = noisy.h,
                              .w = noisy.w,
                              .timestep = settings->timesteps[0],
                              .context = context,
                              .time_ids = time_ids};
    work user = *w; /* the tap's user pointer is not const */
    status =
        unet_encode(model->network, stream, w, &input, &where, 1, work_dumps(w) ? dump_module : NULL, &user, &result);
    if (status != DIFFCUT_OK) {
        goto cleanup;
    }
    dump_grid(w, "features", result.data, result.h, result.w, result.c);
    *features = result.data;
    *fh = result.h;
    *fw = result.w;
    *fc = result.c;
cleanup:
    model_release_context(model, context);
    mem_free(noisy.data);
    return status;
}

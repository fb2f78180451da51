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

static diffcut_status make_noisy(const diffcut_model *model, const work *w, const float *image, uint32_t height,
                                 uint32_t width, int32_t timestep, uint64_t seed, noisy_latent *out) {
    float *latent;
    diffcut_status status =
        first_stage_encode(&model->settings, w, image, height, width, &latent, &out->h, &out->w, &out->c);
    if (status != DIFFCUT_OK) {
        return status;
    }
    dump_grid(w, "image", image, height, width, 3);
    dump_grid(w, "latent", latent, out->h, out->w, out->c);
    status = add_noise(model, w, latent, timestep, seed, out);
    mem_free(latent);
    return status;
}

static diffcut_status dump_module(void *user, const char *module, const float *data, uint32_t h, uint32_t w,
                                  uint32_t c) {
    char name[UNET_NAME_SIZE + 8];
    (void)snprintf(name, sizeof name, "unet.%s", module);
    dump_grid(user, name, data, h, w, c);
    return DIFFCUT_OK;
}

diffcut_status encode_features(const diffcut_model *model, backend_stream *stream, const work *w, const float *image,
                               uint32_t height, uint32_t width, int32_t timestep, uint64_t seed, const char *hook,
                               float **features, uint32_t *fh, uint32_t *fw, uint32_t *fc) {
    unet_hook where = model->hook;
    const unet_context *context;
    noisy_latent noisy = {0};
    unet_features result;
    diffcut_status status = work_progress(w, 0.0);
    if (status == DIFFCUT_OK && hook != NULL) {
        status = unet_plan_hook(unet_get_plan(model->network), hook, &where, w->diag);
    }
    if (status == DIFFCUT_OK) {
        status = make_noisy(model, w, image, height, width, timestep, seed, &noisy);
    }
    if (status == DIFFCUT_OK) {
        status = model_prepare(model, stream, &where, &context, w->diag);
    }
    if (status != DIFFCUT_OK) {
        goto cleanup;
    }
    const unet_input input = {
        .noisy = noisy.data, .h = noisy.h, .w = noisy.w, .timestep = timestep, .context = context};
    work user = *w; /* the tap's user pointer is not const */
    status =
        unet_encode(model->network, stream, w, &input, &where, work_dumps(w) ? dump_module : NULL, &user, &result);
    if (status != DIFFCUT_OK) {
        goto cleanup;
    }
    dump_grid(w, "features", result.data, result.h, result.w, result.c);
    *features = result.data;
    *fh = result.h;
    *fw = result.w;
    *fc = result.c;
cleanup:
    mem_free(noisy.data);
    return status;
}

/* encoder_features.c - see encoder_features.h. */
#include "nn/encoder_features.h"

#include "core/memory.h"
#include "model/hooks.h"
#include "model/model.h"

#include <stdio.h>

/* A setting that has no meaning here and was changed all the same; NULL when there is none. */
static const char *unused_setting(const diffcut_settings *settings) {
    diffcut_settings usual;
    diffcut_settings_init(&usual, NULL);
    if (settings->timestep_count != 1 || settings->timesteps[0] != 0) {
        return "timesteps";
    }
    if (settings->noise != usual.noise || settings->seed != usual.seed) {
        return settings->noise != usual.noise ? "noise" : "seed";
    }
    if (settings->average != usual.average) {
        return "average";
    }
    if (settings->prompt != NULL && settings->prompt[0] != '\0') {
        return "prompt";
    }
    return settings->tile != usual.tile ? "tile" : NULL;
}

diffcut_status encoder_features_check(const diffcut_model *model, const diffcut_settings *settings,
                                      encoder_output *out, diffcut_diagnostics *diag) {
    const char *unused = unused_setting(settings);
    if (unused != NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "%s: %s is an image encoder (%s), which has no noise, text or first stage; leave it as "
                         "diffcut_settings_init sets it for the model",
                         unused, model->settings.name, model->encoder->image.kind);
    }
    return hooks_find(model->encoder, settings->hook, out, diag);
}

static void dump_grid(const work *w, const char *name, const float *data, uint32_t h, uint32_t width, uint32_t c) {
    const size_t shape[3] = {h, width, c};
    work_dump(w, name, data, shape, 3);
}

static diffcut_status dump_module(void *user, const char *module, const float *data, uint32_t h, uint32_t w,
                                  uint32_t c) {
    char name[160];
    (void)snprintf(name, sizeof name, "encoder.%s", module);
    dump_grid(user, name, data, h, w, c);
    return DIFFCUT_OK;
}

diffcut_status encoder_features(const diffcut_model *model, backend_stream *stream, const work *w,
                                const float *pixels, uint32_t height, uint32_t width, encoder_output wanted,
                                encoder_map *out) {
    work here = *w;
    bool dumps = work_dumps(w);
    diffcut_status status = work_progress(w, 0.0);
    if (status == DIFFCUT_OK) {
        status = model_prepare_encoder(model, w, false);
    }
    if (status == DIFFCUT_OK) {
        dump_grid(w, "image", pixels, height, width, 3);
        status = image_encoder_run(&model->encoder->image, stream, w, pixels, height, width, true, wanted,
                                   dumps ? dump_module : NULL, &here, out);
    }
    if (status == DIFFCUT_OK) {
        dump_grid(w, "features", out->data, out->h, out->w, out->c);
        status = work_progress(w, 1.0);
        if (status != DIFFCUT_OK) {
            mem_free(out->data);
        }
    }
    return status;
}

uint64_t encoder_features_planned(const diffcut_model *model, uint32_t height, uint32_t width) {
    return sizeof(float) * (uint64_t)image_encoder_planned(&model->encoder->image, height, width);
}

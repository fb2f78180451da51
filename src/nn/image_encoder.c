/* image_encoder.c - see image_encoder.h. */
#include "nn/image_encoder.h"

#include "core/memory.h"

#include <string.h>

/* What the families' own preprocessing normalises with, where a checkpoint does not say: ImageNet's statistics
 * (DINO, DINOv2), OpenAI's (CLIP), a half (SigLIP). */
static const double means[][3] = {[VIT_DINOV2] = {0.485, 0.456, 0.406},
                                  [VIT_PLAIN] = {0.485, 0.456, 0.406},
                                  [VIT_CLIP] = {0.48145466, 0.4578275, 0.40821073},
                                  [VIT_SIGLIP] = {0.5, 0.5, 0.5}};
static const double deviations[][3] = {[VIT_DINOV2] = {0.229, 0.224, 0.225},
                                       [VIT_PLAIN] = {0.229, 0.224, 0.225},
                                       [VIT_CLIP] = {0.26862954, 0.26130258, 0.27577711},
                                       [VIT_SIGLIP] = {0.5, 0.5, 0.5}};

static void keep_normalisation(image_encoder *self, const double mean[3], const double deviation[3]) {
    for (size_t i = 0; i < 3; i++) {
        self->mean[i] = (float)mean[i];
        self->deviation[i] = (float)deviation[i];
    }
}

/* image_mean and image_std; do_normalize false leaves pixels in [0, 1]. */
static diffcut_status read_preprocessor(image_encoder *self, json_view view, vit_family family,
                                        diffcut_diagnostics *diag) {
    double mean[3];
    double deviation[3];
    bool normalize = true;
    diffcut_status status = DIFFCUT_OK;
    memcpy(mean, means[family], sizeof mean);
    memcpy(deviation, deviations[family], sizeof deviation);
    if (view.node != NULL) {
        status = json_get_reals(view, "image_mean", -10.0, 10.0, 3, mean, diag);
        if (status == DIFFCUT_OK) {
            status = json_get_reals(view, "image_std", 1e-6, 100.0, 3, deviation, diag);
        }
        if (status == DIFFCUT_OK) {
            status = json_get_flag(view, "do_normalize", true, &normalize, diag);
        }
    }
    for (size_t i = 0; i < 3 && !normalize; i++) {
        mean[i] = 0.0;
        deviation[i] = 1.0;
    }
    keep_normalisation(self, mean, deviation);
    return status;
}

/* A ViT of this configuration, and its head where the checkpoint has one. */
static diffcut_status open_vit(backend *target, const checkpoint *source, const vit_config *config,
                               image_encoder *self, diffcut_diagnostics *diag) {
    self->kind = vit_family_name(config->family);
    self->image_size = config->image_size;
    self->stride = config->patch_size;
    self->channels = config->width;
    self->has_head = config->family == VIT_CLIP &&
                     image_head_clip(target, source, config->width, config->projected, config->eps, &self->head);
    return vit_open(target, source, config, &self->vit, diag);
}

diffcut_status image_encoder_open(backend *target, const checkpoint *source, json_view config, json_view preprocessor,
                                  image_encoder *out, diffcut_diagnostics *diag) {
    vit_config form;
    image_encoder self = {.kind = NULL};
    diffcut_status status = vit_config_read(config, &form, diag);
    if (status == DIFFCUT_OK) {
        status = read_preprocessor(&self, preprocessor, form.family, diag);
    }
    if (status == DIFFCUT_OK) {
        status = open_vit(target, source, &form, &self, diag);
    }
    if (status == DIFFCUT_OK) {
        *out = self;
    }
    return status;
}

diffcut_status image_encoder_open_clip(backend *target, const checkpoint *source, const open_clip_config *config,
                                       image_encoder *out, diffcut_diagnostics *diag) {
    image_encoder self = {.kind = "convnext", .image_size = config->image_size};
    diffcut_status status;
    keep_normalisation(&self, config->mean, config->deviation);
    if (!config->timm) {
        status = open_vit(target, source, &config->vit, &self, diag);
    } else {
        status = convnext_open(target, source, config->trunk_eps, &self.trunk, diag);
        if (status == DIFFCUT_OK) {
            self.stride = convnext_stride(self.trunk);
            self.channels = convnext_channels(self.trunk);
            self.has_head = true;
            status = image_head_timm(target, source, self.channels, config->embedding, config->trunk_eps,
                                     config->head, &self.head, diag);
        }
    }
    if (status != DIFFCUT_OK) {
        image_encoder_close(&self);
        return status;
    }
    *out = self;
    return DIFFCUT_OK;
}

void image_encoder_close(image_encoder *self) {
    image_head_close(&self->head);
    convnext_close(self->trunk);
    vit_close(self->vit);
}

void image_encoder_set_precision(image_encoder *self, dtype precision) {
    if (self->vit != NULL) {
        vit_set_precision(self->vit, precision);
    } else {
        convnext_set_precision(self->trunk, precision);
    }
}

diffcut_status image_encoder_visit(const image_encoder *self, weight_visit_fn visit, void *user) {
    diffcut_status status =
        self->vit != NULL ? vit_visit(self->vit, visit, user) : convnext_visit(self->trunk, visit, user);
    if (status == DIFFCUT_OK && self->has_head) {
        status = image_head_visit(&self->head, visit, user);
    }
    return status;
}

diffcut_status image_encoder_prepare(image_encoder *self, bool head, diffcut_diagnostics *diag) {
    diffcut_status status = self->vit != NULL ? vit_prepare(self->vit, diag) : convnext_prepare(self->trunk, diag);
    return status == DIFFCUT_OK && head ? image_head_prepare(&self->head, diag) : status;
}

double image_encoder_planned(const image_encoder *self, uint32_t h, uint32_t w) {
    return self->vit != NULL ? vit_planned(self->vit, h, w) : convnext_planned(self->trunk, h, w);
}

diffcut_status image_encoder_run(const image_encoder *self, backend_stream *stream, const work *w,
                                 const float *pixels, uint32_t height, uint32_t width, bool normalize,
                                 encoder_output wanted, layer_tap_fn tap, void *tap_user, encoder_map *out) {
    size_t count = (size_t)height * width * 3; /* the pixels are in memory */
    float *normal = NULL;
    encoder_input input = {.pixels = pixels, .h = height, .w = width};
    if (normalize) {
        normal = mem_array(count, sizeof *normal);
        if (normal == NULL) {
            return diag_no_memory(w->diag, count * sizeof *normal, "the normalised image");
        }
        for (size_t i = 0; i < count; i++) {
            normal[i] = (pixels[i] - self->mean[i % 3]) / self->deviation[i % 3];
        }
        input.pixels = normal;
    }
    diffcut_status status = self->vit != NULL
                                ? vit_run(self->vit, stream, w, &input, wanted, tap, tap_user, out)
                                : convnext_run(self->trunk, stream, w, &input, wanted, tap, tap_user, out);
    mem_free(normal);
    return status;
}

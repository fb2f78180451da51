/* first_stage.c - see first_stage.h. */
#include "nn/first_stage.h"

#include "core/memory.h"

/* One row of the latent. */
static void unshuffle_row(const float *image, size_t y, size_t latent_width, size_t factor, float *row) {
    size_t width = latent_width * factor;
    for (size_t x = 0; x < latent_width; x++) {
        for (size_t dy = 0; dy < factor; dy++) {
            for (size_t dx = 0; dx < factor; dx++) {
                const float *pixel = image + ((y * factor + dy) * width + x * factor + dx) * 3;
                for (size_t c = 0; c < 3; c++) {
                    row[x * 3 * factor * factor + (c * factor + dy) * factor + dx] = 2.0F * pixel[c] - 1.0F;
                }
            }
        }
    }
}

struct first_stage {
    const model_settings *settings;
};

diffcut_status first_stage_open(backend *target, const model_settings *settings, const checkpoint *source,
                                first_stage **out, diffcut_diagnostics *diag) {
    (void)target;
    (void)source;
    first_stage *self = mem_array_zero(1, sizeof *self);
    if (self == NULL) {
        return diag_no_memory(diag, sizeof *self, "a first stage");
    }
    self->settings = settings;
    *out = self;
    return DIFFCUT_OK;
}

void first_stage_close(first_stage *self) {
    mem_free(self);
}

diffcut_status first_stage_visit(const first_stage *self, weight_visit_fn visit, void *user) {
    (void)self;
    (void)visit;
    (void)user;
    return DIFFCUT_OK;
}

diffcut_status first_stage_prepare(first_stage *self, diffcut_diagnostics *diag) {
    (void)self;
    (void)diag;
    return DIFFCUT_OK;
}

diffcut_status first_stage_encode(const first_stage *self, backend_stream *stream, const work *w, const float *image,
                                  uint32_t height, uint32_t width, uint32_t tile, layer_tap_fn tap, void *tap_user,
                                  float **latent, uint32_t *lh, uint32_t *lw, uint32_t *lc) {
    const model_settings *settings = self->settings;
    (void)stream;
    (void)tile;
    (void)tap;
    (void)tap_user;
    if (settings->first_stage != FIRST_STAGE_PIXEL_UNSHUFFLE) {
        return diag_fail(w->diag, DIFFCUT_ERROR_UNSUPPORTED,
                         "this version has the pixel_unshuffle first stage only; this model's is %s",
                         first_stage_name(settings->first_stage));
    }
    uint32_t factor = settings->factor;
    if (height == 0 || width == 0 || height % factor != 0 || width % factor != 0) {
        return diag_fail(w->diag, DIFFCUT_ERROR_ARGUMENT, "a %ux%u input: both sides must be multiples of %u pixels",
                         width, height, factor);
    }
    size_t elements;
    float *out = NULL;
    if (mem_mul(height, width, &elements) && mem_mul(elements, 3, &elements)) {
        out = mem_array(elements, sizeof *out);
    }
    if (out == NULL) {
        return diag_fail(w->diag, DIFFCUT_ERROR_MEMORY, "no memory for the latent of a %ux%u input", width, height);
    }
    size_t rows = height / factor;
    for (size_t y = 0; y < rows; y++) {
        unshuffle_row(image, y, width / factor, factor, out + y * width * 3 * factor);
    }
    *latent = out;
    *lh = height / factor;
    *lw = width / factor;
    *lc = 3 * factor * factor;
    return DIFFCUT_OK;
}

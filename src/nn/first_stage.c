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

diffcut_status first_stage_encode(const model_settings *settings, const work *w, const float *image, uint32_t height,
                                  uint32_t width, float **latent, uint32_t *lh, uint32_t *lw, uint32_t *lc) {
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

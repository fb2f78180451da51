/* first_stage.c - see first_stage.h. */
#include "nn/first_stage.h"

#include "core/memory.h"
#include "nn/autoencoder.h"
#include "nn/pixel_unshuffle.h"
#include "nn/tiles.h"

#include <math.h>
#include <string.h>

#define LEAST_TILE 8 /* latent positions */

struct first_stage {
    first_stage_kind kind;
    uint32_t factor;
    uint32_t channels;
    autoencoder *network; /* NULL: pixel_unshuffle */
};

/* ------------------------------------------------------------------------------------------------- opening */

/* The kind that vae/config.json is of, which what diffcut.json declares must not contradict. */
static diffcut_status read_kind(json_view config, first_stage_kind declared, first_stage_kind *out,
                                diffcut_diagnostics *diag) {
    const char *name;
    diffcut_status status = json_get_text(config, "_class_name", true, NULL, 64, &name, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    static const first_stage_kind kinds[] = {FIRST_STAGE_AUTOENCODER_KL, FIRST_STAGE_AUTOENCODER_TINY};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(name, first_stage_name(kinds[i])) != 0) {
            continue;
        }
        if (declared != FIRST_STAGE_OWN && declared != kinds[i]) {
            return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                             "%s: _class_name is %s, but diffcut.json has first_stage.type %s", config.file, name,
                             first_stage_name(declared));
        }
        *out = kinds[i];
        return DIFFCUT_OK;
    }
    return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                     "%s: _class_name \"%s\" is not supported; AutoencoderKL and AutoencoderTiny are", config.file,
                     name);
}

static diffcut_status read_plan(const checkpoint *source, first_stage_kind declared, first_stage_kind *kind,
                                autoencoder_plan *plan, diffcut_diagnostics *diag) {
    json_document document;
    diffcut_status status = checkpoint_json(source, AUTOENCODER_CONFIG, &document, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    status = read_kind(document.root, declared, kind, diag);
    if (status == DIFFCUT_OK) {
        status = *kind == FIRST_STAGE_AUTOENCODER_KL ? autoencoder_kl_plan(document.root, plan, diag)
                                                     : autoencoder_tiny_plan(document.root, plan, diag);
    }
    json_document_free(&document);
    return status;
}

/* The latent is of the kind that the network takes. */
static diffcut_status check_fit(const first_stage *self, const autoencoder_plan *plan, diffcut_diagnostics *diag) {
    const char *name = first_stage_name(self->kind);
    if (plan->latent_channels != self->channels) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                         AUTOENCODER_CONFIG
                         ": this %s has latents of %u channels, unet/config.json has in_channels %u",
                         name, plan->latent_channels, self->channels);
    }
    if (plan->factor != self->factor) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                         AUTOENCODER_CONFIG
                         ": this %s makes latents %u times smaller than the picture; the model takes "
                         "them %u times smaller",
                         name, plan->factor, self->factor);
    }
    return DIFFCUT_OK;
}

static diffcut_status open_autoencoder(first_stage *self, backend *target, first_stage_kind declared,
                                       checkpoint *source, diffcut_diagnostics *diag) {
    autoencoder_plan plan;
    diffcut_status status = read_plan(source, declared, &self->kind, &plan, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    status = check_fit(self, &plan, diag);
    if (status != DIFFCUT_OK) {
        autoencoder_plan_free(&plan);
        return status;
    }
    status = autoencoder_open(target, source, &plan, &self->network, diag);
    return status == DIFFCUT_OK ? checkpoint_require(source, AUTOENCODER_COMPONENT, diag) : status;
}

diffcut_status first_stage_open(backend *target, const first_stage_wanted *wanted, checkpoint *source,
                                first_stage **out, diffcut_diagnostics *diag) {
    first_stage *self = mem_array_zero(1, sizeof *self);
    if (self == NULL) {
        return diag_no_memory(diag, sizeof *self, "a first stage");
    }
    self->factor = wanted->factor;
    self->channels = wanted->channels;
    if (wanted->kind == FIRST_STAGE_PIXEL_UNSHUFFLE) { /* model/settings has checked that the channels fit */
        self->kind = wanted->kind;
        *out = self;
        return DIFFCUT_OK;
    }
    diffcut_status status = open_autoencoder(self, target, wanted->kind, source, diag);
    if (status != DIFFCUT_OK) {
        first_stage_close(self);
        return status;
    }
    *out = self;
    return DIFFCUT_OK;
}

void first_stage_close(first_stage *self) {
    if (self != NULL) {
        autoencoder_close(self->network);
        mem_free(self);
    }
}

first_stage_kind first_stage_get_kind(const first_stage *self) {
    return self->kind;
}

double first_stage_runs(const first_stage *self) {
    switch (self->kind) { /* at 1024 x 1024 they take 4.9 and 0.5 TFLOP, SSD-1B's UNet 1.28 */
    case FIRST_STAGE_AUTOENCODER_KL:
        return 4.0;
    case FIRST_STAGE_AUTOENCODER_TINY:
        return 0.4;
    case FIRST_STAGE_PIXEL_UNSHUFFLE:
    case FIRST_STAGE_OWN:
        break;
    }
    return 0.0;
}

diffcut_status first_stage_visit(const first_stage *self, weight_visit_fn visit, void *user) {
    return self->network != NULL ? autoencoder_visit(self->network, visit, user) : DIFFCUT_OK;
}

diffcut_status first_stage_prepare(first_stage *self, diffcut_diagnostics *diag) {
    return self->network != NULL ? autoencoder_prepare(self->network, diag) : DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- tiles */

/* One picture on its way to its latent. */
typedef struct encoding {
    const first_stage *stage;
    backend_stream *stream;
    const work *work;
    const float *image;
    uint32_t height, width; /* of the image */
    uint32_t h, w;          /* of the latent */
    tile_axis rows, columns;
    layer_tap_fn tap;
    void *tap_user;
} encoding;

static bool is_whole(const encoding *e) {
    return e->rows.count == 1 && e->columns.count == 1;
}

/* latent += tile's latent, weighted. */
static void blend(const encoding *e, uint32_t row, uint32_t column, const float *part, float *latent) {
    uint32_t c = e->stage->channels;
    uint32_t top = tile_axis_start(&e->rows, row);
    uint32_t left = tile_axis_start(&e->columns, column);
    for (uint32_t y = 0; y < e->rows.side; y++) {
        float across = tile_axis_weight(&e->rows, row, top + y);
        for (uint32_t x = 0; x < e->columns.side; x++) {
            float weight = across * tile_axis_weight(&e->columns, column, left + x);
            const float *from = part + ((size_t)y * e->columns.side + x) * c;
            float *to = latent + ((size_t)(top + y) * e->w + left + x) * c;
            for (uint32_t i = 0; i < c; i++) {
                to[i] += weight * from[i];
            }
        }
    }
}

static diffcut_status encode_tile(const encoding *e, const work *w, uint32_t row, uint32_t column, layer_tap_fn tap,
                                  void *tap_user, float *latent) {
    uint32_t factor = e->stage->factor;
    size_t top = (size_t)tile_axis_start(&e->rows, row) * factor;
    size_t left = (size_t)tile_axis_start(&e->columns, column) * factor;
    return autoencoder_encode(e->stage->network, e->stream, w,
                              e->image + (top * e->width + left) * AUTOENCODER_COLOURS, e->width,
                              e->rows.side * factor, e->columns.side * factor, tap, tap_user, latent);
}

/* latent comes in as zeros. */
static diffcut_status encode_tiles(const encoding *e, float *latent) {
    size_t elements = (size_t)e->rows.side * e->columns.side * e->stage->channels; /* less than the latent's */
    float *part = mem_array(elements, sizeof *part);
    if (part == NULL) {
        return diag_no_memory(e->work->diag, elements * sizeof *part, "a tile's latent");
    }
    double tiles = (double)e->rows.count * e->columns.count;
    diffcut_status status = DIFFCUT_OK;
    for (uint32_t row = 0; row < e->rows.count && status == DIFFCUT_OK; row++) {
        for (uint32_t column = 0; column < e->columns.count && status == DIFFCUT_OK; column++) {
            double index = (double)row * e->columns.count + column;
            work w = work_part(e->work, index / tiles, (index + 1.0) / tiles);
            status = encode_tile(e, &w, row, column, NULL, NULL, part);
            if (status == DIFFCUT_OK) {
                blend(e, row, column, part, latent);
            }
        }
    }
    mem_free(part);
    return status;
}

/* ------------------------------------------------------------------------------------------------- not finite */

static bool all_finite(const float *data, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(data[i])) {
            return false;
        }
    }
    return true;
}

/* A tap that stops at the first output that is not finite, with the message. */
static diffcut_status find_not_finite(void *user, const char *module, const float *data, uint32_t h, uint32_t w,
                                      uint32_t c) {
    if (all_finite(data, (size_t)h * w * c)) {
        return DIFFCUT_OK;
    }
    return diag_fail(user, DIFFCUT_ERROR_NUMERIC, "the latent holds NaN or infinity, first made by vae module %s",
                     module);
}

/* Runs it once more, tile by tile, and looks at every module's output. latent serves as scratch. */
static diffcut_status explain_not_finite(const encoding *e, float *latent) {
    if (!all_finite(e->image, (size_t)e->height * e->width * AUTOENCODER_COLOURS)) {
        return diag_fail(e->work->diag, DIFFCUT_ERROR_NUMERIC, "the first stage's input holds NaN or infinity");
    }
    work quiet = *e->work; /* progress has been told once */
    quiet.progress = NULL;
    for (uint32_t row = 0; row < e->rows.count; row++) {
        for (uint32_t column = 0; column < e->columns.count; column++) {
            diffcut_status status = encode_tile(e, &quiet, row, column, find_not_finite, e->work->diag, latent);
            if (status != DIFFCUT_OK) {
                return status;
            }
        }
    }
    return diag_fail(e->work->diag, DIFFCUT_ERROR_NUMERIC, "the latent holds NaN or infinity");
}

/* ------------------------------------------------------------------------------------------------- encoding */

/* Positions of a tile's side; 0: no tiles. */
static uint32_t tile_positions(uint32_t tile, uint32_t factor) {
    uint32_t positions = tile / factor;
    return tile == 0 ? UINT32_MAX : positions < LEAST_TILE ? LEAST_TILE : positions;
}

double first_stage_planned(const first_stage *self, uint32_t height, uint32_t width, uint32_t tile) {
    if (self->network == NULL) {
        return 0.0;
    }
    uint32_t positions = tile_positions(tile, self->factor);
    const tile_axis rows = tile_axis_plan(height / self->factor, positions);
    const tile_axis columns = tile_axis_plan(width / self->factor, positions);
    return autoencoder_planned(self->network, rows.side * self->factor, columns.side * self->factor);
}

static diffcut_status encode_network(const encoding *e, float *latent) {
    size_t elements = (size_t)e->h * e->w * e->stage->channels;
    diffcut_status status =
        is_whole(e) ? encode_tile(e, e->work, 0, 0, e->tap, e->tap_user, latent) : encode_tiles(e, latent);
    if (status == DIFFCUT_OK && !all_finite(latent, elements)) {
        status = explain_not_finite(e, latent);
    }
    return status;
}

diffcut_status first_stage_encode(const first_stage *self, backend_stream *stream, const work *w, const float *image,
                                  uint32_t height, uint32_t width, uint32_t tile, layer_tap_fn tap, void *tap_user,
                                  float **latent, uint32_t *lh, uint32_t *lw, uint32_t *lc) {
    uint32_t factor = self->factor;
    if (height == 0 || width == 0 || height % factor != 0 || width % factor != 0) {
        return diag_fail(w->diag, DIFFCUT_ERROR_ARGUMENT, "a %ux%u input: both sides must be multiples of %u pixels",
                         width, height, factor);
    }
    uint32_t h = height / factor;
    uint32_t width_out = width / factor;
    size_t elements;
    float *out = NULL;
    if (mem_mul(h, width_out, &elements) && mem_mul(elements, self->channels, &elements)) {
        out = mem_array_zero(elements, sizeof *out);
    }
    if (out == NULL) {
        return diag_fail(w->diag, DIFFCUT_ERROR_MEMORY, "no memory for the latent of a %ux%u input", width, height);
    }
    if (self->network == NULL) {
        pixel_unshuffle(image, height, width, factor, out);
    } else {
        uint32_t positions = tile_positions(tile, factor);
        const encoding e = {.stage = self,
                            .stream = stream,
                            .work = w,
                            .image = image,
                            .height = height,
                            .width = width,
                            .h = h,
                            .w = width_out,
                            .rows = tile_axis_plan(h, positions),
                            .columns = tile_axis_plan(width_out, positions),
                            .tap = tap,
                            .tap_user = tap_user};
        diffcut_status status = encode_network(&e, out);
        if (status != DIFFCUT_OK) {
            mem_free(out);
            return status;
        }
    }
    *latent = out;
    *lh = h;
    *lw = width_out;
    *lc = self->channels;
    return DIFFCUT_OK;
}

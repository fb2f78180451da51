/*
 * encoder.c - the public functions of encoder.h: texts, images, segments and positions in the space of a CLIP.
 *
 * Each checks its arguments, makes the stage's `work` from the session and puts together what model/text_tower and
 * nn/image_encoder compute.
 */
#include "core/finite.h"
#include "core/memory.h"
#include "io/resize.h"
#include "model/model.h"
#include "pipeline.h"
#include "segment/features.h"
#include "session.h"

#include <math.h>
#include <string.h>

#define PAPER_SIZE 1024 /* a convolutional trunk's input in the paper's open-vocabulary evaluation */

/* ------------------------------------------------------------------------------------------------- what it is */

bool diffcut_model_get_encoder_info(const diffcut_model *model, diffcut_encoder_info *info) {
    if (model == NULL || info == NULL || model->encoder == NULL) {
        return false;
    }
    const image_encoder *image = &model->encoder->image;
    const text_tower *text = &model->encoder->text;
    *info = (diffcut_encoder_info){.kind = image->kind,
                                   .image_size = image->image_size,
                                   .stride = image->stride,
                                   .channels = image->channels,
                                   .embedding = image->has_head ? image->head.embedding : 0,
                                   .has_text = text->present,
                                   .has_tokenizer = text->present && text->has_files,
                                   .text_length = text->present ? text->network.config.positions : 0,
                                   .logit_scale = model->encoder->logit_scale};
    memcpy(info->mean, image->mean, sizeof info->mean);
    memcpy(info->deviation, image->deviation, sizeof info->deviation);
    return true;
}

void diffcut_encoder_settings_init(diffcut_encoder_settings *settings, const diffcut_model *model) {
    if (settings == NULL) {
        return;
    }
    *settings = (diffcut_encoder_settings){.size_mode = DIFFCUT_SIZE_SQUARE,
                                           .size = PAPER_SIZE,
                                           .resample = DIFFCUT_RESAMPLE_ANTIALIAS,
                                           .normalize = true};
    if (model != NULL && model->encoder != NULL && model->encoder->image.vit != NULL) {
        settings->size = model->encoder->image.image_size;
    }
}

/* ------------------------------------------------------------------------------------------------- arguments */

static diffcut_status check_session(const diffcut_session *session, const void *out, diffcut_diagnostics *diag) {
    if (out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "out is NULL");
    }
    if (session->model == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "the session was opened without a model");
    }
    if (session->model->encoder == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                         "%s is a diffusion model: it has no space that images and texts share",
                         session->model->settings.name);
    }
    return DIFFCUT_OK;
}

static diffcut_status check_head(const diffcut_session *session, diffcut_diagnostics *diag) {
    const image_encoder *image = &session->model->encoder->image;
    return image->has_head
               ? DIFFCUT_OK
               : diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                           "%s is an image encoder (%s) without a projection into a space that images and "
                           "texts share",
                           session->model->settings.name, image->kind);
}

/* The input's size by the settings' own rules, which are those of diffcut_settings. */
static diffcut_status choose_size(const diffcut_session *session, const diffcut_image *image,
                                  const diffcut_encoder_settings *settings, uint32_t *width, uint32_t *height,
                                  diffcut_diagnostics *diag) {
    uint32_t stride = session->model->encoder->image.stride;
    diffcut_settings general;
    diffcut_settings_init(&general, NULL);
    general.size_mode = settings->size_mode;
    general.size = settings->size;
    general.size_width = settings->size_width;
    general.size_height = settings->size_height;
    general.resample = settings->resample;
    diffcut_status status = diffcut_settings_check(&general, diag);
    if (status == DIFFCUT_OK) {
        status = pipeline_input_size(image, &general, stride, stride, width, height, diag);
    }
    return status;
}

static diffcut_status check_image(const diffcut_image *image, diffcut_diagnostics *diag) {
    if (image == NULL || image->rgb == NULL || image->width == 0 || image->height == 0) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "the image is empty");
    }
    return DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- vectors */

/* Brings vectors (count, width) to length 1; one of zeros stays. */
static void normalize(float *vectors, size_t count, size_t width) {
    for (size_t i = 0; i < count; i++) {
        float *vector = vectors + i * width;
        double square = 0.0;
        for (size_t c = 0; c < width; c++) {
            square += (double)vector[c] * (double)vector[c];
        }
        double factor = square > 0.0 ? 1.0 / sqrt(square) : 0.0;
        for (size_t c = 0; c < width; c++) {
            vector[c] = (float)((double)vector[c] * factor);
        }
    }
}

/* Memory for count vectors of the shared space. */
static diffcut_status take_vectors(size_t count, size_t width, float **out, diffcut_diagnostics *diag) {
    size_t elements;
    *out = mem_mul(count, width, &elements) ? mem_array(elements, sizeof **out) : NULL;
    return *out != NULL ? DIFFCUT_OK : diag_no_memory(diag, count * width * sizeof **out, "vectors");
}

/* vectors (count, channels) through the head: out (count, embedding). */
static diffcut_status project(const work *w, const diffcut_session *session, const float *vectors, size_t count,
                              float *out) {
    const image_head *head = &session->model->encoder->image.head;
    diffcut_status status = image_head_run(head, session->stream, w, vectors, (uint32_t)count, NULL, NULL, out);
    if (status == DIFFCUT_OK && finite_first_bad(DTYPE_F32, out, count * head->embedding) < count * head->embedding) {
        status = diag_fail(w->diag, DIFFCUT_ERROR_NUMERIC, "the image's embedding holds NaN or infinity");
    }
    return status;
}

/* An image, resized and encoded; *map is freed by the caller with mem_free. */
static diffcut_status encode_image(const work *w, const diffcut_session *session, const diffcut_image *image,
                                   const diffcut_encoder_settings *settings, encoder_output wanted,
                                   encoder_map *map) {
    diffcut_encoder_settings usual;
    uint32_t width;
    uint32_t height;
    diffcut_encoder_settings_init(&usual, session->model);
    settings = settings != NULL ? settings : &usual;
    diffcut_status status = choose_size(session, image, settings, &width, &height, w->diag);
    if (status == DIFFCUT_OK) {
        status = work_progress(w, 0.0);
    }
    if (status == DIFFCUT_OK) {
        status = model_prepare_encoder(session->model, w, true);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    float *pixels = mem_array((size_t)width * height, 3 * sizeof *pixels);
    if (pixels == NULL) {
        return diag_no_memory(w->diag, (size_t)width * height * 3 * sizeof *pixels, "the resized photo");
    }
    status = resize_image(w, image, width, height, settings->resample, pixels);
    if (status == DIFFCUT_OK) {
        status = image_encoder_run(&session->model->encoder->image, session->stream, w, pixels, height, width,
                                   settings->normalize, wanted, NULL, NULL, map);
    }
    mem_free(pixels);
    return status;
}

/* ------------------------------------------------------------------------------------------------- texts */

static diffcut_status check_texts(const char *const *texts, size_t count, diffcut_diagnostics *diag) {
    if (count > DIFFCUT_MAX_TEXTS || (texts == NULL && count > 0)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "%zu texts; 0 .. %d can be given", count, DIFFCUT_MAX_TEXTS);
    }
    for (size_t i = 0; i < count; i++) {
        if (texts[i] == NULL) {
            return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "text %zu is NULL", i + 1);
        }
    }
    return DIFFCUT_OK;
}

static diffcut_status embed_texts(const work *w, const diffcut_session *session, const char *const *texts,
                                  size_t count, float *out, bool *truncated) {
    const text_tower *text = &session->model->encoder->text;
    size_t width = text->network.config.projected;
    size_t cut;
    float *made;
    diffcut_status status = take_vectors(count, width, &made, w->diag);
    if (status == DIFFCUT_OK) {
        status =
            text_tower_encode(text, session->model->backend, session->stream, w, texts, count, made, truncated, &cut);
    }
    if (status == DIFFCUT_OK) {
        normalize(made, count, width);
        memcpy(out, made, count * width * sizeof *out);
        if (cut > 0) {
            work_note(w, "%zu of %zu texts were cut to %u tokens, their start and end included", cut, count,
                      text->words_config.length);
        }
    }
    mem_free(made);
    return status;
}

diffcut_status diffcut_text_embed(diffcut_session *session, const char *const *texts, size_t count, float *out,
                                  bool *truncated) {
    if (session == NULL) {
        return DIFFCUT_ERROR_ARGUMENT;
    }
    work w = session_begin(session, DIFFCUT_STAGE_FEATURES);
    diffcut_status status = check_session(session, out, w.diag);
    if (status == DIFFCUT_OK) {
        status = check_texts(texts, count, w.diag);
    }
    if (status == DIFFCUT_OK) {
        status = model_prepare_words(session->model, &w);
    }
    if (status == DIFFCUT_OK && count > 0) {
        status = embed_texts(&w, session, texts, count, out, truncated);
    }
    return session_end(&w, status);
}

/* ------------------------------------------------------------------------------------------------- images */

static diffcut_status embed_image(const work *w, const diffcut_session *session, const diffcut_image *image,
                                  const diffcut_encoder_settings *settings, float *out) {
    size_t width = session->model->encoder->image.head.embedding;
    encoder_map map = {.data = NULL};
    float *made = NULL;
    diffcut_status status = encode_image(w, session, image, settings, ENCODER_POOLED, &map);
    if (status == DIFFCUT_OK) {
        status = take_vectors(1, width, &made, w->diag);
    }
    if (status == DIFFCUT_OK) {
        status = project(w, session, map.data, 1, made);
    }
    if (status == DIFFCUT_OK) {
        normalize(made, 1, width);
        memcpy(out, made, width * sizeof *out);
    }
    mem_free(made);
    mem_free(map.data);
    return status;
}

/* What the calls with an image check. */
static diffcut_status check_image_call(const diffcut_session *session, const diffcut_image *image, const void *out,
                                       diffcut_diagnostics *diag) {
    diffcut_status status = check_session(session, out, diag);
    if (status == DIFFCUT_OK) {
        status = check_head(session, diag);
    }
    return status == DIFFCUT_OK ? check_image(image, diag) : status;
}

diffcut_status diffcut_image_embed(diffcut_session *session, const diffcut_image *image,
                                   const diffcut_encoder_settings *settings, float *out) {
    if (session == NULL) {
        return DIFFCUT_ERROR_ARGUMENT;
    }
    work w = session_begin(session, DIFFCUT_STAGE_FEATURES);
    diffcut_status status = check_image_call(session, image, out, w.diag);
    if (status == DIFFCUT_OK) {
        status = embed_image(&w, session, image, settings, out);
    }
    return session_end(&w, status);
}

/* ------------------------------------------------------------------------------------------------- segments */

/* How much of pixel `pixel` of `pixels` along a side lies in cell `cell` of `cells`, as a part of the pixel. */
static double share(size_t pixel, size_t pixels, size_t cell, size_t cells) {
    double scale = (double)pixels / (double)cells;
    double from = fmax((double)pixel, (double)cell * scale);
    double to = fmin((double)pixel + 1.0, (double)(cell + 1) * scale);
    return to > from ? to - from : 0.0;
}

/* Cells that a pixel lies in: first .. end. */
static void cells_of(size_t pixel, size_t pixels, size_t cells, size_t *first, size_t *end) {
    *first = pixel * cells / pixels;
    *end = ((pixel + 1) * cells + pixels - 1) / pixels;
    *end = *end < cells ? *end : cells;
}

/* weights (labels, cells of the map): how much of each cell a segment covers, in pixels. */
static void weigh(const diffcut_labels *labels, const encoder_map *map, float *weights) {
    size_t cells = (size_t)map->h * map->w;
    for (size_t y = 0; y < labels->height; y++) {
        size_t top;
        size_t bottom;
        cells_of(y, labels->height, map->h, &top, &bottom);
        for (size_t x = 0; x < labels->width; x++) {
            size_t left;
            size_t right;
            cells_of(x, labels->width, map->w, &left, &right);
            float *row = weights + labels->data[y * labels->width + x] * cells;
            for (size_t j = top; j < bottom; j++) {
                double high = share(y, labels->height, j, map->h);
                for (size_t i = left; i < right; i++) {
                    row[j * map->w + i] += (float)(high * share(x, labels->width, i, map->w));
                }
            }
        }
    }
}

/* means (labels, c): of the map, by the weights of one segment after the other; occurs tells those that have any. */
static void average(const encoder_map *map, const float *weights, size_t labels, float *means, bool *occurs) {
    size_t cells = (size_t)map->h * map->w;
    for (size_t label = 0; label < labels; label++) {
        const float *row = weights + label * cells;
        float *mean = means + label * map->c;
        double total = 0.0;
        for (size_t i = 0; i < cells; i++) {
            total += (double)row[i];
        }
        memset(mean, 0, map->c * sizeof *mean);
        occurs[label] = total > 0.0;
        for (size_t i = 0; i < cells && occurs[label]; i++) {
            float part = (float)((double)row[i] / total);
            for (size_t c = 0; c < map->c && part > 0.0F; c++) {
                mean[c] += part * map->data[i * map->c + c];
            }
        }
    }
}

static diffcut_status check_labels(const diffcut_labels *labels, diffcut_diagnostics *diag) {
    if (labels == NULL || labels->data == NULL || labels->width == 0 || labels->height == 0 || labels->count == 0) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "the label map is empty");
    }
    for (size_t i = 0; i < (size_t)labels->width * labels->height; i++) {
        if (labels->data[i] >= labels->count) {
            return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "the label map has label %u, and %u labels",
                             labels->data[i], labels->count);
        }
    }
    return DIFFCUT_OK;
}

/* The segments' means through the head, to length 1; made is (count, embedding). */
static diffcut_status embed_means(const work *w, const diffcut_session *session, const encoder_map *map,
                                  const diffcut_labels *labels, float *made) {
    size_t width = session->model->encoder->image.head.embedding;
    size_t cells = (size_t)map->h * map->w;
    size_t elements;
    float *means = NULL;
    float *weights = mem_mul(labels->count, cells, &elements) ? mem_array_zero(elements, sizeof *weights) : NULL;
    bool *occurs = mem_array(labels->count, sizeof *occurs);
    diffcut_status status = take_vectors(labels->count, map->c, &means, w->diag);
    if (status == DIFFCUT_OK && (weights == NULL || occurs == NULL)) {
        status = diag_no_memory(w->diag, labels->count * cells * sizeof *weights, "the segments' weights");
    }
    if (status == DIFFCUT_OK) {
        weigh(labels, map, weights);
        average(map, weights, labels->count, means, occurs);
        status = project(w, session, means, labels->count, made);
    }
    if (status == DIFFCUT_OK) {
        normalize(made, labels->count, width);
        for (size_t i = 0; i < labels->count; i++) {
            if (!occurs[i]) {
                memset(made + i * width, 0, width * sizeof *made);
            }
        }
    }
    mem_free(occurs);
    mem_free(weights);
    mem_free(means);
    return status;
}

static diffcut_status embed_regions(const work *w, const diffcut_session *session, const diffcut_image *image,
                                    const diffcut_labels *labels, const diffcut_encoder_settings *settings,
                                    float *out) {
    size_t width = session->model->encoder->image.head.embedding;
    encoder_map map = {.data = NULL};
    float *made = NULL;
    diffcut_status status = encode_image(w, session, image, settings, ENCODER_DENSE, &map);
    if (status == DIFFCUT_OK) {
        status = take_vectors(labels->count, width, &made, w->diag);
    }
    if (status == DIFFCUT_OK) {
        status = embed_means(w, session, &map, labels, made);
    }
    if (status == DIFFCUT_OK) {
        memcpy(out, made, labels->count * width * sizeof *out);
    }
    mem_free(made);
    mem_free(map.data);
    return status;
}

diffcut_status diffcut_regions_embed(diffcut_session *session, const diffcut_image *image,
                                     const diffcut_labels *labels, const diffcut_encoder_settings *settings,
                                     float *out) {
    if (session == NULL) {
        return DIFFCUT_ERROR_ARGUMENT;
    }
    work w = session_begin(session, DIFFCUT_STAGE_FEATURES);
    diffcut_status status = check_image_call(session, image, out, w.diag);
    if (status == DIFFCUT_OK) {
        status = check_labels(labels, w.diag);
    }
    if (status == DIFFCUT_OK) {
        status = embed_regions(&w, session, image, labels, settings, out);
    }
    return session_end(&w, status);
}

/* ------------------------------------------------------------------------------------------------- positions */

static diffcut_status embed_positions(const work *w, const diffcut_session *session, const diffcut_image *image,
                                      const diffcut_encoder_settings *settings, diffcut_features **out) {
    uint32_t width = session->model->encoder->image.head.embedding;
    encoder_map map = {.data = NULL};
    float *made = NULL;
    diffcut_status status = encode_image(w, session, image, settings, ENCODER_DENSE, &map);
    size_t positions = (size_t)map.h * map.w;
    if (status == DIFFCUT_OK && positions > FEATURES_MAX_TOKENS) {
        status = diag_fail(w->diag, DIFFCUT_ERROR_LIMIT, "the dense map has %zu positions, features have at most %d",
                           positions, FEATURES_MAX_TOKENS);
    }
    if (status == DIFFCUT_OK) {
        status = take_vectors(positions, width, &made, w->diag);
    }
    if (status == DIFFCUT_OK) {
        status = project(w, session, map.data, positions, made);
    }
    if (status == DIFFCUT_OK) {
        status = diffcut_features_create(map.h, map.w, width, made, out, w->diag);
    }
    mem_free(made);
    mem_free(map.data);
    return status;
}

diffcut_status diffcut_dense_embed(diffcut_session *session, const diffcut_image *image,
                                   const diffcut_encoder_settings *settings, diffcut_features **out) {
    if (session == NULL) {
        return DIFFCUT_ERROR_ARGUMENT;
    }
    work w = session_begin(session, DIFFCUT_STAGE_FEATURES);
    diffcut_status status = check_image_call(session, image, out, w.diag);
    if (status == DIFFCUT_OK) {
        status = embed_positions(&w, session, image, settings, out);
    }
    return session_end(&w, status);
}

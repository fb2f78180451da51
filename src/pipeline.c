/*
 * pipeline.c - photos to features behind the public interface.
 *
 * Each public function checks its arguments, makes the stage's `work` from the session and calls the stage; no
 * arithmetic of the method is here. The stages: io/resize, nn/encode. From features on: pipeline_cut.c.
 */
#include "core/memory.h"
#include "io/resize.h"
#include "model/hooks.h"
#include "model/model.h"
#include "nn/encode.h"
#include "nn/encoder_features.h"
#include "nn/first_stage.h"
#include "nn/peak.h"
#include "pipeline.h"
#include "segment/features.h"
#include "session.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------- arguments */

diffcut_status pipeline_check_image(const diffcut_image *image, diffcut_diagnostics *diag) {
    if (image == NULL || image->rgb == NULL || image->width == 0 || image->height == 0) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "the image is empty");
    }
    return DIFFCUT_OK;
}

diffcut_status pipeline_check_output(const void *out, diffcut_diagnostics *diag) {
    return out != NULL ? DIFFCUT_OK : diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "out is NULL");
}

/* ------------------------------------------------------------------------------------------------- features */

static uint32_t round_to_multiple(double side, uint32_t multiple) {
    double units = floor(side / multiple + 0.5);
    return (uint32_t)(units < 1.0 ? 1.0 : units) * multiple;
}

/*
 * The network's input size for a photo. Sides are rounded to the nearest multiple of what the network divides by, and
 * the photo is resized to that, not padded: the shape changes by at most half a token a side, and no made-up pixels
 * enter the affinity, where they would become segments of their own and shift the min-max of the real ones. A size
 * asked for by its sides is taken as it is if the first stage can (a multiple of its factor): the network's halvings
 * then round up, and the last row and column of tokens see less than the others.
 */
diffcut_status pipeline_input_size(const diffcut_image *image, const diffcut_settings *settings, uint32_t multiple,
                                   uint32_t factor, uint32_t *width, uint32_t *height, diffcut_diagnostics *diag) {
    switch (settings->size_mode) {
    case DIFFCUT_SIZE_LONG_SIDE: {
        double scale = (double)settings->size / (image->width > image->height ? image->width : image->height);
        *width = round_to_multiple(image->width * scale, multiple);
        *height = round_to_multiple(image->height * scale, multiple);
        return DIFFCUT_OK;
    }
    case DIFFCUT_SIZE_SQUARE:
        *width = *height = round_to_multiple(settings->size, multiple);
        return DIFFCUT_OK;
    case DIFFCUT_SIZE_EXACT:
        *width = settings->size_width;
        *height = settings->size_height;
        break;
    case DIFFCUT_SIZE_NATIVE:
        *width = image->width;
        *height = image->height;
        break;
    }
    if (*width % factor != 0 || *height % factor != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "the network takes sides that are multiples of %u pixels, not %ux%u; nearest: %ux%u", factor,
                         *width, *height, round_to_multiple(*width, factor), round_to_multiple(*height, factor));
    }
    return DIFFCUT_OK;
}

/* A photo as the network gets it. */
typedef struct network_input {
    encode_request request; /* of a diffusion model */
    encoder_output output;  /* of an image encoder */
    float *pixels;          /* (height, width, 3) in [0, 1] */
    uint32_t width, height;
} network_input;

static diffcut_status check_tokens(uint32_t width, uint32_t height, uint32_t rows, uint32_t columns,
                                   diffcut_diagnostics *diag) {
    uint64_t tokens = (uint64_t)rows * columns;
    if (tokens > FEATURES_MAX_TOKENS) {
        return diag_fail(
            diag, DIFFCUT_ERROR_LIMIT,
            "a %ux%u input gives %llu tokens, more than the %d whose affinity fits; ask for a smaller size", width,
            height, (unsigned long long)tokens, FEATURES_MAX_TOKENS);
    }
    return DIFFCUT_OK;
}

/* An image encoder's. */
static diffcut_status choose_encoder_input(const work *w, const diffcut_model *model, const diffcut_image *image,
                                           const diffcut_settings *settings, network_input *in) {
    uint32_t stride = model->encoder->image.stride;
    diffcut_status status = encoder_features_check(model, settings, &in->output, w->diag);
    if (status == DIFFCUT_OK) {
        status = pipeline_input_size(image, settings, stride, stride, &in->width, &in->height, w->diag);
    }
    return status == DIFFCUT_OK
               ? check_tokens(in->width, in->height, in->height / stride, in->width / stride, w->diag)
               : status;
}

/* The size at which a photo goes in, and that its features are not too many: told before the work. */
static diffcut_status choose_input(const work *w, const diffcut_model *model, const diffcut_image *image,
                                   const diffcut_settings *settings, network_input *in) {
    diffcut_model_info info;
    if (model->encoder != NULL) {
        return choose_encoder_input(w, model, image, settings, in);
    }
    diffcut_model_get_info(model, &info);
    diffcut_status status = encode_request_make(model, settings, &in->request, w->diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    /* The default hook's multiple at least, so that a photo goes in at one size whichever hooks are compared. */
    uint32_t multiple = in->request.multiple > info.multiple ? in->request.multiple : info.multiple;
    status = pipeline_input_size(image, settings, multiple, in->request.factor, &in->width, &in->height, w->diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    uint32_t rows;
    uint32_t columns;
    encode_request_grid(model, &in->request, in->height, in->width, &rows, &columns);
    return check_tokens(in->width, in->height, rows, columns, w->diag);
}

/* The photo at the size that was chosen. */
static diffcut_status resize_input(const work *w, const diffcut_image *image, const diffcut_settings *settings,
                                   network_input *in) {
    in->pixels = mem_array((size_t)in->width * in->height, 3 * sizeof *in->pixels);
    if (in->pixels == NULL) {
        return diag_no_memory(w->diag, (size_t)in->width * in->height * 3 * sizeof *in->pixels, "the resized photo");
    }
    return resize_image(w, image, in->width, in->height, settings->resample, in->pixels);
}

static diffcut_status prepare_input(const work *w, const diffcut_model *model, const diffcut_image *image,
                                    const diffcut_settings *settings, network_input *in) {
    diffcut_status status = choose_input(w, model, image, settings, in);
    return status == DIFFCUT_OK ? resize_input(w, image, settings, in) : status;
}

static diffcut_status compute_features(const work *w, const diffcut_session *session, const diffcut_image *image,
                                       const diffcut_settings *settings, diffcut_features **out) {
    network_input in = {.pixels = NULL};
    diffcut_features *features = mem_array_zero(1, sizeof *features);
    if (features == NULL) {
        return diag_no_memory(w->diag, sizeof *features, "features");
    }
    diffcut_status status = prepare_input(w, session->model, image, settings, &in);
    if (status == DIFFCUT_OK && session->model->encoder != NULL) {
        encoder_map map;
        status =
            encoder_features(session->model, session->stream, w, in.pixels, in.height, in.width, in.output, &map);
        if (status == DIFFCUT_OK) {
            *features = (diffcut_features){map.h, map.w, map.c, map.data};
        }
    } else if (status == DIFFCUT_OK) {
        status = encode_features(session->model, session->stream, w, in.pixels, in.height, in.width, settings,
                                 &features->data, &features->height, &features->width, &features->channels);
    }
    if (status == DIFFCUT_OK) {
        *out = features;
        features = NULL;
    }
    mem_free(features);
    mem_free(in.pixels);
    return status;
}

/* A photo of a batch. */
typedef struct batch_photo {
    const diffcut_image *image;
    network_input in;
    diffcut_features *features;
} batch_photo;

/* Photos first .. of one input size, next to each other from `first` on: their count. Those of other sizes keep their
 * order behind them. places[i] is the photo that comes i-th. */
static uint32_t gather_group(const batch_photo *photos, size_t *places, size_t first, size_t count) {
    const network_input *size = &photos[places[first]].in;
    size_t group = 1;
    for (size_t i = first + 1; i < count; i++) {
        const network_input *other = &photos[places[i]].in;
        if (other->width == size->width && other->height == size->height) {
            size_t place = places[i];
            memmove(&places[first + group + 1], &places[first + group], (i - first - group) * sizeof *places);
            places[first + group++] = place;
        }
    }
    return (uint32_t)group; /* at most DIFFCUT_MAX_BATCH */
}

/* The features of photos of one size, together. */
static diffcut_status compute_group(const work *w, const diffcut_session *session, batch_photo *photos,
                                    const size_t *places, uint32_t count, const diffcut_settings *settings) {
    const float *pixels[DIFFCUT_MAX_BATCH];
    unet_features made[DIFFCUT_MAX_BATCH];
    const network_input *size = &photos[places[0]].in;
    diffcut_status status = DIFFCUT_OK;
    for (uint32_t i = 0; i < count && status == DIFFCUT_OK; i++) {
        batch_photo *photo = &photos[places[i]];
        status = resize_input(w, photo->image, settings, &photo->in);
        pixels[i] = photo->in.pixels;
    }
    if (status == DIFFCUT_OK) {
        status = encode_features_batch(session->model, session->stream, w, pixels, count, size->height, size->width,
                                       settings, made);
    }
    for (uint32_t i = 0; i < count; i++) {
        batch_photo *photo = &photos[places[i]];
        if (status == DIFFCUT_OK) {
            *photo->features = (diffcut_features){made[i].h, made[i].w, made[i].c, made[i].data};
        }
        mem_free(photo->in.pixels);
        photo->in.pixels = NULL;
    }
    return status;
}

static diffcut_status compute_groups(const work *w, const diffcut_session *session, batch_photo *photos, size_t count,
                                     const diffcut_settings *settings) {
    size_t places[DIFFCUT_MAX_BATCH];
    for (size_t i = 0; i < count; i++) {
        places[i] = i;
        photos[i].features = mem_array_zero(1, sizeof *photos[i].features);
        if (photos[i].features == NULL) {
            return diag_no_memory(w->diag, sizeof *photos[i].features, "features");
        }
        diffcut_status status = choose_input(w, session->model, photos[i].image, settings, &photos[i].in);
        if (status != DIFFCUT_OK) {
            return status;
        }
    }
    for (size_t first = 0; first < count;) {
        uint32_t group = gather_group(photos, places, first, count);
        work part = work_part(w, (double)first / (double)count, (double)(first + group) / (double)count);
        diffcut_status status = compute_group(&part, session, photos, places + first, group, settings);
        if (status != DIFFCUT_OK) {
            return status;
        }
        first += group;
    }
    return DIFFCUT_OK;
}

static diffcut_status compute_batch(const work *w, const diffcut_session *session, const diffcut_image *const *images,
                                    size_t count, const diffcut_settings *settings, diffcut_features **out) {
    batch_photo *photos = mem_array_zero(count, sizeof *photos);
    if (photos == NULL) {
        return diag_no_memory(w->diag, count * sizeof *photos, "a batch");
    }
    for (size_t i = 0; i < count; i++) {
        photos[i].image = images[i];
    }
    diffcut_status status = compute_groups(w, session, photos, count, settings);
    for (size_t i = 0; i < count; i++) {
        if (status == DIFFCUT_OK) {
            out[i] = photos[i].features;
        } else {
            diffcut_features_free(photos[i].features);
        }
    }
    mem_free(photos);
    return status;
}

/* Dumps have no photo's name on them: in order, one photo after the other. */
static diffcut_status compute_one_by_one(const work *w, const diffcut_session *session,
                                         const diffcut_image *const *images, size_t count,
                                         const diffcut_settings *settings, diffcut_features **out) {
    diffcut_features *made[DIFFCUT_MAX_BATCH] = {NULL};
    diffcut_status status = DIFFCUT_OK;
    for (size_t i = 0; i < count && status == DIFFCUT_OK; i++) {
        work part = work_part(w, (double)i / (double)count, (double)(i + 1) / (double)count);
        status = compute_features(&part, session, images[i], settings, &made[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (status == DIFFCUT_OK) {
            out[i] = made[i];
        } else {
            diffcut_features_free(made[i]);
        }
    }
    return status;
}

/* Features of parts that the network has made; those named are no longer in `made`. */
static diffcut_status name_parts(const network_input *in, const diffcut_settings *settings, unet_features *made,
                                 diffcut_features_part *parts, diffcut_diagnostics *diag) {
    for (size_t i = 0; i < in->request.part_count; i++) {
        diffcut_features *features = mem_array(1, sizeof *features);
        if (features == NULL) {
            return diag_no_memory(diag, sizeof *features, "features");
        }
        *features = (diffcut_features){made[i].h, made[i].w, made[i].c, made[i].data};
        made[i] = (unet_features){0};
        parts[i].features = features;
        parts[i].timestep = settings->timesteps[i / in->request.hook_count];
        (void)snprintf(parts[i].name, sizeof parts[i].name, "t%d/%s", parts[i].timestep,
                       in->request.hooks[i % in->request.hook_count].name);
    }
    return DIFFCUT_OK;
}

/* An image encoder's: one part. */
static diffcut_status compute_encoder_part(const work *w, const diffcut_session *session, const diffcut_image *image,
                                           const diffcut_settings *settings, diffcut_features_part **out,
                                           size_t *count) {
    diffcut_features_part *part = mem_array_zero(1, sizeof *part);
    if (part == NULL) {
        return diag_no_memory(w->diag, sizeof *part, "features");
    }
    diffcut_status status = compute_features(w, session, image, settings, &part->features);
    if (status != DIFFCUT_OK) {
        mem_free(part);
        return status;
    }
    (void)snprintf(part->name, sizeof part->name, "%s", settings->hook != NULL ? settings->hook : HOOKS_TOKENS);
    *out = part;
    *count = 1;
    return DIFFCUT_OK;
}

static diffcut_status compute_parts(const work *w, const diffcut_session *session, const diffcut_image *image,
                                    const diffcut_settings *settings, diffcut_features_part **out, size_t *count) {
    network_input in = {.pixels = NULL};
    unet_features *made = NULL;
    diffcut_features_part *parts = NULL;
    size_t part_count = 0;
    if (session->model->encoder != NULL) {
        return compute_encoder_part(w, session, image, settings, out, count);
    }
    diffcut_status status = prepare_input(w, session->model, image, settings, &in);
    if (status != DIFFCUT_OK) {
        goto cleanup;
    }
    part_count = in.request.part_count;
    made = mem_array_zero(part_count, sizeof *made);
    parts = mem_array_zero(part_count, sizeof *parts);
    if (made == NULL || parts == NULL) {
        status = diag_no_memory(w->diag, part_count * (sizeof *made + sizeof *parts), "features");
        goto cleanup;
    }
    status =
        encode_parts(session->model, session->stream, w, in.pixels, in.height, in.width, settings, &in.request, made);
    if (status == DIFFCUT_OK) {
        status = name_parts(&in, settings, made, parts, w->diag);
    }
    if (status == DIFFCUT_OK) {
        *out = parts;
        *count = part_count;
        parts = NULL;
    }
cleanup:
    for (size_t i = 0; made != NULL && i < part_count; i++) {
        mem_free(made[i].data);
    }
    mem_free(made);
    diffcut_features_parts_free(parts, part_count);
    mem_free(in.pixels);
    return status;
}

/* What both ways to ask for features check. */
static diffcut_status check_features_call(const diffcut_session *session, const diffcut_image *image,
                                          const diffcut_settings *settings, const void *out,
                                          diffcut_diagnostics *diag) {
    diffcut_status status = diffcut_settings_check(settings, diag);
    if (status == DIFFCUT_OK) {
        status = pipeline_check_image(image, diag);
    }
    if (status == DIFFCUT_OK) {
        status = pipeline_check_output(out, diag);
    }
    if (status == DIFFCUT_OK && session->model == NULL) {
        status = diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "the session was opened without a model");
    }
    return status;
}

diffcut_status diffcut_features_compute(diffcut_session *session, const diffcut_image *image,
                                        const diffcut_settings *settings, diffcut_features **out) {
    if (session == NULL) {
        return DIFFCUT_ERROR_ARGUMENT;
    }
    work w = session_begin(session, DIFFCUT_STAGE_FEATURES);
    diffcut_status status = check_features_call(session, image, settings, out, w.diag);
    if (status == DIFFCUT_OK) {
        status = compute_features(&w, session, image, settings, out);
    }
    return session_end(&w, status);
}

diffcut_status diffcut_features_compute_batch(diffcut_session *session, const diffcut_image *const *images,
                                              size_t count, const diffcut_settings *settings,
                                              diffcut_features **out) {
    if (session == NULL) {
        return DIFFCUT_ERROR_ARGUMENT;
    }
    work w = session_begin(session, DIFFCUT_STAGE_FEATURES);
    diffcut_status status = DIFFCUT_OK;
    if (images == NULL || count == 0 || count > DIFFCUT_MAX_BATCH) {
        status = diag_fail(w.diag, DIFFCUT_ERROR_ARGUMENT, "a batch of %zu images; 1 .. %d can be given",
                           images != NULL ? count : 0, DIFFCUT_MAX_BATCH);
    }
    for (size_t i = 0; i < count && status == DIFFCUT_OK; i++) {
        status = check_features_call(session, images[i], settings, out, w.diag);
    }
    if (status == DIFFCUT_OK) {
        bool together = count > 1 && !work_dumps(&w) && session->model->encoder == NULL;
        status = together ? compute_batch(&w, session, images, count, settings, out)
                          : compute_one_by_one(&w, session, images, count, settings, out);
    }
    return session_end(&w, status);
}

diffcut_status diffcut_features_compute_parts(diffcut_session *session, const diffcut_image *image,
                                              const diffcut_settings *settings, diffcut_features_part **out,
                                              size_t *count) {
    if (session == NULL) {
        return DIFFCUT_ERROR_ARGUMENT;
    }
    work w = session_begin(session, DIFFCUT_STAGE_FEATURES);
    diffcut_status status = check_features_call(session, image, settings, out, w.diag);
    if (status == DIFFCUT_OK) {
        status = pipeline_check_output(count, w.diag);
    }
    if (status == DIFFCUT_OK) {
        status = compute_parts(&w, session, image, settings, out, count);
    }
    return session_end(&w, status);
}

static diffcut_status plan_features(const work *w, const diffcut_model *model, const diffcut_image *image,
                                    const diffcut_settings *settings, uint64_t *bytes) {
    network_input in = {.pixels = NULL};
    size_t elements;
    diffcut_status status = choose_input(w, model, image, settings, &in);
    if (model->encoder != NULL) {
        *bytes = status == DIFFCUT_OK ? encoder_features_planned(model, in.height, in.width) : *bytes;
        return status;
    }
    if (status == DIFFCUT_OK) {
        status = unet_planned(model->network, w, in.height / in.request.factor, in.width / in.request.factor,
                              in.request.hooks, in.request.hook_count, &elements);
    }
    if (status == DIFFCUT_OK) {
        double first = first_stage_planned(model->first_stage, in.height, in.width, settings->tile);
        *bytes = sizeof(float) * (uint64_t)(first > (double)elements ? first : (double)elements);
    }
    return status;
}

diffcut_status diffcut_session_plan(diffcut_session *session, const diffcut_image *image,
                                    const diffcut_settings *settings, uint64_t *bytes) {
    if (session == NULL) {
        return DIFFCUT_ERROR_ARGUMENT;
    }
    work w = session_begin(session, DIFFCUT_STAGE_FEATURES);
    w.seconds = NULL; /* no photo's time */
    diffcut_status status = check_features_call(session, image, settings, bytes, w.diag);
    if (status == DIFFCUT_OK) {
        status = plan_features(&w, session->model, image, settings, bytes);
    }
    return session_end(&w, status);
}

static diffcut_status save_context(const work *w, const diffcut_session *session, const char *prompt,
                                   diffcut_buffer *out) {
    context_arrays arrays;
    if (model_need_diffusion(session->model, "the text context of a prompt", w->diag) != DIFFCUT_OK) {
        return DIFFCUT_ERROR_UNSUPPORTED;
    }
    if (!context_source_has_text(session->model->text)) {
        return diag_fail(w->diag, DIFFCUT_ERROR_ARGUMENT,
                         "this model was trained without text: it has no context to save");
    }
    diffcut_status status = model_encode_text(session->model, session->stream, w, prompt, &arrays);
    if (status == DIFFCUT_OK) {
        status = context_file_write(&arrays, model_family_name(session->model->settings.family),
                                    prompt != NULL ? prompt : "", out, w->diag);
        context_arrays_free(&arrays);
    }
    return status;
}

diffcut_status diffcut_context_save(diffcut_session *session, const char *prompt, diffcut_buffer *out) {
    if (session == NULL) {
        return DIFFCUT_ERROR_ARGUMENT;
    }
    work w = session_begin(session, DIFFCUT_STAGE_FEATURES);
    diffcut_status status = pipeline_check_output(out, w.diag);
    if (status == DIFFCUT_OK && session->model == NULL) {
        status = diag_fail(w.diag, DIFFCUT_ERROR_ARGUMENT, "the session was opened without a model");
    }
    if (status == DIFFCUT_OK) {
        status = save_context(&w, session, prompt, out);
    }
    return session_end(&w, status);
}

diffcut_status diffcut_session_peak(diffcut_session *session, double *flops) {
    if (session == NULL) {
        return DIFFCUT_ERROR_ARGUMENT;
    }
    work w = session_begin(session, DIFFCUT_STAGE_FEATURES);
    w.seconds = NULL; /* no photo's time */
    diffcut_status status = pipeline_check_output(flops, w.diag);
    if (status == DIFFCUT_OK && session->model == NULL) {
        status = diag_fail(w.diag, DIFFCUT_ERROR_ARGUMENT, "the session was opened without a model");
    }
    if (status == DIFFCUT_OK) {
        status = peak_measure(session->model->backend, session->stream, &w, flops);
    }
    return session_end(&w, status);
}

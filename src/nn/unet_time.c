/*
 * unet_time.c - the first step: the timestep, and with an added condition the pooled text and the time ids, to the
 * time embedding that every resnet takes. After diffusers' Timesteps, TimestepEmbedding and the "text_time"
 * condition. Called by unet_encode.c.
 */
#include "nn/unet_run.h"

#include "core/memory.h"

#include <math.h>
#include <string.h>

#define MAX_PERIOD 10000.0F /* of the sinusoids */

/* Sinusoids of a number, as diffusers' get_timestep_embedding computes them in float32: the exponent, the frequency
 * and the angle are each rounded, which shows at large angles. out has `width` values, an even number. */
static void sinusoids(float value, uint32_t width, bool cosines_first, float shift, float *out) {
    uint32_t half = width / 2;
    for (uint32_t i = 0; i < half; i++) {
        float exponent = -logf(MAX_PERIOD) * (float)i / ((float)half - shift);
        float angle = value * expf(exponent);
        out[cosines_first ? half + i : i] = sinf(angle);
        out[cosines_first ? i : half + i] = cosf(angle);
    }
}

/* Uploads the values once for each image: an epilogue adds every image its own. Frees them. */
static void upload_repeated(unet_run *r, float *values, const tensor *to) {
    float *all = values;
    size_t count = to->c;
    if (to->n > 1) {
        all = mem_array(to->n, count * sizeof *all);
        if (all == NULL) {
            r->layers.status = diag_no_memory(r->layers.work->diag, to->n * count * sizeof *all, "the embeddings");
        }
        for (size_t image = 0; all != NULL && image < to->n; image++) {
            memcpy(all + image * count, values, count * sizeof *all);
        }
        mem_free(values);
    }
    layers_upload(&r->layers, all, to);
    mem_free(all);
}

/* The added condition's input: pooled text, then the sinusoids of each time id. */
static void add_condition(unet_run *r, const tensor *in, const tensor *hidden, const tensor *embedding,
                          const tensor *temb) {
    layers *l = &r->layers;
    const unet_config *config = &r->network->plan.config;
    uint32_t pooled = unet_config_pooled_width(config);
    uint32_t each = config->added_time_dim;
    float *values = mem_array(config->added_input, sizeof *values);
    if (values == NULL) {
        l->status = diag_no_memory(l->work->diag, config->added_input * sizeof *values, "the added condition");
        return;
    }
    memcpy(values, r->input->context->pooled, pooled * sizeof *values);
    for (uint32_t i = 0; i < UNET_TIME_IDS; i++) {
        sinusoids(r->input->time_ids[i], each, config->flip_sin_to_cos, config->freq_shift,
                  values + pooled + (size_t)i * each);
    }
    upload_repeated(r, values, in);
    tensor ids = *in;
    ids.offset += pooled;
    ids.c = UNET_TIME_IDS * each;
    unet_emit_vector(r, "add_time_proj", &ids);
    layers_linear(l, in, r->step->weights[TIME_ADD_1], ACTIVATION_SILU, NULL, hidden);
    layers_linear(l, hidden, r->step->weights[TIME_ADD_2], ACTIVATION_NONE, NULL, temb);
    unet_emit_vector(r, "add_embedding", temb);
    layers_add(l, embedding, temb, ACTIVATION_NONE, temb);
}

void unet_run_time(unet_run *r) {
    layers *l = &r->layers;
    const unet_config *config = &r->network->plan.config;
    uint32_t width = r->step->out;
    float *values = mem_array(r->step->in, sizeof *values);
    if (values == NULL) {
        l->status = diag_no_memory(l->work->diag, r->step->in * sizeof *values, "the time embedding");
        return;
    }
    sinusoids((float)r->input->timestep, r->step->in, config->flip_sin_to_cos, config->freq_shift, values);
    /* The vectors' buffer: 4 of the embedding's width, then the inputs; the resnets' projections use the latter. */
    tensor hidden = unet_vector(r, 0, width);
    tensor embedding = unet_vector(r, width, width);
    tensor temb = unet_vector(r, 2 * (size_t)width, width);
    r->temb_silu = unet_vector(r, 3 * (size_t)width, width);
    tensor in = unet_vector(r, 4 * (size_t)width, r->step->in);
    upload_repeated(r, values, &in);
    unet_emit_vector(r, "time_proj", &in);
    layers_linear(l, &in, r->step->weights[TIME_LINEAR_1], ACTIVATION_SILU, NULL, &hidden);
    layers_linear(l, &hidden, r->step->weights[TIME_LINEAR_2], ACTIVATION_NONE, NULL, &embedding);
    unet_emit_vector(r, "time_embedding", &embedding);
    if (config->added_condition) {
        tensor added = unet_vector(r, 4 * (size_t)width, config->added_input);
        add_condition(r, &added, &hidden, &embedding, &temb);
    } else {
        temb = embedding;
    }
    unet_emit_vector(r, "temb", &temb);
    layers_add(l, &temb, NULL, ACTIVATION_SILU, &r->temb_silu);
}

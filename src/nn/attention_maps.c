/* attention_maps.c - see attention_maps.h. Maps are made in bands of queries and added up at once: at 64x64 one is
 * 64 MiB, and a network has many. */
#include "nn/attention_maps.h"

#include "core/memory.h"
#include "model/model.h"
#include "nn/first_stage.h"
#include "nn/unet_whole.h"

#include <stdio.h>

#define BAND 256 /* queries at a time */

void attention_maps_free(attention_maps *maps) {
    for (size_t i = 0; i < maps->count; i++) {
        mem_free(maps->levels[i].map);
    }
    *maps = (attention_maps){.count = 0};
}

uint32_t attention_maps_multiple(const diffcut_model *model) {
    return model->settings.factor << (unet_get_plan(model->network)->config.block_count - 1);
}

/* The level of this size, made if it is not there; NULL with a status in l. */
static attention_level *find_level(attention_maps *maps, layers *l, uint32_t h, uint32_t w) {
    for (size_t i = 0; i < maps->count; i++) {
        if (maps->levels[i].h == h && maps->levels[i].w == w) {
            return &maps->levels[i];
        }
    }
    size_t tokens = (size_t)h * w; /* limited before the run */
    float *map = mem_array_zero(tokens, tokens * sizeof *map);
    if (map == NULL) {
        l->status = diag_no_memory(l->work->diag, tokens * tokens * sizeof *map, "an attention map");
        return NULL;
    }
    maps->levels[maps->count] = (attention_level){.h = h, .w = w, .map = map};
    return &maps->levels[maps->count++];
}

static void add_map(void *user, layers *l, const unet_attention *seen) {
    attention_level *level = find_level(user, l, seen->h, seen->w);
    if (level == NULL) {
        return;
    }
    uint32_t tokens = seen->h * seen->w, rows = tokens < BAND ? tokens : BAND;
    backend_buffer *buffer = NULL;
    float *host = mem_array((size_t)rows * tokens, sizeof *host);
    if (host == NULL) {
        l->status = diag_no_memory(l->work->diag, (size_t)rows * tokens * sizeof *host, "an attention map");
        return;
    }
    layers_take(l, (size_t)rows * tokens, &buffer);
    for (uint32_t first = 0; first < tokens && l->status == DIFFCUT_OK; first += rows) {
        tensor q = seen->q;
        q.offset += (size_t)first * q.stride;
        q.h = tokens - first < rows ? tokens - first : rows;
        tensor band = {.buffer = buffer, .n = 1, .h = q.h, .w = 1, .c = tokens, .stride = tokens};
        layers_attention_map(l, &q, &seen->k, seen->heads, &band);
        layers_download(l, &band, host);
        float *sum = level->map + (size_t)first * tokens;
        for (size_t i = 0; l->status == DIFFCUT_OK && i < (size_t)q.h * tokens; i++) {
            sum[i] += host[i];
        }
    }
    level->blocks++;
    layers_give_back(l, buffer);
    mem_free(host);
}

/* Sums to means, which are finite. */
static diffcut_status finish(const work *w, attention_maps *maps) {
    for (size_t k = 0; k < maps->count; k++) {
        attention_level *level = &maps->levels[k];
        size_t tokens = (size_t)level->h * level->w;
        bool finite = true;
        for (size_t i = 0; i < tokens * tokens; i++) {
            level->map[i] /= (float)level->blocks;
            finite = finite && level->map[i] <= 2.0F; /* false for NaN */
        }
        if (!finite) {
            return diag_fail(w->diag, DIFFCUT_ERROR_NUMERIC, "the attention maps of %ux%u hold NaN or infinity",
                             level->w, level->h);
        }
        char name[48];
        const size_t shape[2] = {tokens, tokens};
        (void)snprintf(name, sizeof name, "attention_%ux%u", level->w, level->h);
        work_dump(w, name, level->map, shape, 2);
    }
    return DIFFCUT_OK;
}

/* The finest self-attention's positions are not too many. */
static diffcut_status check_size(const diffcut_model *model, uint32_t height, uint32_t width, size_t steps,
                                 diffcut_diagnostics *diag) {
    const unet_plan *plan = unet_get_plan(model->network);
    uint32_t factor = model->settings.factor;
    for (size_t i = 0; i < steps; i++) {
        if (plan->steps[i].kind != UNET_SELF_ATTENTION) {
            continue;
        }
        uint32_t h = unet_plan_side(plan, plan->steps[i].level, height / factor);
        uint32_t w = unet_plan_side(plan, plan->steps[i].level, width / factor);
        if ((uint64_t)h * w > ATTENTION_MAPS_MAX_POSITIONS) {
            return diag_fail(
                diag, DIFFCUT_ERROR_LIMIT,
                "a %ux%u input gives attention maps of %llu positions, more than the %d that fit; ask for "
                "a smaller size",
                width, height, (unsigned long long)h * w, ATTENTION_MAPS_MAX_POSITIONS);
        }
    }
    return DIFFCUT_OK;
}

typedef struct header_check {
    const diffcut_model *model;
    diffcut_diagnostics *diag;
} header_check;

static diffcut_status check_need(void *user, const char *component, const char *prefix, const weight_need *need) {
    const header_check *check = user;
    weight_totals ignored = {0};
    return weight_check(check->model->source, component, prefix, need, &ignored, check->diag);
}

/* All that can be told without computing: the decoder is there, its tensors too, and its maps fit. */
static diffcut_status check_model(const diffcut_model *model, uint32_t height, uint32_t width, size_t *steps,
                                  diffcut_diagnostics *diag) {
    diffcut_status status = unet_whole_steps(model->network, false, steps, diag);
    if (status == DIFFCUT_OK) {
        status = check_size(model, height, width, *steps, diag);
    }
    header_check check = {model, diag};
    return status == DIFFCUT_OK ? unet_visit(model->network, *steps, check_need, &check) : status;
}

/* What a run holds. */
typedef struct maps_run {
    const diffcut_model *model;
    backend_stream *stream;
    const diffcut_settings *settings;
    float *latent;
    unet_context *context;
    size_t steps;
} maps_run;

static diffcut_status make_latent(maps_run *run, const work *w, const float *image, uint32_t height, uint32_t width,
                                  unet_input *input) {
    uint32_t channels;
    diffcut_status status = model_prepare_text(run->model, run->stream, w, run->settings->prompt);
    if (status == DIFFCUT_OK) {
        status = model_prepare_first_stage(run->model, w);
    }
    if (status == DIFFCUT_OK) {
        status = first_stage_encode(run->model->first_stage, run->stream, w, image, height, width,
                                    run->settings->tile, NULL, NULL, &run->latent, &input->h, &input->w, &channels);
    }
    input->noisy = run->latent;
    return status;
}

static diffcut_status run_network(maps_run *run, const work *w, unet_input *input, attention_maps *maps) {
    const unet_hook end = {.step = run->steps - 1};
    diffcut_status status = model_prepare(run->model, run->stream, w, &end, run->settings->prompt, &run->context);
    if (status != DIFFCUT_OK) {
        return status;
    }
    input->context = run->context;
    status = unet_run_whole(run->model->network, run->stream, w, input, run->steps, add_map, maps, NULL, NULL);
    return status == DIFFCUT_OK ? finish(w, maps) : status;
}

diffcut_status attention_maps_compute(const diffcut_model *model, backend_stream *stream, const work *w,
                                      const float *image, uint32_t height, uint32_t width,
                                      const diffcut_settings *settings, int32_t timestep, attention_maps *out) {
    maps_run run = {.model = model, .stream = stream, .settings = settings};
    attention_maps maps = {.count = 0};
    /* SDXL's original height and width, crop's top and left, target height and width. */
    const float time_ids[UNET_TIME_IDS] = {(float)height, (float)width, 0.0F, 0.0F, (float)height, (float)width};
    unet_input input = {.n = 1, .timestep = timestep, .time_ids = time_ids};
    diffcut_status status = check_model(model, height, width, &run.steps, w->diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    const work before = work_part(w, 0.0, 0.4), after = work_part(w, 0.4, 1.0);
    status = make_latent(&run, &before, image, height, width, &input);
    if (status == DIFFCUT_OK) {
        status = run_network(&run, &after, &input, &maps);
    }
    model_release_context(model, run.context);
    mem_free(run.latent);
    if (status != DIFFCUT_OK) {
        attention_maps_free(&maps);
        return status;
    }
    *out = maps;
    return DIFFCUT_OK;
}

/*
 * unet_whole.c - see unet_whole.h; the steps that only a decoder has: upsampling, the last convolution, and the
 * encoder's outputs that join it. After diffusers' UNet2DConditionModel.
 */
#include "nn/unet_run.h"

static const conv_geometry same = {.stride = 1, .pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1};

static void exchange_x_y(unet_run *r) {
    backend_buffer *x = r->x;
    r->x = r->y;
    r->y = x;
}

/* ------------------------------------------------------------------------------------------------- skips */

void unet_push_skip(unet_run *r) {
    layers *l = &r->layers;
    unet_skip skip = {.h = r->h, .w = r->w, .c = r->step->out};
    tensor x = unet_grid(r, r->x, skip.c);
    layers_take(l, tensor_extent(&x), &skip.buffer);
    if (l->status == DIFFCUT_OK) {
        tensor copy = unet_grid(r, skip.buffer, skip.c);
        layers_add(l, &x, NULL, ACTIVATION_NONE, &copy);
        r->skips[r->skip_count++] = skip;
    }
}

void unet_join_skip(unet_run *r) {
    layers *l = &r->layers;
    if (l->status != DIFFCUT_OK) {
        return;
    }
    const unet_skip skip = r->skips[--r->skip_count];
    uint32_t c = r->step->in;
    if (skip.h == r->h && skip.w == r->w && skip.c == r->step->skipped) {
        tensor hidden = unet_grid(r, r->x, c - skip.c), skipped = unet_grid(r, skip.buffer, skip.c);
        tensor first = hidden, second = skipped;
        first.buffer = second.buffer = r->y;
        first.stride = second.stride = c;
        second.offset = c - skip.c;
        layers_add(l, &hidden, NULL, ACTIVATION_NONE, &first);
        layers_add(l, &skipped, NULL, ACTIVATION_NONE, &second);
        exchange_x_y(r);
    } else {
        l->status = diag_fail(l->work->diag, DIFFCUT_ERROR_MODEL,
                              "%s takes %u channels of %ux%u from the encoder, which left %u of %ux%u", r->step->name,
                              r->step->skipped, r->w, r->h, skip.c, skip.w, skip.h);
    }
    layers_give_back(l, skip.buffer);
}

void unet_drop_skips(unet_run *r) {
    while (r->skip_count > 0) {
        layers_give_back(&r->layers, r->skips[--r->skip_count].buffer);
    }
}

/* ------------------------------------------------------------------------------------------------- steps */

/* Every other position of an output row, from `first`: the row of the input, as far as it reaches. */
static void spread_row(unet_run *r, const tensor *from, const tensor *to, uint32_t y, uint32_t first) {
    uint32_t count = (to->w - first + 1) / 2;
    tensor in = *from, out = *to;
    in.h = out.h = 1;
    in.w = out.w = count;
    in.offset += (size_t)(y / 2) * from->w * from->stride;
    out.offset += ((size_t)y * to->w + first) * to->stride;
    out.stride = 2 * to->stride;
    if (count > 0) {
        layers_add(&r->layers, &in, NULL, ACTIVATION_NONE, &out);
    }
}

/* Nearest neighbours: twice the side, or one less where the encoder halved an odd one. */
void unet_run_upsample(unet_run *r) {
    layers *l = &r->layers;
    if (l->status != DIFFCUT_OK) {
        return;
    }
    const unet_skip *next = &r->skips[r->skip_count - 1];
    tensor x = unet_grid(r, r->x, r->step->in);
    r->h = next->h;
    r->w = next->w;
    tensor wide = unet_grid(r, r->y, r->step->in);
    tensor out = unet_grid(r, r->x, r->step->out);
    for (uint32_t y = 0; y < wide.h; y++) {
        spread_row(r, &x, &wide, y, 0);
        spread_row(r, &x, &wide, y, 1);
    }
    layers_conv(l, &wide, r->step->weights[CONV_WEIGHT], &same, NULL, ACTIVATION_NONE, NULL, &out);
    unet_emit(r, "", &out);
}

void unet_run_conv_out(unet_run *r) {
    layers *l = &r->layers;
    const unet_config *config = &r->network->plan.config;
    tensor x = unet_grid(r, r->x, r->step->in);
    tensor normed = unet_grid(r, r->y, r->step->in);
    tensor out = unet_grid(r, r->t, r->step->out);
    layers_group_norm(l, &x, r->step->weights[CONV_OUT_NORM], config->norm_groups, config->norm_eps, ACTIVATION_SILU,
                      &normed);
    layers_conv(l, &normed, r->step->weights[CONV_OUT_CONV], &same, NULL, ACTIVATION_NONE, NULL, &out);
    unet_emit(r, "conv_out", &out);
}

/* ------------------------------------------------------------------------------------------------- the run */

diffcut_status unet_whole_steps(const unet *self, bool to_output, size_t *steps, diffcut_diagnostics *diag) {
    const unet_plan *plan = &self->plan;
    const unet_decoder_config *decoder = &plan->config.decoder;
    if (decoder->status != DIFFCUT_OK) {
        return diag_fail(diag, decoder->status, "%s", decoder->reason);
    }
    if (plan->total == plan->count) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                         "unet/config.json has no up_block_types: this model is an encoder without a decoder");
    }
    size_t last = plan->total;
    while (!to_output && last > 0 && plan->steps[last - 1].kind != UNET_SELF_ATTENTION) {
        last--;
    }
    if (last == 0) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "this UNet has no self-attention");
    }
    *steps = last;
    return DIFFCUT_OK;
}

diffcut_status unet_run_whole(const unet *self, backend_stream *stream, const work *w, const unet_input *input,
                              size_t steps, unet_attention_fn attention, void *attention_user, layer_tap_fn tap,
                              void *tap_user) {
    if (input->n != 1 || input->h == 0 || input->w == 0) {
        return diag_fail(w->diag, DIFFCUT_ERROR_ARGUMENT, "%u latents of %ux%u", input->n, input->w, input->h);
    }
    if (steps > self->prepared || input->context == NULL || steps > input->context->prepared) {
        return diag_fail(w->diag, DIFFCUT_ERROR_ARGUMENT, "the UNet is not prepared for %zu steps", steps);
    }
    if (self->plan.config.added_condition && input->time_ids == NULL) {
        return diag_fail(w->diag, DIFFCUT_ERROR_ARGUMENT, "this UNet needs time ids");
    }
    unet_run r = {.network = self,
                  .layers = {.backend = self->backend, .stream = stream, .work = w, .tap = tap, .tap_user = tap_user},
                  .input = input,
                  .steps = steps,
                  .attention = attention,
                  .attention_user = attention_user};
    return unet_run_network(&r);
}

/* unet_resnet.c - the steps made of convolutions: conv_in, resnets, downsamplers. Called by unet_encode.c. */
#include "nn/unet_run.h"

static const conv_geometry same = {.stride = 1, .pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1};

static void exchange_x_y(unet_run *r) {
    backend_buffer *x = r->x;
    r->x = r->y;
    r->y = x;
}

void unet_run_conv_in(unet_run *r) {
    layers *l = &r->layers;
    tensor in = unet_grid(r, r->y, r->step->in);
    tensor out = unet_grid(r, r->x, r->step->out);
    layers_upload(l, r->input->noisy, &in);
    layers_conv(l, &in, r->step->weights[CONV_WEIGHT], &same, NULL, ACTIVATION_NONE, NULL, &out);
    unet_emit(r, "", &out);
}

/* y = shortcut(x) + conv2(silu(norm2(conv1(silu(norm1(x))) + time))) */
void unet_run_resnet(unet_run *r) {
    layers *l = &r->layers;
    uint32_t groups = r->network->plan.config.norm_groups;
    float eps = r->network->plan.config.norm_eps;
    if (r->step->skipped > 0) {
        unet_join_skip(r);
    }
    tensor x = unet_grid(r, r->x, r->step->in);
    tensor normed = unet_grid(r, r->y, r->step->in);
    tensor y = unet_grid(r, r->y, r->step->out);
    tensor middle = unet_grid(r, r->t, r->step->out);
    tensor extra_in = unet_grid(r, r->extra, r->step->in);
    tensor extra = unet_grid(r, r->extra, r->step->out);
    tensor time = unet_vector(r, 4 * (size_t)r->temb_silu.c, r->step->out);
    if (unet_wanted(r, ".norm1")) {
        layers_group_norm(l, &x, r->step->weights[RESNET_NORM_1], groups, eps, ACTIVATION_NONE, &extra_in);
        unet_emit(r, ".norm1", &extra_in);
    }
    layers_group_norm(l, &x, r->step->weights[RESNET_NORM_1], groups, eps, ACTIVATION_SILU, &normed);
    if (unet_wanted(r, ".conv1")) {
        layers_conv(l, &normed, r->step->weights[RESNET_CONV_1], &same, NULL, ACTIVATION_NONE, NULL, &extra);
        unet_emit(r, ".conv1", &extra);
    }
    layers_linear(l, &r->temb_silu, r->step->weights[RESNET_TIME], ACTIVATION_NONE, NULL, &time);
    unet_emit_vector(r, ".time_emb_proj", &time);
    layers_conv(l, &normed, r->step->weights[RESNET_CONV_1], &same, &time, ACTIVATION_NONE, NULL, &middle);
    if (unet_wanted(r, ".norm2")) {
        layers_group_norm(l, &middle, r->step->weights[RESNET_NORM_2], groups, eps, ACTIVATION_NONE, &extra);
        unet_emit(r, ".norm2", &extra);
    }
    layers_group_norm(l, &middle, r->step->weights[RESNET_NORM_2], groups, eps, ACTIVATION_SILU, &middle);
    if (unet_wanted(r, ".conv2")) {
        layers_conv(l, &middle, r->step->weights[RESNET_CONV_2], &same, NULL, ACTIVATION_NONE, NULL, &extra);
        unet_emit(r, ".conv2", &extra);
    }
    const tensor *residual = &x;
    if (r->step->weights[RESNET_SHORTCUT] != NULL) {
        layers_linear(l, &x, r->step->weights[RESNET_SHORTCUT], ACTIVATION_NONE, NULL, &y);
        unet_emit(r, ".conv_shortcut", &y);
        residual = &y;
    }
    layers_conv(l, &middle, r->step->weights[RESNET_CONV_2], &same, NULL, ACTIVATION_NONE, residual, &y);
    unet_emit(r, "", &y);
    exchange_x_y(r);
}

void unet_run_downsample(unet_run *r) {
    layers *l = &r->layers;
    uint32_t padding = r->network->plan.config.downsample_padding;
    const conv_geometry geometry = {
        .stride = 2, .pad_top = padding, .pad_left = padding, .pad_bottom = 1, .pad_right = 1};
    tensor x = unet_grid(r, r->x, r->step->in);
    r->h = unet_halved(r->h, padding);
    r->w = unet_halved(r->w, padding);
    tensor y = unet_grid(r, r->y, r->step->out);
    layers_conv(l, &x, r->step->weights[CONV_WEIGHT], &geometry, NULL, ACTIVATION_NONE, NULL, &y);
    unet_emit(r, "", &y);
    exchange_x_y(r);
}

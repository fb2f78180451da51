/* image_head.c - see image_head.h. */
#include "nn/image_head.h"

#include <string.h>

#define COMPONENT "encoder"
#define MAX_INNER 65536 /* between two products */

static const safetensors_tensor *look(const checkpoint *source, const char *name) {
    const safetensors_tensor *found;
    const char *file;
    diffcut_diagnostics ignored;
    return checkpoint_find(source, COMPONENT, name, &found, &file, &ignored) == DIFFCUT_OK ? found : NULL;
}

static weight_need norm(const char *name, uint32_t width) {
    return (weight_need){.parts = {name}, .form = WEIGHT_FORM_NORM, .out = width, .bias = true};
}

static weight_need linear(const char *name, uint32_t out, uint32_t in, bool bias) {
    return (weight_need){.parts = {name}, .form = WEIGHT_FORM_LINEAR, .out = out, .in = in, .bias = bias};
}

bool image_head_clip(backend *target, const checkpoint *source, uint32_t channels, uint32_t embedding, float eps,
                     image_head *out) {
    if (look(source, "visual_projection.weight") == NULL) {
        return false;
    }
    *out = (image_head){.backend = target, .source = source, .eps = eps, .channels = channels};
    out->embedding = embedding;
    out->needs[IMAGE_HEAD_NORM] = norm("vision_model.post_layernorm", channels);
    out->needs[IMAGE_HEAD_FIRST] = linear("visual_projection", embedding, channels, false);
    return true;
}

diffcut_status image_head_timm(backend *target, const checkpoint *source, uint32_t channels, uint32_t embedding,
                               float eps, const char *kind, image_head *out, diffcut_diagnostics *diag) {
    *out = (image_head){.backend = target, .source = source, .eps = eps, .channels = channels};
    out->embedding = embedding;
    out->needs[IMAGE_HEAD_NORM] = norm("visual.trunk.head.norm", channels);
    if (strcmp(kind, "linear") == 0) {
        bool bias = look(source, "visual.head.proj.bias") != NULL;
        out->needs[IMAGE_HEAD_FIRST] = linear("visual.head.proj", embedding, channels, bias);
        return DIFFCUT_OK;
    }
    const safetensors_tensor *first = look(source, "visual.head.mlp.fc1.weight");
    if (first == NULL || first->rank != 2 || first->shape[0] < 1 || first->shape[0] > MAX_INNER) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                         "tensor visual.head.mlp.fc1.weight is missing, or no matrix of 1 .. %d rows", MAX_INNER);
    }
    uint32_t inner = (uint32_t)first->shape[0];
    bool bias = look(source, "visual.head.mlp.fc2.bias") != NULL;
    out->needs[IMAGE_HEAD_FIRST] = linear("visual.head.mlp.fc1", inner, channels, true);
    out->needs[IMAGE_HEAD_SECOND] = linear("visual.head.mlp.fc2", embedding, inner, bias);
    return DIFFCUT_OK;
}

void image_head_close(image_head *self) {
    if (self->backend != NULL) {
        weights_destroy(self->backend, self->weights, IMAGE_HEAD_SLOTS);
    }
}

diffcut_status image_head_visit(const image_head *self, weight_visit_fn visit, void *user) {
    return weights_visit(COMPONENT, "", self->needs, IMAGE_HEAD_SLOTS, visit, user);
}

diffcut_status image_head_prepare(image_head *self, diffcut_diagnostics *diag) {
    return weights_load(self->source, COMPONENT, "", self->needs, IMAGE_HEAD_SLOTS, self->backend, self->weights,
                        diag);
}

static tensor vectors_in(backend_buffer *buffer, uint32_t count, uint32_t c) {
    return (tensor){.buffer = buffer, .n = 1, .h = count, .w = 1, .c = c, .stride = c};
}

diffcut_status image_head_run(const image_head *self, backend_stream *stream, const work *w, const float *vectors,
                              uint32_t count, layer_tap_fn tap, void *tap_user, float *out) {
    layers l = {.backend = self->backend, .stream = stream, .work = w, .tap = tap, .tap_user = tap_user};
    bool two = self->needs[IMAGE_HEAD_SECOND].form != WEIGHT_FORM_ABSENT;
    uint32_t inner = self->needs[IMAGE_HEAD_FIRST].out;
    backend_buffer *x = NULL;
    backend_buffer *f = NULL;
    backend_buffer *e = NULL;
    layers_take(&l, (size_t)count * self->channels, &x);
    layers_take(&l, (size_t)count * inner, &f);
    layers_take(&l, two ? (size_t)count * self->embedding : 0, &e);
    const tensor state = vectors_in(x, count, self->channels);
    const tensor first = vectors_in(f, count, inner);
    const tensor second = vectors_in(e, count, self->embedding);
    const tensor *end = two ? &second : &first;
    layers_upload(&l, vectors, &state);
    layers_layer_norm(&l, &state, self->weights[IMAGE_HEAD_NORM], self->eps, &state);
    layers_tap(&l, "head.norm", &state, count, 1);
    layers_linear(&l, &state, self->weights[IMAGE_HEAD_FIRST], two ? ACTIVATION_GELU : ACTIVATION_NONE, NULL, &first);
    if (two) {
        layers_linear(&l, &first, self->weights[IMAGE_HEAD_SECOND], ACTIVATION_NONE, NULL, &second);
    }
    layers_tap(&l, "head", end, count, 1);
    layers_download(&l, end, out);
    layers_give_back(&l, x);
    layers_give_back(&l, f);
    layers_give_back(&l, e);
    layers_end(&l);
    return l.status;
}

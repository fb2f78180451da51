/*
 * weight.c - the cpu backend's weights: widened to float32 and transposed once, so that every product reads them as
 * the right-hand matrix (inner, out), a convolution's inner index running over (kernel_h, kernel_w, in) as the
 * gathered patches do. See cpu.h.
 */
#include "backend/cpu/cpu.h"

#include "core/memory.h"

/* Outputs transposed at a time: each inner index then writes one whole cache line. */
#define WEIGHT_GROUP (MEM_ALIGNMENT / sizeof(float))

/* source (out, in, taps) to packed (taps, in, out). group holds WEIGHT_GROUP rows of in * taps floats. */
static void transpose(const weight_source *source, const struct backend_weight *shape, float *group, float *packed) {
    size_t taps = (size_t)shape->kernel_h * shape->kernel_w;
    size_t inner = shape->in * taps;
    const char *bytes = source->data;
    for (size_t first = 0; first < shape->out; first += WEIGHT_GROUP) {
        size_t count = shape->out - first < WEIGHT_GROUP ? shape->out - first : WEIGHT_GROUP;
        dtype_to_float(source->type, bytes + first * inner * dtype_size(source->type), count * inner, group);
        for (size_t in = 0; in < shape->in; in++) {
            for (size_t tap = 0; tap < taps; tap++) {
                float *row = packed + (tap * shape->in + in) * shape->out + first;
                for (size_t i = 0; i < count; i++) {
                    row[i] = group[i * inner + in * taps + tap];
                }
            }
        }
    }
}

void cpu_weight_destroy(backend_weight *weight) {
    if (weight != NULL) {
        cpu_weight *w = (cpu_weight *)(void *)weight;
        mem_free(w->data);
        mem_free(w->bias);
        mem_free(w);
    }
}

size_t cpu_weight_bytes(const backend_weight *weight) {
    return cpu_weight_of(weight)->bytes;
}

/* Fills an empty weight of known shape. */
static diffcut_status fill(cpu_weight *weight, const weight_source *source, size_t elements,
                           diffcut_diagnostics *diag) {
    const struct backend_weight *shape = &weight->head;
    size_t inner = elements / shape->out;
    weight->bytes = (elements + (source->bias != NULL ? shape->out : 0)) * sizeof(float);
    weight->data = mem_array(elements, sizeof(float));
    weight->bias = source->bias != NULL ? mem_array(shape->out, sizeof(float)) : NULL;
    float *group = mem_array(WEIGHT_GROUP * sizeof(float), inner);
    if (weight->data == NULL || group == NULL || (source->bias != NULL && weight->bias == NULL)) {
        mem_free(group);
        return diag_no_memory(diag, weight->bytes, "a weight");
    }
    transpose(source, shape, group, weight->data);
    if (source->bias != NULL) {
        dtype_to_float(source->bias_type, source->bias, shape->out, weight->bias);
    }
    mem_free(group);
    return DIFFCUT_OK;
}

diffcut_status cpu_weight_create(backend *self, const weight_source *source, backend_weight **out,
                                 diffcut_diagnostics *diag) {
    (void)self;
    struct backend_weight head;
    size_t elements;
    diffcut_status status = backend_check_weight(source, &head, &elements, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    cpu_weight *weight = mem_array_zero(1, sizeof *weight);
    if (weight == NULL) {
        return diag_no_memory(diag, sizeof *weight, "a weight");
    }
    weight->head = head;
    status = fill(weight, source, elements, diag);
    if (status != DIFFCUT_OK) {
        cpu_weight_destroy(&weight->head);
        return status;
    }
    *out = &weight->head;
    return DIFFCUT_OK;
}

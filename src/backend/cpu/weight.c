/*
 * weight.c - the cpu backend's weights: packed into panels (panel.h), in bf16 where the source asks for it; those of
 * larger kernels widened to float32 and transposed, so that every product reads them as the right-hand matrix
 * (inner, out), the inner index running over (kernel_h, kernel_w, in) as the gathered patches do. See cpu.h.
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
        panel_matrix_free(&w->panels);
        mem_free(w->data);
        mem_free(w->bias);
        mem_free(w);
    }
}

size_t cpu_weight_bytes(const backend_weight *weight) {
    return cpu_weight_of(weight)->bytes;
}

/* Larger kernels, and norms. */
static diffcut_status fill_data(cpu_weight *weight, const weight_source *source, size_t elements,
                                diffcut_diagnostics *diag) {
    size_t inner = elements / weight->head.out;
    weight->data = mem_array(elements, sizeof(float));
    float *group = mem_array(WEIGHT_GROUP * sizeof(float), inner);
    if (weight->data == NULL || group == NULL) {
        mem_free(group);
        return diag_no_memory(diag, elements * sizeof(float), "a weight");
    }
    transpose(source, &weight->head, group, weight->data);
    mem_free(group);
    weight->bytes += elements * sizeof(float);
    return DIFFCUT_OK;
}

static diffcut_status fill_panels(const cpu_backend *self, cpu_weight *weight, const weight_source *source,
                                  diffcut_diagnostics *diag) {
    dtype precision = source->kind == WEIGHT_LINEAR ? source->precision : DTYPE_F32;
    diffcut_status status = panel_matrix_create(self->panels, weight->head.out, weight->head.in, source->type,
                                                source->data, precision, &weight->panels, diag);
    weight->bytes += status == DIFFCUT_OK ? panel_matrix_bytes(&weight->panels) : 0;
    return status;
}

/* Fills an empty weight of known shape. */
static diffcut_status fill(const cpu_backend *self, cpu_weight *weight, const weight_source *source, size_t elements,
                           diffcut_diagnostics *diag) {
    if (source->bias != NULL) {
        weight->bias = mem_array(weight->head.out, sizeof(float));
        if (weight->bias == NULL) {
            return diag_no_memory(diag, weight->head.out * sizeof(float), "a bias");
        }
        dtype_to_float(source->bias_type, source->bias, weight->head.out, weight->bias);
        weight->bytes += weight->head.out * sizeof(float);
    }
    bool point = source->kind != WEIGHT_NORM && weight->head.kernel_h == 1 && weight->head.kernel_w == 1;
    return point ? fill_panels(self, weight, source, diag) : fill_data(weight, source, elements, diag);
}

diffcut_status cpu_weight_create(backend *self, const weight_source *source, backend_weight **out,
                                 diffcut_diagnostics *diag) {
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
    status = fill((const cpu_backend *)(const void *)self, weight, source, elements, diag);
    if (status != DIFFCUT_OK) {
        cpu_weight_destroy(&weight->head);
        return status;
    }
    *out = &weight->head;
    return DIFFCUT_OK;
}

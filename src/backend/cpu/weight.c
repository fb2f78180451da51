/*
 * weight.c - the cpu backend's weights: packed into panels (panel.h), in bf16 where the source asks for it; those of
 * larger kernels widened to float32 and transposed, so that every product reads them as the right-hand matrix
 * (inner, out), the inner index running over (kernel_h, kernel_w, in) as the gathered patches do. A 3x3 convolution
 * may have its weights transformed for Winograd instead, or as well while the stride it will be used with is not
 * known. See cpu.h.
 */
#include "backend/cpu/winograd.h"

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
        mem_free(w->winograd);
        mem_free(w);
    }
}

size_t cpu_weight_bytes(const backend_weight *weight) {
    return cpu_weight_of(weight)->bytes;
}

/* Larger kernels as they are for a plain product, and norms. */
static diffcut_status fill_plain(cpu_weight *weight, const weight_source *source, size_t elements,
                                 diffcut_diagnostics *diag) {
    const struct backend_weight *shape = &weight->head;
    size_t inner = elements / shape->out;
    weight->data = mem_array(elements, sizeof(float));
    float *group = mem_array(WEIGHT_GROUP * sizeof(float), inner);
    if (weight->data == NULL || group == NULL) {
        mem_free(group);
        return diag_no_memory(diag, elements * sizeof(float), "a weight");
    }
    transpose(source, shape, group, weight->data);
    mem_free(group);
    weight->bytes += elements * sizeof(float);
    return DIFFCUT_OK;
}

static diffcut_status fill_panels(const cpu_backend *self, cpu_weight *weight, const weight_source *source,
                                  diffcut_diagnostics *diag) {
    dtype precision = source->kind == WEIGHT_LINEAR ? source->precision : DTYPE_F32;
    diffcut_status status = (source->kind == WEIGHT_LINEAR && source->lent ? panel_matrix_lend : panel_matrix_create)(
        self->panels, weight->head.out, weight->head.in, source->type, source->data, precision, &weight->panels,
        diag);
    weight->bytes += status == DIFFCUT_OK ? panel_matrix_bytes(&weight->panels) : 0;
    return status;
}

static diffcut_status fill_winograd(const cpu_backend *self, cpu_weight *weight, const weight_source *source,
                                    diffcut_diagnostics *diag) {
    size_t floats;
    if (!winograd_floats(self->winograd, weight->form, source->in, source->out, &floats)) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "weight: %u x %u channels are too many for Winograd's form",
                         (unsigned)source->out, (unsigned)source->in);
    }
    weight->bytes += floats * sizeof(float);
    weight->winograd = mem_array(floats, sizeof(float));
    if (weight->winograd == NULL) {
        return diag_no_memory(diag, floats * sizeof(float), "a weight");
    }
    return winograd_transform(self->winograd, weight->form, source, weight->winograd, diag);
}

/* Fills an empty weight of known shape and form. */
static diffcut_status fill(const cpu_backend *self, cpu_weight *weight, const weight_source *source, size_t elements,
                           diffcut_diagnostics *diag) {
    diffcut_status status = DIFFCUT_OK;
    if (source->kind != WEIGHT_NORM && weight->head.kernel_h == 1 && weight->head.kernel_w == 1) {
        status = fill_panels(self, weight, source, diag);
    } else if (weight->form == WINOGRAD_NONE || weight->head.stride != 1) {
        status = fill_plain(weight, source, elements, diag);
    }
    if (status == DIFFCUT_OK && weight->form != WINOGRAD_NONE) {
        status = fill_winograd(self, weight, source, diag);
    }
    if (status != DIFFCUT_OK || source->bias == NULL) {
        return status;
    }
    size_t out = weight->head.out;
    weight->bytes += out * sizeof(float);
    weight->bias = mem_array(out, sizeof(float));
    if (weight->bias == NULL) {
        return diag_no_memory(diag, out * sizeof(float), "a weight");
    }
    dtype_to_float(source->bias_type, source->bias, out, weight->bias);
    return DIFFCUT_OK;
}

/* What a source's weight may have: only a 3x3 convolution that may be used with stride 1 has a form. */
static bool has_form(const struct backend_weight *head) {
    return head->kind == WEIGHT_CONV && head->kernel_h == 3 && head->kernel_w == 3 && head->stride <= 1;
}

diffcut_status cpu_weight_create(backend *self, const weight_source *source, backend_weight **out,
                                 diffcut_diagnostics *diag) {
    return cpu_weight_create_form(self, source, winograd_choose(source->in, source->out), out, diag);
}

diffcut_status cpu_weight_create_form(backend *self, const weight_source *source, winograd_form form,
                                      backend_weight **out, diffcut_diagnostics *diag) {
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
    weight->form = has_form(&head) ? form : WINOGRAD_NONE;
    status = fill((const cpu_backend *)(const void *)self, weight, source, elements, diag);
    if (status != DIFFCUT_OK) {
        cpu_weight_destroy(&weight->head);
        return status;
    }
    *out = &weight->head;
    return DIFFCUT_OK;
}

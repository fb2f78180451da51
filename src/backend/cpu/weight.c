/*
 * weight.c - the cpu backend's weights: packed into panels (panel.h), in bf16 where the source asks for it, a
 * convolution's inner index running over (kernel_h, kernel_w, in) as the gathered patches do. A 3x3 convolution may
 * have its weights transformed for Winograd instead, or as well while the stride it will be used with is not known.
 * See cpu.h.
 */
#include "backend/cpu/winograd.h"

#include "core/memory.h"

/* From so many channels on, in times out, the direct convolution in bf16 is about as fast as Winograd's in float32,
 * which is limited by reading its weights: those take an eighth of the memory. */
#define BF16_DIRECT ((size_t)320 * 640)

void cpu_weight_destroy(backend_weight *weight) {
    if (weight != NULL) {
        cpu_weight *w = (cpu_weight *)(void *)weight;
        panel_matrix_free(&w->panels);
        mem_free(w->gamma);
        mem_free(w->bias);
        mem_free(w->winograd);
        mem_free(w);
    }
}

size_t cpu_weight_bytes(const backend_weight *weight) {
    return cpu_weight_of(weight)->bytes;
}

/* A norm's, and a depthwise convolution's, whose taps then go before its channels. */
static diffcut_status fill_gamma(cpu_weight *weight, const weight_source *source, size_t elements,
                                 diffcut_diagnostics *diag) {
    float *read = mem_array(elements, sizeof(float));
    weight->gamma = mem_array(elements, sizeof(float));
    if (read == NULL || weight->gamma == NULL) {
        mem_free(read);
        return diag_no_memory(diag, elements * sizeof(float), "a weight");
    }
    dtype_to_float(source->type, source->data, elements, read);
    size_t taps = (size_t)weight->head.kernel_h * weight->head.kernel_w;
    for (size_t i = 0; i < elements; i++) {
        weight->gamma[i % taps * weight->head.out + i / taps] = read[i];
    }
    mem_free(read);
    weight->bytes += elements * sizeof(float);
    return DIFFCUT_OK;
}

static diffcut_status fill_panels(const cpu_backend *self, cpu_weight *weight, const weight_source *source,
                                  diffcut_diagnostics *diag) {
    const struct backend_weight *shape = &weight->head;
    size_t taps = (size_t)shape->kernel_h * shape->kernel_w;
    /* A word holds two channels of one tap. */
    dtype precision = taps > 1 && shape->in % 2 != 0 ? DTYPE_F32 : source->precision;
    diffcut_status status;
    if (source->lent && taps == 1) {
        status = panel_matrix_lend(self->panels, shape->out, shape->in, source->type, source->data, precision,
                                   &weight->panels, diag);
    } else {
        status = panel_matrix_create(self->panels, shape->out, shape->in, taps, source->type, source->data, precision,
                                     &weight->panels, diag);
    }
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
    if (source->kind == WEIGHT_NORM || source->kind == WEIGHT_DEPTHWISE) {
        status = fill_gamma(weight, source, elements, diag);
    } else if (weight->form == WINOGRAD_NONE || weight->head.stride != 1) {
        status = fill_panels(self, weight, source, diag);
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
    const cpu_backend *cpu = (const cpu_backend *)(const void *)self;
    winograd_form form = winograd_choose(source->in, source->out, source->large_grid);
    bool fast = source->precision == DTYPE_BF16 && cpu->level == CPU_AVX512_BF16;
    if (fast && (size_t)source->in * source->out >= BF16_DIRECT) {
        form = WINOGRAD_NONE;
    }
    return cpu_weight_create_form(self, source, form, out, diag);
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

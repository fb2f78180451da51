/* weights.c - see weights.h. */
#include "nn/weights.h"

#include "core/finite.h"
#include "core/memory.h"
#include "core/parallel.h"

#include <stdio.h>
#include <string.h>

#define NAME_SIZE 192

/* True when a tensor has the wanted shape, or, where `point` allows it, that shape and two sides of 1. */
static bool has_shape(const safetensors_tensor *stored, const size_t *shape, size_t rank, bool point) {
    bool longer = point && stored->rank == rank + 2 && stored->shape[rank] == 1 && stored->shape[rank + 1] == 1;
    return (stored->rank == rank || longer) && memcmp(stored->shape, shape, rank * sizeof *shape) == 0;
}

/* Finds a tensor and checks what the header says of it. */
static diffcut_status find(const checkpoint *source, const char *component, const char *name, const size_t *shape,
                           size_t rank, bool point, const safetensors_tensor **out, const char **file,
                           diffcut_diagnostics *diag) {
    const safetensors_tensor *stored;
    diffcut_status status = checkpoint_find(source, component, name, &stored, file, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (stored->type == DTYPE_OTHER) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: tensor %s has dtype %s; F32, F16 and BF16 are supported",
                         *file, name, stored->type_name);
    }
    if (!has_shape(stored, shape, rank, point)) {
        char has[96];
        char needs[96];
        safetensors_shape_text(stored->shape, stored->rank, has, sizeof has);
        safetensors_shape_text(shape, rank, needs, sizeof needs);
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: tensor %s has shape %s, %s/config.json asks for %s", *file,
                         name, has, component, needs);
    }
    *out = stored;
    return DIFFCUT_OK;
}

/* The tensors of part p: weight, and bias (NULL when there is none). */
static diffcut_status find_part(const checkpoint *source, const char *component, const char *prefix,
                                const weight_need *need, size_t p, const safetensors_tensor **weight,
                                const safetensors_tensor **bias, const char **file, diffcut_diagnostics *diag) {
    static const size_t ranks[] = {[WEIGHT_FORM_LINEAR] = 2,
                                   [WEIGHT_FORM_PROJECTION] = 2,
                                   [WEIGHT_FORM_POINT] = 4,
                                   [WEIGHT_FORM_CONV3X3] = 4,
                                   [WEIGHT_FORM_NORM] = 1};
    char name[NAME_SIZE];
    size_t side = need->form == WEIGHT_FORM_CONV3X3 ? 3 : 1;
    const size_t shape[4] = {need->out, need->in, side, side};
    (void)snprintf(name, sizeof name, "%s%s.weight", prefix, need->parts[p]);
    diffcut_status status = find(source, component, name, shape, ranks[need->form],
                                 need->form == WEIGHT_FORM_PROJECTION, weight, file, diag);
    *bias = NULL;
    if (status == DIFFCUT_OK && need->bias) {
        (void)snprintf(name, sizeof name, "%s%s.bias", prefix, need->parts[p]);
        status = find(source, component, name, shape, 1, false, bias, file, diag);
    }
    return status;
}

static size_t part_count(const weight_need *need) {
    size_t count = 0;
    while (count < WEIGHT_MAX_PARTS && need->parts[count] != NULL) {
        count++;
    }
    return count;
}

static void add_total(weight_totals *totals, const safetensors_tensor *stored) {
    totals->parameters += stored->elements;
    totals->bytes += stored->bytes;
    totals->types |= 1U << stored->type;
}

diffcut_status weight_check(const checkpoint *source, const char *component, const char *prefix,
                            const weight_need *need, weight_totals *totals, diffcut_diagnostics *diag) {
    for (size_t p = 0; p < part_count(need); p++) {
        const safetensors_tensor *weight = NULL;
        const safetensors_tensor *bias;
        const char *file;
        diffcut_status status = find_part(source, component, prefix, need, p, &weight, &bias, &file, diag);
        if (status != DIFFCUT_OK) {
            return status;
        }
        add_total(totals, weight);
        if (bias != NULL) {
            add_total(totals, bias);
        }
    }
    return DIFFCUT_OK;
}

static diffcut_status check_finite(const safetensors_tensor *stored, const char *file, diffcut_diagnostics *diag) {
    size_t place = finite_first_bad_of(parallel_default_threads(), stored->type, stored->data, stored->elements);
    if (place == stored->elements) {
        return DIFFCUT_OK;
    }
    return diag_fail(diag, DIFFCUT_ERROR_NUMERIC, "%s: tensor %s holds NaN or infinity (element %zu of %zu)", file,
                     stored->name, place, stored->elements);
}

/* Stacks the parts into one block: in their own type when it is the same, else in float32. */
static diffcut_status stack(const safetensors_tensor *const *parts, size_t count, dtype *type, void **out,
                            diffcut_diagnostics *diag) {
    size_t elements = 0;
    *type = parts[0]->type;
    for (size_t p = 0; p < count; p++) {
        elements += parts[p]->elements; /* all are mapped, so the sum fits */
        *type = parts[p]->type == *type ? *type : DTYPE_F32;
    }
    size_t size = dtype_size(*type);
    uint8_t *block = mem_array(elements, size);
    if (block == NULL) {
        return diag_no_memory(diag, elements * size, "stacked weights");
    }
    size_t used = 0;
    for (size_t p = 0; p < count; p++) {
        if (parts[p]->type == *type) {
            memcpy(block + used * size, parts[p]->data, parts[p]->bytes);
        } else {
            dtype_to_float(parts[p]->type, parts[p]->data, parts[p]->elements, (float *)(void *)block + used);
        }
        used += parts[p]->elements;
    }
    *out = block;
    return DIFFCUT_OK;
}

/* How the backend is to see this form. */
static weight_source describe(const weight_need *need, size_t parts) {
    weight_source source = {.out = need->out * (uint32_t)parts,
                            .in = need->in,
                            .kernel_h = 1,
                            .kernel_w = 1,
                            .precision = need->precision,
                            .lent = need->once && parts == 1};
    switch (need->form) {
    case WEIGHT_FORM_CONV3X3:
        source.kind = WEIGHT_CONV;
        source.stride = need->stride;
        source.large_grid = need->large_grid;
        source.kernel_h = 3;
        source.kernel_w = 3;
        break;
    case WEIGHT_FORM_NORM:
        source.kind = WEIGHT_NORM;
        source.in = 1;
        break;
    case WEIGHT_FORM_LINEAR:
    case WEIGHT_FORM_PROJECTION:
    case WEIGHT_FORM_POINT:
    case WEIGHT_FORM_ABSENT:
        source.kind = WEIGHT_LINEAR;
        break;
    }
    return source;
}

diffcut_status weight_load(const checkpoint *source, const char *component, const char *prefix,
                           const weight_need *need, backend *target, backend_weight **out,
                           diffcut_diagnostics *diag) {
    const safetensors_tensor *weights[WEIGHT_MAX_PARTS] = {NULL};
    const safetensors_tensor *bias = NULL; /* stacked parts have none */
    size_t count = part_count(need);
    for (size_t p = 0; p < count; p++) {
        const char *file;
        diffcut_status status = find_part(source, component, prefix, need, p, &weights[p], &bias, &file, diag);
        if (status == DIFFCUT_OK) {
            status = check_finite(weights[p], file, diag);
        }
        if (status == DIFFCUT_OK && bias != NULL) {
            status = check_finite(bias, file, diag);
        }
        if (status != DIFFCUT_OK) {
            return status;
        }
    }
    weight_source given = describe(need, count);
    void *stacked = NULL;
    if (count == 1) {
        given.type = weights[0]->type;
        given.data = weights[0]->data;
    } else {
        diffcut_status status = stack(weights, count, &given.type, &stacked, diag);
        if (status != DIFFCUT_OK) {
            return status;
        }
        given.data = stacked;
    }
    if (bias != NULL) {
        given.bias_type = bias->type;
        given.bias = bias->data;
    }
    diffcut_status status = target->ops->weight_create(target, &given, out, diag);
    mem_free(stacked);
    for (size_t p = 0; p < count && status == DIFFCUT_OK && !given.lent; p++) {
        checkpoint_release(source, weights[p]); /* the backend has them now */
    }
    return status;
}

void weight_release(const checkpoint *source, const char *component, const char *prefix, const weight_need *need) {
    diffcut_diagnostics ignored; /* what is not there has no pages */
    for (size_t p = 0; p < part_count(need); p++) {
        const safetensors_tensor *weight = NULL;
        const safetensors_tensor *bias;
        const char *file;
        if (find_part(source, component, prefix, need, p, &weight, &bias, &file, &ignored) == DIFFCUT_OK) {
            checkpoint_release(source, weight);
        }
    }
}

const char *weight_totals_type(const weight_totals *totals) {
    static const dtype types[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (totals->types == 1U << types[i]) {
            return dtype_name(types[i]);
        }
    }
    return "mixed";
}

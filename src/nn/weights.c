/* weights.c - see weights.h. */
#include "nn/weights.h"

#include "core/finite.h"
#include "core/memory.h"
#include "core/parallel.h"

#include <stdio.h>
#include <string.h>

/* Sides of 1 that a tensor may have beside the wanted shape. */
typedef enum extra_sides { SIDES_NONE, SIDES_POINT /* two behind it */, SIDES_BEFORE /* any number */ } extra_sides;

static bool has_shape(const safetensors_tensor *stored, const size_t *shape, size_t rank, extra_sides extra) {
    const size_t *sides = stored->shape;
    size_t count = stored->rank;
    while (extra == SIDES_BEFORE && count > rank && *sides == 1) {
        sides++;
        count--;
    }
    bool longer = extra == SIDES_POINT && count == rank + 2 && sides[rank] == 1 && sides[rank + 1] == 1;
    return (count == rank || longer) && memcmp(sides, shape, rank * sizeof *shape) == 0;
}

void weight_name(const char *prefix, const weight_need *need, size_t part, bool bias, char out[WEIGHT_NAME_SIZE]) {
    const char *end = need->form == WEIGHT_FORM_TABLE ? "" : bias ? ".bias" : ".weight";
    (void)snprintf(out, WEIGHT_NAME_SIZE, "%s%s%s", prefix, need->parts[part], end);
}

/* Finds a tensor and checks what the header says of it. */
static diffcut_status find(const checkpoint *source, const char *component, const char *name, const size_t *shape,
                           size_t rank, extra_sides extra, const safetensors_tensor **out, const char **file,
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
    if (!has_shape(stored, shape, rank, extra)) {
        char has[96];
        char needs[96];
        safetensors_shape_text(stored->shape, stored->rank, has, sizeof has);
        safetensors_shape_text(shape, rank, needs, sizeof needs);
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: tensor %s has shape %s, %s asks for %s", *file, name, has,
                         checkpoint_config_name(source, component).text, needs);
    }
    *out = stored;
    return DIFFCUT_OK;
}

/* The tensors of part p: weight, and bias (NULL when there is none). */
static diffcut_status find_part(const checkpoint *source, const char *component, const char *prefix,
                                const weight_need *need, size_t p, const safetensors_tensor **weight,
                                const safetensors_tensor **bias, const char **file, diffcut_diagnostics *diag) {
    static const size_t ranks[] = {[WEIGHT_FORM_LINEAR] = 2,    [WEIGHT_FORM_PROJECTION] = 2, [WEIGHT_FORM_POINT] = 4,
                                   [WEIGHT_FORM_CONV3X3] = 4,   [WEIGHT_FORM_NORM] = 1,       [WEIGHT_FORM_CONV] = 4,
                                   [WEIGHT_FORM_DEPTHWISE] = 4, [WEIGHT_FORM_TABLE] = 2};
    char name[WEIGHT_NAME_SIZE];
    bool vector = need->form == WEIGHT_FORM_TABLE && need->out == 1; /* a table of one row may have no rows */
    size_t side = need->form == WEIGHT_FORM_CONV3X3 ? 3 : need->kernel > 0 ? need->kernel : 1;
    const size_t shape[4] = {need->out, need->form == WEIGHT_FORM_DEPTHWISE ? 1 : need->in, side, side};
    weight_name(prefix, need, p, false, name);
    diffcut_status status = find(source, component, name, vector ? shape + 1 : shape, vector ? 1 : ranks[need->form],
                                 need->form == WEIGHT_FORM_PROJECTION ? SIDES_POINT
                                 : need->form == WEIGHT_FORM_TABLE    ? SIDES_BEFORE
                                                                      : SIDES_NONE,
                                 weight, file, diag);
    *bias = NULL;
    if (status == DIFFCUT_OK && need->bias) {
        weight_name(prefix, need, p, true, name);
        status = find(source, component, name, shape, 1, SIDES_NONE, bias, file, diag);
    }
    return status;
}

/* The vector that a part's outputs are multiplied by; NULL where there is none. */
static diffcut_status find_scale(const checkpoint *source, const char *component, const char *prefix,
                                 const weight_need *need, const safetensors_tensor **scale, const char **file,
                                 diffcut_diagnostics *diag) {
    char name[WEIGHT_NAME_SIZE];
    const size_t shape[1] = {need->out};
    *scale = NULL;
    if (need->scale == NULL) {
        return DIFFCUT_OK;
    }
    (void)snprintf(name, sizeof name, "%s%s", prefix, need->scale);
    return find(source, component, name, shape, 1, SIDES_NONE, scale, file, diag);
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
    const safetensors_tensor *scale;
    const char *file;
    diffcut_status status = find_scale(source, component, prefix, need, &scale, &file, diag);
    if (status == DIFFCUT_OK && scale != NULL) {
        add_total(totals, scale);
    }
    return status;
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
    case WEIGHT_FORM_CONV:
    case WEIGHT_FORM_DEPTHWISE:
        source.kind = need->form == WEIGHT_FORM_CONV ? WEIGHT_CONV : WEIGHT_DEPTHWISE;
        source.stride = need->stride;
        source.kernel_h = need->kernel;
        source.kernel_w = need->kernel;
        break;
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
    case WEIGHT_FORM_TABLE:
    case WEIGHT_FORM_ABSENT:
        source.kind = WEIGHT_LINEAR;
        break;
    }
    return source;
}

/* Multiplies a weight's rows, and its bias, by a vector: float32 copies, freed with mem_free. */
static diffcut_status scale_rows(const weight_need *need, const safetensors_tensor *weight,
                                 const safetensors_tensor *bias, const safetensors_tensor *scale, float **rows,
                                 float **scaled_bias, diffcut_diagnostics *diag) {
    size_t in = weight->elements / need->out;
    *rows = mem_array(weight->elements, sizeof **rows);
    *scaled_bias = mem_array(need->out, 2 * sizeof **scaled_bias);
    if (*rows == NULL || *scaled_bias == NULL) {
        return diag_no_memory(diag, weight->elements * sizeof **rows, "a scaled weight");
    }
    float *factors = *scaled_bias + need->out;
    dtype_to_float(weight->type, weight->data, weight->elements, *rows);
    dtype_to_float(scale->type, scale->data, need->out, factors);
    if (bias != NULL) {
        dtype_to_float(bias->type, bias->data, need->out, *scaled_bias);
    }
    for (size_t o = 0; o < need->out; o++) {
        for (size_t i = 0; i < in; i++) {
            (*rows)[o * in + i] *= factors[o];
        }
        (*scaled_bias)[o] = bias != NULL ? (*scaled_bias)[o] * factors[o] : 0.0F;
    }
    return DIFFCUT_OK;
}

/* A weight with a scale, in one part. */
static diffcut_status load_scaled(const checkpoint *source, const char *component, const char *prefix,
                                  const weight_need *need, const safetensors_tensor *weight,
                                  const safetensors_tensor *bias, backend *target, backend_weight **out,
                                  diffcut_diagnostics *diag) {
    const safetensors_tensor *scale;
    const char *file;
    float *rows = NULL;
    float *scaled_bias = NULL;
    weight_source given = describe(need, 1);
    diffcut_status status = find_scale(source, component, prefix, need, &scale, &file, diag);
    if (status == DIFFCUT_OK) {
        status = check_finite(scale, file, diag);
    }
    if (status == DIFFCUT_OK) {
        status = scale_rows(need, weight, bias, scale, &rows, &scaled_bias, diag);
    }
    if (status == DIFFCUT_OK) {
        given.type = DTYPE_F32;
        given.data = rows;
        given.bias_type = DTYPE_F32;
        given.bias = bias != NULL ? scaled_bias : NULL;
        given.lent = false;
        status = target->ops->weight_create(target, &given, out, diag);
    }
    mem_free(scaled_bias);
    mem_free(rows);
    if (status == DIFFCUT_OK) {
        checkpoint_release(source, weight);
    }
    return status;
}

diffcut_status weight_read(const checkpoint *source, const char *component, const char *prefix,
                           const weight_need *need, float *out, diffcut_diagnostics *diag) {
    const safetensors_tensor *table;
    const safetensors_tensor *bias;
    const char *file;
    diffcut_status status = find_part(source, component, prefix, need, 0, &table, &bias, &file, diag);
    if (status == DIFFCUT_OK) {
        status = check_finite(table, file, diag);
    }
    if (status == DIFFCUT_OK) {
        dtype_to_float(table->type, table->data, table->elements, out);
        checkpoint_release(source, table);
    }
    return status;
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
    if (need->scale != NULL) {
        return load_scaled(source, component, prefix, need, weights[0], bias, target, out, diag);
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

/* ------------------------------------------------------------------------------------------------- modules */

diffcut_status weights_visit(const char *component, const char *prefix, const weight_need *needs, size_t count,
                             weight_visit_fn visit, void *user) {
    diffcut_status status = DIFFCUT_OK;
    for (size_t i = 0; i < count && status == DIFFCUT_OK; i++) {
        if (needs[i].form != WEIGHT_FORM_ABSENT) {
            status = visit(user, component, prefix, &needs[i]);
        }
    }
    return status;
}

diffcut_status weights_load(const checkpoint *source, const char *component, const char *prefix,
                            const weight_need *needs, size_t count, backend *target, backend_weight **weights,
                            diffcut_diagnostics *diag) {
    diffcut_status status = DIFFCUT_OK;
    for (size_t i = 0; i < count && status == DIFFCUT_OK; i++) {
        if (needs[i].form != WEIGHT_FORM_ABSENT && weights[i] == NULL) {
            status = weight_load(source, component, prefix, &needs[i], target, &weights[i], diag);
        }
    }
    return status;
}

void weights_destroy(backend *target, backend_weight **weights, size_t count) {
    for (size_t i = 0; i < count; i++) {
        target->ops->weight_destroy(weights[i]);
        weights[i] = NULL;
    }
}

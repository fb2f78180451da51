/* context_file.c - see context_file.h. */
#include "model/context_file.h"

#include "core/memory.h"
#include "io/safetensors.h"
#include "io/safetensors_write.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define FORMAT "diffcut-context"
#define VERSION "1"
#define MAX_BYTES ((size_t)256 << 20) /* of a file; SDXL's has 0.6 MB */
#define SHAPES_SIZE 48

void context_arrays_free(context_arrays *arrays) {
    mem_free(arrays->data);
    mem_free(arrays->pooled);
    *arrays = (context_arrays){.data = NULL};
}

static void shapes_text(const context_arrays *arrays, char out[SHAPES_SIZE]) {
    (void)snprintf(out, SHAPES_SIZE, "%" PRIu32 "x%" PRIu32 "+%" PRIu32, arrays->tokens, arrays->channels,
                   arrays->pooled_width);
}

diffcut_status context_file_write(const context_arrays *arrays, const char *family, const char *prompt,
                                  diffcut_buffer *out, diffcut_diagnostics *diag) {
    const size_t shape[2] = {arrays->tokens, arrays->channels};
    const size_t width = arrays->pooled_width;
    char shapes[SHAPES_SIZE];
    const safetensors_array tensors[] = {{"context", 2, shape, arrays->data}, {"pooled", 1, &width, arrays->pooled}};
    shapes_text(arrays, shapes);
    const safetensors_text text[] = {
        {"format", FORMAT}, {"version", VERSION}, {"family", family}, {"prompt", prompt}, {"shapes", shapes}};
    return safetensors_write(tensors, arrays->pooled_width > 0 ? 2 : 1, text, sizeof text / sizeof *text, out, diag);
}

/* ------------------------------------------------------------------------------------------------- reading */

/* Finite floats of a tensor; the caller frees *out. */
static diffcut_status read_values(const safetensors *file, const safetensors_tensor *tensor, float **out,
                                  diffcut_diagnostics *diag) {
    if (tensor->type == DTYPE_OTHER) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: tensor %s has dtype %s; F32, F16 and BF16 are supported",
                         safetensors_name(file), tensor->name, tensor->type_name);
    }
    float *values = mem_array(tensor->elements, sizeof *values);
    if (values == NULL) {
        return diag_no_memory(diag, tensor->elements * sizeof *values, safetensors_name(file));
    }
    dtype_to_float(tensor->type, tensor->data, tensor->elements, values);
    for (size_t i = 0; i < tensor->elements; i++) {
        if (!isfinite(values[i])) {
            mem_free(values);
            return diag_fail(diag, DIFFCUT_ERROR_NUMERIC, "%s: tensor %s holds NaN or infinity (element %zu)",
                             safetensors_name(file), tensor->name, i);
        }
    }
    *out = values;
    return DIFFCUT_OK;
}

static diffcut_status read_tensors(const safetensors *file, context_arrays *out, diffcut_diagnostics *diag) {
    const safetensors_tensor *context = safetensors_find(file, "context");
    const safetensors_tensor *pooled = safetensors_find(file, "pooled");
    bool fits = context != NULL && context->rank == 2 && context->shape[0] > 0 && context->shape[1] > 0 &&
                context->shape[0] <= UINT32_MAX && context->shape[1] <= UINT32_MAX;
    bool pooled_fits =
        pooled == NULL || (pooled->rank == 1 && pooled->shape[0] > 0 && pooled->shape[0] <= UINT32_MAX);
    if (!fits || !pooled_fits || safetensors_count(file) != (pooled != NULL ? 2U : 1U)) {
        return diag_fail(
            diag, DIFFCUT_ERROR_FORMAT,
            "%s: a context file holds context [tokens, channels] and perhaps pooled [width], and no more",
            safetensors_name(file));
    }
    out->tokens = (uint32_t)context->shape[0];
    out->channels = (uint32_t)context->shape[1];
    out->pooled_width = pooled != NULL ? (uint32_t)pooled->shape[0] : 0;
    diffcut_status status = read_values(file, context, &out->data, diag);
    if (status == DIFFCUT_OK && pooled != NULL) {
        status = read_values(file, pooled, &out->pooled, diag);
    }
    return status;
}

/* The texts that say what the file is. */
static diffcut_status check_texts(const safetensors *file, diffcut_diagnostics *diag) {
    const char *format = safetensors_metadata(file, "format");
    const char *version = safetensors_metadata(file, "version");
    if (format == NULL || strcmp(format, FORMAT) != 0 || version == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT,
                         "%s: not a context file: its __metadata__ has no format \"" FORMAT "\"",
                         safetensors_name(file));
    }
    if (strcmp(version, VERSION) != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                         "%s: a context file of version %.20s; this version reads " VERSION, safetensors_name(file),
                         version);
    }
    static const char *const needed[] = {"family", "prompt", "shapes"};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (safetensors_metadata(file, needed[i]) == NULL) {
            return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: its __metadata__ has no %s", safetensors_name(file),
                             needed[i]);
        }
    }
    return DIFFCUT_OK;
}

static diffcut_status copy_text(const safetensors *file, const char *key, char **out, diffcut_diagnostics *diag) {
    const char *text = safetensors_metadata(file, key);
    *out = mem_string(text);
    return *out != NULL ? DIFFCUT_OK : diag_no_memory(diag, strlen(text) + 1, safetensors_name(file));
}

static diffcut_status read_file(const safetensors *file, context_arrays *out, char **family, char **prompt,
                                diffcut_diagnostics *diag) {
    char shapes[SHAPES_SIZE];
    diffcut_status status = check_texts(file, diag);
    if (status == DIFFCUT_OK) {
        status = read_tensors(file, out, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    shapes_text(out, shapes);
    if (strcmp(shapes, safetensors_metadata(file, "shapes")) != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: its shapes are %s, its __metadata__ says %.60s",
                         safetensors_name(file), shapes, safetensors_metadata(file, "shapes"));
    }
    status = copy_text(file, "family", family, diag);
    return status == DIFFCUT_OK ? copy_text(file, "prompt", prompt, diag) : status;
}

diffcut_status context_file_read(const char *path, context_arrays *out, char **family, char **prompt,
                                 diffcut_diagnostics *diag) {
    diffcut_buffer buffer = {.data = NULL};
    safetensors *file = NULL;
    context_arrays arrays = {.data = NULL};
    char *family_text = NULL;
    char *prompt_text = NULL;
    diffcut_status status = diffcut_read_file(path, MAX_BYTES, &buffer, diag);
    if (status == DIFFCUT_OK) {
        status = safetensors_parse(buffer.data, buffer.size, path, &file, diag);
    }
    if (status == DIFFCUT_OK) {
        status = read_file(file, &arrays, &family_text, &prompt_text, diag);
    }
    safetensors_close(file);
    diffcut_buffer_free(&buffer);
    if (status != DIFFCUT_OK) {
        context_arrays_free(&arrays);
        mem_free(family_text);
        mem_free(prompt_text);
        return status;
    }
    *out = arrays;
    *family = family_text;
    *prompt = prompt_text;
    return DIFFCUT_OK;
}

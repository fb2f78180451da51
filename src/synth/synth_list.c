/* synth_list.c - see synth_list.h. */
#include "synth/synth_list.h"

#include "core/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 256

void synth_list_free(synth_list *list) {
    mem_free(list->tensors);
    *list = (synth_list){0};
}

/* Room for one more; false once memory has run out. */
static bool reserve(synth_list *list) {
    if (list->wanted > 0) {
        return false;
    }
    if (list->count < list->capacity) {
        return true;
    }
    size_t capacity = list->capacity > 0 ? 2 * list->capacity : FIRST_CAPACITY;
    synth_tensor *grown = mem_array_grow(list->tensors, list->count, capacity, sizeof *grown);
    if (grown == NULL) {
        list->wanted = capacity * sizeof *grown;
        return false;
    }
    list->tensors = grown;
    list->capacity = capacity;
    return true;
}

/* Appends prefix + part + suffix of the shape's first `rank` sides. */
static void append(synth_list *list, const char *prefix, const char *part, const char *suffix, synth_kind kind,
                   const size_t *shape, size_t rank) {
    if (!reserve(list)) {
        return;
    }
    synth_tensor tensor = {.rank = rank, .elements = 1, .fan_in = 1, .kind = kind};
    int length = snprintf(tensor.name, sizeof tensor.name, "%s%s%s", prefix, part, suffix);
    bool fits = length > 0 && (size_t)length < sizeof tensor.name;
    for (size_t i = 0; i < rank; i++) {
        tensor.shape[i] = shape[i];
        fits = mem_mul(tensor.elements, shape[i], &tensor.elements) && fits;
        tensor.fan_in *= i > 0 ? shape[i] : 1; /* no larger than elements */
    }
    list->too_large = list->too_large || !fits;
    list->tensors[list->count++] = tensor;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const synth_tensor *)a)->name, ((const synth_tensor *)b)->name);
}

diffcut_status synth_list_finish(synth_list *list, diffcut_diagnostics *diag) {
    if (list->wanted > 0) {
        return diag_no_memory(diag, list->wanted, "the list of tensors");
    }
    if (list->too_large) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "a tensor of this network is larger than memory can address");
    }
    if (list->count > 0) {
        qsort(list->tensors, list->count, sizeof *list->tensors, by_name);
    }
    return DIFFCUT_OK;
}

void synth_linear(synth_list *list, const char *prefix, const char *part, size_t out, size_t in, bool bias) {
    const size_t shape[] = {out, in};
    append(list, prefix, part, ".weight", SYNTH_WEIGHT, shape, 2);
    if (bias) {
        append(list, prefix, part, ".bias", SYNTH_BIAS, shape, 1);
    }
}

void synth_conv(synth_list *list, const char *prefix, const char *part, size_t out, size_t in, size_t side) {
    const size_t shape[] = {out, in, side, side};
    append(list, prefix, part, ".weight", SYNTH_WEIGHT, shape, 4);
    append(list, prefix, part, ".bias", SYNTH_BIAS, shape, 1);
}

void synth_norm(synth_list *list, const char *prefix, const char *part, size_t channels) {
    append(list, prefix, part, ".weight", SYNTH_SCALE, &channels, 1);
    append(list, prefix, part, ".bias", SYNTH_BIAS, &channels, 1);
}

void synth_embedding(synth_list *list, const char *prefix, const char *part, size_t rows, size_t width) {
    const size_t shape[] = {rows, width};
    append(list, prefix, part, ".weight", SYNTH_EMBEDDING, shape, 2);
}

void synth_resnet(synth_list *list, const char *prefix, size_t in, size_t out, size_t time) {
    synth_norm(list, prefix, ".norm1", in);
    synth_conv(list, prefix, ".conv1", out, in, 3);
    if (time > 0) {
        synth_linear(list, prefix, ".time_emb_proj", out, time, true);
    }
    synth_norm(list, prefix, ".norm2", out);
    synth_conv(list, prefix, ".conv2", out, out, 3);
    if (in != out) {
        synth_conv(list, prefix, ".conv_shortcut", out, in, 1);
    }
}

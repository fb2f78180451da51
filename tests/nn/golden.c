/* golden.c - see golden.h. */
#include "golden.h"

#include "core/memory.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "test.h"

int golden_open(const char *folder, safetensors **out) {
    diffcut_diagnostics diag = {.message = ""};
    if (access(folder, F_OK) != 0) {
        printf("%s is not there: skipped\n", folder);
        return TEST_SKIPPED;
    }
    if (safetensors_open(folder, "golden.safetensors", out, &diag) != DIFFCUT_OK) {
        printf("%s\n", diag.message);
        return 1;
    }
    return 0;
}

/* The golden tensor as (h, w, c). Maps are stored channels first; sequences and vectors have the same memory. */
static float *widen(const safetensors_tensor *t, size_t h, size_t w, size_t c) {
    float *raw = mem_array(t->elements, sizeof *raw);
    float *out = mem_array(t->elements, sizeof *out);
    if (raw != NULL && out != NULL) {
        dtype_to_float(t->type, t->data, t->elements, raw);
        for (size_t i = 0; i < t->elements; i++) {
            size_t position = i / c;
            size_t channel = i % c;
            out[i] = t->rank == 4 ? raw[channel * h * w + position] : raw[i];
        }
    }
    mem_free(raw);
    return out;
}

float *golden_load(const safetensors *file, const char *name, uint32_t *h, uint32_t *w, uint32_t *c) {
    const safetensors_tensor *t = safetensors_find(file, name);
    if (t == NULL) {
        printf("%s: no tensor %s\n", safetensors_name(file), name);
        return NULL;
    }
    *c = (uint32_t)(t->rank == 4 ? t->shape[1] : t->shape[t->rank - 1]);
    *h = (uint32_t)(t->rank == 4 ? t->shape[2] : t->rank == 3 ? t->shape[1] : 1);
    *w = (uint32_t)(t->rank == 4 ? t->shape[3] : 1);
    return widen(t, *h, *w, *c);
}

/* True when the golden tensor's shape holds the same values as (h, w, c). */
static bool fits(const safetensors_tensor *t, size_t h, size_t w, size_t c) {
    if (t->rank == 4) {
        return t->shape[0] == 1 && t->shape[1] == c && t->shape[2] == h && t->shape[3] == w;
    }
    if (t->rank == 3) {
        return t->shape[0] == 1 && t->shape[1] == h * w && t->shape[2] == c;
    }
    return t->elements == h * w * c;
}

bool golden_compare(const safetensors *file, const char *name, const float *data, size_t h, size_t w, size_t c,
                    double tolerance, double *error) {
    const safetensors_tensor *t = safetensors_find(file, name);
    char shape[96];
    if (t == NULL) {
        printf("%s: no tensor %s\n", safetensors_name(file), name);
        return false;
    }
    if (!fits(t, h, w, c)) {
        safetensors_shape_text(t->shape, t->rank, shape, sizeof shape);
        printf("%s: computed (%zu, %zu, %zu), golden %s\n", name, h, w, c, shape);
        return false;
    }
    float *golden = widen(t, h, w, c);
    if (golden == NULL) {
        return false;
    }
    double squares = 0.0;
    double worst = -1.0;
    size_t place = 0;
    for (size_t i = 0; i < t->elements; i++) {
        double difference = fabs((double)data[i] - (double)golden[i]);
        squares += (double)golden[i] * (double)golden[i];
        if (!(difference <= worst)) { /* NaN counts as worst */
            worst = difference;
            place = i;
        }
    }
    double rms = sqrt(squares / (double)t->elements);
    *error = rms > 0.0 ? worst / rms : worst;
    bool close = *error <= tolerance;
    if (!close) {
        printf("%s: error %.3g rms at y %zu, x %zu, channel %zu: computed %.9g, golden %.9g (tolerance %.1g)\n", name,
               *error, place / c / w, place / c % w, place % c, (double)data[place], (double)golden[place],
               tolerance);
    }
    mem_free(golden);
    return close;
}

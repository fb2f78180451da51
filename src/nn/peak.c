/* peak.c - see peak.h. */
#include "nn/peak.h"

#include "core/memory.h"

enum { ROWS = 2048, SIDE = 1280, LEAST_RUNS = 5, MOST_RUNS = 200 };
#define ENOUGH_SECONDS 0.7

/* A weight of small numbers. */
static diffcut_status make_weight(backend *target, backend_weight **out, diffcut_diagnostics *diag) {
    float *values = mem_array((size_t)SIDE * SIDE, sizeof *values);
    if (values == NULL) {
        return diag_no_memory(diag, (size_t)SIDE * SIDE * sizeof *values, "a product to measure");
    }
    for (size_t i = 0; i < (size_t)SIDE * SIDE; i++) {
        values[i] = (float)(i % 17) * 0.01F - 0.08F;
    }
    const weight_source source = {.kind = WEIGHT_LINEAR,
                                  .type = DTYPE_F32,
                                  .data = values,
                                  .out = SIDE,
                                  .in = SIDE,
                                  .kernel_h = 1,
                                  .kernel_w = 1};
    diffcut_status status = target->ops->weight_create(target, &source, out, diag);
    mem_free(values);
    return status;
}

diffcut_status peak_measure(backend *target, backend_stream *stream, const work *w, double *flops) {
    work quiet = *w;
    quiet.operation = NULL;
    layers l = {.backend = target, .stream = stream, .work = &quiet};
    backend_weight *weight = NULL;
    backend_buffer *from = NULL;
    backend_buffer *to = NULL;
    double best = 0.0;
    l.status = make_weight(target, &weight, w->diag);
    layers_take(&l, (size_t)ROWS * SIDE, &from);
    layers_take(&l, (size_t)ROWS * SIDE, &to);
    float *zeros = mem_array_zero((size_t)ROWS * SIDE, sizeof *zeros);
    if (zeros == NULL && l.status == DIFFCUT_OK) {
        l.status = diag_no_memory(w->diag, (size_t)ROWS * SIDE * sizeof *zeros, "the peak's measurement");
    }
    const tensor x = {.buffer = from, .n = 1, .h = ROWS, .w = 1, .c = SIDE, .stride = SIDE};
    const tensor y = {.buffer = to, .n = 1, .h = ROWS, .w = 1, .c = SIDE, .stride = SIDE};
    layers_upload(&l, zeros, &x);
    mem_free(zeros);
    const double start = work_clock();
    for (int run = 0; run < MOST_RUNS && l.status == DIFFCUT_OK; run++) {
        const double before = work_clock();
        if (run >= LEAST_RUNS && before - start > ENOUGH_SECONDS) {
            break;
        }
        layers_linear(&l, &x, weight, ACTIVATION_NONE, NULL, &y);
        if (l.status == DIFFCUT_OK) {
            l.status = target->ops->stream_wait(stream, w->diag);
        }
        if (l.status == DIFFCUT_OK) {
            l.status = work_progress(w, 0.0);
        }
        const double rate = 2.0 * ROWS * SIDE * SIDE / (work_clock() - before);
        best = rate > best ? rate : best;
    }
    layers_give_back(&l, from);
    layers_give_back(&l, to);
    target->ops->weight_destroy(weight);
    layers_end(&l);
    if (l.status == DIFFCUT_OK) {
        *flops = best;
    }
    return l.status;
}

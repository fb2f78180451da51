/*
 * resize.c - see resize.h.
 *
 * Separable: every output coordinate of an axis has a run of input samples ("taps") and their weights. An output row
 * is the weighted sum of its input rows, and then of the taps within that sum, so that one row of scratch memory a
 * thread is all it needs. Positions and weights are computed in float32 with torch's order of operations: at large
 * sizes the position itself is rounded there, and the paper's numbers carry that.
 */
#include "io/resize.h"

#include "core/memory.h"
#include "core/parallel.h"

#include <math.h>

#define ROWS_PER_PIECE 8
#define CHANNELS 3

typedef struct axis {
    size_t most;     /* weights reserved for each output coordinate */
    uint32_t *first; /* (out): the first tap */
    uint32_t *taps;  /* (out): how many, at least 1 */
    float *weights;  /* (out, most) */
} axis;

static void axis_free(axis *a) {
    mem_free(a->first);
    mem_free(a->taps);
    mem_free(a->weights);
}

/* Two neighbours, half-pixel centres, the edge sample repeated. */
static void fill_bilinear(axis *a, uint32_t in, uint32_t out) {
    float scale = (float)in / (float)out;
    for (uint32_t i = 0; i < out; i++) {
        float position = scale * ((float)i + 0.5F) - 0.5F;
        position = position > 0.0F ? position : 0.0F;
        uint32_t low = (uint32_t)position;
        low = low < in - 1 ? low : in - 1;
        float fraction = position - (float)low;
        fraction = fraction < 1.0F ? fraction : 1.0F;
        a->first[i] = low;
        a->taps[i] = low < in - 1 ? 2 : 1;
        a->weights[i * a->most] = a->taps[i] == 2 ? 1.0F - fraction : 1.0F;
        a->weights[i * a->most + 1] = fraction;
    }
}

/* Half the width, in input samples, of the triangle that makes one output sample. */
static float triangle_support(uint32_t in, uint32_t out) {
    float scale = (float)in / (float)out;
    return scale > 1.0F ? scale : 1.0F;
}

static void fill_triangle(axis *a, uint32_t in, uint32_t out) {
    float scale = (float)in / (float)out;
    float support = triangle_support(in, out);
    float inverse = 1.0F / support;
    for (uint32_t i = 0; i < out; i++) {
        float centre = scale * ((float)i + 0.5F);
        float start = centre - support + 0.5F;
        float end = centre + support + 0.5F;
        uint32_t low = start > 0.0F ? (uint32_t)start : 0;
        low = low < in - 1 ? low : in - 1;
        uint32_t high = end < (float)in ? (uint32_t)end : in;
        uint32_t taps = high > low ? high - low : 1;
        taps = taps < a->most ? taps : (uint32_t)a->most;
        float *weights = a->weights + i * a->most;
        float total = 0.0F;
        for (uint32_t j = 0; j < taps; j++) {
            float distance = fabsf(((float)(j + low) - centre + 0.5F) * inverse);
            weights[j] = distance < 1.0F ? 1.0F - distance : 0.0F;
            total += weights[j];
        }
        for (uint32_t j = 0; j < taps; j++) {
            weights[j] = total > 0.0F ? weights[j] / total : (j == 0 ? 1.0F : 0.0F);
        }
        a->first[i] = low;
        a->taps[i] = taps;
    }
}

static diffcut_status axis_create(uint32_t in, uint32_t out, diffcut_resample resample, axis *a,
                                  diffcut_diagnostics *diag) {
    bool triangle = resample == DIFFCUT_RESAMPLE_ANTIALIAS;
    size_t most = triangle ? (size_t)ceilf(triangle_support(in, out)) * 2 + 1 : 2;
    size_t count;
    if (!mem_mul(out, most, &count)) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "resize: %u to %u samples is too large", in, out);
    }
    *a = (axis){most, mem_array(out, sizeof(uint32_t)), mem_array(out, sizeof(uint32_t)),
                mem_array(count, sizeof(float))};
    if (a->first == NULL || a->taps == NULL || a->weights == NULL) {
        axis_free(a);
        *a = (axis){0};
        return diag_no_memory(diag, count * sizeof(float), "the weights of a resize");
    }
    if (triangle) {
        fill_triangle(a, in, out);
    } else {
        fill_bilinear(a, in, out);
    }
    return DIFFCUT_OK;
}

typedef struct resize_task {
    const uint8_t *rgb;
    size_t in_row; /* samples of an input row: width * 3 */
    uint32_t width, height;
    axis x, y;
    float *rows; /* (threads, in_row): one weighted sum of input rows each */
    float *out;
} resize_task;

/* sum[] = the weighted input rows of output row y, 0 .. 255. */
static void blend_rows(const resize_task *task, uint32_t y, float *restrict sum) {
    const float *weights = task->y.weights + y * task->y.most;
    size_t count = task->in_row;
    for (uint32_t j = 0; j < task->y.taps[y]; j++) {
        const uint8_t *restrict row = task->rgb + (task->y.first[y] + (size_t)j) * count;
        float weight = weights[j];
        if (j == 0) {
            for (size_t i = 0; i < count; i++) {
                sum[i] = weight * (float)row[i];
            }
        } else {
            for (size_t i = 0; i < count; i++) {
                sum[i] += weight * (float)row[i];
            }
        }
    }
}

static void blend_columns(const resize_task *task, const float *restrict sum, float *restrict out) {
    for (uint32_t x = 0; x < task->width; x++) {
        const float *weights = task->x.weights + x * task->x.most;
        const float *sample = sum + (size_t)task->x.first[x] * CHANNELS;
        float red = 0.0F, green = 0.0F, blue = 0.0F;
        for (uint32_t j = 0; j < task->x.taps[x]; j++, sample += CHANNELS) {
            red += weights[j] * sample[0];
            green += weights[j] * sample[1];
            blue += weights[j] * sample[2];
        }
        out[x * CHANNELS] = red / 255.0F;
        out[x * CHANNELS + 1] = green / 255.0F;
        out[x * CHANNELS + 2] = blue / 255.0F;
    }
}

static void resize_rows(void *context, size_t piece, uint32_t worker) {
    const resize_task *task = context;
    float *sum = task->rows + worker * task->in_row;
    size_t end = (piece + 1) * ROWS_PER_PIECE;
    end = end < task->height ? end : task->height;
    for (size_t y = piece * ROWS_PER_PIECE; y < end; y++) {
        blend_rows(task, (uint32_t)y, sum);
        blend_columns(task, sum, task->out + y * task->width * CHANNELS);
    }
}

diffcut_status resize_image(const work *w, const diffcut_image *image, uint32_t width, uint32_t height,
                            diffcut_resample resample, float *out) {
    if (image->width == 0 || image->height == 0 || image->rgb == NULL || width == 0 || height == 0) {
        return diag_fail(w->diag, DIFFCUT_ERROR_ARGUMENT, "resize: a %ux%u image cannot become %ux%u", image->width,
                         image->height, width, height);
    }
    if (resample != DIFFCUT_RESAMPLE_ANTIALIAS && resample != DIFFCUT_RESAMPLE_BILINEAR) {
        return diag_fail(w->diag, DIFFCUT_ERROR_ARGUMENT, "resize: resample is %d, not one of diffcut_resample",
                         (int)resample);
    }
    resize_task task = {
        .rgb = image->rgb, .in_row = (size_t)image->width * CHANNELS, .width = width, .height = height, .out = out};
    diffcut_status status = axis_create(image->width, width, resample, &task.x, w->diag);
    if (status == DIFFCUT_OK) {
        status = axis_create(image->height, height, resample, &task.y, w->diag);
    }
    if (status != DIFFCUT_OK) {
        goto cleanup;
    }
    size_t scratch;
    task.rows = mem_mul(task.in_row, w->threads, &scratch) ? mem_array(scratch, sizeof(float)) : NULL;
    if (task.rows == NULL) {
        status = diag_no_memory(w->diag, task.in_row * sizeof(float), "a row of a resize");
        goto cleanup;
    }
    parallel_for_workers(w->threads, ((size_t)height + ROWS_PER_PIECE - 1) / ROWS_PER_PIECE, resize_rows, &task);

cleanup:
    axis_free(&task.x);
    axis_free(&task.y);
    mem_free(task.rows);
    return status;
}

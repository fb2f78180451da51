/* kernels.c - see kernels.h. Built once for every instruction set by diffcut_simd_source(). */
#include "backend/cpu/kernels.h"
#include "backend/cpu/vector.h"

/* How many elements of a row the vector at `i` holds. */
static inline size_t lanes_at(size_t i, size_t count) {
    return count - i < LANES ? count - i : LANES;
}

static void finish(size_t count, const float *x, const float *a, const float *b, activation act,
                   const float *residual, float *y) {
    for (size_t i = 0; i < count; i += LANES) {
        size_t n = lanes_at(i, count);
        vfloat v = vector_load(x + i, n, 0.0F);
        if (a != NULL) {
            v += vector_load(a + i, n, 0.0F);
        }
        if (b != NULL) {
            v += vector_load(b + i, n, 0.0F);
        }
        v = vector_activate(act, v);
        if (residual != NULL) {
            v += vector_load(residual + i, n, 0.0F);
        }
        vector_store(y + i, n, v);
    }
}

static void gate(size_t count, const float *value, const float *gates, activation act, const float *residual,
                 float *y) {
    for (size_t i = 0; i < count; i += LANES) {
        size_t n = lanes_at(i, count);
        vfloat v = vector_load(value + i, n, 0.0F) * vector_activate(act, vector_load(gates + i, n, 0.0F));
        if (residual != NULL) {
            v += vector_load(residual + i, n, 0.0F);
        }
        vector_store(y + i, n, v);
    }
}

static void scale(size_t count, const float *x, float factor, float *y) {
    for (size_t i = 0; i < count; i += LANES) {
        size_t n = lanes_at(i, count);
        vector_store(y + i, n, factor * vector_load(x + i, n, 0.0F));
    }
}

static void normalize(size_t count, const float *x, const float *mean, const float *factor, const float *shift,
                      activation act, float *y) {
    for (size_t i = 0; i < count; i += LANES) {
        size_t n = lanes_at(i, count);
        vfloat v = (vector_load(x + i, n, 0.0F) - vector_load(mean + i, n, 0.0F)) * vector_load(factor + i, n, 0.0F);
        vector_store(y + i, n, vector_activate(act, v + vector_load(shift + i, n, 0.0F)));
    }
}

/* Plain loops: the compiler vectorises them, since each channel has its own sum. */
static void channel_sums(size_t positions, size_t channels, const float *x, size_t stride, const float *origin,
                         double *restrict sum, double *restrict square) {
    for (size_t c = 0; c < channels; c++) {
        sum[c] = 0.0;
        square[c] = 0.0;
    }
    for (size_t p = 0; p < positions; p++) {
        const float *row = x + p * stride;
        for (size_t c = 0; c < channels; c++) {
            double distance = (double)row[c] - (double)origin[c];
            sum[c] += distance;
            square[c] += distance * distance;
        }
    }
}

/* Sums of (x - origin) and of its square over one row, in double, one partial sum for each of 16 columns: a constant,
 * so that the compiler vectorises it and every level adds in the same order. */
#define ROW_SUMS 16
static void row_sums(size_t count, const float *x, float origin, double *sum, double *square) {
    double sums[ROW_SUMS] = {0};
    double squares[ROW_SUMS] = {0};
    size_t whole = count / ROW_SUMS * ROW_SUMS;
    for (size_t i = 0; i < whole; i += ROW_SUMS) {
        for (size_t j = 0; j < ROW_SUMS; j++) {
            double distance = (double)x[i + j] - (double)origin;
            sums[j] += distance;
            squares[j] += distance * distance;
        }
    }
    for (size_t i = whole; i < count; i++) {
        double distance = (double)x[i] - (double)origin;
        sums[i - whole] += distance;
        squares[i - whole] += distance * distance;
    }
    *sum = 0.0;
    *square = 0.0;
    for (size_t j = 0; j < ROW_SUMS; j++) {
        *sum += sums[j];
        *square += squares[j];
    }
}

static void layer_norm(size_t count, const float *x, const float *gamma, const float *beta, float eps, float *y) {
    double sum;
    double square;
    row_sums(count, x, x[0], &sum, &square);
    double offset = sum / (double)count; /* of the mean from x[0] */
    double variance = square / (double)count - offset * offset;
    variance = variance < 0.0 ? 0.0 : variance; /* by rounding; NaN stays */
    double mean = (double)x[0] + offset;
    float factor = (float)(1.0 / sqrt(variance + (double)eps));
    /* The mean in two floats: x minus the first is exact where x is near it. */
    float near = (float)mean;
    float rest = (float)(mean - (double)near);
    for (size_t i = 0; i < count; i += LANES) {
        size_t n = lanes_at(i, count);
        vfloat v = (vector_load(x + i, n, 0.0F) - near - rest) * factor;
        vector_store(y + i, n, v * vector_load(gamma + i, n, 0.0F) + vector_load(beta + i, n, 0.0F));
    }
}

/* The greatest of the first `count` scores; NaN is passed over and reaches the sum by its own exp. */
static vfloat greatest_of(size_t count, const float *scores) {
    vfloat greatest[2] = {vector_all(-INFINITY), vector_all(-INFINITY)};
    size_t i = 0;
    for (; i + 2 * LANES <= count; i += 2 * LANES) {
        greatest[0] = vector_max(vector_load(scores + i, LANES, 0.0F), greatest[0]);
        greatest[1] = vector_max(vector_load(scores + i + LANES, LANES, 0.0F), greatest[1]);
    }
    for (; i < count; i += LANES) {
        greatest[0] = vector_max(vector_load(scores + i, lanes_at(i, count), -INFINITY), greatest[0]);
    }
    return vector_max(greatest[0], greatest[1]);
}

static float softmax_step(size_t keys, size_t visible, float *scores, float *top, float *sum) {
    float block_top = vector_greatest(greatest_of(visible, scores));
    float new_top = block_top > *top ? block_top : *top;
    /* While every score is -infinity, exp(score - 0) = 0 is meant, not exp(-infinity + infinity). */
    float origin = new_top == -INFINITY ? 0.0F : new_top;
    vfloat total = vector_all(0.0F);
    for (size_t i = 0; i < visible; i += LANES) {
        size_t n = lanes_at(i, visible);
        vfloat v = vector_exp_of_negative(vector_load(scores + i, n, -INFINITY) - origin);
        vector_store(scores + i, n, v);
        total += v;
    }
    for (size_t i = visible; i < keys; i++) {
        scores[i] = 0.0F;
    }
    float rescale = vector_exp(vector_all(*top - origin))[0];
    *sum = *sum * rescale + vector_sum(total);
    *top = new_top;
    return rescale;
}

const cpu_kernels SIMD_NAME(cpu_kernels_table) = {
    .finish = finish,
    .gate = gate,
    .scale = scale,
    .normalize = normalize,
    .channel_sums = channel_sums,
    .layer_norm = layer_norm,
    .softmax_step = softmax_step,
};

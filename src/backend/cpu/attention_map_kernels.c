/* attention_map_kernels.c - see attention_map_kernels.h. */
#include "backend/cpu/attention_map_kernels.h"

#include "backend/cpu/vector.h"

static inline size_t lanes_at(size_t i, size_t count) {
    return count - i < LANES ? count - i : LANES;
}

static void add_softmax(size_t keys, float scale, float share, float *scores, float *y) {
    vfloat greatest = vector_all(-INFINITY), total = vector_all(0.0F);
    for (size_t i = 0; i < keys; i += LANES) {
        size_t n = lanes_at(i, keys);
        vfloat v = scale * vector_load(scores + i, n, 0.0F);
        vector_store(scores + i, n, v);
        greatest = vector_max(vector_load(scores + i, n, -INFINITY), greatest);
    }
    float top = vector_greatest(greatest);
    for (size_t i = 0; i < keys; i += LANES) {
        size_t n = lanes_at(i, keys);
        vfloat v = vector_exp(vector_load(scores + i, n, -INFINITY) - top);
        vector_store(scores + i, n, v);
        total += v;
    }
    float factor = share / vector_sum(total);
    for (size_t i = 0; i < keys; i += LANES) {
        size_t n = lanes_at(i, keys);
        vector_store(y + i, n, vector_load(y + i, n, 0.0F) + factor * vector_load(scores + i, n, 0.0F));
    }
}

const attention_map_kernels SIMD_NAME(attention_map_kernels) = {.add_softmax = add_softmax};

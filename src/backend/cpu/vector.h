/*
 * vector.h - one vector of floats of the instruction set being compiled for, in GCC's vector extension, and the
 * transcendental functions that activations and softmax need. The same source serves every level; intrinsics only
 * where the language has no word for it: a fused multiply-add.
 *
 * Only for files built by diffcut_simd_source (kernels.c, panel_kernels.c, winograd_kernels.c).
 */
#ifndef DIFFCUT_BACKEND_CPU_VECTOR_H
#define DIFFCUT_BACKEND_CPU_VECTOR_H

#include "backend/backend.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif
#define LANES (VECTOR_BYTES / sizeof(float))

typedef float vfloat __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t vint __attribute__((vector_size(VECTOR_BYTES)));
typedef uint32_t vuint __attribute__((vector_size(VECTOR_BYTES)));

static inline vfloat vector_all(float value) {
    return (vfloat){0} + value;
}

/* The first n of LANES elements; `fill` in the others. The pointer need not be aligned. */
static inline vfloat vector_load(const float *from, size_t n, float fill) {
    vfloat v;
    if (n >= LANES) {
        memcpy(&v, from, sizeof v);
    } else {
        v = vector_all(fill);
        memcpy(&v, from, n * sizeof(float));
    }
    return v;
}

static inline void vector_store(float *to, size_t n, vfloat v) {
    memcpy(to, &v, n >= LANES ? sizeof v : n * sizeof(float));
}

/* yes where the comparison `mask` holds (all bits), else no. */
static inline vfloat vector_select(vint mask, vfloat yes, vfloat no) {
    return (vfloat)((mask & (vint)yes) | (~mask & (vint)no));
}

/* The larger of each pair; b where a is NaN. */
static inline vfloat vector_max(vfloat a, vfloat b) {
    return vector_select(a > b, a, b);
}

static inline float vector_greatest(vfloat v) {
    float greatest = v[0];
    for (size_t i = 1; i < LANES; i++) {
        greatest = v[i] > greatest ? v[i] : greatest;
    }
    return greatest;
}

static inline float vector_sum(vfloat v) {
    float sum = 0.0F;
    for (size_t i = 0; i < LANES; i++) {
        sum += v[i];
    }
    return sum;
}

/* a * b + c with one rounding, where the instruction set has it. */
static inline vfloat vector_fma(vfloat a, vfloat b, vfloat c) {
#if defined(__AVX512F__)
    return (vfloat)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
    return (vfloat)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
    return (vfloat)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return a * b + c;
#endif
}

/* exp of what is at most 0, as softmax needs it, in half the steps of vector_exp: results below the least normal
 * number, 2^-126, are 0. */
static inline vfloat vector_exp_of_negative(vfloat x) {
    const vfloat shifter = vector_all(0x1.8p23F);
    vint normal = (vint)(x > -87.0F) | (vint)(x != x);
    vfloat shifted = vector_fma(x, vector_all(0x1.715476p0F), shifter);
    vfloat n = shifted - shifter;
    vfloat r = vector_fma(n, vector_all(-0x1.62e4p-1F), x);
    r = vector_fma(n, vector_all(-0x1.7f7d1cp-20F), r);
    vfloat p = vector_fma(r, vector_all(1.381453825160861e-3F), vector_all(8.36874544620514e-3F));
    p = vector_fma(p, r, vector_all(4.166838899254799e-2F));
    p = vector_fma(p, r, vector_all(0.1666652113199234F));
    p = vector_fma(p, r, vector_all(0.4999999403953552F));
    p = vector_fma(p, r, vector_all(1.0F));
    p = vector_fma(p, r, vector_all(1.0F));
    /* n is in the low bits of `shifted`: times 2^n by adding to p's exponent. */
    vfloat scaled = (vfloat)((vuint)p + ((vuint)shifted << 23));
    vint nan = (vint)(x != x);
    return (vfloat)(normal & (vint)vector_select(nan, x, scaled));
}

/* exp to about one unit in the last place over the whole range, denormal results included; NaN stays NaN.
 * exp(x) = 2^n exp(r), n = round(x / ln 2), |r| <= ln 2 / 2. The polynomial is a relative minimax fit of degree 6
 * (error 3e-9). Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits. 2^n is applied in two halves,
 * since n = 128 and n < -126 have no float of their own. */
static inline vfloat vector_exp(vfloat x) {
    const float shifter = 0x1.8p23F;
    x = vector_select(x > 89.0F, vector_all(89.0F), x);     /* above ln(FLT_MAX): infinity */
    x = vector_select(x < -104.0F, vector_all(-104.0F), x); /* below half the least denormal: 0 */
    vfloat shifted = x * 0x1.715476p0F + shifter;
    vfloat n = shifted - shifter;
    vfloat r = (x - n * 0x1.62e4p-1F) - n * 0x1.7f7d1cp-20F; /* ln 2 in two parts; n times the first is exact */
    vfloat p = r * 1.381453825160861e-3F + 8.36874544620514e-3F;
    p = p * r + 4.166838899254799e-2F;
    p = p * r + 0.1666652113199234F;
    p = p * r + 0.4999999403953552F;
    p = p * (r * r) + r + 1.0F;
    vint power = (vint)((vuint)shifted - (vuint)vector_all(shifter));
    vint half = power >> 1;
    vfloat first = (vfloat)((vuint)(half + 127) << 23);
    vfloat second = (vfloat)((vuint)(power - half + 127) << 23);
    return p * first * second;
}

/* x * sigmoid(slope * x): SiLU with slope 1. */
static inline vfloat vector_swish(vfloat x, float slope) {
    return x / (1.0F + vector_exp(x * -slope));
}

/* GELU by erf: x * P(X <= x) = max(x, 0) - |x| Q(|x|) with the normal tail Q(a) = exp(-a^2 / 2) t p(t),
 * t = 1 / (1 + 0.26 a). p is a relative minimax fit of degree 8 over 0 <= a <= 13.5 (error 2.2e-8), so the result
 * keeps its relative precision where 1 + erf would cancel. */
static inline vfloat vector_gelu(vfloat x) {
    vfloat positive = vector_select(x > 0.0F, x, vector_all(0.0F));
    vfloat a = vector_select(x > 0.0F, x, -x);
    vfloat t = 1.0F / (1.0F + 0.26F * a);
    vfloat p = t * 0x1.f85c2cp-6F + -0x1.3bc7dcp-3F;
    p = p * t + 0x1.046c26p-2F;
    p = p * t + -0x1.3bd118p-3F;
    p = p * t + 0x1.4e46d2p-3F;
    p = p * t + 0x1.99fba4p-5F;
    p = p * t + 0x1.a70ea8p-4F;
    p = p * t + 0x1.a5ce94p-4F;
    p = p * t + 0x1.a90192p-4F;
    return positive - a * (vector_exp(-0.5F * a * a) * (t * p));
}

/* GELU with tanh in place of erf (Hendrycks & Gimpel, 2016): 0.5 (1 + tanh(u)) = 1 / (1 + exp(-2 u)). */
static inline vfloat vector_gelu_tanh(vfloat x) {
    const float twice = 0x1.988454p0F; /* 2 sqrt(2 / pi) */
    return x / (1.0F + vector_exp(-twice * (x + 0.044715F * x * x * x)));
}

static inline vfloat vector_activate(activation act, vfloat v) {
    switch (act) {
    case ACTIVATION_SILU:
    case ACTIVATION_SWIGLU: /* refused by the shape checks outside of gate(), as is the other gate */
        return vector_swish(v, 1.0F);
    case ACTIVATION_RELU:
        return vector_max(v, (vfloat){0.0F});
    case ACTIVATION_QUICK_GELU:
        return vector_swish(v, 1.702F);
    case ACTIVATION_GELU:
    case ACTIVATION_GEGLU:
        return vector_gelu(v);
    case ACTIVATION_GELU_TANH:
        return vector_gelu_tanh(v);
    case ACTIVATION_NONE:
        break;
    }
    return v;
}

#endif

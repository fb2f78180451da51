/* eigen_small.c - see eigen_small.h. Compiled once an instruction set; every inner loop runs along a row. */
#include "segment/eigen_small.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define STEPS_PER_VALUE 40 /* QR steps; two or three are usual */

/* One Householder reflection I - beta v v^T, applied to the rows below k: makes row k's entries past k+1 zero.
 * Returns the sub-diagonal element. v has zeros up to k. */
static double reflect(size_t n, size_t k, double *a, double *vectors, double *v) {
    double norm2 = 0.0, p[EIGEN_SMALL_MAX] = {0};
    memset(v, 0, n * sizeof *v);
    for (size_t i = k + 1; i < n; i++) {
        v[i] = a[k * n + i];
        norm2 += v[i] * v[i];
    }
    double below2 = norm2 - v[k + 1] * v[k + 1];
    if (!(below2 > DBL_MIN)) {
        return v[k + 1];
    }
    double alpha = -copysign(sqrt(norm2), v[k + 1]);
    v[k + 1] -= alpha;
    double beta = 1.0 / (norm2 - alpha * (v[k + 1] + alpha)); /* 2 / v^T v */
    for (size_t i = k + 1; i < n; i++) {                      /* p = beta A v; A is symmetric: sum of its rows */
        for (size_t j = k + 1; j < n; j++) {
            p[j] += beta * v[i] * a[i * n + j];
        }
    }
    double half = 0.0;
    for (size_t i = k + 1; i < n; i++) {
        half += 0.5 * beta * v[i] * p[i];
    }
    for (size_t i = k + 1; i < n; i++) {
        p[i] -= half * v[i];
    }
    for (size_t i = k + 1; i < n; i++) {
        for (size_t j = k + 1; j < n; j++) {
            a[i * n + j] -= v[i] * p[j] + p[i] * v[j];
        }
    }
    double t[EIGEN_SMALL_MAX] = {0}; /* vectors -= beta v (v^T vectors) */
    for (size_t i = k + 1; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            t[j] += v[i] * vectors[i * n + j];
        }
    }
    for (size_t i = k + 1; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            vectors[i * n + j] -= beta * v[i] * t[j];
        }
    }
    return alpha;
}

/* sqrt(x^2 + z^2) without hypot's care for overflow: entries are of the order of 1 at most. */
static inline double radius(double x, double z) {
    return sqrt(x * x + z * z);
}

/* One implicit QR step on the unreduced block low .. high of the tridiagonal (d, e); the rotations go into vectors.
 */
static void qr_step(size_t n, size_t low, size_t high, double *d, double *e, double *vectors) {
    double delta = 0.5 * (d[high - 1] - d[high]), last = e[high - 1];
    double shift = d[high] - last * last / (delta + copysign(radius(delta, last), delta));
    double x = d[low] - shift, z = e[low];
    for (size_t k = low; k < high; k++) {
        double r = radius(x, z), c = r > 0.0 ? x / r : 1.0, s = r > 0.0 ? z / r : 0.0;
        if (k > low) {
            e[k - 1] = r;
        }
        double d1 = d[k], d2 = d[k + 1], off = e[k];
        d[k] = c * c * d1 + 2.0 * c * s * off + s * s * d2;
        d[k + 1] = s * s * d1 - 2.0 * c * s * off + c * c * d2;
        e[k] = c * s * (d2 - d1) + (c * c - s * s) * off;
        x = e[k];
        if (k + 1 < high) {
            z = s * e[k + 1];
            e[k + 1] *= c;
        }
        double *upper = vectors + k * n, *lower = upper + n;
        for (size_t j = 0; j < n; j++) {
            double above = upper[j], below = lower[j];
            upper[j] = c * above + s * below;
            lower[j] = c * below - s * above;
        }
    }
}

static void sort_descending(size_t n, double *values, double *vectors) {
    for (size_t i = 0; i < n; i++) {
        size_t best = i;
        for (size_t j = i + 1; j < n; j++) {
            best = values[j] > values[best] ? j : best;
        }
        if (best != i) {
            double row[EIGEN_SMALL_MAX], value = values[i];
            values[i] = values[best];
            values[best] = value;
            memcpy(row, vectors + i * n, n * sizeof *row);
            memcpy(vectors + i * n, vectors + best * n, n * sizeof *row);
            memcpy(vectors + best * n, row, n * sizeof *row);
        }
    }
}

static bool solve(size_t n, double *a, double *values, double *vectors) {
    double e[EIGEN_SMALL_MAX] = {0}, v[EIGEN_SMALL_MAX], sum = 0.0;
    for (size_t i = 0; i < n * n; i++) {
        sum += a[i];
    }
    if (!isfinite(sum)) { /* comparisons with NaN would look like convergence */
        return false;
    }
    memset(vectors, 0, n * n * sizeof *vectors);
    for (size_t i = 0; i < n; i++) {
        vectors[i * n + i] = 1.0;
    }
    for (size_t k = 0; k + 1 < n; k++) {
        e[k] = k + 2 < n ? reflect(n, k, a, vectors, v) : a[k * n + k + 1];
    }
    for (size_t i = 0; i < n; i++) {
        values[i] = a[i * n + i];
    }
    double negligible = 0.0;
    for (size_t i = 0; i < n; i++) {
        negligible = fmax(negligible, DBL_EPSILON * (fabs(values[i]) + fabs(e[i])));
    }
    size_t steps = STEPS_PER_VALUE * n, high = n > 0 ? n - 1 : 0;
    while (high > 0) {
        size_t low = high;
        while (low > 0 && fabs(e[low - 1]) > negligible) {
            low--;
        }
        if (low > 0) {
            e[low - 1] = 0.0;
        }
        if (low == high) {
            high--;
            continue;
        }
        if (steps-- == 0 || !isfinite(e[high - 1])) {
            return false;
        }
        qr_step(n, low, high, values, e, vectors);
    }
    sort_descending(n, values, vectors);
    return n == 0 || isfinite(values[0]);
}

extern const eigen_small_kernels SIMD_NAME(eigen_small_kernels);
const eigen_small_kernels SIMD_NAME(eigen_small_kernels) = {solve};

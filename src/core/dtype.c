/* dtype.c - see dtype.h. */
#include "core/dtype.h"

#include <stdint.h>
#include <string.h>

size_t dtype_size(dtype type) {
    switch (type) {
    case DTYPE_F32:
        return 4;
    case DTYPE_F16:
    case DTYPE_BF16:
        return 2;
    case DTYPE_OTHER:
        break;
    }
    return 0;
}

const char *dtype_name(dtype type) {
    switch (type) {
    case DTYPE_F32:
        return "F32";
    case DTYPE_F16:
        return "F16";
    case DTYPE_BF16:
        return "BF16";
    case DTYPE_OTHER:
        break;
    }
    return "other";
}

static float from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE 754 binary16 to binary32, subnormals, infinities and NaN included. */
static float half_to_float(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000U) << 16;
    uint32_t exponent = (half >> 10) & 0x1FU;
    uint32_t mantissa = half & 0x3FFU;
    if (exponent == 0x1F) {
        return from_bits(sign | 0x7F800000U | mantissa << 13);
    }
    if (exponent == 0) {
        float value = (float)mantissa * 0x1p-24F;
        return sign != 0 ? -value : value;
    }
    return from_bits(sign | (exponent + 112) << 23 | mantissa << 13);
}

void dtype_to_float(dtype type, const void *source, size_t count, float *out) {
    const uint8_t *bytes = source;
    if (type == DTYPE_F32) {
        memcpy(out, source, count * sizeof *out);
        return;
    }
    if (type == DTYPE_BF16) { /* a loop of its own, which the compiler vectorises */
        for (size_t i = 0; i < count; i++) {
            uint16_t bits;
            memcpy(&bits, bytes + 2 * i, sizeof bits);
            out[i] = from_bits((uint32_t)bits << 16);
        }
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint16_t bits;
        memcpy(&bits, bytes + 2 * i, sizeof bits);
        out[i] = half_to_float(bits);
    }
}

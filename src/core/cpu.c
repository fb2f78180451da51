/* cpu.c - see cpu.h. */
#include "core/cpu.h"

#include <stdlib.h>
#include <string.h>

static cpu_level processor_level(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
        return __builtin_cpu_supports("avx512bf16") ? CPU_AVX512_BF16 : CPU_AVX512;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        return CPU_AVX2;
    }
#endif
    return CPU_GENERIC;
}

const char *cpu_level_name(cpu_level level) {
#if defined(__aarch64__)
    static const char *const names[CPU_LEVEL_COUNT] = {"neon", "avx2", "avx512", "avx512bf16"};
#else
    static const char *const names[CPU_LEVEL_COUNT] = {"generic", "avx2", "avx512", "avx512bf16"};
#endif
    return level < CPU_LEVEL_COUNT ? names[level] : "unknown";
}

cpu_level cpu_best_level(void) {
    cpu_level best = processor_level();
    const char *wanted = getenv("DIFFCUT_CPU");
    for (cpu_level level = CPU_GENERIC; wanted != NULL && level < best; level++) {
        if (strcmp(wanted, cpu_level_name(level)) == 0) {
            return level;
        }
    }
    return best;
}

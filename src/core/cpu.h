/*
 * cpu.h - which instruction set the fast loops use.
 *
 * A file of hot loops is written once in plain C (or GCC vectors) and compiled once for every level by the build's
 * diffcut_simd_source(); it ends in a table of functions named with SIMD_NAME, and the caller picks the table by
 * cpu_level(). Called by the cpu backend, the cut and the refinement.
 */
#ifndef DIFFCUT_CORE_CPU_H
#define DIFFCUT_CORE_CPU_H

typedef enum cpu_level {
    CPU_GENERIC, /* the compiler's baseline */
    CPU_AVX2,    /* AVX2 and FMA */
    CPU_AVX512,  /* AVX-512 F, BW, DQ and VL */
    CPU_LEVEL_COUNT
} cpu_level;

/* The best level of this processor; DIFFCUT_CPU=generic|avx2|avx512 in the environment asks for a lower one. */
cpu_level cpu_best_level(void);
const char *cpu_level_name(cpu_level level);

/* Inside a file built by diffcut_simd_source: a name of this level. */
#define SIMD_PASTE_(name, suffix) name##_##suffix
#define SIMD_PASTE(name, suffix) SIMD_PASTE_(name, suffix)
#ifdef SIMD_SUFFIX
#define SIMD_NAME(name) SIMD_PASTE(name, SIMD_SUFFIX)
#endif

/* Outside: declares the table `type name` of each level, and picks one. */
#if defined(__x86_64__)
#define SIMD_DECLARE(type, name) extern const type name##_generic, name##_avx2, name##_avx512
#define SIMD_PICK(name, level)                                                                                       \
    ((level) == CPU_AVX512 ? &name##_avx512 : (level) == CPU_AVX2 ? &name##_avx2 : &name##_generic)
#else
#define SIMD_DECLARE(type, name) extern const type name##_generic
#define SIMD_PICK(name, level) ((void)(level), &name##_generic)
#endif

#endif

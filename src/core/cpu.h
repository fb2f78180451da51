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
    CPU_GENERIC,     /* the compiler's baseline; on arm64 that has NEON */
    CPU_AVX2,        /* AVX2 and FMA */
    CPU_AVX512,      /* AVX-512 F, BW, DQ and VL */
    CPU_AVX512_BF16, /* these and AVX512-BF16 */
    CPU_LEVEL_COUNT
} cpu_level;

/* The best level of this processor and its system; DIFFCUT_CPU=generic|avx2|avx512|avx512bf16 in the environment asks
 * for a lower one. A level that the processor lacks, or a word that is none, changes nothing: a script may ask for
 * the same everywhere, and what is used is shown by diffcut_build_info. */
cpu_level cpu_best_level(void);
/* "generic", "avx2", ...; on arm64 the first is "neon". */
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
    ((level) >= CPU_AVX512 ? &name##_avx512 : (level) == CPU_AVX2 ? &name##_avx2 : &name##_generic)
/* For files built with BF16, which have a table for AVX512-BF16 too. */
#define SIMD_DECLARE_BF16(type, name) extern const type name##_generic, name##_avx2, name##_avx512, name##_avx512bf16
#define SIMD_PICK_BF16(name, level) ((level) == CPU_AVX512_BF16 ? &name##_avx512bf16 : SIMD_PICK(name, level))
#else
#define SIMD_DECLARE(type, name) extern const type name##_generic
#define SIMD_PICK(name, level) ((void)(level), &name##_generic)
#define SIMD_DECLARE_BF16(type, name) SIMD_DECLARE(type, name)
#define SIMD_PICK_BF16(name, level) SIMD_PICK(name, level)
#endif

#endif
